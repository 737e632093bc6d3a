import { afterEach, expect, test } from "vitest";
import { valueOf } from "../engine/testEngine.ts";
import { cronLogRowsMax } from "../jobs/crons.ts";
import type { Value } from "../values/value.ts";
import { SchedulerRig } from "./testScheduler.ts";

const functions = `
  import { mutationGeneric as mutation, internalMutationGeneric as internalMutation, internalActionGeneric as internalAction, queryGeneric as query } from "convex/server";
  import { v } from "convex/values";
  export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text) });
  export const note = internalMutation({ args: { text: v.optional(v.string()) }, handler: async (ctx, { text }) => {
    console.log("noting", text);
    await ctx.db.insert("notes", { text: text ?? "tick" });
    return { noted: true };
  } });
  export const boom = internalMutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("notes", { text: "lost" }); throw new Error("boom"); } });
  export const act = internalAction({ args: {}, handler: async () => null });
`;
function withCrons(lines: string): Record<string, string> {
  return {
    "tasks.ts": functions,
    "crons.ts": `
      import { cronJobs, anyApi } from "convex/server";
      const internal = anyApi;
      const crons = cronJobs();
      ${lines}
      export default crons;
    `,
  };
}

let rig: SchedulerRig;
afterEach(() => {
  expect(rig.server.defects).toEqual([]);
  rig.dispose();
});
async function open(lines: string): Promise<void> {
  rig = await SchedulerRig.start(withCrons(lines));
}
async function texts(): Promise<Value> {
  return valueOf(await rig.server.query("tasks:list"));
}
async function admin(name: string): Promise<Record<string, Value>[]> {
  const result = await rig.server.query(
    `_system/frontend/${name}`,
    {},
    { identity: { kind: "admin", actingAs: null } },
  );
  return valueOf(result) as unknown as Record<string, Value>[];
}
const ns = (ms: number) => BigInt(ms) * 1_000_000n;

test("an interval runs at once and then every period, with its arguments", async () => {
  await open(`crons.interval("tick", { seconds: 10 }, internal.tasks.note, { text: "tock" });`);
  const startMs = rig.server.clock.nowMs();
  expect(await texts()).toEqual(["tock"]);
  await rig.advance(9999);
  expect(await texts()).toEqual(["tock"]);
  await rig.advance(1);
  expect(await texts()).toEqual(["tock", "tock"]);
  const [job] = await admin("listCronJobs:default");
  expect(job).toMatchObject({
    name: "tick",
    cronSpec: { udfPath: "tasks.js:note", cronSchedule: { type: "interval", seconds: 10n } },
    nextRun: { state: { type: "pending" }, prevTs: ns(startMs + 10_000), nextTs: ns(startMs + 20_000) },
    lastRun: {
      name: "tick",
      ts: ns(startMs + 10_000),
      udfPath: "tasks.js:note",
      status: { type: "success", result: { type: "default", value: '{"noted":true}' } },
      logLines: { logLines: ["[LOG] 'noting' 'tock'"], isTruncated: false },
    },
  });
  const entry = rig.server.executed.findLast(({ identifier }) => identifier === "tasks:note");
  expect(entry).toMatchObject({ caller: "Cron", udfType: "Mutation", error: null });
});

test("a few runs are kept", async () => {
  await open(`crons.interval("tick", { seconds: 1 }, internal.tasks.note, {});`);
  await rig.advance(20_000, 1000);
  expect((await texts()) as Value[]).toHaveLength(21);
  expect(await admin("listCronJobRuns:default")).toHaveLength(cronLogRowsMax);
});

test("runs of an interval that were missed are skipped and said to be", async () => {
  await open(`crons.interval("tick", { seconds: 10 }, internal.tasks.note, {});`);
  await rig.advance(65_000);
  expect(await texts()).toEqual(["tick", "tick"]);
  const runs = await admin("listCronJobRuns:default");
  expect(runs.at(-1)).toMatchObject({
    status: { type: "canceled", num_canceled: 5n },
    logLines: {
      logLines: ["Skipping 5 run(s) of job tick because multiple scheduled runs are in the past"],
      isTruncated: false,
    },
  });
  await rig.advance(5000);
  expect((await texts()) as Value[]).toHaveLength(3);
});

