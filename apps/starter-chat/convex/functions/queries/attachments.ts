import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import type { Doc } from "../../_generated/dataModel.js";
import { query } from "../../_generated/server.js";
import { findChat, requireChat, requireUser } from "../../model/access.ts";
import { findAttachment } from "../../model/files.ts";
import { boundedPage } from "../../model/pages.ts";
import { attachmentView, People, toAttachmentView } from "../../model/views.ts";
import { fileMetadata, fileStatus } from "../../schema.ts";

/**
 * Where to fetch an attached file, and what is known of it; whoever may read the chat may.
 *
 * @returns null when the file is gone.
 * @throws `unauthenticated`, `no_account`, `not_found` (the chat)
 */
export const getAttachmentUrl = query({
  args: { chatId: v.id("chats"), fileId: v.id("_storage") },
  returns: v.union(
    v.object({
      attachmentId: v.id("chat_attachments"),
      url: v.string(),
      status: fileStatus,
      downloadCount: v.number(),
      isPublic: v.boolean(),
      metadata: v.optional(fileMetadata),
    }),
    v.null(),
  ),
  handler: async (ctx, { chatId, fileId }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    const attachment = await findAttachment(ctx, chatId, fileId);
    const url = attachment === null ? null : await ctx.storage.getUrl(fileId);
    if (attachment === null || url === null) return null;
    const { _id, status = "ready", downloadCount = 0, isPublic = false, metadata } = attachment;
    return {
      attachmentId: _id,
      url,
      status,
      downloadCount,
      isPublic,
      ...(metadata === undefined ? {} : { metadata }),
    };
  },
});

/**
 * The files of a chat, the newest first, live, page by page.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`
 */
export const getChatAttachments = query({
  args: { chatId: v.id("chats"), paginationOpts: paginationOptsValidator },
  returns: paginationResultValidator(attachmentView),
  handler: async (ctx, { chatId, paginationOpts }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    const result = await ctx.db
      .query("chat_attachments")
      .withIndex("by_chat", (q) => q.eq("chatId", chatId))
      .order("desc")
      .paginate(boundedPage(paginationOpts));
    return { ...result, page: await viewsOf(new People(ctx), result.page) };
  },
});

/**
 * The files the caller has attached anywhere, the newest first, live, page by page. Those in chats that are no longer
 * shared with them are left out.
 *
 * @throws `unauthenticated`, `no_account`
 */
export const getMyAttachments = query({
  args: { paginationOpts: paginationOptsValidator },
  returns: paginationResultValidator(attachmentView),
  handler: async (ctx, { paginationOpts }) => {
    const user = await requireUser(ctx);
    const result = await ctx.db
      .query("chat_attachments")
      .withIndex("by_user", (q) => q.eq("userId", user._id))
      .order("desc")
      .paginate(boundedPage(paginationOpts));
    const visible = [];
    for (const attachment of result.page)
      if ((await findChat(ctx, user, attachment.chatId)) !== null) visible.push(attachment);
    return { ...result, page: await viewsOf(new People(ctx), visible) };
  },
});

/**
 * A file that its owner has made public, for anyone who knows its id; nobody needs to be signed in.
 *
 * @returns null if it is not public (any more), or gone.
 */
export const getPublicFile = query({
  args: { attachmentId: v.id("chat_attachments") },
  returns: v.union(
    v.object({ url: v.string(), fileName: v.string(), fileType: v.string(), fileSize: v.number() }),
    v.null(),
  ),
  handler: async (ctx, { attachmentId }) => {
    const attachment = await ctx.db.get("chat_attachments", attachmentId);
    if (attachment?.isPublic !== true || attachment.status === "error") return null;
    const url = await ctx.storage.getUrl(attachment.fileId);
    const { fileName, fileType, fileSize } = attachment;
    return url === null ? null : { url, fileName, fileType, fileSize };
  },
});

async function viewsOf(people: People, attachments: readonly Doc<"chat_attachments">[]) {
  const views = [];
  for (const attachment of attachments) views.push(await toAttachmentView(people, attachment));
  return views;
}
