import { R2, type R2Callbacks } from "@convex-dev/r2";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { action, query } from "./_generated/server";

/** Bucket, endpoint and keys are in the environment. */
const r2 = new R2(components.r2);
const callbacks: R2Callbacks = { onSyncMetadata: internal.files.onSyncMetadata };

export const { generateUploadUrl, syncMetadata, getMetadata, listMetadata, deleteObject, onSyncMetadata } =
  r2.clientApi<DataModel>({
    callbacks,
    checkDelete: (_ctx, _bucket, key) => {
      if (key === "keep.txt") throw new Error("this one stays");
    },
    onSyncMetadata: async (ctx, { key, isNew }) => {
      await ctx.db.insert("events", { name: "r2", value: { key, isNew } });
    },
  });

export const store = action({
  args: { key: v.string(), text: v.string() },
  handler: (ctx, { key, text }): Promise<string> =>
    r2.store(ctx, new Blob([text], { type: "text/plain" }), { key, cacheControl: "max-age=60" }),
});
export const link = query({
  args: { key: v.string() },
  handler: (_ctx, { key }): Promise<string> => r2.getUrl(key, { expiresIn: 60 }),
});
