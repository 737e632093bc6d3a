import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

/** Runs as `notes` or `notes:default`. */
export default query({
  args: {},
  handler: async (ctx) => await ctx.db.query("notes").withIndex("by_rank").collect(),
});

export const add = mutation({
  args: { text: v.string(), rank: v.optional(v.number()) },
  handler: async (ctx, { text, rank }) => {
    await ctx.db.insert("notes", { text, rank: rank ?? 0 });
  },
});

export const removeAll = mutation({
  args: {},
  handler: async (ctx) => {
    const notes = await ctx.db.query("notes").collect();
    for (const note of notes) await ctx.db.delete(note._id);
    return notes.length;
  },
});
