import { afterEach, expect, test } from "vitest";
import { LensletError } from "../base/errors.ts";
import { admin, valueOf } from "../engine/testEngine.ts";
import { interruptedActionText, jobResultAgeMaxMs } from "../jobs/jobQueue.ts";
import type { Value, ValueObject } from "../values/value.ts";
import { actionsMax, mutationsMax } from "./scheduler.ts";
import { SchedulerRig } from "./testScheduler.ts";

const files = {
  "jobs.ts": `
    import { anyApi } from "convex/server";
    import { mutationGeneric as mutation, internalMutationGeneric as internalMutation, internalActionGeneric as internalAction, queryGeneric as query } from "convex/server";
    import { v } from "convex/values";
    const { jobs } = anyApi;
    export const list = query({ args: {}, handler: (ctx) => ctx.db.query("notes").collect() });
    export const all = query({ args: {}, handler: (ctx) => ctx.db.system.query("_scheduled_functions").collect() });
    export const get = query({ args: { id: v.any() }, handler: (ctx, { id }) => ctx.db.system.get(id) });
    export const note = internalMutation({ args: { text: v.string() }, handler: async (ctx, { text }) => {
      await ctx.db.insert("notes", { text });
      return null;
    } });
    export const boom = internalMutation({ args: {}, handler: async (ctx) => {
      await ctx.db.insert("notes", { text: "lost" });
      throw new Error("boom");
    } });
    export const act = internalAction({ args: {}, handler: async () => null });
    export const self = internalMutation({ args: {}, handler: async (ctx) => {
      const { scheduledFunctionId } = await ctx.meta.getRequestMetadata();
      const before = await ctx.db.system.get(scheduledFunctionId);
      await ctx.scheduler.cancel(scheduledFunctionId);
      await ctx.db.insert("notes", { text: before.state.kind });
    } });
    export const later = mutation({ args: { ms: v.number(), name: v.string(), args: v.any() }, handler: (ctx, { ms, name, args }) =>
      ctx.scheduler.runAfter(ms, jobs[name], args) });
    export const at = mutation({ args: { ms: v.any() }, handler: (ctx, { ms }) => ctx.scheduler.runAt(ms, jobs.note, { text: "at" }) });
    export const atDate = mutation({ args: { ms: v.number() }, handler: (ctx, { ms }) => ctx.scheduler.runAt(new Date(ms), jobs.note, { text: "date" }) });
    export const untyped = mutation({ args: { ms: v.any() }, handler: (ctx, { ms }) => ctx.scheduler.runAfter(ms, jobs.note, { text: "untyped" }) });
    export const seenAtOnce = mutation({ args: {}, handler: async (ctx) => {
      const id = await ctx.scheduler.runAfter(0, jobs.note, { text: "never" });
      const before = (await ctx.db.system.get(id)).state.kind;
      await ctx.scheduler.cancel(id);
      return [before, (await ctx.db.system.get(id)).state.kind];
    } });
    export const cancelNested = internalMutation({ args: {}, handler: async (ctx) => {
      const { scheduledFunctionId } = await ctx.meta.getRequestMetadata();
      await ctx.runMutation(jobs.cancel, { id: scheduledFunctionId });
      await ctx.scheduler.runAfter(0, jobs.note, { text: "of the one that tried" });
    } });
    export const named = mutation({ args: { name: v.string() }, handler: (ctx, { name }) => ctx.scheduler.runAfter(0, name, {}) });
    export const many = mutation({ args: { count: v.number(), ms: v.number(), name: v.string() }, handler: async (ctx, { count, ms, name }) => {
      const ids = [];
      for (let i = 0; i < count; i++) ids.push(await ctx.scheduler.runAfter(ms, jobs[name], name === "note" ? { text: String(i) } : {}));
      return ids;
    } });
    export const cancel = mutation({ args: { id: v.any() }, handler: (ctx, { id }) => ctx.scheduler.cancel(id) });
    export const insideAndBack = mutation({ args: {}, handler: async (ctx) => {
      try { await ctx.runMutation(jobs.scheduleAndThrow, {}); } catch {}
      return (await ctx.meta.getTransactionMetrics()).functionsScheduled.used;
    } });
    export const scheduleAndThrow = internalMutation({ args: {}, handler: async (ctx) => {
      await ctx.scheduler.runAfter(0, jobs.note, { text: "never" });
      throw new Error("back");
    } });
  `,
};

