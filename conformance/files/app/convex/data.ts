import { anyApi, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

/** Every kind of value, in a table that the schema does not name. */
export const seed = mutationGeneric({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    for (let i = 0; i < count; i++) {
      await ctx.db.insert("things", {
        i,
        int: BigInt(i) * 1_000_000_007n,
        float: i / 7,
        whole: 3,
        special: [NaN, Infinity, -Infinity, -0, 1e300],
        bytes: new Uint8Array([i % 256, 0, 255]).buffer,
        text: `thing ${i} 🙂 "quoted"\n`,
        nested: { list: [null, true, { deep: [1n] }] },
      });
    }
  },
});

export const things = queryGeneric({ args: {}, handler: (ctx) => ctx.db.query("things").collect() });
export const all = queryGeneric({
  args: { table: v.string() },
  handler: (ctx, { table }) => ctx.db.query(table as "things").collect(),
});
export const insert = mutationGeneric({
  args: { table: v.string(), value: v.any() },
  handler: (ctx, { table, value }) => ctx.db.insert(table as "things", value),
});
export const attachments = queryGeneric({
  args: { name: v.string() },
  handler: (ctx, { name }) =>
    ctx.db
      .query("attachments")
      .withIndex("by_name", (q) => q.eq("name", name))
      .collect(),
});
export const touchAll = mutationGeneric({
  args: {},
  handler: async (ctx) => {
    for (const thing of await ctx.db.query("things").collect())
      if (thing["i"] % 3 === 0) await ctx.db.delete(thing._id);
      else await ctx.db.patch(thing._id, { text: "changed" });
    await ctx.runMutation(anyApi["data"]!["seed"]!, { count: 10 });
  },
});
