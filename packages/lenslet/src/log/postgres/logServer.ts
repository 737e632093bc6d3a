import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { assert, unreachable } from "../../base/assert.ts";
import type { Clock, Timers } from "../../base/clock.ts";
import { LensletError } from "../../base/errors.ts";
import type { CommitTs, LogRecord } from "../log.ts";
import { cellsOf, logState, ownCell, sharedCell, signal, type SharedCells } from "../local/cells.ts";
import { decodeFrame, GroupEncoder } from "../local/format.ts";
import { fromPlainError, logClosed, logFenced, logTrimmed, toPlainError } from "../local/logErrors.ts";
import { type Batch, type Client, takeRecords } from "../local/logServer.ts";
import type { ClientMessage, ReadReply, RequestMessage, ThreadMessage } from "../local/messages.ts";
import { deposed } from "./errors.ts";
import type { Leadership } from "./messages.ts";
import type { Claim, LogState, StoredGroup } from "./tables.ts";
import { PostgresWatcher } from "./watcher.ts";
import { PostgresWriter } from "./writer.ts";

/** Records of one statement, in UTF-16 units: a statement is in memory several times, here and there. */
const groupSizeMax = 4 * 1024 * 1024;
const keptEncoderBytesMax = 16 * 1024 * 1024;

export interface PostgresLogServerOptions {
  readonly url: string;
  readonly claim: Claim;
  readonly shared: SharedArrayBuffer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly report: (message: string) => void;
  readonly leadershipChanged: (leadership: Leadership) => void;
}

/**
 * The log thread's work where the log is in PostgreSQL: the same clients and messages as log/local/logServer.ts. The
 * leader commits what has arrived in groups, one statement after another; a follower follows the end of the log, and
 * takes the lease when it has expired.
 */
export class PostgresLogServer {
  readonly #options: PostgresLogServerOptions;
  readonly #shared: SharedCells;
  readonly #writer: PostgresWriter;
  readonly #watcher: PostgresWatcher;
  readonly #encoder = new GroupEncoder(keptEncoderBytesMax);
  readonly #clients = new Set<Client>();
  readonly #pending: Batch[] = [];
  #acceptedTs: CommitTs = 0n;
  #durableTs: CommitTs = 0n;
  #leadership: Leadership = { isLeader: false, leaderAddress: null };
  #isAcquiring = false;
  #cancelRenewal: () => void = () => {};
  #pumping: Promise<void> | null = null;
  #failure: LensletError | null = null;
  #closed = false;

