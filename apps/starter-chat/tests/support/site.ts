import type { Browser, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import {
  chromiumPath,
  launchChromium,
  openWindow,
  servePages,
  shoot,
  type Visitor,
} from "../../../../conformance/support/browser.ts";
import { HeldAnswer } from "../../../../packages/stand-ins/src/heldAnswer.ts";
import { startOpenAi } from "../../../../packages/stand-ins/src/openAi.ts";
import { appFolder, LiveServer } from "./liveServer.ts";
import { signIn, signUp } from "./page.ts";

if (chromiumPath === null)
  process.stderr.write(
    "\n*** starter-chat: NO CHROMIUM FOUND, the browser tests are SKIPPED. Set LENSLET_CHROMIUM to one. ***\n\n",
  );

export const hasChromium = chromiumPath !== null;
/** Far beyond what any machine needs. */
export const waitMs = 90_000;

export interface Somebody extends Visitor {
  readonly name: string;
  readonly email: string;
}

type WindowOptions = NonNullable<Parameters<typeof openWindow>[2]>;

/** A server with the app, its pages, and a browser to look at them with. */
export class Site {
  readonly live: LiveServer;
  readonly url: string;
  readonly #browser: Browser;
  readonly #closePages: () => Promise<void>;
  #count = 0;

  private constructor(live: LiveServer, url: string, browser: Browser, closePages: () => Promise<void>) {
    this.live = live;
    this.url = url;
    this.#browser = browser;
    this.#closePages = closePages;
  }

  static async open(): Promise<Site> {
    const live = await LiveServer.startWithApp();
    const pages = await servePages(appFolder, live.url, live.siteUrl);
    await live.servePageAt(pages.url);
    return new Site(live, pages.url, await launchChromium(chromiumPath ?? ""), pages.close);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#closePages();
    await this.live.close();
  }

  /**
   * Until `close`, the assistant says what the returned answer holds, as far as the test lets it; each time it is asked
   * from the beginning.
   */
  async holdAnswers(): Promise<{ answer: HeldAnswer; close: () => Promise<void> }> {
    const answer = new HeldAnswer();
    const openAi = await startOpenAi({ reply: () => ({ pieces: answer.pieces() }) });
    await this.live.server.updateEnvironment({ OPENAI_BASE_URL: `${openAi.url}/v1` });
    return {
      answer,
      close: async () => {
        await this.live.server.updateEnvironment({ OPENAI_BASE_URL: null });
        await openAi.close();
      },
    };
  }

  /** Somebody who is not signed in. */
  async visit(path = "/", options: WindowOptions = {}): Promise<Visitor> {
    return await openWindow(this.#browser, `${this.url}${path}`, options);
  }

  /** An address nobody has yet. */
  newEmail(name: string): string {
    this.#count += 1;
    return `${name.toLowerCase()}.${this.#count}@example.com`;
  }

  /** Somebody who signs up in the page, and confirms the address by the mail. */
  async enter(name: string, options: WindowOptions = {}): Promise<Somebody> {
    const email = this.newEmail(name);
    const visitor = await this.visit("/", options);
    const { page } = visitor;
    await signUp(page, name, email);
    await this.live.confirm(email);
    return { ...visitor, name, email };
  }

  /** Somebody with an account, who signs in. */
  async signIn(email: string, path = "/", options: WindowOptions = {}): Promise<Visitor> {
    const visitor = await this.visit(path, options);
    await signIn(visitor.page, email);
    return visitor;
  }
}

export async function newChat(page: Page): Promise<void> {
  const before = page.url();
  await page.getByRole("complementary").getByRole("button", { name: "New chat" }).click();
  await page.waitForURL((url) => url.href !== before && url.hash.startsWith("#/c/"));
  await composer(page).waitFor();
}

export function composer(page: Page): Locator {
  return page.getByRole("textbox", { name: "Message", exact: true });
}

export async function say(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await composer(page).press("Enter");
}

export function messageOf(page: Page, text: string): Locator {
  return page.locator("[data-message]").filter({ hasText: text });
}

export async function sees(page: Page, text: string): Promise<void> {
  await messageOf(page, text).first().waitFor({ timeout: waitMs });
}

/** Waits until there is none of it left, however many there were. */
export async function gone(locator: Locator): Promise<void> {
  await expect.poll(() => locator.count(), { timeout: waitMs }).toBe(0);
}

export async function openOptions(message: Locator): Promise<void> {
  const options = message.getByRole("button", { name: /Options for this message/ });
  await options.focus();
  await options.press("Enter");
}

/** Shares the open chat with a person, and closes the dialog. */
export async function shareWith(page: Page, email: string, rights = "Can write"): Promise<void> {
  await page.getByRole("button", { name: "Share", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Share this chat" });
  await dialog.getByLabel("E-mail of the other person").fill(email);
  await dialog.getByLabel("What they may do").selectOption({ label: rights });
  await dialog.getByRole("button", { name: "Share", exact: true }).click();
  await dialog.getByRole("list", { name: "Shared with" }).getByText(email).waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
}

/** Keeps a picture of the page in `.artifacts`, which is not in git. */
export async function picture(page: Page, name: string): Promise<void> {
  await shoot(page, appFolder, name);
}
