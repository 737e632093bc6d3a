import { LensletError, badRequest } from "../base/errors.ts";
import type { JsonObject } from "../transaction/syscallArguments.ts";
import type { LogLine, RunFailure, RunHost, RunOutcome } from "../runner/types.ts";
import { formatLogLine, type LogBuffer } from "../runner/logLines.ts";
import { formatFailure } from "../runner/failure.ts";
import { importTimeMsMax, systemTimedOutText, systemTimeMsMax, userTimeMsMax } from "../runner/limits.ts";
import { DatabaseSyscalls } from "../transaction/databaseSyscalls.ts";
import type { FunctionResult } from "./api.ts";
import { FilesAwaited } from "./awaitedFiles.ts";
import type { CallContext } from "./callContext.ts";
import { contextInto } from "./componentBorders.ts";
import type { ComponentCode, FunctionInfo } from "./deployment.ts";
import { strippedPath } from "./functionPath.ts";
import { hostSyscall, type NestedCall, unknownOperation } from "./hostSyscalls.ts";
import { ArgumentError, isCanonicalText, parseArguments, parseReturnValue } from "./arguments.ts";

export const callDepthMax = 8;
/** The runner itself fails a function that took longer between two syscalls; the watchdog is for those that never come back. */
const watchedUserTimeMs = userTimeMsMax + 10;

/** What `Convex.syscall` knows; everything else is for `Convex.asyncSyscall` (database.md §1). */
const syncOps: ReadonlySet<string> = new Set([
  "1.0/queryStream",
  "1.0/queryCleanup",
  "1.0/db/normalizeId",
  "1.0/getSnapshotTs",
  "1.0/componentArgument",
]);

export interface FunctionRun {
  readonly component: ComponentCode;
  readonly info: FunctionInfo;
  readonly kind: "query" | "mutation";
  /** The top-level function is a mutation: an unresolved commit timestamp may come and go. */
  readonly inMutation: boolean;
  readonly argsJson: string;
  readonly journal: string | null;
  readonly depth: number;
}

export type FunctionRunResult =
  | { readonly ok: true; readonly valueJson: string; readonly journal: string | null }
  | {
      readonly ok: false;
      readonly failure: RunFailure;
      readonly journal: string | null;
      /** It ran to its end and what it returned was refused. */
      readonly hasReturned: boolean;
    };

/** Validates arguments, runs a function to its end and validates what it returns. */
export function runFunction(context: CallContext, run: FunctionRun): FunctionRunResult {
  const ids = context.tx.idContext(run.component.namespace);
  try {
    const bytes = parseArguments(run.argsJson, run.info, ids, run.inMutation && run.depth > 0);
    if (run.depth === 0) context.spent.argumentBytes = bytes;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return { ok: false, failure: { message: error.message, frames: [] }, journal: null, hasReturned: false };
  }
  const host = new FunctionHost(context, run);
  const outcome = host.execute();
  const journal = host.journal();
  if (!outcome.ok) return { ok: false, failure: outcome.failure, journal, hasReturned: false };
  if (run.info.returns === null && outcome.isPlainResult && isCanonicalText(outcome.resultJson)) {
    return { ok: true, valueJson: outcome.resultJson, journal };
  }
  try {
    return {
      ok: true,
      valueJson: parseReturnValue(outcome.resultJson, run.info, ids, run.inMutation),
      journal,
    };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return { ok: false, failure: { message: error.message, frames: [] }, journal, hasReturned: true };
  }
}

/** What the caller is told. */
export function resultOf(run: FunctionRunResult, logs: LogBuffer): FunctionResult {
  const logLines = logs.lines.length === 0 ? [] : logs.lines.map(formatLogLine);
  if (run.ok) return { ok: true, valueJson: run.valueJson, logLines };
  const { dataJson } = run.failure;
  const message = formatFailure(run.failure);
  return { ok: false, error: dataJson === undefined ? { message } : { message, dataJson }, logLines };
}

/** The host side of one running function: answers its syscalls and keeps its clock. */
class FunctionHost implements RunHost {
  readonly #context: CallContext;
  readonly #run: FunctionRun;
  readonly #database: DatabaseSyscalls;
  /** Start of this function's clock, moved forward by the time spent in syscalls. */
  #startedMs = 0;
  /** Time of the functions that the syscall in progress has called; each of them has a clock of its own. */
  #nestedMs = 0;
  /** It waits for contents of files: nothing that comes of this run is used. */
  #isBrokenOff = false;

