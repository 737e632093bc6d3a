import type { Timers } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import { type ActionLimits, tooManyActionsText } from "./actionLimits.ts";

interface Waiting {
  readonly admit: () => void;
  readonly cancelTimer: () => void;
}

/** Lets a limited number of actions run at once in one runtime; the others wait their turn for a while. */
export class ActionAdmission {
  readonly #limits: ActionLimits;
  readonly #timers: Timers;
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(limits: ActionLimits, timers: Timers) {
    this.#limits = limits;
    this.#timers = timers;
  }

  /** Rejects with RateLimited TooManyConcurrentRequests; otherwise `leave` has to be called once. */
  enter(): Promise<void> {
    const { concurrentMax, queueLengthMax, queueWaitMs } = this.#limits;
    if (this.#running < concurrentMax) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting.size >= queueLengthMax) return Promise.reject(tooMany(concurrentMax));
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#timers.setTimeout(() => {
        this.#waiting.delete(waiting);
        reject(tooMany(concurrentMax));
      }, queueWaitMs);
      const waiting: Waiting = { admit: resolve, cancelTimer };
      this.#waiting.add(waiting);
    });
  }

  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running--;
      return;
    }
    this.#waiting.delete(next);
    next.cancelTimer();
    next.admit();
  }
}

function tooMany(limit: number): LensletError {
  return new LensletError("RateLimited", "TooManyConcurrentRequests", tooManyActionsText(limit));
}

/** Runs at most `max` tasks at once, in the order in which they came. */
export class TaskQueue {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // The place goes to the next one as it is.
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
