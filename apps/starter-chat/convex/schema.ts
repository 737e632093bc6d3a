import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

// Message parts: a message is a list of them, and `content` is their text, flattened for search.

const textPart = v.object({
  type: v.literal("text"),
  text: v.string(),
});

const imagePart = v.object({
  type: v.literal("image"),
  url: v.string(),
  alt: v.optional(v.string()),
  width: v.optional(v.number()),
  height: v.optional(v.number()),
});

const codePart = v.object({
  type: v.literal("code"),
  language: v.string(),
  code: v.string(),
  filename: v.optional(v.string()),
});

const filePart = v.object({
  type: v.literal("file"),
  fileId: v.id("_storage"),
  fileName: v.string(),
  fileType: v.string(),
  fileSize: v.number(),
});

/** One part of a message. Extensible: add a member here and a case in `model/parts.ts`. */
export const messagePart = v.union(textPart, imagePart, codePart, filePart);

const messageMetadata = v.object({
  // Of a language model's answer.
  model: v.optional(v.string()),
  tokens: v.optional(
    v.object({
      prompt: v.number(),
      completion: v.number(),
      total: v.number(),
    }),
  ),
  processingTime: v.optional(v.number()),
  temperature: v.optional(v.number()),
  error: v.optional(
    v.object({
      code: v.string(),
      message: v.string(),
      timestamp: v.number(),
    }),
  ),
  // Of a person's edits, oldest first.
  edited: v.optional(v.boolean()),
  editHistory: v.optional(
    v.array(
      v.object({
        timestamp: v.number(),
        previousContent: v.string(),
      }),
    ),
  ),
});

export const userPreferences = v.object({
  theme: v.optional(v.union(v.literal("light"), v.literal("dark"), v.literal("system"))),
  language: v.optional(v.string()),
  defaultModel: v.optional(v.string()),
  enableNotifications: v.optional(v.boolean()),
});

export const chatSettings = v.object({
  temperature: v.optional(v.number()),
  maxTokens: v.optional(v.number()),
  topP: v.optional(v.number()),
  frequencyPenalty: v.optional(v.number()),
  presencePenalty: v.optional(v.number()),
});

export const sharePermissions = v.object({
  canRead: v.boolean(),
  canWrite: v.boolean(),
  canShare: v.boolean(),
});

export const deviceInfo = v.object({
  userAgent: v.string(),
  platform: v.string(),
  browser: v.string(),
  ipAddress: v.optional(v.string()),
});

/** What is known of a file's content once it has been looked into. */
export const fileMetadata = v.object({
  dimensions: v.optional(
    v.object({
      width: v.number(),
      height: v.number(),
    }),
  ),
  duration: v.optional(v.number()), // seconds; audio and video
  pages: v.optional(v.number()), // documents
  encoding: v.optional(v.string()),
});

export const fileStatus = v.union(
  v.literal("uploading"),
  v.literal("processing"),
  v.literal("ready"),
  v.literal("error"),
);

/**
 * Every table of the chat. `_creationTime` is the last field of every index without being listed: the platform
 * appends it, and refuses it when it is named.
 */
