import type { Clock } from "../base/clock.ts";
import { makeLogLine } from "../runner/logLines.ts";
import { type UsageWarning, warningShare, warningText } from "../transaction/usage.ts";
import type { FunctionCall, FunctionResult } from "./api.ts";
import { argumentBytesMax } from "./arguments.ts";
import type { CallContext } from "./callContext.ts";
import type { ComponentCode, FunctionInfo } from "./deployment.ts";
import { type Execution, noUsage, type UsageNumbers } from "./executionLog.ts";
import { strippedPath } from "./functionPath.ts";

/** A function that was called, as it was found. */
export interface CalledFunction {
  readonly component: ComponentCode;
  readonly info: FunctionInfo;
}

/** Collects the executions of a tick for stream_function_logs. */
export class CallLog {
  readonly #clock: Clock;
  #executions: Execution[] = [];
  #nested = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(): Execution[] {
    const executions = this.#executions;
    this.#executions = [];
    return executions;
  }

  record(
    call: FunctionCall,
    called: CalledFunction,
    result: FunctionResult,
    context: CallContext,
    startedMs: number,
  ): void {
    this.#executions.push({
      ...this.#entryOf(call, called, result),
      startedMs,
      durationMs: Math.max(0, this.#clock.nowMs() - startedMs),
      cached: false,
      lines: context.logs.lines,
      // Of what has not been done there is nothing to say.
      ...(result.ok && context.audit.lines.length > 0 ? { auditLogLines: context.audit.lines } : {}),
      usage: usageOf(context),
    });
  }

  /** An answer from the cache of query results. What the function printed is in the entry of its run. */
  recordCached(call: FunctionCall, called: CalledFunction, result: FunctionResult): void {
    this.#executions.push({
      ...this.#entryOf(call, called, result),
      startedMs: this.#clock.nowMs(),
      durationMs: 0,
      cached: true,
      lines: [],
      usage: noUsage,
    });
  }

  #entryOf(call: FunctionCall, { component, info }: CalledFunction, result: FunctionResult) {
    const { requestId, parentExecutionId = null } = call;
    return {
      udfType: info.udfType,
      componentPath: component.componentPath,
      identifier: strippedPath(info.path),
      caller: call.caller,
      requestId,
      // Of one request only what an action calls is several; a random number for each would cost more than the rest.
      executionId:
        parentExecutionId === null
          ? requestId
          : `${parentExecutionId.slice(0, 16)}${(++this.#nested).toString(16).padStart(16, "0")}`,
      parentExecutionId,
      identityKind: call.identity.kind,
      error: result.ok ? null : result.error.message,
      returnBytes: result.ok ? result.valueJson.length : null,
    };
  }
}

/** What came close to a limit is told at the end of the function's own log (database.md §5.3). */
export function logWarnings({ tx, logs, nowMs, spent }: CallContext): void {
  for (const { code, message } of [...argumentWarnings(spent.argumentBytes), ...tx.warnings()]) {
    logs.log({ ...makeLogLine("WARN", [message], nowMs), systemCode: `warning:${code}` });
  }
}

function argumentWarnings(bytes: number): readonly UsageWarning[] {
  if (bytes <= warningShare * argumentBytesMax) return [];
  const message = warningText("Large size of the function arguments", bytes, argumentBytesMax, " bytes");
  return [{ code: "FunctionArgumentsTooLarge", message }];
}

function usageOf({ tx }: CallContext): UsageNumbers {
  const { documentsRead, bytesRead, documentsWritten, bytesWritten } = tx.usage;
  return { ...noUsage, documentsRead, bytesRead, documentsWritten, bytesWritten };
}
