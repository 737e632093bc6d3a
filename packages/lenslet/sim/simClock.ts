import type { Clock, Timers } from "../src/base/clock.ts";

/** How much time a look at the clock takes: long turns run out of their budget at some point. */
const lookMs = 0.02;

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time of a simulation. The wall clock may be set back; the monotonic one only goes on. */
export class SimClock implements Clock, Timers {
  #monotonicMs = 1000;
  #wallOffsetMs = 1_700_000_000_000;
  #latestWallMs = 0;
  #timers: Timer[] = [];

  nowMs(): number {
    const nowMs = this.#wallOffsetMs + this.#monotonicMs;
    this.#latestWallMs = Math.max(this.#latestWallMs, nowMs);
    return nowMs;
  }
  /** The latest that anybody was ever told. */
  latestWallMs(): number {
    return this.#latestWallMs;
  }
  monotonicMs(): number {
    this.#monotonicMs += lookMs;
    return this.#monotonicMs;
  }
  setTimeout(callback: () => void, delayMs: number): () => void {
    const timer = { atMs: this.#monotonicMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    this.#monotonicMs += ms;
  }
  setWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
  /** The next timer that is due. */
  takeDue(): (() => void) | null {
    const due = this.#timers.find(({ atMs }) => atMs <= this.#monotonicMs);
    if (due === undefined) return null;
    this.#timers = this.#timers.filter((timer) => timer !== due);
    return due.callback;
  }
}
