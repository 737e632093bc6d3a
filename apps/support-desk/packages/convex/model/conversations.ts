import type { Infer } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel.js";
import { internal } from "../_generated/api.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import type { channel, priority } from "../schema.ts";
import { addToAgent, assignBot, findAvailableAgent } from "./agents.ts";
import { track } from "./analytics.ts";
import { textWithFile } from "./attachments.ts";
import { appError } from "./errors.ts";

type Conversation = Doc<"conversations">;

const ranks: Readonly<Record<Infer<typeof priority>, number>> = { urgent: 0, high: 1, normal: 2, low: 3 };

export function rankOf(level: Infer<typeof priority>): number {
  return ranks[level];
}

export function isOpen({ status }: Conversation): boolean {
  return status === "bot" || status === "queued" || status === "human";
}

/** The conversation, if this person may see it: their own, or any for staff. */
export async function requireConversation(
  ctx: QueryCtx,
  user: Doc<"users">,
  conversationId: Id<"conversations">,
): Promise<Conversation> {
  const conversation = await ctx.db.get("conversations", conversationId);
  if (conversation === null || (user.role === "customer" && conversation.userId !== user._id))
    throw appError("not_found", "This conversation does not exist, or it is not yours.");
  return conversation;
}

export async function startConversation(
  ctx: MutationCtx,
  userId: Id<"users">,
  about: { subject: string; channel: Infer<typeof channel>; priority?: Infer<typeof priority> },
): Promise<Id<"conversations">> {
  const level = about.priority ?? "normal";
  const conversationId = await ctx.db.insert("conversations", {
    userId,
    channel: about.channel,
    subject: about.subject,
    status: "bot",
    priority: level,
    priorityRank: rankOf(level),
    skills: [],
    messageCount: 0,
    lastMessageAt: Date.now(),
  });
  await track(ctx, "conversation_created", { userId, conversationId });
  return conversationId;
}

/** Adds a message and keeps the conversation's counters true. */
export async function addMessage(
  ctx: MutationCtx,
  conversation: Conversation,
  message: Omit<Doc<"messages">, "_id" | "_creationTime" | "conversationId">,
): Promise<Id<"messages">> {
  const messageId = await ctx.db.insert("messages", { conversationId: conversation._id, ...message });
  await ctx.db.patch("conversations", conversation._id, {
    messageCount: conversation.messageCount + 1,
    lastMessageAt: Date.now(),
  });
  return messageId;
}

/** A line that says what has happened, for everybody in the conversation. */
export async function addNotice(
  ctx: MutationCtx,
  conversationId: Id<"conversations">,
  content: string,
): Promise<void> {
  const conversation = await ctx.db.get("conversations", conversationId);
  if (conversation !== null)
    await addMessage(ctx, conversation, { author: "system", content, state: "sent" });
}

/**
 * Hands a conversation to people: straight to somebody who is free and suited, else into the queue. The summary is for
 * whoever takes over; the whole conversation is there too. Does nothing if people have it already.
 */
export async function escalate(
  ctx: MutationCtx,
  conversation: Conversation,
  { reason, skills = [], level }: { reason: string; skills?: string[]; level?: Infer<typeof priority> },
): Promise<"queued" | "human"> {
  if (conversation.status === "queued" || conversation.status === "human") return conversation.status;
  const newLevel = level ?? conversation.priority;
  await ctx.db.patch("conversations", conversation._id, {
    status: "queued",
    queuedAt: Date.now(),
    resolvedAt: undefined,
    escalationReason: reason,
    skills,
    priority: newLevel,
    priorityRank: rankOf(newLevel),
    summary: await summarize(ctx, conversation, reason),
  });
  await track(ctx, "escalated", { userId: conversation.userId, conversationId: conversation._id });
  const agent = await findAvailableAgent(ctx, skills);
  if (agent === null) {
    await addNotice(ctx, conversation._id, "You are in the queue. Somebody will be with you soon.");
    return "queued";
  }
  await assign(ctx, conversation._id, agent);
  return "human";
}

/** Gives a waiting conversation to somebody. */
export async function assign(
  ctx: MutationCtx,
  conversationId: Id<"conversations">,
  agent: Doc<"agents">,
): Promise<void> {
  const conversation = await ctx.db.get("conversations", conversationId);
  if (conversation === null || conversation.status !== "queued")
    throw appError("conflict", "Somebody else has taken this conversation.");
  const nowMs = Date.now();
  await ctx.db.patch("conversations", conversationId, {
    status: "human",
    assignedAgentId: agent._id,
    assignedAt: nowMs,
  });
  await addToAgent(ctx, agent._id, { load: 1, conversations: 1 });
  await addNotice(ctx, conversationId, `${agent.name} has joined the conversation.`);
  await track(ctx, "assigned", {
    conversationId,
    agentId: agent._id,
    value: nowMs - (conversation.queuedAt ?? nowMs),
  });
}

