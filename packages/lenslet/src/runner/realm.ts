import vm from "node:vm";
import { type Clock, computedMs } from "../base/clock.ts";
import { isDeveloperError } from "../base/errors.ts";
import type { LensletError } from "../base/errors.ts";
import { ModuleLoadError } from "./codeModules.ts";
import type { CodeModules, ModuleGraph } from "./codeModules.ts";
import { hostFailure, loadFailure } from "./failure.ts";
import {
  exportNotFoundText,
  neverResolvesText,
  notAFunctionText,
  slowRunShare,
  slowRunText,
  isTimeUp,
  syscallBatchMax,
  timedOutText,
  userTimeMsMax,
} from "./limits.ts";
import { makeLogLine } from "./logLines.ts";
import { ModuleRecords, randomStreamOf } from "./moduleRecords.ts";
import { installFastPath } from "./fastPath/installFastPath.ts";
import { installBody } from "./realm/body.ts";
import { installConsole } from "./realm/consoleApi.ts";
import { installCore } from "./realm/core.ts";
import { installCrypto } from "./realm/cryptoApi.ts";
import { installDeterminism } from "./realm/determinism.ts";
import { installEncoding } from "./realm/encoding.ts";
import { installEvents } from "./realm/events.ts";
import { hostBasics } from "./realm/hostBasics.ts";
import type {
  CrossingFailure,
  Install,
  QueuedSyscall,
  RealmControls,
  RealmHost,
  RealmState,
} from "./realm/realmTypes.ts";
import { takeUnhandledRejections } from "./rejections.ts";
import { SeededRandom } from "./seededRandom.ts";
import { formatFrames } from "./stackFrames.ts";
import { runSubtle } from "./subtleCrypto.ts";
import { ThrownErrors } from "./thrownErrors.ts";
import type { LogLine, RunFailure, RunHost, RunOutcome, RunRequest } from "./types.ts";

const installers: readonly Install[] = [
  installCore,
  installEvents,
  installEncoding,
  installBody,
  installCrypto,
  installConsole,
  installDeterminism,
  installFastPath,
];
const bootSource = `(function(host,realm){"use strict";\n${installers
  .map((install) => `(${install.toString()})(host,realm);`)
  .join("\n")}\n})`;
const bootScript = new vm.Script(bootSource, { filename: "lenslet:realm" });
/** A context drains its microtasks at the end of each script, also of an empty one. */
const drainScript = new vm.Script("0", { filename: "lenslet:drain" });

const databaseOps =
  /^1\.0\/(get|queryStream|queryStreamNext|queryCleanup|queryPage|count|insert|shallowMerge|replace|remove|db\/.*)$/;
const callOps = /^1\.0\/(runUdf|actions\/(query|mutation|action))$/;

/**
 * One context with the modules evaluated in it. Serves one run at a time; between runs it holds nothing of the last
 * one that user code could see. Created in about 1 ms, so realms are re-used.
 */
export class Realm {
  readonly modules: CodeModules;
  /** The only entry module this realm may serve, when its evaluation changed globals. */
  dedicatedTo: string | null = null;
  /** False when a run left a trace in the globals: the realm must not be used again. */
  intact = true;
  readonly #context: vm.Context;
  readonly #clock: Clock;
  readonly #fastPath: boolean;
  readonly #controls = {} as RealmControls;
  readonly #records: ModuleRecords;
  readonly #baselines = new Map<string, unknown>();
  readonly #thrown = new ThrownErrors();
  readonly #state: RealmState;
  #random: SeededRandom | null = null;
  #seed: Uint8Array;
  #seedStream = 0;
  #request: RunRequest | null = null;
  #startedMs = 0;
  #startedCpuMs = 0;
  /** Time spent in user code of this run, syscalls excluded. */
  #userMs = 0;
  #pending: QueuedSyscall[] = [];
  #pendingAt = 0;
  #log: (line: LogLine) => void = () => undefined;

