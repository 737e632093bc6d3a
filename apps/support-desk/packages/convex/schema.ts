import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export const userRole = v.union(v.literal("customer"), v.literal("agent"), v.literal("admin"));
export const channel = v.union(v.literal("web"), v.literal("sms"));

/** bot: answered from the knowledge base. queued: waits for a person. human: has one. resolved, closed: ended. */
export const conversationStatus = v.union(
  v.literal("bot"),
  v.literal("queued"),
  v.literal("human"),
  v.literal("resolved"),
  v.literal("closed"),
);
export const priority = v.union(
  v.literal("low"),
  v.literal("normal"),
  v.literal("high"),
  v.literal("urgent"),
);
export const author = v.union(
  v.literal("customer"),
  v.literal("bot"),
  v.literal("agent"),
  v.literal("system"),
);
export const agentKind = v.union(v.literal("ai"), v.literal("human"));
export const agentStatus = v.union(v.literal("online"), v.literal("away"), v.literal("offline"));
export const knowledgeType = v.union(
  v.literal("faq"),
  v.literal("article"),
  v.literal("policy"),
  v.literal("manual"),
);
export const knowledgeFormat = v.union(
  v.literal("markdown"),
  v.literal("text"),
  v.literal("html"),
  v.literal("pdf"),
);
export const workflowStatus = v.union(
  v.literal("running"),
  v.literal("paused"),
  v.literal("completed"),
  v.literal("failed"),
);

/** A passage an answer rests on: `[1]` in the text is the first of them. */
export const citation = v.object({
  knowledgeId: v.id("knowledge"),
  documentId: v.string(),
  title: v.string(),
  source: v.optional(v.string()),
  score: v.number(),
});

export const agentMetrics = v.object({
  conversations: v.number(),
  messages: v.number(),
  resolved: v.number(),
  /** Sums, in milliseconds: an average is a sum by its count. */
  firstResponseMs: v.number(),
  firstResponses: v.number(),
  resolutionMs: v.number(),
  /** Sum of stars (1 to 5) and how often they were given. */
  stars: v.number(),
  ratings: v.number(),
});

/** What an answer of the bot cost, and how sure it was. */
export const answerMetadata = v.object({
  model: v.optional(v.string()),
  promptTokens: v.optional(v.number()),
  completionTokens: v.optional(v.number()),
  durationMs: v.optional(v.number()),
  /** The score of the best passage. */
  confidence: v.optional(v.number()),
});
export const messageState = v.union(v.literal("pending"), v.literal("sent"), v.literal("failed"));

/** A file that came with a message. */
export const attachment = v.object({
  storageId: v.id("_storage"),
  name: v.string(),
  contentType: v.string(),
  size: v.number(),
});

/** A file of a message that its provider still has; it is fetched soon (`mms.ts`), and `dueAt` says when to look again. */
export const media = v.object({
  url: v.string(),
  contentType: v.string(),
  attempts: v.number(),
  dueAt: v.number(),
});

/** What a client says of one. */
export const sentAttachment = attachment.pick("storageId", "name");

export const agentFields = {
  name: v.string(),
  kind: agentKind,
  /** Of a person. */
  userId: v.optional(v.id("users")),
  /** Of a bot. */
  model: v.optional(v.string()),
  instructions: v.optional(v.string()),
  skills: v.array(v.string()),
  status: agentStatus,
  /** Conversations at this moment, and how many there may be. */
  load: v.number(),
  loadMax: v.number(),
  metrics: agentMetrics,
};

