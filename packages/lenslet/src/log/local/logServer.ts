import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { unreachable } from "../../base/assert.ts";
import type { LensletError } from "../../base/errors.ts";
import type { CommitTs, LogRecord } from "../log.ts";
import { cellsOf, logState, ownCell, sharedCell, signal, type SharedCells } from "./cells.ts";
import { fromPlainError, logClosed, logFenced, toPlainError } from "./logErrors.ts";
import type { ClientMessage, ReadReply, RequestMessage, ThreadMessage } from "./messages.ts";
import type { SegmentedLog } from "./segmentedLog.ts";

/** Records of one write and sync together, in UTF-16 units; a single larger record is a group of its own. */
export const groupSizeMax = 16 * 1024 * 1024;

export interface Client {
  readonly port: MessagePort;
  readonly own: SharedCells;
  /** Passes over the log that have not come to its end, and the segment where each goes on. */
  readonly readers: Map<number, bigint>;
  fenced: boolean;
}

export interface Batch {
  readonly client: Client;
  readonly ts: BigInt64Array<ArrayBuffer>;
  readonly payloads: readonly string[];
  /** Records already written. */
  done: number;
}

/**
 * The log thread's work without the thread: takes batches from its clients' ports and commits them in groups. Every
 * wake-up first empties all ports, so a group is whatever had arrived while the previous one was synced, and a
 * request sees all that any client, dead ones included, had posted before it.
 */
export class LogServer {
  private readonly log: SegmentedLog;
  private readonly shared: SharedCells;
  private readonly groupSizeMax: number;
  private readonly clients = new Set<Client>();
  private readonly requests: { readonly client: Client; readonly message: RequestMessage }[] = [];
  private pending: Batch[] = [];
  private acceptedTs: bigint;
  private failure: LensletError | null = null;
  private closed = false;

  constructor(log: SegmentedLog, options: { shared: SharedArrayBuffer; groupSizeMax?: number }) {
    this.log = log;
    this.shared = cellsOf(options.shared);
    this.groupSizeMax = options.groupSizeMax ?? groupSizeMax;
    this.acceptedTs = log.lastTs();
    this.publish();
  }

  attach(port: MessagePort, own: SharedArrayBuffer): void {
    const client: Client = { port, own: cellsOf(own), readers: new Map(), fenced: false };
    this.clients.add(client);
    port.on("message", (message: ClientMessage) => {
      this.take(client, message);
      this.work();
    });
    // The close event of a port comes after the last message of its other end.
    port.on("close", () => this.clients.delete(client));
    if (this.failure !== null) {
      post(client, { type: "failed", error: toPlainError(this.failure) });
    }
    this.announce(client);
  }

  /** Writes what has arrived, seals the log and closes every port. Throws if the log had failed or fails now. */
  close(): void {
    this.work();
    this.closed = true;
    try {
      this.log.close();
    } finally {
      if (this.failure === null) Atomics.store(this.shared, sharedCell.state, logState.closed);
      signal(this.shared);
      for (const { port } of this.clients) port.close();
      this.clients.clear();
    }
    if (this.failure !== null) throw this.failure;
  }

  private work(): void {
    if (this.closed) return;
    for (const client of this.clients) {
      for (;;) {
        const received = receiveMessageOnPort(client.port);
        if (received === undefined) break;
        this.take(client, received.message as ClientMessage);
      }
    }
    this.writePending();
    for (const { client, message } of this.requests.splice(0)) this.answer(client, message);
  }

  private take(client: Client, message: ClientMessage): void {
    if (message.type === "endRead") {
      client.readers.delete(message.reader);
      return;
    }
    if (message.type !== "append") {
      this.requests.push({ client, message });
      return;
    }
    if (this.failure !== null || client.fenced) return;
    if (message.after !== this.acceptedTs) {
      client.fenced = true;
      Atomics.store(client.own, ownCell.fenced, 1n);
      signal(this.shared);
      post(client, { type: "failed", error: toPlainError(logFenced()) });
      return;
    }
    const { ts, payloads } = message;
    this.acceptedTs = ts[ts.length - 1] as bigint;
    this.pending.push({ client, ts, payloads, done: 0 });
  }

