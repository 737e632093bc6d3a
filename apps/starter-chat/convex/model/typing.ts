import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { limits } from "./limits.ts";

// Who is writing. A row says until when to believe it, so that nobody writes for ever whose window has gone.

async function findTyping(
  ctx: QueryCtx,
  userId: Id<"users">,
  chatId: Id<"chats">,
): Promise<Doc<"chat_typing"> | null> {
  return await ctx.db
    .query("chat_typing")
    .withIndex("by_user_chat", (q) => q.eq("userId", userId).eq("chatId", chatId))
    .unique();
}

export async function startTyping(ctx: MutationCtx, userId: Id<"users">, chatId: Id<"chats">): Promise<void> {
  const until = Date.now() + limits.typingMs;
  const typing = await findTyping(ctx, userId, chatId);
  if (typing === null) await ctx.db.insert("chat_typing", { userId, chatId, until });
  else await ctx.db.patch("chat_typing", typing._id, { until });
}

export async function stopTyping(ctx: MutationCtx, userId: Id<"users">, chatId: Id<"chats">): Promise<void> {
  const typing = await findTyping(ctx, userId, chatId);
  if (typing !== null) await ctx.db.delete("chat_typing", typing._id);
}

/** Until when each person of a chat is writing, whoever is at all. */
export async function typingIn(ctx: QueryCtx, chatId: Id<"chats">): Promise<Map<Id<"users">, number>> {
  const rows = await ctx.db
    .query("chat_typing")
    .withIndex("by_chat", (q) => q.eq("chatId", chatId))
    .take(limits.sharesPerChatMax + 1);
  return new Map(rows.map(({ userId, until }) => [userId, until]));
}
