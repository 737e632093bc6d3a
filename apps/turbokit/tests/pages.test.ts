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
import { appFolder, TurboStage } from "./support/turboStage.ts";

/** Server, services and browser share a machine with other tests: what is waited for may take a while. */
const patienceMs = 60_000;
const testMs = 300_000;

/** Names of sections that have not enough room. */
const cutNames = `[...document.querySelectorAll("nav a span")]
  .filter((name) => name.scrollWidth > name.clientWidth)
  .map((name) => name.textContent)`;

describe.skipIf(chromiumPath === null)("the page", { timeout: testMs }, () => {
  let stage: TurboStage;
  let browser: Browser;
  let pages: Awaited<ReturnType<typeof servePages>>;
  const visitors: Visitor[] = [];

  beforeAll(async () => {
    stage = await TurboStage.start();
    pages = await servePages(appFolder, stage.server.url, stage.server.siteUrl, {
      port: stage.pagePort,
      variables: stage.services.pageVariables,
      isSinglePage: true,
    });
    browser = await launchChromium(chromiumPath as string);
  }, testMs);
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
    await stage?.close();
  });

  async function open(path: string, options: Parameters<typeof openWindow>[2] = {}): Promise<Page> {
    const visitor = await openWindow(browser, `${pages.url}${path}`, options);
    visitor.page.setDefaultTimeout(patienceMs);
    visitors.push(visitor);
    return visitor.page;
  }

  /** Through the sign-in page, by the button of somebody who is known there, or with an address. */
  async function signIn(page: Page, who: string): Promise<void> {
    await page.getByRole("button", { name: "Sign in" }).click();
    if (who.includes("@")) {
      await page.getByLabel("E-mail").fill(who);
      await page.getByRole("button", { name: "Continue" }).click();
    } else await page.getByRole("button", { name: who }).click();
  }

  /** Signs in and answers the first page; the board is open then. */
  async function enter(who: string, options: Parameters<typeof openWindow>[2] = {}): Promise<Page> {
    const page = await open("/", options);
    await signIn(page, who);
    await page.getByText("A welcome is in your mail").waitFor();
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
    return page;
  }

  const go = (page: Page, section: string) =>
    page.getByRole("navigation", { name: "Sections" }).getByRole("link", { name: section }).click();

  it("brings two people together on a project", async () => {
    const ada = await enter("Ada Lovelace", { width: 1280, height: 860 });
    await ada.getByText("My first project").waitFor();
    await ada.keyboard.press("n");
    const dialog = ada.getByRole("dialog", { name: "New project" });
    await dialog.getByRole("textbox", { name: "Name" }).fill("Spring launch");
    await dialog.getByLabel("Description").fill("The new site, the mails, and the party in April.");
    await dialog.getByText("Active", { exact: true }).click();
    await dialog.getByLabel("Everybody who is signed in may see it").check();
    await dialog.getByRole("button", { name: "Create" }).click();
    await ada.getByRole("heading", { name: "Spring launch" }).waitFor();

    // Found by a part of its name, and nothing else with it.
    await go(ada, "Projects");
    await ada.keyboard.press("/");
    await ada.keyboard.type("spri");
    const found = ada.getByRole("list", { name: "Found" });
    await found.getByText("Spring launch").waitFor();
    expect(await found.getByRole("listitem").count()).toBe(1);
    await found.getByText("Spring launch").click();

    const ben = await enter("Ben Okafor", { width: 1280, height: 860, colorScheme: "dark" });
    await go(ben, "Shared");
    await ben.getByRole("link", { name: "Spring launch" }).click();
    await ben.getByText("Here now: you, Ada Lovelace").waitFor({ state: "attached" });
    await ada.getByText("Here now: you, Ben Okafor").waitFor({ state: "attached" });

    await ben.getByLabel("Write a comment").fill("The venue is booked for the 12th.");
    await ben.getByLabel("Write a comment").press("Enter");
    await ada.getByText("The venue is booked for the 12th.").waitFor();

    // A file goes up in one window and comes down in the other.
    await ada.getByLabel("Choose files").setInputFiles({
      name: "plan.txt",
      mimeType: "text/plain",
      buffer: Buffer.from("first the site, then the mails"),
    });
    const link = ben.getByRole("link", { name: "plan.txt" });
    await link.waitFor();
    const answer = await fetch((await link.getAttribute("href")) as string);
    expect(await answer.text()).toBe("first the site, then the mails");
    await ben.getByText("arriving").waitFor({ state: "detached" });
    await shoot(ben, appFolder, "project-wide-dark");
    expect(await seriousFaults(ben)).toEqual([]);

    // Whoever leaves is gone for the other.
    await go(ben, "Projects");
    await ada.getByText("Only you are here").waitFor({ state: "attached" });
  });

  it("moves projects over the board, and keeps strangers out", async () => {
    const page = await enter("mia@example.com");
    const column = (name: string) => page.getByRole("region", { name });
    await column("Active").getByRole("button", { name: "Archive: My first project" }).click();
    await column("Archived").getByText("My first project").waitFor();
    await column("Archived").getByRole("link", { name: "My first project" }).click();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("dialog").getByRole("textbox", { name: "Name" }).fill("My own affair");
    await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "My own affair" }).waitFor();
    const address = new URL(page.url()).pathname;

    const stranger = await enter("noa@example.com");
    await stranger.goto(`${pages.url}${address}`);
    await stranger.getByText("There is nothing here").waitFor();
    await stranger.goto(`${pages.url}/projects/nonsense`);
    await stranger.getByText("There is nothing here").waitFor();
    await go(stranger, "Mail");
    await stranger.getByText("delivered").first().waitFor();
  });

  it("shows what the assistant does, and leads from empty credits to a plan that is live at once", async () => {
    const ada = await open("/", { width: 1280, height: 860 });
    await signIn(ada, "Ada Lovelace");
    await go(ada, "Assistant");
    await ada.getByRole("button", { name: "Which of my projects are about the launch?" }).click();
    await ada.getByText("Searched your projects").waitFor();
    await ada.getByText("I have found one: Spring launch (active).").waitFor();
    await ada.getByText("credits used.").waitFor();
    const creditsLeft = async () => {
      const text = await ada.getByRole("link", { name: /credits left/ }).textContent();
      return Number(/^[\d,]+/.exec(text ?? "")?.[0].replaceAll(",", ""));
    };
    expect(await creditsLeft()).toBeLessThan(100);
    await shoot(ada, appFolder, "talk-wide-light");
    expect(await seriousFaults(ada)).toEqual([]);

    // Something else holds all that is left.
    const users = (await stage.server.call("users:getByClerkId", {
      clerkId: await subjectOf("ada@example.com"),
    })) as { _id: string };
    await stage.server.call("billing:reserve", {
      userId: users._id,
      credits: await creditsLeft(),
      purpose: "test",
      limit: "generate",
    });
    await ada.getByLabel("Ask the assistant").fill("How many credits do I have left?");
    await ada.getByLabel("Ask the assistant").press("Enter");
    const offer = ada.getByRole("dialog", { name: "You are out of credits" });
    await offer.waitFor();
    // The question is not lost.
    expect(await ada.getByLabel("Ask the assistant").inputValue()).toBe("How many credits do I have left?");
    await shoot(ada, appFolder, "upgrade-wide-light");
    expect(await seriousFaults(ada)).toEqual([]);

    // A second window of hers sees the plan change without being touched.
    const other = await ada.context().newPage();
    await other.goto(`${pages.url}/plan`);
    await other.getByText("Your plan", { exact: true }).waitFor();
    await offer.getByRole("button", { name: "Upgrade to Pro" }).click();
    await ada.getByText("$20.00").first().waitFor();
    await ada.getByRole("button", { name: "Pay" }).click();
    await ada.getByRole("heading", { name: "Plan and usage" }).waitFor();
    const proCard = other
      .getByRole("region", { name: "Plans" })
      .getByRole("listitem")
      .filter({ hasText: "$20" });
    await proCard.getByText("Your plan", { exact: true }).waitFor();
    await expect.poll(creditsLeft, { timeout: patienceMs }).toBeGreaterThan(1_000);

    await go(ada, "Assistant");
    await ada.getByLabel("Ask the assistant").fill("How many credits do I have left?");
    await ada.getByLabel("Ask the assistant").press("Enter");
    await ada.getByText("You are on the pro plan").waitFor();
    await other.close();
  });

  it("shows a workflow to the admin through a crash of the server", async () => {
    const eve = await open("/", { width: 390, height: 800, isTouch: true });
    await signIn(eve, "eve@example.com");
    await eve.getByText("Waiting for your profile").waitFor();
    await shoot(eve, appFolder, "onboarding-narrow-light");
    expect(await seriousFaults(eve)).toEqual([]);

    const ines = await enter("Ines Admin", { width: 1280, height: 860 });
    await go(ines, "Workflows");
    const row = ines.getByRole("list", { name: "Workflows" }).getByRole("link", { name: /eve@example\.com/ });
    await row.getByText("waiting").waitFor();
    await row.click();
    const steps = ines.getByRole("region", { name: /Steps of Eve/ });
    await steps.getByText("Send welcome").waitFor();

    await stage.server.kill9();
    await stage.server.start();
    await eve.getByRole("button", { name: "Start" }).click();
    await eve.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
    await row.getByText("completed").waitFor();
    await steps.getByText("Send onboarding done").waitFor();
    await shoot(ines, appFolder, "workflow-wide-light");
    expect(await seriousFaults(ines)).toEqual([]);

    // Somebody who is no admin does not even see that there is such a page.
    await eve.goto(`${pages.url}/workflows`);
    await eve.getByText("There is nothing here").waitFor();
  });

  it("lets go of what is not wanted any more, and gives a project back", async () => {
    const page = await enter("dee@example.com", { width: 1280, height: 860 });
    await page.getByRole("link", { name: "My first project" }).click();
    await page.getByLabel("Write a comment").fill("A slip of the pen");
    await page.getByLabel("Write a comment").press("Enter");
    await page.getByText("A slip of the pen").waitFor();
    await page.getByRole("button", { name: "Delete this comment" }).click();
    await page.getByText("Nobody has said anything yet.").waitFor();

    await page.getByLabel("Choose files").setInputFiles({
      name: "draft.txt",
      mimeType: "text/plain",
      buffer: Buffer.from("not the last word"),
    });
    const file = page.getByRole("link", { name: "draft.txt" });
    await file.waitFor();
    const url = (await file.getAttribute("href")) as string;
    await page.getByRole("button", { name: "Delete draft.txt" }).click();
    await page.getByText("No files yet.").waitFor();
    await expect.poll(async () => (await fetch(url)).status, { timeout: patienceMs }).toBe(404);

    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("A board with room for anything").waitFor();
    await shoot(page, appFolder, "deleted-wide-light");
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("link", { name: "My first project" }).waitFor();

    await go(page, "Assistant");
    await page.getByLabel("Ask the assistant").fill("How many credits do I have left?");
    await page.getByLabel("Ask the assistant").press("Enter");
    await page.getByText("You are on the free plan").waitFor();
    await page.getByRole("button", { name: "Delete “How many credits do I have left?”" }).click();
    await page.getByText("Ask about your projects, or have something done.").waitFor();
    await page
      .getByRole("navigation", { name: "Talks" })
      .getByRole("listitem")
      .waitFor({ state: "detached" });
  });

  it("sells credits once, shows the invoices, and goes back to the free plan when that is meant", async () => {
    const page = await enter("pam@example.com", { width: 1280, height: 860 });
    const credits = page.getByRole("link", { name: /credits left/ });
    await go(page, "Plan");
    await page.getByRole("button", { name: "500 credits" }).click();
    await page.getByRole("button", { name: "Pay" }).click();
    await page.getByRole("heading", { name: "Plan and usage" }).waitFor();
    await credits.getByText("600").waitFor();
    // One hundred to begin with, five hundred that were bought.
    await page.getByRole("row", { name: /500/ }).first().waitFor();

    await page.getByRole("button", { name: "Upgrade to Pro" }).click();
    await page.getByRole("button", { name: "Pay" }).click();
    await page.getByRole("button", { name: "Invoices and payment methods" }).click();
    await page.waitForURL(/\/pages\/portal\//);
    await page.getByText("Pro", { exact: true }).waitFor();
    await page.goto(`${pages.url}/plan`);
    // Webhooks go out one after another: when this one has arrived, so have those of the payment.
    await stage.services.stripe?.send("ping", {});

    await page.getByRole("button", { name: "Back to Free" }).click();
    const question = page.getByRole("dialog", { name: "End Pro?" });
    await shoot(page, appFolder, "end-plan-wide-light");
    expect(await seriousFaults(page)).toEqual([]);
    await question.getByRole("button", { name: "Keep it" }).click();
    await question.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Back to Free" }).click();
    await question.getByRole("button", { name: "End Pro" }).click();
    const free = page.getByRole("region", { name: "Plans" }).getByRole("listitem").filter({ hasText: "$0" });
    await free.getByText("Your plan", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Invoices and payment methods" }).waitFor({ state: "detached" });
    // What was paid for is not taken away.
    await credits.getByText("2,500").waitFor();
  });

  it("lets the admin end a workflow and have it go on", async () => {
    const zoe = await open("/");
    await signIn(zoe, "zoe@example.com");
    await zoe.getByText("Waiting for your profile").waitFor();
    const ines = await open("/workflows", { width: 390, height: 860, colorScheme: "dark" });
    await signIn(ines, "Ines Admin");
    await go(ines, "Workflows");
    const row = ines.getByRole("list", { name: "Workflows" }).getByRole("link", { name: /zoe@example\.com/ });
    await row.click();
    await ines.getByRole("button", { name: "Cancel" }).click();
    await row.getByText("failed").waitFor();
    await ines.getByText("Cancelled by an admin").waitFor();
    await shoot(ines, appFolder, "workflow-failed-narrow-dark");
    expect(await seriousFaults(ines)).toEqual([]);
    await ines.getByRole("button", { name: "Retry" }).click();
    await row.getByText("waiting").waitFor();
    await ines.getByText("Cancelled by an admin").waitFor({ state: "detached" });
    await zoe.getByRole("button", { name: "Start" }).click();
    await row.getByText("completed").waitFor();
  });

  it("looks right in both themes, wide and narrow", async () => {
    const views = ["", "shared", "assistant", "files", "mail", "plan", "workflows"];
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await open("/", { width: 1280, height: 860, colorScheme });
      await shoot(page, appFolder, `sign-in-${colorScheme}`);
      expect(await seriousFaults(page)).toEqual([]);
      await signIn(page, "Ines Admin");
      await page.getByRole("heading", { name: "Projects", level: 1 }).waitFor();
      for (const [form, width] of [
        ["wide", 1280],
        ["narrow", 390],
      ] as const)
        for (const view of views) {
          await page.setViewportSize({ width, height: 860 });
          await page.goto(`${pages.url}/${view}`);
          await page.getByRole("heading", { level: 1 }).waitFor();
          await page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
          await shoot(page, appFolder, `${view === "" ? "projects" : view}-${form}-${colorScheme}`);
          expect.soft(await seriousFaults(page), `${view} ${form} ${colorScheme}`).toEqual([]);
          // Every name in the navigation is whole; nothing sticks out to the side.
          expect.soft(await page.evaluate(cutNames), `${view} ${form}`).toEqual([]);
          expect
            .soft(await page.evaluate("document.documentElement.scrollWidth"), view)
            .toBeLessThanOrEqual(width);
        }
    }
  });

  it("has had no uncaught errors", () => {
    expect(visitors.flatMap(({ errors }) => errors)).toEqual([]);
  });

  /** What the sign-in service calls somebody. */
  async function subjectOf(email: string): Promise<string> {
    const token = await stage.services.clerk?.idToken({ email, name: "" });
    const claims = Buffer.from(token?.split(".")[1] ?? "", "base64url").toString();
    return (JSON.parse(claims) as { sub: string }).sub;
  }
});