  private writePending(): void {
    let next = 0;
    while (next < this.pending.length && this.failure === null) {
      const group: LogRecord[] = [];
      const parts: { readonly client: Client; readonly size: number }[] = [];
      let size = 0;
      while (next < this.pending.length && size < this.groupSizeMax) {
        const batch = this.pending[next] as Batch;
        const part = takeRecords(batch, group, this.groupSizeMax - size);
        parts.push({ client: batch.client, size: part });
        size += part;
        if (batch.done === batch.payloads.length) next += 1;
      }
      try {
        this.log.appendGroup(group);
        for (const part of parts) Atomics.add(part.client.own, ownCell.consumedSize, BigInt(part.size));
        this.publish();
      } catch (error) {
        this.fail(error);
      }
    }
    this.pending = [];
  }

  private publish(): void {
    Atomics.store(this.shared, sharedCell.durableTs, this.log.lastTs());
    Atomics.store(this.shared, sharedCell.trimmedTs, this.log.trimmedTs());
    Atomics.store(this.shared, sharedCell.firstTs, this.log.firstTs());
    signal(this.shared);
    for (const client of this.clients) this.announce(client);
  }

  private announce(client: Client): void {
    if (Atomics.exchange(client.own, ownCell.announced, 1n) === 0n) post(client, { type: "durable" });
  }

  private fail(error: unknown): void {
    const plain = toPlainError(error);
    this.failure = fromPlainError(plain);
    Atomics.store(this.shared, sharedCell.state, logState.failed);
    signal(this.shared);
    for (const client of this.clients) post(client, { type: "failed", error: plain });
  }

  private answer(client: Client, message: RequestMessage): void {
    try {
      const read = this.execute(client, message);
      const reply: ThreadMessage = { type: "reply", id: message.id, read };
      client.port.postMessage(reply, read === null ? [] : [read.bytes.buffer]);
    } catch (error) {
      post(client, { type: "refused", id: message.id, error: toPlainError(error) });
    }
  }

  private execute(client: Client, message: RequestMessage): ReadReply | null {
    if (this.failure !== null) throw this.failure;
    if (this.closed) throw logClosed();
    switch (message.type) {
      case "read": {
        const endTs = message.position?.endTs ?? this.log.lastTs();
        const cursor = message.position?.cursor ?? this.log.seek(message.after);
        if (cursor === null) return { bytes: new Uint8Array(), next: null, endTs };
        const chunk = this.log.readChunk(cursor, message.after);
        if (chunk.next === null) client.readers.delete(message.reader);
        else client.readers.set(message.reader, chunk.next.segmentFirstTs);
        return { ...chunk, endTs };
      }
      case "trim":
        try {
          this.log.trim(this.unreadUpTo(message.upToTs), 1);
        } finally {
          this.publish();
        }
        return null;
      case "flush":
        return null;
      default:
        return unreachable(message);
    }
  }

  /** `upToTs`, or less: no segment goes that somebody has still to read. */
  private unreadUpTo(upToTs: bigint): bigint {
    let least = upToTs;
    for (const { readers } of this.clients) {
      for (const segmentFirstTs of readers.values()) if (segmentFirstTs <= least) least = segmentFirstTs - 1n;
    }
    return least;
  }
}

/** Moves records of the batch into the group until it is full, at least one; returns their size. */
export function takeRecords(batch: Batch, group: LogRecord[], sizeMax: number): number {
  let size = 0;
  while (batch.done < batch.payloads.length && (size < sizeMax || size === 0)) {
    const payload = batch.payloads[batch.done] as string;
    group.push({ ts: batch.ts[batch.done] as CommitTs, payload });
    size += sizeOfRecord(payload);
    batch.done += 1;
  }
  return size;
}

/** What a record counts for in queues and groups: UTF-16 units and something for its frame. */
export function sizeOfRecord(payload: string): number {
  return payload.length + 24;
}

function post(client: Client, message: ThreadMessage): void {
  client.port.postMessage(message);
}
