import { v } from "convex/values";
import { mutation, query, type WriteContext } from "./server.ts";

/** Functions that must harm nobody but their callers. Each mutation writes first: nothing of it may stay. */
export const spin = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await leaveTrace(ctx, key);
    for (;;);
  },
});

export const hoard = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await leaveTrace(ctx, key);
    // Untouched memory costs no time: it must run out long before the time does, also on a busy machine.
    const hoarded: ArrayBuffer[] = [];
    for (let spins = 0; ; spins++) if (spins % 500_000 === 0) hoarded.push(new ArrayBuffer(16 * 1024 * 1024));
  },
});

export const spinQuery = query({
  args: { nonce: v.string() },
  handler: (): null => {
    for (;;);
  },
});

/** Honest work: some hundred milliseconds of it. */
export const work = query({
  args: { nonce: v.number() },
  handler: (_ctx, { nonce }) => {
    let sum = nonce;
    for (let i = 0; i < 20_000_000; i++) sum = (sum * 31 + i) | 0;
    return sum;
  },
});

/** Well-behaved until its switch is on. */
export const spinWhenOn = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const found = await ctx.db
      .query("switches")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    if (found?.on === true) for (;;);
    return found === null ? "missing" : "off";
  },
});

export const turn = mutation({
  args: { name: v.string(), on: v.boolean() },
  handler: async (ctx, { name, on }) => {
    const found = await ctx.db
      .query("switches")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    if (found === null) await ctx.db.insert("switches", { name, on });
    else await ctx.db.patch(found._id, { on });
  },
});

async function leaveTrace(ctx: WriteContext, key: string): Promise<void> {
  await ctx.db.insert("entries", { key, account: "nobody", amount: 1, position: 0 });
}
