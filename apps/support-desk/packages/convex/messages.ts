import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import type { Doc } from "./_generated/dataModel.js";
import { internal } from "./_generated/api.js";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server.js";
import { addToAgent, botOf } from "./model/agents.ts";
import { track } from "./model/analytics.ts";
import { checkAttachment, textWithFile, withUrl } from "./model/attachments.ts";
import { addMessage, receive, requireConversation } from "./model/conversations.ts";
import { appError } from "./model/errors.ts";
import { limits } from "./model/limits.ts";
import { callerAddress, takeToken } from "./model/rateLimit.ts";
import { requireStaff, requireUser } from "./model/sessions.ts";
import { checkMessage } from "./model/validation.ts";
import { answerMetadata, citation, messageState, sentAttachment } from "./schema.ts";

/**
 * Says something in a conversation. A customer's message is answered by the bot, or reaches the person who has the
 * conversation; staff need to have it to write in it.
 *
 * With an `attachment` (see `attachments.uploadUrl`) it may have no words.
 *
 * @throws `not_found`, `forbidden`, `invalid` (content, attachment), `rate_limited`
 */
export const sendMessage = mutation({
  args: {
    token: v.string(),
    conversationId: v.id("conversations"),
    content: v.string(),
    attachment: v.optional(sentAttachment),
  },
  returns: v.id("messages"),
  handler: async (ctx, { token, conversationId, content, attachment }) => {
    const user = await requireUser(ctx, token);
    const conversation = await requireConversation(ctx, user, conversationId);
    const text = checkMessage(content, attachment !== undefined);
    await takeToken(ctx, "messagePerUser", user._id);
    const file = await checkAttachment(ctx, attachment);
    if (conversation.userId === user._id) {
      await takeToken(ctx, "messagePerIp", (await callerAddress(ctx)).ip);
      return await receive(ctx, conversation, { content: text, ...file });
    }
    const agent = await ctx.db
      .query("agents")
      .withIndex("by_user", (q) => q.eq("userId", user._id))
      .unique();
    if (agent === null || conversation.status !== "human" || conversation.assignedAgentId !== agent._id)
      throw appError("forbidden", "Take the conversation before you answer.");
    const messageId = await addMessage(ctx, conversation, {
      author: "agent",
      userId: user._id,
      agentId: agent._id,
      content: text,
      state: "sent",
      ...file,
    });
    await addToAgent(ctx, agent._id, { messages: 1, ...(await noteFirstResponse(ctx, conversation)) });
    if (conversation.channel === "sms") await ctx.scheduler.runAfter(0, internal.sms.send, { messageId });
    return messageId;
  },
});

/** Messages of a conversation, page by page, the newest first. */
export const getMessages = query({
  args: { token: v.string(), conversationId: v.id("conversations"), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { token, conversationId, paginationOpts }) => {
    const user = await requireUser(ctx, token);
    await requireConversation(ctx, user, conversationId);
    const page = await ctx.db
      .query("messages")
      .withIndex("by_conversation", (q) => q.eq("conversationId", conversationId))
      .order("desc")
      .paginate(paginationOpts);
    return { ...page, page: await Promise.all(page.page.map((message) => withUrl(ctx, message))) };
  },
});

/** The latest messages of a conversation in their order; a live query, so it is what a window watches. */
export const subscribeToMessages = query({
  args: { token: v.string(), conversationId: v.id("conversations") },
  handler: async (ctx, { token, conversationId }) => {
    const user = await requireUser(ctx, token);
    await requireConversation(ctx, user, conversationId);
    const latest = await ctx.db
      .query("messages")
      .withIndex("by_conversation", (q) => q.eq("conversationId", conversationId))
      .order("desc")
      .take(limits.liveMessages);
    const names = new Map<string, string>();
    for (const { agentId } of latest) {
      if (agentId === undefined || names.has(agentId)) continue;
      names.set(agentId, (await ctx.db.get("agents", agentId))?.name ?? "Support");
    }
    const shown = await Promise.all(latest.reverse().map((message) => withUrl(ctx, message)));
    return shown.map((message) => ({
      ...message,
      agentName: message.agentId === undefined ? undefined : names.get(message.agentId),
    }));
  },
});

