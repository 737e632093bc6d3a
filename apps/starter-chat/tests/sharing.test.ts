import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../convex/_generated/api.js";
import { signUp } from "./support/page.ts";
import {
  composer,
  hasChromium,
  messageOf,
  newChat,
  picture,
  say,
  sees,
  Site,
  waitMs,
} from "./support/site.ts";

const { mutations } = api.functions;

describe.skipIf(!hasChromium)("links to a chat, in Chromium", { timeout: 300_000 }, () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.open();
  }, 120_000);
  afterAll(async () => await site?.close());

  /** Makes a link in the open chat and gives its address. The dialog stays open. */
  const makeLink = async (page: Page, rights: string): Promise<string> => {
    await page.getByRole("button", { name: "Share", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Share this chat" });
    await dialog.getByRole("tab", { name: "Links" }).click();
    await dialog.getByLabel("What the link allows").selectOption({ label: rights });
    await dialog.getByRole("button", { name: "Create link" }).click();
    const link = dialog.getByRole("list", { name: "Links" }).getByRole("link");
    await link.waitFor({ timeout: waitMs });
    return (await link.getAttribute("href")) ?? "";
  };

  it("lets a stranger read along, count as a visit, sign up and write, until the link ends", async () => {
    const ada = await site.enter("Ada");
    const { page } = ada;
    await newChat(page);
    await say(page, "Come and **see**");
    await sees(page, "Come and see");
    const href = await makeLink(page, "Can write");
    await page.getByText("not opened yet").waitFor();

    const stranger = await site.visit(`/${href}`);
    await sees(stranger.page, "Come and see");
    await stranger.page.getByText("Shared by Ada").waitFor();
    await page.getByText("opened once").waitFor({ timeout: waitMs });
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await say(page, "You can read this as I write it");
    await sees(stranger.page, "You can read this as I write it");
    expect(await composer(stranger.page).count()).toBe(0);
    await picture(stranger.page, "30-stranger-light");

    await stranger.page.getByRole("button", { name: "Sign in" }).click();
    await signUp(stranger.page, "Grace", site.newEmail("Grace"));
    await composer(stranger.page).waitFor({ timeout: waitMs });
    await say(stranger.page, "Now I can write");
    await sees(page, "Now I can write");
    await page.getByText("You and Grace").waitFor({ timeout: waitMs });

    // Ending the link closes the chat in the windows it has opened.
    const reader = await site.visit(`/${href}`, { colorScheme: "dark" });
    await sees(reader.page, "Now I can write");
    await page.getByRole("button", { name: "Share", exact: true }).click();
    await page.getByRole("tab", { name: "Links" }).click();
    await page.getByRole("button", { name: "End the link" }).click();
    await reader.page.getByRole("heading", { name: "This link does not work" }).waitFor({ timeout: waitMs });
    await stranger.page.getByText("is not shared with you").waitFor({ timeout: waitMs });
    expect([...ada.errors, ...stranger.errors, ...reader.errors]).toEqual([]);
    await Promise.all([ada.context.close(), stranger.context.close(), reader.context.close()]);
  });

  it("closes the chat in open windows when its time is over", async () => {
    const { client } = await site.live.signUp("Ada", { email: site.newEmail("Ada") });
    const chatId = await client.mutation(mutations.chats.createChat, { title: "For a moment" });
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "Read quickly" });
    const { token, shareId } = await client.mutation(mutations.shares.createShareLink, {
      chatId,
      canWrite: true,
      expiresAt: Date.now() + 3_600_000,
    });
    const grace = await site.enter("Grace");
    await grace.page.goto(`${site.url}/#/s/${token}`);
    await grace.page.getByRole("button", { name: "Join" }).click();
    await sees(grace.page, "Read quickly");
    const reader = await site.visit(`/#/s/${token}`);
    await sees(reader.page, "Read quickly");
    await reader.page.getByText("until").waitFor();
    // Nobody does anything any more; only the time goes on.
    await client.mutation(mutations.shares.updateShare, { shareId, expiresAt: Date.now() + 10_000 });
    await reader.page.getByRole("heading", { name: "This link does not work" }).waitFor();
    await grace.page.getByText("is not shared with you").waitFor({ timeout: waitMs });
    expect(await messageOf(reader.page, "Read quickly").count()).toBe(0);
    expect([...grace.errors, ...reader.errors]).toEqual([]);
    await Promise.all([grace.context.close(), reader.context.close()]);
  });
});
