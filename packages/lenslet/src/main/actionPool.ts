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
/** All processes of one kind, blocked ones and those for runaways included, as a multiple of `processesMax`. */
const processesFactor = 3;

/** Who is to run. */
export interface ActionPlace {
  readonly kind: HostKind;
  readonly componentPath: string;
  readonly code: HostCode;
  /** Names the function among those of its code. */
  readonly functionKey: string;
}

/**
 * The action host processes. Default-runtime actions share one kind, Node actions of one code version another.
 *
 * Whatever an action does to its process, it does to those who run there too; and a computation that takes its time is
 * no crime for which it might be ended at once. So an action that has been running for a moment gets no new neighbours
 * any more as long as `processesMax` allows it: who comes later goes to another process, of which one is kept ready.
 * Only actions of the same moment share one, since most are over before a process could be started.
 *
 * A function that has kept its process to itself, or broken it, never again gets neighbours but its like: it runs in
 * processes apart, as long as its code stays the same.
 */
export class ActionPool {
  readonly #options: ActionPoolOptions;
  readonly #processes = new Set<ActionProcess>();
  /** What each Node process was started for. */
  readonly #components = new WeakMap<ActionProcess, string>();
  /** Those for functions that have run away. */
  readonly #apart = new WeakSet<ActionProcess>();
  /** Those that are going to be looked at when their actions are no longer young. */
  readonly #expected = new WeakSet<ActionProcess>();
  readonly #runaways = new Set<string>();
  #reaper: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: ActionPoolOptions) {
    this.#options = options;
  }

  /** The process that an action should run in. */
  take(place: ActionPlace): ActionProcess {
    if (place.kind === "node") this.#drainOldCode(place);
    const isApart = this.#runaways.has(runawayKey(place));
    const lane = this.#lane(place, isApart);
    // Who runs away may use up what is for runaways, but no more.
    const responsive = isApart ? lane : lane.filter((process) => !process.isBlocked);
    const { actionsPerProcess } = this.#options.limits;
    const open = responsive.filter(
      (process) => process.isOpen && process.inFlightCount < (isApart ? 1 : actionsPerProcess),
    );
    const [best] = open.toSorted(byReadinessAndLoad);
    if (best === undefined && this.#mayStart(place, responsive.length)) return this.#start(place, isApart);
    const taken = best ?? leastLoaded(responsive) ?? leastLoaded(lane) ?? this.#start(place, isApart);
    if (!isApart) this.#keepOneOpen(place, taken);
    return taken;
  }

  /** An action has kept its process to itself for long, or broken it. */
  ranAway(place: ActionPlace, process: ActionProcess): void {
    const key = runawayKey(place);
    if (!this.#runaways.delete(key)) this.#options.report("info", apartText(place.functionKey));
    this.#runaways.add(key);
    const [oldest] = this.#runaways;
    if (this.#runaways.size > runawaysMax && oldest !== undefined) this.#runaways.delete(oldest);
    if (process.inFlightCount === 1) this.#apart.add(process);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#reaper !== null) clearInterval(this.#reaper);
    await Promise.all([...this.#processes].map((process) => process.stop()));
  }

  /** The processes that such an action could run in, the oldest first. */
  #lane({ kind, code }: ActionPlace, isApart: boolean): ActionProcess[] {
    return [...this.#processes].filter(
      (process) =>
        process.isUsable &&
        process.kind === kind &&
        this.#apart.has(process) === isApart &&
        (kind === "isolate" || process.boundCodeId === code.id),
    );
  }

  #mayStart({ kind, componentPath }: ActionPlace, responsiveCount: number): boolean {
    const { processesMax } = this.#options.limits;
    if (responsiveCount >= processesMax) return false;
    const all = [...this.#processes].filter(
      (process) =>
        process.isUsable &&
        process.kind === kind &&
        (kind === "isolate" || this.#components.get(process) === componentPath),
    );
    return all.length < processesMax * processesFactor;
  }

  /** When what `taken` runs is no longer young, another process has to be there for who comes next. */
  #keepOneOpen(place: ActionPlace, taken: ActionProcess): void {
    if (this.#expected.has(taken)) return;
    this.#expected.add(taken);
    setTimeout(() => {
      this.#expected.delete(taken);
      if (this.#isClosed || !taken.isUsable || taken.inFlightCount === 0) return;
      if (taken.isOpen) return this.#keepOneOpen(place, taken);
      const lane = this.#lane(place, false);
      const responsive = lane.filter((process) => !process.isBlocked);
      if (lane.some((process) => process.isOpen) || !this.#mayStart(place, responsive.length)) return;
      this.#start(place, false).prepare(place.code);
    }, this.#options.limits.youngMsMax + 1).unref();
  }

  #start(place: ActionPlace, isApart: boolean): ActionProcess {
    const { kind, code, componentPath } = place;
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
  #drainOldCode({ componentPath, code }: ActionPlace): void {
    for (const process of this.#processes) {
      if (this.#components.get(process) !== componentPath || process.boundCodeId === code.id) continue;
      if (process.isUsable) process.drain();
    }
  }

  #changed(process: ActionProcess): void {
    if (!process.isUsable && process.inFlightCount === 0) this.#processes.delete(process);
    if (process.inFlightCount > 0 || process.isUsable || this.#isClosed) return;
    void process.stop();
  }

  /** One idle process of a kind stays, so that the next action starts at once. */
  #reap(): void {
    const kept = new Set<string>();
    for (const process of this.#processes) {
      const idleMs = process.idleMs();
      if (idleMs === null) continue;
      const key = process.kind === "isolate" ? "isolate" : String(this.#components.get(process));
      if (!this.#apart.has(process) && !kept.has(key)) kept.add(key);
      else if (idleMs > this.#options.limits.idleMs) void process.stop();
    }
  }
}

export function apartText(functionKey: string): string {
  return `${functionKey} has kept an action host to itself, or broken it: from now on it runs apart from others`;
}

function runawayKey({ code, functionKey }: ActionPlace): string {
  return `${code.id}:${functionKey}`;
}

/** Those of one moment together: that is quicker, and leaves the others to those who come later. */
function byReadinessAndLoad(a: ActionProcess, b: ActionProcess): number {
  return Number(b.isReady) - Number(a.isReady) || b.inFlightCount - a.inFlightCount;
}

function leastLoaded(processes: readonly ActionProcess[]): ActionProcess | undefined {
  return processes.toSorted((a, b) => a.inFlightCount - b.inFlightCount)[0];
}
