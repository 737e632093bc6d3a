import type { Clock, Timers } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type {
  Deployment,
  EngineApi,
  EngineEvents,
  FunctionCall,
  FunctionFailure,
  FunctionResult,
  Identity,
  LiveQueryId,
  LiveQueryState,
  MutationCall,
  MutationResult,
  OpenedQuery,
} from "../engine/api.ts";

/** Test support: an engine whose functions are closures over one JSON object, and which answers when told to. */

export type Data = Record<string, unknown>;
export interface FakeContext {
  readonly args: Record<string, unknown>;
  readonly identity: Identity;
  readonly journal: string | null;
  readonly log: (line: string) => void;
  readonly writeJournal: (journal: string) => void;
}
export type FakeFunction = (data: Data, context: FakeContext) => unknown;

/** A thrown value of this class becomes a ConvexError. */
export class FakeConvexError {
  readonly data: unknown;
  constructor(data: unknown) {
    this.data = data;
  }
}

interface Entry {
  readonly id: LiveQueryId;
  readonly key: string;
  readonly call: FunctionCall;
  state: LiveQueryState;
  opens: number;
}

export class FakeEngine implements EngineApi {
  readonly functions = new Map<string, FakeFunction>();
  readonly calls: { readonly kind: "open" | "mutation"; readonly call: FunctionCall }[] = [];
  /** Next answers to `openQuery` and `mutation` calls: an Error rejects, and the call has no effect. */
  readonly openErrors: unknown[] = [];
  readonly mutationErrors: unknown[] = [];
  /** Every committed state by timestamp. */
  readonly history: { readonly ts: bigint; readonly data: Data }[] = [];
  data: Data = {};
  /** What happens in the engine reaches the net thread when `deliver` is called; by default soon. */
  manual = false;
  /** Publishes every commit by itself, or lets `publish()` do it. */
  autoPublish = true;
  readonly #listeners = new Set<EngineEvents>();
  readonly #entries = new Map<LiveQueryId, Entry>();
  readonly #answered = new Map<string, MutationResult>();
  #deliveries: (() => void)[] = [];
  #isDeliveryDue = false;
  #nextId = 0;
  #ts: bigint;
  #published: bigint;
  /** What live queries show: all answers and events that have been sent off are about this. */
  #publishedData: Data = {};

  constructor(startTs = 1_000n) {
    this.#ts = this.#published = startTs;
    this.history.push({ ts: startTs, data: {} });
  }

