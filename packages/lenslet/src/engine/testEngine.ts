import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { assert } from "../base/assert.ts";
import type { Clock, Timers } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { analyze } from "../deploy/analyze.ts";
import { type BundledApp, bundleApp, pushBody } from "../deploy/testing/testBundle.ts";
import type { CommitTs, Log } from "../log/log.ts";
import { MemoryLog, type MemoryLogOptions } from "../log/memory.ts";
import { seededRandom } from "../log/testSupport.ts";
import { Runner } from "../runner/runner.ts";
import { CatalogState } from "../store/catalogState.ts";
import { openSqliteStore } from "../store/sqliteStore.ts";
import type { Store } from "../store/store.ts";
import { parseValue, stringifyValue, type JsonValue } from "../values/json.ts";
import type { Value } from "../values/value.ts";
import type {
  EngineEvents,
  FunctionCall,
  FunctionResult,
  Identity,
  LiveQueryId,
  LiveQueryState,
  MutationCall,
  MutationResult,
  OpenedQuery,
  QueryCall,
  QueryResult,
} from "./api.ts";
import type { CallsOptions } from "./calls.ts";
import { Committer } from "./committer.ts";
import { Engine } from "./engine.ts";
import { EngineClient, type EngineLoss } from "./engineClient.ts";
import type { FetchContents } from "./fileReads.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { HeapGauge } from "./memoryWatch.ts";
import { type AnalysisRequestJson, fromJson } from "./systemOperations.ts";
import type { EngineHandover, EngineIn, EngineOutBatch } from "./wire.ts";
import { packIn, packOut, unpackIn, unpackOut } from "./wireRuns.ts";

// User code sees UTC; in production main/ sets this before anything else.
process.env["TZ"] = "UTC";

/** Stands still unless it is advanced. */
export class TestClock implements Clock, Timers {
  #nowMs = 1_700_000_000_000;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  setTimeout(callback: () => void, delayMs: number): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  /** Also runs the timers that have become due. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { callback } of due) callback();
  }
}

export interface EngineParts {
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly heartbeat?: Heartbeat;
  readonly heap?: HeapGauge;
  readonly readContents?: CallsOptions["readContents"];
  /** Compiling modules again for each engine takes longer than most tests. */
  readonly runner?: Runner;
  readonly boot: string;
  readonly handover: EngineHandover;
  readonly post: (batch: EngineOutBatch) => void;
  readonly soon: (callback: () => void) => void;
  readonly reportDefect: (error: unknown) => void;
}

export const noHandover: EngineHandover = { queries: [], nextLiveQueryId: 1, answeredTs: null };

/** What main/engineWorker.ts does on its thread; the engine is not started yet. */
export async function openEngine(parts: EngineParts): Promise<{ engine: Engine; committer: Committer }> {
  const { store, log, clock, boot, handover } = parts;
  const committer = await Committer.open(
    { store, log, clock, boot, answeredTs: handover.answeredTs },
    CatalogState.load(store),
  );
  const engine = new Engine({
    store,
    committer,
    runner: parts.runner ?? new Runner({ clock }),
    heartbeat: parts.heartbeat ?? new Heartbeat(),
    ...(parts.heap === undefined ? {} : { heap: parts.heap }),
    ...(parts.readContents === undefined ? {} : { readContents: parts.readContents }),
    clock,
    timers: parts.timers,
    random: parts.random,
    cursorSecret: new Uint8Array(32).fill(5),
    uploadSecret: new Uint8Array(32).fill(6),
    jwtSecret: new Uint8Array(32).fill(7),
    instanceName: "test-instance-1",
    boot,
    cloudUrl: "http://127.0.0.1:3210",
    siteUrl: "http://127.0.0.1:3211",
    reportDefect: parts.reportDefect,
    post: parts.post,
    soon: parts.soon,
  });
  return { engine, committer };
}

export const anonymous: Identity = { kind: "anonymous" };
export const admin: Identity = { kind: "admin", actingAs: null };
export function user(name: string): Identity {
  return { kind: "user", attributes: { tokenIdentifier: `issuer|${name}`, name }, expiresAtMs: null };
}

/** A function call as sync/ and http/ make it. `args` is a Convex value; undefined fields are left out. */
export function callOf(functionPath: string, args: Value = {}, identity: Identity = anonymous): FunctionCall {
  return {
    target: { kind: "path", path: functionPath, componentPath: "" },
    argsJson: `[${stringifyValue(args)}]`,
    identity,
    caller: "SyncWorker",
    requestId: "0123456789abcdef",
  };
}

