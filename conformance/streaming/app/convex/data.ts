import { componentsGeneric, type FunctionReference, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

type Change = FunctionReference<"mutation", "internal", { key: number; text: string | null }>;
const { shelf, second } = componentsGeneric() as unknown as Record<
  "shelf" | "second",
  { rows: { set: Change } }
>;

const change = v.object({
  place: v.union(v.literal("items"), v.literal("notes"), v.literal("shelf"), v.literal("second")),
  key: v.number(),
  /** Null: deleted. */
  text: v.union(v.string(), v.null()),
});

/** Sets or deletes rows by their keys, here and in components, in one transaction. */
export const set = mutationGeneric({
  args: { changes: v.array(change) },
  handler: async (ctx, { changes }) => {
    for (const { place, key, text } of changes) {
      if (place === "shelf") await ctx.runMutation(shelf.rows.set, { key, text });
      else if (place === "second") await ctx.runMutation(second.rows.set, { key, text });
      else {
        const rows = await ctx.db.query(place).collect();
        const row = rows.find((candidate) => candidate["key"] === key);
        const fields = { key, text: text ?? "", big: BigInt(key), bytes: new Uint8Array([key % 256]).buffer };
        if (row !== undefined && text === null) await ctx.db.delete(row._id);
        else if (row !== undefined) await ctx.db.replace(row._id, fields);
        else if (text !== null) await ctx.db.insert(place, fields);
      }
    }
  },
});

export const fill = mutationGeneric({
  args: { from: v.number(), count: v.number() },
  handler: async (ctx, { from, count }) => {
    for (let key = from; key < from + count; key++) {
      await ctx.db.insert("items", { key, text: `item ${key}`, big: BigInt(key), kind: "a" });
    }
  },
});

export const all = queryGeneric({
  args: { table: v.string() },
  handler: (ctx, { table }) => ctx.db.query(table).collect(),
});

export const insertInto = mutationGeneric({
  args: { table: v.string(), value: v.any() },
  handler: (ctx, { table, value }) => ctx.db.insert(table, value),
});
