import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import {
  accessOfShare,
  activeShares,
  currentUser,
  findChat,
  requireChat,
  requireUser,
} from "../../model/access.ts";
import { findAttachment } from "../../model/files.ts";
import { boundedPage, pageOfMessages } from "../../model/pages.ts";
import { findLink, isLink, requireLink } from "../../model/shares.ts";
import {
  chatView,
  linkedChatView,
  messageView,
  People,
  shareLinkView,
  shareView,
  toChatView,
  toProfile,
} from "../../model/views.ts";

/**
 * The chats others share with the caller, newest share first, live, page by page. A page can hold fewer items than
 * asked for: shares that have expired are left out.
 *
 * @throws `unauthenticated`, `no_account`
 */
export const getSharedChats = query({
  args: { paginationOpts: paginationOptsValidator },
  returns: paginationResultValidator(chatView),
  handler: async (ctx, { paginationOpts }) => {
    const user = await requireUser(ctx);
    const result = await ctx.db
      .query("chat_shares")
      .withIndex("by_shared_user", (q) => q.eq("sharedWithUserId", user._id).eq("isActive", true))
      .order("desc")
      .paginate(boundedPage(paginationOpts));
    const people = new People(ctx);
    const page = [];
    for (const share of result.page) {
      const found = await findChat(ctx, user, share.chatId);
      if (found !== null) page.push(await toChatView(ctx, people, user._id, found.chat, found.access));
    }
    return { ...result, page };
  },
});

/**
 * With whom a chat is shared, and how; those who have not signed up yet are in it too. For its owner and those who may
 * share it.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const getChatShares = query({
  args: { chatId: v.id("chats") },
  returns: v.array(shareView),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canShare");
    const shares = [];
    for (const share of await activeShares(ctx, chatId)) {
      if (isLink(share) || accessOfShare(share) === null) continue;
      const { _id, sharedWithUserId, invitedEmail, permissions, expiresAt } = share;
      const person = sharedWithUserId === undefined ? null : await ctx.db.get("users", sharedWithUserId);
      if (sharedWithUserId !== undefined && person === null) continue;
      const email = person?.email ?? invitedEmail;
      shares.push({
        _id,
        user: person === null ? null : toProfile(person),
        ...(email === undefined ? {} : { email }),
        isPending: person === null,
        permissions,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      });
    }
    return shares;
  },
});

/**
 * The links of a chat that hold. For its owner and those who may share it.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const getShareLinks = query({
  args: { chatId: v.id("chats") },
  returns: v.array(shareLinkView),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    const { access } = await requireChat(ctx, user, chatId, "canShare");
    return (
      (await activeShares(ctx, chatId))
        .filter((share) => isLink(share) && accessOfShare(share) !== null)
        // Whoever may share, but not write, does not get at the right to write by somebody else's link.
        .filter(({ permissions }) => access.canWrite || !permissions.canWrite)
        .map(({ _id, _creationTime, shareToken, permissions, expiresAt, accessCount }) => ({
          _id,
          token: shareToken,
          permissions,
          ...(expiresAt === undefined ? {} : { expiresAt }),
          accessCount: accessCount ?? 0,
          createdAt: _creationTime,
        }))
    );
  },
});

/**
 * The chat of a link, live, for whoever has it: nobody needs to be signed in.
 *
 * @returns null if there is no such link, or it has been revoked or has expired.
 */
export const getSharedChatByToken = query({
  args: { token: v.string() },
  returns: v.union(linkedChatView, v.null()),
  handler: async (ctx, { token }) => {
    const link = await findLink(ctx, token);
    if (link === null) return null;
    const { share, chat } = link;
    const user = await currentUser(ctx);
    return {
      chatId: chat._id,
      ...(chat.title === undefined ? {} : { title: chat.title }),
      owner: await new People(ctx).profile(chat.userId),
      permissions: share.permissions,
      ...(share.expiresAt === undefined ? {} : { expiresAt: share.expiresAt }),
      messageCount: chat.messageCount ?? 0,
      isMember: user !== null && (await findChat(ctx, user, chat._id)) !== null,
    };
  },
});

/**
 * The messages of a link's chat, live, page by page; nobody needs to be signed in.
 *
 * @throws `not_found` once the link has ended
 */
export const getSharedMessages = query({
  args: {
    token: v.string(),
    paginationOpts: paginationOptsValidator,
    order: v.optional(v.union(v.literal("asc"), v.literal("desc"))),
  },
  returns: paginationResultValidator(messageView),
  handler: async (ctx, { token, paginationOpts, order = "asc" }) => {
    const { chat } = await requireLink(ctx, token);
    return await pageOfMessages(ctx, { chatId: chat._id, paginationOpts, order });
  },
});

/**
 * Where to fetch a file of a link's chat; nobody needs to be signed in.
 *
 * @returns null when the link has ended or the file is gone.
 */
export const getSharedFileUrl = query({
  args: { token: v.string(), fileId: v.id("_storage") },
  returns: v.union(v.object({ attachmentId: v.id("chat_attachments"), url: v.string() }), v.null()),
  handler: async (ctx, { token, fileId }) => {
    const link = await findLink(ctx, token);
    const attachment = link === null ? null : await findAttachment(ctx, link.chat._id, fileId);
    const url = attachment === null ? null : await ctx.storage.getUrl(fileId);
    return attachment === null || url === null ? null : { attachmentId: attachment._id, url };
  },
});
