import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import type { Doc } from "./_generated/dataModel.js";
import { internalMutation, mutation, query, type QueryCtx } from "./_generated/server.js";
import { addToAgent, requireAgentById } from "./model/agents.ts";
import { track } from "./model/analytics.ts";
import { checkAttachment } from "./model/attachments.ts";
import {
  addNotice,
  assign,
  escalate,
  fillFromQueue,
  nextInQueue,
  rankOf,
  receive,
  release,
  requireConversation,
  resolve,
  startConversation,
} from "./model/conversations.ts";
import { appError } from "./model/errors.ts";
import { limits } from "./model/limits.ts";
import { callerAddress, takeToken } from "./model/rateLimit.ts";
import { requireAgent, requireStaff, requireUser } from "./model/sessions.ts";
import { checkMessage, checkSkills, checkText, checkWhole } from "./model/validation.ts";
import { conversationStatus, priority, sentAttachment } from "./schema.ts";

/**
 * Starts a conversation with its first message, which the bot answers.
 *
 * @throws `invalid` (subject, content, attachment), `rate_limited`
 */
export const createConversation = mutation({
  args: {
    token: v.string(),
    content: v.string(),
    subject: v.optional(v.string()),
    attachment: v.optional(sentAttachment),
  },
  returns: v.id("conversations"),
  handler: async (ctx, { token, content, subject, attachment }) => {
    const user = await requireUser(ctx, token);
    const text = checkMessage(content, attachment !== undefined);
    await takeToken(ctx, "conversationPerUser", user._id);
    await takeToken(ctx, "messagePerIp", (await callerAddress(ctx)).ip);
    const conversationId = await startConversation(ctx, user._id, {
      subject: checkText(
        subject ?? firstWords(text === "" ? (attachment?.name ?? "") : text),
        "subject",
        limits.subjectLengthMax,
      ),
      channel: "web",
    });
    const conversation = await requireConversation(ctx, user, conversationId);
    await receive(ctx, conversation, { content: text, ...(await checkAttachment(ctx, attachment)) });
    return conversationId;
  },
});

/** One's own conversations, page by page, the liveliest first. */
export const getUserConversations = query({
  args: { token: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { token, paginationOpts }) => {
    const user = await requireUser(ctx, token);
    const page = await ctx.db
      .query("conversations")
      .withIndex("by_user", (q) => q.eq("userId", user._id))
      .order("desc")
      .paginate(paginationOpts);
    return { ...page, page: await Promise.all(page.page.map((each) => toView(ctx, each))) };
  },
});

/** One conversation, with who it is with. */
export const getConversation = query({
  args: { token: v.string(), conversationId: v.id("conversations") },
  handler: async (ctx, { token, conversationId }) => {
    const user = await requireUser(ctx, token);
    const conversation = await requireConversation(ctx, user, conversationId);
    const view = await toView(ctx, conversation);
    // What people tell each other about a customer is not for the customer.
    return user.role === "customer" ? { ...view, summary: undefined } : view;
  },
});

/**
 * Changes the state of a conversation: "resolved", "closed", or "bot" to give it back. Customers may only say that
 * their question is resolved. Staff may also change priority and subject.
 */
export const updateConversation = mutation({
  args: {
    token: v.string(),
    conversationId: v.id("conversations"),
    status: v.optional(v.union(v.literal("resolved"), v.literal("closed"), v.literal("bot"))),
    priority: v.optional(priority),
    subject: v.optional(v.string()),
  },
  returns: v.null(),
  handler: async (ctx, { token, conversationId, status, priority: level, subject }) => {
    const user = await requireUser(ctx, token);
    const conversation = await requireConversation(ctx, user, conversationId);
    const isStaff = user.role !== "customer";
    if (!isStaff && (level !== undefined || subject !== undefined || (status ?? "resolved") !== "resolved"))
      throw appError("forbidden", "You may only mark your conversation as resolved.");
    const changes = {
      ...(level === undefined ? {} : { priority: level, priorityRank: rankOf(level) }),
      ...(subject === undefined ? {} : { subject: checkText(subject, "subject", limits.subjectLengthMax) }),
    };
    await ctx.db.patch("conversations", conversationId, changes);
    if (status === "bot") {
      if (conversation.status === "human") await release(ctx, conversation);
      await ctx.db.patch("conversations", conversationId, { status: "bot", queuedAt: undefined });
    } else if (status !== undefined) await resolve(ctx, conversation, status);
    return null;
  },
});

