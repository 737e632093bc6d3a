import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { unreachable } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { nodeOutOfMemoryText, unresponsiveText } from "../runner/actionHost/limits.ts";
import type { EgressMap } from "../runner/actionHost/egress.ts";
import type {
  ActionOutcome,
  ActionRun,
  HostCode,
  HostKind,
  HostMessage,
  HostSettings,
  HttpHostMessage,
  HttpServerMessage,
  OperationOutcome,
  ServerMessage,
} from "../runner/actionHost/messages.ts";
import { hogDescriptor, idleHangFactor } from "../runner/actionHost/watch.ts";
import { hostFailure } from "../runner/failure.ts";
import { outOfMemoryText } from "../runner/limits.ts";
import type { LogLine } from "../runner/types.ts";
import { type ActionLimits, transientText } from "./actionLimits.ts";

/** Who wants to know what a running action does. */
export interface ActionListener {
  operation(op: string, argsJson: string): Promise<OperationOutcome>;
  lines(lines: readonly LogLine[]): void;
  /** It has kept its process to itself for long, or broken it: it should have no neighbours. */
  ranAway(): void;
  /** Only HTTP actions send these. */
  http?(message: HttpHostMessage): void;
}

export interface ActionProcessOptions {
  readonly kind: HostKind;
  readonly limits: ActionLimits;
  readonly clock: Clock;
  readonly egress: EgressMap;
  readonly externalPackagesFolder: string | null;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
  /** Called when the process may get work again or never will: it became idle, tainted or ended. */
  readonly changed: (process: ActionProcess) => void;
}

interface InFlight {
  readonly run: ActionRun;
  readonly listener: ActionListener;
  readonly sinceMs: number;
  readonly resolve: (outcome: ActionOutcome) => void;
}

/** Code versions that a process keeps. */
const codesMax = 4;
const lookIntervalMs = 250;
/** Silence after which a process gets no new work; it speaks every 100 ms while it runs actions. */
const blockedMs = 400;
/** Loading our own modules on a slow machine. */
const startMsMax = 30_000;
const errorTextMax = 8192;

/** The server's side of one action host process. */
export class ActionProcess {
  readonly kind: HostKind;
  /** The one code version of a Node host. */
  boundCodeId: string | null = null;
  readonly #options: ActionProcessOptions;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #folder: string | null;
  readonly #inFlight = new Map<number, InFlight>();
  readonly #codes = new Set<string>();
  #outgoing: ServerMessage[] = [];
  #readyAtMs: number | null = null;
  #isDraining = false;
  #hasEnded = false;
  #look: NodeJS.Timeout | null = null;
  #heardMs: number;
  #looksSinceHeard = 0;
  #errorText = "";
  #idleSinceMs: number;
  /** We ended it because it was silent. */
  #wasSilent = false;
  #isStopping = false;

