import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { chatAccess, requireChat, requireMessage, requireUser } from "../../model/access.ts";
import { limits } from "../../model/limits.ts";
import { boundedPage } from "../../model/pages.ts";
import { preview } from "../../model/parts.ts";
import { checkSearch } from "../../model/validation.ts";
import { messageView, People, profileView, toMessageView } from "../../model/views.ts";

/**
 * The messages of a chat, live, page by page.
 *
 * @param order "asc" (the default): from the first; "desc": from the newest back, as a chat window loads them.
 * @throws `unauthenticated`, `no_account`, `not_found`
 */
export const getChatMessages = query({
  args: {
    chatId: v.id("chats"),
    paginationOpts: paginationOptsValidator,
    order: v.optional(v.union(v.literal("asc"), v.literal("desc"))),
  },
  returns: paginationResultValidator(messageView),
  handler: async (ctx, { chatId, paginationOpts, order = "asc" }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    const result = await ctx.db
      .query("messages")
      .withIndex("by_chat_created", (q) => q.eq("chatId", chatId))
      .order(order)
      .filter((q) => q.neq(q.field("status"), "deleted"))
      .paginate(boundedPage(paginationOpts));
    const people = new People(ctx);
    const page = [];
    for (const message of result.page) page.push(await toMessageView(ctx, people, message));
    return { ...result, page };
  },
});

/**
 * Full-text search: in one chat (everyone's messages), or in all the caller's own messages. Best match first.
 *
 * @returns at most 50 messages, each with the title of its chat.
 * @throws `unauthenticated`, `no_account`, `not_found` (the chat), `invalid` (query)
 */
export const searchMessages = query({
  args: { query: v.string(), chatId: v.optional(v.id("chats")) },
  returns: v.array(
    v.object({
      _id: v.id("messages"),
      _creationTime: v.number(),
      chatId: v.id("chats"),
      chatTitle: v.optional(v.string()),
      preview: v.string(),
      author: v.union(profileView, v.null()),
    }),
  ),
  handler: async (ctx, { query: text, chatId }) => {
    const user = await requireUser(ctx);
    if (chatId !== undefined) await requireChat(ctx, user, chatId, "canRead");
    const search = checkSearch(text);
    const found = await ctx.db
      .query("messages")
      .withSearchIndex("by_content", (q) =>
        chatId === undefined
          ? q.search("content", search).eq("userId", user._id)
          : q.search("content", search).eq("chatId", chatId),
      )
      .take(limits.searchResultsMax);
    const people = new People(ctx);
    const results = [];
    for (const message of found) {
      const chat = await ctx.db.get("chats", message.chatId);
      // One's own words in a chat that is no longer shared with one are out of reach too.
      const access = chat === null ? null : await chatAccess(ctx, user._id, chat);
      if (chat === null || access === null || message.status === "deleted") continue;
      results.push({
        _id: message._id,
        _creationTime: message._creationTime,
        chatId: message.chatId,
        ...(chat.title === undefined ? {} : { chatTitle: chat.title }),
        preview: preview(message.content),
        author: await people.profile(message.userId),
      });
    }
    return results;
  },
});

/**
 * What a message said before each of its edits, oldest first.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`
 */
export const getMessageHistory = query({
  args: { messageId: v.id("messages") },
  returns: v.array(v.object({ timestamp: v.number(), previousContent: v.string() })),
  handler: async (ctx, { messageId }) => {
    const user = await requireUser(ctx);
    const { message } = await requireMessage(ctx, user, messageId, "canRead");
    return message.metadata?.editHistory ?? [];
  },
});
