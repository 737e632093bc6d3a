import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";

/** Real time, for tests that wait for the log thread. */
export const testClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
};

export function temporaryFolder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "lenslet-log-"));
}

/** A small seeded generator (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) & 0xff;
  };
  return { bytes: (length) => Uint8Array.from({ length }, next) };
}
