import type { GenericSchema, SchemaDefinition } from "convex/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ModuleGlob, TestConvex } from "../../../packages/testing/src/types.ts";
import { api, internal } from "../packages/convex/_generated/api.js";
import type { Doc, Id } from "../packages/convex/_generated/dataModel.js";
import { migrations } from "../packages/convex/migrations/registry.ts";
import { limits } from "../packages/convex/model/limits.ts";
import { beginSession } from "../packages/convex/model/sessions.ts";
import schema from "../packages/convex/schema.ts";

/**
 * What crons, migrations and other long work do: in process, where the clock can be moved and each step be taken by
 * itself. That they go on after a kill is in desk.test.ts and files.test.ts.
 */

type Desk = TestConvex<typeof schema>;

/** Not a literal: the engine's sources are checked with the types of Node, which contradict those of pages. */
const testing = "../../../packages/testing/src/index.ts";
const { convexTest } = (await import(testing)) as {
  convexTest: <S extends SchemaDefinition<GenericSchema, boolean>>(
    schema: S,
    modules: ModuleGlob,
  ) => TestConvex<S>;
};

const modules = import.meta.glob(["../packages/convex/**/*.ts", "../packages/convex/_generated/*.js"]);

beforeEach(() => {
  vi.stubEnv("JWT_SECRET", "secret of the tests");
  // What is scheduled waits until a test lets it run.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

/** Moves the clock on; timers stay where they are. */
function passMs(ms: number): void {
  const now = Date.now();
  vi.spyOn(Date, "now").mockReturnValue(now + ms);
}

/** What is scheduled under a name and has not begun. */
async function waiting(t: Desk, name: string): Promise<unknown[]> {
  const jobs = await t.run((ctx) => ctx.db.system.query("_scheduled_functions").take(1_000));
  return jobs.filter((job) => job.name === name && job.state.kind === "pending").map(({ args }) => args[0]);
}

function newUser(t: Desk): Promise<Id<"users">> {
  return t.run((ctx) =>
    ctx.db.insert("users", { name: "Ben", role: "customer", emailVerified: false, lastSeenAt: Date.now() }),
  );
}

const conversation = (userId: Id<"users">) => ({
  userId,
  channel: "web" as const,
  status: "bot" as const,
  subject: "s",
  skills: [],
  messageCount: 0,
  lastMessageAt: 1,
});

describe("uploads that nobody has used", () => {
  const store = (t: Desk, text: string) => t.run((ctx) => ctx.storage.store(new Blob([text])));

  it("are deleted after a day; what is in a message stays", async () => {
    const t = convexTest(schema, modules);
    const userId = await newUser(t);
    const [used, unused] = [await store(t, "used"), await store(t, "unused")];
    await t.run(async (ctx) => {
      const conversationId = await ctx.db.insert("conversations", {
        ...conversation(userId),
        priority: "normal",
        priorityRank: 2,
      });
      const attachment = { storageId: used, name: "a.txt", contentType: "text/plain", size: 4 };
      const said = { author: "customer", content: "", state: "sent", attachment } as const;
      await ctx.db.insert("messages", { conversationId, ...said });
    });
    await t.runCron("forget uploads nobody used");
    expect(await t.run((ctx) => ctx.db.system.get(unused))).not.toBeNull();
    passMs(limits.uploadAgeMaxMs + 60_000);
    const late = await store(t, "late");
    await t.runCron("forget uploads nobody used");
    const left = await t.run((ctx) => ctx.db.system.query("_storage").take(10));
    expect(left.map(({ _id }) => _id)).toEqual([used, late]);
    // Once more, and a day later: each has its turn.
    expect(await t.mutation(internal.attachments.forgetUploads, {})).toBe(0);
    passMs(limits.uploadAgeMaxMs + 60_000);
    expect(await t.mutation(internal.attachments.forgetUploads, {})).toBe(1);
    expect(await t.run((ctx) => ctx.db.system.get(late))).toBeNull();
  });

  it("are each looked at once, however many there are", async () => {
    const t = convexTest(schema, modules);
    for (let at = 0; at < 150; at++) await store(t, String(at));
    passMs(limits.uploadAgeMaxMs + 60_000);
    expect(await t.mutation(internal.attachments.forgetUploads, {})).toBe(100);
    // It has called itself for the rest.
    expect(await waiting(t, "attachments.js:forgetUploads")).toHaveLength(1);
    expect(await t.mutation(internal.attachments.forgetUploads, {})).toBe(50);
    expect(await t.run((ctx) => ctx.db.query("workflows").take(10))).toMatchObject([
      { kind: "uploads", status: "completed", done: 150 },
    ]);
    expect(await t.mutation(internal.workflows.reviveStalled, {})).toBe(0);
  });
});

it("sessions end everywhere, also more of them than one step ends", async () => {
  const t = convexTest(schema, modules);
  const [userId, otherId] = [await newUser(t), await newUser(t)];
  const nowhere = { ip: null, userAgent: null };
  const { token } = await t.run((ctx) => beginSession(ctx, userId, nowhere));
  const other = await t.run((ctx) => beginSession(ctx, otherId, nowhere));
  await t.run(async (ctx) => {
    const row = { userId, expiresAt: 9e15, refreshExpiresAt: 9e15 };
    for (let at = 0; at < 250; at++)
      await ctx.db.insert("sessions", { ...row, tokenHash: `t${at}`, refreshHash: `r${at}` });
  });
  await t.mutation(api.auth.logout, { token, everywhere: true });
  expect(await t.query(api.auth.validateSession, { token })).toBeNull();
  await t.finishAllScheduledFunctions(vi.runAllTimers);
  const left = await t.run((ctx) => ctx.db.query("sessions").take(300));
  expect(left.map((session) => session.userId)).toEqual([otherId]);
  expect(await t.query(api.auth.validateSession, { token: other.token })).not.toBeNull();
});

describe("a migration", () => {
  const name = "backfillPriorityRank" as const;
  const { start, step, pause, status } = internal.migrations.runner;

  /** 250 conversations from before: each has the rank of another priority. */
  async function before(): Promise<Desk> {
    const t = convexTest(schema, modules);
    const userId = await newUser(t);
    await t.run(async (ctx) => {
      for (let at = 0; at < 250; at++)
        await ctx.db.insert("conversations", {
          ...conversation(userId),
          priority: "urgent",
          priorityRank: 3,
        });
    });
    return t;
  }

  const ranks = async (t: Desk): Promise<number[]> => {
    const all = await t.run((ctx) => ctx.db.query("conversations").take(300));
    return all.map(({ priorityRank }) => priorityRank);
  };

  it("is watched, paused and resumed; each row has its turn once", async () => {
    const t = await before();
    const migrate = vi.spyOn(migrations[name], "migrate");
    expect(await t.query(status, { name })).toEqual({ status: "not started", done: 0 });
    expect(await t.mutation(start, { name })).toBe(`${name} has been started.`);
    await t.mutation(step, { name });
    expect(await t.query(status, { name })).toEqual({ status: "running", done: 100 });
    expect(await t.mutation(start, { name })).toBe(`${name} is running already: 100 rows so far.`);
    await t.mutation(pause, { name });
    // The step that was on its way does nothing any more.
    await t.mutation(step, { name });
    expect(await t.query(status, { name })).toEqual({ status: "paused", done: 100 });
    expect((await ranks(t)).filter((rank) => rank === 0)).toHaveLength(100);
    await expect(t.mutation(pause, { name })).rejects.toMatchObject({ data: { code: "conflict" } });
    expect(await t.mutation(start, { name })).toBe(`${name} goes on after 100 rows.`);
    await t.finishAllScheduledFunctions(vi.runAllTimers);
    expect(await t.query(status, { name })).toEqual({ status: "completed", done: 250 });
    expect(new Set(await ranks(t))).toEqual(new Set([0]));
    const seen = migrate.mock.calls.map(([, row]) => row._id);
    expect([seen.length, new Set(seen).size]).toEqual([250, 250]);
  });

  it("that fails says why, leaves no half of a batch, and goes on when it can", async () => {
    const t = await before();
    vi.spyOn(console, "error").mockReturnValue();
    const { migrate } = migrations[name];
    let calls = 0;
    const broken = vi.spyOn(migrations[name], "migrate").mockImplementation(async (ctx, row) => {
      if (++calls === 150) throw new Error("this row is odd");
      await migrate(ctx, row);
    });
    await t.mutation(start, { name });
    await t.finishAllScheduledFunctions(vi.runAllTimers);
    expect(await t.query(status, { name })).toMatchObject({
      status: "failed",
      done: 100,
      error: expect.stringContaining("this row is odd") as string,
    });
    expect((await ranks(t)).filter((rank) => rank === 0)).toHaveLength(100);
    broken.mockRestore();
    expect(await t.mutation(start, { name })).toBe(`${name} goes on after 100 rows.`);
    await t.finishAllScheduledFunctions(vi.runAllTimers);
    expect(await t.query(status, { name })).toEqual({ status: "completed", done: 250 });
    expect(new Set(await ranks(t))).toEqual(new Set([0]));
  });

  it("that stands still is revived", async () => {
    const t = await before();
    await t.mutation(start, { name });
    expect(await t.mutation(internal.workflows.reviveStalled, {})).toBe(0);
    passMs(6 * 60_000);
    await t.runCron("revive stalled workflows");
    expect(await waiting(t, "migrations/runner.js:step")).toEqual([{ name }, { name }]);
  });
});

it("files of an MMS whose fetch got lost are found again", async () => {
  const t = convexTest(schema, modules);
  const userId = await newUser(t);
  const messageId = await t.run(async (ctx) => {
    const conversationId = await ctx.db.insert("conversations", {
      ...conversation(userId),
      priority: "normal",
      priorityRank: 2,
    });
    const media = {
      url: "https://api.twilio.com/x",
      contentType: "image/png",
      attempts: 0,
      dueAt: Date.now(),
    };
    const said: Pick<Doc<"messages">, "author" | "content" | "state"> = {
      author: "customer",
      content: "look",
      state: "sent",
    };
    await ctx.db.insert("messages", { conversationId, ...said });
    return await ctx.db.insert("messages", { conversationId, ...said, media });
  });
  expect(await t.mutation(internal.mms.begin, { messageId })).toMatchObject({ contentType: "image/png" });
  // Somebody is at it.
  expect(await t.mutation(internal.mms.begin, { messageId })).toBeNull();
  await t.runCron("fetch files of MMS that were not fetched yet");
  expect(await waiting(t, "mms.js:fetchOne")).toEqual([]);
  passMs(5 * 60_000);
  await t.runCron("fetch files of MMS that were not fetched yet");
  expect(await waiting(t, "mms.js:fetchOne")).toEqual([{ messageId }]);
});
