import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import { internalMutation, mutation, type MutationCtx } from "../../_generated/server.js";
import { requireChat, requireMessage, requireUser } from "../../model/access.ts";
import { appError } from "../../model/errors.ts";
import { limits } from "../../model/limits.ts";

/** An answer that has not grown for so long is given up: its action is gone, with its process perhaps. */
const stalledMs = 90_000;

/**
 * Lets the assistant answer what was said last. The answer is a message that grows while it is written.
 *
 * @returns the id of that message.
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`; `conflict` while it is answering already
 */
export const askAssistant = mutation({
  args: { chatId: v.id("chats") },
  returns: v.id("messages"),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    const { chat } = await requireChat(ctx, user, chatId, "canWrite");
    const busy = await answering(ctx, chatId);
    if (busy !== null) throw appError("conflict", "The assistant is still answering.");
    const messageId = await ctx.db.insert("messages", {
      chatId,
      chatOwnerId: chat.userId,
      role: "assistant",
      parts: [{ type: "text", text: "" }],
      content: "",
      status: "sending",
      threadLevel: 0,
      metadata: chat.model === undefined ? {} : { model: chat.model },
    });
    await ctx.db.patch("chats", chatId, {
      messageCount: (chat.messageCount ?? 0) + 1,
      lastMessageAt: Date.now(),
    });
    await begin(ctx, messageId, 0);
    return messageId;
  },
});

/**
 * Writes an answer anew, in place of the one there is.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`; `invalid` for what is no answer; `conflict`
 */
export const regenerateAnswer = mutation({
  args: { messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { messageId }) => {
    const user = await requireUser(ctx);
    const { message } = await requireMessage(ctx, user, messageId, "canWrite");
    if (message.role !== "assistant") throw appError("invalid", "This is no answer of the assistant.");
    if ((await answering(ctx, message.chatId)) !== null)
      throw appError("conflict", "The assistant is still answering.");
    // What may still be writing the last one, a slow model say, is not to write into this one.
    const run = (message.answerRun ?? 0) + 1;
    await ctx.db.patch("messages", messageId, {
      answerRun: run,
      parts: [{ type: "text", text: "" }],
      content: "",
      status: "sending",
      metadata: message.metadata?.model === undefined ? {} : { model: message.metadata.model },
    });
    await begin(ctx, messageId, run);
    return null;
  },
});

/** Stops an answer where it is. One that is finished already stays as it is. */
export const cancelAnswer = mutation({
  args: { messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { messageId }) => {
    const user = await requireUser(ctx);
    const { message } = await requireMessage(ctx, user, messageId, "canWrite");
    if (message.role === "assistant" && message.status === "sending")
      await ctx.db.patch("messages", messageId, { status: "sent" });
    return null;
  },
});

/** What the action has so far. Returns whether to go on: not after a cancel, a deletion, or a new beginning. */
export const growAnswer = internalMutation({
  args: { messageId: v.id("messages"), run: v.number(), content: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { messageId, run, content }) => {
    const message = await unfinished(ctx, messageId, run);
    if (message === null) return false;
    const kept = content.slice(0, limits.contentLengthMax);
    await ctx.db.patch("messages", messageId, { content: kept, parts: [{ type: "text", text: kept }] });
    return kept.length === content.length;
  },
});

export const finishAnswer = internalMutation({
  args: {
    messageId: v.id("messages"),
    run: v.number(),
    content: v.string(),
    model: v.optional(v.string()),
    tokens: v.optional(v.object({ prompt: v.number(), completion: v.number(), total: v.number() })),
    processingTime: v.number(),
    error: v.optional(v.object({ code: v.string(), message: v.string() })),
  },
  returns: v.null(),
  handler: async (ctx, { messageId, run, content, model, tokens, processingTime, error }) => {
    const message = await unfinished(ctx, messageId, run);
    if (message === null) return null;
    const kept = content.slice(0, limits.contentLengthMax);
    await ctx.db.patch("messages", messageId, {
      content: kept,
      parts: [{ type: "text", text: kept }],
      status: error === undefined ? "delivered" : "error",
      metadata: {
        ...message.metadata,
        processingTime,
        ...(model === undefined ? {} : { model }),
        ...(tokens === undefined ? {} : { tokens }),
        ...(error === undefined ? {} : { error: { ...error, timestamp: Date.now() } }),
      },
    });
    return null;
  },
});

/** Some time after an answer has begun: if it stands still, it says so. An action is run at most once. */
export const giveUpStalled = internalMutation({
  args: { messageId: v.id("messages"), run: v.number(), length: v.number() },
  returns: v.null(),
  handler: async (ctx, { messageId, run, length }) => {
    const message = await unfinished(ctx, messageId, run);
    if (message === null) return null;
    if (message.content.length > length) {
      await watch(ctx, messageId, run, message.content.length);
      return null;
    }
    await ctx.db.patch("messages", messageId, {
      status: "error",
      metadata: {
        ...message.metadata,
        error: { code: "stalled", message: "The answer broke off. Try again.", timestamp: Date.now() },
      },
    });
    return null;
  },
});

async function begin(ctx: MutationCtx, messageId: Id<"messages">, run: number): Promise<void> {
  await ctx.scheduler.runAfter(0, internal.functions.actions.assistant.answer, { messageId, run });
  await watch(ctx, messageId, run, 0);
}

async function watch(
  ctx: MutationCtx,
  messageId: Id<"messages">,
  run: number,
  length: number,
): Promise<void> {
  const about = { messageId, run, length };
  await ctx.scheduler.runAfter(stalledMs, internal.functions.mutations.assistant.giveUpStalled, about);
}

/** The answer, if this run of it is still to write into it. */
async function unfinished(
  ctx: MutationCtx,
  messageId: Id<"messages">,
  run: number,
): Promise<Doc<"messages"> | null> {
  const message = await ctx.db.get("messages", messageId);
  if (message?.role !== "assistant" || message.status !== "sending") return null;
  return (message.answerRun ?? 0) === run ? message : null;
}

/** The answer that is being written in a chat. There is at most one, and it is among the last few. */
async function answering(ctx: MutationCtx, chatId: Id<"chats">): Promise<Doc<"messages"> | null> {
  const latest = await ctx.db
    .query("messages")
    .withIndex("by_chat_role", (q) => q.eq("chatId", chatId).eq("role", "assistant"))
    .order("desc")
    .take(5);
  return latest.find(({ status }) => status === "sending") ?? null;
}
