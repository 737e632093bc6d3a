import { assert } from "../base/assert.ts";
import { LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import type {
  Deployment,
  EngineApi,
  EngineEvents,
  FunctionCall,
  FunctionFailure,
  FunctionTarget,
  Identity,
  LiveQueryId,
  LiveQueryState,
  MutationCall,
  MutationResult,
  OpenedQuery,
  PreparedAction,
  QueryCall,
  QueryResult,
  UdfType,
} from "./api.ts";
import { localIdsFrom, sameResult } from "./liveQueries.ts";
import type { EngineIn, EngineOut, EngineOutBatch, EngineRequest, ReopenedQuery } from "./wire.ts";

/** Calls that may wait for the engine at once; beyond it callers are told to come back. */
export const callsInFlightMax = 100_000;

export interface EngineClientOptions {
  /** Durability of the log, as the net thread sees it. */
  readonly durability: { durableTs(): CommitTs; onDurable(listener: () => void): () => void };
  /** Defers the sending of a batch to the end of the current turn of the event loop. */
  readonly soon: (callback: () => void) => void;
}

interface InFlight {
  readonly request: EngineRequest;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface OpenEntry {
  readonly call: FunctionCall & { readonly journal: string | null };
  /** Holders of this id on the net thread. */
  holders: number;
  /** What the engine counts for this id. */
  engineWatchers: number;
  state: LiveQueryState;
  /** Its function ran away and took an engine with it: not run again before new code comes. */
  poisoned: boolean;
}

/** What the calls in flight get when the engine thread was lost while one of them ran. */
export interface EngineLoss {
  /** The call (> 0) or live query (< 0, its negated id) that was running, or null. */
  readonly guilty: number | null;
  readonly failure: FunctionFailure;
}

/**
 * The engine as the net thread sees it. Holds every answer back until the log is durable, keeps what has to be asked
 * again when the engine thread is replaced, and preserves the engine's order of answers and publications.
 */
export class EngineClient implements EngineApi {
  readonly #options: EngineClientOptions;
  readonly #inFlight = new Map<number, InFlight>();
  readonly #open = new Map<LiveQueryId, OpenEntry>();
  readonly #listeners = new Set<EngineEvents>();
  #unsent: EngineIn[] = [];
  #send: ((messages: readonly EngineIn[]) => void) | null = null;
  #sendScheduled = false;
  #held: EngineOutBatch[] = [];
  #nextSeq = 1;
  #nextLocalId = localIdsFrom;
  #latestTs: CommitTs = 0n;
  #deployment: Deployment = {
    version: 0,
    authProviders: [],
    environmentVariables: {},
    canonicalUrls: { convexCloudUrl: "", convexSiteUrl: "" },
  };
  #failed: Error | null = null;

  constructor(options: EngineClientOptions) {
    this.#options = options;
    options.durability.onDurable(() => this.#deliverDurable());
  }

  // ---- the side of the engine thread ---------------------------------------------------------------------------

  /** A (new) engine is ready for messages. What was in flight is asked again. */
  connect(send: (messages: readonly EngineIn[]) => void): void {
    this.#send = send;
    const again: EngineIn[] = [];
    for (const [seq, { request }] of this.#inFlight) again.push({ type: "call", seq, request });
    this.#unsent = again;
    this.#flush();
  }

  /** The queries a new engine has to open before it says anything. */
  queriesToReopen(): ReopenedQuery[] {
    const queries: ReopenedQuery[] = [];
    for (const [id, entry] of this.#open) {
      if (entry.poisoned) continue;
      entry.engineWatchers = 1;
      queries.push({ id, call: { ...entry.call, journal: entry.state.journal ?? entry.call.journal } });
    }
    return queries;
  }

  receive(batch: EngineOutBatch): void {
    if (this.#held.length === 0 && this.#options.durability.durableTs() >= batch.gateTs) this.#deliver(batch);
    else this.#held.push(batch);
  }

  /** The engine thread is gone. Messages it had sent are still delivered; then the guilty call is failed. */
  disconnected(loss: EngineLoss): void {
    this.#send = null;
    const { guilty, failure } = loss;
    if (guilty === null) return;
    if (guilty < 0) this.#poison(-guilty, failure);
    else this.#failCall(guilty, failure);
  }

  /** The engine cannot go on (its log failed): everything in flight and to come is refused. */
  fail(error: Error): void {
    this.#failed = error;
    for (const { reject } of this.#inFlight.values()) reject(error);
    this.#inFlight.clear();
  }

  // ---- EngineApi -------------------------------------------------------------------------------------------------

  query(call: QueryCall): Promise<QueryResult> {
    return this.#call({ type: "query", call }) as Promise<QueryResult>;
  }
  mutation(call: MutationCall): Promise<MutationResult> {
    return this.#call({ type: "mutation", call }) as Promise<MutationResult>;
  }
  prepareAction(call: FunctionCall): Promise<PreparedAction> {
    return this.#call({ type: "prepareAction", call }) as Promise<PreparedAction>;
  }
  lookup(target: FunctionTarget, identity: Identity): Promise<UdfType | null> {
    return this.#call({ type: "lookup", target, identity }) as Promise<UdfType | null>;
  }
  openQuery(call: FunctionCall & { readonly journal: string | null }): Promise<OpenedQuery> {
    return this.#call({ type: "open", call }) as Promise<OpenedQuery>;
  }
  system(operation: string, argsJson: string): Promise<string> {
    return this.#call({ type: "system", operation, argsJson }) as Promise<string>;
  }

  closeQuery(id: LiveQueryId): void {
    const entry = this.#open.get(id);
    assert(entry !== undefined && entry.holders > 0, "a closed live query was open");
    entry.holders -= 1;
    if (entry.holders > 0) return;
    this.#open.delete(id);
    if (entry.engineWatchers > 0) this.#enqueue({ type: "close", id, watchers: entry.engineWatchers });
  }

  latestTs(): CommitTs {
    return this.#latestTs;
  }
  deployment(): Deployment {
    return this.#deployment;
  }
  subscribe(events: EngineEvents): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  // ---- private ---------------------------------------------------------------------------------------------------

  #call(request: EngineRequest): Promise<unknown> {
    if (this.#failed !== null) return Promise.reject(this.#failed);
    if (this.#inFlight.size >= callsInFlightMax) {
      return Promise.reject(
        new LensletError(
          "RateLimited",
          "TooManyConcurrentRequests",
          "Too many concurrent requests in a short period of time. Spread out your requests out over time or throttle them to avoid errors.",
        ),
      );
    }
    const seq = this.#nextSeq++;
    return new Promise((resolve, reject) => {
      this.#inFlight.set(seq, { request, resolve, reject });
      this.#enqueue({ type: "call", seq, request });
    });
  }

  #enqueue(message: EngineIn): void {
    // Without an engine there is nobody to send to: `connect` asks again for everything in flight.
    if (this.#send === null) return;
    this.#unsent.push(message);
    if (this.#sendScheduled) return;
    this.#sendScheduled = true;
    this.#options.soon(() => this.#flush());
  }

  #flush(): void {
    this.#sendScheduled = false;
    if (this.#send === null || this.#unsent.length === 0) return;
    const messages = this.#unsent;
    this.#unsent = [];
    this.#send(messages);
  }

  #deliverDurable(): void {
    const durableTs = this.#options.durability.durableTs();
    while (this.#held.length > 0 && (this.#held[0] as EngineOutBatch).gateTs <= durableTs) {
      this.#deliver(this.#held.shift() as EngineOutBatch);
    }
  }

  #deliver(batch: EngineOutBatch): void {
    for (const message of batch.messages) this.#deliverMessage(message);
  }

  #deliverMessage(message: EngineOut): void {
    switch (message.type) {
      case "answer":
        this.#settle(message.seq, message.value);
        break;
      case "reject": {
        const call = this.#take(message.seq);
        const { category, code, message: text, data } = message.error;
        call?.reject(new LensletError(category, code, text, data));
        break;
      }
      case "published":
        this.#published(message.ts, message.changed);
        break;
      case "deployment":
        this.#deployment = message.deployment;
        this.#retryPoisoned();
        for (const listener of this.#listeners) listener.deploymentChanged();
        break;
      case "executed":
        for (const listener of this.#listeners) listener.executed(message.entries);
        break;
    }
  }

  #take(seq: number): InFlight | undefined {
    const call = this.#inFlight.get(seq);
    this.#inFlight.delete(seq);
    return call;
  }

  #settle(seq: number, value: unknown): void {
    const call = this.#take(seq);
    if (call === undefined) return;
    if (call.request.type === "open") this.#opened(call.request.call, value as OpenedQuery);
    call.resolve(value);
  }

  #opened(call: FunctionCall & { readonly journal: string | null }, { id, state }: OpenedQuery): void {
    const entry = this.#open.get(id);
    if (entry === undefined) {
      this.#open.set(id, { call, holders: 1, engineWatchers: 1, state, poisoned: false });
    } else {
      entry.holders += 1;
      entry.engineWatchers += 1;
      entry.state = state;
    }
  }

  #published(
    ts: CommitTs,
    changed: readonly { readonly id: LiveQueryId; readonly state: LiveQueryState }[],
  ): void {
    this.#latestTs = ts;
    const news = changed.filter(({ id, state }) => {
      const entry = this.#open.get(id);
      if (entry === undefined) return false;
      const same = sameResult(entry.state.result, state.result);
      entry.state = state;
      return !same;
    });
    for (const listener of this.#listeners) listener.published(ts, news);
  }

  #poison(id: LiveQueryId, failure: FunctionFailure): void {
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    entry.poisoned = true;
    entry.engineWatchers = 0;
    this.#published(this.#latestTs, [
      {
        id,
        state: {
          version: entry.state.version + 1,
          result: { ok: false, error: failure, logLines: [] },
          journal: null,
        },
      },
    ]);
  }

  /** New code may have mended what ran away: ask the engine for those queries again, under a call of their own. */
  #retryPoisoned(): void {
    for (const [id, entry] of this.#open) {
      if (!entry.poisoned) continue;
      entry.poisoned = false;
      this.#enqueue({ type: "reopen", queries: [{ id, call: entry.call }] });
      entry.engineWatchers = 1;
    }
  }

  #failCall(seq: number, failure: FunctionFailure): void {
    const call = this.#inFlight.get(seq);
    if (call === undefined) return;
    const result = { ok: false as const, error: failure, logLines: [] };
    switch (call.request.type) {
      case "query":
        this.#settle(seq, { ...result, ts: this.#latestTs, journal: null });
        break;
      case "mutation":
        this.#settle(seq, { ...result, ts: null });
        break;
      case "open":
        this.#openLocally(seq, call.request.call, result);
        break;
      default:
        this.#take(seq)?.reject(new LensletError("Internal", "InternalServerError", failure.message));
    }
  }

  /** A query that ran away when it was opened gets an entry that only this side knows. */
  #openLocally(
    seq: number,
    call: FunctionCall & { readonly journal: string | null },
    result: LiveQueryState["result"],
  ): void {
    const id = this.#nextLocalId++ as LiveQueryId;
    const state: LiveQueryState = { version: 1, result, journal: null };
    this.#open.set(id, { call, holders: 1, engineWatchers: 0, state, poisoned: true });
    this.#take(seq)?.resolve({ id, state });
  }
}
