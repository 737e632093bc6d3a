import type { Timers } from "../base/clock.ts";

/** After a failure. */
export const retryMs = 10_000;

export interface RetriedWorkOptions<T> {
  readonly timers: Timers;
  /** Runs one piece of work after all that was given to it before, of whatever kind. */
  readonly inOrder: (work: () => Promise<void>) => Promise<void>;
  readonly run: (items: readonly T[]) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

/** Works off the newest list it was given, one list at a time; one that fails is tried again unless a newer one has come. */
export class RetriedWork<T> {
  readonly #options: RetriedWorkOptions<T>;
  #items: readonly T[] = [];
  #isRunning = false;
  #isPaused = false;
  #isClosed = false;
  #cancelRetry: () => void = () => undefined;

  constructor(options: RetriedWorkOptions<T>) {
    this.#options = options;
  }

  replace(items: readonly T[]): void {
    this.#items = items;
    this.#work();
  }

  /** What runs goes on; nothing more begins until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#work();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry();
  }

  #work(): void {
    if (this.#isPaused || this.#isRunning || this.#isClosed || this.#items.length === 0) return;
    this.#isRunning = true;
    this.#cancelRetry();
    const items = this.#items;
    this.#items = [];
    const { inOrder, run, failed, timers } = this.#options;
    inOrder(() => run(items)).then(
      () => {
        this.#isRunning = false;
        this.#work();
      },
      (error: unknown) => {
        this.#isRunning = false;
        failed(error);
        if (this.#items.length === 0) this.#items = items;
        if (!this.#isClosed) this.#cancelRetry = timers.setTimeout(() => this.#work(), retryMs);
      },
    );
  }
}