  constructor(modules: CodeModules, clock: Clock, fastPath = false) {
    this.modules = modules;
    this.#fastPath = fastPath;
    this.#clock = clock;
    this.#seed = modules.code.importSeed;
    this.#state = {
      phase: "idle",
      kind: "analysis",
      nowMs: modules.code.importTimestampMs,
      timeOriginMs: modules.code.importTimestampMs,
      usedClock: false,
      outcome: "pending",
      result: undefined,
      error: undefined,
      fast: false,
      isPlainResult: false,
      fatal: null,
    };
    this.#context = vm.createContext(vm.constants.DONT_CONTEXTIFY, { microtaskMode: "afterEvaluate" });
    this.#records = new ModuleRecords(this.#context, this.#controls, (path) => {
      this.#seed = modules.code.importSeed;
      this.#seedStream = randomStreamOf(path);
      this.#random = null;
    });
    const boot = bootScript.runInContext(this.#context) as (host: RealmHost, realm: RealmControls) => void;
    boot(this.#makeHost(), this.#controls);
  }

  /** Runs one query or mutation to its end. Rethrows what the host threw unless user code may see it. */
  run(request: RunRequest, graph: ModuleGraph): RunOutcome {
    const state = this.#state;
    this.#request = request;
    this.#log = (line) => request.host.log(line);
    state.kind = request.kind;
    state.usedClock = false;
    state.fast = this.#fastPath && graph.isFast && request.host.fastSyscall !== undefined;
    state.isPlainResult = false;
    this.#userMs = 0;
    try {
      const failure = this.import(graph) ?? this.#start(request) ?? this.#loop(request);
      if (this.#userMs > userTimeMsMax * slowRunShare) this.#warnSlow();
      const { usedClock, isPlainResult } = state;
      if (failure) return { ok: false, failure, usedClock };
      return { ok: true, resultJson: String(state.result), isPlainResult, usedClock };
    } finally {
      this.#checkGlobals(graph);
      this.#reset();
    }
  }

  /** Imports an entry module and everything it needs; afterwards `namespace(path)` is there. */
  import(graph: ModuleGraph): RunFailure | null {
    const state = this.#state;
    if (this.#records.isLoaded(graph)) return null;
    const watched = graph.watchedGlobals;
    const before = watched.length === 0 ? null : this.#controls.snapshotGlobals(watched);
    state.phase = "import";
    state.nowMs = state.timeOriginMs;
    try {
      this.#records.load(graph);
    } catch (error) {
      if (error instanceof ModuleLoadError) return loadFailure(error);
      this.#drain();
      takeUnhandledRejections();
      return this.describe(error);
    }
    const failure = this.#settleMicrotasks();
    if (before !== null) {
      if (!this.#controls.globalsUnchanged(before)) this.dedicatedTo = graph.entry;
      this.#baselines.set(graph.entry, this.#controls.snapshotGlobals(watched));
    }
    return failure;
  }

  namespace(path: string): Record<string, unknown> | null {
    return this.#records.get(path)?.namespace ?? null;
  }

  /** For evaluation outside a run: restrictions of import time, `log` gets the console. */
  beginAnalysis(kind: "analysis" | "authConfig", log: (line: LogLine) => void): void {
    this.#state.kind = kind;
    this.#log = log;
  }

  /** What user code of this realm threw. */
  describe(thrown: unknown): RunFailure {
    return this.#thrown.describe(thrown);
  }

  #start(request: RunRequest): RunFailure | null {
    const state = this.#state;
    const { modulePath, exportName } = request;
    state.phase = "running";
    state.nowMs = request.nowMs;
    state.outcome = "pending";
    this.#seed = request.seed;
    this.#seedStream = 0;
    this.#random = null;
    request.host.begun?.();
    this.#startedMs = this.#clock.monotonicMs();
    this.#startedCpuMs = computedMs(this.#clock);
    const namespace = this.namespace(modulePath)!;
    const started = this.#controls.start(namespace, exportName, request.kind, request.argsJson);
    if (started === "missing") return hostFailure(exportNotFoundText(exportName, modulePath));
    if (started === "notAFunction") return hostFailure(notAFunctionText(`${modulePath}:${exportName}`));
    return null;
  }

  /** The event loop of functions.md §5.2: microtasks, rejections, then the next syscalls in call order. */
  #loop(request: RunRequest): RunFailure | null {
    const state = this.#state;
    let since = this.#startedMs;
    for (;;) {
      const failure = this.#settleMicrotasks();
      this.#userMs += this.#clock.monotonicMs() - since;
      if (failure) return failure;
      if (isTimeUp(this.#userMs, userTimeMsMax, () => computedMs(this.#clock) - this.#startedCpuMs))
        return { ...hostFailure(timedOutText(userTimeMsMax)), endsCallers: true };
      if (state.outcome === "rejected") return this.describe(state.error);
      const batch = this.#nextBatch();
      if (batch.length === 0) return state.outcome === "resolved" ? null : hostFailure(neverResolvesText);
      const isAlone = batch.length === 1 && this.#isQueueEmpty();
      const answers: { call: QueuedSyscall; outcome: string | CrossingFailure }[] = [];
      for (const call of batch) {
        const outcome = this.#execute(request, call, isAlone);
        if (outcome !== null) answers.push({ call, outcome });
      }
      since = this.#clock.monotonicMs();
      this.#controls.settle(answers);
    }
  }

  #warnSlow(): void {
    const text = slowRunText(userTimeMsMax, `${Math.round(this.#userMs)}ms`);
    this.#log(makeLogLine("WARN", [text], Math.floor(this.#clock.nowMs())));
  }

  #settleMicrotasks(): RunFailure | null {
    this.#drain();
    const rejections = takeUnhandledRejections();
    const { fatal } = this.#state;
    if (fatal !== null) {
      if ("hostError" in fatal) throw fatal.hostError;
      return hostFailure(fatal.message);
    }
    return rejections.length === 0 ? null : this.describe(rejections[0]);
  }

  #drain(): void {
    drainScript.runInContext(this.#context);
  }

  #nextBatch(): QueuedSyscall[] {
    const batch: QueuedSyscall[] = [];
    for (;;) {
      if (this.#pendingAt === this.#pending.length) {
        const { queue } = this.#controls;
        if (queue.length === 0) return batch;
        this.#pending = queue;
        this.#pendingAt = 0;
        this.#controls.queue = [];
      }
      const call = this.#pending[this.#pendingAt]!;
      if (batch.length > 0 && !sharesBatch(batch[0]!.op, call.op)) return batch;
      batch.push(call);
      this.#pendingAt++;
      if (batch.length === syscallBatchMax) return batch;
    }
  }

  #isQueueEmpty(): boolean {
    return this.#pendingAt === this.#pending.length && this.#controls.queue.length === 0;
  }

  /** `isAlone`: nothing of the function can run before this is answered. */
  #execute(
    request: RunRequest,
    { op, args }: QueuedSyscall,
    isAlone: boolean,
  ): string | CrossingFailure | null {
    const { host } = request;
    try {
      return typeof args === "string" ? host.asyncSyscall(op, args) : host.fastSyscall!(op, args, isAlone);
    } catch (error) {
      if (isDeveloperError(error)) return crossing(error);
      throw error;
    }
  }

  #reset(): void {
    const state = this.#state;
    state.phase = "idle";
    state.result = undefined;
    state.error = undefined;
    state.fatal = null;
    this.#request = null;
    this.#log = () => undefined;
    this.#pending = [];
    this.#pendingAt = 0;
    if (this.#controls.queue.length > 0) this.#controls.queue = [];
    this.#controls.endFastRun();
    this.#records.endRun();
    this.#controls.resetConsole();
  }

  #checkGlobals(graph: ModuleGraph): void {
    if (graph.watchedGlobals.length === 0) return;
    const baseline = this.#baselines.get(graph.entry);
    if (baseline === undefined || !this.#controls.globalsUnchanged(baseline)) this.intact = false;
  }

  #draw(): SeededRandom {
    this.#random ??= new SeededRandom(this.#seed, this.#seedStream);
    return this.#random;
  }

  #makeHost(): RealmHost {
    const state = this.#state;
    return {
      ...hostBasics,
      state,
      env: this.modules.code.env,
      syscall: (op, args) => this.#syscall((host) => host.syscall(op, args)),
      fastSyscall: (op, args) => this.#syscall((host) => host.fastSyscall!(op, args, false)),
      importText,
      importDynamic: (referrer, specifier) => this.#importDynamic(referrer, specifier),
      random: () => this.#draw().float(),
      fillRandom: (bytes) => this.#draw().fill(bytes),
      elapsedMs: () => this.#clock.monotonicMs() - this.#startedMs,
      monotonicMs: () => this.#clock.monotonicMs(),
      log: (level, parts) => this.#log(makeLogLine(level, parts, Math.floor(this.#clock.nowMs()))),
      formatStack: (error, sites) => this.#thrown.formatStack(error, () => formatFrames(sites, this.modules)),
      subtle: runSubtle,
    };
  }

  #syscall(ask: (host: RunHost) => string): string | CrossingFailure {
    const { fatal } = this.#state;
    const request = this.#request;
    if (fatal !== null || request === null) return { message: "The function has been aborted" };
    try {
      return ask(request.host);
    } catch (error) {
      if (isDeveloperError(error)) return crossing(error);
      this.#state.fatal = { hostError: error };
      return { message: "The function has been aborted" };
    }
  }

  #importDynamic(
    referrer: string,
    specifier: string,
  ): { namespace: object } | CrossingFailure | { thrown: unknown } {
    const path = this.modules.resolve(referrer, specifier);
    if (this.#state.phase === "running") {
      return { message: `Can't dynamically import ${path} in a query or mutation` };
    }
    const seed = { random: this.#random, seed: this.#seed, stream: this.#seedStream };
    try {
      this.#records.load(this.modules.graph(path));
      return { namespace: this.#records.get(path)!.namespace };
    } catch (error) {
      return error instanceof ModuleLoadError ? { message: error.message } : { thrown: error };
    } finally {
      this.#random = seed.random;
      this.#seed = seed.seed;
      this.#seedStream = seed.stream;
    }
  }
}

function importText(op: string): string {
  if (databaseOps.test(op)) return "Can't use database at import time";
  if (callOps.test(op)) return "Cannot call another function at import time";
  if (op === "1.0/componentArgument") return "Can't use `componentArg` at import time";
  return `Syscall ${op} unsupported at import time`;
}

function crossing(error: LensletError): CrossingFailure {
  const { message, data } = error;
  return data === undefined ? { message } : { message, dataJson: JSON.stringify(data) };
}

function sharesBatch(first: string, next: string): boolean {
  const kind = batchKind(first);
  return kind !== 0 && kind === batchKind(next);
}

function batchKind(op: string): number {
  if (op === "1.0/get" || op === "1.0/queryStreamNext") return 1;
  return op === "1.0/storageGetUrl" ? 2 : 0;
}
