import {
  actionGeneric,
  componentsGeneric,
  type FunctionReference,
  mutationGeneric,
  queryGeneric,
} from "convex/server";
import { v } from "convex/values";

const args = { key: v.number(), text: v.union(v.string(), v.null()) };
type Set = FunctionReference<"mutation", "internal", { key: number; text: string | null }>;
const { drawer } = componentsGeneric() as unknown as { drawer: { rows: { set: Set } } };

export const set = mutationGeneric({
  args,
  handler: async (ctx, { key, text }) => {
    const row = (await ctx.db.query("books").collect()).find((candidate) => candidate["key"] === key);
    if (row !== undefined && text === null) await ctx.db.delete(row._id);
    else if (row !== undefined) await ctx.db.patch(row._id, { text });
    else if (text !== null) await ctx.db.insert("books", { key, text });
    await ctx.runMutation(drawer.rows.set, { key, text });
  },
});

export const all = queryGeneric({
  args: { table: v.string() },
  handler: (ctx, { table }) => ctx.db.query(table).collect(),
});

export const store = actionGeneric({
  args: { text: v.string() },
  handler: (ctx, { text }) => ctx.storage.store(new Blob([text], { type: "text/plain" })),
});
export const urls = queryGeneric({
  args: {},
  handler: async (ctx) => {
    const files = await ctx.db.system.query("_storage").collect();
    return await Promise.all(files.map(({ _id }) => ctx.storage.getUrl(_id)));
  },
});