  openCount(): number {
    return [...this.#entries.values()].reduce((sum, entry) => sum + entry.opens, 0);
  }

  latestTs(): bigint {
    return this.#published;
  }

  deployment(): Deployment {
    throw new Error("not part of the fake");
  }
  query(): Promise<never> {
    throw new Error("not part of the fake");
  }
  prepareAction(): Promise<never> {
    throw new Error("not part of the fake");
  }
  lookup(): Promise<never> {
    throw new Error("not part of the fake");
  }
  vectorSearch(): Promise<never> {
    return Promise.reject(new Error("not used here"));
  }
  system(): Promise<never> {
    throw new Error("not part of the fake");
  }

  subscribe(events: EngineEvents): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  openQuery(call: FunctionCall & { readonly journal: string | null }): Promise<OpenedQuery> {
    this.calls.push({ kind: "open", call });
    const { promise, resolve, reject } = Promise.withResolvers<OpenedQuery>();
    const error = this.openErrors.shift();
    if (error !== undefined) {
      this.#deliver(() => reject(error));
      return promise;
    }
    const key = JSON.stringify([call.target, call.argsJson, call.identity, call.journal]);
    let entry = [...this.#entries.values()].find((candidate) => candidate.key === key);
    if (!entry) {
      const id: LiveQueryId = ++this.#nextId;
      entry = { id, key, call, state: this.#run(call, call.journal, this.#publishedData, 1), opens: 0 };
      this.#entries.set(id, entry);
    }
    entry.opens++;
    const opened = { id: entry.id, state: entry.state };
    this.#deliver(() => resolve(opened));
    return promise;
  }

  closeQuery(id: LiveQueryId): void {
    const entry = this.#entries.get(id);
    if (!entry) throw new Error(`live query ${id} is not open`);
    entry.opens--;
    if (entry.opens === 0) this.#entries.delete(id);
  }

  mutation(call: MutationCall): Promise<MutationResult> {
    this.calls.push({ kind: "mutation", call });
    const { promise, resolve, reject } = Promise.withResolvers<MutationResult>();
    const error = this.mutationErrors.shift();
    if (error !== undefined) {
      this.#deliver(() => reject(error));
      return promise;
    }
    const key = call.session && `${call.session.sessionId}|${call.session.requestId}`;
    const known = key === undefined ? undefined : this.#answered.get(key);
    const result = known ?? this.#commit(call);
    if (key !== undefined && result.ok) this.#answered.set(key, result);
    this.#deliver(() => resolve(result));
    if (this.autoPublish && !known && result.ok) this.publish();
    return promise;
  }

  /** A commit by somebody else. */
  write(change: (data: Data) => void): bigint {
    this.data = structuredClone(this.data);
    change(this.data);
    this.#ts += 1n;
    this.history.push({ ts: this.#ts, data: this.data });
    if (this.autoPublish) this.publish();
    return this.#ts;
  }

  /** Shows all commits so far to the live queries. */
  publish(): void {
    const ts = this.#ts;
    this.#publishedData = this.data;
    const changed: { id: LiveQueryId; state: LiveQueryState }[] = [];
    for (const entry of this.#entries.values()) {
      const state = this.#run(entry.call, entry.state.journal, this.data, entry.state.version + 1);
      if (JSON.stringify(state.result) === JSON.stringify(entry.state.result)) continue;
      entry.state = state;
      changed.push({ id: entry.id, state });
    }
    this.#deliver(() => {
      this.#published = ts;
      for (const listener of this.#listeners) listener.published(ts, changed);
    });
  }

  /** What a query answers for a state of the data. */
  evaluate(call: FunctionCall, data: Data): FunctionResult {
    return this.#run(call, null, data, 1).result;
  }

  /** Lets the oldest `count` answers and events reach the net thread, in one go. */
  deliver(count = Infinity): void {
    for (const delivery of this.#deliveries.splice(0, count)) delivery();
  }

  get waiting(): number {
    return this.#deliveries.length;
  }

  #deliver(delivery: () => void): void {
    this.#deliveries.push(delivery);
    if (this.manual || this.#isDeliveryDue) return;
    this.#isDeliveryDue = true;
    setImmediate(() => {
      this.#isDeliveryDue = false;
      this.deliver();
    });
  }

  #commit(call: MutationCall): MutationResult {
    const data = structuredClone(this.data);
    const result = this.#call(call, null, data);
    if (!result.ok) return { ...result, ts: null };
    this.data = data;
    this.#ts += 1n;
    this.history.push({ ts: this.#ts, data });
    return { ...result, ts: this.#ts };
  }

  #run(call: FunctionCall, journal: string | null, data: Data, version: number): LiveQueryState {
    const written = { journal };
    const result = this.#call(call, journal, data, (text) => (written.journal = text));
    return { version, result, journal: written.journal };
  }

  #call(
    call: FunctionCall,
    journal: string | null,
    data: Data,
    writeJournal: (text: string) => void = () => {},
  ): FunctionResult {
    const path = call.target.kind === "path" ? call.target.path : "";
    const logLines: string[] = [];
    const fail = (error: FunctionFailure): FunctionResult => ({ ok: false, error, logLines });
    const run = this.functions.get(path);
    if (!run) return fail({ message: `Could not find public function for '${path}'.\n` });
    const [args = {}] = JSON.parse(call.argsJson) as Record<string, unknown>[];
    try {
      const log = (line: string) => logLines.push(line);
      const value = run(data, { args, identity: call.identity, journal, log, writeJournal });
      return { ok: true, valueJson: JSON.stringify(value ?? null), logLines };
    } catch (error) {
      if (error instanceof FakeConvexError) {
        return fail({ message: "Uncaught ConvexError\n", dataJson: JSON.stringify(error.data) });
      }
      return fail({ message: `Uncaught ${String(error)}\n` });
    }
  }
}

export class FakeClock implements Clock, Timers {
  now = 1_760_000_000_000;
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return this.now;
  }
  monotonicMs(): number {
    return this.now - 1_700_000_000_000;
  }
  setTimeout(callback: () => void, delayMs: number): () => void {
    const timer = { atMs: this.now + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
  /** Moves the time and runs what falls due, in order. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = [...this.#timers]
        .filter((timer) => timer.atMs <= end)
        .toSorted((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.atMs);
      next.callback();
    }
    this.now = end;
  }
}

/** Reproducible bytes. */
export function fakeRandom(seed = 1): Random {
  let state = seed;
  return {
    bytes: (length) =>
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return state >>> 24;
      }),
  };
}
