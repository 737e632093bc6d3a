import { ActionCache } from "@convex-dev/action-cache";
import { ActionRetrier, onCompleteValidator } from "@convex-dev/action-retrier";
import { Crons } from "@convex-dev/crons";
import { Migrations } from "@convex-dev/migrations";
import { WorkflowManager, vWorkflowId } from "@convex-dev/workflow";
import { Workpool, vOnCompleteArgs } from "@convex-dev/workpool";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { action, internalAction, internalMutation, mutation, query } from "./_generated/server";

const cache = new ActionCache(components.actionCache, { action: internal.work.slow, name: "slow" });
export const slow = internalAction({
  args: { n: v.number() },
  handler: async (ctx, { n }): Promise<number> => {
    await ctx.runMutation(internal.events.record, { name: "slow", value: n });
    return n * n;
  },
});
export const cached = action({
  args: { n: v.number() },
  handler: (ctx, { n }): Promise<number> => cache.fetch(ctx, { n }),
});

const retrier = new ActionRetrier(components.actionRetrier, { initialBackoffMs: 20, base: 2 });
/** Fails until it has been tried three times. */
export const flaky = internalAction({
  args: { name: v.string() },
  handler: async (ctx, { name }): Promise<string> => {
    await ctx.runMutation(internal.events.record, { name, value: "try" });
    const tries = await ctx.runQuery(internal.work.tries, { name });
    if (tries < 3) throw new Error("not yet");
    return `done after ${tries}`;
  },
});
export const tries = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const events = await ctx.db
      .query("events")
      .withIndex("by_name", (q) => q.eq("name", name))
      .collect();
    return events.length;
  },
});
export const retry = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }): Promise<string> =>
    await retrier.run(ctx, internal.work.flaky, { name }, { onComplete: internal.work.retried }),
});
export const retried = internalMutation({
  args: onCompleteValidator,
  handler: async (ctx, { result }) => {
    await ctx.db.insert("events", { name: "retried", value: result });
  },
});

const pool = new Workpool(components.sendPool, { maxParallelism: 3 });
export const job = internalAction({
  args: { n: v.number() },
  handler: async (_ctx, { n }): Promise<number> => n + 100,
});
export const enqueue = mutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    for (let n = 0; n < count; n++)
      await pool.enqueueAction(
        ctx,
        internal.work.job,
        { n },
        { onComplete: internal.work.pooled, context: n },
      );
  },
});
export const pooled = internalMutation({
  args: vOnCompleteArgs(v.number()),
  handler: async (ctx, { context, result }) => {
    await ctx.db.insert("events", { name: "pooled", value: { context, result } });
  },
});

const workflow = new WorkflowManager(components.workflow, { workpoolOptions: { maxParallelism: 2 } });
export const stepOf = internalAction({
  args: { name: v.string(), step: v.number() },
  handler: async (ctx, { name, step }): Promise<number> => {
    await ctx.runMutation(internal.events.record, { name, value: step });
    return step * 10;
  },
});
export const flow = workflow
  .define({ args: { name: v.string() }, returns: v.number() })
  .handler(async (step, { name }): Promise<number> => {
    const first = await step.runAction(internal.work.stepOf, { name, step: 1 });
    await step.sleep(1500);
    const [second, third] = await Promise.all([
      step.runAction(internal.work.stepOf, { name, step: 2 }),
      step.runAction(internal.work.stepOf, { name, step: 3 }),
    ]);
    await step.runMutation(internal.events.record, { name, value: "end" });
    return first + second + third;
  });
export const startFlow = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }): Promise<string> => await workflow.start(ctx, internal.work.flow, { name }),
});
export const flowStatus = query({
  args: { id: vWorkflowId },
  handler: (ctx, { id }) => workflow.status(ctx, id),
});

const crons = new Crons(components.crons);
export const registerCron = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await crons.register(
      ctx,
      { kind: "interval", ms: 1000 },
      internal.events.record,
      { name, value: "tick" },
      name,
    );
  },
});
export const dropCron = mutation({
  args: { name: v.string() },
  handler: (ctx, { name }) => crons.delete(ctx, { name }),
});

const migrations = new Migrations<DataModel>(components.migrations);
export const rankAll = migrations.define({
  table: "players",
  batchSize: 2,
  migrateOne: (_ctx, { score }) => ({ rank: score > 10 ? "gold" : "wood" }),
});
export const migrate = migrations.runner(internal.work.rankAll);
export const ranks = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("players").collect()).map(({ rank }) => rank ?? null),
});
