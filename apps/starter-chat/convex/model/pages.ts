import type { PaginationOptions, PaginationResult } from "convex/server";
import type { Id } from "../_generated/dataModel.js";
import type { QueryCtx } from "../_generated/server.js";
import { limits } from "./limits.ts";
import { type Message, People, toMessageView } from "./views.ts";

/** The page asked for, with no more items than this app hands out at once. */
export function boundedPage(options: PaginationOptions): PaginationOptions {
  return { ...options, numItems: Math.min(options.numItems, limits.pageItemsMax) };
}

/** A page of a chat's messages. The caller has made sure that it may be seen. */
export async function pageOfMessages(
  ctx: QueryCtx,
  {
    chatId,
    paginationOpts,
    order,
    upTo = Number.MAX_VALUE,
    after = 0,
  }: {
    readonly chatId: Id<"chats">;
    readonly paginationOpts: PaginationOptions;
    readonly order: "asc" | "desc";
    readonly upTo?: number | undefined;
    readonly after?: number | undefined;
  },
): Promise<PaginationResult<Message>> {
  const result = await ctx.db
    .query("messages")
    .withIndex("by_chat_created", (q) =>
      q.eq("chatId", chatId).gt("_creationTime", after).lte("_creationTime", upTo),
    )
    .order(order)
    .filter((q) => q.neq(q.field("status"), "deleted"))
    .paginate(boundedPage(paginationOpts));
  const people = new People(ctx);
  const page = [];
  for (const message of result.page) page.push(await toMessageView(ctx, people, message));
  return { ...result, page };
}
