import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { mutation } from "./_generated/server.js";
import { requireFeedKey } from "./model/feedKey.ts";
import { ingestBatch } from "./model/ingest.ts";
import { batchFields, checkBatch } from "./model/validation.ts";

/** Takes one batch of market events from a feeder that knows FEED_KEY: all of it or nothing. */
export const ingest = mutation({
  args: { key: v.string(), ...batchFields },
  returns: v.null(),
  handler: async (ctx, { key, ...batch }) => {
    requireFeedKey(key);
    const now = Date.now();
    checkBatch(batch, now);
    await ingestBatch(ctx, batch, now);
    return null;
  },
});

/**
 * Lets the agents look at the market now, as the cron does. For servers and feeders without a scheduler: agents say
 * something only when it is time, so it does no harm to ask too often.
 */
export const tickAgents = mutation({
  args: { key: v.string() },
  returns: v.null(),
  handler: async (ctx, { key }) => {
    requireFeedKey(key);
    await ctx.runMutation(internal.agents.comment, {});
    return null;
  },
});
