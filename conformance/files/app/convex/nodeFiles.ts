"use node";
import { actionGeneric } from "convex/server";
import { v } from "convex/values";
import { gunzipSync, gzipSync } from "node:zlib";

export const storeZipped = actionGeneric({
  args: { text: v.string() },
  handler: (ctx, { text }) =>
    ctx.storage.store(new Blob([new Uint8Array(gzipSync(text))], { type: "application/gzip" })),
});
export const readZipped = actionGeneric({
  args: { storageId: v.id("_storage") },
  handler: async (ctx, { storageId }) => {
    const blob = await ctx.storage.get(storageId);
    if (blob === null) return null;
    return { type: blob.type, text: gunzipSync(await blob.arrayBuffer()).toString() };
  },
});
