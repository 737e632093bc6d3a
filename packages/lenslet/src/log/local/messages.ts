import type { MessagePort } from "node:worker_threads";
import type { PlainError } from "./logErrors.ts";
import type { ReadCursor } from "./segmentedLog.ts";
import type { Verification } from "./recovery.ts";

/** Messages between a LocalLog and the log thread. Both ends are this version's code: nothing is validated. */
export type ClientMessage =
  | {
      readonly type: "append";
      /** The last ts this client knows of; another one at the log's end means that somebody else has appended. */
      readonly after: bigint;
      readonly ts: BigInt64Array<ArrayBuffer>;
      readonly payloads: readonly string[];
    }
  /** A reader that stops before the end of the log. */
  | { readonly type: "endRead"; readonly reader: number }
  | RequestMessage;

export type RequestMessage = { readonly id: number } & (
  | {
      readonly type: "read";
      /** Names one pass over the log, among all of this client. */
      readonly reader: number;
      readonly after: bigint;
      /** Null for the first chunk. */
      readonly position: { readonly cursor: ReadCursor; readonly endTs: bigint } | null;
    }
  /** Removes one segment at most. */
  | { readonly type: "trim"; readonly upToTs: bigint }
  | { readonly type: "flush" }
);

export interface ReadReply {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly next: ReadCursor | null;
  /** Last ts when the read began; what follows is not part of it. */
  readonly endTs: bigint;
}

export type ThreadMessage =
  /** durableTs has grown. At most one is under way to each client. */
  | { readonly type: "durable" }
  | { readonly type: "failed"; readonly error: PlainError }
  | { readonly type: "reply"; readonly id: number; readonly read: ReadReply | null }
  | { readonly type: "refused"; readonly id: number; readonly error: PlainError };

/** Given to `new Worker`. */
export interface ThreadSettings {
  readonly folder: string;
  readonly segmentBytesMax: number;
  readonly groupSizeMax: number;
  readonly verify: Verification;
  readonly shared: SharedArrayBuffer;
}

/** From the thread that owns the worker. */
export type OwnerMessage =
  | { readonly type: "connect"; readonly port: MessagePort; readonly own: SharedArrayBuffer }
  | { readonly type: "close" };

/** The worker's answer to its start and to `close`. */
export type WorkerMessage =
  | { readonly type: "started"; readonly cutBytes: number }
  | { readonly type: "refused"; readonly error: PlainError }
  | { readonly type: "closed"; readonly error: PlainError | null };

/** Transferable (list `port`): all that a thread needs to use the log. */
export interface LogConnection {
  readonly port: MessagePort;
  readonly shared: SharedArrayBuffer;
  readonly own: SharedArrayBuffer;
}