/**
 * Asks for a person: straight away if somebody is free, else through the queue.
 *
 * @returns "human" when somebody has it now, else "queued".
 */
export const escalateConversation = mutation({
  args: {
    token: v.string(),
    conversationId: v.id("conversations"),
    reason: v.optional(v.string()),
    skills: v.optional(v.array(v.string())),
    priority: v.optional(priority),
  },
  returns: v.union(v.literal("queued"), v.literal("human")),
  handler: async (ctx, { token, conversationId, reason, skills, priority: level }) => {
    const user = await requireUser(ctx, token);
    const conversation = await requireConversation(ctx, user, conversationId);
    if (user.role === "customer" && level !== undefined && level !== conversation.priority)
      throw appError("forbidden", "Only staff decide what is urgent.");
    return await escalate(ctx, conversation, {
      reason: checkText(reason ?? "Asked for a person", "reason", limits.reasonLengthMax),
      skills: checkSkills(skills ?? []),
      ...(level === undefined ? {} : { level }),
    });
  },
});

/** The same for the bot, when it does not know. */
export const escalateByBot = internalMutation({
  args: { conversationId: v.id("conversations"), reason: v.string() },
  returns: v.null(),
  handler: async (ctx, { conversationId, reason }) => {
    const conversation = await ctx.db.get("conversations", conversationId);
    if (conversation !== null) await escalate(ctx, conversation, { reason });
    return null;
  },
});

/** Some time after a customer's message: if nothing has been said since, people take over. */
export const checkAnswered = internalMutation({
  args: { conversationId: v.id("conversations"), messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { conversationId, messageId }) => {
    const conversation = await ctx.db.get("conversations", conversationId);
    const message = await ctx.db.get("messages", messageId);
    if (conversation === null || message === null || conversation.status !== "bot") return null;
    const later = await ctx.db
      .query("messages")
      .withIndex("by_conversation", (q) =>
        q.eq("conversationId", conversationId).gt("_creationTime", message._creationTime),
      )
      .take(limits.listMax);
    if (later.some(({ author, state }) => author !== "customer" && state !== "pending")) return null;
    for (const { _id, state } of later) if (state === "pending") await ctx.db.delete("messages", _id);
    await escalate(ctx, conversation, { reason: "The assistant did not answer" });
    return null;
  },
});

/** How happy the customer was: 1 to 5 stars, once. */
export const rateConversation = mutation({
  args: { token: v.string(), conversationId: v.id("conversations"), stars: v.number() },
  returns: v.null(),
  handler: async (ctx, { token, conversationId, stars }) => {
    const user = await requireUser(ctx, token);
    const conversation = await requireConversation(ctx, user, conversationId);
    if (conversation.userId !== user._id) throw appError("forbidden", "Only the customer rates.");
    if (conversation.stars !== undefined)
      throw appError("conflict", "You have rated this conversation already.");
    checkWhole(stars, "stars", 1, 5);
    await ctx.db.patch("conversations", conversationId, { stars });
    await track(ctx, "rated", { conversationId, userId: user._id, value: stars });
    if (conversation.assignedAgentId !== undefined)
      await addToAgent(ctx, conversation.assignedAgentId, { stars, ratings: 1 });
    return null;
  },
});

// ---- for the console

/** Conversations in one state, the liveliest first; the queue in the order in which it is served. */
export const listByStatus = query({
  args: { token: v.string(), status: conversationStatus },
  handler: async (ctx, { token, status }) => {
    await requireStaff(ctx, token);
    const rows =
      status === "queued"
        ? await ctx.db
            .query("conversations")
            .withIndex("by_queue", (q) => q.eq("status", "queued"))
            .take(limits.listMax)
        : await ctx.db
            .query("conversations")
            .withIndex("by_status", (q) => q.eq("status", status))
            .order("desc")
            .take(limits.listMax);
    return await Promise.all(rows.map((each) => toView(ctx, each)));
  },
});

