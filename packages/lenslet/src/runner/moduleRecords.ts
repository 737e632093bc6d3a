import type vm from "node:vm";
import type { ModuleGraph } from "./codeModules.ts";
import type { ModuleFactory, ModuleRecord, RealmControls } from "./realm/realmTypes.ts";

/** The modules that are evaluated in one context. */
export class ModuleRecords {
  readonly #context: vm.Context;
  readonly #controls: RealmControls;
  readonly #beforeEvaluation: (path: string) => void;
  readonly #kept = new Map<string, ModuleRecord>();
  /** Instances of modules that keep state, for the current run only. */
  #fresh = new Map<string, ModuleRecord>();

  constructor(context: vm.Context, controls: RealmControls, beforeEvaluation: (path: string) => void) {
    this.#context = context;
    this.#controls = controls;
    this.#beforeEvaluation = beforeEvaluation;
  }

  get(path: string): ModuleRecord | undefined {
    return this.#fresh.get(path) ?? this.#kept.get(path);
  }

  /** Whether a run of its entry module needs no evaluation. */
  isLoaded(graph: ModuleGraph): boolean {
    return graph.fresh.size === 0 && this.#kept.has(graph.entry);
  }

  endRun(): void {
    if (this.#fresh.size > 0) this.#fresh = new Map();
  }

  /** Evaluates what is missing. Throws ModuleLoadError or what a module's body throws; what failed is as if never begun. */
  load(graph: ModuleGraph): void {
    const controls = this.#controls;
    const missing = graph.order.filter(({ path }) => !this.get(path));
    for (const { path } of missing) {
      const home = graph.fresh.has(path) ? this.#fresh : this.#kept;
      home.set(path, controls.newRecord());
    }
    const waiting = new Set(missing.map(({ path }) => path));
    try {
      for (const { path, script, imports } of missing) {
        const factory = script.runInContext(this.#context) as ModuleFactory;
        const dependencies = imports.map((imported) => this.get(imported)!);
        controls.instantiate(this.get(path)!, factory, dependencies, path);
      }
      for (const { path, exports } of missing) {
        const targets = [...exports].map(([name, target]) => ({
          name,
          record: this.get(target.path)!,
          local: target.local,
        }));
        controls.defineExports(this.get(path)!, targets);
      }
      for (const { path } of missing) {
        this.#beforeEvaluation(path);
        controls.evaluate(this.get(path)!);
        waiting.delete(path);
      }
    } finally {
      for (const path of waiting) {
        this.#kept.delete(path);
        this.#fresh.delete(path);
      }
    }
  }
}

/** FNV-1a: every module draws from a stream of its own, so that the order of evaluation does not matter. */
export function randomStreamOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
