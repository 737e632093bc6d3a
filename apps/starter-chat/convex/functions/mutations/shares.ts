import { v } from "convex/values";
import type { Doc } from "../../_generated/dataModel.js";
import { internalMutation, mutation, type MutationCtx } from "../../_generated/server.js";
import { activeShares, chatAccess, findShare, requireChat, requireUser } from "../../model/access.ts";
import { appError } from "../../model/errors.ts";
import { accountByEmail } from "../../model/identity.ts";
import { limits } from "../../model/limits.ts";
import { sendMail } from "../../model/mail.ts";
import {
  checkGrant,
  endShare,
  type Grant,
  insertShare,
  requireLink,
  scheduleEnd,
} from "../../model/shares.ts";
import { pageUrl } from "../../model/site.ts";
import { checkEmail } from "../../model/validation.ts";

/**
 * Lets another person, named by their e-mail address, read a chat, and write or share it too if told so. An address
 * without an account gets a mail; the chat is theirs to see once they have signed up and confirmed it. When the owner
 * shares again with the same person, that changes their rights. Nobody can give a right they do not have.
 *
 * @param canRead must be true, if given: the other rights are of no use without it.
 * @param expiresAt when the share ends, in ms since the epoch; left out: never.
 * @returns the id of the share.
 * @throws `unauthenticated`, `no_account`; `not_found` (the chat); `forbidden`; `invalid` (email, canRead, expiresAt);
 * `conflict` (too many shares or open invitations; shared already by the owner)
 */
export const shareChat = mutation({
  args: {
    chatId: v.id("chats"),
    email: v.string(),
    canRead: v.optional(v.boolean()),
    canWrite: v.boolean(),
    canShare: v.optional(v.boolean()),
    expiresAt: v.optional(v.number()),
  },
  returns: v.id("chat_shares"),
  handler: async (ctx, { chatId, email: text, canRead = true, canWrite, canShare = false, expiresAt }) => {
    const user = await requireUser(ctx);
    const found = await requireChat(ctx, user, chatId, "canShare");
    const email = checkEmail(text);
    const grant = await checkGrant(ctx, user, found, { canRead, canWrite, canShare, expiresAt });
    const person = await accountByEmail(ctx, email);
    if (person !== null && person._id === found.chat.userId)
      throw appError("invalid", "The chat belongs to this person already.", "email");
    if (person?._id === user._id) throw appError("forbidden", "You cannot change your own rights.", "email");
    const existing =
      person === null
        ? (await activeShares(ctx, chatId)).find(({ invitedEmail }) => invitedEmail === email)
        : await findShare(ctx, chatId, person._id);
    if (existing !== null && existing !== undefined) {
      if (!found.access.isOwner)
        throw appError(
          "conflict",
          "The chat is shared with this person already; its owner can change how.",
          "email",
        );
      await ctx.db.patch("chat_shares", existing._id, grant);
      await scheduleEnd(ctx, existing._id, grant.expiresAt);
      return existing._id;
    }
    if (person === null) return await invite(ctx, user, found.chat, email, grant);
    if (person.isActive === false) throw appError("not_found", "This person is about to leave.", "email");
    const { shareId } = await insertShare(ctx, found.chat, { ...grant, sharedWithUserId: person._id });
    return shareId;
  },
});

/**
 * Changes what a share or a link allows, and until when. What is left out stays; `expiresAt: null`: for good.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden` (not the owner's chat); `invalid` (expiresAt)
 */
export const updateShare = mutation({
  args: {
    shareId: v.id("chat_shares"),
    canWrite: v.optional(v.boolean()),
    canShare: v.optional(v.boolean()),
    expiresAt: v.optional(v.union(v.number(), v.null())),
  },
  returns: v.null(),
  handler: async (ctx, { shareId, canWrite, canShare, expiresAt }) => {
    const user = await requireUser(ctx);
    const share = await ctx.db.get("chat_shares", shareId);
    if (share === null || !share.isActive) throw appError("not_found", "There is no such share.");
    const found = await requireChat(ctx, user, share.chatId, "isOwner");
    const grant = await checkGrant(ctx, user, found, {
      canRead: true,
      canWrite: canWrite ?? share.permissions.canWrite,
      canShare: canShare ?? share.permissions.canShare,
      expiresAt: expiresAt === undefined ? share.expiresAt : (expiresAt ?? undefined),
    });
    await ctx.db.patch("chat_shares", shareId, grant);
    await scheduleEnd(ctx, shareId, grant.expiresAt);
    return null;
  },
});

/**
 * Makes a link that opens the chat to whoever has it: to read without signing in; to write, or share on, once they
 * have joined with an account (`joinByToken`).
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`; `invalid` (expiresAt); `conflict` (too many)
 */
