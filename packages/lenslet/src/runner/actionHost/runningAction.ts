import { assert } from "../../base/assert.ts";
import { slowRunShare, slowRunText, timedOutText } from "../limits.ts";
import { logLinesMax } from "../limits.ts";
import { makeLogLine } from "../logLines.ts";
import type { LogLevel, LogLine, RunFailure } from "../types.ts";
import { hostFailure } from "../failure.ts";
import {
  disconnectedText,
  largeResponseText,
  leftoverText,
  nodeOperationsMax,
  nodeTimedOutText,
  responseBytesMax,
  tooManyOperationsText,
} from "./limits.ts";
import { HttpExchange } from "./httpExchange.ts";
import type { ActionOutcome, ActionRun, HostKind, HostMessage, OperationOutcome } from "./messages.ts";

interface PendingOperation {
  readonly op: string;
  readonly settle: (outcome: OperationOutcome) => void;
}

export interface RunningActionOptions {
  readonly run: ActionRun;
  readonly kind: HostKind;
  readonly send: (message: HostMessage) => void;
  readonly ended: () => void;
}

/** One execution as the host process sees it: its open operations, its log lines, its end. */
export class RunningAction {
  readonly run: ActionRun;
  /** Aborted at the end: what user code left running must not go on on behalf of nobody. */
  readonly abort = new AbortController();
  /** Warnings about what is still open when the action succeeds. */
  danglingWarnings: () => readonly string[] = () => [];
  /** Of an HTTP action, once it has been started. */
  http: HttpExchange | null = null;
  readonly #options: RunningActionOptions;
  readonly #pending = new Map<number, PendingOperation>();
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #nextOperation = 1;
  #lines: LogLine[] = [];
  #linesSent = 0;
  #flushScheduled = false;
  #ended = false;

  constructor(options: RunningActionOptions) {
    this.run = options.run;
    this.#options = options;
    this.#timer = setTimeout(() => this.#timeOut(), options.run.timeMsMax);
  }

  /** Makes the request of an HTTP action, which user code is about to get. */
  openHttp(): HttpExchange {
    const { http, id } = this.run;
    assert(http !== undefined, "only HTTP actions have a request");
    this.http = new HttpExchange(id, http, (message) => {
      // Nothing may follow "done".
      if (!this.#ended) this.#options.send(message);
    });
    return this.http;
  }

  /** The client of an HTTP action has gone away; the action goes on (functions.md §14). */
  disconnected(): void {
    this.log("WARN", [disconnectedText]);
    this.http?.disconnected();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ops nobody has been answered yet, oldest first. */
  pendingOps(): string[] {
    return [...this.#pending.values()].map(({ op }) => op);
  }

  /** Sends an operation to the server. `settle` is never called once the action has ended. */
  operation(op: string, argsJson: string, settle: (outcome: OperationOutcome) => void): void {
    if (this.#ended) {
      settle({ ok: false, message: leftoverText });
      return;
    }
    if (this.#options.kind === "node" && this.#pending.size >= nodeOperationsMax) {
      settle({ ok: false, message: tooManyOperationsText });
      return;
    }
    const operation = this.#nextOperation++;
    this.#pending.set(operation, { op, settle });
    this.#options.send({ type: "operation", action: this.run.id, operation, op, argsJson });
  }

  answer(operation: number, outcome: OperationOutcome): void {
    const pending = this.#pending.get(operation);
    this.#pending.delete(operation);
    pending?.settle(outcome);
  }

  log(level: LogLevel, parts: readonly string[]): void {
    this.logLine(makeLogLine(level, parts, Date.now()));
  }

  logLine(line: LogLine): void {
    // The server cuts at `logLinesMax`; a loop of console.log must not fill its memory on the way there.
    if (this.#ended || this.#linesSent > logLinesMax) return;
    this.#linesSent++;
    this.#lines.push(line);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flushLines());
  }

  /** `resultJson` as the registered function returned it. */
  succeed(resultJson: string): void {
    if (this.#ended) return;
    for (const text of this.danglingWarnings()) this.log("WARN", [text]);
    this.#end({ ok: true, resultJson });
  }

  fail(failure: RunFailure): void {
    if (!this.#ended) this.#end({ ok: false, failure });
  }

  #timeOut(): void {
    const { exportName, timeMsMax } = this.run;
    if (this.#options.kind === "node") {
      this.fail(hostFailure(nodeTimedOutText(exportName, timeMsMax)));
      // What it left running cannot be stopped in here.
      this.#options.send({ type: "tainted", reason: `\`${exportName}\` timed out` });
    } else {
      this.fail(hostFailure(timedOutText(timeMsMax)));
    }
  }

  #end(outcome: ActionOutcome): void {
    const elapsedMs = performance.now() - this.#startedMs;
    const { timeMsMax, id } = this.run;
    if (elapsedMs > timeMsMax * slowRunShare) {
      this.log("WARN", [slowRunText(timeMsMax, `${Math.round(elapsedMs)}ms`)]);
    }
    const responseBytes = this.http?.responseBytes ?? 0;
    if (responseBytes > responseBytesMax * slowRunShare) this.log("WARN", [largeResponseText(responseBytes)]);
    clearTimeout(this.#timer);
    this.#flushLines();
    this.#ended = true;
    this.#pending.clear();
    this.#options.send({ type: "done", action: id, outcome });
    this.#options.ended();
    this.http?.ended();
    this.abort.abort();
  }

  #flushLines(): void {
    this.#flushScheduled = false;
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#options.send({ type: "lines", action: this.run.id, lines });
  }
}
