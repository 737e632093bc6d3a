import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { requireChat, requireUser } from "../../model/access.ts";
import { findAttachment } from "../../model/files.ts";
import { boundedPage } from "../../model/pages.ts";

/**
 * Where to fetch an attached file; whoever may read the chat may.
 *
 * @returns null when the file is gone.
 * @throws `unauthenticated`, `no_account`, `not_found` (the chat)
 */
export const getAttachmentUrl = query({
  args: { chatId: v.id("chats"), fileId: v.id("_storage") },
  returns: v.union(v.object({ attachmentId: v.id("chat_attachments"), url: v.string() }), v.null()),
  handler: async (ctx, { chatId, fileId }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    const attachment = await findAttachment(ctx, chatId, fileId);
    const url = attachment === null ? null : await ctx.storage.getUrl(fileId);
    return attachment === null || url === null ? null : { attachmentId: attachment._id, url };
  },
});

/** The files of a chat, the newest first, page by page. */
export const getChatAttachments = query({
  args: { chatId: v.id("chats"), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { chatId, paginationOpts }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    return await ctx.db
      .query("chat_attachments")
      .withIndex("by_chat", (q) => q.eq("chatId", chatId))
      .order("desc")
      .paginate(boundedPage(paginationOpts));
  },
});
