import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { mutation, query } from "./_generated/server.js";
import * as Messages from "./app/messages/model.ts";

/** The comments on a project, newest first, page by page. */
export const list = query({
  args: { projectId: v.id("projects"), paginationOpts: paginationOptsValidator },
  handler: async (ctx, args) => await Messages.page(ctx, args),
});

/** Comments on a project. */
export const send = mutation({
  args: { projectId: v.id("projects"), body: v.string() },
  handler: async (ctx, args) => await Messages.send(ctx, args),
});

/** Deletes a comment. */
export const remove = mutation({
  args: { id: v.id("messages") },
  handler: async (ctx, { id }) => {
    await Messages.remove(ctx, id);
    return null;
  },
});
