import { defineTable } from "convex/server";
import { v } from "convex/values";

/**
 * Sums that `feed.ingest` keeps up to date in the same transaction as the events, so that they always agree with them.
 * Both tables stay small: old rows go as new ones come.
 */
export const rollupTables = {
  /** The whole market, second by second; `second` is its start in milliseconds. */
  market_seconds: defineTable({
    second: v.number(),
    ticks: v.number(),
    liquidations: v.number(),
    usd_value: v.number(),
    largest_usd: v.number(),
  }).index("by_second", ["second"]),

  /** Each symbol, minute by minute; `minute` is its start in milliseconds. */
  symbol_minutes: defineTable({
    minute: v.number(),
    symbol: v.string(),
    liquidations: v.number(),
    usd_value: v.number(),
    largest_usd: v.number(),
  }).index("by_minute", ["minute", "symbol"]),
};
