import { type Infer, v } from "convex/values";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { QueryCtx } from "../_generated/server.js";
import {
  chatSettings,
  fileMetadata,
  fileStatus,
  messagePart,
  sharePermissions,
  userPreferences,
} from "../schema.ts";
import { accessOfShare, type ChatAccess } from "./access.ts";
import { limits } from "./limits.ts";
import { preview } from "./parts.ts";
import { unreadIn } from "./reads.ts";

// What clients get to see. Documents themselves never leave the server: each view names its fields.

/** A person as anyone signed in may see them. */
export const profileView = v.object({
  _id: v.id("users"),
  name: v.string(),
  image: v.optional(v.string()),
});
export type Profile = Infer<typeof profileView>;

/** A person as they see themselves. */
export const accountView = v.object({
  _id: v.id("users"),
  _creationTime: v.number(),
  name: v.string(),
  /** Only once it is confirmed. */
  email: v.optional(v.string()),
  emailVerified: v.boolean(),
  image: v.optional(v.string()),
  preferences: v.optional(userPreferences),
  /** False: it is being deleted. */
  isActive: v.boolean(),
});
export type Account = Infer<typeof accountView>;

const lastMessageView = v.object({
  _id: v.id("messages"),
  _creationTime: v.number(),
  role: v.union(v.literal("user"), v.literal("assistant"), v.literal("system")),
  preview: v.string(),
  author: v.union(profileView, v.null()),
});

/** A chat in a list, with what was said last and what the caller may do. */
export const chatView = v.object({
  _id: v.id("chats"),
  _creationTime: v.number(),
  title: v.optional(v.string()),
  model: v.optional(v.string()),
  isArchived: v.boolean(),
  tags: v.array(v.string()),
  messageCount: v.number(),
  lastMessageAt: v.number(),
  lastMessage: v.union(lastMessageView, v.null()),
  owner: v.union(profileView, v.null()),
  access: v.object({ ...sharePermissions.fields, isOwner: v.boolean() }),
  /** What others, and the assistant, have said since the caller has read it; at most 99. */
  unread: v.number(),
  /** Somebody else than the owner can see it: a person, or whoever has a link. */
  isShared: v.boolean(),
});
export type Chat = Infer<typeof chatView>;

/** One chat, opened. */
export const chatDetailsView = v.object({
  ...chatView.fields,
  /** Its owner and those it is shared with, at most ten of them. */
  members: v.array(profileView),
  systemPrompt: v.optional(v.string()),
  settings: v.optional(chatSettings),
});
export type ChatDetails = Infer<typeof chatDetailsView>;

/** A message, without its edit history (see getMessageHistory). */
export const messageView = v.object({
  _id: v.id("messages"),
  _creationTime: v.number(),
  chatId: v.id("chats"),
  userId: v.optional(v.id("users")),
  role: v.union(v.literal("user"), v.literal("assistant"), v.literal("system")),
  parts: v.array(messagePart),
  content: v.string(),
  status: v.union(v.literal("sending"), v.literal("sent"), v.literal("delivered"), v.literal("error")),
  edited: v.boolean(),
  /** Of an answer: which model wrote it, how long it took, what went wrong. */
  answer: v.optional(
    v.object({
      model: v.optional(v.string()),
      tokens: v.optional(v.number()),
      processingTime: v.optional(v.number()),
      error: v.optional(v.string()),
    }),
  ),
  threadLevel: v.number(),
  parent: v.union(
    v.object({ _id: v.id("messages"), preview: v.string(), author: v.union(profileView, v.null()) }),
    v.null(),
  ),
  author: v.union(profileView, v.null()),
});
export type Message = Infer<typeof messageView>;

/** A message as a search shows it. */
export const searchResultView = v.object({
  _id: v.id("messages"),
  _creationTime: v.number(),
  chatId: v.id("chats"),
  chatTitle: v.optional(v.string()),
  role: v.union(v.literal("user"), v.literal("assistant"), v.literal("system")),
  preview: v.string(),
  author: v.union(profileView, v.null()),
});
export type SearchResult = Infer<typeof searchResultView>;