test("a failure is written down, and the next run comes", async () => {
  await open(`crons.interval("boom", { seconds: 10 }, internal.tasks.boom, {});`);
  const [run] = await admin("listCronJobRuns:default");
  expect(run?.["status"]).toMatchObject({
    type: "err",
    error: expect.stringMatching(/^Uncaught Error: boom\n/),
  });
  await rig.advance(10_000);
  expect(await admin("listCronJobRuns:default")).toHaveLength(2);
  expect(await texts()).toEqual([]);
});

test("an action runs one at a time, and has failed when the server ended meanwhile", async () => {
  await open(`crons.interval("act", { seconds: 10 }, internal.tasks.act, {});`);
  expect(rig.actions).toHaveLength(1);
  expect(rig.actions[0]?.call).toMatchObject({
    caller: "Cron",
    identity: { kind: "system" },
    argsJson: "[{}]",
  });
  await rig.advance(35_000);
  expect(rig.actions).toHaveLength(1);
  rig.actions[0]?.end({ ok: true, valueJson: '"done"', logLines: ["[LOG] 'x'"] });
  await rig.server.settle();
  await rig.advance(5000);
  expect(rig.actions).toHaveLength(2);
  await rig.restart();
  const runs = await admin("listCronJobRuns:default");
  expect(runs.map(({ status }) => status)).toMatchObject([
    { type: "success", result: { type: "default", value: '"done"' } },
    { type: "canceled", num_canceled: 3n },
    { type: "err", error: "Transient error while executing action" },
  ]);
  expect(rig.actions).toHaveLength(0);
  await rig.advance(10_000);
  expect(rig.actions).toHaveLength(1);
});

test("a push adds, changes and removes crons", async () => {
  await open(`
    crons.interval("stays", { seconds: 100 }, internal.tasks.note, { text: "stays" });
    crons.interval("changes", { minutes: 10 }, internal.tasks.note, { text: "changes" });
    crons.interval("goes", { seconds: 100 }, internal.tasks.note, { text: "goes" });
  `);
  const startMs = rig.server.clock.nowMs();
  expect(((await texts()) as string[]).toSorted()).toEqual(["changes", "goes", "stays"]);
  await rig.advance(40_000);
  await rig.server.push(
    withCrons(`
      crons.interval("stays", { seconds: 100 }, internal.tasks.note, { text: "stayed" });
      crons.daily("changes", { hourUTC: 0, minuteUTC: 0 }, internal.tasks.note, { text: "changed" });
      crons.cron("new", "15 * * * *", internal.tasks.note, { text: "new" });
    `),
  );
  await rig.server.settle();
  const jobs = await admin("listCronJobs:default");
  const nextOf = Object.fromEntries(
    jobs.map((job) => [job["name"], (job["nextRun"] as unknown as { nextTs: bigint }).nextTs]),
  );
  expect(nextOf).toEqual({
    changes: ns(Date.parse("2023-11-15T00:00:00Z")),
    new: ns(Date.parse("2023-11-14T22:15:00Z")),
    stays: ns(startMs + 100_000),
  });
  await rig.advance(60_000);
  expect(((await texts()) as string[]).slice(3).toSorted()).toEqual(["new", "stayed"]);
  expect((await admin("listCronJobRuns:default")).map(({ name }) => name)).not.toContain("goes");
});

test("a changed schedule does not take away a run that is near", async () => {
  await open(`crons.interval("near", { seconds: 100 }, internal.tasks.note, {});`);
  await rig.advance(80_000);
  await rig.server.push(
    withCrons(`crons.daily("near", { hourUTC: 12, minuteUTC: 0 }, internal.tasks.note, {});`),
  );
  await rig.advance(20_000);
  expect((await texts()) as Value[]).toHaveLength(2);
  const [job] = await admin("listCronJobs:default");
  expect(job?.["nextRun"]).toMatchObject({ nextTs: ns(Date.parse("2023-11-15T12:00:00Z")) });
});

test("a paused deployment runs no crons", async () => {
  await open(`crons.interval("tick", { seconds: 10 }, internal.tasks.note, {});`);
  await rig.server.system("deployment.pause");
  await rig.advance(100_000);
  await rig.server.system("deployment.unpause");
  await rig.server.settle();
  expect(await texts()).toEqual(["tick", "tick"]);
});

test("a cron string that never fires is refused", async () => {
  rig = await SchedulerRig.start({ "tasks.ts": functions });
  await expect(
    rig.server.push(withCrons(`crons.cron("never", "0 0 30 2 *", internal.tasks.note, {});`)),
  ).rejects.toThrow('The cron spec "0 0 30 2 *" will never match any time');
});