export default defineSchema({
  // User accounts. The row belongs to the person whose token carries `tokenIdentifier`.
  users: defineTable({
    name: v.string(),
    email: v.optional(v.string()),
    image: v.optional(v.string()),
    tokenIdentifier: v.string(),
    preferences: v.optional(userPreferences),
    isActive: v.optional(v.boolean()),
    lastActiveAt: v.optional(v.number()),
  })
    .index("by_token", ["tokenIdentifier"])
    .index("by_email", ["email"])
    .index("by_active", ["isActive"]),

  // Conversations.
  chats: defineTable({
    userId: v.id("users"),
    title: v.optional(v.string()),
    model: v.optional(v.string()),
    systemPrompt: v.optional(v.string()),
    settings: v.optional(chatSettings),
    messageCount: v.optional(v.number()),
    lastMessageAt: v.optional(v.number()),
    isArchived: v.optional(v.boolean()),
    tags: v.optional(v.array(v.string())),
    deletingAt: v.optional(v.number()), // its cascade is under way: nobody sees it any more
  })
    .index("by_user", ["userId"])
    .index("by_user_active", ["userId", "isArchived"])
    .index("by_last_message", ["userId", "lastMessageAt"])
    .searchIndex("by_title_content", {
      searchField: "title",
      filterFields: ["userId", "isArchived"],
    }),

  // Messages with several parts.
  messages: defineTable({
    chatId: v.id("chats"),
    chatOwnerId: v.optional(v.id("users")), // whose chat it is: search over all of one's chats filters by it
    userId: v.optional(v.id("users")), // absent for system and assistant messages
    role: v.union(v.literal("user"), v.literal("assistant"), v.literal("system")),
    parts: v.optional(v.array(messagePart)),
    content: v.string(),
    metadata: v.optional(messageMetadata),
    status: v.optional(
      v.union(
        v.literal("sending"),
        v.literal("sent"),
        v.literal("delivered"),
        v.literal("error"),
        v.literal("deleted"),
      ),
    ),
    parentMessageId: v.optional(v.id("messages")),
    threadLevel: v.optional(v.number()),
    answerRun: v.optional(v.number()), // how often it has been answered anew: only the last one may go on writing
  })
    .index("by_chat_created", ["chatId"])
    .index("by_chat_role", ["chatId", "role"])
    .index("by_user_created", ["userId"])
    .index("by_thread", ["parentMessageId", "threadLevel"])
    .searchIndex("by_content", {
      searchField: "content",
      filterFields: ["userId", "chatId", "role", "chatOwnerId"],
    }),

  // Files in conversations.
  chat_attachments: defineTable({
    userId: v.id("users"),
    chatId: v.id("chats"),
    messageId: v.optional(v.id("messages")),
    fileId: v.id("_storage"),
    fileName: v.string(),
    fileType: v.string(),
    fileSize: v.number(), // bytes
    metadata: v.optional(fileMetadata),
    status: v.optional(fileStatus),
    isPublic: v.optional(v.boolean()),
    downloadCount: v.optional(v.number()),
  })
    .index("by_chat", ["chatId"])
    .index("by_chat_file", ["chatId", "fileId"]) // beyond document 004: what a message's file part points to
    .index("by_user", ["userId"])
    .index("by_message", ["messageId"])
    .index("by_file_type", ["fileType"])
    .index("by_status", ["status"]),

  // Where a person is, or was, signed in.
  user_sessions: defineTable({
    userId: v.id("users"),
    sessionId: v.string(),
    deviceInfo: v.optional(deviceInfo),
    startedAt: v.number(),
    lastActiveAt: v.number(),
    endedAt: v.optional(v.number()),
    isActive: v.boolean(),
  })
    .index("by_user", ["userId", "isActive"])
    .index("by_session", ["sessionId"])
    .index("by_active", ["isActive", "lastActiveAt"]),

  // Who else may read, write or share a conversation: a person, an address whose owner has no account yet, or
  // (neither of the two) whoever has the link.
  chat_shares: defineTable({
    chatId: v.id("chats"),
    ownerId: v.id("users"),
    sharedWithUserId: v.optional(v.id("users")),
    invitedEmail: v.optional(v.string()),
    viaShareId: v.optional(v.id("chat_shares")), // the link this person has joined by; it ends with the link
    shareToken: v.string(),
    permissions: sharePermissions,
    expiresAt: v.optional(v.number()), // ms since the epoch
    isActive: v.boolean(),
    accessCount: v.optional(v.number()),
  })
    .index("by_chat", ["chatId", "isActive"])
    .index("by_owner", ["ownerId", "isActive"])
    .index("by_shared_user", ["sharedWithUserId", "isActive"])
    .index("by_token", ["shareToken"])
    .index("by_expiry", ["expiresAt", "isActive"])
    .index("by_invited_email", ["invitedEmail", "isActive"])
    .index("by_via", ["viaShareId", "isActive"]),

  // Beyond document 004: up to where somebody has read a conversation.
  chat_reads: defineTable({
    userId: v.id("users"),
    chatId: v.id("chats"),
    readAt: v.number(), // ms since the epoch
  })
    .index("by_user_chat", ["userId", "chatId"])
    .index("by_chat", ["chatId"]),

  // Beyond document 004: how often something has been tried lately, so that nobody guesses a password.
  attempts: defineTable({
    key: v.string(), // what is tried, and for whom or from where
    count: v.number(),
    until: v.number(), // ms since the epoch; from then on it counts anew
  })
    .index("by_key", ["key"])
    .index("by_until", ["until"]),

  // Beyond document 004: how far each migration is.
  migrations: defineTable({
    name: v.string(),
    way: v.union(v.literal("up"), v.literal("down")),
    cursor: v.union(v.string(), v.null()),
    isDone: v.boolean(),
    seen: v.number(),
  }).index("by_name", ["name"]),

  // Beyond document 004: who is writing in a conversation right now.
  chat_typing: defineTable({
    userId: v.id("users"),
    chatId: v.id("chats"),
    until: v.number(), // ms since the epoch
  })
    .index("by_user_chat", ["userId", "chatId"])
    .index("by_chat", ["chatId"]),
});
