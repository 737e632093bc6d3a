import { internalErrorMessage } from "../base/errors.ts";
import type { Clock, Timers } from "../base/clock.ts";
import type { ExecutionLogEntry } from "../engine/api.ts";
import { HttpError } from "./errors.ts";

/** The latest executions that are kept for stream_function_logs and stream_udf_execution (http-api.md §8.1). */
export const executionsMax = 1000;
/** Progress entries come on top of them. */
const entriesMax = 5000;
/** A single execution may log 8 MiB. */
const logBytesMax = 64 * 1024 * 1024;
/** Running actions whose lines are collected for stream_udf_execution. */
const runningMax = 1000;
/** Two entries of one moment are this far apart; exact in a float64 of present-day milliseconds. */
const cursorStepMs = 2 ** -10;

/** A console line as CLI and dashboard read it. */
export interface StructuredLine {
  readonly messages: readonly string[];
  readonly level: string;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly isTruncated: boolean;
  readonly [field: string]: unknown;
}

export interface StreamEntry {
  /** Milliseconds, unique and increasing. */
  readonly cursor: number;
  readonly entry: ExecutionLogEntry;
  /** What this entry itself reports; empty for the completion of an action, whose lines went before it. */
  readonly lines: readonly StructuredLine[];
  /** For a completion: every line of the execution. */
  readonly allLines: readonly StructuredLine[];
  readonly bytes: number;
}

export interface StreamBatch {
  readonly entries: readonly StreamEntry[];
  readonly newCursor: number;
}

interface Waiter {
  readonly after: number;
  settle(): void;
  fail(error: Error): void;
}

/** A ring of the latest executions. Feed it with `EngineEvents.executed`. */
export class LogStream {
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** Live entries are those from `#head` on, in order of their cursors. */
  #entries: (StreamEntry | undefined)[] = [];
  #head = 0;
  #completions = 0;
  #bytes = 0;
  #lastCursor = 0;
  readonly #running = new Map<string, StructuredLine[]>();
  readonly #waiters = new Set<Waiter>();
  #isClosed = false;

  constructor(options: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = options.clock;
    this.#timers = options.timers;
  }

  append(entries: readonly ExecutionLogEntry[]): void {
    if (this.#isClosed || entries.length === 0) return;
    for (const entry of entries) {
      if (entry.kind === "Progress") this.#appendProgress(entry);
      else this.#appendCompletion(entry);
    }
    for (const waiter of this.#waiters) waiter.settle();
  }

  #appendProgress(entry: ExecutionLogEntry): void {
    const lines = linesOf(entry);
    const executionId = String(entry["executionId"]);
    const collected = this.#running.get(executionId);
    if (collected !== undefined) collected.push(...lines);
    else {
      if (this.#running.size >= runningMax) {
        const [oldest] = this.#running.keys();
        if (oldest !== undefined) this.#running.delete(oldest);
      }
      this.#running.set(executionId, [...lines]);
    }
    this.#push(entry, lines, lines);
  }

  #appendCompletion(entry: ExecutionLogEntry): void {
    const lines = linesOf(entry);
    const udfType = entry["udfType"];
    if (udfType !== "Action" && udfType !== "HttpAction") {
      this.#push(entry, lines, lines);
      return;
    }
    const executionId = String(entry["executionId"]);
    const collected = this.#running.get(executionId);
    this.#running.delete(executionId);
    // An action that ran without progress reports still shows its lines before its end, as clients expect.
    if (collected === undefined && lines.length > 0) this.#push(progressOf(entry), lines, lines);
    this.#push(entry, [], lines.length > 0 ? lines : (collected ?? []));
  }

