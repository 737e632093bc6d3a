/** What the simulated app schedules. A job that runs notes its own id, so that the log shows which job did what. */
export const jobFunctions = `
import { mutation, query, internalMutation, internalAction } from "./_generated/server";
import { internal } from "./_generated/api";
import { ConvexError } from "convex/values";

const kinds = { hop: internal.j.hop, broken: internal.j.broken, act: internal.j.act };

export const plan = mutation(async ({ db, scheduler }, { op, kind, delayMs, hops }) => {
  const job = await scheduler.runAfter(delayMs, kinds[kind], { key: "plan " + op, hops });
  await db.insert("plans", { op, job });
  return { op };
});
export const doomed = mutation(async ({ scheduler }, { op }) => {
  await scheduler.runAfter(0, internal.j.hop, { key: "doomed " + op, hops: 0 });
  throw new ConvexError({ op });
});
export const cancel = mutation(async ({ db, scheduler }, { op, of }) => {
  const plan = await db.query("plans").withIndex("by_op", (q) => q.eq("op", of)).unique();
  if (plan === null) return { op, was: null };
  const before = await db.system.get(plan.job);
  await scheduler.cancel(plan.job);
  return { op, was: before.state.kind, is: (await db.system.get(plan.job)).state.kind };
});

const run = async ({ db, meta }, key) => {
  const { scheduledFunctionId } = await meta.getRequestMetadata();
  const seen = (await db.system.get(scheduledFunctionId)).state.kind;
  await db.insert("runs", { runOf: scheduledFunctionId, key, seen, at: db.vars.commitTs });
  return scheduledFunctionId;
};
export const hop = internalMutation(async (ctx, { key, hops }) => {
  const by = await run(ctx, key + " hop " + hops);
  if (hops > 0) await ctx.scheduler.runAfter(hops * 150, internal.j.hop, { key, hops: hops - 1, by });
});
export const broken = internalMutation(async (ctx, { key }) => {
  const by = await run(ctx, key);
  await ctx.scheduler.runAfter(0, internal.j.hop, { key: key + " of broken", hops: 0, by });
  throw new Error("broken");
});
// The simulation's own action host stands in for it.
export const act = internalAction(() => null);
export const actNow = internalAction(() => null);

export const tick = internalMutation(async ({ db }) => {
  await db.insert("ticks", { cronRun: "tick", at: db.vars.commitTs });
  if (Date.now() % 4 === 0) throw new Error("no luck");
});
export const runs = query(async ({ db }, { limit }) =>
  (await db.query("runs").order("desc").take(limit)).map(({ key, at }) => [key, at]));
`;

/** `tick` is a mutation, `tock` an action; the push of variant B changes when one runs and takes the other away. */
export const cronsOfVariant = {
  A: `crons.interval("tick", { seconds: 1 }, internal.j.tick);
crons.interval("tock", { seconds: 2 }, internal.j.actNow);`,
  B: `crons.interval("tick", { seconds: 3 }, internal.j.tick);
crons.cron("minutes", "* * * * *", internal.j.tick);`,
};

export function cronsModule(crons: string): string {
  return `
import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";
const crons = cronJobs();
${crons}
export default crons;
`;
}
