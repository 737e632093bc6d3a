import type { Clock } from "../base/clock.ts";
import type { EgressMap } from "../runner/actionHost/egress.ts";
import type { HostCode, HostKind } from "../runner/actionHost/messages.ts";
import type { ActionLimits } from "./actionLimits.ts";
import { ActionProcess } from "./actionProcess.ts";

export interface ActionPoolOptions {
  readonly limits: ActionLimits;
  readonly clock: Clock;
  readonly egress: EgressMap;
  readonly externalPackagesFolder: string | null;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

/** Functions that have run away; the oldest is forgiven when there are more. */
const runawaysMax = 1_000;

/**
 * The action host processes. Default-runtime actions share one kind, Node actions of one code version another. A
 * process that an action has blocked gets no new work: the next action goes to another one, started if need be. What
 * runs there already waits until the loop is broken off; so a function that has once run away never again gets
 * neighbours but its like: it runs in processes apart, as long as its code stays the same.
 */
export class ActionPool {
  readonly #options: ActionPoolOptions;
  readonly #processes = new Set<ActionProcess>();
  /** What each Node process was started for. */
  readonly #components = new WeakMap<ActionProcess, string>();
  /** Those for functions that have run away. */
  readonly #apart = new WeakSet<ActionProcess>();
  readonly #runaways = new Set<string>();
  #reaper: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: ActionPoolOptions) {
    this.#options = options;
  }

  /** The process that an action of this code should run in. `functionPath` null: one of the HTTP actions. */
  take(
    kind: HostKind,
    componentPath: string,
    code: HostCode,
    functionPath: string | null = null,
  ): ActionProcess {
    if (kind === "node") this.#drainOldCode(componentPath, code.id);
    const isApart = functionPath !== null && this.#runaways.has(runawayKey(code, functionPath));
    const { processesMax, actionsPerProcess } = this.#options.limits;
    const candidates = [...this.#processes]
      .filter((process) => process.isUsable && process.kind === kind)
      .filter((process) => this.#apart.has(process) === isApart)
      .filter((process) => kind === "isolate" || process.boundCodeId === code.id)
      .toSorted((a, b) => Number(a.isBlocked) - Number(b.isBlocked) || a.inFlightCount - b.inFlightCount);
    const [best] = candidates;
    if (best === undefined) return this.#start(kind, componentPath, code, isApart);
    const isFull = best.isBlocked || best.inFlightCount >= (isApart ? 1 : actionsPerProcess);
    return isFull && candidates.length < processesMax
      ? this.#start(kind, componentPath, code, isApart)
      : best;
  }

  /** A function had to be broken off. */
  ranAway(code: HostCode, functionPath: string): void {
    const key = runawayKey(code, functionPath);
    this.#runaways.delete(key);
    this.#runaways.add(key);
    const [oldest] = this.#runaways;
    if (this.#runaways.size > runawaysMax && oldest !== undefined) this.#runaways.delete(oldest);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#reaper !== null) clearInterval(this.#reaper);
    await Promise.all([...this.#processes].map((process) => process.stop()));
  }

  #start(kind: HostKind, componentPath: string, code: HostCode, isApart: boolean): ActionProcess {
    const process = new ActionProcess({
      ...this.#options,
      kind,
      changed: (changed) => this.#changed(changed),
    });
    if (kind === "node") {
      process.boundCodeId = code.id;
      this.#components.set(process, componentPath);
    }
    if (isApart) this.#apart.add(process);
    this.#processes.add(process);
    this.#reaper ??= setInterval(() => this.#reap(), this.#options.limits.idleMs / 4).unref();
    return process;
  }

  /** Modules of a process cannot be unloaded: new code gets a new one. */
  #drainOldCode(componentPath: string, codeId: string): void {
    for (const process of this.#processes) {
      if (this.#components.get(process) !== componentPath || process.boundCodeId === codeId) continue;
      if (process.isUsable) process.drain();
    }
  }

  #changed(process: ActionProcess): void {
    if (!process.isUsable && process.inFlightCount === 0) this.#processes.delete(process);
    if (process.inFlightCount > 0 || process.isUsable || this.#isClosed) return;
    void process.stop();
  }

  /** One process of a kind stays, so that the next action starts at once. */
  #reap(): void {
    const kept = new Set<string>();
    for (const process of this.#processes) {
      const idleMs = process.idleMs();
      const key = process.kind === "isolate" ? "isolate" : String(this.#components.get(process));
      if (!this.#apart.has(process) && (idleMs === null || !kept.has(key))) kept.add(key);
      else if (idleMs !== null && idleMs > this.#options.limits.idleMs) void process.stop();
    }
  }
}

function runawayKey(code: HostCode, functionPath: string): string {
  return `${code.id}:${functionPath}`;
}