/** Where somebody is signed in. */
export const sessionView = v.object({
  _id: v.id("user_sessions"),
  browser: v.string(),
  platform: v.string(),
  ipAddress: v.optional(v.string()),
  startedAt: v.number(),
  lastActiveAt: v.number(),
  /** The one that asks. */
  isCurrent: v.boolean(),
});
export type Session = Infer<typeof sessionView>;

/** With whom a chat is shared. */
export const shareView = v.object({
  _id: v.id("chat_shares"),
  /** Null: an address whose owner has no account yet, or has not confirmed it. */
  user: v.union(profileView, v.null()),
  email: v.optional(v.string()),
  isPending: v.boolean(),
  permissions: sharePermissions,
  expiresAt: v.optional(v.number()),
});
export type Share = Infer<typeof shareView>;

/** A link that opens a chat to whoever has it. */
export const shareLinkView = v.object({
  _id: v.id("chat_shares"),
  token: v.string(),
  permissions: sharePermissions,
  expiresAt: v.optional(v.number()),
  accessCount: v.number(),
  createdAt: v.number(),
});
export type ShareLink = Infer<typeof shareLinkView>;

/** A chat as it looks from a link, without signing in. */
export const linkedChatView = v.object({
  chatId: v.id("chats"),
  title: v.optional(v.string()),
  owner: v.union(profileView, v.null()),
  permissions: sharePermissions,
  expiresAt: v.optional(v.number()),
  messageCount: v.number(),
  /** The caller is signed in, and the chat is theirs or shared with them. */
  isMember: v.boolean(),
});
export type LinkedChat = Infer<typeof linkedChatView>;

/** Somebody who looks, or has looked, at a chat. */
export const presenceView = v.object({
  user: profileView,
  isOnline: v.boolean(),
  lastSeenAt: v.optional(v.number()),
  /** They are writing until then, unless they go on; 0: they are not. */
  typingUntil: v.number(),
});
export type PresenceEntry = Infer<typeof presenceView>;

/** A file of a chat. */
export const attachmentView = v.object({
  _id: v.id("chat_attachments"),
  _creationTime: v.number(),
  chatId: v.id("chats"),
  messageId: v.optional(v.id("messages")),
  fileId: v.id("_storage"),
  fileName: v.string(),
  fileType: v.string(),
  fileSize: v.number(),
  status: fileStatus,
  isPublic: v.boolean(),
  downloadCount: v.number(),
  metadata: v.optional(fileMetadata),
  uploader: v.union(profileView, v.null()),
});
export type Attachment = Infer<typeof attachmentView>;

export function toProfile(user: Doc<"users">): Profile {
  return { _id: user._id, name: user.name, ...(user.image === undefined ? {} : { image: user.image }) };
}

export function toAccount(user: Doc<"users">): Account {
  const { _id, _creationTime, name, email, image, preferences } = user;
  return {
    _id,
    _creationTime,
    name,
    ...(email === undefined ? {} : { email }),
    emailVerified: email !== undefined,
    ...(image === undefined ? {} : { image }),
    ...(preferences === undefined ? {} : { preferences }),
    isActive: user.isActive !== false,
  };
}

/** Reads each person of a page once. */
export class People {
  readonly #ctx: QueryCtx;
  readonly #known = new Map<Id<"users">, Promise<Profile | null>>();

  constructor(ctx: QueryCtx) {
    this.#ctx = ctx;
  }

  async profile(userId: Id<"users"> | undefined): Promise<Profile | null> {
    if (userId === undefined) return null;
    let profile = this.#known.get(userId);
    if (profile === undefined) {
      profile = this.#ctx.db.get("users", userId).then((user) => (user === null ? null : toProfile(user)));
      this.#known.set(userId, profile);
    }
    return await profile;
  }
}