/** What an agent has at this moment. */
export const listMine = query({
  args: { token: v.string() },
  handler: async (ctx, { token }) => {
    const { agent } = await requireAgent(ctx, token);
    const rows = await ctx.db
      .query("conversations")
      .withIndex("by_agent", (q) => q.eq("assignedAgentId", agent._id).eq("status", "human"))
      .order("desc")
      .take(limits.listMax);
    return await Promise.all(rows.map((each) => toView(ctx, each)));
  },
});

export const searchConversations = query({
  args: { token: v.string(), text: v.string(), status: v.optional(conversationStatus) },
  handler: async (ctx, { token, text, status }) => {
    await requireStaff(ctx, token);
    const rows = await ctx.db
      .query("conversations")
      .withSearchIndex("search_subject", (q) => {
        const search = q.search("subject", text);
        return status === undefined ? search : search.eq("status", status);
      })
      .take(limits.searchResults);
    return await Promise.all(rows.map((each) => toView(ctx, each)));
  },
});

/** Takes a conversation out of the queue, or the next one when none is named. */
export const takeConversation = mutation({
  args: { token: v.string(), conversationId: v.optional(v.id("conversations")) },
  returns: v.union(v.id("conversations"), v.null()),
  handler: async (ctx, { token, conversationId }) => {
    const { agent } = await requireAgent(ctx, token);
    if (agent.load >= agent.loadMax)
      throw appError("conflict", `You have ${agent.load} conversations already. Resolve one first.`);
    if (conversationId !== undefined) {
      await assign(ctx, conversationId, agent);
      return conversationId;
    }
    const next = await nextInQueue(ctx);
    if (next === null) return null;
    await assign(ctx, next._id, agent);
    return next._id;
  },
});

/** Hands a conversation to somebody else, or back to the queue. */
export const handOver = mutation({
  args: {
    token: v.string(),
    conversationId: v.id("conversations"),
    toAgentId: v.optional(v.id("agents")),
    note: v.optional(v.string()),
  },
  returns: v.null(),
  handler: async (ctx, { token, conversationId, toAgentId, note }) => {
    const { user, agent } = await requireAgent(ctx, token);
    const conversation = await requireConversation(ctx, user, conversationId);
    if (conversation.assignedAgentId !== agent._id && user.role !== "admin")
      throw appError("forbidden", "Somebody else has this conversation.");
    await release(ctx, conversation);
    if (note !== undefined) {
      const line = `${agent.name}: ${checkText(note, "note", limits.reasonLengthMax)}`;
      const summary = [conversation.summary, line].filter((part) => part !== undefined).join("\n");
      await ctx.db.patch("conversations", conversationId, { summary });
    }
    if (toAgentId === undefined) await addNotice(ctx, conversationId, "Somebody else will be with you soon.");
    else {
      const other = await requireAgentById(ctx, toAgentId);
      if (other.kind !== "human" || other.status !== "online" || other.load >= other.loadMax)
        throw appError("conflict", `${other.name} cannot take another conversation now.`);
      await assign(ctx, conversationId, other);
      // Only then: out of the queue it would come straight back.
      await fillFromQueue(ctx, agent._id);
    }
    return null;
  },
});

async function toView(ctx: QueryCtx, conversation: Doc<"conversations">) {
  const user = await ctx.db.get("users", conversation.userId);
  const agent =
    conversation.assignedAgentId === undefined
      ? null
      : await ctx.db.get("agents", conversation.assignedAgentId);
  const { priorityRank: _rank, ...rest } = conversation;
  return {
    ...rest,
    customer: { name: user?.name ?? "Somebody", email: user?.email, verified: user?.emailVerified ?? false },
    agentName: agent?.name,
  };
}

function firstWords(text: string): string {
  const line = text.split("\n")[0] ?? text;
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
}
