import {
  anyApi,
  internalActionGeneric as internalAction,
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const self = anyApi["jobs"]!;

/** A plan and its jobs are one commit: a chain of mutations, and an action. */
export const plan = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.db.insert("plans", { key });
    await ctx.scheduler.runAfter(0, self["hop"]!, { key, left: 2 });
    await ctx.scheduler.runAfter(1, self["act"]!, { key });
  },
});

export const hop = internalMutation({
  args: { key: v.string(), left: v.number() },
  handler: async (ctx, { key, left }) => {
    await ctx.db.insert("runs", { key, what: `hop ${left}` });
    if (left > 0) await ctx.scheduler.runAfter(1, self["hop"]!, { key, left: left - 1 });
  },
});

export const act = internalAction({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.runMutation(self["acted"]!, { key });
  },
});

export const acted = internalMutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await ctx.db.insert("runs", { key, what: "act" });
  },
});

/** Never ends by itself: the server replaces its engine thread, and the job has failed. */
export const spinLater = mutation({
  args: {},
  handler: (ctx) => ctx.scheduler.runAfter(0, self["spin"]!, {}),
});
export const spin = internalMutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("runs", { key: "spin", what: "spin" });
    for (;;);
  },
});

export const plans = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("plans").collect()).map(({ key }) => key),
});
export const runs = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("runs").collect()).map(({ key, what }) => [key, what]),
});
export const jobs = query({
  args: {},
  handler: (ctx) => ctx.db.system.query("_scheduled_functions").collect(),
});
