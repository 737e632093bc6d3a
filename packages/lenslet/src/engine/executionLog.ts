import type { Caller, ExecutionLogEntry, Identity, UdfType } from "./api.ts";
import type { JsonValue } from "../values/json.ts";
import type { LogLine } from "../runner/types.ts";

/** Completions of one tick beyond this are dropped: the log stream keeps no more anyway. */
export const entriesPerTickMax = 1000;

export interface Execution {
  readonly udfType: UdfType;
  readonly componentPath: string;
  /** Stripped path. */
  readonly identifier: string;
  readonly caller: Caller;
  readonly requestId: string;
  readonly executionId: string;
  readonly parentExecutionId: string | null;
  readonly identityKind: Identity["kind"];
  readonly startedMs: number;
  readonly durationMs: number;
  readonly cached: boolean;
  /** Unredacted text, null for a success. */
  readonly error: string | null;
  readonly returnBytes: number | null;
  readonly lines: readonly LogLine[];
  /** JSON objects that the functions of the call have written with `1.0/auditLog`. */
  readonly auditLogLines?: readonly JsonValue[];
  readonly usage: UsageNumbers;
}

export interface UsageNumbers {
  readonly documentsRead: number;
  readonly bytesRead: number;
  readonly documentsWritten: number;
  readonly bytesWritten: number;
}

export const noUsage: UsageNumbers = { documentsRead: 0, bytesRead: 0, documentsWritten: 0, bytesWritten: 0 };

/**
 * Executions cross to the net thread as one JSON text per tick, and become log entries only there: cloning an object of
 * thirty fields for every call cost the engine a tenth of its time.
 */
export function encodeExecutions(executions: readonly Execution[]): string {
  return JSON.stringify(executions.slice(-entriesPerTickMax));
}

export function decodeExecutions(text: string): ExecutionLogEntry[] {
  return (JSON.parse(text) as Execution[]).map(completionEntry);
}

/** The Completion entry of stream_function_logs (http-api.md §8.1). */
export function completionEntry(execution: Execution): ExecutionLogEntry {
  const { usage } = execution;
  return {
    kind: "Completion",
    udfType: execution.udfType,
    componentPath: execution.componentPath === "" ? null : execution.componentPath,
    identifier: execution.identifier,
    logLines: execution.lines.map((line) => ({
      messages: line.messages,
      level: line.level,
      timestamp: line.timestampMs,
      isTruncated: line.isTruncated,
      systemMetadata: line.systemCode === undefined ? null : { code: line.systemCode },
      ...(line.source === undefined ? {} : sourceOf(line.source)),
    })),
    timestamp: (execution.startedMs + execution.durationMs) / 1000,
    cachedResult: execution.cached,
    caller: execution.caller,
    parentExecutionId: execution.parentExecutionId,
    executionTime: execution.durationMs / 1000,
    userExecutionTime: execution.durationMs / 1000,
    success: null,
    error: execution.error,
    requestId: execution.requestId,
    executionId: execution.executionId,
    usageStats: usageStats(usage),
    returnBytes: execution.returnBytes,
    occInfo: null,
    willRetry: false,
    executionTimestamp: execution.startedMs / 1000,
    identityType: execution.identityKind === "anonymous" ? "unknown" : execution.identityKind,
    environment: "isolate",
    ...(execution.auditLogLines === undefined ? {} : { auditLogLines: execution.auditLogLines }),
  };
}

/** The app's own component has no path. */
function sourceOf({ componentPath, udfPath }: NonNullable<LogLine["source"]>) {
  return { ...(componentPath === "" ? {} : { componentPath }), udfPath };
}

function usageStats(usage: UsageNumbers): Record<string, number> {
  return {
    databaseReadBytes: usage.bytesRead,
    databaseWriteBytes: usage.bytesWritten,
    databaseIoReadBytes: usage.bytesRead,
    databaseIoWriteBytes: usage.bytesWritten,
    databaseReadDocuments: usage.documentsRead,
    databaseWriteDocuments: usage.documentsWritten,
    storageReadBytes: 0,
    storageWriteBytes: 0,
    vectorIndexReadBytes: 0,
    vectorIndexWriteBytes: 0,
    textIndexQueryBytes: 0,
    textIndexWriteQueryBytes: 0,
    vectorIndexReadQueryBytes: 0,
    vectorIndexWriteQueryBytes: 0,
    networkEgressBytes: 0,
    memoryUsedMb: 0,
    databaseWriteIndexRows: 0,
  };
}
