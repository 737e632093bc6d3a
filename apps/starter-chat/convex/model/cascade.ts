import { v } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { limits } from "./limits.ts";
import { lastMessageOf } from "./views.ts";

// Deleting in steps. A mutation is one transaction of bounded size, and what hangs on a user or a chat is not
// bounded. So each call deletes a batch, leaves hanging only what the next call will find again, and says whether it
// is done. The thing itself goes last. A caller that stops in the middle can call again at any time.

/** What every deleting mutation returns. Call it again until `isDone`. */
export const deletionResult = v.object({ isDone: v.boolean(), deleted: v.number() });

/** How much one call may still delete. */
export class Budget {
  deleted = 0;
  #documents: number = limits.cascadeDocumentsMax;
  #bytes: number = limits.cascadeBytesMax;

  get isSpent(): boolean {
    return this.#documents <= 0 || this.#bytes <= 0;
  }

  spend(document: object): void {
    this.#documents -= 1;
    this.#bytes -= JSON.stringify(document).length;
  }

  result(isDone: boolean): { isDone: boolean; deleted: number } {
    return { isDone, deleted: this.deleted };
  }
}

/** One step of deleting a message. First its replies become messages of their own, then it goes. */
export async function deleteMessageStep(
  ctx: MutationCtx,
  message: Doc<"messages">,
  budget: Budget,
): Promise<boolean> {
  const children = await takeWithin(
    ctx.db.query("messages").withIndex("by_thread", (q) => q.eq("parentMessageId", message._id)),
    budget,
  );
  for (const child of children)
    await ctx.db.patch("messages", child._id, { parentMessageId: undefined, threadLevel: 0 });
  const attachments = await takeWithin(
    ctx.db.query("chat_attachments").withIndex("by_message", (q) => q.eq("messageId", message._id)),
    budget,
  );
  for (const attachment of attachments)
    await ctx.db.patch("chat_attachments", attachment._id, { messageId: undefined });
  const wasCounted = message.status !== "deleted";
  if (budget.isSpent) {
    // More replies than one call may touch: out of sight now, gone with a later call.
    if (wasCounted) await ctx.db.patch("messages", message._id, { status: "deleted" });
  } else {
    await ctx.db.delete("messages", message._id);
    budget.deleted += 1;
  }
  const isDone = !budget.isSpent;
  if (wasCounted) await discount(ctx, message, budget);
  return isDone;
}

/** One step of deleting a chat: its shares (nobody else sees it half gone), messages, attachments, itself. */
export async function deleteChatStep(
  ctx: MutationCtx,
  chatId: Id<"chats">,
  budget: Budget,
): Promise<boolean> {
  const shares = ctx.db.query("chat_shares").withIndex("by_chat", (q) => q.eq("chatId", chatId));
  for (const share of await takeWithin(shares, budget)) {
    await ctx.db.delete("chat_shares", share._id);
    budget.deleted += 1;
  }
  const messages = ctx.db.query("messages").withIndex("by_chat_created", (q) => q.eq("chatId", chatId));
  for (const message of await takeWithin(messages, budget)) {
    await ctx.db.delete("messages", message._id);
    budget.deleted += 1;
  }
  const attachments = ctx.db.query("chat_attachments").withIndex("by_chat", (q) => q.eq("chatId", chatId));
  for (const attachment of await takeWithin(attachments, budget))
    await deleteAttachment(ctx, attachment, budget);
  if (budget.isSpent) return false;
  await ctx.db.delete("chats", chatId);
  budget.deleted += 1;
  return true;
}

/** One step of deleting a person and everything of theirs. The account must already be switched off. */
export async function deleteUserStep(
  ctx: MutationCtx,
  userId: Id<"users">,
  budget: Budget,
): Promise<boolean> {
  const shareSources = [
    ctx.db.query("chat_shares").withIndex("by_owner", (q) => q.eq("ownerId", userId)),
    ctx.db.query("chat_shares").withIndex("by_shared_user", (q) => q.eq("sharedWithUserId", userId)),
  ];
  for (const source of shareSources) {
    for (const share of await takeWithin(source, budget)) {
      await ctx.db.delete("chat_shares", share._id);
      budget.deleted += 1;
    }
  }
  const sessions = ctx.db.query("user_sessions").withIndex("by_user", (q) => q.eq("userId", userId));
  for (const session of await takeWithin(sessions, budget)) {
    await ctx.db.delete("user_sessions", session._id);
    budget.deleted += 1;
  }
  while (!budget.isSpent) {
    const chat = await ctx.db
      .query("chats")
      .withIndex("by_user", (q) => q.eq("userId", userId))
      .first();
    if (chat === null) break;
    budget.spend(chat);
    await deleteChatStep(ctx, chat._id, budget);
  }
  // What is left was said or attached in other people's chats.
  while (!budget.isSpent) {
    const message = await ctx.db
      .query("messages")
      .withIndex("by_user_created", (q) => q.eq("userId", userId))
      .first();
    if (message === null) break;
    budget.spend(message);
    await deleteMessageStep(ctx, message, budget);
  }
  const attachments = ctx.db.query("chat_attachments").withIndex("by_user", (q) => q.eq("userId", userId));
  for (const attachment of await takeWithin(attachments, budget))
    await deleteAttachment(ctx, attachment, budget);
  if (budget.isSpent) return false;
  await ctx.db.delete("users", userId);
  budget.deleted += 1;
  return true;
}

/** The first rows of a query, as many as the budget pays for. */
async function takeWithin<T extends object>(rows: AsyncIterable<T>, budget: Budget): Promise<T[]> {
  const taken: T[] = [];
  if (budget.isSpent) return taken;
  for await (const row of rows) {
    taken.push(row);
    budget.spend(row);
    if (budget.isSpent) break;
  }
  return taken;
}

async function deleteAttachment(
  ctx: MutationCtx,
  attachment: Doc<"chat_attachments">,
  budget: Budget,
): Promise<void> {
  await ctx.storage.delete(attachment.fileId);
  await ctx.db.delete("chat_attachments", attachment._id);
  budget.deleted += 1;
}

/** Takes a message that is no longer visible out of its chat's count and time. */
async function discount(ctx: MutationCtx, message: Doc<"messages">, budget: Budget): Promise<void> {
  const chat = await ctx.db.get("chats", message.chatId);
  if (chat === null) return;
  const last = await lastMessageOf(ctx, chat._id);
  if (last !== null) budget.spend(last);
  await ctx.db.patch("chats", chat._id, {
    messageCount: Math.max(0, (chat.messageCount ?? 0) - 1),
    lastMessageAt: last?._creationTime ?? chat._creationTime,
  });
}
