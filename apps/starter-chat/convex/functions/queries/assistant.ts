import { v } from "convex/values";
import { internalQuery } from "../../_generated/server.js";
import { limits } from "../../model/limits.ts";

/** What the model needs to know before it writes a message: how it is set up, and what was said before. */
export const contextOfAnswer = internalQuery({
  args: { messageId: v.id("messages"), run: v.number() },
  handler: async (ctx, { messageId, run }) => {
    const message = await ctx.db.get("messages", messageId);
    const chat = message === null ? null : await ctx.db.get("chats", message.chatId);
    if (message === null || chat === null || message.status !== "sending") return null;
    if ((message.answerRun ?? 0) !== run) return null;
    const before = await ctx.db
      .query("messages")
      .withIndex("by_chat_created", (q) =>
        q.eq("chatId", chat._id).lt("_creationTime", message._creationTime),
      )
      .order("desc")
      .take(limits.assistantContextMessages);
    const names = new Map<string, string>();
    for (const { userId } of before)
      if (userId !== undefined && !names.has(userId))
        names.set(userId, (await ctx.db.get("users", userId))?.name ?? "Somebody");
    const isGroup = names.size > 1;
    return {
      model: chat.model ?? null,
      settings: chat.settings ?? {},
      systemPrompt: chat.systemPrompt ?? null,
      messages: before
        .reverse()
        .filter(({ content, status }) => content !== "" && status !== "deleted" && status !== "error")
        .map(({ role, content, userId }) => ({
          role,
          content: isGroup && userId !== undefined ? `${names.get(userId) ?? ""}: ${content}` : content,
        })),
    };
  },
});
