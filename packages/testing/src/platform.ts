import { randomFillSync } from "node:crypto";
import type { Clock } from "../../lenslet/src/base/clock.ts";
import type { Random } from "../../lenslet/src/base/random.ts";

const realNow = Date.now.bind(Date);
const realMonotonic = performance.now.bind(performance);
const realSetTimeout = globalThis.setTimeout;

/** Captured before any test can install fake timers. */
export const real = {
  nowMs: realNow,
  monotonicMs: realMonotonic,
  /** Resolves after one turn of the event loop, whatever the test has done to the timers. */
  turn: (): Promise<void> => new Promise((resolve) => void realSetTimeout(resolve, 0)),
};

/** The test's time: `Date` may be a fake one that stands still or is advanced by hand. */
export const testClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => realMonotonic(),
};

/** Where the deployment would be reached; nobody listens there. */
export const cloudUrl = "https://test.convex.cloud";
export const siteUrl = "https://test.convex.site";

/** What `ctx.auth.signJwt` signs with; `t.jwks()` shows the public key. */
export const jwtSecret = new Uint8Array(32).fill(11);

/** Independent of `Math.random`, which tests replace and count on. */
export const systemRandom: Random = {
  bytes: (length) => {
    // Filled many ids at a time: asking the system for ten bytes costs more than inserting a document.
    if (spent + length > pool.length) {
      randomFillSync(pool);
      spent = 0;
    }
    spent += length;
    return pool.slice(spent - length, spent);
  },
};

const pool = new Uint8Array(16_384);
let spent = pool.length;

let requests = 0;

/** Sixteen hexadecimal characters that no other call of this process has. */
export function newRequestId(): string {
  requests += 1;
  return requests.toString(16).padStart(16, "0");
}
