import { vStreamArgs } from "@convex-dev/agent";
import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { internalMutation, mutation, query } from "../_generated/server.js";
import * as Threads from "./model.ts";

/** A new thread with the assistant. */
export const create = mutation({
  args: { title: v.optional(v.string()), projectId: v.optional(v.id("projects")) },
  handler: async (ctx, args) => await Threads.create(ctx, args),
});

/** The caller's threads, the one used last first. */
export const list = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => await Threads.page(ctx, paginationOpts),
});

/** What was said in a thread, and what is being said right now. The form that `useUIMessages` calls. */
export const messages = query({
  args: { threadId: v.id("threads"), paginationOpts: paginationOptsValidator, streamArgs: vStreamArgs },
  handler: async (ctx, args) => await Threads.messages(ctx, args),
});

/** Removes a thread and what was said in it. */
export const remove = mutation({
  args: { threadId: v.id("threads") },
  handler: async (ctx, { threadId }) => {
    await Threads.remove(ctx, threadId);
    return null;
  },
});

/** A thread that a user is about to say something in; null: it is not theirs. */
export const use = internalMutation({
  args: { threadId: v.id("threads"), userId: v.id("users"), message: v.string() },
  handler: async (ctx, args) => await Threads.use(ctx, args),
});
