import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { findChat, ownerAccess, requireUser } from "../../model/access.ts";
import { configuredEndpoint } from "../../model/assistant.ts";
import { availableModels, limits } from "../../model/limits.ts";
import { boundedPage } from "../../model/pages.ts";
import { chatDetailsView, chatView, membersOf, People, toChatView } from "../../model/views.ts";

/**
 * The caller's own chats with the last message of each, live, page by page.
 *
 * @param archived false (the default): those in use; true: the archive.
 * @param sort "recent" (the default): newest message first; "created": newest chat first.
 * @param tag only chats that have it. A page can then hold fewer items than asked for.
 * @throws `unauthenticated`, `no_account`
 */
export const getUserChats = query({
  args: {
    paginationOpts: paginationOptsValidator,
    archived: v.optional(v.boolean()),
    sort: v.optional(v.union(v.literal("recent"), v.literal("created"))),
    tag: v.optional(v.string()),
  },
  returns: paginationResultValidator(chatView),
  handler: async (ctx, { paginationOpts, archived = false, sort = "recent", tag }) => {
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
    const result = await chats
      .filter((q) => q.eq(q.field("deletingAt"), undefined))
      .paginate(boundedPage(paginationOpts));
    const people = new People(ctx);
    const page = [];
    for (const chat of result.page)
      if (tag === undefined || chat.tags?.includes(tag) === true)
        page.push(await toChatView(ctx, people, user._id, chat, ownerAccess));
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
  returns: v.union(chatDetailsView, v.null()),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    const found = await findChat(ctx, user, chatId);
    if (found === null) return null;
    const { chat, access } = found;
    const people = new People(ctx);
    return {
      ...(await toChatView(ctx, people, user._id, chat, access)),
      members: await membersOf(ctx, people, chat),
      ...(chat.systemPrompt === undefined ? {} : { systemPrompt: chat.systemPrompt }),
      ...(chat.settings === undefined ? {} : { settings: chat.settings }),
    };
  },
});

/**
 * The tags of the caller's own chats that are in use, by name, with how many chats have each.
 *
 * @returns at most 50, of the latest 1,000 chats.
 * @throws `unauthenticated`, `no_account`
 */
export const getUserTags = query({
  args: {},
  returns: v.array(v.object({ tag: v.string(), count: v.number() })),
  handler: async (ctx) => {
    const user = await requireUser(ctx);
    const chats = await ctx.db
      .query("chats")
      .withIndex("by_user_active", (q) => q.eq("userId", user._id).eq("isArchived", false))
      .order("desc")
      .take(limits.chatsTaggedMax);
    const counts = new Map<string, number>();
    for (const { tags = [], deletingAt } of chats)
      if (deletingAt === undefined) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    return [...counts]
      .map(([tag, count]) => ({ tag, count }))
      .toSorted((a, b) => a.tag.localeCompare(b.tag))
      .slice(0, limits.tagsShownMax);
  },
});

/**
 * The models a chat may name, and whether anything is connected that would answer as one of them.
 *
 * @throws `unauthenticated`, `no_account`
 */
export const getAvailableModels = query({
  args: {},
  returns: v.object({ models: v.array(v.string()), isStandIn: v.boolean() }),
  handler: async (ctx) => {
    await requireUser(ctx);
    return { models: [...availableModels], isStandIn: configuredEndpoint() === null };
  },
});
