import type { Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../convex/_generated/api.js";
import {
  composer,
  gone,
  hasChromium,
  messageOf,
  newChat,
  openOptions,
  picture,
  say,
  sees,
  shareWith,
  Site,
  waitMs,
} from "./support/site.ts";

const { queries, mutations } = api.functions;
/** A red square of ten by ten. */
const png =
  "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC";

describe.skipIf(!hasChromium)("the page, in Chromium", { timeout: 300_000 }, () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.open();
  }, 120_000);
  afterAll(async () => await site?.close());

  it("goes from signing up to a shared chat with a file and an answer", async () => {
    const ada = await site.enter("Ada");
    const bob = await site.enter("Bob", { colorScheme: "dark" });
    const { page } = ada;
    await newChat(page);
    await page.getByLabel("Attach files").setInputFiles([
      { name: "red.png", mimeType: "image/png", buffer: Buffer.from(png, "base64") },
      { name: "page.html", mimeType: "text/html", buffer: Buffer.from("<h1>no</h1>") },
    ]);
    await page.getByRole("alert").filter({ hasText: "text/html" }).waitFor();
    await page.getByRole("button", { name: "Remove page.html" }).click();
    await page.getByRole("button", { name: "The assistant answers" }).click();
    await composer(page).fill("What colour is this?");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    const square = page.getByRole("img", { name: "red.png" });
    await square.waitFor({ timeout: waitMs });
    await expect
      .poll(() => square.evaluate((image) => (image as HTMLImageElement).naturalWidth), { timeout: waitMs })
      .toBe(10);
    // It says that it is a stand-in.
    await sees(page, "No language model is connected");
    const answer = messageOf(page, "No language model");
    await answer.locator("summary", { hasText: "stand-in" }).click({ timeout: waitMs });
    await answer.getByText("Time", { exact: true }).waitFor();
    await picture(page, "00-assistant-and-file");
    // The chat has its title from the first message.
    await page.getByRole("heading", { name: "What colour is this?" }).waitFor();

    await shareWith(page, bob.email);
    await bob.page.getByRole("link", { name: /What colour is this/ }).click();
    await bob.page.getByRole("img", { name: "red.png" }).waitFor({ timeout: waitMs });
    await sees(bob.page, "No language model is connected");
    await bob.page.getByRole("button", { name: "Chat options" }).click();
    await bob.page.getByRole("menuitem", { name: "Files" }).click();
    await bob.page.getByRole("list", { name: "Files" }).getByText("red.png").waitFor();
    await picture(bob.page, "01-files-dark");
    expect([...ada.errors, ...bob.errors]).toEqual([]);
    await Promise.all([ada.context.close(), bob.context.close()]);
  });

  it("shows an answer grow, stops it, and writes it anew", async () => {
    const { answer, close } = await site.holdAnswers();
    const { page, errors, context } = await site.enter("Ada");
    await newChat(page);
    await page.keyboard.press("Alt+a");
    await say(page, "Tell me a long story");
    const stop = page.getByRole("button", { name: "Stop" });
    await stop.waitFor();
    for (const [piece, soFar] of [
      ["Once upon ", "Once upon"],
      ["a time ", "Once upon a time"],
    ] as const) {
      answer.say(piece);
      await sees(page, soFar);
    }
    await composer(page).press("Escape");
    await gone(stop);
    await page.getByRole("button", { name: "Answer again" }).click();
    await stop.waitFor();
    answer.say("there was an end.");
    answer.end();
    await sees(page, "Once upon a time there was an end.");
    await gone(stop);
    await page.locator("summary", { hasText: "gpt-4o-mini" }).waitFor();
    expect(await page.locator("[data-message]").count()).toBe(2);
    expect(errors).toEqual([]);
    await context.close();
    await close();
  });

  it("shows two people who is there, who is writing, and what is new", async () => {
    const ada = await site.enter("Ada");
    const bob = await site.enter("Bob");
    await newChat(ada.page);
    await say(ada.page, "Shall we plan the launch?");
    await sees(ada.page, "Shall we plan the launch?");
    await shareWith(ada.page, bob.email);
    const entry = bob.page.getByRole("link", { name: /Shall we plan the launch/ });
    await entry.getByText("unread").waitFor({ timeout: waitMs });
    await expect.poll(() => bob.page.title()).toBe("(1) Starter chat");
    await entry.click();
    await bob.page.getByText("New", { exact: true }).waitFor();
    await ada.page.getByText("Bob is here").waitFor({ timeout: waitMs });
    await expect
      .poll(() => bob.page.title(), { timeout: waitMs })
      .toBe("Shall we plan the launch? · Starter chat");

    // It is told for as long as he writes.
    await expect
      .poll(async () => {
        await composer(bob.page).pressSequentially("Yes, an");
        return await ada.page.getByText("Bob is writing").count();
      })
      .toBe(1);
    await picture(ada.page, "02-typing-light");
    await composer(bob.page).fill("Yes, and **soon**");
    await composer(bob.page).press("Enter");
    await sees(ada.page, "Yes, and soon");
    await ada.page.getByText("Bob is writing").waitFor({ state: "hidden", timeout: waitMs });
    await bob.page.goto(`${site.url}/#/`);
    await ada.page.getByText("Bob is here").waitFor({ state: "hidden", timeout: waitMs });

    // Taking the share back closes the chat in the other's open window.
    await entry.click();
    await sees(bob.page, "Shall we plan the launch?");
    await ada.page.keyboard.press("Alt+s");
    await ada.page.getByRole("button", { name: "Stop sharing with Bob" }).click();
    await bob.page.getByText("is not shared with you").waitFor({ timeout: waitMs });
    expect([...ada.errors, ...bob.errors]).toEqual([]);
    await Promise.all([ada.context.close(), bob.context.close()]);
  });

  it("edits, replies to, and deletes messages, by keyboard", async () => {
    const ada = await site.enter("Ada");
    const { page } = ada;
    await newChat(page);
    await say(page, "First thought");
    await say(page, "Secnod thought");
    await messageOf(page, "Secnod").waitFor();
    await gone(page.getByText("Sending…"));

    await composer(page).press("ArrowUp");
    await expect.poll(() => composer(page).inputValue()).toBe("Secnod thought");
    await composer(page).fill("Second thought");
    await picture(page, "03-editing-light");
    await composer(page).press("Enter");
    await messageOf(page, "Second thought").getByRole("button", { name: "Edited" }).click();
    await page.getByRole("dialog", { name: "Earlier versions" }).getByText("Secnod thought").waitFor();
    await page.keyboard.press("Escape");

    await openOptions(messageOf(page, "First thought"));
    await page.keyboard.press("Enter"); // Reply is the first entry, and has the focus
    await say(page, "A reply");
    await messageOf(page, "A reply").getByText("First thought").waitFor();

    await openOptions(messageOf(page, "First thought").first());
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await gone(messageOf(page, "First thought"));
    await messageOf(page, "A reply").waitFor();
    expect(await page.locator("[data-message]").count()).toBe(2);

    // A new line with Shift+Enter; nothing is sent by it, and a draft stays with its chat.
    await composer(page).fill("draft");
    await composer(page).press("Shift+Enter");
    await composer(page).pressSequentially("goes on");
    await page.keyboard.press("Alt+n");
    await page.getByText("Write the first message below.").waitFor();
    await expect.poll(() => composer(page).inputValue()).toBe("");
    await page.keyboard.press("Alt+ArrowDown");
    await messageOf(page, "A reply").waitFor();
    await expect.poll(() => composer(page).inputValue()).toBe("draft\ngoes on");
    expect(ada.errors).toEqual([]);
    await ada.context.close();
  });

  it("sets a chat up, finds it by its tag, archives and deletes it", async () => {
    const ada = await site.enter("Ada");
    const { page } = ada;
    await newChat(page);
    await page.keyboard.press("Alt+e");
    const settings = page.getByRole("dialog", { name: "Chat settings" });
    await settings.getByLabel("Title").fill("Groceries");
    await settings.getByLabel("Tags").fill("home");
    await settings.getByLabel("Tags").press("Enter");
    await settings.getByLabel("Model").selectOption("gpt-4o");
    await settings.getByLabel("What it should always keep in mind").fill("Be brief.");
    await settings.getByLabel("Temperature").fill("0.3");
    await settings.getByLabel("Longest answer").fill("500");
    await settings.getByRole("button", { name: "Save" }).click();
    await settings.waitFor({ state: "hidden" });
    const entry = page.getByRole("link", { name: /Groceries/ });
    await entry.waitFor();
    await newChat(page);
    await page.getByRole("button", { name: "home", exact: true }).click();
    await expect.poll(() => page.locator("nav a.chat-entry").count()).toBe(1);
    await entry.click();
    await page.getByRole("heading", { name: "Groceries" }).waitFor();
    await page.keyboard.press("Alt+e");
    await expect.poll(() => settings.getByLabel("Temperature").inputValue()).toBe("0.3");
    expect(await settings.getByLabel("Model").inputValue()).toBe("gpt-4o");
    // Back to what the model does by itself.
    await settings.getByLabel("Temperature").fill("");
    await settings.getByRole("button", { name: "Remove the tag home" }).click();
    await settings.getByLabel("In the archive").check();
    await settings.getByRole("button", { name: "Save" }).click();
    await entry.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Show archive" }).click();
    await entry.waitFor();
    await page.keyboard.press("Alt+e");
    await expect.poll(() => settings.getByLabel("Temperature").inputValue()).toBe("");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Chat options" }).click();
    await page.getByRole("menuitem", { name: "Take out of the archive" }).click();
    await page.getByText("The archive is empty.").waitFor();

    await page.getByRole("button", { name: "Chat options" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await picture(page, "04-delete-chat-light");
    await page.getByRole("button", { name: "Delete chat" }).click();
    await entry.waitFor({ state: "hidden" });
    expect(ada.errors).toEqual([]);
    await ada.context.close();
  });

  it("loads a long history page by page, keeping the place, and jumps to what a search finds", async () => {
    const email = site.newEmail("Ada");
    const { client } = await site.live.signUp("Ada", { email });
    const chatId = await client.mutation(mutations.chats.createChat, { title: "A long history" });
    const total = 130;
    for (let index = 1; index <= total; index++)
      await client.mutation(mutations.messages.sendMessage, {
        chatId,
        content: `Message ${index}. ${index === 20 ? "A needle. " : ""}${"Some words that take up room. ".repeat(index % 5)}`,
      });
    const ada = await site.signIn(email, `/#/c/${chatId}`);
    const { page } = ada;
    await sees(page, `Message ${total}.`);
    const list = page.getByRole("region", { name: "Messages", exact: true });
    await expect.poll(() => distanceToEnd(list)).toBeLessThan(3);
    expect(await page.locator("[data-message]").count()).toBe(40);

    // The message at the top of the view must not move when older ones are put in above it.
    const anchor = messageOf(page, `Message ${total - 30}.`);
    const before = await list.evaluate((element) => {
      element.scrollTop = 500;
      return element.scrollHeight;
    });
    const topBefore = (await anchor.boundingBox())?.y ?? Number.NaN;
    await expect
      .poll(() => list.evaluate((element) => element.scrollHeight), { timeout: waitMs })
      .toBeGreaterThan(before);
    expect(Math.abs(((await anchor.boundingBox())?.y ?? Number.NaN) - topBefore)).toBeLessThan(3);

    // A message that arrives meanwhile does not move it either; it is announced.
    const topNow = (await anchor.boundingBox())?.y ?? Number.NaN;
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "Something new" });
    const pill = page.getByRole("button", { name: "New messages" });
    await pill.waitFor();
    expect(Math.abs(((await anchor.boundingBox())?.y ?? Number.NaN) - topNow)).toBeLessThan(3);
    await picture(page, "05-history-light");
    await pill.click();
    await expect.poll(() => distanceToEnd(list)).toBeLessThan(3);

    // From the search to the middle of the history, and from there both ways.
    await page.keyboard.press("Control+k");
    await page.keyboard.type("needle");
    // Not what its first letters have found.
    await page.getByText("1 message", { exact: true }).waitFor({ timeout: waitMs });
    await page.locator("mark", { hasText: "needle" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const found = messageOf(page, "A needle.");
    await found.waitFor({ timeout: waitMs });
    await expect.poll(() => isInView(found)).toBe(true);
    await picture(page, "06-found-light");
    const newest = page.getByRole("button", { name: "To the newest message" });
    await expect
      .poll(
        async () => {
          await list.evaluate((element) => {
            element.scrollTop = 0;
          });
          return await page.getByText("The beginning of this chat").count();
        },
        { timeout: waitMs },
      )
      .toBe(1);
    await expect
      .poll(
        async () => {
          await list.evaluate((element) => {
            element.scrollTop = element.scrollHeight;
          });
          return await messageOf(page, "Something new").count();
        },
        { timeout: waitMs },
      )
      .toBe(1);
    expect(await page.locator("[data-message]").count()).toBe(total + 1);
    await list.evaluate((element) => {
      element.scrollTop = 0;
    });
    await newest.click();
    await expect.poll(() => distanceToEnd(list)).toBeLessThan(3);
    expect(ada.errors).toEqual([]);
    await ada.context.close();
  });

  it("takes files that are dropped or pasted", async () => {
    const { page, errors, context } = await site.enter("Ada");
    await newChat(page);
    const files = (name: string) =>
      page.evaluateHandle((name) => {
        const data = new DataTransfer();
        data.items.add(new File(["what is in it"], name, { type: "text/plain" }));
        return data;
      }, name);
    const pane = page.locator(".chat");
    await pane.dispatchEvent("dragenter", { dataTransfer: await files("dropped.txt") });
    await page.getByText("Drop to attach").waitFor();
    await picture(page, "07-drop-light");
    await pane.dispatchEvent("drop", { dataTransfer: await files("dropped.txt") });
    const drafts = page.getByRole("list", { name: "Files to send" });
    await drafts.getByText("dropped.txt").waitFor();
    await page.getByText("Drop to attach").waitFor({ state: "hidden" });
    await composer(page).evaluate(
      (field, clipboardData) =>
        field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true })),
      await files("pasted.txt"),
    );
    await drafts.getByText("pasted.txt").waitFor();
    await expect.poll(() => page.getByRole("progressbar").count(), { timeout: waitMs }).toBe(0);
    await page.getByRole("button", { name: "Send", exact: true }).click();
    const link = page.getByRole("link", { name: "dropped.txt", exact: true });
    await link.waitFor({ timeout: waitMs });
    await expect.poll(() => link.getAttribute("href"), { timeout: waitMs }).toMatch(/^http/);
    const file = await fetch((await link.getAttribute("href")) ?? "");
    expect(await file.text()).toBe("what is in it");
    await page.getByRole("link", { name: "pasted.txt", exact: true }).waitFor();
    expect(errors).toEqual([]);
    await context.close();
  });

  it("fits a phone, and keeps the theme that was chosen", async () => {
    const email = site.newEmail("Grace");
    const { client } = await site.live.signUp("Grace", { email });
    for (const title of ["Compiler notes", "Moths found so far"]) {
      const chatId = await client.mutation(mutations.chats.createChat, { title });
      await client.mutation(mutations.messages.sendMessage, { chatId, content: `About ${title}` });
    }
    const grace = await site.signIn(email, "/", { width: 390, height: 780, isTouch: true });
    const { page } = grace;
    await page.getByRole("link", { name: /Moths/ }).click();
    await sees(page, "About Moths found so far");
    await say(
      page,
      "```\n1947-09-09 15:45 relay 70 panel F (moth) in relay, first actual case of a bug being found\n```\nThat line scrolls.",
    );
    await sees(page, "That line scrolls.");
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    // The list is a drawer: out of the way of the keyboard until it is opened, and closed by Escape or a choice.
    const list = page.getByRole("button", { name: "Show the list of chats" });
    await list.click();
    await page.getByRole("button", { name: "Close the list" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Close the list" }).waitFor({ state: "hidden" });
    await list.click();
    const theme = page.getByRole("button", { name: /^Theme/ });
    await theme.click();
    await theme.click();
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
    await page.getByRole("link", { name: /Compiler/ }).click();
    await sees(page, "About Compiler notes");
    await page.getByRole("button", { name: "Close the list" }).waitFor({ state: "hidden" });
    await page.reload();
    await sees(page, "About Compiler notes");
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
    await expect
      .poll(async () => (await client.query(queries.users.getCurrentUser, {}))?.preferences?.theme)
      .toBe("dark");
    expect(grace.errors).toEqual([]);
    await grace.context.close();
  });
});

async function distanceToEnd(list: Locator): Promise<number> {
  return await list.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
}

async function isInView(element: Locator): Promise<boolean> {
  return await element.evaluate((found) => {
    const { top, bottom } = found.getBoundingClientRect();
    return top >= 0 && bottom <= window.innerHeight;
  });
}
