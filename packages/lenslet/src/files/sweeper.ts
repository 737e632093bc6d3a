import type { Timers } from "../base/clock.ts";
import type { EngineApi } from "../engine/api.ts";
import type { FileService } from "./fileService.ts";
import { watchSystemQuery } from "./systemWatch.ts";

/** Contents without a row are looked for at start and then this often. */
export const sweepIntervalMs = 6 * 3600 * 1000;
/** After a failure of the file store. */
const retryMs = 10_000;

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
  #holds = 0;
  #removals: readonly Removal[] = [];
  /** Keys of contents that are still in the database. */
  #contents: readonly string[] = [];
  #isTakingOver = false;
  #unsubscribeContents: () => void = () => undefined;
  #isRemoving = false;
  #isClosed = false;
  #cancelRetry: () => void = () => undefined;
  #cancelSweep: () => void = () => undefined;
  #working: Promise<void> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { engine, report } = this.#options;
    this.#unsubscribe = await watchSystemQuery(
      engine,
      "_system/files:removals",
      (value) => {
        this.#removals = value as readonly Removal[];
        this.#work();
      },
      (message) => report("error", `the list of removed files cannot be read: ${message}`),
    );
    this.#unsubscribeContents = await watchSystemQuery(
      engine,
      "_system/files:contents",
      (value) => {
        this.#contents = value as readonly string[];
        this.#takeOver();
      },
      (message) => report("error", `the list of stored contents cannot be read: ${message}`),
    );
    this.#sweep();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry();
    this.#cancelSweep();
    this.#unsubscribe();
    this.#unsubscribeContents();
    await this.#working;
  }

  /** Removes nothing until the returned function is called: somebody reads files of an earlier state. */
  hold(): () => void {
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      this.#work();
    };
  }

  #work(): void {
    if (this.#holds > 0 || this.#isRemoving || this.#isClosed || this.#removals.length === 0) return;
    this.#isRemoving = true;
    this.#cancelRetry();
    const removals = this.#removals;
    this.#removals = [];
    this.#working = this.#working
      .then(() => this.#remove(removals))
      .then(
        () => {
          this.#isRemoving = false;
          this.#work();
        },
        (error: unknown) => {
          this.#isRemoving = false;
          this.#failed("removing contents of deleted files", error);
          if (this.#removals.length === 0) this.#removals = removals;
          this.#cancelRetry = this.#options.timers.setTimeout(() => this.#work(), retryMs);
        },
      );
  }

  async #remove(removals: readonly Removal[]): Promise<void> {
    const { engine, files } = this.#options;
    for (const { key } of removals) await files.contents.remove(key);
    const ids = removals.map(({ _id }) => _id);
    await engine.system("files.removed", JSON.stringify({ ids }));
  }

  /** In one chain with removals: what was deleted before is not there any more, what is deleted later goes then. */
  #takeOver(): void {
    if (this.#isTakingOver || this.#isClosed || this.#contents.length === 0) return;
    this.#isTakingOver = true;
    const keys = this.#contents;
    this.#contents = [];
    this.#working = this.#working
      .then(async () => {
        for (const key of keys) await this.#options.files.takeOver(key);
      })
      .then(
        () => {
          this.#isTakingOver = false;
          this.#takeOver();
        },
        (error: unknown) => {
          this.#isTakingOver = false;
          this.#failed("storing the files of mutations", error);
          if (this.#contents.length === 0) this.#contents = keys;
          this.#options.timers.setTimeout(() => this.#takeOver(), retryMs);
        },
      );
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
