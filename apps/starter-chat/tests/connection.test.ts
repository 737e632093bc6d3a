import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  composer,
  hasChromium,
  messageOf,
  newChat,
  picture,
  say,
  sees,
  shareWith,
  Site,
  waitMs,
} from "./support/site.ts";

describe.skipIf(!hasChromium)("a bad connection, in Chromium", { timeout: 300_000 }, () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.open();
  }, 120_000);
  afterAll(async () => await site?.close());

  it("keeps what is written without a network, and sends it once", async () => {
    const ada = await site.enter("Ada");
    const bob = await site.enter("Bob");
    const network = await networkOf(ada.page);
    await newChat(ada.page);
    await say(ada.page, "Before the tunnel");
    await sees(ada.page, "Before the tunnel");
    await shareWith(ada.page, bob.email);
    await bob.page.getByRole("link", { name: /Before the tunnel/ }).click();
    await sees(bob.page, "Before the tunnel");

    await network.cut();
    await ada.page.getByText("You are offline.").waitFor({ timeout: waitMs });
    await say(ada.page, "In the tunnel");
    await messageOf(ada.page, "In the tunnel").getByText("Sending…").waitFor();
    await say(bob.page, "Are you still there?");
    await picture(ada.page, "10-offline-light");
    await network.mend();
    await ada.page.getByText("You are offline.").waitFor({ state: "hidden", timeout: waitMs });
    await sees(ada.page, "Are you still there?");
    await sees(bob.page, "In the tunnel");
    await messageOf(ada.page, "In the tunnel")
      .getByText("Sending…")
      .waitFor({ state: "hidden", timeout: waitMs });
    expect(await messageOf(bob.page, "In the tunnel").count()).toBe(1);
    expect([...ada.errors, ...bob.errors]).toEqual([]);
    await Promise.all([ada.context.close(), bob.context.close()]);
  });

  it("outlives kill -9 of the server in the middle of an answer", async () => {
    const { answer: held, close } = await site.holdAnswers();
    const ada = await site.enter("Ada");
    const bob = await site.enter("Bob", { colorScheme: "dark" });
    const { page } = ada;
    await newChat(page);
    await say(page, "Say something long, please");
    await sees(page, "Say something long, please");
    await shareWith(page, bob.email);
    await bob.page.getByRole("link", { name: /Say something long/ }).click();
    await sees(bob.page, "Say something long");
    await page.keyboard.press("Alt+a");
    await say(page, "And again");
    held.say("It begins ");
    await page.getByRole("button", { name: "Stop" }).waitFor();
    const answer = page.locator(".message.answer");
    await expect.poll(() => answer.innerText(), { timeout: waitMs }).toContain("It begins");

    await site.live.server.kill9();
    await page.getByText("Reconnecting…").waitFor({ timeout: waitMs });
    await bob.page.getByText("Reconnecting…").waitFor({ timeout: waitMs });
    await page.keyboard.press("Alt+a");
    await say(page, "Sent while the server was away");
    await messageOf(page, "Sent while the server was away").getByText("Sending…").waitFor();
    await picture(page, "11-reconnecting-light");
    await site.live.server.start();
    await sees(bob.page, "Sent while the server was away");
    await page.getByText("Reconnecting…").waitFor({ state: "hidden", timeout: waitMs });
    expect(await messageOf(bob.page, "Sent while the server was away").count()).toBe(1);

    // The answer broke off with its action. One does not have to wait until the server notices.
    held.say("and ends.");
    held.end();
    expect(await answer.innerText()).not.toContain("and ends");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Answer again" }).click();
    await expect.poll(() => answer.innerText(), { timeout: waitMs }).toContain("It begins and ends.");
    await page.locator("summary", { hasText: "gpt-4o-mini" }).waitFor();
    await say(bob.page, "We are back");
    await sees(page, "We are back");
    await say(page, "So we are");
    await sees(bob.page, "So we are");
    await expect.poll(() => composer(page).inputValue()).toBe("");
    for (const window of [page, bob.page]) expect(await window.locator("[data-message]").count()).toBe(6);
    await picture(bob.page, "12-after-the-crash-dark");
    expect([...ada.errors, ...bob.errors]).toEqual([]);
    await Promise.all([ada.context.close(), bob.context.close()]);
    await close();
  });
});

/** The network of a window. Chromium's own offline mode leaves sockets open that are; this one takes them too. */
async function networkOf(page: Page): Promise<{ cut: () => Promise<void>; mend: () => Promise<void> }> {
  let isCut = false;
  const open = new Set<{ close: () => Promise<void> }>();
  await page.routeWebSocket(/\/sync$/, (socket) => {
    if (isCut) void socket.close();
    else {
      open.add(socket);
      open.add(socket.connectToServer());
    }
  });
  await page.reload();
  await page.getByRole("complementary").getByRole("button", { name: "New chat" }).waitFor();
  return {
    cut: async () => {
      isCut = true;
      await page.context().setOffline(true);
      await Promise.all([...open].map((socket) => socket.close()));
      open.clear();
    },
    mend: async () => {
      isCut = false;
      await page.context().setOffline(false);
    },
  };
}