  constructor(options: PostgresLogServerOptions) {
    this.#options = options;
    this.#shared = cellsOf(options.shared);
    this.#writer = new PostgresWriter(options);
    this.#watcher = new PostgresWatcher({
      ...options,
      changed: (state) => this.#observe(state),
      grown: (lastTs) => this.#grown(lastTs),
    });
  }

  get leadership(): Leadership {
    return this.#leadership;
  }

  /** The tables are there. Takes the lease if nobody has it. */
  async start(): Promise<void> {
    const state = await this.#watcher.start();
    this.#observe(state, false);
    if (state.isExpired) await this.#acquire(state);
  }

  attach(port: MessagePort, own: SharedArrayBuffer): void {
    const client: Client = { port, own: cellsOf(own), readers: new Map(), fenced: false };
    this.#clients.add(client);
    port.on("message", (message: ClientMessage) => this.#receive(client, message));
    port.on("close", () => this.#clients.delete(client));
    if (this.#failure !== null) post(client, { type: "failed", error: toPlainError(this.#failure) });
    this.#announce(client);
  }

  /** Where the log ends now, after everything that has been appended here. */
  async refresh(): Promise<CommitTs> {
    await this.#drained();
    if (!this.#leadership.isLeader) this.#observe(await this.#watcher.state());
    return this.#durableTs;
  }

  /** Writes what has arrived, gives the lease back and closes every port. Throws if the log has failed. */
  async close(): Promise<void> {
    this.#writer.giveUpSoon();
    await this.#drained();
    this.#closed = true;
    this.#cancelRenewal();
    await this.#writer.close();
    this.#watcher.close();
    if (this.#failure === null) Atomics.store(this.#shared, sharedCell.state, logState.closed);
    signal(this.#shared);
    for (const { port } of this.#clients) port.close();
    this.#clients.clear();
    if (this.#failure !== null) throw this.#failure;
  }

  // ---- leadership

  #observe(state: LogState, mayAcquire = true): void {
    if (this.#closed || this.#failure !== null) return;
    const { owner, address } = this.#options.claim;
    if (this.#leadership.isLeader) {
      if (state.owner !== owner) this.#fail(deposed());
      return;
    }
    this.#publish(state.lastTs, state);
    const leaderAddress = state.owner === "" || state.address === address ? null : state.address;
    if (!this.#isAcquiring) this.#lead({ isLeader: false, leaderAddress });
    if (state.isExpired && mayAcquire) void this.#acquire(state);
  }

  async #acquire(seen: LogState): Promise<void> {
    if (this.#isAcquiring || this.#closed) return;
    this.#isAcquiring = true;
    try {
      const state = await this.#writer.acquire(seen.epoch);
      if (state === null || this.#closed) return;
      this.#publish(state.lastTs, state);
      this.#acceptedTs = state.lastTs;
      this.#lead({ isLeader: true, leaderAddress: null });
      this.#renewLater();
    } catch (error) {
      // The watcher sees the lease again, and whether anybody has it.
      this.#options.report(`PostgreSQL: ${(error as Error).message}; the lease was not taken`);
    } finally {
      this.#isAcquiring = false;
    }
  }

  #renewLater(): void {
    this.#cancelRenewal = this.#options.timers.setTimeout(() => {
      this.#writer.renew().then(
        () => {
          if (!this.#closed) this.#renewLater();
        },
        (error: unknown) => this.#fail(error),
      );
    }, this.#options.claim.leaseMs / 4);
  }

  #lead(leadership: Leadership): void {
    const before = this.#leadership;
    this.#leadership = leadership;
    const isSame =
      before.isLeader === leadership.isLeader && before.leaderAddress === leadership.leaderAddress;
    if (!isSame) this.#options.leadershipChanged(leadership);
  }

  // ---- appending

  /** Appends first: a request sees all that any client, dead ones included, had posted before it. */
  #receive(client: Client, message: ClientMessage): void {
    // Nothing here has to be kept for a pass over the log: one that meets a trim ends with LogTrimmed.
    if (message.type === "endRead") return;
    if (message.type === "append") {
      this.#take(client, message);
      return;
    }
    for (const other of this.#clients) {
      for (;;) {
        const received = receiveMessageOnPort(other.port);
        if (received === undefined) break;
        const earlier = received.message as ClientMessage;
        if (earlier.type === "append") this.#take(other, earlier);
        else if (earlier.type !== "endRead") void this.#answer(other, earlier);
      }
    }
    void this.#answer(client, message);
  }

  #take(client: Client, { after, ts, payloads }: ClientMessage & { readonly type: "append" }): void {
    if (this.#failure !== null || client.fenced) return;
    if (!this.#leadership.isLeader || after !== this.#acceptedTs) {
      client.fenced = true;
      Atomics.store(client.own, ownCell.fenced, 1n);
      signal(this.#shared);
      post(client, { type: "failed", error: toPlainError(logFenced()) });
      return;
    }
    this.#acceptedTs = ts[ts.length - 1] as bigint;
    this.#pending.push({ client, ts, payloads, done: 0 });
    void this.#drained();
  }

  /** Resolves when all that has been taken is durable, or the log has failed. */
  #drained(): Promise<void> {
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = null;
    });
    return this.#pumping;
  }

  async #pump(): Promise<void> {
    while (this.#pending.length > 0 && this.#failure === null) {
      const parts: { readonly client: Client; readonly size: number }[] = [];
      const group = this.#nextGroup(parts);
      try {
        await this.#writer.append(group);
        for (const { client, size } of parts) Atomics.add(client.own, ownCell.consumedSize, BigInt(size));
        if (group.afterTs === 0n) Atomics.store(this.#shared, sharedCell.firstTs, group.firstTs);
        this.#publish(group.lastTs);
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  #nextGroup(parts: { readonly client: Client; readonly size: number }[]) {
    const records: LogRecord[] = [];
    let size = 0;
    while (this.#pending.length > 0 && size < groupSizeMax) {
      const batch = this.#pending[0] as Batch;
      const part = takeRecords(batch, records, groupSizeMax - size);
      parts.push({ client: batch.client, size: part });
      size += part;
      if (batch.done === batch.payloads.length) this.#pending.shift();
    }
    this.#encoder.begin(0);
    for (const { ts, payload } of records) this.#encoder.addRecord(ts, payload);
    const [first, last] = [records[0], records.at(-1)];
    assert(first !== undefined && last !== undefined, "a group has records");
    return {
      afterTs: this.#durableTs,
      firstTs: first.ts,
      lastTs: last.ts,
      bytes: this.#encoder.encoded(),
    };
  }

  #publish(lastTs: CommitTs, beginning?: Pick<LogState, "firstTs" | "trimmedTs">): void {
    if (beginning !== undefined) {
      Atomics.store(this.#shared, sharedCell.trimmedTs, beginning.trimmedTs);
      Atomics.store(this.#shared, sharedCell.firstTs, beginning.firstTs);
    }
    if (lastTs > this.#durableTs) {
      this.#durableTs = lastTs;
      Atomics.store(this.#shared, sharedCell.durableTs, lastTs);
    }
    signal(this.#shared);
    for (const client of this.#clients) this.#announce(client);
  }

  #grown(lastTs: CommitTs): void {
    if (!this.#leadership.isLeader && this.#failure === null && !this.#closed) this.#publish(lastTs);
  }

  #announce(client: Client): void {
    if (Atomics.exchange(client.own, ownCell.announced, 1n) === 0n) post(client, { type: "durable" });
  }

  #fail(error: unknown): void {
    if (this.#failure !== null || this.#closed) return;
    this.#cancelRenewal();
    this.#writer.abandon();
    const plain = toPlainError(error);
    this.#failure = fromPlainError(plain);
    this.#pending.length = 0;
    Atomics.store(this.#shared, sharedCell.state, logState.failed);
    signal(this.#shared);
    for (const client of this.#clients) post(client, { type: "failed", error: plain });
  }

  // ---- requests

  async #answer(client: Client, message: RequestMessage): Promise<void> {
    try {
      const read = await this.#execute(message);
      const reply: ThreadMessage = { type: "reply", id: message.id, read };
      client.port.postMessage(reply, read === null ? [] : [read.bytes.buffer]);
    } catch (error) {
      post(client, { type: "refused", id: message.id, error: toPlainError(error) });
    }
  }

  async #execute(message: RequestMessage): Promise<ReadReply | null> {
    const isNewRead = message.type === "read" && message.position === null;
    if (isNewRead) await this.refresh();
    else await this.#drained();
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed) throw logClosed();
    switch (message.type) {
      case "read":
        return await this.#read(message);
      case "trim":
        this.#publish(this.#durableTs, await this.#writer.trim(message.upToTs));
        return null;
      case "flush":
        return null;
      default:
        return unreachable(message);
    }
  }

  async #read({ after, position }: RequestMessage & { readonly type: "read" }): Promise<ReadReply> {
    const endTs = position?.endTs ?? this.#durableTs;
    // Here a cursor is the end of the last group that was read.
    const from = position?.cursor.segmentFirstTs ?? after;
    const { groups, trimmedTs } = await this.#watcher.groups(from, endTs);
    if (from < trimmedTs) throw logTrimmed(from, trimmedTs);
    const last = groups.at(-1);
    if (last === undefined) return { bytes: new Uint8Array(), next: null, endTs };
    const bytes = Buffer.concat(groups.map((group) => framesAfter(group, after)));
    // Its memory is handed over: it must not be a slice of a pool.
    const own = new Uint8Array(bytes.length);
    own.set(bytes);
    return { bytes: own, next: { segmentFirstTs: last.lastTs, offset: 0 }, endTs };
  }
}

/** The frames of a group with records after a timestamp; checks all of them. */
function framesAfter({ bytes, lastTs }: StoredGroup, after: CommitTs): Buffer {
  let start = 0;
  let previous = 0n;
  for (let at = 0; at < bytes.length;) {
    const frame = decodeFrame(bytes, at);
    if (frame.kind !== "record") throw damaged(lastTs);
    if (frame.ts <= after) start = frame.end;
    previous = frame.ts;
    at = frame.end;
  }
  if (previous !== lastTs) throw damaged(lastTs);
  return bytes.subarray(start);
}

function damaged(lastTs: CommitTs): LensletError {
  return new LensletError(
    "Internal",
    "LogCorrupt",
    `The log is damaged: the row ${lastTs} of lenslet.log does not hold what was written. Nothing was changed. Restore the database from a backup.`,
  );
}

function post(client: Client, message: ThreadMessage): void {
  client.port.postMessage(message);
}
