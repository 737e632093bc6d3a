import { Presence } from "@convex-dev/presence";
import { components, internal } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { deleteAuthUser } from "./authRows.ts";
import { limits } from "./limits.ts";
import { lastMessageOf } from "./views.ts";

// Deleting in steps. A mutation is one transaction of bounded size, and what hangs on a user or a chat is not
// bounded. So each step deletes a batch and leaves hanging only what the next one will find again; the thing itself
// goes last. The first step hides it, and schedules the next one in the same transaction, which does the same: so a
// cascade goes on by itself until it is done, through restarts and crashes of the server too.

/**
 * Begins a person's cascade; of one that has begun the next step is scheduled already. From here on the account can do
 * nothing.
 */
export async function startDeletingUser(
  ctx: MutationCtx,
  { _id: userId, isActive }: Doc<"users">,
): Promise<void> {
  if (isActive === false) return;
  await ctx.db.patch("users", userId, { isActive: false });
  await ctx.scheduler.runAfter(0, internal.functions.mutations.cascade.continueUser, { userId });
}

/** Begins a chat's cascade. From here on nobody sees it. */
export async function startDeletingChat(ctx: MutationCtx, chatId: Id<"chats">): Promise<void> {
  await ctx.db.patch("chats", chatId, { deletingAt: Date.now() });
  await ctx.scheduler.runAfter(0, internal.functions.mutations.cascade.continueChat, { chatId });
}

/** How much one step may still delete. */
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

/** One step of deleting a chat: its shares, messages, attachments and the rest, then itself. */
export async function deleteChatStep(
  ctx: MutationCtx,
  chatId: Id<"chats">,
  budget: Budget,
): Promise<boolean> {
  const { db } = ctx;
  const rows = [
    db.query("chat_shares").withIndex("by_chat", (q) => q.eq("chatId", chatId)),
    db.query("messages").withIndex("by_chat_created", (q) => q.eq("chatId", chatId)),
    db.query("chat_reads").withIndex("by_chat", (q) => q.eq("chatId", chatId)),
    db.query("chat_typing").withIndex("by_chat", (q) => q.eq("chatId", chatId)),
  ];
  for (const source of rows) await deleteRows(ctx, source, budget);
  await deleteAttachments(
    ctx,
    db.query("chat_attachments").withIndex("by_chat", (q) => q.eq("chatId", chatId)),
    budget,
  );
  if (budget.isSpent) return false;
  await new Presence(components.presence).removeRoom(ctx, chatId);
  if ((await db.get("chats", chatId)) !== null) {
    await db.delete("chats", chatId);
    budget.deleted += 1;
  }
  return true;
}

/**
 * One step of deleting a person and everything of theirs, here and in Better Auth's tables. The account must already
 * be switched off.
 */
export async function deleteUserStep(
  ctx: MutationCtx,
  userId: Id<"users">,
  budget: Budget,
): Promise<boolean> {
  const { db } = ctx;
  const rows = [
    db.query("chat_shares").withIndex("by_owner", (q) => q.eq("ownerId", userId)),
    db.query("chat_shares").withIndex("by_shared_user", (q) => q.eq("sharedWithUserId", userId)),
    db.query("chat_reads").withIndex("by_user_chat", (q) => q.eq("userId", userId)),
    db.query("chat_typing").withIndex("by_user_chat", (q) => q.eq("userId", userId)),
  ];
  for (const source of rows) await deleteRows(ctx, source, budget);
  while (!budget.isSpent) {
    const chat = await db
      .query("chats")
      .withIndex("by_user", (q) => q.eq("userId", userId))
      .first();
    if (chat === null) break;
    budget.spend(chat);
    await deleteChatStep(ctx, chat._id, budget);
  }
  // What is left was said or attached in other people's chats.
  while (!budget.isSpent) {
    const message = await db
      .query("messages")
      .withIndex("by_user_created", (q) => q.eq("userId", userId))
      .first();
    if (message === null) break;
    budget.spend(message);
    await deleteMessageStep(ctx, message, budget);
  }
  await deleteAttachments(
    ctx,
    db.query("chat_attachments").withIndex("by_user", (q) => q.eq("userId", userId)),
    budget,
  );
  const user = budget.isSpent ? null : await db.get("users", userId);
  if (user !== null) await deleteAuthUser(ctx, user, budget);
  await deleteRows(
    ctx,
    db.query("user_sessions").withIndex("by_user", (q) => q.eq("userId", userId)),
    budget,
  );
  if (budget.isSpent) return false;
  if (user !== null) {
    await db.delete("users", userId);
    budget.deleted += 1;
  }
  return true;
}

async function deleteRows<
  Table extends "chat_shares" | "messages" | "chat_reads" | "chat_typing" | "user_sessions",
>(ctx: MutationCtx, rows: AsyncIterable<Doc<Table>>, budget: Budget): Promise<void> {
  for (const row of await takeWithin(rows, budget)) {
    await ctx.db.delete(row._id);
    budget.deleted += 1;
  }
}

async function deleteAttachments(
  ctx: MutationCtx,
  rows: AsyncIterable<Doc<"chat_attachments">>,
  budget: Budget,
): Promise<void> {
  for (const attachment of await takeWithin(rows, budget)) {
    await ctx.storage.delete(attachment.fileId);
    await ctx.db.delete("chat_attachments", attachment._id);
    budget.deleted += 1;
  }
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
