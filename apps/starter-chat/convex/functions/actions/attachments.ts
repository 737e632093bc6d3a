import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import { internalAction, internalQuery } from "../../_generated/server.js";
import { inspectFile } from "../../model/inspect.ts";

/** Looks into an attached file: is it what its type says, and how large, long or many-paged is it? */
export const inspect = internalAction({
  args: { attachmentId: v.id("chat_attachments") },
  returns: v.null(),
  handler: async (ctx, { attachmentId }) => {
    const about = await ctx.runQuery(internal.functions.actions.attachments.fileOf, { attachmentId });
    if (about === null) return null;
    const file = await ctx.storage.get(about.fileId);
    const metadata =
      file === null ? null : inspectFile(new Uint8Array(await file.arrayBuffer()), about.fileType);
    await ctx.runMutation(internal.functions.mutations.attachments.finishProcessing, {
      attachmentId,
      metadata,
    });
    return null;
  },
});

export const fileOf = internalQuery({
  args: { attachmentId: v.id("chat_attachments") },
  returns: v.union(v.object({ fileId: v.id("_storage"), fileType: v.string() }), v.null()),
  handler: async (ctx, { attachmentId }) => {
    const attachment = await ctx.db.get("chat_attachments", attachmentId);
    if (attachment?.status !== "processing") return null;
    return { fileId: attachment.fileId, fileType: attachment.fileType };
  },
});
