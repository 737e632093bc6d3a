import type { Random } from "../base/random.ts";

/** Full jitter (limits.md #97): up to 500 ms after the first failure, twice as much after each, up to two hours. */
export const retryFirstMs = 500;
export const retryMaxMs = 2 * 3600 * 1000;
/** The same run of a cron (limits.md #42): it must not be put off until long after the next ones. */
export const cronRetryMaxMs = 15_000;

/** How long to wait after so many failures in a row. */
export function retryDelayMs(failures: number, random: Random, delayMsMax: number = retryMaxMs): number {
  const ceilingMs = Math.min(delayMsMax, retryFirstMs * 2 ** Math.min(failures - 1, 30));
  const [byte0 = 0, byte1 = 0] = random.bytes(2);
  return Math.ceil(((byte0 * 256 + byte1 + 1) / 65_536) * ceilingMs);
}
