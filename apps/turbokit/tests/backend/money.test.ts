import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../../../conformance/support/until.ts";
import { codeOf, failureOf } from "../../../../conformance/support/failures.ts";
import { api } from "../../packages/backend/convex/_generated/api.js";
import { type Person, TurboServer, webhookSecrets } from "../support/turboServer.ts";

let turbo: TurboServer;
let ann: Person;
const firstPage = { paginationOpts: { numItems: 20, cursor: null } };

beforeAll(async () => {
  turbo = await TurboServer.start();
  const hook = (service: "resend" | "stripe") => ({
    url: `${turbo.server.siteUrl}/webhooks/${service}`,
    secret: webhookSecrets[service],
  });
  turbo.stripe.webhooks.target = hook("stripe");
  turbo.mail.webhooks.target = hook("resend");
  ann = await turbo.welcomed("Ann");
}, 240_000);
afterAll(async () => {
  await turbo?.close();
});

const creditsOf = async ({ client }: Person) => (await client.query(api.billing.summary, {})).credits;

describe("the assistant", () => {
  it("uses tools for the one whose thread it is, and its tokens are paid for", async () => {
    await ann.client.mutation(api.projects.create, { name: "Orchard" });
    const bob = await turbo.welcomed("Bob");
    await bob.client.mutation(api.projects.create, { name: "Orchard of Bob" });
    turbo.reply = ({ messages }) => {
      const result = messages.findLast(({ role }) => role === "tool")?.content;
      if (result === undefined) return { tool: "searchProjects", args: { query: "orchard" } };
      return { text: `Found: ${JSON.stringify(result)}` };
    };
    const before = await creditsOf(ann);
    const threadId = await ann.client.mutation(api.agents.threads.create, {});
    const said = await ann.client.action(api.agents.actions.chat, {
      threadId,
      message: "Where are the apples?",
    });
    expect(said.text).toContain("Orchard");
    expect(said.text).not.toContain("Bob");
    expect(said.usage.totalTokens).toBeGreaterThan(0);
    expect(said.credits).toBe(Math.max(1, Math.ceil(said.usage.totalTokens / 100)));
    expect(await creditsOf(ann)).toBe(before - said.credits);
    const { page, streams } = await ann.client.query(api.agents.threads.messages, {
      threadId,
      ...firstPage,
      streamArgs: { kind: "list", startOrder: 0 },
    });
    expect(streams).toMatchObject({ kind: "list" });
    expect(page.map(({ role }) => role)).toEqual(["user", "assistant"]);
    const threads = await ann.client.query(api.agents.threads.list, firstPage);
    expect(threads.page).toMatchObject([{ _id: threadId, title: "Where are the apples?" }]);
    // Autumn has been told, once.
    await eventually(() => turbo.autumn.accounts.get(ann.id).used.get("credits") === said.credits);
  });

  it("costs nothing when it does not answer", async () => {
    const before = await creditsOf(ann);
    turbo.reply = () => {
      throw new Error("The model is ill.");
    };
    const call = ann.client.action(api.ai.generate, { prompt: "Hello" });
    expect(await failureOf(call)).toMatchObject({ code: "SERVICE_FAILED", service: "openrouter" });
    expect(await creditsOf(ann)).toBe(before);
  }, 120_000);

  it("is not asked by those who cannot pay", async () => {
    const poor = await turbo.welcomed("Poor");
    let asked = 0;
    turbo.reply = () => {
      asked++;
      return { text: "Here you are" };
    };
    // Ten credits are held for each: a hundred are enough for ten at once, whatever they will cost.
    const results = await Promise.all(
      Array.from({ length: 14 }, () =>
        failureOf(turbo.client(poor.token).action(api.ai.generate, { prompt: "Hi" })),
      ),
    );
    const codes = results.map(({ code }) => code);
    expect(codes.filter((code) => code === "no error").length).toBe(asked);
    expect(asked).toBeLessThanOrEqual(10);
    expect(await creditsOf(poor)).toBe(100 - asked);
    await turbo.server.call("billing:trackUsage", { userId: poor.id, tokens: 100_000, purpose: "test" });
    const threadId = await poor.client.mutation(api.agents.threads.create, {});
    const chat = poor.client.action(api.agents.actions.chat, { threadId, message: "Hi" });
    expect(await failureOf(chat)).toMatchObject({ code: "INSUFFICIENT_CREDITS", required: 20, available: 0 });
  });

  it("sums a project up once, until something changes in it", async () => {
    let asked = 0;
    turbo.reply = () => ({ text: `Summary ${++asked}` });
    const projectId = await ann.client.mutation(api.projects.create, { name: "Summed up" });
    const summary = () => ann.client.action(api.app.ai.actions.generateSummary, { projectId });
    expect([await summary(), await summary()]).toEqual(["Summary 1", "Summary 1"]);
    await ann.client.mutation(api.messages.send, { projectId, body: "News" });
    expect(await summary()).toBe("Summary 2");
    expect(await ann.client.query(api.projects.get, { id: projectId })).toMatchObject({
      summary: "Summary 2",
    });
  });
});

