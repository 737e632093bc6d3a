import { v } from "convex/values";
import type { Id } from "../../_generated/dataModel.js";
import { mutation, type QueryCtx } from "../../_generated/server.js";
import { requireChat, requireUser } from "../../model/access.ts";
import { appError } from "../../model/errors.ts";
import { checkFileName, checkFileSize, checkFileType } from "../../model/files.ts";

/**
 * Where to send a file before `uploadAttachment`: POST it there with its content type.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const generateUploadUrl = mutation({
  args: { chatId: v.id("chats") },
  returns: v.string(),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canWrite");
    return await ctx.storage.generateUploadUrl();
  },
});

/**
 * Attaches an uploaded file to a chat. Type and size are those of what was really uploaded. A file that breaks a rule
 * is deleted, and the answer says why: a refusal would leave it lying about.
 *
 * @throws `unauthenticated`, `no_account`, `not_found` (the chat, the file), `forbidden`
 */
export const uploadAttachment = mutation({
  args: { chatId: v.id("chats"), fileId: v.id("_storage"), fileName: v.string() },
  returns: v.union(
    v.object({
      ok: v.literal(true),
      attachmentId: v.id("chat_attachments"),
      fileType: v.string(),
      fileSize: v.number(),
    }),
    v.object({ ok: v.literal(false), message: v.string() }),
  ),
  handler: async (ctx, { chatId, fileId, fileName }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canWrite");
    const file = await ctx.db.system.get("_storage", fileId);
    if (file === null) throw appError("not_found", "This file has not been uploaded.");
    let checked;
    try {
      checked = {
        fileName: checkFileName(fileName),
        fileType: checkFileType(file.contentType ?? ""),
        fileSize: checkFileSize(file.size),
      };
    } catch (error) {
      await ctx.storage.delete(fileId);
      return { ok: false as const, message: (error as { data: { message: string } }).data.message };
    }
    const attachmentId = await ctx.db.insert("chat_attachments", {
      userId: user._id,
      chatId,
      fileId,
      ...checked,
      status: "ready",
      isPublic: false,
      downloadCount: 0,
    });
    return { ok: true as const, attachmentId, fileType: checked.fileType, fileSize: checked.fileSize };
  },
});

/** Counts a download. Nothing more: the address itself comes from `getAttachmentUrl`. */
export const recordDownload = mutation({
  args: { attachmentId: v.id("chat_attachments") },
  returns: v.null(),
  handler: async (ctx, { attachmentId }) => {
    const { attachment } = await requireAttachment(ctx, attachmentId);
    await ctx.db.patch("chat_attachments", attachmentId, {
      downloadCount: (attachment.downloadCount ?? 0) + 1,
    });
    return null;
  },
});

/**
 * Deletes one's own attachment, or any in one's own chat, with its file. Messages that show it say that it is gone.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const deleteAttachment = mutation({
  args: { attachmentId: v.id("chat_attachments") },
  returns: v.null(),
  handler: async (ctx, { attachmentId }) => {
    const { user, attachment, access } = await requireAttachment(ctx, attachmentId);
    if (!access.isOwner && !(access.canWrite && attachment.userId === user._id))
      throw appError("forbidden", "You may delete only your own files.");
    await ctx.storage.delete(attachment.fileId);
    await ctx.db.delete("chat_attachments", attachmentId);
    return null;
  },
});

/** An attachment of a chat that the caller may read. */
async function requireAttachment(ctx: QueryCtx, attachmentId: Id<"chat_attachments">) {
  const user = await requireUser(ctx);
  const attachment = await ctx.db.get("chat_attachments", attachmentId);
  if (attachment === null) throw appError("not_found", "This file does not exist any more.");
  const { access } = await requireChat(ctx, user, attachment.chatId, "canRead");
  return { user, attachment, access };
}
