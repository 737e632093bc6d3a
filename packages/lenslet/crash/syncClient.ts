import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";

/** The answer of an acknowledged mutation. */
export interface Acknowledgement {
  readonly ok: boolean;
  readonly value: unknown;
  /** Of the commit; null for a failed mutation. */
  readonly ts: bigint | null;
}

interface Outstanding {
  readonly text: string;
  readonly resolve: (answer: Acknowledgement) => void;
  answer: Acknowledgement | null;
}

interface Version {
  readonly querySet: number;
  readonly identity: number;
  readonly ts: string;
}

type Message = Readonly<Record<string, unknown>> & { readonly type: string };

interface SocketState {
  version: Version;
  /** What the client had seen when this socket opened: it must not be shown less. */
  connectTs: bigint;
  readonly chunks: string[];
  readonly results: Map<number, unknown>;
}

const zero: Version = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };
const reconnectDelayMs = 20;

export interface SyncClientOptions {
  readonly url: string;
  /** Queries watched from the beginning to the end; the index is the query id. */
  readonly queries: readonly { readonly path: string; readonly args: Readonly<Record<string, unknown>> }[];
  /** Results by query id, after each Transition that was taken. */
  readonly onTransition?: (results: ReadonlyMap<number, unknown>) => void;
}

/**
 * The sync protocol as the official client speaks it, without anything of it: one session over many sockets, sends again
 * what it has not seen answered and shown by a Transition, and writes down every rule of the wire that is broken.
 */
export class SyncClient {
  readonly sessionId = randomUUID();
  /** What the server did wrong. */
  readonly violations: string[] = [];
  readonly results = new Map<number, unknown>();
  readonly failures = new Map<number, string>();
  readonly #options: SyncClientOptions;
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #journals = new Map<number, string | null>();
  readonly #sockets = new Set<WebSocket>();
  #nextRequestId = 0;
  #connectionCount = 0;
  #observedTs = 0n;
  #closed = false;

  constructor(options: SyncClientOptions) {
    this.#options = options;
    this.#connect();
  }

  /** How often a socket has been opened. */
  get connectionCount(): number {
    return this.#connectionCount;
  }

  /** Greatest timestamp seen so far. */
  get observedTs(): bigint {
    return this.#observedTs;
  }

