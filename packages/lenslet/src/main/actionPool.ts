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

/**
 * The action host processes. Default-runtime actions share one kind, Node actions of one code version another. A
 * process that an action has blocked gets no new work: the next action goes to another one, started if need be.
 */
export class ActionPool {
  readonly #options: ActionPoolOptions;
  readonly #processes = new Set<ActionProcess>();
  /** What each Node process was started for. */
  readonly #components = new WeakMap<ActionProcess, string>();
  #reaper: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: ActionPoolOptions) {
    this.#options = options;
  }

  /** The process that an action of this code should run in. */
  take(kind: HostKind, componentPath: string, code: HostCode): ActionProcess {
    if (kind === "node") this.#drainOldCode(componentPath, code.id);
    const { processesMax, actionsPerProcess } = this.#options.limits;
    const candidates = [...this.#processes]
      .filter((process) => process.isUsable && process.kind === kind)
      .filter((process) => kind === "isolate" || process.boundCodeId === code.id)
      .toSorted((a, b) => Number(a.isBlocked) - Number(b.isBlocked) || a.inFlightCount - b.inFlightCount);
    const [best] = candidates;
    if (best === undefined) return this.#start(kind, componentPath, code);
    const isFull = best.isBlocked || best.inFlightCount >= actionsPerProcess;
    return isFull && candidates.length < processesMax ? this.#start(kind, componentPath, code) : best;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#reaper !== null) clearInterval(this.#reaper);
    await Promise.all([...this.#processes].map((process) => process.stop()));
  }

  #start(kind: HostKind, componentPath: string, code: HostCode): ActionProcess {
    const process = new ActionProcess({
      ...this.#options,
      kind,
      changed: (changed) => this.#changed(changed),
    });
    if (kind === "node") {
      process.boundCodeId = code.id;
      this.#components.set(process, componentPath);
    }
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
      if (idleMs === null || !kept.has(key)) kept.add(key);
      else if (idleMs > this.#options.limits.idleMs) void process.stop();
    }
  }
}
