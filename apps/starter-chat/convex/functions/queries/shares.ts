import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { accessOfShare, requireChat, requireUser } from "../../model/access.ts";
import { limits } from "../../model/limits.ts";
import { boundedPage } from "../../model/pages.ts";
import { chatView, People, profileView, toChatView } from "../../model/views.ts";
import { sharePermissions } from "../../schema.ts";

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
      const access = accessOfShare(share);
      const chat = access === null ? null : await ctx.db.get("chats", share.chatId);
      if (access !== null && chat !== null) page.push(await toChatView(ctx, people, chat, access));
    }
    return { ...result, page };
  },
});

/**
 * With whom a chat is shared, and how. For its owner and those who may share it.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const getChatShares = query({
  args: { chatId: v.id("chats") },
  returns: v.array(
    v.object({
      _id: v.id("chat_shares"),
      user: profileView,
      email: v.optional(v.string()),
      permissions: sharePermissions,
      expiresAt: v.optional(v.number()),
    }),
  ),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canShare");
    const shares = await ctx.db
      .query("chat_shares")
      .withIndex("by_chat", (q) => q.eq("chatId", chatId).eq("isActive", true))
      .take(limits.sharesPerChatMax + 1);
    const people = [];
    for (const share of shares) {
      if (share.sharedWithUserId === undefined || accessOfShare(share) === null) continue;
      const person = await ctx.db.get("users", share.sharedWithUserId);
      if (person === null) continue;
      people.push({
        _id: share._id,
        user: {
          _id: person._id,
          name: person.name,
          ...(person.image === undefined ? {} : { image: person.image }),
        },
        ...(person.email === undefined ? {} : { email: person.email }),
        permissions: share.permissions,
        ...(share.expiresAt === undefined ? {} : { expiresAt: share.expiresAt }),
      });
    }
    return people;
  },
});