let rig: SchedulerRig;
afterEach(() => {
  expect(rig.server.defects).toEqual([]);
  rig.dispose();
});

async function open(): Promise<SchedulerRig> {
  rig = await SchedulerRig.start(files);
  return rig;
}
async function mutate(name: string, args: Value): Promise<Value> {
  return valueOf(await rig.server.mutation(`jobs:${name}`, args));
}
async function fail(name: string, args: Value): Promise<string> {
  const result = await rig.server.mutation(`jobs:${name}`, args);
  expect(result.ok).toBe(false);
  return result.ok ? "" : result.error.message;
}
async function read(name: string, args: Value = {}): Promise<Value> {
  return valueOf(await rig.server.query(`jobs:${name}`, args));
}
async function texts(): Promise<string[]> {
  return ((await read("list")) as unknown as { text: string }[]).map(({ text }) => text);
}
async function stateOf(id: Value): Promise<ValueObject> {
  return ((await read("get", { id })) as ValueObject)["state"] as ValueObject;
}

test("a mutation schedules a mutation, which runs when it is due and not before", async () => {
  await open();
  const id = await mutate("later", { ms: 5000, name: "note", args: { text: "hello" } });
  const nowMs = rig.server.clock.nowMs();
  expect(await read("get", { id })).toMatchObject({
    _id: id,
    name: "jobs.js:note",
    args: [{ text: "hello" }],
    scheduledTime: nowMs + 5000,
    state: { kind: "pending" },
  });
  await rig.advance(4999);
  expect(await texts()).toEqual([]);
  await rig.advance(1);
  expect(await texts()).toEqual(["hello"]);
  expect(await read("get", { id })).toEqual({
    _id: id,
    _creationTime: expect.any(Number),
    name: "jobs.js:note",
    args: [{ text: "hello" }],
    scheduledTime: nowMs + 5000,
    completedTime: nowMs + 5000,
    state: { kind: "success" },
  });
  const entry = rig.server.executed.findLast(({ identifier }) => identifier === "jobs:note");
  expect(entry).toMatchObject({
    caller: "Scheduler",
    identityType: "system",
    udfType: "Mutation",
    error: null,
  });
});

test("jobs run in the order of their times, past times at once", async () => {
  await open();
  await mutate("later", { ms: 30, name: "note", args: { text: "third" } });
  await mutate("later", { ms: 20, name: "note", args: { text: "second" } });
  await mutate("at", { ms: rig.server.clock.nowMs() - 86_400_000 });
  expect(await texts()).toEqual(["at"]);
  await rig.advance(100);
  expect(await texts()).toEqual(["at", "second", "third"]);
});

test("a mutation that throws leaves nothing but its error", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "boom", args: {} });
  expect(await texts()).toEqual([]);
  const state = await stateOf(id);
  expect(state["kind"]).toBe("failed");
  expect(state["error"]).toMatch(/^Uncaught Error: boom\n {4}at handler \(.*\)\n$/);
  await rig.advance(60_000);
  expect(await stateOf(id)).toEqual(state);
});

test("arguments are checked when it runs", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "note", args: { text: 1 } });
  expect((await stateOf(id))["error"]).toMatch(/^ArgumentValidationError: /);
});

