import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { findShare } from "./access.ts";
import { describeDevice } from "./devices.ts";
import { limits } from "./limits.ts";
import { accountByEmail, accountByToken, findSession } from "./identity.ts";
import { checkEmail } from "./validation.ts";

// How Better Auth's people and sessions become rows of `users` and `user_sessions`.

/** Makes an account, unless there is one for this token already. The values must have been checked. */
export async function openAccount(
  ctx: MutationCtx,
  fields: Pick<Doc<"users">, "tokenIdentifier" | "name" | "image" | "preferences">,
): Promise<Id<"users">> {
  const existing = await accountByToken(ctx, fields.tokenIdentifier);
  if (existing !== null) return existing._id;
  return await ctx.db.insert("users", { ...fields, isActive: true, lastActiveAt: Date.now() });
}

/**
 * The address is the person's: from now on others find them by it, and what waited for the address becomes theirs.
 *
 * @returns false if it belongs to another account already.
 */
export async function confirmEmail(ctx: MutationCtx, userId: Id<"users">, text: string): Promise<boolean> {
  const email = checkEmail(text);
  const other = await accountByEmail(ctx, email);
  if (other !== null && other._id !== userId) return false;
  await ctx.db.patch("users", userId, { email });
  const waiting = await ctx.db
    .query("chat_shares")
    .withIndex("by_invited_email", (q) => q.eq("invitedEmail", email).eq("isActive", true))
    .take(limits.invitationsClaimedMax);
  for (const share of waiting) {
    const chat = await ctx.db.get("chats", share.chatId);
    const isOfNoUse =
      chat === null || chat.userId === userId || (await findShare(ctx, chat._id, userId)) !== null;
    if (isOfNoUse) await ctx.db.delete("chat_shares", share._id);
    else await ctx.db.patch("chat_shares", share._id, { sharedWithUserId: userId, invitedEmail: undefined });
  }
  return true;
}

export async function startSession(
  ctx: MutationCtx,
  user: Doc<"users">,
  {
    sessionId,
    userAgent,
    ipAddress,
  }: { sessionId: string; userAgent?: string | null | undefined; ipAddress?: string | null | undefined },
): Promise<void> {
  const now = Date.now();
  await ctx.db.insert("user_sessions", {
    userId: user._id,
    sessionId,
    deviceInfo: describeDevice(userAgent, ipAddress),
    startedAt: now,
    lastActiveAt: now,
    isActive: true,
  });
  await ctx.db.patch("users", user._id, { lastActiveAt: now });
}

/** Somebody is at work in this session. Written down no more often than anybody would read it. */
export async function touchSession(ctx: MutationCtx, sessionId: string): Promise<void> {
  const session = await findSession(ctx, sessionId);
  const now = Date.now();
  if (session === null || !session.isActive || now - session.lastActiveAt < limits.activityStepMs) return;
  await ctx.db.patch("user_sessions", session._id, { lastActiveAt: now });
  await ctx.db.patch("users", session.userId, { lastActiveAt: now });
}

/** The session is over: its tokens, which would be good for some minutes more, open nothing from now on. */
export async function endSession(ctx: MutationCtx, sessionId: string): Promise<void> {
  const session = await findSession(ctx, sessionId);
  if (session?.isActive === true)
    await ctx.db.patch("user_sessions", session._id, { isActive: false, endedAt: Date.now() });
}
