import type { ExecutionLogEntry, FunctionCall } from "../engine/api.ts";
import { completionEntry, noUsage } from "../engine/executionLog.ts";
import { LogBuffer } from "../runner/logLines.ts";
import type { LogLine } from "../runner/types.ts";

export interface ActionExecution {
  readonly call: FunctionCall;
  readonly udfType: "Action" | "HttpAction";
  readonly componentPath: string;
  /** The stripped path of the function, or the route. */
  readonly identifier: string;
  readonly environment: "isolate" | "node";
  readonly executionId: string;
  /** The action that called this one. */
  readonly parentExecutionId: string | null;
  readonly startedMs: number;
}

export interface ActionEnd {
  /** Unredacted text, null for a success. */
  readonly error: string | null;
  readonly returnBytes: number | null;
  /** Of an HTTP action that has answered. */
  readonly status?: number;
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
    const { call, udfType, componentPath, identifier, executionId, parentExecutionId } = this.#execution;
    this.#executed([
      {
        kind: "Progress",
        udfType,
        componentPath: componentPath === "" ? null : componentPath,
        identifier,
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

  completed(end: ActionEnd, nowMs: number): void {
    const { call, udfType, componentPath, identifier, executionId, parentExecutionId, startedMs } =
      this.#execution;
    const entry = completionEntry({
      udfType,
      componentPath,
      identifier,
      caller: call.caller,
      requestId: call.requestId,
      executionId,
      parentExecutionId,
      identityKind: call.identity.kind,
      startedMs,
      durationMs: Math.max(0, nowMs - startedMs),
      cached: false,
      error: end.error,
      returnBytes: end.returnBytes,
      lines: [],
      usage: noUsage,
    });
    const { environment } = this.#execution;
    const success = end.status === undefined ? null : { status: String(end.status) };
    this.#executed([{ ...entry, environment, userExecutionTime: null, success }]);
  }
}
