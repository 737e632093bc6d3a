import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { findMessage, requireChat, requireMessage, requireUser } from "../../model/access.ts";
import { pageOfMessages } from "../../model/pages.ts";
import { excerpt } from "../../model/parts.ts";
import { findMessages } from "../../model/search.ts";
import { checkSearch } from "../../model/validation.ts";
import { messageView, People, searchResultView, toMessageView } from "../../model/views.ts";

/**
 * The messages of a chat, live, page by page.
 *
 * @param order "asc" (the default): from the first; "desc": from the newest back, as a chat window loads them.
 * @param upTo no message made later (ms since the epoch, as in `_creationTime`).
 * @param after only messages made later. A window that opens in the middle reads back with `upTo` and on with `after`.
 * @throws `unauthenticated`, `no_account`, `not_found`
 */
export const getChatMessages = query({
  args: {
    chatId: v.id("chats"),
    paginationOpts: paginationOptsValidator,
    order: v.optional(v.union(v.literal("asc"), v.literal("desc"))),
    upTo: v.optional(v.number()),
    after: v.optional(v.number()),
  },
  returns: paginationResultValidator(messageView),
  handler: async (ctx, { chatId, paginationOpts, order = "asc", upTo, after }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    return await pageOfMessages(ctx, { chatId, paginationOpts, order, upTo, after });
  },
});

/**
 * One message, for links that lead to it.
 *
 * @returns null if it does not exist (any more), or is not for the caller.
 * @throws `unauthenticated`, `no_account`
 */
export const getMessage = query({
  args: { messageId: v.id("messages") },
  returns: v.union(messageView, v.null()),
  handler: async (ctx, { messageId }) => {
    const user = await requireUser(ctx);
    const found = await findMessage(ctx, user, messageId);
    return found === null ? null : await toMessageView(ctx, new People(ctx), found.message);
  },
});

/**
 * Full-text search: in one chat, or in all of the caller's own and those shared with them, whoever wrote it. Best
 * match first.
 *
 * @returns at most 50 messages, each with the title of its chat.
 * @throws `unauthenticated`, `no_account`, `not_found` (the chat), `invalid` (query)
 */
export const searchMessages = query({
  args: { query: v.string(), chatId: v.optional(v.id("chats")) },
  returns: v.array(searchResultView),
  handler: async (ctx, { query: text, chatId }) => {
    const user = await requireUser(ctx);
    if (chatId !== undefined) await requireChat(ctx, user, chatId, "canRead");
    const search = checkSearch(text);
    const found = await findMessages(ctx, user, search, chatId);
    const people = new People(ctx);
    const results = [];
    for (const { message, chat } of found)
      results.push({
        _id: message._id,
        _creationTime: message._creationTime,
        chatId: message.chatId,
        ...(chat.title === undefined ? {} : { chatTitle: chat.title }),
        role: message.role,
        preview: excerpt(message.content, search),
        author: await people.profile(message.userId),
      });
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