test("what cannot be scheduled is refused", async () => {
  await open();
  expect(await fail("named", { name: "nowhere:note" })).toContain(
    "Attempted to schedule function at nonexistent path: nowhere.js",
  );
  expect(await fail("named", { name: "jobs:nothing" })).toContain(
    "Attempted to schedule function, but no exported function nothing found in the file: jobs.js. Did you forget to export it?",
  );
  const year = 366 * 24 * 3600 * 1000;
  const nowMs = rig.server.clock.nowMs();
  expect(await fail("at", { ms: nowMs + 5 * year + 1000 })).toContain("is more than 5 years in the future");
  expect(await fail("at", { ms: nowMs - 5 * year - 1000 })).toContain("is more than 5 years in the past");
  expect(await fail("many", { count: 1001, ms: 0, name: "note" })).toContain(
    "Too many functions scheduled by this mutation (limit: 1000)",
  );
  await rig.advance(1000);
  expect(await read("all")).toEqual([]);
});

test("times that are none are refused, a Date is one", async () => {
  await open();
  const bad: [string, Value, string][] = [
    ["untyped", -1, "Uncaught Error: `delayMs` must be non-negative\n"],
    ["untyped", NaN, "Uncaught Error: `delayMs` must be a finite number\n"],
    ["untyped", Infinity, "Uncaught Error: `delayMs` must be a finite number\n"],
    ["untyped", "5", "Uncaught Error: `delayMs` must be a number\n"],
    ["untyped", 5n, "Uncaught Error: `delayMs` must be a number\n"],
    ["at", "tomorrow", "Uncaught Error: The invoke time must a Date or a timestamp\n"],
    ["at", null, "Uncaught Error: The invoke time must a Date or a timestamp\n"],
    ["at", NaN, "field `ts` must be a finite number"],
    ["at", Infinity, "field `ts` must be a finite number"],
    ["atDate", NaN, "field `ts` must be a finite number"],
    ["untyped", 6 * 366 * 86_400_000, "is more than 5 years in the future"],
  ];
  for (const [name, ms, text] of bad) expect(await fail(name, { ms }), `${name}: ${text}`).toContain(text);
  expect(await read("all")).toEqual([]);
  const nowMs = rig.server.clock.nowMs();
  const id = await mutate("atDate", { ms: nowMs + 1500 });
  expect(await read("get", { id })).toMatchObject({ scheduledTime: nowMs + 1500 });
  // As far as it goes, either way.
  const furthestMs = 5 * 366 * 24 * 3600 * 1000;
  await mutate("at", { ms: nowMs + furthestMs });
  await mutate("at", { ms: nowMs - furthestMs });
  expect(await texts()).toEqual(["at"]);
  await rig.advance(1500);
  expect(await texts()).toEqual(["at", "date"]);
});

test("the transaction that schedules and cancels sees both", async () => {
  await open();
  expect(await mutate("seenAtOnce", {})).toEqual(["pending", "canceled"]);
  await rig.advance(1000);
  expect(await texts()).toEqual([]);
});

test("a running mutation that has another one cancel it goes on, and schedules as ever", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "cancelNested", args: {} });
  expect(await stateOf(id)).toEqual({ kind: "success" });
  expect(await texts()).toEqual(["of the one that tried"]);
});

test("a function that has become another kind by then is run as what it is", async () => {
  await open();
  const note = await mutate("later", { ms: 1000, name: "note", args: { text: "as an action" } });
  const act = await mutate("later", { ms: 1000, name: "act", args: {} });
  const source = files["jobs.ts"]
    .replace("export const note = internalMutation(", "export const noted = internalMutation(")
    .replace("export const act = internalAction({ args: {}, handler: async () => null });", "").concat(`
      export const note = internalAction({ args: { text: v.string() }, handler: async () => null });
      export const act = internalMutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("notes", { text: "as a mutation" }); } });
    `);
  await rig.server.push({ "jobs.ts": source });
  await rig.advance(1000);
  expect(await texts()).toEqual(["as a mutation"]);
  expect(await stateOf(act)).toEqual({ kind: "success" });
  expect(await stateOf(note)).toEqual({ kind: "inProgress" });
  expect(rig.actions.map(({ call }) => call.argsJson)).toEqual(['[{"text":"as an action"}]']);
  rig.actions[0]?.refuse(new LensletError("RateLimited", "TooManyConcurrentRequests", "too many"));
  await rig.advance(500);
  rig.actions[1]?.end({ ok: true, valueJson: "null", logLines: [] });
  await rig.server.settle();
  expect(await stateOf(note)).toEqual({ kind: "success" });
});

