import { assert } from "../base/assert.ts";
import type { Clock, Timers } from "../base/clock.ts";
import { LensletError, internalErrorMessage } from "../base/errors.ts";
import type { CommitTs, LogRecord } from "../log/log.ts";
import type { FunctionFailure, LiveQueryId, LiveQueryState } from "./api.ts";
import { FilesAwaited } from "./awaitedFiles.ts";
import { Calls, type CallsOptions } from "./calls.ts";
import type { Committer } from "./committer.ts";
import { encodeExecutions } from "./executionLog.ts";
import { SessionOrder } from "./sessionOrder.ts";
import { VectorSearches } from "./vectorSearches.ts";
import { notTheLeader, requestKey } from "./wire.ts";
import type {
  EngineHandover,
  EngineIn,
  EngineOut,
  EngineOutBatch,
  EngineRequest,
  ReopenedQuery,
  WireError,
} from "./wire.ts";

/** Mutations run at most this long before the queries they invalidated get their turn, and the other way round. */
export const turnBudgetMs = 8;
/** A background step (backfill, validation) runs this often at most while there is other work. */
export const backgroundShareMs = 20;

export interface EngineOptions extends Omit<CallsOptions, "committer"> {
  readonly committer: Committer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly post: (batch: EngineOutBatch) => void;
  /** Runs a callback soon, after I/O: setImmediate in production. */
  readonly soon: (callback: () => void) => void;
}

/** Answered when it has run; a vector search goes on in the ticks after. */
type ImmediateRequest = Exclude<EngineRequest, { readonly type: "vectorSearch" }>;
const writingRequests: ReadonlySet<EngineRequest["type"]> = new Set(["mutation", "job", "system"]);

type QueuedCall = EngineIn & { readonly type: "call" };