  #push(
    entry: ExecutionLogEntry,
    lines: readonly StructuredLine[],
    allLines: readonly StructuredLine[],
  ): void {
    this.#lastCursor = Math.max(this.#clock.nowMs(), this.#lastCursor + cursorStepMs);
    const bytes = bytesOf(allLines);
    this.#entries.push({ cursor: this.#lastCursor, entry, lines, allLines, bytes });
    this.#bytes += bytes;
    if (entry.kind === "Completion") this.#completions++;
    while (this.#completions > executionsMax || this.#size > entriesMax || this.#bytes > logBytesMax) {
      this.#dropOldest();
    }
    if (this.#head > entriesMax) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  get #size(): number {
    return this.#entries.length - this.#head;
  }

  #dropOldest(): void {
    const oldest = this.#entries[this.#head];
    this.#entries[this.#head] = undefined;
    this.#head++;
    if (oldest === undefined) return;
    this.#bytes -= oldest.bytes;
    if (oldest.entry.kind === "Completion") this.#completions--;
  }

  /** Everything after `after` that is still here. */
  read(after: number): StreamBatch {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.cursor ?? 0) > after) high = middle;
      else low = middle + 1;
    }
    const entries = this.#entries.slice(low).filter((entry) => entry !== undefined);
    return { entries, newCursor: entries.at(-1)?.cursor ?? after };
  }

  /** As after 0, before anything has run: where the client stands. The next entry comes after it. */
  #beginning(): StreamBatch {
    this.#lastCursor = Math.max(this.#clock.nowMs(), this.#lastCursor + cursorStepMs);
    return { entries: [], newCursor: this.#lastCursor };
  }

  /**
   * As `read`, but waits for the first newer entry, at most `timeoutMs`; `onCancel` registers a way to give up
   * (the batch is then what there is). Rejects with HTTP 500 when the stream is closed.
   */
  next(after: number, timeoutMs: number, onCancel: (cancel: () => void) => void): Promise<StreamBatch> {
    if (this.#isClosed) return Promise.reject(closed());
    const batch = this.read(after);
    if (batch.entries.length > 0) return Promise.resolve(batch);
    // The CLI takes the first answer for history and does not show it. On a server that has just started, the first
    // call of a function would end up there, with all that it logs.
    if (after <= 0) return Promise.resolve(this.#beginning());
    return new Promise((resolve, reject) => {
      const end = () => {
        cancelTimer();
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        after,
        settle: () => {
          const found = this.read(after);
          // Entries older than the client's cursor (a clock that jumped back) are no news to it.
          if (found.entries.length === 0) return;
          end();
          resolve(found);
        },
        fail: (error) => {
          end();
          reject(error);
        },
      };
      const giveUp = () => {
        end();
        resolve(this.read(after));
      };
      const cancelTimer = this.#timers.setTimeout(giveUp, timeoutMs);
      this.#waiters.add(waiter);
      onCancel(giveUp);
    });
  }

  /** Fails everyone who waits, so that clients reconnect elsewhere. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiters) waiter.fail(closed());
  }
}

/** Expected at shutdown, hence no defect to be reported. */
function closed(): HttpError {
  return new HttpError(500, "InternalServerError", internalErrorMessage);
}

function progressOf(entry: ExecutionLogEntry): ExecutionLogEntry {
  const { udfType, componentPath, identifier, timestamp, requestId, executionId, parentExecutionId } = entry;
  return {
    kind: "Progress",
    udfType,
    componentPath,
    identifier,
    timestamp,
    requestId,
    executionId,
    parentExecutionId,
  };
}

/** The entry's `logLines`, structured; plain `[LEVEL] text` strings are taken apart. */
function linesOf(entry: ExecutionLogEntry): readonly StructuredLine[] {
  const lines = entry["logLines"];
  if (!Array.isArray(lines) || lines.length === 0) return noLines;
  return lines.map((line: unknown) => structured(line, Number(entry["timestamp"] ?? 0) * 1000));
}

const noLines: readonly StructuredLine[] = [];

function structured(line: unknown, timestamp: number): StructuredLine {
  if (isStructured(line)) return line;
  const text = String(line);
  const match = /^\[(LOG|DEBUG|INFO|WARN|ERROR)\] /.exec(text);
  const messages = [match === null ? text : text.slice(match[0].length)];
  return { messages, level: match?.[1] ?? "LOG", timestamp, isTruncated: false };
}

function isStructured(line: unknown): line is StructuredLine {
  return typeof line === "object" && line !== null && "messages" in line && Array.isArray(line.messages);
}

/** `[LEVEL] text`, the form of log lines everywhere else. */
export function plainLine(line: StructuredLine): string {
  const text = `[${line.level}] ${line.messages.join(" ")}`;
  return line.isTruncated ? `${text} (truncated due to length)` : text;
}

function bytesOf(lines: readonly StructuredLine[]): number {
  let bytes = 0;
  for (const line of lines) {
    for (const message of line.messages) bytes += message.length;
  }
  return bytes;
}