test("what a canceled action has other mutations schedule is canceled too", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "act", args: {} });
  await mutate("cancel", { id });
  const nested = await rig.server.mutation(
    "jobs:later",
    { ms: 0, name: "note", args: { text: "never" } },
    { scheduledFunctionId: id as string },
  );
  expect(await stateOf(valueOf(nested))).toEqual({ kind: "canceled" });
  await rig.advance(1000);
  expect(await texts()).toEqual([]);
});

test("a query or a function that is gone fails at run time", async () => {
  await open();
  const query = await mutate("later", { ms: 0, name: "list", args: {} });
  expect((await stateOf(query))["error"]).toContain("Unsupported function type");
  const gone = await mutate("later", { ms: 1000, name: "note", args: { text: "x" } });
  await rig.server.push({
    "jobs.ts": files["jobs.ts"].replace("export const note =", "export const noted ="),
  });
  await rig.advance(1000);
  expect(await stateOf(gone)).toEqual({
    kind: "failed",
    error: `Couldn't find "note" in module "jobs.js".\n`,
  });
  const homeless = await mutate("later", { ms: 1000, name: "boom", args: {} });
  await rig.server.push({
    "others.ts": files["jobs.ts"].replaceAll("const { jobs }", "const { others: jobs }"),
  });
  await rig.advance(1000);
  expect(valueOf(await rig.server.query("others:get", { id: homeless }))).toMatchObject({
    state: {
      kind: "failed",
      error: "Couldn't find JavaScript module 'jobs.js'. Did you forget to run `npx convex dev`?\n",
    },
  });
});

test("a rolled back sub-transaction schedules nothing and still counts", async () => {
  await open();
  expect(await mutate("insideAndBack", {})).toBe(1);
  await rig.advance(1000);
  expect(await read("all")).toEqual([]);
  expect(await texts()).toEqual([]);
});

test("canceling: pending jobs, ended ones, unknown ones, ids of other tables", async () => {
  await open();
  const id = await mutate("later", { ms: 1000, name: "note", args: { text: "no" } });
  await mutate("cancel", { id });
  const canceled = (await read("get", { id })) as ValueObject;
  expect(canceled["state"]).toEqual({ kind: "canceled" });
  expect(canceled["completedTime"]).toBe(rig.server.clock.nowMs());
  await rig.advance(2000);
  await mutate("cancel", { id });
  expect(await read("get", { id })).toEqual(canceled);
  expect(await texts()).toEqual([]);
  const done = await mutate("later", { ms: 0, name: "note", args: { text: "yes" } });
  await mutate("cancel", { id: done });
  expect((await stateOf(done))["kind"]).toBe("success");
  const [note] = (await read("list")) as unknown as { _id: string }[];
  expect(await fail("cancel", { id: note?._id ?? "" })).toContain(
    "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.",
  );
});

test("a running mutation sees itself in progress and cannot cancel itself", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "self", args: {} });
  expect(await texts()).toEqual(["inProgress"]);
  expect((await stateOf(id))["kind"]).toBe("success");
  const entry = rig.server.executed.findLast(({ identifier }) => identifier === "jobs:self");
  expect(JSON.stringify(entry?.["logLines"])).toContain(
    "A scheduled mutation canceling itself is deprecated and will throw an error in a future version of Convex.",
  );
});

test("an action is marked as started before it starts, and runs as nobody", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "act", args: {} });
  expect(await stateOf(id)).toEqual({ kind: "inProgress" });
  const [action] = rig.actions;
  expect(action?.call).toMatchObject({
    target: { kind: "path", path: "jobs.js:act", componentPath: "" },
    identity: { kind: "system" },
    caller: "Scheduler",
    scheduledFunctionId: id,
    argsJson: "[{}]",
  });
  action?.end({ ok: true, valueJson: "null", logLines: [] });
  await rig.server.settle();
  expect(await stateOf(id)).toEqual({ kind: "success" });
  const other = await mutate("later", { ms: 0, name: "act", args: {} });
  rig.actions[1]?.end({ ok: false, error: { message: "Uncaught Error: no\n" }, logLines: [] });
  await rig.server.settle();
  expect(await stateOf(other)).toEqual({ kind: "failed", error: "Uncaught Error: no\n" });
});

