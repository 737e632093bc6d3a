import type { Clock } from "../base/clock.ts";
import { CodeModules, ModuleLoadError, SourceCache } from "./codeModules.ts";
import type { ModuleGraph } from "./codeModules.ts";
import { idleRealmsMax } from "./limits.ts";
import { loadFailure } from "./failure.ts";
import { Realm } from "./realm.ts";
import type { CodeVersion, RunOutcome, RunRequest } from "./types.ts";

interface Pool {
  readonly modules: CodeModules;
  readonly idle: Realm[];
}

export interface RunnerOptions {
  readonly clock: Clock;
  /** False: the `convex` package in the bundle makes every syscall itself (fastPath/README.md); default true. */
  readonly fastPath?: boolean;
}

/**
 * Runs queries and mutations synchronously in re-used contexts. A run's asynchronous syscalls are answered by its
 * host in call order; a host may call `run` again while it answers (nested functions), which takes another context.
 *
 * Between the steps of a run Node's tick queue is processed (rejections.ts): call `run` from inside a microtask if
 * the thread has promise continuations that must not run in the middle of a transaction.
 */
export class Runner {
  readonly #clock: Clock;
  readonly #fastPath: boolean;
  readonly #sources = new SourceCache();
  readonly #pools = new Map<string, Pool>();

  constructor(options: RunnerOptions) {
    this.#clock = options.clock;
    this.#fastPath = options.fastPath ?? true;
  }

  /** Never throws for what user code does; rethrows what the host throws, except developer errors. */
  run(request: RunRequest): RunOutcome {
    const pool = this.#pool(request.code);
    let graph: ModuleGraph;
    try {
      graph = pool.modules.graph(request.modulePath);
    } catch (error) {
      if (error instanceof ModuleLoadError)
        return { ok: false, failure: loadFailure(error), usedClock: false };
      throw error;
    }
    const realm = this.#take(pool, request.modulePath);
    let finished = false;
    try {
      const outcome = realm.run(request, graph);
      finished = true;
      return outcome;
    } finally {
      if (finished && realm.intact && pool.idle.length < idleRealmsMax) pool.idle.push(realm);
    }
  }

  /**
   * Parses and compiles a module and what it imports, which takes about 1 ms for 10 KB and would otherwise count as
   * its first run's time. Says nothing about modules that cannot be loaded: running them does.
   */
  prepare(code: CodeVersion, modulePath: string): void {
    try {
      this.#pool(code).modules.graph(modulePath);
    } catch (error) {
      if (!(error instanceof ModuleLoadError)) throw error;
    }
  }

  /** Why runs of a module get new module instances each time: module path → reason; empty when they are re-used. */
  stateReasons(code: CodeVersion, modulePath: string): ReadonlyMap<string, string> {
    return this.#pool(code).modules.graph(modulePath).stateReasons;
  }

  /** Frees the contexts and compiled modules of a code version; a later run with it starts anew. */
  forget(codeId: string): void {
    this.#pools.delete(codeId);
    this.#sources.sweep([...this.#pools.values()].map((pool) => pool.modules.entries));
  }

  #pool(code: CodeVersion): Pool {
    let pool = this.#pools.get(code.id);
    if (!pool) {
      pool = { modules: new CodeModules(code, this.#sources), idle: [] };
      this.#pools.set(code.id, pool);
    }
    return pool;
  }

  #take(pool: Pool, modulePath: string): Realm {
    for (let i = pool.idle.length - 1; i >= 0; i--) {
      const realm = pool.idle[i]!;
      if (realm.dedicatedTo === null || realm.dedicatedTo === modulePath) {
        if (i === pool.idle.length - 1) pool.idle.pop();
        else pool.idle.splice(i, 1);
        return realm;
      }
    }
    if (pool.idle.length === idleRealmsMax) pool.idle.shift();
    return new Realm(pool.modules, this.#clock, this.#fastPath);
  }
}
