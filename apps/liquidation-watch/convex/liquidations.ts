import { v } from "convex/values";
import { query } from "./_generated/server.js";
import { LIQUIDATIONS_PAGE_MAX, LIQUIDATIONS_SCANNED_MAX, LIQUIDATIONS_SHOWN_MAX } from "./model/limits.ts";
import { clampCount } from "./model/counts.ts";
import { liquidationFields } from "./model/validation.ts";

const liquidation = v.object({
  ...liquidationFields,
  _id: v.id("liquidations"),
  _creationTime: v.number(),
});

/**
 * The newest liquidations first. `min_usd` looks at the newest 500 only, whatever it finds: a live tape asks again with
 * every change and keeps what it has seen.
 */
export const recent = query({
  args: { limit: v.number(), symbol: v.optional(v.string()), min_usd: v.optional(v.number()) },
  returns: v.array(liquidation),
  handler: async (ctx, { limit, symbol, min_usd: minUsd = 0 }) => {
    const count = clampCount(limit, LIQUIDATIONS_SHOWN_MAX);
    const table = ctx.db.query("liquidations");
    const newest = (
      symbol === undefined
        ? table.withIndex("by_created")
        : table.withIndex("by_collateral_created", (q) => q.eq("collateral_type", symbol))
    ).order("desc");
    if (minUsd <= 0) return await newest.take(count);
    const scanned = await newest.take(LIQUIDATIONS_SCANNED_MAX);
    return scanned.filter((one) => one.usd_value >= minUsd).slice(0, count);
  },
});

/**
 * Liquidations in the order of their arrival, after the last one a reader has had (its `_creationTime`; 0 for all that
 * is kept). A reader who asks until a page is not full misses none and sees none twice.
 */
export const since = query({
  args: { after: v.number(), limit: v.number() },
  returns: v.array(liquidation),
  handler: async (ctx, { after, limit }) =>
    await ctx.db
      .query("liquidations")
      .withIndex("by_creation_time", (q) => q.gt("_creationTime", after))
      .take(clampCount(limit, LIQUIDATIONS_PAGE_MAX)),
});

/** The `_creationTime` of the newest one: a live query of this one number tells a reader that there is more. */
export const newest = query({
  args: {},
  returns: v.number(),
  handler: async (ctx) =>
    (await ctx.db.query("liquidations").withIndex("by_creation_time").order("desc").first())?._creationTime ??
    0,
});