  constructor(options: ActionProcessOptions) {
    this.#options = options;
    this.kind = options.kind;
    this.#heardMs = options.clock.monotonicMs();
    this.#idleSinceMs = this.#heardMs;
    this.#folder =
      options.kind === "node" ? realpathSync(mkdtempSync(path.join(tmpdir(), "lenslet-node-"))) : null;
    this.#child = this.#fork();
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        this.#ended(signal ?? `exit code ${code}`);
        resolve();
      });
      this.#child.once("error", (error) => {
        this.#ended(error.message);
        resolve();
      });
    });
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** False: it gets no new work any more. */
  get isUsable(): boolean {
    return !this.#isDraining && !this.#hasEnded && !this.#isStopping;
  }

  /** An action has kept it from saying anything for a while. */
  get isBlocked(): boolean {
    return this.isReady && this.#inFlight.size > 0 && this.#silentMs() > blockedMs;
  }

  get isReady(): boolean {
    return this.#readyAtMs !== null;
  }

  /** Whatever it runs has only just begun. Until it is ready nothing has. */
  get isOpen(): boolean {
    const [oldest] = this.#inFlight.values();
    if (oldest === undefined || this.#readyAtMs === null) return true;
    const beganMs = Math.max(oldest.sinceMs, this.#readyAtMs);
    return this.#options.clock.monotonicMs() - beganMs <= this.#options.limits.youngMsMax;
  }

  /** Null while it works. */
  idleMs(): number | null {
    return this.#inFlight.size > 0 ? null : this.#options.clock.monotonicMs() - this.#idleSinceMs;
  }

  /** So that the first action of this code finds it there. */
  prepare(code: HostCode): void {
    this.#sendCode(code);
  }

  /** Never rejects: what happens to the process is the action's failure. */
  run(run: ActionRun, code: HostCode, listener: ActionListener): Promise<ActionOutcome> {
    this.#sendCode(code);
    return new Promise((resolve) => {
      const sinceMs = this.#options.clock.monotonicMs();
      if (this.#inFlight.size === 0) this.#heardMs = sinceMs;
      this.#inFlight.set(run.id, { run, listener, sinceMs, resolve });
      this.#look ??= setInterval(() => this.#lookAfter(), lookIntervalMs);
      this.#send({ type: "run", run });
    });
  }

  /** To an HTTP action; nothing happens when it has ended. */
  tell(message: HttpServerMessage): void {
    if (this.#inFlight.has(message.action)) this.#send(message);
  }

  /** No new work; ends when what runs has ended. */
  drain(): void {
    this.#isDraining = true;
    if (this.#inFlight.size === 0) void this.stop();
  }

  /** Ends it now. */
  stop(): Promise<void> {
    this.#isStopping = true;
    if (!this.#hasEnded) this.#child.kill("SIGKILL");
    return this.#exited;
  }

  #fork(): ChildProcess {
    const { limits } = this.#options;
    const settings: HostSettings = {
      kind: this.kind,
      unresponsiveMsMax: limits.unresponsiveMsMax,
      heapMebibytesMax: limits.heapMebibytesMax,
      residentMebibytesMax: limits.residentMebibytesMax,
      moduleFolder: this.#folder,
      egress: this.#options.egress,
      externalPackagesFolder: this.#options.externalPackagesFolder,
    };
    // The sources run as .ts, the published package as .js.
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const entry = new URL(`../runner/actionHost/hostProcess.${extension}`, import.meta.url);
    const child = fork(fileURLToPath(entry), [JSON.stringify(settings)], {
      env: hostEnvironment(),
      execArgv: [
        `--max-old-space-size=${limits.heapMebibytesMax}`,
        // The watch breaks off user code in the middle of Node's callbacks, which leaves their bookkeeping unbalanced.
        "--no-force-async-hooks-checks",
        "--disable-warning=ExperimentalWarning",
      ],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc", "pipe"],
    });
    child.on("message", (messages) => this.#receive(messages as readonly HostMessage[]));
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#errorText = (this.#errorText + chunk.toString("latin1")).slice(-errorTextMax);
    });
    child.stdio[hogDescriptor]?.on("data", (chunk: Buffer) => this.#hogs(chunk.toString("latin1")));
    return child;
  }

  /** What the watch of the process says. */
  #hogs(text: string): void {
    for (const id of text.trim().split("\n").map(Number)) {
      const [only] = this.#inFlight.size === 1 ? this.#inFlight.values() : [];
      (this.#inFlight.get(id) ?? (id === 0 ? only : undefined))?.listener.ranAway();
    }
  }

  #sendCode(code: HostCode): void {
    if (this.#codes.delete(code.id)) {
      this.#codes.add(code.id);
      return;
    }
    this.#codes.add(code.id);
    if (this.kind === "node") this.boundCodeId = code.id;
    this.#send({ type: "code", code });
    const [oldest] = this.#codes;
    if (this.#codes.size > codesMax && oldest !== undefined) {
      this.#codes.delete(oldest);
      this.#send({ type: "forget", codeId: oldest });
    }
  }

  /** One batch per turn. */
  #send(message: ServerMessage): void {
    this.#outgoing.push(message);
    if (this.#outgoing.length > 1) return;
    queueMicrotask(() => {
      const messages = this.#outgoing;
      this.#outgoing = [];
      // A channel that is closed belongs to a process that has ended, which is reported as such.
      if (this.#child.connected) this.#child.send(messages, () => undefined);
    });
  }

  #receive(messages: readonly HostMessage[]): void {
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#looksSinceHeard = 0;
    for (const message of messages) this.#take(message);
  }

  #take(message: HostMessage): void {
    switch (message.type) {
      case "ready":
        this.#readyAtMs = this.#heardMs;
        return;
      case "alive":
        return;
      case "operation":
        void this.#operation(message);
        return;
      case "ranAway":
        this.#inFlight.get(message.action)?.listener.ranAway();
        return;
      case "lines":
        this.#inFlight.get(message.action)?.listener.lines(message.lines);
        return;
      case "responseHead":
      case "responseBody":
      case "responseEnd":
      case "requestCredit":
        this.#inFlight.get(message.action)?.listener.http?.(message);
        return;
      case "done":
        this.#done(message.action, message.outcome);
        return;
      case "tainted":
        if (!this.#isDraining)
          this.#options.report("warn", `an action host is being replaced: ${message.reason}`);
        this.drain();
        this.#options.changed(this);
        return;
      case "stray":
        this.#options.report("warn", `in an action host, outside of any action: ${message.text}`);
        return;
      default:
        unreachable(message);
    }
  }

  async #operation(message: HostMessage & { type: "operation" }): Promise<void> {
    const { action, operation, op, argsJson } = message;
    const inFlight = this.#inFlight.get(action);
    if (inFlight === undefined) return;
    const outcome = await inFlight.listener.operation(op, argsJson);
    if (this.#inFlight.has(action)) this.#send({ type: "answer", action, operation, outcome });
  }

  #done(id: number, outcome: ActionOutcome): void {
    const inFlight = this.#inFlight.get(id);
    if (inFlight === undefined) return;
    this.#inFlight.delete(id);
    if (this.#inFlight.size === 0) this.#becameIdle();
    inFlight.resolve(outcome);
  }

  #becameIdle(): void {
    if (this.#look !== null) clearInterval(this.#look);
    this.#look = null;
    this.#idleSinceMs = this.#options.clock.monotonicMs();
    if (this.#isDraining) void this.stop();
    this.#options.changed(this);
  }

  #silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#heardMs;
  }

  #lookAfter(): void {
    // Counted in looks as well: when this process itself was held up, everybody seems to have been silent.
    this.#looksSinceHeard++;
    const { unresponsiveMsMax, killGraceMs } = this.#options.limits;
    const silentMs = Math.min(this.#silentMs(), this.#looksSinceHeard * lookIntervalMs);
    const limitMs = this.isReady ? unresponsiveMsMax * idleHangFactor + killGraceMs : startMsMax;
    if (silentMs <= limitMs) return;
    this.#wasSilent = true;
    this.#options.report("warn", `an action host does not answer and is killed; it runs ${this.#names()}`);
    this.#child.kill("SIGKILL");
  }

  #ended(how: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#look !== null) clearInterval(this.#look);
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
    const victims = [...this.#inFlight.values()];
    this.#inFlight.clear();
    const isKnown = this.#isStopping || this.#wasSilent;
    if (!isKnown && (victims.length > 0 || !this.isReady)) {
      const names = victims.length === 0 ? "nothing" : victims.map(({ run }) => nameOf(run)).join(", ");
      this.#options.report("warn", `an action host has ended (${how}) while it ran ${names}`);
      if (!this.isReady && this.#errorText !== "") this.#options.report("error", this.#errorText);
    }
    const [only] = victims.length === 1 && !this.#isStopping ? victims : [];
    only?.listener.ranAway();
    const text = only === undefined ? transientText : this.#textOfEnd(how);
    for (const { resolve } of victims) resolve({ ok: false, failure: hostFailure(text) });
    this.#options.changed(this);
  }

  /** For the only action of a process: it must have been the one. */
  #textOfEnd(how: string): string {
    if (this.#wasSilent) return unresponsiveText;
    const { heapMebibytesMax } = this.#options.limits;
    if (/heap out of memory|Reached heap limit/.test(this.#errorText)) {
      return this.kind === "node" ? nodeOutOfMemoryText(heapMebibytesMax) : outOfMemoryText;
    }
    return `The process that ran this action has ended (${how}).`;
  }

  #names(): string {
    return [...this.#inFlight.values()].map(({ run }) => nameOf(run)).join(", ");
  }
}

function nameOf(run: ActionRun): string {
  return `${run.modulePath}:${run.exportName}`;
}

/** Nothing of the server's own environment may be seen by user code, only what a process needs to find its way. */
function hostEnvironment(): NodeJS.ProcessEnv {
  const names = ["PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot"];
  const kept = names.map((name) => [name, process.env[name]]).filter(([, value]) => value !== undefined);
  // Dates of user code use the process's zone.
  return { TZ: "UTC", ...Object.fromEntries(kept) };
}
