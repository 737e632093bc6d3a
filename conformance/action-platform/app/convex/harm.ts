import { actionGeneric as action, makeFunctionReference, mutationGeneric as mutation } from "convex/server";
import { queryGeneric as query } from "convex/server";
import { v } from "convex/values";
import { harm, stay } from "./lib/neighbours.ts";

export const stays = action({
  args: { name: v.string(), round: v.string() },
  handler: (ctx, { name, round }) => stay(ctx, name, round),
});
export const harms = action({
  args: { how: v.string(), round: v.string() },
  handler: (ctx, { how, round }) => harm(ctx, how, round),
});

/** Any action as a scheduled one. */
export const schedule = mutation({
  args: { path: v.string(), args: v.any() },
  handler: (ctx, { path, args }) =>
    ctx.scheduler.runAfter(0, makeFunctionReference<"action">(path), args as Record<string, unknown>),
});
export const job = query({
  args: { id: v.id("_scheduled_functions") },
  handler: (ctx, { id }) => ctx.db.system.get(id),
});