describe("payments", () => {
  it("credits are bought with Stripe, and come once", async () => {
    const before = await creditsOf(ann);
    const { url } = await ann.client.action(api.billing.buyCredits, { pack: "small" });
    const session = turbo.stripe.sessions.find((each) => each.url === url);
    expect(session).toMatchObject({ amount_total: 500, metadata: { userId: ann.id, pack: "small" } });
    const paid = await turbo.stripe.pay(session?.id ?? "");
    await eventually(async () => (await creditsOf(ann)) === before + 500);
    const again = { id: "evt_again", created: 1, type: "checkout.session.completed", data: { object: paid } };
    expect(await turbo.deliver("stripe", again)).toBe(200);
    expect(await turbo.deliver("stripe", again)).toBe(200);
    expect(await creditsOf(ann)).toBe(before + 500);
    const ledger = await ann.client.query(api.billing.ledger, firstPage);
    expect(ledger.page[0]).toMatchObject({ delta: 500, balance: before + 500, reason: "Bought 500 credits" });
  });

  it("are told by Stripe alone", async () => {
    const before = await creditsOf(ann);
    const object = {
      id: "cs_forged",
      mode: "payment",
      payment_status: "paid",
      metadata: { userId: ann.id, pack: "large" },
    };
    const event = { id: "evt_forged", created: 1, type: "checkout.session.completed", data: { object } };
    expect(await turbo.deliver("stripe", event, { secret: "whsec_wrong" })).toBe(400);
    expect(await turbo.deliver("stripe", event, { at: new Date(Date.now() - 3_600_000) })).toBe(400);
    expect(await turbo.deliver("stripe", event, { body: JSON.stringify({ ...event, id: "evt_2" }) })).toBe(
      400,
    );
    expect(await creditsOf(ann)).toBe(before);
    const unknown = { id: "sub_x", customer: "cus_nobody", status: "active" };
    const early = {
      id: "evt_early",
      created: 1,
      type: "customer.subscription.updated",
      data: { object: unknown },
    };
    expect(await turbo.deliver("stripe", early)).toBe(503);
  });

  it("plans are Autumn's", async () => {
    const cat = await turbo.welcomed("Cat");
    expect(await creditsOf(cat)).toBe(100);
    const { url } = await cat.client.action(api.billing.checkout, { plan: "pro" });
    expect((await fetch(url ?? "", { method: "POST", redirect: "manual" })).status).toBeLessThan(400);
    expect(await cat.client.action(api.billing.refresh, {})).toEqual({ plan: "pro" });
    expect(await cat.client.query(api.billing.summary, {})).toMatchObject({
      plan: "pro",
      credits: 2_000,
      projectsMax: 100,
    });
    expect((await cat.client.action(api.billing.portal, {})).url).toMatch(/^http/);
    await cat.client.action(api.billing.cancelPlan, {});
    expect(await cat.client.query(api.users.me, {})).toMatchObject({ plan: "free" });
    // A card is on file: no page to pay on, and no second gift of credits in a month.
    expect(await cat.client.action(api.billing.checkout, { plan: "pro" })).toEqual({ url: null });
    expect(await cat.client.query(api.billing.summary, {})).toMatchObject({ plan: "pro", credits: 2_000 });
  });

  it("calls of services are limited, exactly, however many come at once", async () => {
    const dan = await turbo.welcomed("Dan");
    const results = await Promise.all(
      Array.from({ length: 30 }, () => codeOf(turbo.client(dan.token).action(api.billing.portal, {}))),
    );
    expect(results.filter((code) => code === "no error")).toHaveLength(10);
    expect(results.filter((code) => code === "RATE_LIMITED")).toHaveLength(20);
  });
});

describe("mails", () => {
  const statusOf = async ({ client }: Person, template: string) =>
    (await client.query(api.emails.list, {})).find((mail) => mail.template === template)?.status;

  it("welcome somebody new, in HTML and text, and it is seen that they arrived", async () => {
    const eve = await turbo.welcomed("Eve");
    await eventually(async () => (await statusOf(eve, "welcome")) === "delivered");
    const mail = turbo.mail.outbox.filter(({ to }) => to.includes(eve.email));
    expect(mail).toHaveLength(1);
    expect(mail[0]?.subject).toBe("Welcome to TurboKit!");
    expect(mail[0]?.html).toMatch(/^<!DOCTYPE html .*Welcome to TurboKit,.*Eve/s);
    expect(mail[0]?.text).toContain("Your account is ready");
  });

  it("stop for an address that refuses them", async () => {
    const gone = await turbo.welcomed("Gone", "bounced@example.com");
    await eventually(async () => (await statusOf(gone, "welcome")) === "bounced");
    // The component knows of it first, and tells the app in a job of its own.
    await eventually(async () => (await gone.client.query(api.users.me, {}))?.digest === false);
    const event = { type: "email.delivered", created_at: new Date().toISOString(), data: {} };
    expect(await turbo.deliver("resend", event, { secret: "whsec_d3Jvbmc=" })).toBe(400);
  });

  it("tell once a day what is new", async () => {
    const [fay, gus] = await Promise.all([turbo.welcomed("Fay"), turbo.welcomed("Gus")]);
    const projectId = await fay.client.mutation(api.projects.create, {
      name: "Pond",
      settings: { isPublic: true, allowComments: true },
    });
    await gus.client.mutation(api.messages.send, { projectId, body: "Frogs!" });
    await turbo.server.call("emails:sendDailyDigest");
    await turbo.server.call("emails:sendDailyDigest");
    await eventually(async () => (await statusOf(fay, "digest")) === "delivered");
    const digests = turbo.mail.outbox.filter(({ subject }) => subject === "Your projects since yesterday");
    expect(digests.map(({ to }) => to)).toEqual([[fay.email]]);
    expect(digests[0]?.text).toContain("Pond: 1 new comment");
    expect(await statusOf(gus, "digest")).toBeUndefined();
  });
});
