import type { MessagePort } from "node:worker_threads";
import { assert, unreachable } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import type { CommitTs, Log, LogRecord } from "../log.ts";
import { checkBatch } from "../checkBatch.ts";
import { cellsOf, logState, ownCell, sharedCell, type SharedCells } from "./cells.ts";
import { decodeFrame } from "./format.ts";
import { fromPlainError, logClosed, logFailed, logFenced, logStalled, logWaitTimeout } from "./logErrors.ts";
import { sizeOfRecord } from "./logServer.ts";
import type { LogConnection, ReadReply, RequestMessage, ThreadMessage } from "./messages.ts";

/** With more than this in its way to the disk, `append` waits for the log thread: memory is bounded. */
export const backlogSizeMax = 64 * 1024 * 1024;
/** How long it waits before it gives up. */
export const backlogTimeoutMs = 60_000;

interface PendingRequest {
  resolve(read: ReadReply | null): void;
  reject(error: Error): void;
}

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** Attaches to the log thread from whatever thread the connection was transferred to. */
export function openLocalLog(connection: LogConnection, options: { readonly clock: Clock }): LocalLog {
  return new LocalLog(connection, options.clock);
}

/** A client of the log thread. What it has posted is written even if its own thread is terminated right after. */
export class LocalLog implements Log {
  private readonly port: MessagePort;
  private readonly shared: SharedCells;
  private readonly own: SharedCells;
  private readonly clock: Clock;
  private readonly durableListeners = new Set<(ts: CommitTs) => void>();
  private readonly failureListeners: ((error: Error) => void)[] = [];
  private readonly requests = new Map<number, PendingRequest>();
  private nextRequestId = 1;
  private nextReader = 1;
  /** The end of the log as far as this client has read or written it. */
  private knownTs: bigint;
  private announcedTs: bigint;
  private appendedSize = 0n;
  private failure: Error | null = null;
  private closing: Promise<void> | null = null;

  constructor(connection: LogConnection, clock: Clock) {
    this.port = connection.port;
    this.shared = cellsOf(connection.shared);
    this.own = cellsOf(connection.own);
    this.clock = clock;
    this.knownTs = this.durableTs();
    this.announcedTs = this.knownTs;
    this.port.on("message", (message: ThreadMessage) => this.receive(message));
    this.port.on("close", () => this.portClosed());
  }

  append(records: readonly LogRecord[]): void {
    assert(this.closing === null, "a closed log is not appended to");
    checkBatch(records, this.knownTs);
    const last = records.at(-1);
    if (last === undefined || this.failure !== null) return;
    assert(!this.isClosed(), "the log thread is closed after its clients");
    const ts = new BigInt64Array(records.length);
    const payloads: string[] = [];
    let size = 0;
    for (const [i, record] of records.entries()) {
      ts[i] = record.ts;
      payloads.push(record.payload);
      size += sizeOfRecord(record.payload);
    }
    this.port.postMessage({ type: "append", after: this.knownTs, ts, payloads }, [ts.buffer]);
    this.knownTs = last.ts;
    this.appendedSize += BigInt(size);
    if (this.backlogSize() > backlogSizeMax) this.waitForBacklog();
  }

  backlogSize(): number {
    return Number(this.appendedSize - Atomics.load(this.own, ownCell.consumedSize));
  }

  durableTs(): CommitTs {
    return Atomics.load(this.shared, sharedCell.durableTs);
  }

  lastTs(): CommitTs {
    const durableTs = this.durableTs();
    return durableTs > this.knownTs ? durableTs : this.knownTs;
  }

  firstTs(): CommitTs {
    return Atomics.load(this.shared, sharedCell.firstTs);
  }

