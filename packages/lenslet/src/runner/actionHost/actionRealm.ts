import { AsyncLocalStorage } from "node:async_hooks";
import vm from "node:vm";
import { type CodeModules, ModuleLoadError, type ModuleGraph } from "../codeModules.ts";
import { describeThrown, hostFailure, uncaughtText } from "../failure.ts";
import { exportNotFoundText } from "../limits.ts";
import { makeLogLine } from "../logLines.ts";
import { installConsole } from "../realm/consoleApi.ts";
import { installCore } from "../realm/core.ts";
import { installDeterminism } from "../realm/determinism.ts";
import { installEncoding } from "../realm/encoding.ts";
import type {
  CrossingFailure,
  ModuleFactory,
  ModuleRecord,
  QueuedSyscall,
  RealmControls,
  RealmState,
} from "../realm/realmTypes.ts";
import { SeededRandom } from "../seededRandom.ts";
import { formatFrames } from "../stackFrames.ts";
import type { LogLine, RunFailure } from "../types.ts";
import { type ActionRealmHost, installActionGlobals, type RealmIntrinsics } from "./actionGlobals.ts";
import { beat } from "./heartbeat.ts";
import { leftoverText, notAnActionText, unawaitedText } from "./limits.ts";
import { type Owner, owners } from "./owner.ts";
import { builtins, platform, type RealmOwner } from "./platform.ts";
import { RealmRun, type RunRealm } from "./realmRun.ts";
import { ResponseFailure } from "./httpExchange.ts";
import { respond } from "./httpInvocation.ts";
import type { RunningAction } from "./runningAction.ts";

const installers = [installCore, installEncoding, installConsole, installDeterminism];
const bootScript = new vm.Script(
  `(function(host,realm){"use strict";\n${installers
    .map((install) => `(${install.toString()})(host,realm);`)
    .join("\n")}\nreturn (${installActionGlobals.toString()})(host,realm);\n})`,
  { filename: "lenslet:realm" },
);
type Boot = (host: ActionRealmHost, realm: RealmControls) => RealmIntrinsics;

/**
 * The context of one default-runtime action at a time, with one entry module. Between runs it holds nothing that user
 * code could see: modules that keep state are evaluated for each run, and a run that left traces takes the realm with
 * it. (A context costs half a millisecond and 160 KB, its modules as much again; Node 24.21.)
 */
export class ActionRealm implements Owner, RealmOwner, RunRealm {
  readonly intrinsics: RealmIntrinsics;
  readonly #modules: CodeModules;
  readonly #entry: string;
  readonly #context: vm.Context;
  readonly #controls = {} as RealmControls;
  readonly #records = new Map<string, ModuleRecord>();
  /** Instances of modules that keep state, for the current run only. */
  #freshRecords = new Map<string, ModuleRecord>();
  readonly #frames = new WeakMap<object, string[]>();
  readonly #state: RealmState;
  #random: SeededRandom;
  #importLines: LogLine[] = [];
  /** Of the globals that modules may change, as their evaluation left them. */
  #baseline: unknown = null;
  #run: RealmRun | null = null;