test("an action canceled while it runs stays canceled, and so is what it schedules", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "act", args: {} });
  await mutate("cancel", { id });
  expect(await stateOf(id)).toEqual({ kind: "canceled" });
  const child = await rig.server.system("scheduler.schedule", {
    componentPath: "",
    scheduledFunctionId: id,
    args: { name: "jobs:note", ts: rig.server.clock.nowMs() / 1000, args: { text: "child" } },
  });
  expect(await stateOf(child as string)).toEqual({ kind: "canceled" });
  rig.actions[0]?.end({ ok: true, valueJson: "null", logLines: [] });
  await rig.advance(1000);
  expect(await stateOf(id)).toEqual({ kind: "canceled" });
  expect(await texts()).toEqual([]);
});

test("an action that could not be started is tried again", async () => {
  await open();
  const id = await mutate("later", { ms: 0, name: "act", args: {} });
  rig.actions[0]?.refuse(new LensletError("RateLimited", "TooManyConcurrentRequests", "too many"));
  await rig.server.settle();
  expect(await stateOf(id)).toEqual({ kind: "pending" });
  await rig.advance(500);
  expect(rig.actions.length).toBe(2);
  expect(await stateOf(id)).toEqual({ kind: "inProgress" });
});

test("after a crash, actions that ran have failed and waiting jobs run", async () => {
  await open();
  const running = await mutate("later", { ms: 0, name: "act", args: {} });
  const waiting = await mutate("later", { ms: 1000, name: "act", args: {} });
  const mutation = await mutate("later", { ms: 1000, name: "note", args: { text: "after" } });
  await rig.restart();
  expect(await stateOf(running)).toEqual({ kind: "failed", error: interruptedActionText });
  expect(rig.actions.length).toBe(0);
  await rig.advance(1000);
  expect(rig.actions.length).toBe(1);
  expect(await stateOf(waiting)).toEqual({ kind: "inProgress" });
  expect(await stateOf(mutation)).toEqual({ kind: "success" });
  expect(await texts()).toEqual(["after"]);
});

test("more jobs than places all run, and long actions do not hold up mutations", async () => {
  await open();
  await mutate("many", { count: actionsMax + 10, ms: 0, name: "act" });
  expect(rig.actions.length).toBe(actionsMax);
  await mutate("many", { count: 5 * mutationsMax, ms: 0, name: "note" });
  expect((await texts()).length).toBe(5 * mutationsMax);
  for (const action of rig.actions.slice(0, actionsMax))
    action.end({ ok: true, valueJson: "null", logLines: [] });
  await rig.server.settle();
  expect(rig.actions.length).toBe(actionsMax + 10);
});

test("a paused deployment starts nothing; what is overdue runs afterwards", async () => {
  await open();
  await mutate("later", { ms: 1000, name: "note", args: { text: "late" } });
  await rig.server.system("deployment.pause");
  await rig.advance(5000);
  expect(await rig.server.system("scheduler.due", { mutations: 1, actions: 1 })).toMatchObject({
    paused: true,
  });
  await rig.server.system("deployment.unpause");
  await rig.server.settle();
  expect(await texts()).toEqual(["late"]);
  const nowMs = rig.server.clock.nowMs();
  expect(rig.scheduler.worstLagMs(nowMs - 60_000, nowMs + 1)).toBe(4000);
});

test("documents of finished jobs go after a week", async () => {
  await open();
  await mutate("many", { count: 600, ms: 0, name: "note" });
  await mutate("later", { ms: 2 * jobResultAgeMaxMs, name: "note", args: { text: "waits" } });
  await rig.advance(jobResultAgeMaxMs - 120_000);
  expect(((await read("all")) as unknown[]).length).toBe(601);
  await rig.advance(300_000, 10_000);
  expect(((await read("all")) as unknown[]).length).toBe(1);
});