export async function toChatView(
  ctx: QueryCtx,
  people: People,
  userId: Id<"users">,
  chat: Doc<"chats">,
  access: ChatAccess,
): Promise<Chat> {
  const last = await lastMessageOf(ctx, chat._id);
  const share = await ctx.db
    .query("chat_shares")
    .withIndex("by_chat", (q) => q.eq("chatId", chat._id).eq("isActive", true))
    .first();
  return {
    _id: chat._id,
    _creationTime: chat._creationTime,
    ...(chat.title === undefined ? {} : { title: chat.title }),
    ...(chat.model === undefined ? {} : { model: chat.model }),
    isArchived: chat.isArchived ?? false,
    tags: chat.tags ?? [],
    messageCount: chat.messageCount ?? 0,
    lastMessageAt: chat.lastMessageAt ?? chat._creationTime,
    lastMessage:
      last === null
        ? null
        : {
            _id: last._id,
            _creationTime: last._creationTime,
            role: last.role,
            preview: preview(last.content),
            author: await people.profile(last.userId),
          },
    owner: await people.profile(chat.userId),
    access: {
      isOwner: access.isOwner,
      canRead: access.canRead,
      canWrite: access.canWrite,
      canShare: access.canShare,
    },
    unread: await unreadIn(ctx, userId, chat),
    isShared: share !== null,
  };
}

/** The owner of a chat and the people it is shared with now, as far as a header has room for them. */
export async function membersOf(ctx: QueryCtx, people: People, chat: Doc<"chats">): Promise<Profile[]> {
  const shares = await ctx.db
    .query("chat_shares")
    .withIndex("by_chat", (q) => q.eq("chatId", chat._id).eq("isActive", true))
    .take(limits.membersShownMax - 1);
  const present = shares.filter((share) => accessOfShare(share) !== null);
  const ids = [chat.userId, ...present.map(({ sharedWithUserId }) => sharedWithUserId)];
  const profiles = await Promise.all(ids.map((id) => people.profile(id)));
  return profiles.filter((profile) => profile !== null);
}

export async function toAttachmentView(
  people: People,
  attachment: Doc<"chat_attachments">,
): Promise<Attachment> {
  const { _id, _creationTime, chatId, messageId, fileId, fileName, fileType, fileSize, metadata } =
    attachment;
  return {
    _id,
    _creationTime,
    chatId,
    ...(messageId === undefined ? {} : { messageId }),
    fileId,
    fileName,
    fileType,
    fileSize,
    status: attachment.status ?? "ready",
    isPublic: attachment.isPublic ?? false,
    downloadCount: attachment.downloadCount ?? 0,
    ...(metadata === undefined ? {} : { metadata }),
    uploader: await people.profile(attachment.userId),
  };
}

export async function toMessageView(
  ctx: QueryCtx,
  people: People,
  message: Doc<"messages">,
): Promise<Message> {
  const { _id, _creationTime, chatId, userId, role, parts, content, status } = message;
  const parent =
    message.parentMessageId === undefined ? null : await ctx.db.get("messages", message.parentMessageId);
  return {
    _id,
    _creationTime,
    chatId,
    ...(userId === undefined ? {} : { userId }),
    role,
    parts: parts ?? [{ type: "text", text: content }],
    content,
    status: status === undefined || status === "deleted" ? "sent" : status,
    edited: message.metadata?.edited ?? false,
    ...(role === "assistant" ? { answer: answerOf(message) } : {}),
    threadLevel: message.threadLevel ?? 0,
    parent:
      parent === null
        ? null
        : {
            _id: parent._id,
            preview: preview(parent.content),
            author: await people.profile(parent.userId),
          },
    author: await people.profile(userId),
  };
}

function answerOf({ metadata }: Doc<"messages">): NonNullable<Message["answer"]> {
  const { model, tokens, processingTime, error } = metadata ?? {};
  return {
    ...(model === undefined ? {} : { model }),
    ...(tokens === undefined ? {} : { tokens: tokens.total }),
    ...(processingTime === undefined ? {} : { processingTime }),
    ...(error === undefined ? {} : { error: error.message }),
  };
}

/** The newest message of a chat that is not on its way out. */
export async function lastMessageOf(ctx: QueryCtx, chatId: Id<"chats">): Promise<Doc<"messages"> | null> {
  return await ctx.db
    .query("messages")
    .withIndex("by_chat_created", (q) => q.eq("chatId", chatId))
    .order("desc")
    .filter((q) => q.neq(q.field("status"), "deleted"))
    .first();
}
