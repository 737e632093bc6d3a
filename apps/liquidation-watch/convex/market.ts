import { v } from "convex/values";
import { query } from "./_generated/server.js";
import { LEADER_MINUTES, PRICES_SHOWN_MAX } from "./model/limits.ts";
import { readPulse } from "./model/pulse.ts";

/**
 * The market of the last minute, second by second, the newest last. `second` is the start of the newest one in
 * milliseconds (0: nothing has ever happened). 60 documents, whatever the rate of events.
 */
export const pulse = query({
  args: {},
  returns: v.object({
    second: v.number(),
    ticks: v.array(v.number()),
    liquidations: v.array(v.number()),
    usd_value: v.array(v.number()),
    largest_usd: v.number(),
  }),
  handler: async (ctx) => await readPulse(ctx),
});

/** What was liquidated of each symbol in the last five minutes that had any, the largest sum first. */
export const leaders = query({
  args: {},
  returns: v.array(
    v.object({
      symbol: v.string(),
      liquidations: v.number(),
      usd_value: v.number(),
      largest_usd: v.number(),
    }),
  ),
  handler: async (ctx) => {
    const newest = await ctx.db.query("symbol_minutes").withIndex("by_minute").order("desc").first();
    if (newest === null) return [];
    const from = newest.minute - (LEADER_MINUTES - 1) * 60_000;
    const rows = await ctx.db
      .query("symbol_minutes")
      .withIndex("by_minute", (q) => q.gte("minute", from))
      .take(LEADER_MINUTES * PRICES_SHOWN_MAX);
    const bySymbol = new Map<
      string,
      { symbol: string; liquidations: number; usd_value: number; largest_usd: number }
    >();
    for (const { symbol, liquidations, usd_value, largest_usd } of rows) {
      const sum = bySymbol.get(symbol);
      if (sum === undefined) bySymbol.set(symbol, { symbol, liquidations, usd_value, largest_usd });
      else {
        sum.liquidations += liquidations;
        sum.usd_value += usd_value;
        sum.largest_usd = Math.max(sum.largest_usd, largest_usd);
      }
    }
    return [...bySymbol.values()].sort((a, b) => b.usd_value - a.usd_value || (a.symbol < b.symbol ? -1 : 1));
  },
});
