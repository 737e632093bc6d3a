/** Nanoseconds since the Unix epoch; unique per commit and strictly increasing in commit order. */
export type CommitTs = bigint & { readonly __commitTs?: true };

/** One commit. `payload` is opaque to the log (a JSON text written by engine/commitRecord.ts). */
export interface LogRecord {
  readonly ts: CommitTs;
  readonly payload: string;
}

/**
 * The truth: an ordered, durable sequence of commits. `append` never blocks and never waits; durability is
 * announced through `durableTs`. Implementations: log/local (a file), later log/postgres.
 */
export interface Log {
  /** Records must come in increasing `ts`, also across calls. Throws only on a broken invariant. */
  append(records: readonly LogRecord[]): void;
  /** Every record with ts <= this survives power loss. 0n for an empty log. */
  durableTs(): CommitTs;
  /** Called (asynchronously, coalesced) whenever `durableTs` has grown. Returns the unsubscribe function. */
  onDurable(listener: (ts: CommitTs) => void): () => void;
  /** Blocks the calling thread until `durableTs() >= ts`; throws after `timeoutMs`. */
  waitDurableSync(ts: CommitTs, timeoutMs: number): void;
  /** All records with ts > after, in order, including ones appended but not yet durable (they are flushed first). */
  readAfter(after: CommitTs): AsyncIterable<readonly LogRecord[]>;
  /** Greatest ts ever appended. */
  lastTs(): CommitTs;
  /** Called once if the log can no longer be written (disk full, I/O error). The engine must stop. */
  onFailure(listener: (error: Error) => void): void;
  close(): Promise<void>;
}