export interface TestEngineOptions {
  readonly heap?: HeapGauge;
  /** Contents of files are elsewhere: mutations wait for them. */
  readonly fetchContents?: FetchContents;
  readonly durability?: MemoryLogOptions["durability"];
  /** As left by an earlier one. */
  readonly log?: MemoryLog;
}

/**
 * For tests: one process of the server on one thread. The real rooms from EngineClient to log and store are joined as
 * main/ joins them; messages between net and engine side are cloned, and delivered in order by `settle`.
 */
export class TestEngine {
  readonly client: EngineClient;
  readonly clock = new TestClock();
  readonly log: MemoryLog;
  readonly random: Random = seededRandom(1);
  readonly heartbeat = new Heartbeat();
  /** What was reported as a defect of our own; a test that expects none looks here. */
  readonly defects: unknown[] = [];
  /** All that was published, answers of `open` included, in the order of arrival. */
  readonly published: { ts: CommitTs; changed: readonly { id: LiveQueryId; state: LiveQueryState }[] }[] = [];
  /** Newest known state of every query that was ever opened. */
  readonly live = new Map<LiveQueryId, LiveQueryState>();
  readonly executed: Parameters<EngineEvents["executed"]>[0][number][] = [];
  deploymentChanges = 0;
  committer!: Committer;
  store!: Store;
  engine: Engine | null = null;
  readonly #folder: string;
  readonly #boot = "test-boot";
  readonly #options: TestEngineOptions;
  #tasks: (() => void)[] = [];
  /** Messages that belong to an engine that is gone are dropped. */
  #generation = 0;

  private constructor(options: TestEngineOptions) {
    this.#folder = mkdtempSync(path.join(tmpdir(), "lenslet-engine-"));
    this.#options = options;
    this.log = options.log ?? new MemoryLog({ durability: options.durability ?? "automatic" });
    this.client = new EngineClient({
      durability: this.log,
      soon: (task) => this.#tasks.push(task),
      ...(options.fetchContents === undefined ? {} : { fetchContents: options.fetchContents }),
    });
    this.client.subscribe({
      published: (ts, changed) => {
        this.published.push({ ts, changed });
        for (const { id, state } of changed) this.live.set(id, state);
      },
      deploymentChanged: () => {
        this.deploymentChanges += 1;
      },
      executed: (entries) => this.executed.push(...entries),
    });
  }

  /** An engine with the given `convex/` files pushed, or none. */
  static async start(
    files: Readonly<Record<string, string>> | null,
    options: TestEngineOptions = {},
  ): Promise<TestEngine> {
    const server = new TestEngine(options);
    await server.startEngine();
    if (files !== null) await server.push(files);
    return server;
  }

