import { v } from "convex/values";
import { internalMutation, query } from "./_generated/server";

export const record = internalMutation({
  args: { name: v.string(), value: v.any() },
  handler: async (ctx, event) => {
    await ctx.db.insert("events", event);
  },
});

export const named = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const events = await ctx.db
      .query("events")
      .withIndex("by_name", (q) => q.eq("name", name))
      .collect();
    return events.map(({ value }) => value as unknown);
  },
});
