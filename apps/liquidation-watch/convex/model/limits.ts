/** Every limit of the backend, unit last. */

/** Price updates in one batch of the feed; also the number of symbols a market may have. */
export const BATCH_PRICES_MAX = 200;
export const BATCH_LIQUIDATIONS_MAX = 500;
/** Events may carry the time of a clock that is ahead of the server's by this much. */
export const CLOCK_AHEAD_MAX_MS = 60_000;

export const LIQUIDATIONS_KEPT_MS = 10 * 60_000;
export const SECONDS_KEPT = 600;
export const MINUTES_KEPT = 30;
/** The comments of agents; what people say is kept. */
export const COMMENTS_KEPT_MS = 24 * 3_600_000;

/** What one query returns at most. */
export const PRICES_SHOWN_MAX = 200;
export const LIQUIDATIONS_SHOWN_MAX = 200;
export const LIQUIDATIONS_PAGE_MAX = 500;
export const MESSAGES_SHOWN_MAX = 100;
/** Liquidations looked at to find those over `min_usd`; the terminal keeps what it has found before. */
export const LIQUIDATIONS_SCANNED_MAX = 500;
export const PULSE_SECONDS = 60;
export const LEADER_MINUTES = 5;

export const AGENTS_MAX = 20;
/** However often agents are asked to speak: one comment in this time. */
export const COMMENT_GAP_MIN_MS = 4_000;
/** What agents look back on. */
export const COMMENT_WINDOW_MS = 10_000;
export const COMMENT_SCAN_MAX = 200;

export const USERNAME_CHARS_MAX = 24;
export const BIO_CHARS_MAX = 280;
export const WALLET_CHARS_MAX = 128;
export const MESSAGE_CHARS_MAX = 500;
/** Old comments of one agent that one call deletes. */
export const COMMENTS_DELETED_MAX = 200;
/** One person may say this much in this time. */
export const MESSAGES_PER_WINDOW_MAX = 8;
export const MESSAGE_WINDOW_MS = 10_000;