  get unanswered(): number {
    return [...this.#outstanding.values()].filter(({ answer }) => answer === null).length;
  }

  /** Resolves with the first answer, however many sockets it takes. */
  mutate(path: string, args: Readonly<Record<string, unknown>>): Promise<Acknowledgement> {
    const requestId = this.#nextRequestId++;
    const text = JSON.stringify({ type: "Mutation", requestId, udfPath: path, args: [args] });
    return new Promise((resolve) => {
      this.#outstanding.set(requestId, { text, resolve, answer: null });
      for (const socket of this.#sockets) if (socket.readyState === WebSocket.OPEN) socket.send(text);
    });
  }

  /** A second socket of this session beside the first, as when a client takes a slow connection for a dead one. */
  connectTwice(): void {
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.terminate();
  }

  #connect(): void {
    if (this.#closed) return;
    const socket = new WebSocket(`${this.#options.url.replace("http", "ws")}/api/1.48.0/sync`);
    const state: SocketState = { version: zero, connectTs: 0n, chunks: [], results: new Map() };
    this.#sockets.add(socket);
    socket.on("open", () => {
      state.connectTs = this.#observedTs;
      for (const text of this.#opening()) socket.send(text);
      this.#connectionCount += 1;
    });
    socket.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString("utf8")) as Message;
      if (message.type === "TransitionChunk") {
        state.chunks.push(String(message["chunk"]));
        if (state.chunks.length < Number(message["totalParts"])) return;
        this.#transition(JSON.parse(state.chunks.splice(0).join("")) as Message, state);
      } else if (message.type === "Transition") this.#transition(message, state);
      else if (message.type === "MutationResponse") this.#answered(message, state.version);
      else if (message.type !== "Ping") this.violations.push(`unexpected message ${data.toString("utf8")}`);
    });
    socket.on("error", () => {});
    socket.on("close", (code, reason) => {
      this.#sockets.delete(socket);
      const isExpected = code === 1006 || (code === 1001 && reason.toString() === "ServerDraining");
      if (!isExpected && !this.#closed) this.violations.push(`closed with ${code} ${reason.toString()}`);
      if (this.#sockets.size === 0) setTimeout(() => this.#connect(), reconnectDelayMs);
    });
  }

  /** In the order of sync-protocol.md §3.7. */
  #opening(): string[] {
    const connect = {
      type: "Connect",
      sessionId: this.sessionId,
      connectionCount: this.#connectionCount,
      lastCloseReason: this.#connectionCount === 0 ? "InitialConnect" : "closed with code 1006",
      clientTs: Date.now(),
      ...(this.#observedTs === 0n ? {} : { maxObservedTimestamp: encodeU64(this.#observedTs) }),
    };
    const modifications = this.#options.queries.map(({ path, args }, queryId) => ({
      type: "Add",
      queryId,
      udfPath: path,
      args: [args],
      ...(this.#journals.has(queryId) ? { journal: this.#journals.get(queryId) } : {}),
    }));
    const querySet = { type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications };
    const mutations = [...this.#outstanding.values()].map(({ text }) => text);
    return [JSON.stringify(connect), JSON.stringify(querySet), ...mutations];
  }

  #answered(message: Message, version: Version): void {
    const requestId = Number(message["requestId"]);
    const ok = message["success"] === true;
    const ts = ok ? decodeU64(String(message["ts"])) : null;
    const answer: Acknowledgement = { ok, value: message["result"], ts };
    if (ts !== null && ts <= decodeU64(version.ts)) {
      // The client may learn of it late, but then a re-sent mutation was answered from its record.
      if (this.#connectionCount < 2) this.violations.push(`response ${requestId} came after its transition`);
    }
    if (ts !== null && ts > this.#observedTs) this.#observedTs = ts;
    const known = this.#outstanding.get(requestId);
    if (known === undefined) return;
    if (known.answer === null) {
      known.answer = answer;
      known.resolve(answer);
      if (!ok) this.#outstanding.delete(requestId);
    } else if (
      known.answer.ts !== ts ||
      JSON.stringify(known.answer.value) !== JSON.stringify(answer.value)
    ) {
      this.violations.push(`mutation ${requestId} was answered twice, differently`);
    }
  }

  #transition(message: Message, state: SocketState): void {
    const start = message["startVersion"] as Version;
    const end = message["endVersion"] as Version;
    if (JSON.stringify(start) !== JSON.stringify(state.version)) this.violations.push("broken version chain");
    const ts = decodeU64(end.ts);
    if (ts < decodeU64(start.ts)) this.violations.push("a transition goes back in time");
    if (ts < state.connectTs)
      this.violations.push(
        `a transition shows ${ts}, but ${state.connectTs} was seen before the socket opened`,
      );
    state.version = end;
    for (const change of message["modifications"] as Message[]) {
      const queryId = Number(change["queryId"]);
      this.#journals.set(queryId, (change["journal"] as string | null | undefined) ?? null);
      if (change.type === "QueryUpdated") {
        state.results.set(queryId, change["value"]);
        this.failures.delete(queryId);
      } else this.failures.set(queryId, String(change["errorMessage"]));
    }
    if (ts >= this.#observedTs) {
      this.#observedTs = ts;
      for (const [queryId, value] of state.results) this.results.set(queryId, value);
      for (const [requestId, { answer }] of this.#outstanding)
        if (answer !== null && answer.ts !== null && answer.ts <= ts) this.#outstanding.delete(requestId);
    }
    if (state.results.size === this.#options.queries.length) this.#options.onTransition?.(state.results);
  }
}

export function encodeU64(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.toString("base64");
}

export function decodeU64(text: string): bigint {
  return Buffer.from(text, "base64").readBigUInt64LE();
}
