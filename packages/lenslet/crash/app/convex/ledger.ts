import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { mutation, query, type ReadContext } from "./server.ts";

export const openAccounts = mutation({
  args: { names: v.array(v.string()) },
  handler: async (ctx, { names }) => {
    for (const name of names) await ctx.db.insert("accounts", { name, count: 0, balance: 0 });
  },
});

const entryArgs = { key: v.string(), account: v.string(), amount: v.number() };

/** Reads one document, writes two: what is torn, doubled or out of order shows in positions and sums. */
export const add = mutation({
  args: entryArgs,
  handler: async (ctx, { key, account, amount }) => {
    const { _id, count, balance } = await accountNamed(ctx, account);
    await ctx.db.insert("entries", { key, account, amount, position: count });
    await ctx.db.patch(_id, { count: count + 1, balance: balance + amount });
    return { position: count, balance: balance + amount };
  },
});

/** What one transition must show consistently, also across several of these queries. */
export const account = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const { count, balance } = await accountNamed(ctx, name);
    const latest = await ctx.db
      .query("entries")
      .withIndex("by_account", (q) => q.eq("account", name))
      .order("desc")
      .take(5);
    return { count, balance, latest: latest.map(({ key, position }) => ({ key, position })) };
  },
});

export const totals = query({
  args: {},
  handler: async (ctx) => {
    const accounts = await ctx.db.query("accounts").collect();
    return {
      count: accounts.reduce((sum, { count }) => sum + count, 0),
      balance: accounts.reduce((sum, { balance }) => sum + balance, 0),
    };
  },
});

export const accounts = query({ args: {}, handler: async (ctx) => await ctx.db.query("accounts").collect() });

export const has = query({
  args: { key: v.string() },
  handler: async (ctx, { key }) =>
    (await ctx.db
      .query("entries")
      .withIndex("by_key", (q) => q.eq("key", key))
      .first()) !== null,
});

/** The whole table in the order of one of its indexes, page by page. */
export const page = query({
  args: {
    index: v.union(
      v.literal("by_key"),
      v.literal("by_account"),
      v.literal("by_creation_time"),
      v.literal("by_id"),
    ),
    paginationOpts: paginationOptsValidator,
  },
  handler: async (ctx, { index, paginationOpts }) =>
    await ctx.db.query("entries").withIndex(index).paginate(paginationOpts),
});

async function accountNamed(ctx: ReadContext, name: string) {
  const found = await ctx.db
    .query("accounts")
    .withIndex("by_name", (q) => q.eq("name", name))
    .unique();
  if (found === null) throw new Error(`no account ${name}`);
  return found;
}