/**
 * The engine thread's loop. A tick: mutations one after another, their commits to the log as one batch, the live
 * queries they invalidated, then reads and openings, and everything there is to say to the net thread as one batch.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #calls: Calls;
  readonly #writes: QueuedCall[] = [];
  readonly #reads: QueuedCall[] = [];
  readonly #searches: VectorSearches;
  readonly #closes: { id: LiveQueryId; watchers: number }[] = [];
  readonly #reopens: ReopenedQuery[] = [];
  readonly #order = new SessionOrder();
  /** Commits of another node that are not applied yet. */
  #followed: LogRecord[] = [];
  /** The requests that those of this tick answer. */
  #answered: string[] = [];
  #out: EngineOut[] = [];
  #publishedTs: CommitTs = 0n;
  #scheduled = false;
  #stopped = false;
  #cancelIdle: (() => void) | null = null;
  #backgroundAtMs = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#calls = new Calls(options);
    this.#searches = new VectorSearches(options.store, options.clock);
  }

  /**
   * Announces the state of the store to the net thread, with the queries that an earlier engine had open. These run
   * here and may run away: whoever watches the heartbeat has to do so by now.
   */
  start({ queries, nextLiveQueryId }: EngineHandover): void {
    this.#calls.live.reserveIds(nextLiveQueryId);
    this.#out.push(this.#calls.deploymentMessage());
    // Before the publication that shows them, as if the engine that committed them had said it.
    for (const { callSeq: seq, resultJson, logLinesJson, ts } of this.#options.committer.unansweredCalls())
      this.#out.push({ type: "recovered", seq, resultJson, logLinesJson, ts });
    this.#reopens.push(...queries);
    this.#publish(this.#reopen());
    this.#post();
    this.#schedule();
  }

  receive(messages: readonly EngineIn[]): void {
    for (const message of messages) {
      if (message.type === "close") this.#closes.push(message);
      else if (message.type === "reopen") this.#reopens.push(...message.queries);
      else {
        const writes = writingRequests.has(message.request.type);
        (writes ? this.#writes : this.#reads).push(message);
      }
    }
    this.#schedule();
  }

  /** The next commits of the log that another node writes. */
  follow(records: readonly LogRecord[]): void {
    for (const record of records) this.#followed.push(record);
    this.#schedule();
  }

  /** Finishes what has been received, then makes everything persistent. */
  async drain(): Promise<void> {
    while (this.#hasWork()) this.#tick();
    this.#stopped = true;
    this.#cancelIdle?.();
    this.#options.committer.drain();
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#options.soon(() => {
      this.#scheduled = false;
      if (this.#stopped) return;
      this.#tick();
      if (this.#hasWork()) this.#schedule();
      else this.#idle();
    });
  }

  #hasWork(): boolean {
    return (
      this.#writes.length > 0 ||
      this.#reads.length > 0 ||
      this.#followed.length > 0 ||
      this.#closes.length > 0 ||
      this.#reopens.length > 0 ||
      this.#searches.hasWork ||
      this.#calls.hasBackfillWork
    );
  }

  /** Nothing to do: come back once to persist the store. */
  #idle(): void {
    if (this.#cancelIdle !== null || !this.#options.committer.needsPersist) return;
    this.#cancelIdle = this.#options.timers.setTimeout(() => {
      this.#cancelIdle = null;
      this.#options.committer.persistIfDue();
      this.#idle();
    }, 250);
  }

  #tick(): void {
    const nowMs = this.#nowMs();
    this.#calls.memory.rest(nowMs);
    if (this.#followed.length > 0) this.#applyFollowed(nowMs + turnBudgetMs);
    this.#runTurn(this.#writes, nowMs + turnBudgetMs);
    this.#runBackfill();
    this.#options.committer.flush();
    this.#refresh();
    for (const { id, watchers } of this.#closes.splice(0)) this.#calls.live.close(id, watchers);
    this.#runTurn(this.#reads, this.#nowMs() + turnBudgetMs);
    this.#runSearches();
    this.#endIfStoreFailed();
    this.#post();
    this.#options.committer.persistIfDue();
  }

  /**
   * A store that has failed (full disk) is not to be trusted: nothing it made is said, and this thread ends. Its
   * successor opens the store anew, applies what the log has, and is asked again what has not been answered.
   */
  #endIfStoreFailed(): void {
    const failure = this.#options.store.failure();
    if (failure !== null) throw failure;
  }

  #runTurn(queue: QueuedCall[], untilMs: number): void {
    let done = 0;
    while (done < queue.length) {
      const next = this.#run(queue[done] as QueuedCall);
      done += 1;
      if (next.length > 0) queue.splice(done, 0, ...next);
      if (this.#nowMs() >= untilMs) break;
    }
    if (done > 0) queue.splice(0, done);
  }

  #applyFollowed(untilMs: number): void {
    let done = 0;
    while (done < this.#followed.length) {
      const request = this.#calls.follow(this.#followed[done] as LogRecord);
      if (request !== null) this.#answered.push(requestKey(request));
      done += 1;
      if (this.#nowMs() >= untilMs) break;
    }
    this.#followed = this.#followed.slice(done);
  }

  #runSearches(): void {
    for (const outcome of this.#searches.step((seq) => this.#calls.beginCall(seq))) {
      const { seq } = outcome;
      if ("resultJson" in outcome) this.#out.push({ type: "answer", seq, value: outcome.resultJson });
      else this.#out.push({ type: "reject", seq, error: this.#wireError(outcome.error) });
    }
  }

  #runBackfill(): void {
    if (!this.#calls.hasBackfillWork) return;
    const busy = this.#writes.length > 0 || this.#reads.length > 0;
    if (busy && this.#nowMs() - this.#backgroundAtMs < backgroundShareMs) return;
    this.#backgroundAtMs = this.#nowMs();
    this.#calls.backfillStep();
  }

  /** Returns what has to run next, before the rest of the queue. */
  #run(queued: QueuedCall): readonly QueuedCall[] {
    if (this.#order.holds(queued)) return [];
    const { seq, request, condemned, files } = queued;
    try {
      if (this.#options.isFollower === true && writingRequests.has(request.type)) throw notTheLeader();
      this.#calls.beginCall(seq, files);
      if (request.type === "vectorSearch") {
        this.#calls.startVectorSearch(this.#searches, seq, request);
        return [];
      }
      const value = this.#answer(seq, request, condemned ?? null);
      const renewed = this.#calls.live.takeRenewed();
      if (renewed.length > 0) this.#publish(renewed);
      this.#out.push({ type: "answer", seq, value });
    } catch (error) {
      if (error instanceof FilesAwaited) {
        this.#order.waits(queued);
        this.#out.push({ type: "filesAwaited", seq, files: error.files });
        return [];
      }
      this.#out.push({ type: "reject", seq, error: this.#wireError(error) });
    } finally {
      if (files !== undefined) this.#calls.forgetFiles();
    }
    return this.#order.ended(queued);
  }

  #answer(seq: number, request: ImmediateRequest, condemned: FunctionFailure | null): unknown {
    const calls = this.#calls;
    switch (request.type) {
      case "query":
        return calls.query(request.call);
      case "mutation":
        return calls.mutation(seq, request.call, condemned);
      case "job":
        return calls.job(seq, request.job, condemned);
      case "prepareAction":
        return calls.prepareAction(request.call);
      case "lookup":
        return calls.lookup(request.target, request.identity);
      case "open":
        return calls.open(request.call, null);
      case "system":
        return calls.system(seq, request.operation, request.argsJson, condemned);
    }
  }

  #wireError(error: unknown): WireError {
    if (error instanceof LensletError) {
      const { category, code, message, data } = error;
      return data === undefined ? { category, code, message } : { category, code, message, data };
    }
    this.#options.reportDefect(error);
    return { category: "Internal", code: "InternalServerError", message: internalErrorMessage };
  }

  #refresh(): void {
    const { live } = this.#calls;
    if (this.#calls.takeDeploymentChange()) {
      this.#out.push(this.#calls.deploymentMessage());
    }
    const newest = this.#options.committer.lastTs;
    if (newest === this.#publishedTs && !live.hasDirty && this.#reopens.length === 0) return;
    this.#publish([...live.refresh(), ...this.#reopen()]);
  }

  #reopen(): { id: LiveQueryId; state: LiveQueryState }[] {
    const opened = this.#reopens.splice(0).map(({ id, call }) => this.#calls.open(call, id));
    return [...opened, ...this.#calls.live.takeRenewed()];
  }

  #publish(changed: { id: LiveQueryId; state: LiveQueryState }[]): void {
    const ts = this.#options.committer.lastTs;
    assert(ts >= this.#publishedTs, "published timestamps never decrease");
    this.#publishedTs = ts;
    this.#out.push({ type: "published", ts, changed });
  }

  #post(): void {
    const entries = this.#calls.takeExecutions();
    const dueMs = this.#calls.takeScheduled();
    const measures = this.#calls.takeMeasures();
    if (measures !== null) this.#out.push({ type: "measured", measures });
    if (dueMs !== null) this.#out.push({ type: "scheduled", dueMs });
    if (entries.length > 0) this.#out.push({ type: "executed", executionsJson: encodeExecutions(entries) });
    if (this.#out.length === 0) return;
    const messages = this.#out;
    this.#out = [];
    const gateTs = this.#options.committer.lastTs;
    if (this.#answered.length === 0) this.#options.post({ gateTs, messages });
    else this.#options.post({ gateTs, messages, answered: this.#answered.splice(0) });
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
