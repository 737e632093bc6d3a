import { v } from "convex/values";
import type { Doc } from "./_generated/dataModel.js";
import type { QueryCtx } from "./_generated/server.js";
import { mutation, query } from "./_generated/server.js";
import { clampCount } from "./model/counts.ts";
import { refuse } from "./model/errors.ts";
import { MESSAGES_PER_WINDOW_MAX, MESSAGES_SHOWN_MAX, MESSAGE_WINDOW_MS } from "./model/limits.ts";
import { checkedContent } from "./model/validation.ts";

/** The newest messages, the newest last, with the names of their authors. */
export const list = query({
  args: { limit: v.number() },
  returns: v.array(
    v.object({
      _id: v.id("messages"),
      author: v.string(),
      is_agent: v.boolean(),
      content: v.string(),
      message_type: v.union(v.literal("chat"), v.literal("trade"), v.literal("liquidation")),
      created_at: v.number(),
    }),
  ),
  handler: async (ctx, { limit }) => {
    const messages = await ctx.db
      .query("messages")
      .withIndex("by_created")
      .order("desc")
      .take(clampCount(limit, MESSAGES_SHOWN_MAX));
    const names = new Map<string, string>();
    for (const message of messages) {
      const id = message.agent_id ?? message.user_id;
      if (id !== undefined && !names.has(id)) names.set(id, await authorOf(ctx, message));
    }
    return messages.reverse().map(({ _id, agent_id, user_id, content, message_type, created_at }) => ({
      _id,
      author: names.get(agent_id ?? user_id ?? "") ?? "somebody",
      is_agent: agent_id !== undefined,
      content,
      message_type,
      created_at,
    }));
  },
});

/** Says something in the chat. */
export const send = mutation({
  args: { user_id: v.id("users"), content: v.string() },
  returns: v.id("messages"),
  handler: async (ctx, args) => {
    const content = checkedContent(args.content);
    const user = await ctx.db.get(args.user_id);
    if (user === null) refuse("not_found", "There is no such user. Sign in again.");
    const now = Date.now();
    const own = await ctx.db
      .query("messages")
      .withIndex("by_user", (q) => q.eq("user_id", user._id).gt("created_at", now - MESSAGE_WINDOW_MS))
      .take(MESSAGES_PER_WINDOW_MAX);
    if (own.length >= MESSAGES_PER_WINDOW_MAX)
      refuse(
        "too_fast",
        `At most ${MESSAGES_PER_WINDOW_MAX} messages in ${MESSAGE_WINDOW_MS / 1_000} seconds. Wait a little.`,
      );
    return await ctx.db.insert("messages", {
      user_id: user._id,
      content,
      message_type: "chat",
      created_at: now,
    });
  },
});

async function authorOf(ctx: QueryCtx, message: Doc<"messages">): Promise<string> {
  if (message.agent_id !== undefined) return (await ctx.db.get(message.agent_id))?.name ?? "an agent";
  if (message.user_id !== undefined) return (await ctx.db.get(message.user_id))?.username ?? "somebody";
  return "somebody";
}
