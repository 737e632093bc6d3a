import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../convex/_generated/api.js";
import {
  chromiumPath as executable,
  launchChromium,
  openWindow,
  servePages,
  shoot as shootOf,
} from "../../../conformance/support/browser.ts";
import { appFolder, linkIn, LiveServer } from "./support/liveServer.ts";
import { signIn, signUp } from "./support/page.ts";

if (executable === null)
  process.stderr.write(
    "\n*** starter-chat: NO CHROMIUM FOUND, the browser tests are SKIPPED. Set LENSLET_CHROMIUM to one. ***\n\n",
  );

const { queries, mutations } = api.functions;
const waitMs = 15_000;
let count = 0;
const shoot = (page: Page, name: string) => shootOf(page, appFolder, name);

describe.skipIf(executable === null)("the page, in Chromium", { timeout: 90_000 }, () => {
  let server: LiveServer;
  let site: Awaited<ReturnType<typeof servePages>>;
  let browser: Browser;

  beforeAll(async () => {
    server = await LiveServer.startWithApp();
    site = await servePages(appFolder, server.url, server.siteUrl);
    await server.servePageAt(site.url);
    browser = await launchChromium(executable ?? "");
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    await server?.close();
  });

  const newChat = (page: Page) =>
    page.getByRole("complementary").getByRole("button", { name: "New chat" }).click();
  const messageOf = (page: Page, text: string): Locator =>
    page.locator("[data-message]").filter({ hasText: text });
  const composer = (page: Page) => page.getByRole("textbox", { name: "Message", exact: true });
  const say = async (page: Page, text: string) => {
    await composer(page).fill(text);
    await composer(page).press("Enter");
  };
  const sees = (page: Page, text: string) => messageOf(page, text).waitFor({ timeout: waitMs });
  const person = (name: string) => ({ name, email: `${name.toLowerCase()}.${++count}@example.com` });
  const enter = async (name: string, options: Parameters<typeof openWindow>[2] = {}) => {
    const who = person(name);
    const visitor = await openWindow(browser, site.url, options);
    await signUp(visitor.page, who.name, who.email);
    await server.confirm(who.email);
    return { ...visitor, ...who };
  };

  it("takes a file along, and lets the assistant answer", async () => {
    const ada = await enter("Ada");
    await newChat(ada.page);
    await composer(ada.page).waitFor();
    const png =
      "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC";
    await ada.page.getByLabel("Attach files").setInputFiles([
      { name: "red.png", mimeType: "image/png", buffer: Buffer.from(png, "base64") },
      { name: "page.html", mimeType: "text/html", buffer: Buffer.from("<h1>no</h1>") },
    ]);
    await ada.page.getByRole("alert").filter({ hasText: "text/html" }).waitFor();
    await ada.page.getByRole("button", { name: "Remove page.html" }).click();
    await ada.page.getByRole("button", { name: "The assistant answers" }).click();
    await composer(ada.page).fill("What colour is this?");
    await ada.page.getByRole("button", { name: "Send", exact: true }).click();
    const picture = ada.page.getByRole("img", { name: "red.png" });
    await picture.waitFor({ timeout: waitMs });
    await expect
      .poll(() => picture.evaluate((image) => (image as HTMLImageElement).naturalWidth), { timeout: waitMs })
      .toBe(10);
    // It can be seen growing, and says that it is a stand-in.
    await ada.page.getByRole("button", { name: "Stop" }).waitFor({ timeout: waitMs });
    await sees(ada.page, "No language model is connected");
    await messageOf(ada.page, "No language model")
      .getByText("stand-in", { exact: true })
      .waitFor({ timeout: waitMs });
    await shoot(ada.page, "00-assistant-and-file");
    expect(ada.errors).toEqual([]);
  });

  it("lets two people chat live, through a crash of the server", async () => {
    const ada = await enter("Ada");
    const bob = await enter("Bob", { colorScheme: "dark" });
    await shoot(ada.page, "01-first-visit-light");

    // A new chat takes its title from the first message.
    await newChat(ada.page);
    await say(ada.page, "Shall we plan the launch?");
    await sees(ada.page, "Shall we plan the launch?");
    await ada.page.getByRole("heading", { name: "Shall we plan the launch?" }).waitFor();

    await ada.page.getByRole("button", { name: "Share" }).click();
    const dialog = ada.page.getByRole("dialog", { name: "Share this chat" });
    await dialog.getByLabel("E-mail of the other person").fill("nobody@example.com");
    await dialog.getByRole("button", { name: "Share", exact: true }).click();
    await dialog.getByText("nobody@example.com").waitFor();
    await dialog.getByRole("button", { name: "Stop sharing with nobody@example.com" }).click();
    await dialog.getByText("nobody@example.com").waitFor({ state: "hidden" });
    await dialog.getByLabel("E-mail of the other person").fill(bob.email);
    await dialog.getByRole("button", { name: "Share", exact: true }).click();
    await dialog.getByRole("list", { name: "Shared with" }).getByText(bob.email).waitFor();
    await shoot(ada.page, "02-share-dialog-light");
    await dialog.getByRole("button", { name: "Close" }).click();
    await ada.page.getByText("You and Bob").waitFor();

    // The chat is in the other's list without a reload.
    await bob.page.getByRole("heading", { name: "Shared with you" }).waitFor({ timeout: waitMs });
    await bob.page.getByRole("link", { name: /Shall we plan the launch/ }).click();
    await sees(bob.page, "Shall we plan the launch?");
    await say(
      bob.page,
      "Yes! I wrote this:\n```ts src/launch.ts\nexport function launch(at: Date): string {\n  return `T minus ${at.getTime() - Date.now()} ms`;\n}\n```\nWhat do you think?",
    );
    await sees(ada.page, "What do you think?");
    await ada.page.getByRole("region", { name: "Code, ts · src/launch.ts" }).waitFor();
    await say(ada.page, "I like it. See https://example.com/launch, and use `Temporal` one day.");
    await sees(bob.page, "I like it.");

    // kill -9, and back on the same folder and port.
    await server.server.kill9();
    await ada.page.getByText("Reconnecting…").waitFor({ timeout: waitMs });
    await bob.page.getByText("Reconnecting…").waitFor({ timeout: waitMs });
    await say(ada.page, "Sent while the server was away");
    await messageOf(ada.page, "Sent while the server was away").getByText("Sending…").waitFor();
    await shoot(ada.page, "03-reconnecting-light");
    await server.server.start();
    await sees(bob.page, "Sent while the server was away");
    await ada.page.getByText("Reconnecting…").waitFor({ state: "hidden", timeout: waitMs });
    await messageOf(ada.page, "Sent while the server was away")
      .getByText("Sending…")
      .waitFor({ state: "hidden", timeout: waitMs });
    await say(bob.page, "We are back");
    await sees(ada.page, "We are back");
    await say(ada.page, "So we are");
    await sees(bob.page, "So we are");
    expect(await messageOf(bob.page, "Sent while the server was away").count()).toBe(1);
    for (const page of [ada.page, bob.page]) expect(await page.locator("[data-message]").count()).toBe(6);
    await shoot(ada.page, "04-chat-light");
    await shoot(bob.page, "04-chat-dark");

    // Taking the share back closes the chat in the other's open window.
    await ada.page.getByRole("button", { name: "Share" }).click();
    await ada.page.getByRole("button", { name: "Stop sharing with Bob" }).click();
    await bob.page.getByText("is not shared with you").waitFor({ timeout: waitMs });
    expect([...ada.errors, ...bob.errors]).toEqual([]);
    await Promise.all([ada.context.close(), bob.context.close()]);
  });

  it("edits, replies to, and deletes messages, by keyboard", async () => {
    const ada = await enter("Ada");
    const { page } = ada;
    await newChat(page);
    await say(page, "First thought");
    await say(page, "Secnod thought");
    await messageOf(page, "Secnod").waitFor();
    await expect.poll(() => page.getByText("Sending…").count(), { timeout: waitMs }).toBe(0);

    await composer(page).press("ArrowUp");
    await expect.poll(() => composer(page).inputValue()).toBe("Secnod thought");
    await composer(page).fill("Second thought");
    await shoot(page, "05-editing-light");
    await composer(page).press("Enter");
    await messageOf(page, "Second thought").getByRole("button", { name: "Edited" }).click();
    await page.getByRole("dialog", { name: "Earlier versions" }).getByText("Secnod thought").waitFor();
    await page.keyboard.press("Escape");

    await openOptions(messageOf(page, "First thought"));
    await shoot(page, "06-message-menu-light");
    await page.keyboard.press("Enter"); // Reply is the first entry, and has the focus
    await say(page, "A reply");
    await messageOf(page, "A reply").getByText("First thought").waitFor();

    await openOptions(messageOf(page, "First thought").first());
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await messageOf(page, "First thought").waitFor({ state: "hidden" });
    await messageOf(page, "A reply").waitFor();
    expect(await page.locator("[data-message]").count()).toBe(2);

    // A new line with Shift+Enter; nothing is sent by it, and a draft stays with its chat.
    await composer(page).fill("draft");
    await composer(page).press("Shift+Enter");
    await composer(page).pressSequentially("goes on");
    await newChat(page);
    await page.getByText("Write the first message below.").waitFor();
    await expect.poll(() => composer(page).inputValue()).toBe("");
    await page.goBack();
    await messageOf(page, "A reply").waitFor();
    await expect.poll(() => composer(page).inputValue()).toBe("draft\ngoes on");
    expect(ada.errors).toEqual([]);
    await ada.context.close();
  });

  it("renames, archives, searches and deletes chats", async () => {
    const ada = await enter("Ada");
    const { page } = ada;
    await newChat(page);
    await page.getByRole("button", { name: "Chat options" }).click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByLabel("Title").fill("Groceries");
    await page.getByRole("button", { name: "Rename", exact: true }).click();
    const entry = page.getByRole("link", { name: /Groceries/ });
    await entry.waitFor();

    await page.getByRole("button", { name: "Chat options" }).click();
    await page.getByRole("menuitem", { name: "Archive" }).click();
    await entry.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Show archive" }).click();
    await entry.waitFor();
    await page.getByRole("button", { name: "Chat options" }).click();
    await page.getByRole("menuitem", { name: "Take out of the archive" }).click();
    await page.getByText("The archive is empty.").waitFor();

    await page.keyboard.press("Control+k");
    await page.keyboard.type("milk");
    await page.getByText("Nothing found").waitFor();
    await shoot(page, "07-search-light");
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "Chat options" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await shoot(page, "08-delete-chat-light");
    await page.getByRole("button", { name: "Delete chat" }).click();
    await entry.waitFor({ state: "hidden" });
    await page.getByText("No chats yet.").waitFor();

    await page.goto(`${site.url}/#/c/nonsense`);
    await page.getByText("This chat cannot be shown").waitFor();
    expect(ada.errors).toEqual([]);
    await ada.context.close();
  });

  it("loads a long history page by page, keeping the place", async () => {
    const who = person("Ada");
    const client = await server.client(who.name, { email: who.email });
    const chatId = await client.mutation(mutations.chats.createChat, { title: "A long history" });
    const total = 130;
    for (let index = 1; index <= total; index++)
      await client.mutation(mutations.messages.sendMessage, {
        chatId,
        content: `Message ${index}. ${"Some words that take up room. ".repeat(index % 5)}`,
      });
    const ada = await openWindow(browser, `${site.url}/#/c/${chatId}`);
    const { page } = ada;
    await signIn(page, who.email);
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
    await shoot(page, "09-history-light");

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
    expect(await page.locator("[data-message]").count()).toBe(total + 1);
    await pill.click();
    await expect.poll(() => distanceToEnd(list)).toBeLessThan(3);
    expect(ada.errors).toEqual([]);
    await ada.context.close();
  });

  it("fits a phone, and keeps the theme that was chosen", async () => {
    const who = person("Grace");
    const client = await server.client(who.name, { email: who.email });
    for (const title of [
      "Compiler notes",
      "Moths found so far",
      "A title that is much too long to fit on one line of a phone",
    ]) {
      const chatId = await client.mutation(mutations.chats.createChat, { title });
      await client.mutation(mutations.messages.sendMessage, { chatId, content: `About ${title}` });
    }
    const grace = await openWindow(browser, site.url, { width: 390, height: 780, isTouch: true });
    const { page } = grace;
    await shoot(page, "10-sign-in-narrow-light");
    await signIn(page, who.email);
    await page.getByRole("link", { name: /Moths/ }).waitFor();
    await shoot(page, "11-list-narrow-light");
    await page.getByRole("link", { name: /Moths/ }).click();
    await sees(page, "About Moths found so far");
    await say(
      page,
      "```\n1947-09-09 15:45 relay 70 panel F (moth) in relay, first actual case of a bug being found\n```\nThat line scrolls.",
    );
    await sees(page, "That line scrolls.");
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    await shoot(page, "12-chat-narrow-light");
    await page.getByRole("button", { name: "Back to the list" }).click();
    const theme = page.getByRole("button", { name: /^Theme/ });
    await theme.click();
    await theme.click();
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
    await shoot(page, "13-list-narrow-dark");
    await page.reload();
    await page.getByRole("link", { name: /Moths/ }).click();
    await sees(page, "That line scrolls.");
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
    await shoot(page, "14-chat-narrow-dark");
    await expect
      .poll(async () => (await client.query(queries.users.getCurrentUser, {}))?.preferences?.theme)
      .toBe("dark");
    expect(grace.errors).toEqual([]);
    await grace.context.close();
  });

  it("signs out a device that is signed out from another one", async () => {
    const ada = await enter("Ada");
    const other = await openWindow(browser, site.url);
    await signIn(other.page, ada.email);
    await ada.page.getByRole("button", { name: "Your account" }).click();
    await ada.page.getByRole("menuitem", { name: "Devices and password" }).click();
    await ada.page.getByText("This device").waitFor();
    await shoot(ada.page, "17-devices-light");
    await ada.page.getByRole("button", { name: /^Sign out Chrome/ }).click();
    await other.page.getByText("ended on another device").waitFor({ timeout: waitMs });
    await ada.page.reload();
    await ada.page.getByRole("heading", { name: "Hello, Ada" }).waitFor();
    expect([...ada.errors, ...other.errors]).toEqual([]);
    await Promise.all([ada.context.close(), other.context.close()]);
  });

  it("gets one back in whose password is lost", async () => {
    const ada = await enter("Ada");
    await ada.page.getByRole("button", { name: "Your account" }).click();
    await ada.page.getByRole("menuitem", { name: "Sign out" }).click();
    await ada.page.getByRole("button", { name: "Forgot your password?" }).click();
    await ada.page.getByLabel("E-mail").fill(ada.email);
    await ada.page.getByRole("button", { name: "Send the link" }).click();
    await ada.page.getByRole("heading", { name: "Look into your mail" }).waitFor();
    await shoot(ada.page, "18-look-into-mail-light");
    await ada.page.goto(linkIn(await server.mailTo(ada.email, "new password")));
    await ada.page.getByLabel("New password").fill("an altogether different one");
    await shoot(ada.page, "19-new-password-light");
    await ada.page.getByRole("button", { name: "Change password" }).click();
    await ada.page.getByText("Your password has been changed").waitFor({ timeout: waitMs });
    await ada.page.getByLabel("E-mail").fill(ada.email);
    await ada.page.getByLabel("Password").fill("an altogether different one");
    await ada.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await ada.page.getByRole("heading", { name: "Hello, Ada" }).waitFor({ timeout: waitMs });
    expect(ada.errors).toEqual([]);
    await ada.context.close();
  });

  it("deletes the account with everything in it", async () => {
    const eve = await enter("Eve", { colorScheme: "dark" });
    const { page } = eve;
    await newChat(page);
    await say(page, "Nothing stays");
    await sees(page, "Nothing stays");
    await page.getByRole("button", { name: "Your account" }).click();
    await page.getByRole("menuitem", { name: "Delete account" }).click();
    await shoot(page, "15-delete-account-dark");
    await page.getByRole("button", { name: "Delete everything" }).click();
    await page.getByRole("heading", { name: "Welcome" }).waitFor({ timeout: waitMs });
    await shoot(page, "16-sign-in-dark");
    await signUp(page, eve.name, eve.email);
    await page.getByText("No chats yet.").waitFor();
    expect(eve.errors).toEqual([]);
    await eve.context.close();
  });

  async function openOptions(message: Locator): Promise<void> {
    const options = message.getByRole("button", { name: /Options for this message/ });
    await options.focus();
    await options.press("Enter");
  }

  async function distanceToEnd(list: Locator): Promise<number> {
    return await list.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
  }
});
