import { assert } from "../base/assert.ts";
import { checkBatch } from "./checkBatch.ts";
import type { CommitTs, Log, LogRecord } from "./log.ts";
import { logClosed, logTrimmed, logWaitTimeout } from "./local/logErrors.ts";

export interface MemoryLogOptions {
  /**
   * `automatic` (default): appended records become durable in the next microtask. `manual`: when `sync` is called,
   * or when a caller waits for it (`waitDurableSync`, `readAfter`, `trim`, `close`).
   */
  readonly durability?: "automatic" | "manual";
}

/** A Log in memory for tests and simulation, whose disk can be slow, fail and crash on command. Deterministic. */
export class MemoryLog implements Log {
  private readonly options: MemoryLogOptions;
  private records: LogRecord[];
  private durableCount: number;
  private trimmed: bigint;
  private announcedTs: bigint;
  private announcing = false;
  private syncing = false;
  private state: "open" | "closed" | "crashed" = "open";
  private failure: Error | null = null;
  private readonly durableListeners = new Set<(ts: CommitTs) => void>();
  private readonly failureListeners: ((error: Error) => void)[] = [];

  constructor(options: MemoryLogOptions = {}, content: readonly LogRecord[] = [], trimmedTs = 0n) {
    this.options = options;
    this.records = [...content];
    this.durableCount = content.length;
    this.trimmed = trimmedTs;
    this.announcedTs = this.durableTs();
  }

  append(records: readonly LogRecord[]): void {
    assert(this.state === "open", "a closed log is not appended to");
    checkBatch(records, this.lastTs());
    if (this.failure !== null) return;
    for (const { ts, payload } of records) this.records.push({ ts, payload });
    if (this.options.durability !== "manual") this.syncSoon();
  }

  backlogSize(): number {
    return this.records.slice(this.durableCount).reduce((sum, record) => sum + record.payload.length, 0);
  }

  durableTs(): CommitTs {
    return this.records[this.durableCount - 1]?.ts ?? this.trimmed;
  }

  lastTs(): CommitTs {
    return this.records.at(-1)?.ts ?? this.trimmed;
  }

  firstTs(): CommitTs {
    return this.records[0]?.ts ?? 0n;
  }

  trimmedTs(): CommitTs {
    return this.trimmed;
  }

  onDurable(listener: (ts: CommitTs) => void): () => void {
    const entry = (ts: CommitTs): void => listener(ts);
    this.durableListeners.add(entry);
    return () => this.durableListeners.delete(entry);
  }

  onFailure(listener: (error: Error) => void): void {
    const { failure } = this;
    if (failure !== null) queueMicrotask(() => listener(failure));
    else this.failureListeners.push(listener);
  }

  /** Nothing else can run while the caller waits, so the disk catches up at once. */
  waitDurableSync(ts: CommitTs, timeoutMs: number): void {
    if (this.durableTs() >= ts) return;
    this.throwIfStopped();
    this.sync();
    if (this.durableTs() < ts) throw logWaitTimeout(ts, timeoutMs);
  }

  async *readAfter(after: CommitTs): AsyncGenerator<readonly LogRecord[], void, undefined> {
    this.throwIfStopped();
    this.sync();
    if (after < this.trimmed) throw logTrimmed(after, this.trimmed);
    const found = this.records.filter((record) => record.ts > after);
    const chunkRecordsMax = 100;
    for (let at = 0; at < found.length; at += chunkRecordsMax) {
      yield found.slice(at, at + chunkRecordsMax);
      this.throwIfStopped();
    }
  }

  trim(upToTs: CommitTs): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.state !== "open") return Promise.reject(logClosed());
    this.sync();
    const kept = this.records.findIndex((record, i) => record.ts > upToTs || i === this.records.length - 1);
    const lastTrimmed = this.records[kept - 1];
    if (lastTrimmed !== undefined) {
      this.trimmed = lastTrimmed.ts;
      this.records = this.records.slice(kept);
      this.durableCount = this.records.length;
    }
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.state !== "open") return;
    if (this.failure === null) this.sync();
    this.state = "closed";
  }

  /** Makes records durable: all, or those with ts <= upToTs. */
  sync(upToTs: bigint = this.lastTs()): void {
    if (this.failure !== null || this.state !== "open") return;
    while (
      this.durableCount < this.records.length &&
      (this.records[this.durableCount] as LogRecord).ts <= upToTs
    ) {
      this.durableCount += 1;
    }
    this.announceSoon();
  }

  /** The disk fails: nothing becomes durable any more. */
  fail(error: Error): void {
    if (this.failure !== null) return;
    this.failure = error;
    queueMicrotask(() => {
      for (const listener of this.failureListeners.splice(0)) listener(error);
    });
  }

  /**
   * Power loss: returns the log as the next process finds it, with `keptUnsynced` of the records that were not yet
   * durable. This object is dead afterwards and calls no listener any more.
   */
  crash(keptUnsynced = 0): MemoryLog {
    this.state = "crashed";
    return new MemoryLog(this.options, this.records.slice(0, this.durableCount + keptUnsynced), this.trimmed);
  }

  private syncSoon(): void {
    if (this.syncing) return;
    this.syncing = true;
    queueMicrotask(() => {
      this.syncing = false;
      this.sync();
    });
  }

  private announceSoon(): void {
    if (this.announcing) return;
    this.announcing = true;
    queueMicrotask(() => {
      this.announcing = false;
      const ts = this.durableTs();
      if (ts <= this.announcedTs || this.state === "crashed") return;
      this.announcedTs = ts;
      for (const listener of Array.from(this.durableListeners)) listener(ts);
    });
  }

  private throwIfStopped(): void {
    if (this.failure !== null) throw this.failure;
    if (this.state !== "open") throw logClosed();
  }
}
