import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { limits } from "./limits.ts";

// What somebody has read of a chat, and what not.

async function findRead(
  ctx: QueryCtx,
  userId: Id<"users">,
  chatId: Id<"chats">,
): Promise<Doc<"chat_reads"> | null> {
  return await ctx.db
    .query("chat_reads")
    .withIndex("by_user_chat", (q) => q.eq("userId", userId).eq("chatId", chatId))
    .unique();
}

/** What others have said since; of more than is shown only that many are read. */
export async function unreadIn(ctx: QueryCtx, userId: Id<"users">, chat: Doc<"chats">): Promise<number> {
  const readAt = (await findRead(ctx, userId, chat._id))?.readAt ?? 0;
  const since = await ctx.db
    .query("messages")
    .withIndex("by_chat_created", (q) => q.eq("chatId", chat._id).gt("_creationTime", readAt))
    .take(limits.unreadShownMax);
  return since.filter((message) => isOfOthers(message, userId)).length;
}

/**
 * Everything in the chat so far has been seen by this person. What others sent has thereby been delivered; the latest
 * of it is marked so.
 */
export async function markRead(ctx: MutationCtx, userId: Id<"users">, chatId: Id<"chats">): Promise<void> {
  const read = await findRead(ctx, userId, chatId);
  const latest = await ctx.db
    .query("messages")
    .withIndex("by_chat_created", (q) => q.eq("chatId", chatId).gt("_creationTime", read?.readAt ?? 0))
    .order("desc")
    .take(limits.deliveredPerReadMax);
  for (const message of latest) {
    if (isOfOthers(message, userId) && message.role === "user" && message.status === "sent")
      await ctx.db.patch("messages", message._id, { status: "delivered" });
  }
  // The time of the newest message, not of the clock: two of one millisecond must not hide each other.
  const readAt = latest[0]?._creationTime;
  if (readAt === undefined) return;
  if (read === null) await ctx.db.insert("chat_reads", { userId, chatId, readAt });
  else await ctx.db.patch("chat_reads", read._id, { readAt });
}

function isOfOthers({ userId: author, role, status }: Doc<"messages">, userId: Id<"users">): boolean {
  return author !== userId && role !== "system" && status !== "deleted";
}
