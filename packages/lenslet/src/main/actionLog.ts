import type { ExecutionLogEntry, FunctionCall, FunctionResult } from "../engine/api.ts";
import { completionEntry, noUsage } from "../engine/executionLog.ts";
import { parseFunctionPath, strippedPath } from "../engine/functionPath.ts";
import { LogBuffer } from "../runner/logLines.ts";
import type { LogLine } from "../runner/types.ts";

export interface ActionExecution {
  readonly call: FunctionCall;
  readonly componentPath: string;
  /** Canonical. */
  readonly functionPath: string;
  readonly environment: "isolate" | "node";
  readonly executionId: string;
  /** The action that called this one. */
  readonly parentExecutionId: string | null;
  readonly startedMs: number;
}

/** The log of one action: its lines are reported as it runs, its end without them (http-api.md §8.1). */
export class ActionLog {
  readonly #execution: ActionExecution;
  readonly #executed: (entries: readonly ExecutionLogEntry[]) => void;
  readonly #buffer = new LogBuffer();

  constructor(execution: ActionExecution, executed: (entries: readonly ExecutionLogEntry[]) => void) {
    this.#execution = execution;
    this.#executed = executed;
  }

  get lines(): readonly LogLine[] {
    return this.#buffer.lines;
  }

  progress(lines: readonly LogLine[], nowMs: number): void {
    const before = this.#buffer.lines.length;
    for (const line of lines) this.#buffer.log(line);
    const added = this.#buffer.lines.slice(before);
    if (added.length === 0) return;
    const { call, componentPath, executionId, parentExecutionId } = this.#execution;
    this.#executed([
      {
        kind: "Progress",
        udfType: "Action",
        componentPath: componentPath === "" ? null : componentPath,
        identifier: this.#identifier(),
        timestamp: nowMs / 1000,
        logLines: added.map(({ messages, level, timestampMs, isTruncated }) => ({
          messages,
          level,
          timestamp: timestampMs,
          isTruncated,
          systemMetadata: null,
        })),
        requestId: call.requestId,
        executionId,
        parentExecutionId,
      },
    ]);
  }

  completed(result: FunctionResult, nowMs: number): void {
    const { call, componentPath, executionId, parentExecutionId, startedMs, environment } = this.#execution;
    const entry = completionEntry({
      udfType: "Action",
      componentPath,
      identifier: this.#identifier(),
      caller: call.caller,
      requestId: call.requestId,
      executionId,
      parentExecutionId,
      identityKind: call.identity.kind,
      startedMs,
      durationMs: Math.max(0, nowMs - startedMs),
      cached: false,
      error: result.ok ? null : result.error.message,
      returnBytes: result.ok ? result.valueJson.length : null,
      lines: [],
      usage: noUsage,
    });
    this.#executed([{ ...entry, environment, userExecutionTime: null }]);
  }

  #identifier(): string {
    return strippedPath(parseFunctionPath(this.#execution.functionPath));
  }
}