  trimmedTs(): CommitTs {
    return Atomics.load(this.shared, sharedCell.trimmedTs);
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

  waitDurableSync(ts: CommitTs, timeoutMs: number): void {
    const reached = (): boolean => this.durableTs() >= ts;
    if (!this.waitSync(reached, timeoutMs)) throw logWaitTimeout(ts, timeoutMs);
  }

  async *readAfter(after: CommitTs): AsyncGenerator<readonly LogRecord[], void, undefined> {
    const reader = this.nextReader;
    this.nextReader += 1;
    let position: { cursor: NonNullable<ReadReply["next"]>; endTs: bigint } | null = null;
    try {
      for (;;) {
        const reply: ReadReply | null = await this.request({ type: "read", reader, after, position });
        assert(reply !== null, "a read is answered with a chunk");
        const records = decodeRecords(reply.bytes, reply.endTs);
        position = reply.next === null ? null : { cursor: reply.next, endTs: reply.endTs };
        if (records.length > 0) yield records;
        const reachedEnd = records.at(-1)?.ts === reply.endTs;
        if (position === null || reachedEnd) {
          if (reply.endTs > this.knownTs) this.knownTs = reply.endTs;
          return;
        }
      }
    } finally {
      // Until it hears of this the log thread keeps what was still to be read.
      if (position !== null && !this.isClosed()) this.port.postMessage({ type: "endRead", reader });
    }
  }

  /** One segment at a time, so that commits need not wait for many files to be removed. */
  async trim(upToTs: CommitTs): Promise<void> {
    for (;;) {
      const before = this.trimmedTs();
      await this.request({ type: "trim", upToTs });
      if (this.trimmedTs() === before) return;
    }
  }

  close(): Promise<void> {
    this.closing ??= this.detach();
    return this.closing;
  }

  private async detach(): Promise<void> {
    try {
      if (this.failure === null && !this.isClosed()) await this.request({ type: "flush" });
    } catch {
      // Whoever cares about the failure has an onFailure listener; closing goes on.
    } finally {
      this.port.close();
    }
  }

  private request(request: WithoutId<RequestMessage>): Promise<ReadReply | null> {
    const id = this.nextRequestId;
    this.nextRequestId += 1;
    return new Promise((resolve, reject) => {
      if (this.failure !== null) return reject(this.failure);
      if (this.isClosed()) return reject(logClosed());
      this.requests.set(id, { resolve, reject });
      this.port.postMessage({ ...request, id });
    });
  }

  private receive(message: ThreadMessage): void {
    switch (message.type) {
      case "durable":
        // Before the load: growth after it brings another message.
        Atomics.store(this.own, ownCell.announced, 0n);
        this.announce();
        return;
      case "failed":
        this.fail(fromPlainError(message.error));
        return;
      case "reply":
        this.requests.get(message.id)?.resolve(message.read);
        this.requests.delete(message.id);
        return;
      case "refused":
        this.requests.get(message.id)?.reject(fromPlainError(message.error));
        this.requests.delete(message.id);
        return;
      default:
        unreachable(message);
    }
  }

  private announce(): void {
    const ts = this.durableTs();
    if (ts <= this.announcedTs) return;
    this.announcedTs = ts;
    for (const listener of Array.from(this.durableListeners)) listener(ts);
  }

  private portClosed(): void {
    const orderly = this.closing !== null || this.isClosed();
    if (!orderly) this.fail(logFailed("the log thread has died"));
    this.rejectRequests(this.failure ?? logClosed());
  }

  private fail(error: Error): void {
    if (this.failure !== null) return;
    this.failure = error;
    this.rejectRequests(error);
    for (const listener of this.failureListeners.splice(0)) listener(error);
  }

  private rejectRequests(error: Error): void {
    for (const request of this.requests.values()) request.reject(error);
    this.requests.clear();
  }

  private isClosed(): boolean {
    return Atomics.load(this.shared, sharedCell.state) === logState.closed;
  }

  private waitForBacklog(): void {
    const drained = (): boolean => this.backlogSize() <= backlogSizeMax;
    if (!this.waitSync(drained, backlogTimeoutMs)) throw logStalled(backlogTimeoutMs);
  }

  /** Sleeps until the condition holds; false on time-out; throws when the log has failed or is closed. */
  private waitSync(condition: () => boolean, timeoutMs: number): boolean {
    const deadlineMs = this.clock.monotonicMs() + timeoutMs;
    for (;;) {
      // Read before the condition: a change after this makes the sleep below return at once.
      const sequence = Atomics.load(this.shared, sharedCell.sequence);
      if (condition()) return true;
      this.throwIfStopped();
      const remainingMs = deadlineMs - this.clock.monotonicMs();
      if (remainingMs <= 0) return false;
      Atomics.wait(this.shared, sharedCell.sequence, sequence, remainingMs);
    }
  }

  private throwIfStopped(): void {
    if (this.failure !== null) throw this.failure;
    if (Atomics.load(this.own, ownCell.fenced) !== 0n) throw logFenced();
    const state = Atomics.load(this.shared, sharedCell.state);
    // The cause is in a message that this thread, asleep, has not received yet.
    if (state === logState.failed) throw logFailed("see the failure reported by the log thread");
    if (state === logState.closed) throw logClosed();
  }
}

function decodeRecords(chunk: Uint8Array<ArrayBuffer>, endTs: bigint): LogRecord[] {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const records: LogRecord[] = [];
  for (let at = 0; at < bytes.length;) {
    const frame = decodeFrame(bytes, at);
    assert(frame.kind === "record" || frame.kind === "seal", "a chunk holds whole frames");
    if (frame.ts > endTs) break;
    if (frame.kind === "record") {
      records.push({ ts: frame.ts, payload: bytes.toString("utf8", frame.payloadStart, frame.end) });
    }
    at = frame.end;
  }
  return records;
}
