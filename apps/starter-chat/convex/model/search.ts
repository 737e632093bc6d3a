import type { Doc, Id } from "../_generated/dataModel.js";
import type { QueryCtx } from "../_generated/server.js";
import { findChat } from "./access.ts";
import { limits } from "./limits.ts";

type Filter = { readonly field: "userId" | "chatId" | "chatOwnerId"; readonly value: string };

/**
 * Messages that match, of chats the person may read. A search filters by one value of a field, so several are merged:
 * what they wrote themselves, what anyone wrote in their own chats, and what was said in each chat shared with them.
 * The searches rank for themselves; their best come first, their seconds next, and so on.
 */
export async function findMessages(
  ctx: QueryCtx,
  user: Doc<"users">,
  text: string,
  chatId: Id<"chats"> | undefined,
): Promise<{ message: Doc<"messages">; chat: Doc<"chats"> }[]> {
  const lists =
    chatId === undefined
      ? await searchEverything(ctx, user, text)
      : [await search(ctx, text, { field: "chatId", value: chatId }, limits.searchResultsMax)];
  const chats = new Map<Id<"chats">, Doc<"chats"> | null>();
  const found = new Map<Id<"messages">, { message: Doc<"messages">; chat: Doc<"chats"> }>();
  for (const message of inTurns(lists)) {
    if (found.size >= limits.searchResultsMax) break;
    if (message.status === "deleted" || found.has(message._id)) continue;
    let chat = chats.get(message.chatId);
    if (chat === undefined) {
      // One's own words in a chat that is no longer shared with one are out of reach too.
      chat = (await findChat(ctx, user, message.chatId))?.chat ?? null;
      chats.set(message.chatId, chat);
    }
    if (chat !== null) found.set(message._id, { message, chat });
  }
  return [...found.values()];
}

async function searchEverything(
  ctx: QueryCtx,
  user: Doc<"users">,
  text: string,
): Promise<Doc<"messages">[][]> {
  const shares = await ctx.db
    .query("chat_shares")
    .withIndex("by_shared_user", (q) => q.eq("sharedWithUserId", user._id).eq("isActive", true))
    .order("desc")
    .take(limits.sharedChatsSearchedMax);
  const lists = [
    await search(ctx, text, { field: "chatOwnerId", value: user._id }, limits.searchResultsMax),
    await search(ctx, text, { field: "userId", value: user._id }, limits.searchResultsMax),
  ];
  for (const { chatId } of shares)
    lists.push(await search(ctx, text, { field: "chatId", value: chatId }, limits.sharedResultsPerChatMax));
  return lists;
}

async function search(
  ctx: QueryCtx,
  text: string,
  { field, value }: Filter,
  countMax: number,
): Promise<Doc<"messages">[]> {
  return await ctx.db
    .query("messages")
    .withSearchIndex("by_content", (q) => q.search("content", text).eq(field, value as never))
    .take(countMax);
}

function* inTurns<T>(lists: readonly (readonly T[])[]): Generator<T> {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  for (let rank = 0; rank < longest; rank++)
    for (const list of lists) {
      const item = list[rank];
      if (item !== undefined) yield item;
    }
}