/** What somebody has written lately, for an agent who wants to know whom they are talking to. */
export const getMessagesOfUser = query({
  args: { token: v.string(), userId: v.id("users") },
  handler: async (ctx, { token, userId }) => {
    await requireStaff(ctx, token);
    return await ctx.db
      .query("messages")
      .withIndex("by_user", (q) => q.eq("userId", userId))
      .order("desc")
      .take(limits.searchResults);
  },
});

export const searchMessages = query({
  args: { token: v.string(), text: v.string(), conversationId: v.optional(v.id("conversations")) },
  handler: async (ctx, { token, text, conversationId }) => {
    await requireStaff(ctx, token);
    return await ctx.db
      .query("messages")
      .withSearchIndex("search_content", (q) => {
        const search = q.search("content", text);
        return conversationId === undefined ? search : search.eq("conversationId", conversationId);
      })
      .take(limits.searchResults);
  },
});

/**
 * What the bot says. First as "pending" with an empty text, so that the window can show that an answer is coming, then
 * with the text. Nothing is said when people have taken over meanwhile.
 */
export const sendAgentMessage = internalMutation({
  args: {
    conversationId: v.id("conversations"),
    messageId: v.optional(v.id("messages")),
    content: v.string(),
    state: messageState,
    error: v.optional(v.string()),
    citations: v.optional(v.array(citation)),
    metadata: v.optional(answerMetadata),
  },
  returns: v.union(v.id("messages"), v.null()),
  handler: async (ctx, { conversationId, messageId, ...content }) => {
    const conversation = await ctx.db.get("conversations", conversationId);
    if (conversation === null) return null;
    const pending = messageId === undefined ? null : await ctx.db.get("messages", messageId);
    if (conversation.status !== "bot") {
      if (pending !== null) await ctx.db.delete("messages", pending._id);
      return null;
    }
    const bot = await botOf(ctx, conversation);
    const by = bot === null ? {} : { agentId: bot._id };
    const id =
      pending === null
        ? await addMessage(ctx, conversation, { author: "bot", ...by, ...content })
        : pending._id;
    if (pending !== null) await ctx.db.patch("messages", id, content);
    if (content.state === "pending") return id;
    if (bot !== null) await addToAgent(ctx, bot._id, { messages: 1 });
    const failed = content.state === "failed";
    await track(ctx, failed ? "bot_failed" : "bot_answered", { conversationId });
    if (!failed && conversation.channel === "sms")
      await ctx.scheduler.runAfter(0, internal.sms.send, { messageId: id });
    return id;
  },
});

/** What the bot needs to answer: the latest exchange, oldest first. */
export const historyForBot = internalQuery({
  args: { conversationId: v.id("conversations") },
  handler: async (ctx, { conversationId }) => {
    const conversation = await ctx.db.get("conversations", conversationId);
    if (conversation === null || conversation.status !== "bot") return null;
    const latest = await ctx.db
      .query("messages")
      .withIndex("by_conversation", (q) => q.eq("conversationId", conversationId))
      .order("desc")
      .take(limits.historyMessages);
    const bot = await botOf(ctx, conversation);
    return {
      channel: conversation.channel,
      instructions: bot?.instructions ?? null,
      model: bot?.model ?? null,
      messages: latest
        .reverse()
        .filter(({ author, state }) => author !== "system" && state === "sent")
        .map((message) => ({
          role: message.author === "customer" ? ("user" as const) : ("assistant" as const),
          content: textWithFile(message),
        })),
    };
  },
});

/** The first answer by a person stops the clock that the queue started. */
async function noteFirstResponse(
  ctx: Parameters<typeof addMessage>[0],
  conversation: Doc<"conversations">,
): Promise<{ firstResponseMs: number; firstResponses: number } | Record<string, never>> {
  if (conversation.firstResponseAt !== undefined) return {};
  const nowMs = Date.now();
  const firstResponseMs = nowMs - (conversation.queuedAt ?? nowMs);
  await ctx.db.patch("conversations", conversation._id, { firstResponseAt: nowMs });
  await track(ctx, "first_response", { conversationId: conversation._id, value: firstResponseMs });
  return { firstResponseMs, firstResponses: 1 };
}
