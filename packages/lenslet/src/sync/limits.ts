/** Numbers of reference sync-protocol.md §9 and our own bounds. */

export const mutationsQueuedMax = 1_000;
export const actionsInFlightMax = 1_000;
/** A client that re-subscribes to more than this has lost count of its subscriptions. */
export const queriesPerConnectionMax = 200_000;
export const connectionsMax = 200_000;

/** Transitions handed to a socket that the kernel has not taken yet; then further ones are coalesced. */
export const transitionsUnsentMax = 2;
/** Transitions above this are cut into TransitionChunks of at most this many UTF-8 bytes. */
export const chunkBytesMax = 5_000_000;
/** Arguments may be 16 MiB; escaped in JSON they grow, and a reconnect re-sends every query in one message. */
export const messageBytesMax = 32 * 1024 * 1024;
/** Arguments of all mutations and actions that clients of all sockets wait for; who sends more has to come back. */
export const waitingArgumentsMax = 1024 * 1024 * 1024;
/** While more than this waits to be sent to a client, nothing more is read from it. */
export const sendHighWaterBytes = 8 * 1024 * 1024;
/** A client whose socket takes no byte for this long while we have some to send is disconnected. */
export const stalledWriteMsMax = 60_000;

export const applicationPingMs = 15_000;
export const transportPingMs = 5_000;
export const silenceMsMax = 120_000;
/** Every connection is looked after once in this time, a part of them in each step: pings never come in one burst. */
export const sweepMs = 1_000;
export const sweepParts = 10;

/** No mutation of a socket was answered for this long although some wait. */
export const mutationMsMax = 60_000;
/** How long a client that has seen a newer timestamp than we have published is kept waiting before it is sent away. */
export const observedTsWaitMsMax = 5_000;
export const drainMsMax = 10_000;
/** After our close frame, for the client's. */
export const closeHandshakeMsMax = 5_000;

export const openAttemptsMax = 6;
export const openRetryMs = 100;
export const openRetryMsMax = 5_000;
export const featureRetryMs = 1_000;
export const featureRetryMsMax = 16_000;

/** Sockets written to before other work of the thread gets its turn. */
export const flushBatchMax = 2_048;
export const closeReasonBytesMax = 123;
