import { v } from "convex/values";
import { mutation, query } from "./functions.ts";

const row = { channel: v.string(), rand: v.number(), body: v.string() };

export const page = query({
  args: { channel: v.string(), from: v.number() },
  handler: async (ctx, { channel, from }) =>
    ctx.db
      .query("events")
      .withIndex("by_channel", (q) => q.eq("channel", channel).gte("rand", from))
      .take(10),
});

export const insert = mutation({
  args: row,
  handler: async (ctx, event) => {
    await ctx.db.insert("events", event);
    return null;
  },
});

export const insertSearchable = mutation({
  args: row,
  handler: async (ctx, event) => {
    await ctx.db.insert("searchable", event);
    return null;
  },
});

export const seed = mutation({
  args: { rows: v.array(v.object(row)) },
  handler: async (ctx, { rows }) => {
    for (const event of rows) await ctx.db.insert("events", event);
    return null;
  },
});