  constructor(context: CallContext, run: FunctionRun) {
    this.#context = context;
    this.#run = run;
    this.#database = new DatabaseSyscalls(context.tx, run.component.namespace, {
      journal: run.journal,
      cursorSecret: context.cursorSecret,
      isComponent: run.component.componentPath !== "",
    });
  }

  journal(): string | null {
    return this.#database.outgoingJournal();
  }

  execute(): RunOutcome {
    const { clock, heartbeat, runner, nowMs } = this.#context;
    const { component, info, kind, argsJson } = this.#run;
    // The first run of some code after a start or a push compiles it: that is the server's time, not the function's.
    heartbeat.startClock(clock.monotonicMs(), importTimeMsMax);
    try {
      const outcome = runner.run({
        kind,
        code: component.code,
        modulePath: info.path.module,
        exportName: info.path.name,
        argsJson,
        seed: this.#context.nextSeed(),
        nowMs,
        host: this,
      });
      if (outcome.usedClock) this.#context.observed.clock = true;
      const { files } = this.#context;
      if (this.#isBrokenOff && files !== null) throw files.awaited();
      return outcome;
    } finally {
      heartbeat.stopClock();
    }
  }

  begun(): void {
    this.#startedMs = this.#context.clock.monotonicMs();
    this.#context.heartbeat.startClock(this.#startedMs, watchedUserTimeMs);
  }

  syscall(op: string, argsJson: string): string {
    return this.#timed(() => {
      if (!syncOps.has(op)) throw badRequest("UnknownOperation", `Unknown operation ${op}`);
      return this.#answer(op, argsJson);
    });
  }

  asyncSyscall(op: string, argsJson: string): string | null {
    try {
      return this.#timed(() => {
        if (syncOps.has(op)) throw unknownOperation(op);
        return this.#answer(op, argsJson);
      });
    } catch (error) {
      if (!(error instanceof FilesAwaited)) throw error;
      this.#isBrokenOff = true;
      return null;
    }
  }

  fastSyscall(op: string, args: object, isAlone: boolean): string {
    return this.#timed(() => {
      this.#checkSystemTime();
      return this.#database.call(op, args as JsonObject, isAlone);
    });
  }

  log(line: LogLine): void {
    const { component, info, depth } = this.#run;
    if (depth === 0) {
      this.#context.logs.log(line);
      return;
    }
    const source = { componentPath: component.componentPath, udfPath: strippedPath(info.path) };
    this.#context.logs.log({ ...line, source });
  }

  #timed(answer: () => string): string {
    const context = this.#context;
    const enteredMs = context.clock.monotonicMs();
    this.#nestedMs = 0;
    context.heartbeat.startClock(enteredMs, systemTimeMsMax);
    try {
      if (enteredMs >= context.memory.lookAtMs) context.memory.look(enteredMs);
      return answer();
    } finally {
      const spentMs = context.clock.monotonicMs() - enteredMs;
      context.spent.systemMs += spentMs - this.#nestedMs;
      this.#startedMs += spentMs;
      context.heartbeat.startClock(this.#startedMs, watchedUserTimeMs);
    }
  }

  #answer(op: string, argsJson: string): string {
    let args: JsonObject;
    try {
      args = JSON.parse(argsJson) as JsonObject;
    } catch (error) {
      throw badRequest("SyscallArgsInvalidJson", `Received invalid json: ${(error as Error).message}`);
    }
    this.#checkSystemTime();
    if (this.#database.handles(op)) return this.#database.call(op, args, false);
    return hostSyscall(op, args, {
      context: this.#context,
      component: this.#run.component,
      info: this.#run.info,
      kind: this.#run.kind,
      depth: this.#run.depth,
      nested: (call) => this.#nested(call),
    });
  }

  #checkSystemTime(): void {
    if (this.#context.spent.systemMs <= systemTimeMsMax) return;
    throw new LensletError("Overloaded", "SystemTimeoutError", systemTimedOutText);
  }

  /** Runs a function called by this one in a sub-transaction: a mutation that throws leaves no writes. */
  #nested(call: NestedCall): string {
    const { tx } = this.#context;
    const depth = this.#run.depth + 1;
    if (depth > callDepthMax) {
      throw badRequest(
        "MaximumCallDepthExceeded",
        "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
      );
    }
    const crossed = contextInto(call.component, this.#run.component, this.#context);
    const context = call.udfType === "snapshotQuery" ? { ...crossed, tx: crossed.staleSnapshot() } : crossed;
    const restoreLimits = tx.narrowLimits(call.transactionLimits);
    const savepoint = tx.savepoint();
    const startedMs = context.clock.monotonicMs();
    try {
      const result = runFunction(context, {
        component: call.component,
        info: call.info,
        kind: call.udfType === "mutation" ? "mutation" : "query",
        inMutation: this.#run.inMutation,
        argsJson: JSON.stringify([call.args]),
        journal: null,
        depth,
      });
      if (result.ok) return result.valueJson;
      if (result.failure.endsCallers === true)
        throw new LensletError("Overloaded", "UserTimeout", result.failure.message);
      // What was refused after the function's end stays written unless the caller fails too (database.md §5.2).
      if (call.udfType === "mutation" && !result.hasReturned) tx.rollback(savepoint);
      throw nestedError(result.failure);
    } finally {
      this.#nestedMs = context.clock.monotonicMs() - startedMs;
      restoreLimits();
    }
  }
}

/** The callee's failure as the caller's rejected promise carries it (functions.md §6.3). */
function nestedError(failure: RunFailure): LensletError {
  const data = failure.dataJson === undefined ? undefined : (JSON.parse(failure.dataJson) as unknown);
  const text = failure.frames.length === 0 ? failure.message : formatFailure(failure);
  return badRequest("NestedFunctionError", text, data);
}
