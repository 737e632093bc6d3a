import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Clock, Timers } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { sharedMonotonicMs } from "../engine/heartbeat.ts";

/** The machine's clock. `nowMs` keeps the sub-millisecond fraction; NTP steps show up in it, not in `monotonicMs`. */
export const realClock: Clock = {
  nowMs: () => {
    const fine = performance.timeOrigin + performance.now();
    const wall = Date.now();
    // performance.now() does not follow adjustments of the system clock: trust it only for the fraction.
    return Math.abs(fine - wall) < 2 ? fine : wall;
  },
  monotonicMs: sharedMonotonicMs,
  cpuMs: () => cpuMsOf(process.threadCpuUsage()),
};

export function cpuMsOf({ user, system }: { readonly user: number; readonly system: number }): number {
  return (user + system) / 1000;
}

export const realTimers: Timers = {
  setTimeout: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Random bytes drawn in blocks: one system call for many small requests. */
class BlockRandom implements Random {
  #block = randomBytes(8192);
  #used = 0;

  bytes(length: number): Uint8Array {
    if (length > 1024) return randomBytes(length);
    if (this.#used + length > this.#block.length) {
      this.#block = randomBytes(8192);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return this.#block.subarray(start, this.#used);
  }
}

export function createRealRandom(): Random {
  return new BlockRandom();
}
