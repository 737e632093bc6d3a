import { afterEach, expect, it, vi } from "vitest";
import { internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { draftsBatch, staleDraftMs } from "./app/projects/mutations.ts";
import { abandonedBatch, abandonedMs } from "./app/uploads/model.ts";
import * as Outbox from "./lib/outbox.ts";
import { backendTest, type ConvexTestingHelper, createTestUser } from "./test/helpers.setup.ts";

/*
 * Crons that look after what was left lying, run by their names. Those of mails, sessions, credits and deleted accounts
 * are in the tests of their domains.
 */

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Moves the clock on; timers stay where they are. */
function passMs(ms: number): void {
  const now = Date.now();
  vi.spyOn(Date, "now").mockReturnValue(now + ms);
}

/** What is scheduled and has not begun, by name. */
async function waiting(t: ConvexTestingHelper, name: string) {
  const jobs = await t.run((ctx) => ctx.db.system.query("_scheduled_functions").take(1_000));
  return jobs.filter((job) => job.name === name && job.state.kind === "pending");
}

it("archive-stale-drafts: all that nobody has touched, also behind many that are worked on", async () => {
  const t = await backendTest();
  const userId = await createTestUser(t);
  const draft = (name: string, now: number) => ({
    userId,
    name,
    status: "draft" as const,
    settings: { isPublic: false, allowComments: true },
    createdAt: now,
    updatedAt: now,
  });
  await t.run(async (ctx) => {
    const now = Date.now();
    for (let at = 0; at < draftsBatch; at++)
      await ctx.db.insert("projects", { ...draft("Old, worked on", now), updatedAt: now + staleDraftMs });
    for (let at = 0; at < 3; at++) await ctx.db.insert("projects", draft("Old", now));
    await ctx.db.insert("projects", { ...draft("Old, but no draft", now), status: "active" });
  });
  passMs(staleDraftMs + 60_000);
  await t.run((ctx) => ctx.db.insert("projects", draft("New", Date.now())));
  await t.runCron("archive-stale-drafts");
  const [next] = await waiting(t, "projects.js:archiveStaleDrafts");
  // It has called itself for the rest.
  const args = next?.args[0] as { cursor: string };
  expect(await t.mutation(internal.projects.archiveStaleDrafts, args)).toBe(3);
  const projects = await t.run((ctx) => ctx.db.query("projects").take(200));
  const names = (status: Doc<"projects">["status"]) =>
    new Set(projects.filter((project) => project.status === status).map(({ name }) => name));
  expect(names("archived")).toEqual(new Set(["Old"]));
  expect(names("draft")).toEqual(new Set(["Old, worked on", "New"]));
  expect(names("active")).toEqual(new Set(["Old, but no draft"]));
});

it("remove-abandoned-uploads: those that were begun a day ago and never confirmed, batch by batch", async () => {
  vi.stubEnv("R2_BUCKET_NAME", "bucket");
  vi.stubEnv("R2_ENDPOINT", "http://127.0.0.1:1");
  vi.stubEnv("R2_ACCESS_KEY_ID", "id");
  vi.stubEnv("R2_SECRET_ACCESS_KEY", "secret");
  const t = await backendTest();
  const userId = await createTestUser(t);
  await t.run(async (ctx) => {
    const now = Date.now();
    const old = { userId, name: "a.txt", status: "pending" as const, createdAt: now - abandonedMs - 1 };
    for (let at = 0; at < abandonedBatch + 1; at++)
      await ctx.db.insert("uploads", { ...old, key: `old-${at}` });
    await ctx.db.insert("uploads", { ...old, key: "stored", status: "stored" });
    await ctx.db.insert("uploads", { ...old, key: "new", createdAt: now });
  });
  const keys = async () =>
    (await t.run((ctx) => ctx.db.query("uploads").take(200))).map(({ key }) => key).sort();
  await t.runCron("remove-abandoned-uploads");
  expect(await keys()).toHaveLength(3);
  // It has called itself for the rest.
  expect(await waiting(t, "uploads.js:removeAbandoned")).toHaveLength(1);
  expect(await t.mutation(internal.uploads.removeAbandoned, {})).toBe(1);
  expect(await keys()).toEqual(["new", "stored"]);
});

it("flush-outbox: sends for the carrier that got lost; what a service is too ill to take goes later, once", async () => {
  vi.stubEnv("POSTHOG_API_KEY", "phk_test");
  vi.spyOn(console, "error").mockReturnValue();
  const answers = [503, 200];
  const sent: string[][] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((_url, init) => {
    const { batch } = JSON.parse(init?.body as string) as { batch: { uuid: string }[] };
    sent.push(batch.map(({ uuid }) => uuid));
    return Promise.resolve(new Response("{}", { status: answers.shift() ?? 500 }));
  });
  const t = await backendTest();
  const carriers = () => waiting(t, "outbox.js:flush");
  await t.run(async (ctx) => {
    for (const key of ["one", "two"])
      await Outbox.enqueue(ctx, "posthog", key, { event: key, properties: {} });
  });
  // Its carrier is on its way: nothing to look after yet.
  expect(await carriers()).toHaveLength(1);
  await t.runCron("flush-outbox");
  expect(await carriers()).toHaveLength(1);
  passMs(Outbox.gatherMs + 1);
  await t.runCron("flush-outbox");
  expect((await carriers()).map(({ args }) => args)).toEqual([
    [{ target: "posthog" }],
    [{ target: "posthog" }],
  ]);

  await t.action(internal.outbox.flush, { target: "posthog" });
  const rows = () => t.run((ctx) => ctx.db.query("outbox").take(10));
  expect((await rows()).map(({ attempts }) => attempts)).toEqual([1, 1]);
  // Not before its time.
  await t.action(internal.outbox.flush, { target: "posthog" });
  expect(sent).toHaveLength(1);
  passMs(3_600_000);
  await t.action(internal.outbox.flush, { target: "posthog" });
  expect(sent).toEqual([
    ["one", "two"],
    ["one", "two"],
  ]);
  expect(await rows()).toEqual([]);
});

it("flush-outbox: what a service never takes is given up, and does not stand before the rest", async () => {
  vi.stubEnv("POSTHOG_API_KEY", "phk_test");
  const errors = vi.spyOn(console, "error").mockReturnValue();
  vi.spyOn(globalThis, "fetch").mockRejectedValue(new Error("unreachable"));
  const t = await backendTest();
  await t.run((ctx) => Outbox.enqueue(ctx, "posthog", "one", { event: "one", properties: {} }));
  for (let attempt = 1; attempt <= Outbox.attemptsMax; attempt++) {
    expect(await t.run((ctx) => ctx.db.query("outbox").take(10))).toMatchObject([{ attempts: attempt - 1 }]);
    await t.action(internal.outbox.flush, { target: "posthog" });
    passMs(24 * 3_600_000);
  }
  expect(await t.run((ctx) => ctx.db.query("outbox").take(10))).toEqual([]);
  expect(errors.mock.calls.flat().join("\n")).toContain("Gave up on posthog one");
});
