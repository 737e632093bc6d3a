import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { chatAccess, requireUser } from "../../model/access.ts";
import { boundedPage } from "../../model/pages.ts";
import { chatSettings } from "../../schema.ts";
import { chatView, membersOf, People, profileView, toChatView } from "../../model/views.ts";

/**
 * The caller's own chats with the last message of each, live, page by page.
 *
 * @param archived false (the default): those in use; true: the archive.
 * @param sort "recent" (the default): newest message first; "created": newest chat first.
 * @throws `unauthenticated`, `no_account`
 */
export const getUserChats = query({
  args: {
    paginationOpts: paginationOptsValidator,
    archived: v.optional(v.boolean()),
    sort: v.optional(v.union(v.literal("recent"), v.literal("created"))),
  },
  returns: paginationResultValidator(chatView),
  handler: async (ctx, { paginationOpts, archived = false, sort = "recent" }) => {
    const user = await requireUser(ctx);
    const chats =
      sort === "created"
        ? ctx.db
            .query("chats")
            .withIndex("by_user_active", (q) => q.eq("userId", user._id).eq("isArchived", archived))
            .order("desc")
        : ctx.db
            .query("chats")
            .withIndex("by_last_message", (q) => q.eq("userId", user._id))
            .order("desc")
            .filter((q) => q.eq(q.field("isArchived"), archived));
    const result = await chats.paginate(boundedPage(paginationOpts));
    const people = new People(ctx);
    const page = [];
    for (const chat of result.page)
      page.push(
        await toChatView(ctx, people, chat, {
          isOwner: true,
          canRead: true,
          canWrite: true,
          canShare: true,
        }),
      );
    return { ...result, page };
  },
});

/**
 * One chat with its settings and the people in it.
 *
 * @returns null if it does not exist or is not shared with the caller.
 * @throws `unauthenticated`, `no_account`
 */
export const getChatById = query({
  args: { chatId: v.id("chats") },
  returns: v.union(
    v.object({
      ...chatView.fields,
      /** Its owner and those it is shared with, at most ten of them. */
      members: v.array(profileView),
      systemPrompt: v.optional(v.string()),
      settings: v.optional(chatSettings),
    }),
    v.null(),
  ),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    const chat = await ctx.db.get("chats", chatId);
    const access = chat === null ? null : await chatAccess(ctx, user._id, chat);
    if (chat === null || access === null) return null;
    const people = new People(ctx);
    return {
      ...(await toChatView(ctx, people, chat, access)),
      members: await membersOf(ctx, people, chat),
      ...(chat.systemPrompt === undefined ? {} : { systemPrompt: chat.systemPrompt }),
      ...(chat.settings === undefined ? {} : { settings: chat.settings }),
    };
  },
});
