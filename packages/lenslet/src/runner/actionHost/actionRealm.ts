import vm from "node:vm";
import { type CodeModules, ModuleLoadError } from "../codeModules.ts";
import { hostFailure, loadFailure } from "../failure.ts";
import { exportNotFoundText } from "../limits.ts";
import { makeLogLine } from "../logLines.ts";
import { ModuleRecords, randomStreamOf } from "../moduleRecords.ts";
import { installConsole } from "../realm/consoleApi.ts";
import { installCore } from "../realm/core.ts";
import { installDeterminism } from "../realm/determinism.ts";
import { installEncoding } from "../realm/encoding.ts";
import { hostBasics } from "../realm/hostBasics.ts";
import type { CrossingFailure, QueuedSyscall, RealmControls, RealmState } from "../realm/realmTypes.ts";
import { SeededRandom } from "../seededRandom.ts";
import { formatFrames } from "../stackFrames.ts";
import { ThrownErrors } from "../thrownErrors.ts";
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
  readonly #records: ModuleRecords;
  readonly #thrown = new ThrownErrors();
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
    this.#records = new ModuleRecords(this.#context, this.#controls, (path) => {
      this.#random = new SeededRandom(modules.code.importSeed, randomStreamOf(path));
    });
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
    const namespace = this.#records.get(this.#entry)!.namespace;
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
    this.#records.endRun();
    this.#controls.resetConsole();
    return true;
  }

  /** What user code of this realm threw. */
  describe(thrown: unknown): RunFailure {
    return this.#thrown.describe(thrown);
  }

  formatStack(error: unknown, sites: readonly NodeJS.CallSite[]): string {
    return this.#thrown.formatStack(error, () => formatFrames(sites, this.#modules));
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
      if (this.#records.isLoaded(graph)) return null;
      beat();
      owners.run(this, () => this.#records.load(graph));
      if (graph.watchedGlobals.length > 0) {
        this.#baseline = this.#controls.snapshotGlobals(graph.watchedGlobals);
      }
      return null;
    } catch (error) {
      return error instanceof ModuleLoadError ? loadFailure(error) : this.describe(error);
    }
  }

  #makeHost(): ActionRealmHost {
    const state = this.#state;
    return {
      ...hostBasics,
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
      this.#records.load(this.#modules.graph(path));
      return { namespace: this.#records.get(path)!.namespace };
    } catch (error) {
      return error instanceof ModuleLoadError ? { message: error.message } : { thrown: error };
    }
  }
}

function importText(op: string): string {
  if (op.startsWith("1.0/actions/")) return "Cannot call another function at import time";
  return `Syscall ${op} unsupported at import time`;
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
