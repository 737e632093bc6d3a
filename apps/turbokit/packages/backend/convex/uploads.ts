import { v } from "convex/values";
import { internalMutation, mutation, query } from "./_generated/server.js";
import * as Uploads from "./app/uploads/model.ts";

/** An address to put a file at. The form that `useUploadFile` calls; so is the next one. */
export const generateUploadUrl = mutation({
  args: { projectId: v.optional(v.id("projects")), name: v.optional(v.string()) },
  handler: async (ctx, args) => await Uploads.prepare(ctx, args),
});

/** The caller has put the file there. */
export const syncMetadata = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await Uploads.confirm(ctx, key);
    return null;
  },
});

/** The caller's files, or a project's. */
export const list = query({
  args: { projectId: v.optional(v.id("projects")) },
  handler: async (ctx, args) => await Uploads.list(ctx, args),
});

/** Removes a file of the caller's. */
export const remove = mutation({
  args: { id: v.id("uploads") },
  handler: async (ctx, { id }) => {
    await Uploads.removeOwn(ctx, id);
    return null;
  },
});

/** The R2 component has seen a file. */
export const synced = internalMutation({
  args: { bucket: v.string(), key: v.string(), isNew: v.boolean() },
  handler: async (ctx, { key }) => {
    await Uploads.synced(ctx, key);
    return null;
  },
});

/** Removes uploads that were begun and never confirmed. A cron calls it; it goes on by itself. */
export const removeAbandoned = internalMutation({
  args: {},
  handler: async (ctx) => await Uploads.removeAbandoned(ctx),
});
