import { v } from "convex/values";
import { query } from "./_generated/server.js";
import { PRICES_SHOWN_MAX } from "./model/limits.ts";
import { priceFields } from "./model/validation.ts";

/** The latest price of every symbol, by symbol. `change_24h` is in per cent. */
export const list = query({
  args: {},
  returns: v.array(v.object(priceFields)),
  handler: async (ctx) => {
    const prices = await ctx.db.query("prices").withIndex("by_symbol").take(PRICES_SHOWN_MAX);
    return prices.map(({ symbol, price_usd, change_24h, updated_at }) => ({
      symbol,
      price_usd,
      change_24h,
      updated_at,
    }));
  },
});
