import type { Timers } from "../base/clock.ts";
import type { EngineApi } from "../engine/api.ts";
import type { FileService } from "./fileService.ts";
import { RetriedWork } from "./retriedWork.ts";
import { watchSystemQuery } from "./systemWatch.ts";

/** Contents without a row are looked for at start and then this often. */
export const sweepIntervalMs = 6 * 3600 * 1000;

export interface SweeperOptions {
  readonly engine: EngineApi;
  readonly files: FileService;
  readonly timers: Timers;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

interface Removal {
  readonly _id: string;
  readonly key: string;
}

/**
 * Removes contents that no file refers to: at once those whose row was deleted (it watches the list of them, and sees a
 * deletion only when that is durable), and from time to time what uploads have left that never became files.
 */
export class FileSweeper {
  readonly #options: SweeperOptions;
  readonly #removals: RetriedWork<Removal>;
  /** Keys of contents that are still in the database. */
  readonly #contents: RetriedWork<string>;
  #holds = 0;
  #isClosed = false;
  #cancelSweep: () => void = () => undefined;
  /**
   * All that is under way. Removals and take-overs are in one chain: what was deleted before is not there any more, what
   * is deleted later goes then.
   */
  #working: Promise<void> = Promise.resolve();
  readonly #unsubscribe: (() => void)[] = [];

  constructor(options: SweeperOptions) {
    this.#options = options;
    const { timers } = options;
    const inOrder = (work: () => Promise<void>) => {
      const done = this.#working.then(work);
      this.#working = done.catch(() => undefined);
      return done;
    };
    this.#removals = new RetriedWork({
      timers,
      inOrder,
      run: (removals) => this.#remove(removals),
      failed: (error) => this.#failed("removing contents of deleted files", error),
    });
    this.#contents = new RetriedWork({
      timers,
      inOrder,
      run: async (keys) => {
        for (const key of keys) await options.files.takeOver(key);
      },
      failed: (error) => this.#failed("storing the files of mutations", error),
    });
  }

  async start(): Promise<void> {
    await this.#follow("removals", "removed files", this.#removals);
    await this.#follow("contents", "stored contents", this.#contents);
    this.#sweep();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#removals.close();
    this.#contents.close();
    this.#cancelSweep();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#working;
  }

  /** Removes nothing until the returned function is called: somebody reads files of an earlier state. */
  hold(): () => void {
    this.#holds += 1;
    this.#removals.pause();
    return () => {
      this.#holds -= 1;
      if (this.#holds === 0) this.#removals.resume();
    };
  }

  async #follow<T>(query: string, what: string, work: RetriedWork<T>): Promise<void> {
    const { engine, report } = this.#options;
    const unsubscribe = await watchSystemQuery(
      engine,
      `_system/files:${query}`,
      (value) => work.replace(value as readonly T[]),
      (message) => report("error", `the list of ${what} cannot be read: ${message}`),
    );
    this.#unsubscribe.push(unsubscribe);
  }

  async #remove(removals: readonly Removal[]): Promise<void> {
    const { engine, files } = this.#options;
    for (const { key } of removals) await files.contents.remove(key);
    const ids = removals.map(({ _id }) => _id);
    await engine.system("files.removed", JSON.stringify({ ids }));
  }

  /** Runs in the background; it may take long when there are many files. */
  #sweep(): void {
    if (this.#isClosed) return;
    const swept = this.sweep().catch((error: unknown) =>
      this.#failed("looking for left-over uploads", error),
    );
    this.#working = Promise.all([this.#working, swept]).then(() => undefined);
    this.#cancelSweep = this.#options.timers.setTimeout(() => this.#sweep(), sweepIntervalMs);
  }

  /** Removes all contents that no row refers to and that are not arriving. */
  async sweep(): Promise<void> {
    const { engine, files } = this.#options;
    await files.whileWatching(async (isArriving) => {
      for await (const keys of files.contents.keys()) {
        if (this.#isClosed) return;
        const unreferenced = JSON.parse(
          await engine.system("files.unreferenced", JSON.stringify({ keys })),
        ) as readonly string[];
        for (const key of unreferenced) if (!isArriving(key)) await files.contents.remove(key);
      }
    });
  }

  #failed(what: string, error: unknown): void {
    if (!this.#isClosed)
      this.#options.report("warn", `${what} failed: ${(error as Error)?.message ?? String(error)}`);
  }
}
