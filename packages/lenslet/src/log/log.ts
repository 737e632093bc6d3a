/** Nanoseconds since the Unix epoch; unique per commit and strictly increasing in commit order. */
export type CommitTs = bigint & { readonly __commitTs?: true };

/** One commit. `payload` is opaque to the log (a JSON text written by engine/commitRecord.ts). */
export interface LogRecord {
  /** Greater than 0. */
  readonly ts: CommitTs;
  /** A well-formed string (no lone surrogates) of at most `recordBytesMax` bytes in UTF-8. */
  readonly payload: string;
}

/**
 * The truth: an ordered, durable sequence of commits. `append` does not wait for the disk; durability is
 * announced through `durableTs`. Implementations: log/local (files), log/memory.ts, later log/postgres.
 *
 * A client that replaces another one must read to the end (`readAfter`) before its first append.
 */
export interface Log {
  /**
   * Records must come in increasing `ts`, also across calls. Throws only on a broken invariant, and then nothing of
   * the batch is appended. After a failure (`onFailure`) records are dropped: `durableTs` will not reach them.
   */
  append(records: readonly LogRecord[]): void;
  /** What was appended here and is not yet durable, in UTF-16 units; hold mutations back before it grows large. */
  backlogSize(): number;
  /** Every record with ts <= this survives power loss. 0n for an empty log. */
  durableTs(): CommitTs;
  /** Called (asynchronously, coalesced) whenever `durableTs` has grown. Returns the unsubscribe function. */
  onDurable(listener: (ts: CommitTs) => void): () => void;
  /** Blocks the calling thread until `durableTs() >= ts`; throws after `timeoutMs`, or at once after a failure. */
  waitDurableSync(ts: CommitTs, timeoutMs: number): void;
  /**
   * All records with ts > after, in order, including ones appended but not yet durable (they are flushed first).
   * Rejects with OutOfRetention LogTrimmed when after < trimmedTs(), with Internal LogCorrupt on a damaged record.
   * A trim meanwhile waits for it or ends it with LogTrimmed: what was read has never a gap.
   */
  readAfter(after: CommitTs): AsyncIterable<readonly LogRecord[]>;
  /** Greatest ts ever appended. */
  lastTs(): CommitTs;
  /** ts of the oldest record that is kept; 0n for an empty log. */
  firstTs(): CommitTs;
  /** Forgets records with ts <= upToTs, as many as it can cheaply; never one above, and never the last. */
  trim(upToTs: CommitTs): Promise<void>;
  /** Records with ts <= this have been trimmed; 0n if none. */
  trimmedTs(): CommitTs;
  /** Called once if the log can no longer be written (disk full, I/O error). The engine must stop. */
  onFailure(listener: (error: Error) => void): void;
  /** Resolves when everything appended here is durable (or the log has failed) and this client is detached. */
  close(): Promise<void>;
}
