// The types a frontend needs, in one place: `import type { Chat } from "../convex/types.ts"`.

export type { Doc, Id } from "./_generated/dataModel.js";
export type { ErrorCode, ErrorData } from "./model/errors.ts";
export type { MessagePart } from "./model/parts.ts";
export type {
  Account,
  Attachment,
  Chat,
  ChatDetails,
  LinkedChat,
  Message,
  PresenceEntry,
  Profile,
  SearchResult,
  Session,
  Share,
  ShareLink,
} from "./model/views.ts";
