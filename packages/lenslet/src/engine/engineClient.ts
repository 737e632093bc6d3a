import { assert } from "../base/assert.ts";
import { LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import type {
  Deployment,
  EngineEvents,
  FunctionCall,
  FunctionFailure,
  FunctionTarget,
  Identity,
  JobAnswer,
  JobEngine,
  JobRef,
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
import { recordedAnswer } from "./commitRecord.ts";
import { decodeExecutions } from "./executionLog.ts";
import { type CallReads, type FetchContents, FileReads } from "./fileReads.ts";
import { localIdsFrom, sameResult } from "./liveQueries.ts";
import type {
  EngineHandover,
  EngineIn,
  EngineOut,
  EngineOutBatch,
  EngineRequest,
  ReopenedQuery,
  WantedFile,
} from "./wire.ts";

/** Calls that may wait for the engine at once; beyond it callers are told to come back (limits.md #111). */
export const callsInFlightMax = 100_000;
/** When so many live queries of one function have run away, no other of that function is tried with the same code. */
export const runawaysOfFunctionMax = 3;

export interface EngineClientOptions {
  /** Durability of the log, as the net thread sees it. */
  readonly durability: { durableTs(): CommitTs; onDurable(listener: () => void): () => void };
  /** Defers the sending of a batch to the end of the current turn of the event loop. */
  readonly soon: (callback: () => void) => void;
  /** Fetches what the engine cannot wait for; absent when it reads all contents itself. */
  readonly fetchContents?: FetchContents;
  /**
   * False while an answer to one of these requests is still under way to somebody here, who must get it before anything
   * shows what the request has done. See EngineOutBatch.
   */
  readonly mayShow?: (answered: readonly string[]) => boolean;
}

interface InFlight {
  readonly request: EngineRequest;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Set when the call took an engine with it; the next engine knows whether it had been committed all the same. */
  condemned: FunctionFailure | null;
  /** Contents of files that the call waits for or has waited for. */
  reads: CallReads | null;
}

interface OpenEntry {
  readonly call: FunctionCall & { readonly journal: string | null };
  /** Holders of this id on the net thread. */
  holders: number;
  /** What the engine counts for this id; 0: it does not know it. */
  engineWatchers: number;
  /** With a version of `#newestVersion`. */
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
export class EngineClient implements JobEngine {
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
  /** Above every id an engine has given out, as far as anybody here was told. */
  #nextEngineId = 1;
  /**
   * Versions of all states ever shown come from one sequence: those of an engine start anew with it, and an id may be
   * closed and opened again while older news of it are on the way.
   */
  #newestVersion = 0;
  #isFirstEngine = true;
  /** What the engine that is about to connect was told to open. */
  #handedOver: readonly LiveQueryId[] = [];
  /** Runaway live queries of the current code, by function. */
  readonly #runaways = new Map<string, number>();
  #latestTs: CommitTs = 0n;
  #deployment: Deployment = {
    version: 0,
    authProviders: [],
    environmentVariables: {},
    canonicalUrls: { convexCloudUrl: "", convexSiteUrl: "" },
  };
  #codeId: string | null = null;
  #failed: Error | null = null;
  readonly #fileReads: FileReads | null;

  constructor(options: EngineClientOptions) {
    this.#options = options;
    this.#fileReads = options.fetchContents === undefined ? null : new FileReads(options.fetchContents);
    options.durability.onDurable(() => this.#deliverDurable());
  }

  // ---- the side of the engine thread ---------------------------------------------------------------------------

  /** What a new engine has to be started with. Until it connects, queries may be closed. */
  handover(): EngineHandover {
    const queries = this.#queriesToReopen();
    this.#handedOver = queries.map(({ id }) => id);
    const answeredTs = this.#isFirstEngine ? null : this.#latestTs;
    this.#isFirstEngine = false;
    return { queries, nextLiveQueryId: this.#nextEngineId, answeredTs };
  }

  /** A (new) engine, started with the newest handover, is ready for messages. What was in flight is asked again. */
  connect(send: (messages: readonly EngineIn[]) => void): void {
    this.#send = send;
    this.#unsent = [];
    const queries = this.#queriesToReopen();
    if (queries.length > 0) this.#unsent.push({ type: "reopen", queries });
    for (const id of this.#handedOver) {
      if (!this.#open.has(id)) this.#unsent.push({ type: "close", id, watchers: 1 });
    }
    this.#handedOver = [];
    for (const [seq, call] of this.#inFlight) {
      // This engine has broken nothing off yet.
      closeReads(call);
      const { request, condemned } = call;
      const message = { type: "call" as const, seq, request };
      this.#unsent.push(condemned === null ? message : { ...message, condemned });
    }
    this.#flush();
  }

  /** The queries that should be live and that the engine does not know; it is about to be told of them. */
  #queriesToReopen(): ReopenedQuery[] {
    const queries: ReopenedQuery[] = [];
    for (const [id, entry] of this.#open) {
      if (entry.poisoned || entry.engineWatchers > 0) continue;
      entry.engineWatchers = 1;
      queries.push({ id, call: { ...entry.call, journal: entry.state.journal ?? entry.call.journal } });
    }
    return queries;
  }

  receive(batch: EngineOutBatch): void {
    const isDurable = this.#options.durability.durableTs() >= batch.gateTs;
    if (this.#held.length === 0 && isDurable && this.#mayShow(batch)) this.#deliver(batch);
    else this.#held.push(batch);
  }

  /** For whoever has given `mayShow`: its answer may have changed. */
  showHeld(): void {
    this.#deliverDurable();
  }

  /**
   * The engine thread is gone, and its messages must not be received from here on. What it said and nobody was shown
   * counts as never said: its successor is asked again, and finds in the log what was committed. Log entries are kept.
   */
  disconnected(loss: EngineLoss): void {
    this.#send = null;
    this.#handedOver = [];
    for (const entry of this.#open.values()) entry.engineWatchers = 0;
    this.#held = this.#held.flatMap(({ gateTs, messages }) => {
      const kept = messages.filter(({ type }) => type === "executed");
      return kept.length === 0 ? [] : [{ gateTs, messages: kept }];
    });
    const { guilty, failure } = loss;
    if (guilty === null) return;
    if (guilty < 0) this.#poison(-guilty, failure);
    else this.#failCall(guilty, failure);
  }

  /** The engine cannot go on (its log failed): everything in flight and to come is refused. */
  fail(error: Error): void {
    this.#failed = error;
    for (const call of this.#inFlight.values()) {
      closeReads(call);
      call.reject(error);
    }
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
  runJob(job: JobRef): Promise<JobAnswer> {
    return this.#call({ type: "job", job }) as Promise<JobAnswer>;
  }
  lookup(target: FunctionTarget, identity: Identity): Promise<UdfType | null> {
    return this.#call({ type: "lookup", target, identity }) as Promise<UdfType | null>;
  }
  openQuery(call: FunctionCall & { readonly journal: string | null }): Promise<OpenedQuery> {
    return this.#call({ type: "open", call }) as Promise<OpenedQuery>;
  }
  vectorSearch(componentPath: string, argsJson: string): Promise<string> {
    return this.#call({ type: "vectorSearch", componentPath, argsJson }) as Promise<string>;
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
          "Overloaded",
          "ExecuteFullError",
          "Too many concurrent requests in a short period of time. Spread out your requests out over time or throttle them to avoid errors.",
        ),
      );
    }
    const seq = this.#nextSeq++;
    return new Promise((resolve, reject) => {
      this.#inFlight.set(seq, { request, resolve, reject, condemned: null, reads: null });
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
    for (;;) {
      const [next] = this.#held;
      if (next === undefined || next.gateTs > durableTs || !this.#mayShow(next)) return;
      this.#held.shift();
      this.#deliver(next);
    }
  }

  #mayShow({ answered }: EngineOutBatch): boolean {
    return answered === undefined || this.#options.mayShow?.(answered) !== false;
  }

  #deliver(batch: EngineOutBatch): void {
    for (const message of batch.messages) this.#deliverMessage(message);
  }

  #deliverMessage(message: EngineOut): void {
    switch (message.type) {
      case "answer":
        this.#settle(message.seq, message.value);
        break;
      case "recovered": {
        const { resultJson, logLinesJson, ts } = message;
        this.#settle(message.seq, this.#recovered(message.seq, resultJson, logLinesJson, ts));
        break;
      }
      case "reject": {
        const call = this.#take(message.seq);
        const { category, code, message: text, data } = message.error;
        call?.reject(new LensletError(category, code, text, data));
        break;
      }
      case "filesAwaited":
        void this.#fetchFiles(message.seq, message.files);
        break;
      case "published":
        this.#published(message.ts, message.changed);
        break;
      case "deployment":
        this.#deploymentLoaded(message.deployment, message.codeId);
        break;
      case "scheduled":
        for (const listener of this.#listeners) listener.scheduled?.(message.dueMs);
        break;
      case "measured":
        for (const listener of this.#listeners) listener.measured?.(message.measures);
        break;
      case "executed": {
        const entries = decodeExecutions(message.executionsJson);
        for (const listener of this.#listeners) listener.executed(entries);
        break;
      }
    }
  }

  #recovered(seq: number, resultJson: string, logLinesJson: string, ts: CommitTs): unknown {
    switch (this.#inFlight.get(seq)?.request.type) {
      case "system":
        return resultJson;
      case "job":
        return JSON.parse(resultJson);
      default:
        return recordedAnswer(resultJson, logLinesJson, ts);
    }
  }

  #take(seq: number): InFlight | undefined {
    const call = this.#inFlight.get(seq);
    this.#inFlight.delete(seq);
    if (call !== undefined) closeReads(call);
    return call;
  }

  /** Never rejects. */
  async #fetchFiles(seq: number, wanted: readonly WantedFile[]): Promise<void> {
    const call = this.#inFlight.get(seq);
    if (call === undefined) return;
    assert(this.#fileReads !== null, "an engine waits for contents only where they can be fetched");
    call.reads ??= this.#fileReads.open();
    const read = await call.reads.read(wanted);
    if (read === null) return;
    const { request } = call;
    if (request.type === "job" && read.failure !== null) {
      // What is scheduled can wait until the store is there again.
      const { code, message } = read.failure;
      this.#take(seq)?.reject(new LensletError("Internal", code, message));
    } else this.#enqueue({ type: "call", seq, request, files: read.files });
  }

  #settle(seq: number, value: unknown): void {
    const call = this.#take(seq);
    if (call === undefined) return;
    const { request } = call;
    call.resolve(request.type === "open" ? this.#opened(request.call, value as OpenedQuery) : value);
  }

  #opened(call: FunctionCall & { readonly journal: string | null }, { id, state }: OpenedQuery): OpenedQuery {
    if (id < localIdsFrom) this.#nextEngineId = Math.max(this.#nextEngineId, id + 1);
    const entry = this.#open.get(id);
    if (entry === undefined) {
      const shown = { ...state, version: ++this.#newestVersion };
      this.#open.set(id, { call, holders: 1, engineWatchers: 1, state: shown, poisoned: false });
      return { id, state: shown };
    }
    entry.holders += 1;
    entry.engineWatchers += 1;
    assert(sameResult(entry.state.result, state.result), "an open query shows what was published last");
    return { id, state: entry.state };
  }

  #published(
    ts: CommitTs,
    changed: readonly { readonly id: LiveQueryId; readonly state: LiveQueryState }[],
  ): void {
    this.#latestTs = ts;
    const news: { id: LiveQueryId; state: LiveQueryState }[] = [];
    for (const { id, state } of changed) {
      const entry = this.#open.get(id);
      if (entry === undefined) continue;
      const { version, result } = entry.state;
      const same = sameResult(result, state.result);
      entry.state = { ...state, version: same ? version : ++this.#newestVersion };
      if (!same) news.push({ id, state: entry.state });
    }
    for (const listener of this.#listeners) listener.published(ts, news);
  }

  #deploymentLoaded(deployment: Deployment, codeId: string): void {
    const { version } = this.#deployment;
    // Every engine announces what it has loaded, and counts its versions from 1.
    const next = { ...deployment, version };
    if (codeId === this.#codeId && JSON.stringify(next) === JSON.stringify(this.#deployment)) return;
    this.#deployment = { ...next, version: version + 1 };
    if (codeId !== this.#codeId) {
      this.#codeId = codeId;
      this.#retryPoisoned();
    }
    for (const listener of this.#listeners) listener.deploymentChanged();
  }

  #poison(guilty: LiveQueryId, failure: FunctionFailure): void {
    const entry = this.#open.get(guilty);
    if (entry === undefined) return;
    const functionKey = functionKeyOf(entry.call.target);
    const runaways = (this.#runaways.get(functionKey) ?? 0) + 1;
    this.#runaways.set(functionKey, runaways);
    const poisoned = [guilty];
    if (runaways >= runawaysOfFunctionMax) {
      for (const [id, { call }] of this.#open) {
        if (id !== guilty && functionKeyOf(call.target) === functionKey) poisoned.push(id);
      }
    }
    for (const id of poisoned) (this.#open.get(id) as OpenEntry).poisoned = true;
    const state = {
      version: 0,
      result: { ok: false as const, error: failure, logLines: [] },
      journal: null,
    };
    this.#published(
      this.#latestTs,
      poisoned.map((id) => ({ id, state })),
    );
  }

  /** New code may have mended what ran away: ask the engine for those queries again. */
  #retryPoisoned(): void {
    this.#runaways.clear();
    for (const entry of this.#open.values()) entry.poisoned = false;
    // Otherwise `connect` finds them.
    if (this.#send === null) return;
    const queries = this.#queriesToReopen();
    if (queries.length > 0) this.#enqueue({ type: "reopen", queries });
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
      case "job":
      case "system":
        call.condemned = failure;
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
    const state: LiveQueryState = { version: ++this.#newestVersion, result, journal: null };
    this.#open.set(id, { call, holders: 1, engineWatchers: 0, state, poisoned: true });
    this.#take(seq)?.resolve({ id, state });
  }
}

function closeReads(call: InFlight): void {
  call.reads?.close();
  call.reads = null;
}

function functionKeyOf(target: FunctionTarget): string {
  return JSON.stringify(target);
}
