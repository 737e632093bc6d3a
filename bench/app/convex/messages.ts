import { v } from "convex/values";
import { mutation, query } from "./functions.ts";

export const send = mutation({
  args: { channel: v.string(), seq: v.number(), body: v.string() },
  handler: async (ctx, { channel, seq, body }) => {
    await ctx.db.insert("messages", { channel, seq, body });
    return null;
  },
});

/** The newest ten rows of a channel, newest first. */
export const latest = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .take(10),
});
