import { mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

export const set = mutationGeneric({
  args: { key: v.number(), text: v.union(v.string(), v.null()) },
  handler: async (ctx, { key, text }) => {
    const row = (await ctx.db.query("pens").collect()).find((candidate) => candidate["key"] === key);
    if (row !== undefined && text === null) await ctx.db.delete(row._id);
    else if (row !== undefined) await ctx.db.replace(row._id, { key, text, count: 1n });
    else if (text !== null) await ctx.db.insert("pens", { key, text });
  },
});

export const all = queryGeneric({
  args: { table: v.string() },
  handler: (ctx, { table }) => ctx.db.query(table).collect(),
});
