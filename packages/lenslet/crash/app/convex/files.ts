import { query } from "./server.ts";
import { v } from "convex/values";

export const list = query({ args: {}, handler: (ctx) => ctx.db.system.query("_storage").collect() });
export const url = query({
  args: { storageId: v.id("_storage") },
  handler: (ctx, { storageId }) => ctx.storage.getUrl(storageId),
});