  constructor(modules: CodeModules, entry: string) {
    this.#modules = modules;
    this.#entry = entry;
    this.#random = new SeededRandom(modules.code.importSeed);
    const { importTimestampMs } = modules.code;
    const state: RealmState = {
      phase: "idle",
      // Only "authConfig" and "mutation" make a difference in the installers, and no action is either.
      kind: "query",
      get nowMs() {
        return state.phase === "running" ? Date.now() : importTimestampMs;
      },
      timeOriginMs: importTimestampMs,
      usedClock: false,
      outcome: "pending",
      result: undefined,
      error: undefined,
      fast: false,
      isPlainResult: false,
      fatal: null,
    };
    this.#state = state;
    this.#context = vm.createContext(vm.constants.DONT_CONTEXTIFY);
    const boot = bootScript.runInContext(this.#context) as Boot;
    this.intrinsics = boot(this.#makeHost(), this.#controls);
  }

  actionId(): number {
    return this.#run?.actionId() ?? 0;
  }

  /** Of code that modules started while they were evaluated. */
  strayFailure(origin: string, thrown: unknown): void {
    this.#run?.strayFailure(origin, thrown);
  }

  /** Evaluates the modules as far as need be and runs the action in them; it ends through `action`. */
  start(action: RunningAction): void {
    const run = new RealmRun(this, action);
    this.#run = run;
    action.danglingWarnings = () => {
      const fetches = Array<string>(run.openFetches).fill("fetch");
      const names = [...action.pendingOps().map(operationName), ...fetches];
      return names.length === 0 ? [] : [unawaitedText(names)];
    };
    const failure = this.#import();
    for (const line of this.#importLines) action.logLine(line);
    this.#importLines = [];
    if (failure !== null) {
      run.leaveTraces();
      action.fail(failure);
      return;
    }
    const { exportName, modulePath } = action.run;
    const namespace = this.#record(this.#entry)!.namespace;
    if (action.run.http !== undefined) {
      this.#state.phase = "running";
      this.#drive(run, () => respond(action, namespace["default"]));
      return;
    }
    if (!(exportName in namespace)) {
      action.fail(hostFailure(exportNotFoundText(exportName, modulePath)));
      return;
    }
    this.#state.phase = "running";
    this.#invoke(run, namespace[exportName]);
  }

  /** Puts the realm into its first state again. False: that cannot be, nobody may use it any more. */
  reset(): boolean {
    if (this.#run === null || !this.#run.endedCleanly) return false;
    if (this.#baseline !== null && !this.#controls.globalsUnchanged(this.#baseline)) return false;
    this.#run = null;
    this.#state.phase = "idle";
    this.#freshRecords = new Map();
    this.#controls.resetConsole();
    return true;
  }

  /** What user code of this realm threw. */
  describe(thrown: unknown): RunFailure {
    if (typeof thrown !== "object" || thrown === null) return describeThrown(thrown, []);
    try {
      // The stack is formatted, and its frames noted, when it is first read.
      void (thrown as { stack?: unknown }).stack;
    } catch {
      // A getter of user code.
    }
    return describeThrown(thrown, this.#frames.get(thrown) ?? []);
  }

  /** Also called for errors that the platform creates: their stacks are the host's to format. */
  formatStack(error: unknown, sites: readonly NodeJS.CallSite[]): string {
    let frames: string[] = [];
    let header = "Error";
    try {
      frames = formatFrames(sites, this.#modules);
      if (typeof error === "object" && error !== null) this.#frames.set(error, frames);
      header = String(error);
    } catch {
      // A toString of user code; the frames stand.
    }
    return [header, ...frames].join("\n");
  }

  #invoke(run: RealmRun, exported: unknown): void {
    const { action } = run;
    const { modulePath, exportName, requestId, argsJson } = action.run;
    const invoke = async (): Promise<unknown> => {
      const target = exported as { invokeAction?: unknown } | null | undefined;
      if (typeof target?.invokeAction !== "function") {
        action.fail(hostFailure(notAnActionText(exportName, modulePath)));
        return null;
      }
      return Reflect.apply(target.invokeAction, target, [requestId, argsJson]) as unknown;
    };
    this.#drive(run, invoke);
  }

  /** Enters user code; what it returns or throws is the end of the action. */
  #drive(run: RealmRun, invoke: () => Promise<unknown>): void {
    const { action } = run;
    beat();
    owners.run(run, () => {
      // In a microtask of its own: a loop that is broken off takes nothing of the host with it.
      Promise.resolve()
        .then(invoke)
        .then(
          // Rejections of the same moment are reported first: they fail the action.
          (value) => {
            setImmediate(() => {
              run.settled();
              action.succeed(String(value));
            });
          },
          (error: unknown) => {
            run.settled();
            action.fail(error instanceof ResponseFailure ? hostFailure(error.message) : this.describe(error));
          },
        );
    });
  }

  /** Evaluates what is missing under the restrictions of import time (functions.md §2). */
  #import(): RunFailure | null {
    this.#state.phase = "import";
    try {
      const graph = this.#modules.graph(this.#entry);
      if (graph.fresh.size === 0 && this.#records.has(this.#entry)) return null;
      beat();
      owners.run(this, () => this.#load(graph));
      if (graph.watchedGlobals.length > 0) {
        this.#baseline = this.#controls.snapshotGlobals(graph.watchedGlobals);
      }
      return null;
    } catch (error) {
      return error instanceof ModuleLoadError ? loadFailure(error) : this.describe(error);
    }
  }

  #record(path: string): ModuleRecord | undefined {
    return this.#freshRecords.get(path) ?? this.#records.get(path);
  }

  /** Throws ModuleLoadError or what a module's body throws. */
  #load(graph: ModuleGraph): void {
    const controls = this.#controls;
    const missing = graph.order.filter(({ path }) => !this.#record(path));
    for (const { path } of missing) {
      const home = graph.fresh.has(path) ? this.#freshRecords : this.#records;
      home.set(path, controls.newRecord());
    }
    const waiting = new Set(missing.map(({ path }) => path));
    try {
      for (const { path, script, imports } of missing) {
        const factory = script.runInContext(this.#context) as ModuleFactory;
        const dependencies = imports.map((imported) => this.#record(imported)!);
        controls.instantiate(this.#record(path)!, factory, dependencies, path);
      }
      for (const { path, exports } of missing) {
        const targets = [...exports].map(([name, target]) => ({
          name,
          record: this.#record(target.path)!,
          local: target.local,
        }));
        controls.defineExports(this.#record(path)!, targets);
      }
      for (const { path } of missing) {
        // Every evaluation draws the same numbers.
        this.#random = new SeededRandom(this.#modules.code.importSeed, streamOf(path));
        controls.evaluate(this.#record(path)!);
        waiting.delete(path);
      }
    } finally {
      for (const path of waiting) {
        this.#records.delete(path);
        this.#freshRecords.delete(path);
      }
    }
  }

  #makeHost(): ActionRealmHost {
    const state = this.#state;
    return {
      state,
      env: this.#modules.code.env,
      platform,
      builtins,
      syscall: (op) => ({ message: syncSyscallText(op) }),
      fastSyscall: (op) => ({ message: syncSyscallText(op) }),
      asyncSyscall: (call) => this.#asyncSyscall(call),
      jsSyscall: async (op, args) => {
        const run = this.#callingRun();
        if (run === null) return { failure: { message: leftoverText } };
        try {
          return { value: await run.storage(op, args) };
        } catch (error) {
          return { failure: { message: (error as Error).message } };
        }
      },
      importText,
      importDynamic: (referrer, specifier) => this.#importDynamic(referrer, specifier),
      random: () => (state.phase === "running" ? Math.random() : this.#random.float()),
      fillRandom: (bytes) => this.#random.fill(bytes),
      elapsedMs: () => 0,
      monotonicMs: () => performance.now(),
      performanceNow: () => performance.timeOrigin + performance.now() - state.timeOriginMs,
      log: (level, parts) => this.#log(makeLogLine(level, parts, Date.now())),
      formatStack: (error, sites) => this.formatStack(error, sites),
      url: (text, base) => URL.parse(text, base),
      searchParams: (text) => new URLSearchParams(text),
      encodeUtf8: (text) => Buffer.from(text, "utf8"),
      textDecoder: makeDecoder,
      atob: (text) => attempt(() => atob(text)),
      btoa: (text) => attempt(() => btoa(text)),
      asyncStorage: () => new AsyncLocalStorage(),
      snapshot: () => AsyncLocalStorage.snapshot(),
      subtle: () => ({ failure: { message: "unused: actions have the platform's crypto" } }),
      fetch: async (input, init) => {
        const run = this.#callingRun();
        if (run === null) throw new TypeError(leftoverText);
        return run.fetch(input, init);
      },
      startTimer: (callback, delayMs, repeats) =>
        this.#callingRun()?.startTimer(callback, delayMs, repeats) ?? 0,
      stopTimer: (id) => this.#callingRun()?.stopTimer(id),
    };
  }

  /** The current run, unless the code that calls is a leftover of an earlier one. */
  #callingRun(): RealmRun | null {
    const owner = owners.getStore();
    return owner instanceof RealmRun && owner !== this.#run ? null : this.#run;
  }

  #log(line: LogLine): void {
    if (this.#state.phase === "import") this.#importLines.push(line);
    else this.#callingRun()?.action.logLine(line);
  }

  #asyncSyscall(call: QueuedSyscall): void {
    const settle = (outcome: string | CrossingFailure): void => this.#controls.settle([{ call, outcome }]);
    const run = this.#callingRun();
    if (run === null) return settle({ message: leftoverText });
    run.action.operation(call.op, call.args as string, (outcome) =>
      settle(outcome.ok ? outcome.resultJson : crossing(outcome)),
    );
  }

  #importDynamic(
    referrer: string,
    specifier: string,
  ): { namespace: object } | CrossingFailure | { thrown: unknown } {
    // Whether that module keeps state or changes globals is not looked into: the realm is not used again.
    this.#run?.leaveTraces();
    const path = this.#modules.resolve(referrer, specifier);
    try {
      this.#load(this.#modules.graph(path));
      return { namespace: this.#record(path)!.namespace };
    } catch (error) {
      return error instanceof ModuleLoadError ? { message: error.message } : { thrown: error };
    }
  }
}

function importText(op: string): string {
  if (op.startsWith("1.0/actions/")) return "Cannot call another function at import time";
  return `Syscall ${op} unsupported at import time`;
}

/** FNV-1a: every module draws from a stream of its own, so that the order of evaluation does not matter. */
function streamOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function loadFailure(error: ModuleLoadError): RunFailure {
  if (error.errorName === null) return hostFailure(error.message);
  return hostFailure(uncaughtText(error.errorName, error.message));
}

function crossing(outcome: { readonly message: string; readonly dataJson?: string }): CrossingFailure {
  const { message, dataJson } = outcome;
  return dataJson === undefined ? { message } : { message, dataJson };
}

export function syncSyscallText(op: string): string {
  if (op === "1.0/componentArgument") return "Component arguments are not available within the app";
  return `Unknown operation ${op}`;
}

const operationNames: Readonly<Record<string, string>> = {
  "1.0/actions/query": "runQuery",
  "1.0/actions/mutation": "runMutation",
  "1.0/actions/action": "runAction",
};

function operationName(op: string): string {
  return operationNames[op] ?? op.replace(/^1\.0\/(actions\/)?/, "");
}

function attempt(compute: () => string): string | null {
  try {
    return compute();
  } catch {
    return null;
  }
}

function makeDecoder(label: string, options: { fatal: boolean; ignoreBOM: boolean }) {
  try {
    const decoder = new TextDecoder(label, options);
    return {
      encoding: decoder.encoding,
      decode: (bytes: Uint8Array | null, stream: boolean) =>
        attempt(() => decoder.decode(bytes ?? undefined, { stream })),
    };
  } catch {
    return null;
  }
}
