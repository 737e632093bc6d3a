import { mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

export const add = mutationGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("notes", { text });
  },
});

export const find = queryGeneric({
  args: { word: v.string() },
  handler: async (ctx, { word }) => {
    const found = ctx.db.query("notes").withSearchIndex("text", (q) => q.search("text", word));
    return (await found.take(10)).map(({ text }) => text as string);
  },
});
