const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Lengths in characters, times in milliseconds. */
export const limits = {
  nameLengthMax: 100,
  emailLengthMax: 254,
  subjectLengthMax: 200,
  messageLengthMax: 8_000,
  reasonLengthMax: 500,
  skillsMax: 10,
  skillLengthMax: 40,
  agentNameLengthMax: 60,
  instructionsLengthMax: 4_000,
  loadMaxMax: 50,
  titleLengthMax: 200,
  documentLengthMax: 400_000,
  /** Passages of one document; a longer one should be several. */
  chunksPerDocumentMax: 500,
  chunkLengthMax: 1_200,
  chunkOverlap: 150,
  listMax: 100,
  liveMessages: 100,
  searchResults: 20,
  passages: 6,
  historyMessages: 12,
  fileNameLengthMax: 120,
  attachmentBytesMax: 10_000_000,
  /** As many as Twilio sends. */
  filesPerSmsMax: 10,
  uploadAgeMaxMs: dayMs,
  exportAgeMaxMs: hourMs,

  codeAgeMaxMs: 15 * minuteMs,
  codeAttemptsMax: 5,
  sessionMs: hourMs,
  refreshMs: 30 * dayMs,
  sessionsPerUser: 20,
} as const;

/** A passage less alike than this is not worth quoting. */
export const relevanceMin = 0.15;

export interface RateRule {
  /** Size of the bucket, and how many tokens come back in `perMs`. */
  readonly capacity: number;
  readonly perMs: number;
}

/** Enforced in the same transaction as what they guard, so parallel calls cannot slip through together. */
export const rateRules = {
  createUserPerIp: { capacity: 10, perMs: hourMs },
  codePerEmail: { capacity: 5, perMs: hourMs },
  codePerIp: { capacity: 20, perMs: hourMs },
  sessionPerIp: { capacity: 30, perMs: hourMs },
  refreshPerIp: { capacity: 120, perMs: hourMs },
  messagePerUser: { capacity: 20, perMs: minuteMs },
  messagePerIp: { capacity: 60, perMs: minuteMs },
  uploadPerUser: { capacity: 20, perMs: hourMs },
  exportPerUser: { capacity: 5, perMs: hourMs },
  conversationPerUser: { capacity: 10, perMs: hourMs },
  smsPerPhone: { capacity: 20, perMs: hourMs },
} as const satisfies Record<string, RateRule>;
