/** Every limit of the app in one place. Lengths are in UTF-16 code units, as JavaScript counts them. */
export const limits = {
  nameLengthMax: 100,
  passwordLengthMin: 10,
  passwordLengthMax: 128,
  emailLengthMax: 320,
  urlLengthMax: 2048,
  languageLengthMax: 35,
  titleLengthMax: 200,
  systemPromptLengthMax: 2000,
  temperatureMax: 2,
  tokensMax: 32_000,
  penaltyMax: 2,
  tagsMax: 20,
  tagLengthMax: 50,
  contentLengthMax: 100_000,
  partsMax: 50,
  codeLanguageLengthMax: 50,
  fileNameLengthMax: 255,
  threadLevelMax: 10,
  editHistoryEntriesMax: 50,
  /** A document holds 1 MiB; a message with its longest content and this much history stays below it. */
  editHistoryBytesMax: 330_000,
  searchLengthMax: 200,
  searchResultsMax: 50,
  previewLength: 160,
  /** Of what stands before a hit in an excerpt. */
  excerptBefore: 60,
  /** 100 MB */
  fileBytesMax: 104_857_600,
  /** What the assistant is told of the conversation. */
  assistantContextMessages: 40,
  sharesPerChatMax: 50,
  membersShownMax: 10,
  pageItemsMax: 100,
  titleFromMessageLength: 60,
  unreadShownMax: 99,
  tagsShownMax: 50,
  /** Chats looked through for the list of tags, and for those with one tag. */
  chatsTaggedMax: 1000,
  /** Chats of others that a search over everything looks into, the latest shares first. */
  sharedChatsSearchedMax: 20,
  sharedResultsPerChatMax: 10,
  /** Messages that one call marks as delivered. */
  deliveredPerReadMax: 100,
  /** Open invitations to addresses without an account, over all chats of one owner. */
  invitationsOpenMax: 100,
  invitationsClaimedMax: 500,
  userAgentLengthMax: 500,
  sessionsShownMax: 100,
  windowIdLengthMax: 100,
  activityStepMs: 60_000,
  /** Sessions that have been still for so long are over, whatever became of their window. */
  sessionIdleMs: 30 * 24 * 3_600_000,
  typingMs: 5_000,
  /** How far ahead the scheduler is used. */
  scheduleAheadMsMax: 365 * 24 * 3_600_000,
  heartbeatMsMin: 1_000,
  heartbeatMsMax: 60_000,
  processingAttemptsMax: 3,
  /** A file that has not been looked into after so long is tried again: its action may be gone with its process. */
  processingMs: 60_000,
  sweepBatch: 100,
  /** How far back a sweep looks for shares that have ended. */
  sweepBackMs: 30 * 24 * 3_600_000,
  migrationBatch: 200,
  migrationsMax: 1000,
  /** What one step of a cascade may delete, well below what one mutation may write. */
  cascadeDocumentsMax: 400,
  /** Rows of Better Auth's tables that one call of its component deletes. */
  authRowsPerCall: 50,
  /** Pages of open links in mails, 200 each, that deleting an account looks through. */
  verificationPagesMax: 20,
  cascadeBytesMax: 4 * 1024 * 1024,
} as const;

/**
 * How often somebody who is not signed in may try something: for one e-mail address, whoever it is, and from one place
 * in the network, for whatever addresses. Generous to people, of whom many may share a place, and of no use to programs.
 */
export const attemptLimits = {
  /** Wrong passwords. */
  password: { perAddressMax: 10, perPlaceMax: 100, windowMs: 15 * 60_000 },
  /** Mails asked for: to confirm an address, for a new password. */
  mail: { perAddressMax: 5, perPlaceMax: 50, windowMs: 3_600_000 },
  /** New accounts; each sends a mail to somebody. */
  account: { perAddressMax: 20, perPlaceMax: 200, windowMs: 3_600_000 },
} as const;

/** The language models a chat may name. */
export const availableModels = [
  "gpt-4",
  "gpt-4-turbo",
  "gpt-4o",
  "gpt-4o-mini",
  "gpt-4.1",
  "gpt-4.1-mini",
  "claude-sonnet",
  "claude-haiku",
  "llama-3",
  "mistral-large",
] as const;
