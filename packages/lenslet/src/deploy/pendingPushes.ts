import { badRequest } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import type { ModuleSource } from "../runner/types.ts";
import type { Namespace } from "../store/store.ts";
import type { Analysis, ComponentSources } from "./analysisTypes.ts";
import type { ComponentInstance } from "./componentTree.ts";

/** What start_push learnt and finish_push commits. */
export interface PendingPush {
  readonly modules: readonly ModuleSource[];
  readonly components: readonly ComponentSources[];
  readonly analysis: Analysis;
  /** The app and all that is mounted in it. */
  readonly tree: ComponentInstance;
  /** By component path; only of what was allocated. */
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** By component path; null without a schema. */
  readonly schemaIds: ReadonlyMap<string, string | null>;
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** The functions directory, e.g. "convex/". */
  readonly functions: string;
  readonly serverVersion: string;
  readonly nodeVersion: string | null;
  readonly importSeed: Uint8Array;
  readonly importTimestampMs: number;
  /** `codeGeneration` when the push started: another push that finished in between makes this one stale. */
  readonly generation: string;
}

export const pendingPushesMax = 8;
export const pendingPushBytesMax = 256 * 1024 * 1024;

/**
 * Sources of pushes between start_push and finish_push. They are kept in memory only: writing them to the log for the
 * few seconds they live would double what a push costs, and a lost one merely makes the CLI push again. The oldest
 * ones make room, since a start_push need never be finished.
 */
export class PendingPushes {
  readonly #random: Random;
  readonly #pushes = new Map<string, { readonly push: PendingPush; readonly bytes: number }>();
  #bytes = 0;

  constructor(options: { readonly random: Random }) {
    this.#random = options.random;
  }

  /** Returns the id to give to `get`. */
  put(push: PendingPush): string {
    const id = randomHex(this.#random, 16);
    let bytes = 0;
    for (const module of [...push.modules, ...push.components.flatMap(({ modules }) => modules)])
      bytes += module.source.length + (module.sourceMap?.length ?? 0);
    this.#pushes.set(id, { push, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#pushes.keys()) {
      const fits = this.#pushes.size <= pendingPushesMax && this.#bytes <= pendingPushBytesMax;
      // The newest is kept whatever its size: the limit of a whole push is above this.
      if (fits || oldest === id) break;
      this.delete(oldest);
    }
    return id;
  }

  /**
   * Throws RaceDetected when the push was never started here, or is too long ago, or the engine has been replaced since:
   * the CLI takes that for something that passes, and pushes again by itself.
   */
  get(id: string): PendingPush {
    const entry = this.#pushes.get(id);
    if (entry === undefined) {
      throw badRequest(
        "RaceDetected",
        "The modules of this push are not on the server any more, because it restarted or many other pushes were started. Push again.",
      );
    }
    return entry.push;
  }

  delete(id: string): void {
    const entry = this.#pushes.get(id);
    if (entry === undefined) return;
    this.#bytes -= entry.bytes;
    this.#pushes.delete(id);
  }
}