  async startEngine(handover: EngineHandover = this.client.handover()): Promise<void> {
    assert(this.engine === null, "one engine at a time");
    const generation = ++this.#generation;
    const current = (task: () => void) => () => {
      if (this.#generation === generation) task();
    };
    this.store = openSqliteStore(path.join(this.#folder, "store.sqlite"));
    const { engine, committer } = await openEngine({
      store: this.store,
      log: this.log,
      clock: this.clock,
      timers: { setTimeout: (callback, delayMs) => this.clock.setTimeout(current(callback), delayMs) },
      random: this.random,
      heartbeat: this.heartbeat,
      ...(this.#options.heap === undefined ? {} : { heap: this.#options.heap }),
      ...(this.#options.fetchContents === undefined ? {} : { readContents: "awaited" as const }),
      boot: this.#boot,
      handover,
      post: (batch) => {
        const copy = unpackOut(structuredClone(packOut(batch)));
        this.#tasks.push(current(() => this.client.receive(copy)));
      },
      soon: (task) => this.#tasks.push(current(task)),
      reportDefect: (error) => this.defects.push(error),
    });
    this.engine = engine;
    this.committer = committer;
    engine.start(handover);
    this.client.connect((messages: readonly EngineIn[]) => {
      const copy = unpackIn(structuredClone(packIn(messages)));
      this.#tasks.push(current(() => engine.receive(copy)));
    });
  }

  /** The engine thread dies where it stands: nothing that it has not persisted is left. */
  loseEngine(loss: EngineLoss): void {
    this.#generation += 1;
    this.engine = null;
    this.store.close();
    this.client.disconnected(loss);
  }

  async replaceEngine(loss: EngineLoss = { guilty: null, failure: { message: "lost\n" } }): Promise<void> {
    this.loseEngine(loss);
    this.clock.advance(60);
    await this.startEngine();
    await this.settle();
  }

  dispose(): void {
    if (this.engine !== null) this.store.close();
    this.engine = null;
    this.#generation += 1;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Runs everything there is to do on both sides, in order. */
  async settle(): Promise<void> {
    for (;;) {
      // All promise continuations first; and what follows runs in a microtask, as in production.
      await new Promise((resolve) => setImmediate(resolve));
      const task = this.#tasks.shift();
      if (task === undefined) return;
      task();
    }
  }

  /** Runs one task of either side; false when there is none. */
  async step(): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    const task = this.#tasks.shift();
    task?.();
    return task !== undefined;
  }

  /** The outcome of a call once everything has come to rest; fails when there is none. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isPending = true;
    const done = () => {
      isPending = false;
    };
    promise.then(done, done);
    await this.settle();
    assert(!isPending, "the call was answered");
    return promise;
  }

  query(functionPath: string, args?: Value, options: Partial<QueryCall> = {}): Promise<QueryResult> {
    return this.settled(this.client.query({ ...callOf(functionPath, args), ...options }));
  }

  mutation(functionPath: string, args?: Value, options: Partial<MutationCall> = {}): Promise<MutationResult> {
    return this.settled(this.client.mutation({ ...callOf(functionPath, args), ...options }));
  }

  async open(
    functionPath: string,
    args?: Value,
    options: Partial<FunctionCall & { journal: string | null }> = {},
  ): Promise<OpenedQuery> {
    const call = { ...callOf(functionPath, args), journal: null, ...options };
    const opened = await this.settled(this.client.openQuery(call));
    this.live.set(opened.id, opened.state);
    return opened;
  }

  async system(operation: string, args: unknown = {}): Promise<unknown> {
    return JSON.parse(await this.settled(this.client.system(operation, JSON.stringify(args))));
  }

  /** Value of a live query as last published. */
  valueOf({ id }: { readonly id: LiveQueryId }): Value {
    const state = this.live.get(id);
    assert(state !== undefined, "the query was opened here");
    return valueOf(state.result);
  }

  /** Pushes files of a `convex/` folder as the CLI does; throws what the CLI would show. */
  async push(files: Readonly<Record<string, string>>): Promise<void> {
    const { startPush } = await this.startPush(files);
    await this.settle();
    await this.finishPush(startPush);
  }

  async startPush(files: Readonly<Record<string, string>>): Promise<{ startPush: StartedPush }> {
    return this.#startPush(pushBody(await bundled(files)));
  }

  /** Pushes what the CLI would send as the body of start_push. */
  async pushBody(body: Readonly<Record<string, unknown>>): Promise<void> {
    const { startPush } = await this.#startPush(body);
    await this.settle();
    await this.finishPush(startPush);
  }

  async #startPush(body: Readonly<Record<string, unknown>>): Promise<{ startPush: StartedPush }> {
    const input = (await this.system("push.prepare", body)) as AnalysisRequestJson;
    const result = await analyze(fromJson(input), { clock: this.clock, onModule: () => {} });
    if (!result.ok) throw new Error(result.message);
    const answer = await this.system("push.start", { body, input, analysis: result.analysis });
    return { startPush: answer as StartedPush };
  }

  async finishPush(startPush: StartedPush): Promise<void> {
    await this.system("push.finish", { startPush, dryRun: false });
  }

  async pushState({ schemaChange }: StartedPush): Promise<unknown> {
    return this.system("push.schemaState", { schemaChange, dryRun: false });
  }
}

const bundles = new Map<string, Promise<BundledApp>>();

/** Bundling takes longer than everything else a test does. */
function bundled(files: Readonly<Record<string, string>>): Promise<BundledApp> {
  const key = JSON.stringify(files);
  const bundle = bundles.get(key) ?? bundleApp(files);
  bundles.set(key, bundle);
  return bundle;
}

export interface StartedPush {
  readonly schemaChange: unknown;
}

/** The value of a successful result; throws the message of a failed one. */
export function valueOf(result: FunctionResult): Value {
  if (!result.ok) throw new Error(result.error.message);
  return parseValue(JSON.parse(result.valueJson) as JsonValue);
}

/** The message of a failed result; throws when it is none. */
export function failureOf(result: FunctionResult): string {
  assert(!result.ok, "the call failed");
  return result.error.message;
}
