import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import { internalMutation, mutation, type MutationCtx, type QueryCtx } from "../../_generated/server.js";
import { requireChat, requireUser } from "../../model/access.ts";
import { appError } from "../../model/errors.ts";
import { checkFileName, checkFileSize, checkFileType } from "../../model/files.ts";
import { limits } from "../../model/limits.ts";
import { fileMetadata } from "../../schema.ts";

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
 * is deleted, and the answer says why: a refusal would leave it lying about. Its status is "processing" until its
 * content has been looked into.
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
      status: "processing",
      isPublic: false,
      downloadCount: 0,
    });
    await beginProcessing(ctx, attachmentId, 1);
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
 * Makes a file public, or private again: whoever knows its id may fetch a public one. For whoever attached it, and the
 * owner of the chat.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const setPublic = mutation({
  args: { attachmentId: v.id("chat_attachments"), isPublic: v.boolean() },
  returns: v.null(),
  handler: async (ctx, { attachmentId, isPublic }) => {
    const { user, attachment, access } = await requireAttachment(ctx, attachmentId);
    if (!access.isOwner && attachment.userId !== user._id)
      throw appError("forbidden", "You may publish only your own files.");
    await ctx.db.patch("chat_attachments", attachmentId, { isPublic });
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

/** What looking into a file has found. A file that is not what its type says is in error. */
export const finishProcessing = internalMutation({
  args: { attachmentId: v.id("chat_attachments"), metadata: v.union(fileMetadata, v.null()) },
  returns: v.null(),
  handler: async (ctx, { attachmentId, metadata }) => {
    const attachment = await ctx.db.get("chat_attachments", attachmentId);
    if (attachment?.status !== "processing") return null;
    await ctx.db.patch(
      "chat_attachments",
      attachmentId,
      metadata === null ? { status: "error" } : { status: "ready", metadata },
    );
    return null;
  },
});

/** Some time after processing has begun: an action is run at most once, so it may have to be begun again. */
export const checkProcessing = internalMutation({
  args: { attachmentId: v.id("chat_attachments"), attempt: v.number() },
  returns: v.null(),
  handler: async (ctx, { attachmentId, attempt }) => {
    const attachment = await ctx.db.get("chat_attachments", attachmentId);
    if (attachment?.status !== "processing") return null;
    if (attempt < limits.processingAttemptsMax) await beginProcessing(ctx, attachmentId, attempt + 1);
    else await ctx.db.patch("chat_attachments", attachmentId, { status: "error" });
    return null;
  },
});

async function beginProcessing(
  ctx: MutationCtx,
  attachmentId: Id<"chat_attachments">,
  attempt: number,
): Promise<void> {
  await ctx.scheduler.runAfter(0, internal.functions.actions.attachments.inspect, { attachmentId });
  const check = internal.functions.mutations.attachments.checkProcessing;
  await ctx.scheduler.runAfter(limits.processingMs, check, { attachmentId, attempt });
}

/** An attachment of a chat that the caller may read. */
async function requireAttachment(ctx: QueryCtx, attachmentId: Id<"chat_attachments">) {
  const user = await requireUser(ctx);
  const attachment = await ctx.db.get("chat_attachments", attachmentId);
  if (attachment === null) throw appError("not_found", "This file does not exist any more.");
  const { access } = await requireChat(ctx, user, attachment.chatId, "canRead");
  return { user, attachment, access };
}