const noFilter = {
  componentId: null,
  componentPath: null,
  udfPath: null,
  startMs: null,
  endMs: null,
  behind: "",
};

test("an admin cancels one, some or all, in slices", async () => {
  await open();
  const [first] = (await mutate("many", { count: 1000, ms: 1000, name: "note" })) as string[];
  await mutate("many", { count: 500, ms: 2000, name: "boom" });
  const nowMs = rig.server.clock.nowMs();
  await rig.server.system("scheduler.cancelOne", { id: first, componentId: null });
  expect(await stateOf(first ?? "")).toEqual({ kind: "canceled" });
  await expect(rig.server.system("scheduler.cancelOne", { id: "x", componentId: null })).rejects.toThrow(
    '"x" is not the id of a scheduled function.',
  );
  const cancelAll = async (filter: object): Promise<void> => {
    for (let behind: unknown = ""; behind !== null;) {
      behind = await rig.server.system("scheduler.cancelAll", { ...noFilter, ...filter, behind });
    }
  };
  await cancelAll({ udfPath: "jobs:boom", endMs: nowMs + 2000 });
  await cancelAll({ udfPath: "jobs:note", startMs: nowMs + 1001 });
  expect(await waiting()).toBe(1499);
  await cancelAll({ udfPath: "jobs:boom", startMs: nowMs + 2000, endMs: nowMs + 2001 });
  expect(await waiting()).toBe(999);
  await cancelAll({});
  expect(await waiting()).toBe(0);
  await expect(cancelAll({ udfPath: "a b" })).rejects.toMatchObject({ code: "InvaildUdfPath" });
  while (await rig.server.system("scheduler.deleteAll", { componentId: null }));
  expect(await read("all")).toEqual([]);
});

async function waiting(): Promise<number> {
  let cursor: string | null = null;
  for (let count = 0; ;) {
    const paginationOpts: ValueObject = { numItems: 400, cursor };
    const result = await rig.server.query(
      "_system/frontend/paginatedScheduledJobs:default",
      { paginationOpts },
      { identity: admin },
    );
    const page = valueOf(result) as unknown as { page: unknown[]; isDone: boolean; continueCursor: string };
    count += page.page.length;
    if (page.isDone) return count;
    cursor = page.continueCursor;
  }
}

test("the dashboard's list has what waits and what runs, soonest first", async () => {
  await open();
  await mutate("later", { ms: 5000, name: "note", args: { text: "b" } });
  await mutate("later", { ms: 3000, name: "boom", args: {} });
  const running = await mutate("later", { ms: 0, name: "act", args: {} });
  await mutate("later", { ms: 0, name: "note", args: { text: "done" } });
  const nowMs = rig.server.clock.nowMs();
  const list = async (args: ValueObject) =>
    valueOf(
      await rig.server.query(
        "_system/frontend/paginatedScheduledJobs:default",
        { paginationOpts: { numItems: 10, cursor: null }, ...args },
        { identity: admin },
      ),
    ) as unknown as { page: Record<string, Value>[] };
  const { page } = await list({});
  expect(page.map(({ udfPath, state, nextTs }) => [udfPath, state, nextTs])).toEqual([
    ["jobs.js:act", { type: "inProgress" }, BigInt(nowMs) * 1_000_000n],
    ["jobs.js:boom", { type: "pending" }, BigInt(nowMs + 3000) * 1_000_000n],
    ["jobs.js:note", { type: "pending" }, BigInt(nowMs + 5000) * 1_000_000n],
  ]);
  expect(page[0]?.["_id"]).toBe(running);
  expect(Buffer.from(page[2]?.["udfArgs"] as ArrayBuffer).toString()).toBe('[{"text":"b"}]');
  expect((await list({ udfPath: "jobs:note" })).page).toHaveLength(1);
});