export const createShareLink = mutation({
  args: {
    chatId: v.id("chats"),
    canWrite: v.boolean(),
    canShare: v.optional(v.boolean()),
    expiresAt: v.optional(v.number()),
  },
  returns: v.object({ shareId: v.id("chat_shares"), token: v.string() }),
  handler: async (ctx, { chatId, canWrite, canShare = false, expiresAt }) => {
    const user = await requireUser(ctx);
    const found = await requireChat(ctx, user, chatId, "canShare");
    const grant: Grant = { canRead: true, canWrite, canShare, expiresAt };
    return await insertShare(ctx, found.chat, await checkGrant(ctx, user, found, grant));
  },
});

/**
 * Counts that a link has been opened.
 *
 * @throws `not_found`. It asks for no account.
 */
export const recordShareAccess = mutation({
  args: { token: v.string() },
  returns: v.null(),
  handler: async (ctx, { token }) => {
    const { share } = await requireLink(ctx, token);
    await ctx.db.patch("chat_shares", share._id, { accessCount: (share.accessCount ?? 0) + 1 });
    return null;
  },
});

/**
 * Makes the chat of a link one of those shared with the caller, with the link's rights, for as long as the link holds.
 * Whoever may read the chat already keeps the rights they have.
 *
 * @returns the chat's id.
 * @throws `unauthenticated`, `no_account`, `not_found` (no such link, or it has ended); `conflict` (too many shares)
 */
export const joinByToken = mutation({
  args: { token: v.string() },
  returns: v.id("chats"),
  handler: async (ctx, { token }) => {
    const user = await requireUser(ctx);
    const { share, chat } = await requireLink(ctx, token);
    if ((await chatAccess(ctx, user._id, chat)) !== null) return chat._id;
    // What has expired, or was given without the right to read, must not stand before the new one.
    const dead = await findShare(ctx, chat._id, user._id);
    if (dead !== null) await endShare(ctx, dead._id);
    await insertShare(ctx, chat, {
      permissions: share.permissions,
      expiresAt: share.expiresAt,
      sharedWithUserId: user._id,
      viaShareId: share._id,
    });
    return chat._id;
  },
});

/**
 * Ends a share: the owner of the chat ends anyone's, and links, with those who have joined by them; everyone else their
 * own (to leave the chat). It stops working at once, in open windows too.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const revokeShare = mutation({
  args: { shareId: v.id("chat_shares") },
  returns: v.null(),
  handler: async (ctx, { shareId }) => {
    const user = await requireUser(ctx);
    const share = await ctx.db.get("chat_shares", shareId);
    const chat = share === null ? null : await ctx.db.get("chats", share.chatId);
    const access = chat === null ? null : await chatAccess(ctx, user._id, chat);
    const isOwnShare = share?.sharedWithUserId === user._id;
    if (share === null || (access === null && !isOwnShare))
      throw appError("not_found", "There is no such share.");
    if (!isOwnShare && access?.isOwner !== true)
      throw appError("forbidden", "Only the owner of the chat may end someone else's share.");
    await endShare(ctx, shareId);
    return null;
  },
});

/**
 * Leaves a chat that someone else shares with the caller.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`
 */
export const leaveChat = mutation({
  args: { chatId: v.id("chats") },
  returns: v.null(),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    const share = await findShare(ctx, chatId, user._id);
    if (share === null) throw appError("not_found", "This chat is not shared with you.");
    await endShare(ctx, share._id);
    return null;
  },
});

/** At the time a share ends. If it has been prolonged meanwhile, a later call will come. */
export const endExpired = internalMutation({
  args: { shareId: v.id("chat_shares") },
  returns: v.null(),
  handler: async (ctx, { shareId }) => {
    const share = await ctx.db.get("chat_shares", shareId);
    if (share?.isActive === true && share.expiresAt !== undefined && share.expiresAt <= Date.now())
      await endShare(ctx, shareId);
    return null;
  },
});

/** A share that waits for somebody to confirm the address. */
async function invite(
  ctx: MutationCtx,
  user: Doc<"users">,
  chat: Doc<"chats">,
  email: string,
  grant: Awaited<ReturnType<typeof checkGrant>>,
): Promise<Doc<"chat_shares">["_id"]> {
  const open = await ctx.db
    .query("chat_shares")
    .withIndex("by_owner", (q) => q.eq("ownerId", chat.userId).eq("isActive", true))
    .filter((q) => q.neq(q.field("invitedEmail"), undefined))
    .take(limits.invitationsOpenMax);
  if (open.length >= limits.invitationsOpenMax)
    throw appError("conflict", "Too many invitations are waiting for an answer.", "email");
  const { shareId } = await insertShare(ctx, chat, { ...grant, invitedEmail: email });
  await sendMail(ctx, {
    to: email,
    subject: `${user.name} shares a chat with you`,
    text:
      `Hello,\n\n${user.name} shares the chat “${chat.title ?? "New chat"}” with you. ` +
      `Sign up with this address, and confirm it, to see it:\n\n${pageUrl()}/`,
  });
  return shareId;
}