/** The most urgent conversation that waits; of several the one that has waited longest. */
export function nextInQueue(ctx: QueryCtx): Promise<Conversation | null> {
  return ctx.db
    .query("conversations")
    .withIndex("by_queue", (q) => q.eq("status", "queued"))
    .first();
}

/** Gives waiting conversations to an agent until there is no room: the most urgent first, then the longest waiting. */
export async function fillFromQueue(ctx: MutationCtx, agentId: Id<"agents">): Promise<number> {
  let taken = 0;
  for (;;) {
    const agent = await ctx.db.get("agents", agentId);
    if (agent === null || agent.status !== "online" || agent.load >= agent.loadMax) return taken;
    const next = await nextInQueue(ctx);
    if (next === null) return taken;
    await assign(ctx, next._id, agent);
    taken += 1;
  }
}

/** Ends a conversation and frees whoever had it for the next. */
export async function resolve(
  ctx: MutationCtx,
  conversation: Conversation,
  status: "resolved" | "closed",
): Promise<void> {
  if (!isOpen(conversation)) {
    await ctx.db.patch("conversations", conversation._id, { status });
    return;
  }
  const nowMs = Date.now();
  await ctx.db.patch("conversations", conversation._id, { status, resolvedAt: nowMs });
  const { assignedAgentId: agentId } = conversation;
  await track(ctx, "resolved", {
    userId: conversation.userId,
    conversationId: conversation._id,
    value: nowMs - conversation._creationTime,
    ...(agentId === undefined ? {} : { agentId }),
  });
  if (agentId === undefined || conversation.status !== "human") return;
  await addToAgent(ctx, agentId, {
    load: -1,
    resolved: 1,
    resolutionMs: nowMs - (conversation.assignedAt ?? nowMs),
  });
  await fillFromQueue(ctx, agentId);
}

/** Back to the queue, for somebody else: its place is that of when it first came. */
export async function release(ctx: MutationCtx, conversation: Conversation): Promise<void> {
  if (conversation.status !== "human" || conversation.assignedAgentId === undefined)
    throw appError("conflict", "Nobody has this conversation.");
  await ctx.db.patch("conversations", conversation._id, {
    status: "queued",
    assignedAgentId: undefined,
    assignedAt: undefined,
  });
  await addToAgent(ctx, conversation.assignedAgentId, { load: -1 });
}

/** A customer who writes into a conversation that has ended opens it again. */
export async function reopen(ctx: MutationCtx, conversation: Conversation): Promise<Conversation> {
  if (isOpen(conversation)) return conversation;
  const changes = { status: "bot" as const, resolvedAt: undefined, assignedAgentId: undefined };
  await ctx.db.patch("conversations", conversation._id, changes);
  const { resolvedAt: _resolvedAt, assignedAgentId: _agent, ...rest } = conversation;
  return { ...rest, status: "bot" };
}

/** How long a customer waits for the bot before people are asked. */
const answerMsMax = 90_000;

/** Takes in what a customer wrote, whichever way it came, and sees to it that it is answered. */
export async function receive(
  ctx: MutationCtx,
  found: Conversation,
  message: Pick<Doc<"messages">, "content" | "externalId" | "attachment" | "media">,
): Promise<Id<"messages">> {
  const conversation = await reopen(ctx, found);
  const messageId = await addMessage(ctx, conversation, {
    author: "customer",
    userId: conversation.userId,
    state: "sent",
    ...message,
  });
  await track(ctx, "message_received", {
    userId: conversation.userId,
    conversationId: conversation._id,
  });
  if (conversation.status === "bot") {
    await assignBot(ctx, conversation, message.content);
    const about = { conversationId: conversation._id, messageId };
    await ctx.scheduler.runAfter(0, internal.rag.answer.answer, about);
    // The answer is an action, which is run at most once: people take over if it is lost with its process.
    await ctx.scheduler.runAfter(answerMsMax, internal.conversations.checkAnswered, about);
  }
  return messageId;
}

const summaryMessages = 6;
const summaryLengthMax = 1_500;

async function summarize(ctx: QueryCtx, conversation: Conversation, reason: string): Promise<string> {
  const user = await ctx.db.get("users", conversation.userId);
  const latest = await ctx.db
    .query("messages")
    .withIndex("by_conversation", (q) => q.eq("conversationId", conversation._id))
    .order("desc")
    .take(summaryMessages);
  const lines = latest
    .reverse()
    .map((message) => ({ author: message.author, text: textWithFile(message) }))
    .filter(({ author, text }) => author !== "system" && text !== "")
    .map(({ author, text }) => `${author === "customer" ? "Customer" : "Bot"}: ${text}`);
  const contact = [user?.name, user?.email, user?.phone].filter((part) => part !== undefined).join(", ");
  return [`${contact} about “${conversation.subject}”. Reason: ${reason}.`, ...lines]
    .join("\n")
    .slice(0, summaryLengthMax);
}
