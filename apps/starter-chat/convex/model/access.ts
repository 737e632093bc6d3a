import type { UserIdentity } from "convex/server";
import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { QueryCtx } from "../_generated/server.js";
import type { sharePermissions } from "../schema.ts";
import { appError } from "./errors.ts";
import { accountByToken, findSession, tokenIdentifierOf } from "./identity.ts";
import { limits } from "./limits.ts";

/** What a person may do with a chat. */
export interface ChatAccess extends Infer<typeof sharePermissions> {
  readonly isOwner: boolean;
}

export type ChatRight = "canRead" | "canWrite" | "canShare" | "isOwner";

export const ownerAccess: ChatAccess = { isOwner: true, canRead: true, canWrite: true, canShare: true };

/**
 * Who calls, if their session goes on. A token outlives the session it was made for by some minutes; here it does not:
 * open windows of a session that has been ended elsewhere are shut at once.
 */
export async function currentIdentity(ctx: QueryCtx): Promise<UserIdentity | null> {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) return null;
  const session = await findSession(ctx, identity["sessionId"]);
  return session?.isActive === false ? null : identity;
}

/** The caller's account, or null: not signed in, or no account yet. */
export async function currentUser(ctx: QueryCtx): Promise<Doc<"users"> | null> {
  const identity = await currentIdentity(ctx);
  return identity === null ? null : await accountByToken(ctx, tokenIdentifierOf(identity));
}

/** The caller's account. Throws unless it exists and is not being deleted. */
export async function requireUser(ctx: QueryCtx): Promise<Doc<"users">> {
  const user = await currentUser(ctx);
  if (user !== null && user.isActive !== false) return user;
  if (user !== null) throw appError("account_deleting", "This account is being deleted.");
  if ((await currentIdentity(ctx)) === null) throw appError("unauthenticated", "Please sign in.");
  throw appError("no_account", "There is no account for this person yet: call createUser first.");
}

/** What the person may do with the chat; null if nothing. Owners may do all, others what an active share says. */
export async function chatAccess(
  ctx: QueryCtx,
  userId: Id<"users">,
  chat: Doc<"chats">,
): Promise<ChatAccess | null> {
  return chat.userId === userId ? ownerAccess : accessAmong(await activeShares(ctx, chat._id), userId, chat);
}

/** The same, for people of whose chat the active shares have been read once for all. */
export function accessAmong(
  shares: readonly Doc<"chat_shares">[],
  userId: Id<"users">,
  chat: Doc<"chats">,
): ChatAccess | null {
  if (chat.userId === userId) return ownerAccess;
  const share = shareWith(shares, userId);
  return share === null ? null : accessOfShare(share);
}

/** The rights a share gives now; null once it is revoked, has expired, or never allowed reading. */
export function accessOfShare(share: Doc<"chat_shares">): ChatAccess | null {
  const expired = share.expiresAt !== undefined && share.expiresAt <= Date.now();
  if (!share.isActive || expired || !share.permissions.canRead) return null;
  return { isOwner: false, ...share.permissions };
}

/** The active share of a chat with one person. There is at most one: sharing again changes it. */
export async function findShare(
  ctx: QueryCtx,
  chatId: Id<"chats">,
  userId: Id<"users">,
): Promise<Doc<"chat_shares"> | null> {
  return shareWith(await activeShares(ctx, chatId), userId);
}

/** All shares of a chat that have not been ended: with people, with addresses, and links. */
export async function activeShares(ctx: QueryCtx, chatId: Id<"chats">): Promise<Doc<"chat_shares">[]> {
  return await ctx.db
    .query("chat_shares")
    .withIndex("by_chat", (q) => q.eq("chatId", chatId).eq("isActive", true))
    .take(limits.sharesPerChatMax + 1);
}

function shareWith(shares: readonly Doc<"chat_shares">[], userId: Id<"users">): Doc<"chat_shares"> | null {
  return shares.find(({ sharedWithUserId }) => sharedWithUserId === userId) ?? null;
}

/** The chat with what the person may do with it; null if it does not exist for them, or is being deleted. */
export async function findChat(
  ctx: QueryCtx,
  user: Doc<"users">,
  chatId: Id<"chats">,
): Promise<{ chat: Doc<"chats">; access: ChatAccess } | null> {
  const chat = await ctx.db.get("chats", chatId);
  if (chat === null || chat.deletingAt !== undefined) return null;
  const access = await chatAccess(ctx, user._id, chat);
  return access === null ? null : { chat, access };
}

/**
 * The chat, if the person has that right on it. A chat they cannot read is "not_found", exactly like one that does
 * not exist, so ids tell nothing.
 */
export async function requireChat(
  ctx: QueryCtx,
  user: Doc<"users">,
  chatId: Id<"chats">,
  right: ChatRight,
): Promise<{ chat: Doc<"chats">; access: ChatAccess }> {
  const found = await findChat(ctx, user, chatId);
  if (found === null) throw appError("not_found", "This chat does not exist, or it is not shared with you.");
  if (!found.access[right]) throw appError("forbidden", refusals[right]);
  return found;
}

/** The message and its chat; null if it does not exist for the person, or is being deleted. */
export async function findMessage(
  ctx: QueryCtx,
  user: Doc<"users">,
  messageId: Id<"messages">,
): Promise<{ message: Doc<"messages">; chat: Doc<"chats">; access: ChatAccess } | null> {
  const message = await ctx.db.get("messages", messageId);
  if (message === null || message.status === "deleted") return null;
  const found = await findChat(ctx, user, message.chatId);
  return found === null ? null : { message, ...found };
}

/** The message and its chat, if the person has that right on the chat. */
export async function requireMessage(
  ctx: QueryCtx,
  user: Doc<"users">,
  messageId: Id<"messages">,
  right: ChatRight,
): Promise<{ message: Doc<"messages">; chat: Doc<"chats">; access: ChatAccess }> {
  const found = await findMessage(ctx, user, messageId);
  if (found === null)
    throw appError("not_found", "This message does not exist, or it is not shared with you.");
  if (!found.access[right]) throw appError("forbidden", refusals[right]);
  return found;
}

const refusals: Record<ChatRight, string> = {
  canRead: "You may not read this chat.",
  canWrite: "You may read this chat, but not write in it.",
  canShare: "You may not share this chat with others.",
  isOwner: "Only the owner of this chat may do that.",
};
