import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { rollupTables } from "./model/rollupTables.ts";

/**
 * The five tables of the liquidation watch, and two small ones with sums (`model/rollupTables.ts`) that let a terminal
 * follow a market of thousands of events per second without reading them all.
 */
export default defineSchema({
  /** Whoever has said something, known by the address of a wallet. */
  users: defineTable({
    wallet_address: v.string(),
    username: v.string(),
    bio: v.optional(v.string()),
    created_at: v.number(),
  }).index("by_wallet", ["wallet_address"]),

  /** The chat: either a user or an agent is the author. */
  messages: defineTable({
    user_id: v.optional(v.id("users")),
    agent_id: v.optional(v.id("agents")),
    content: v.string(),
    message_type: v.union(v.literal("chat"), v.literal("trade"), v.literal("liquidation")),
    created_at: v.number(),
  })
    .index("by_created", ["created_at"])
    .index("by_user", ["user_id", "created_at"])
    .index("by_agent", ["agent_id", "created_at"]),

  /** Commentators. `activity_level` from 0 (silent) to 1 is how often one speaks when there is something to say. */
  agents: defineTable({
    name: v.string(),
    persona: v.string(),
    activity_level: v.number(),
    is_active: v.boolean(),
  }),

  /** One forced sale of collateral. Kept for some minutes (`LIQUIDATIONS_KEPT_MS`). */
  liquidations: defineTable({
    address: v.string(),
    collateral_type: v.string(),
    collateral_amount: v.string(),
    usd_value: v.number(),
    tx_hash: v.string(),
    created_at: v.number(),
  })
    .index("by_created", ["created_at"])
    .index("by_collateral_created", ["collateral_type", "created_at"]),

  /** The latest price of each symbol: one document per symbol. */
  prices: defineTable({
    symbol: v.string(),
    price_usd: v.number(),
    change_24h: v.number(),
    updated_at: v.number(),
  }).index("by_symbol", ["symbol"]),

  ...rollupTables,
});
