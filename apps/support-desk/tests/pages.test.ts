import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seriousFaults } from "../../../conformance/support/axe.ts";
import {
  chromiumPath,
  launchChromium,
  openWindow,
  servePages,
  shoot,
  type Visitor,
} from "../../../conformance/support/browser.ts";
import { appFolder, DeskServer, eventually } from "./support/desk.ts";

/** Server, services and browser share a machine with other tests: what is waited for may take a while. */
const patienceMs = 60_000;

describe.skipIf(chromiumPath === null)("the pages", () => {
  let desk: DeskServer;
  let browser: Browser;
  let pages: Awaited<ReturnType<typeof servePages>>;
  const visitors: Visitor[] = [];

  beforeAll(async () => {
    desk = await DeskServer.start();
    pages = await servePages(appFolder, desk.server.url);
    browser = await launchChromium(chromiumPath as string);
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
    await desk?.close();
  });

  async function open(path: string, options: Parameters<typeof openWindow>[2] = {}): Promise<Visitor> {
    const visitor = await openWindow(browser, `${pages.url}${path}`, options);
    visitor.page.setDefaultTimeout(patienceMs);
    visitors.push(visitor);
    return visitor;
  }

  /** On the console, with the code from the mail. */
  async function signIn(page: Page, email: string): Promise<void> {
    await page.getByLabel("E-mail").fill(email);
    const before = desk.mail.outbox.length;
    await page.getByRole("button", { name: "Send me a code" }).click();
    await page.getByLabel("Code").fill(await desk.codeFor(email, before));
    await page.getByRole("button", { name: "Sign in" }).click();
  }

  it("carry a customer from the shop's page to a person, through a crash of the server", async () => {
    // The customer, on a page that has nothing but one script tag.
    const { page: shop } = await open("/", { width: 1100, height: 820 });
    await shop.getByRole("button", { name: "Chat with us" }).click();
    const chat = shop.frameLocator('iframe[title="Support chat"]');
    await chat.getByLabel("Your name").fill("Ben");
    await chat.getByLabel("E-mail").fill("ben@example.com");
    await shoot(shop, appFolder, "widget-sign-in");
    await chat.getByRole("button", { name: "Start" }).click();
    await chat.getByLabel("Your question").fill("What does a broken laptop screen cost?");
    await chat.getByRole("button", { name: "Send" }).click();
    await chat.getByText("between 140 and 320 euros").waitFor();
    await chat.getByText("Screen repair").waitFor();
    await shoot(shop, appFolder, "widget-answer");
    await chat.getByRole("button", { name: "Talk to a person" }).click();
    await chat.getByText("You are in the queue").waitFor();

    // The agent, with a code from the mail.
    const { page: console_ } = await open("/console.html", { width: 1280, height: 820, colorScheme: "dark" });
    await signIn(console_, "sam@example.com");
    const queue = console_.getByRole("region", { name: "Queue" });
    await queue.getByText("What does a broken laptop screen cost?").waitFor();
    await shoot(console_, appFolder, "console-queue");
    await console_.getByLabel("Your state").selectOption("online");
    await chat.getByText("Sam has joined the conversation.").waitFor();
    await console_
      .getByRole("region", { name: "Yours" })
      .getByText("What does a broken laptop screen cost?")
      .click();
    await console_.getByText("Asked for a person").waitFor();
    await console_.getByLabel("Your answer").fill("Which model is it?");
    await console_.getByRole("button", { name: "Send" }).click();
    await chat.getByText("Which model is it?").waitFor();

    // Both windows go on where they were.
    await desk.server.kill9();
    await desk.server.start();
    await chat.getByLabel("Write a message").fill("A ThinkPad X1.");
    await chat.getByLabel("Write a message").press("Enter");
    await console_.getByText("A ThinkPad X1.").waitFor();
    await shoot(console_, appFolder, "console-talk");
    await console_.getByRole("button", { name: "Resolve" }).click();
    await chat.getByRole("button", { name: "5 stars" }).click();
    await shoot(shop, appFolder, "widget-resolved");
    await chat.getByLabel("Write to open it again").waitFor();
  });

  it("let staff look after documents, team and figures", async () => {
    const { page } = await open("/console.html", { width: 1280, height: 900 });
    await signIn(page, "sam@example.com");
    await page.getByRole("button", { name: "Knowledge" }).click();
    await page.getByText("Opening hours and address").waitFor();
    await page.getByLabel("File").setInputFiles({
      name: "parrots.md",
      mimeType: "text/markdown",
      buffer: Buffer.from(
        "# Parrots\n\nWe do not repair parrots, but we know a vet for parrots in Mill Lane.",
      ),
    });
    await page.getByText("parrots.md is in, as version 1").waitFor();
    await page.getByPlaceholder("A customer's question").fill("Do you repair parrots?");
    // Found by its words' meaning as soon as it has been embedded.
    await eventually(async () => {
      await page.getByRole("button", { name: "Search" }).click();
      return (await page.getByText("we know a vet for parrots").count()) > 0;
    });
    await shoot(page, appFolder, "console-knowledge");
    await page.getByRole("button", { name: "Team" }).click();
    await page.getByRole("cell", { name: "Bitsy" }).waitFor();
    await shoot(page, appFolder, "console-team");
    await page.getByRole("button", { name: "Numbers" }).click();
    await page.getByText("New conversations").waitFor();
    await shoot(page, appFolder, "console-numbers");
  });

  it("work on a phone", async () => {
    const { page } = await open("/widget.html", { width: 390, height: 780, colorScheme: "dark" });
    await page.getByLabel("Your name").fill("Eve");
    await page.getByLabel("E-mail").fill("eve@example.com");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByLabel("Your question").fill("My battery is swollen, is that dangerous?");
    await page.getByLabel("Your question").press("Enter");
    await page.getByText("A swollen battery is dangerous").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    await shoot(page, appFolder, "widget-phone");
    await page.getByLabel("Attach a file").setInputFiles({
      name: "swollen.png",
      mimeType: "image/png",
      buffer: await page.screenshot({ clip: { x: 0, y: 100, width: 300, height: 160 } }),
    });
    await shoot(page, appFolder, "widget-phone-draft");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("img", { name: "swollen.png" }).waitFor();
    await expect
      .poll(() => page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)"))
      .toBe(true);
    await shoot(page, appFolder, "widget-phone-file");
    await page.getByRole("button", { name: "All conversations" }).click();
    await page.getByText("Ask something new").waitFor();
    await shoot(page, appFolder, "widget-phone-list");
  });

  it("let somebody take their data, and delete it", async () => {
    const { page } = await open("/widget.html", { width: 390, height: 640 });
    await page.getByLabel("Your name").fill("Liv");
    await page.getByLabel("E-mail").fill("liv@example.com");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByLabel("Your question").fill("What does a broken laptop screen cost?");
    await page.getByLabel("Your question").press("Enter");
    await page.getByText("between 140 and 320 euros").waitFor();
    await page.getByRole("button", { name: "All conversations" }).click();
    await page.getByRole("button", { name: "Your data" }).click();
    await page.getByRole("button", { name: "Put it together" }).click();
    const link = await page.getByRole("link", { name: "Open the file" }).getAttribute("href");
    expect(await (await fetch(link ?? "")).text()).toContain("liv@example.com");
    await shoot(page, appFolder, "widget-account");
    await page.getByLabel("I am sure").check();
    await page.getByRole("button", { name: "Delete everything" }).click();
    await page.getByLabel("Your name").waitFor();
  });

  it("let admins add a bot", async () => {
    // As the demo makes them; the code from their mail is what makes them an admin.
    await desk.server.call("seed/demo:fill", { adminEmail: "admin@example.com" });
    const { page } = await open("/console.html", { width: 1280, height: 700, colorScheme: "dark" });
    await signIn(page, "admin@example.com");
    await page.getByRole("button", { name: "Team" }).click();
    await page.getByLabel("Name").fill("Pia");
    await page.getByLabel("Knows about").fill("printer, scanner");
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByText("Pia answers from now on.").waitFor();
    await page.getByRole("cell", { name: "Pia" }).waitFor();
    await shoot(page, appFolder, "console-bots");
  });

  it("show staff a customer's file, on a narrow screen too", async () => {
    const { page } = await open("/console.html", { width: 430, height: 860 });
    await signIn(page, "sam@example.com");
    await page.getByText("My battery is swollen").first().click();
    await page.getByRole("img", { name: "swollen.png" }).waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(430);
    await shoot(page, appFolder, "console-narrow");
  });

  it("look right in both themes, wide and narrow", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const look = async (page: Page, name: string) => {
        for (const [form, width] of [
          ["wide", 1280],
          ["narrow", 390],
        ] as const) {
          await page.setViewportSize({ width, height: 860 });
          await shoot(page, appFolder, `${name}-${form}-${colorScheme}`);
          expect.soft(await seriousFaults(page), `${name} ${form} ${colorScheme}`).toEqual([]);
          // Nothing sticks out to the side.
          const scrollWidth = await page.evaluate("document.documentElement.scrollWidth");
          expect.soft(scrollWidth, `${name} ${form} ${colorScheme}`).toBeLessThanOrEqual(width);
        }
      };
      const { page: shop } = await open("/", { colorScheme });
      await shop.getByRole("button", { name: "Chat with us" }).click();
      await shop.frameLocator('iframe[title="Support chat"]').getByLabel("Your name").waitFor();
      await look(shop, "shop");
      const { page } = await open("/console.html", { colorScheme });
      await page.getByLabel("E-mail").waitFor();
      await look(page, "gate");
      await signIn(page, "sam@example.com");
      for (const [tab, isThere] of [
        ["Desk", page.getByRole("region", { name: "Queue" })],
        ["Knowledge", page.getByText("Opening hours and address")],
        ["Team", page.getByRole("cell", { name: "Bitsy" })],
        ["Numbers", page.getByText("New conversations")],
      ] as const) {
        await page.getByRole("button", { name: tab, exact: true }).click();
        await isThere.waitFor();
        await look(page, tab.toLowerCase());
      }
    }
  });

  it("have had no uncaught errors", () => {
    expect(visitors.flatMap(({ errors }) => errors)).toEqual([]);
  });
});
