import { v } from "convex/values";
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
