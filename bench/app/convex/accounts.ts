import { ConvexError, v } from "convex/values";
import { mutation, query } from "./functions.ts";

export const transfer = mutation({
  args: { from: v.number(), to: v.number(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    const source = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.eq("number", from))
      .unique();
    const target = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.eq("number", to))
      .unique();
    if (source === null || target === null) throw new ConvexError("no such account");
    if (source.balance < amount) throw new ConvexError("insufficient funds");
    await ctx.db.patch(source._id, { balance: source.balance - amount });
    await ctx.db.patch(target._id, { balance: target.balance + amount });
    return null;
  },
});

export const seed = mutation({
  args: { first: v.number(), count: v.number(), balance: v.number() },
  handler: async (ctx, { first, count, balance }) => {
    for (let number = first; number < first + count; number++)
      await ctx.db.insert("accounts", { number, balance });
    return null;
  },
});

/** Balances of the accounts from `first` up to (not including) `end`, by number. */
export const balances = query({
  args: { first: v.number(), end: v.number() },
  handler: async (ctx, { first, end }) => {
    const accounts = await ctx.db
      .query("accounts")
      .withIndex("by_number", (q) => q.gte("number", first).lt("number", end))
      .collect();
    return accounts.map(({ balance }) => balance);
  },
});