export default defineSchema({
  /** Everybody: customers who write, agents who answer, admins who look after both. */
  users: defineTable({
    email: v.optional(v.string()),
    /** E.164, e.g. +4915112345678: customers who write by SMS may have nothing else. */
    phone: v.optional(v.string()),
    name: v.string(),
    role: userRole,
    emailVerified: v.boolean(),
    /** Of the code that was sent last. Only its hash is kept. */
    verification: v.optional(v.object({ codeHash: v.string(), expiresAt: v.number(), attempts: v.number() })),
    locale: v.optional(v.string()),
    lastSeenAt: v.number(),
  })
    .index("by_email", ["email"])
    .index("by_phone", ["phone"])
    .index("by_role", ["role", "name"]),

  conversations: defineTable({
    userId: v.id("users"),
    channel,
    status: conversationStatus,
    subject: v.string(),
    priority,
    /** 0 (urgent) to 3 (low): what the queue sorts by. */
    priorityRank: v.number(),
    /** Skills the person who takes over should have. */
    skills: v.array(v.string()),
    assignedAgentId: v.optional(v.id("agents")),
    /** The bot that answers, as long as it is online. */
    botId: v.optional(v.id("agents")),
    escalationReason: v.optional(v.string()),
    /** What whoever takes over should know, written when the bot hands over. */
    summary: v.optional(v.string()),
    messageCount: v.number(),
    lastMessageAt: v.number(),
    queuedAt: v.optional(v.number()),
    assignedAt: v.optional(v.number()),
    firstResponseAt: v.optional(v.number()),
    resolvedAt: v.optional(v.number()),
    stars: v.optional(v.number()),
  })
    .index("by_user", ["userId", "lastMessageAt"])
    .index("by_user_channel", ["userId", "channel", "lastMessageAt"])
    .index("by_status", ["status", "lastMessageAt"])
    .index("by_queue", ["status", "priorityRank", "queuedAt"])
    .index("by_agent", ["assignedAgentId", "status", "lastMessageAt"])
    .searchIndex("search_subject", { searchField: "subject", filterFields: ["status", "assignedAgentId"] }),

  messages: defineTable({
    conversationId: v.id("conversations"),
    author,
    userId: v.optional(v.id("users")),
    agentId: v.optional(v.id("agents")),
    content: v.string(),
    /** "pending" while an answer is being written, "failed" with the reason in `error`. */
    state: messageState,
    error: v.optional(v.string()),
    citations: v.optional(v.array(citation)),
    metadata: v.optional(answerMetadata),
    attachment: v.optional(attachment),
    media: v.optional(media),
    /** Of the provider that delivered it (Twilio's MessageSid): each is taken once. */
    externalId: v.optional(v.string()),
  })
    .index("by_conversation", ["conversationId"])
    .index("by_external", ["externalId"])
    .index("by_attachment", ["attachment.storageId"])
    .index("by_media", ["media.dueAt"])
    .index("by_agent", ["agentId"])
    .index("by_user", ["userId"])
    .searchIndex("search_content", { searchField: "content", filterFields: ["conversationId", "author"] }),

  agents: defineTable(agentFields)
    .index("by_name", ["name"])
    .index("by_user", ["userId"])
    .index("by_kind_status", ["kind", "status", "load"]),

  /** Long work in steps: ingestion, re-embedding, migrations. It goes on where it was after any interruption. */
  workflows: defineTable({
    kind: v.string(),
    /** Names the piece of work: starting it twice finds the first. */
    key: v.string(),
    status: workflowStatus,
    step: v.string(),
    cursor: v.union(v.string(), v.null()),
    done: v.number(),
    total: v.optional(v.number()),
    attempts: v.number(),
    error: v.optional(v.string()),
    startedAt: v.number(),
    updatedAt: v.number(),
  })
    .index("by_key", ["key"])
    .index("by_status", ["status", "updatedAt"])
    .index("by_kind", ["kind", "startedAt"]),

  /**
   * The knowledge base. A "document" row has the whole text; its "chunk" rows have the passages that are searched, with
   * their embedding once it has been computed.
   */
  knowledge: defineTable({
    kind: v.union(v.literal("document"), v.literal("chunk")),
    documentId: v.string(),
    version: v.number(),
    title: v.string(),
    type: knowledgeType,
    format: knowledgeFormat,
    source: v.optional(v.string()),
    active: v.boolean(),
    position: v.number(),
    content: v.string(),
    contentHash: v.string(),
    embedding: v.optional(v.array(v.float64())),
    embeddingModel: v.optional(v.string()),
  })
    .index("by_document", ["documentId", "kind", "position"])
    .index("by_type", ["kind", "type", "title"])
    .index("by_active", ["kind", "active", "title"])
    .searchIndex("search_content", { searchField: "content", filterFields: ["kind", "type", "active"] })
    .vectorIndex("by_embedding", {
      vectorField: "embedding",
      dimensions: 1536,
      filterFields: ["type", "active"],
    }),

  analytics: defineTable({
    event: v.string(),
    /** UTC, e.g. "2026-11-22". */
    day: v.string(),
    userId: v.optional(v.id("users")),
    conversationId: v.optional(v.id("conversations")),
    agentId: v.optional(v.id("agents")),
    value: v.optional(v.number()),
  })
    .index("by_event", ["event"])
    .index("by_day_event", ["day", "event"])
    .index("by_conversation", ["conversationId"])
    .index("by_user", ["userId"]),

  /** Tokens are kept as hashes only: a copy of this table signs nobody in. */
  sessions: defineTable({
    userId: v.id("users"),
    tokenHash: v.string(),
    expiresAt: v.number(),
    refreshHash: v.string(),
    refreshExpiresAt: v.number(),
    /** The refresh token before this one. Whoever shows it again has a stolen copy, or lost it to a thief. */
    previousRefreshHash: v.optional(v.string()),
    ip: v.optional(v.string()),
    userAgent: v.optional(v.string()),
  })
    .index("by_token", ["tokenHash"])
    .index("by_refresh", ["refreshHash"])
    .index("by_previous_refresh", ["previousRefreshHash"])
    .index("by_user", ["userId"])
    .index("by_expiry", ["refreshExpiresAt"]),

  /** One token bucket for each rule and IP address or user. */
  rateLimits: defineTable({
    key: v.string(),
    tokens: v.number(),
    updatedAt: v.number(),
  })
    .index("by_key", ["key"])
    .index("by_updated", ["updatedAt"]),
});
