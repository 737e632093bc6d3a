import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import { type MutationCtx, mutation } from "../../_generated/server.js";
import { requireChat, requireMessage, requireUser } from "../../model/access.ts";
import { Budget, deleteMessageStep } from "../../model/cascade.ts";
import { appError } from "../../model/errors.ts";
import { limits } from "../../model/limits.ts";
import { findAttachment } from "../../model/files.ts";
import { addEdit, checkBody, filesOf, type MessagePart, sameParts, titleFrom } from "../../model/parts.ts";
import { markRead as markReadUpToNow } from "../../model/reads.ts";
import { stopTyping } from "../../model/typing.ts";
import { messagePart } from "../../schema.ts";

/**
 * Says something in a chat: as parts, or as plain text in `content`. With `parentMessageId` it is a reply, at most
 * ten levels deep. The first message of a chat without a title gives it one.
 *
 * @returns the id of the message.
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`; `invalid` (content, parts, parentMessageId)
 */
export const sendMessage = mutation({
  args: {
    chatId: v.id("chats"),
    content: v.optional(v.string()),
    parts: v.optional(v.array(messagePart)),
    parentMessageId: v.optional(v.id("messages")),
  },
  returns: v.id("messages"),
  handler: async (ctx, { chatId, parentMessageId, ...body }) => {
    const user = await requireUser(ctx);
    const { chat } = await requireChat(ctx, user, chatId, "canWrite");
    const { parts, content } = checkBody(body);
    const thread = parentMessageId === undefined ? {} : await threadUnder(ctx, chatId, parentMessageId);
    const attachments = await requireOwnFiles(ctx, user._id, chatId, parts);
    const messageId = await ctx.db.insert("messages", {
      chatId,
      chatOwnerId: chat.userId,
      userId: user._id,
      role: "user",
      parts,
      content,
      status: "sent",
      threadLevel: 0,
      ...thread,
    });
    for (const { _id } of attachments) await ctx.db.patch("chat_attachments", _id, { messageId });
    const isFirst = (chat.messageCount ?? 0) === 0 && chat.title === undefined;
    const title = isFirst ? titleFrom(parts) : null;
    await ctx.db.patch("chats", chatId, {
      messageCount: (chat.messageCount ?? 0) + 1,
      lastMessageAt: Date.now(),
      ...(title === null ? {} : { title }),
    });
    await stopTyping(ctx, user._id, chatId);
    return messageId;
  },
});

/**
 * Changes what one's own message says. The text it replaces goes into the message's edit history.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden` (someone else's message, or no right to write);
 * `invalid` (content, parts)
 */
export const updateMessage = mutation({
  args: {
    messageId: v.id("messages"),
    content: v.optional(v.string()),
    parts: v.optional(v.array(messagePart)),
  },
  returns: v.null(),
  handler: async (ctx, { messageId, ...body }) => {
    const user = await requireUser(ctx);
    const { message } = await requireMessage(ctx, user, messageId, "canWrite");
    if (message.userId !== user._id) throw appError("forbidden", "You may change only your own messages.");
    const { parts, content } = checkBody(body);
    if (sameParts(parts, message.parts ?? [])) return null;
    await requireOwnFiles(ctx, user._id, message.chatId, parts);
    const edit = { timestamp: Date.now(), previousContent: message.content };
    await ctx.db.patch("messages", messageId, {
      parts,
      content,
      metadata: {
        ...message.metadata,
        edited: true,
        editHistory: addEdit(message.metadata?.editHistory ?? [], edit),
      },
    });
    return null;
  },
});

/**
 * Deletes one's own message, or any message in one's own chat. Replies to it stay, as messages of their own; if there
 * are more of them than one transaction may touch, the rest follows by itself.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const deleteMessage = mutation({
  args: { messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { messageId }) => {
    const user = await requireUser(ctx);
    const { message, access } = await requireMessage(ctx, user, messageId, "canRead");
    if (!access.isOwner && !(access.canWrite && message.userId === user._id))
      throw appError("forbidden", "You may delete only your own messages.");
    if (!(await deleteMessageStep(ctx, message, new Budget())))
      await ctx.scheduler.runAfter(0, internal.functions.mutations.cascade.continueMessage, { messageId });
    return null;
  },
});

/**
 * The caller has seen everything in a chat: nothing in it is unread, and what others wrote counts as delivered.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`
 */
export const markRead = mutation({
  args: { chatId: v.id("chats") },
  returns: v.null(),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    await markReadUpToNow(ctx, user._id, chatId);
    return null;
  },
});

/** The attachments that a message's files are. Nobody shows a file that they have not attached to this chat. */
async function requireOwnFiles(
  ctx: MutationCtx,
  userId: Id<"users">,
  chatId: Id<"chats">,
  parts: readonly MessagePart[],
): Promise<Doc<"chat_attachments">[]> {
  const attachments = [];
  for (const { fileId } of filesOf(parts)) {
    const attachment = await findAttachment(ctx, chatId, fileId);
    if (attachment === null || attachment.userId !== userId)
      throw appError("invalid", "Attach the file to this chat first.", "parts");
    attachments.push(attachment);
  }
  return attachments;
}

async function threadUnder(
  ctx: MutationCtx,
  chatId: Id<"chats">,
  parentMessageId: Id<"messages">,
): Promise<{ parentMessageId: Id<"messages">; threadLevel: number }> {
  const parent = await ctx.db.get("messages", parentMessageId);
  if (parent === null || parent.chatId !== chatId || parent.status === "deleted")
    throw appError("invalid", "The message you reply to is not in this chat any more.", "parentMessageId");
  const threadLevel = (parent.threadLevel ?? 0) + 1;
  if (threadLevel > limits.threadLevelMax)
    throw appError("invalid", `Replies go at most ${limits.threadLevelMax} levels deep.`, "parentMessageId");
  return { parentMessageId, threadLevel };
}
