import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConvexHttpClient } from "convex/browser";
import { seriousFaults } from "../../../conformance/support/axe.ts";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import { signIn } from "./support/page.ts";
import { hasChromium, messageOf, openOptions, picture, sees, Site, waitMs } from "./support/site.ts";

const { mutations } = api.functions;
const looks = [
  { name: "wide-light", width: 1200, height: 800, colorScheme: "light" },
  { name: "wide-dark", width: 1200, height: 800, colorScheme: "dark" },
  { name: "narrow-light", width: 390, height: 780, colorScheme: "light", isTouch: true },
  { name: "narrow-dark", width: 390, height: 780, colorScheme: "dark", isTouch: true },
] as const;

const answer = `## Two ways

1. **Retry** with a pause that doubles
2. Give up after \`attemptsMax\`, and *say so*

\`\`\`ts retry.ts
export async function retry<T>(work: () => Promise<T>, attemptsMax = 5): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(); // the happy path
    } catch (error) {
      if (attempt === attemptsMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
    }
  }
}
\`\`\`

| attempt | pause |
| ------: | ----- |
| 1 | 200 ms |
| 2 | 400 ms |

> Never retry what is not safe to do twice.

See https://example.com/retry and - [x] test it.`;

describe.skipIf(!hasChromium)("every view", { timeout: 300_000 }, () => {
  let site: Site;
  let ada: ConvexHttpClient;
  let email: string;
  let chatId: Id<"chats">;
  let linkToken: string;

  beforeAll(async () => {
    site = await Site.open();
    email = site.newEmail("Ada");
    ada = (await site.live.signUp("Ada Lovelace", { email })).client;
    const bob = (await site.live.signUp("Bob Noyce", { email: site.newEmail("Bob") })).client;
    const say = async (who: ConvexHttpClient, to: Id<"chats">, content: string) =>
      await who.mutation(mutations.messages.sendMessage, { chatId: to, content });
    for (const [title, tags] of [
      ["Groceries for the weekend", ["home"]],
      ["Moths found in relays so far", ["work", "ideas"]],
    ] as const) {
      const id = await ada.mutation(mutations.chats.createChat, { title, tags: [...tags] });
      await say(ada, id, `About ${title.toLowerCase()}`);
    }
    chatId = await ada.mutation(mutations.chats.createChat, {
      title: "Retries that end",
      tags: ["work"],
      systemPrompt: "You are a patient teacher.",
      settings: { temperature: 0.4 },
    });
    const { token } = await ada.mutation(mutations.shares.createShareLink, {
      chatId,
      canWrite: true,
      expiresAt: Date.now() + 7 * 86_400_000,
    });
    linkToken = token;
    await bob.mutation(mutations.shares.joinByToken, { token });
    await say(ada, chatId, "How do I retry a call **without** hammering the server?");
    await say(bob, chatId, answer);
    await say(bob, chatId, "Does that help?");
    await say(ada, chatId, "Very much, thank you!");
    const unread = await bob.mutation(mutations.chats.createChat, { title: "Launch day" });
    const invite = await bob.mutation(mutations.shares.createShareLink, { chatId: unread, canWrite: true });
    await ada.mutation(mutations.shares.joinByToken, { token: invite.token });
    await say(bob, unread, "The window opens at nine.");
    await say(bob, unread, "Are you ready?");
  }, 120_000);
  afterAll(async () => await site?.close());

  for (const look of looks) {
    it(`is free of serious faults and can be looked at: ${look.name}`, async () => {
      const shown = async (page: Page, view: string) => {
        await picture(page, `view-${view}-${look.name}`);
        expect(await seriousFaults(page), `${view}, ${look.name}`).toEqual([]);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(overflow, `${view} is wider than the window`).toBeLessThanOrEqual(0);
      };
      const isNarrow = look.width < 760;
      const visitor = await site.visit("/", look);
      const { page } = visitor;
      await page.getByRole("heading", { name: "Welcome" }).waitFor();
      await shown(page, "01-sign-in");
      await page.getByRole("button", { name: "Create one" }).click();
      await shown(page, "02-sign-up");
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await page.getByRole("button", { name: "Forgot your password?" }).click();
      await shown(page, "03-forgot");
      await page.getByRole("button", { name: "Back to signing in" }).click();

      await signIn(page, email);
      await page.getByRole("link", { name: /Retries that end/ }).waitFor();
      await page.getByRole("link", { name: /Launch day.*2 unread/ }).waitFor();
      await shown(page, "04-home");
      await page.getByRole("link", { name: /Retries that end/ }).click();
      await sees(page, "Very much, thank you!");
      await page.locator(".hl-keyword").first().waitFor({ timeout: waitMs });
      await shown(page, "05-chat");
      await messageOf(page, "Two ways").evaluate((element) => element.scrollIntoView({ block: "start" }));
      await shown(page, "06-answer");
      await openOptions(messageOf(page, "Very much"));
      await shown(page, "07-message-menu");
      await page.keyboard.press("Escape");

      await page.getByRole("button", { name: "Chat options" }).click();
      await page.getByRole("menuitem", { name: "Settings" }).click();
      const settings = page.getByRole("dialog", { name: "Chat settings" });
      await settings.getByText("No language model is connected").waitFor();
      await shown(page, "08-settings");
      await settings.getByText("More settings").click();
      await settings.getByRole("button", { name: "Save" }).scrollIntoViewIfNeeded();
      await shown(page, "09-settings-more");
      await page.keyboard.press("Escape");

      await page.getByRole("button", { name: "Share", exact: true }).click();
      const sharing = page.getByRole("dialog", { name: "Share this chat" });
      await sharing.getByRole("list", { name: "Shared with" }).getByText("Bob Noyce").waitFor();
      await shown(page, "10-share-people");
      await sharing.getByRole("tab", { name: "Links" }).click();
      await sharing.getByRole("list", { name: "Links" }).getByText("Link to write").waitFor();
      await shown(page, "11-share-links");
      await page.keyboard.press("Escape");

      await page.getByRole("button", { name: "Chat options" }).click();
      await page.getByRole("menuitem", { name: "Files" }).click();
      await page.getByText("No files yet").waitFor();
      await shown(page, "12-files");
      await page.keyboard.press("Escape");

      await page.getByRole("region", { name: "Messages", exact: true }).focus();
      await page.keyboard.press("?");
      await page.getByRole("dialog", { name: "Keys and formatting" }).waitFor();
      await shown(page, "13-help");
      await page.keyboard.press("Escape");

      if (isNarrow) {
        await page.getByRole("button", { name: "Show the list of chats" }).click();
        await page.getByRole("button", { name: "Close the list" }).waitFor();
        await shown(page, "14-drawer");
      }
      await page.keyboard.press("Control+k");
      await page.keyboard.type("retry");
      await page
        .locator("mark", { hasText: /^retry$/i })
        .first()
        .waitFor({ timeout: waitMs });
      await page.getByText("2 messages", { exact: true }).waitFor({ timeout: waitMs });
      await shown(page, "15-search");
      await page.keyboard.press("Escape");

      await page.getByRole("button", { name: "Your account" }).click();
      await shown(page, "16-account-menu");
      await page.getByRole("menuitem", { name: "Devices and password" }).click();
      await page.getByRole("dialog").getByText("this device", { exact: false }).first().waitFor();
      await shown(page, "17-devices");
      await page.keyboard.press("Escape");

      await page.goto(`${site.url}/#/c/nonsense`);
      await page.getByText("This chat cannot be shown").waitFor();
      await shown(page, "18-broken");
      expect(visitor.errors).toEqual([]);
      await visitor.context.close();

      const stranger = await site.visit(`/#/s/${linkToken}`, look);
      await sees(stranger.page, "Very much, thank you!");
      await shown(stranger.page, "19-link");
      await stranger.page.goto(`${site.url}/#/s/nonsense`);
      await stranger.page.getByRole("heading", { name: "This link does not work" }).waitFor();
      await shown(stranger.page, "20-link-ended");
      await stranger.page.goto(`${site.url}/404.html`);
      await stranger.page.getByRole("heading", { name: "There is nothing here" }).waitFor();
      await shown(stranger.page, "21-not-found");
      expect(stranger.errors).toEqual([]);
      await stranger.context.close();
    });
  }
});
