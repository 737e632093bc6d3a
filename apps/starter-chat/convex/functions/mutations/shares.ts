import { v } from "convex/values";
import { mutation } from "../../_generated/server.js";
import { chatAccess, findShare, requireChat, requireUser } from "../../model/access.ts";
import { appError } from "../../model/errors.ts";
import { limits } from "../../model/limits.ts";
import { checkEmail } from "../../model/validation.ts";

/**
 * Lets another person, named by the e-mail address of their account, read a chat, and write or share it too if told
 * so. When the owner shares again with the same person, that changes their rights. Nobody can give a right they do not have.
 *
 * @param canRead must be true, if given: the other rights are of no use without it.
 * @param expiresAt when the share ends, in ms since the epoch; left out: never.
 * @returns the id of the share.
 * @throws `unauthenticated`, `no_account`; `not_found` (the chat; with field "email": no such account); `forbidden`;
 * `invalid` (email, canRead, expiresAt); `conflict` (too many shares; shared
 * already by the owner)
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
    const { chat, access } = await requireChat(ctx, user, chatId, "canShare");
    const email = checkEmail(text);
    if (!canRead) throw appError("invalid", "Whoever a chat is shared with can read it.", "canRead");
    if (canWrite && !access.canWrite) throw appError("forbidden", "You cannot let others write here.");
    if (expiresAt !== undefined && !(expiresAt > Date.now()))
      throw appError("invalid", "The share must end in the future.", "expiresAt");
    const person = await ctx.db
      .query("users")
      .withIndex("by_email", (q) => q.eq("email", email))
      .first();
    if (person === null || person.isActive === false)
      throw appError("not_found", "Nobody with this e-mail address has an account here yet.", "email");
    if (person._id === chat.userId)
      throw appError("invalid", "The chat belongs to this person already.", "email");
    if (person._id === user._id) throw appError("forbidden", "You cannot change your own rights.", "email");
    // Whoever may share for a while cannot let others in for longer.
    const ownEnd = access.isOwner ? undefined : (await findShare(ctx, chatId, user._id))?.expiresAt;
    const end = ownEnd === undefined ? expiresAt : Math.min(ownEnd, expiresAt ?? ownEnd);
    const permissions = { canRead, canWrite, canShare };
    const existing = await findShare(ctx, chatId, person._id);
    if (existing !== null) {
      if (!access.isOwner)
        throw appError(
          "conflict",
          "The chat is shared with this person already; its owner can change how.",
          "email",
        );
      await ctx.db.patch("chat_shares", existing._id, { permissions, expiresAt: end });
      return existing._id;
    }
    const others = await ctx.db
      .query("chat_shares")
      .withIndex("by_chat", (q) => q.eq("chatId", chatId).eq("isActive", true))
      .take(limits.sharesPerChatMax);
    if (others.length >= limits.sharesPerChatMax)
      throw appError("conflict", `A chat is shared with at most ${limits.sharesPerChatMax} people.`);
    return await ctx.db.insert("chat_shares", {
      chatId,
      ownerId: chat.userId,
      sharedWithUserId: person._id,
      shareToken: crypto.randomUUID().replaceAll("-", ""),
      permissions,
      ...(end === undefined ? {} : { expiresAt: end }),
      isActive: true,
      accessCount: 0,
    });
  },
});

/**
 * Ends a share: the owner of the chat ends anyone's, everyone else their own (to leave the chat). It stops working at
 * once, in open windows too.
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
    await ctx.db.patch("chat_shares", shareId, { isActive: false });
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
    await ctx.db.patch("chat_shares", share._id, { isActive: false });
    return null;
  },
});
