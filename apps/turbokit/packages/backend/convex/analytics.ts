import { v } from "convex/values";
import { mutation } from "./_generated/server.js";
import * as Analytics from "./app/analytics/model.ts";

/** Records what the caller did on a page. */
export const track = mutation({
  args: {
    event: v.union(
      v.literal("page_viewed"),
      v.literal("upgrade_clicked"),
      v.literal("search_used"),
      v.literal("file_opened"),
    ),
    properties: v.optional(v.record(v.string(), v.union(v.string(), v.number(), v.boolean()))),
  },
  handler: async (ctx, args) => {
    await Analytics.track(ctx, args);
    return null;
  },
});
