import { v } from "convex/values";
import { action, mutation } from "./functions.ts";
import { groupOf, vectorOf } from "./vectorData.ts";

/** Inserts rows by their numbers; returns their ids. */
export const fill = mutation({
  args: {
    table: v.union(v.literal("vectors"), v.literal("unindexedVectors")),
    from: v.number(),
    count: v.number(),
  },
  handler: async (ctx, { table, from, count }) => {
    const ids: string[] = [];
    for (let number = from; number < from + count; number++) {
      ids.push(await ctx.db.insert(table, { group: groupOf(number), embedding: [...vectorOf(number)] }));
    }
    return ids;
  },
});

export const search = action({
  args: { vector: v.array(v.number()), group: v.union(v.string(), v.null()) },
  handler: async (ctx, { vector, group }) => {
    const query = { vector, limit: 10 };
    const found = await (group === null
      ? ctx.vectorSearch("vectors", "by_embedding", query)
      : ctx.vectorSearch("vectors", "by_embedding", { ...query, filter: (q) => q.eq("group", group) }));
    return found.map(({ _id }) => _id);
  },
});
