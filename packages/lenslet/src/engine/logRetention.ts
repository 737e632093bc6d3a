import type { Clock, Timers } from "../base/clock.ts";
import type { CommitTs, Log } from "../log/log.ts";
import type { EngineApi } from "./api.ts";

/** How long commits stay in the log at least (limits.md #119). */
export const logRetentionMsDefault = 14 * 24 * 3600 * 1000;
/** What is past the retention goes at the latest after this, or after an eighth of the retention. */
const trimIntervalMsMax = 3600 * 1000;
const trimIntervalMsMin = 1000;
const firstTrimMsMax = 60_000;

export interface LogRetentionOptions {
  readonly engine: Pick<EngineApi, "system">;
  readonly log: Log;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly retentionMs: number;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

/**
 * Has the log forget commits that are older than the retention, and never one that the store does not have safely on
 * the disk. What still reads further back is told so by the log (OutOfRetention).
 */
export class LogRetention {
  readonly #options: LogRetentionOptions;
  readonly #intervalMs: number;
  /** The store's disk has all up to here. */
  #checkpointTs: CommitTs = 0n;
  #holds = 0;
  #isClosed = false;
  #cancel: () => void = () => undefined;
  #trimming: Promise<void> = Promise.resolve();

  constructor(options: LogRetentionOptions) {
    this.#options = options;
    this.#intervalMs = Math.max(trimIntervalMsMin, Math.min(trimIntervalMsMax, options.retentionMs / 8));
  }

  start(): void {
    this.#schedule(Math.min(firstTrimMsMax, this.#intervalMs));
  }

  /** Nothing is trimmed until the returned function is called: somebody copies the files of the log. */
  async hold(): Promise<() => void> {
    this.#holds += 1;
    await this.#trimming;
    return () => {
      this.#holds -= 1;
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#trimming;
  }

  /** Returns when everything that is past the retention, and can go, has gone. */
  async trim(): Promise<void> {
    const { engine, log, clock, retentionMs } = this.#options;
    const untilTs = BigInt(Math.floor(clock.nowMs() - retentionMs)) * 1_000_000n;
    if (this.#holds > 0 || log.firstTs() === 0n || log.firstTs() > untilTs) return;
    // With the default retention one checkpoint is good for two weeks.
    if (this.#checkpointTs < untilTs) {
      this.#checkpointTs = BigInt(JSON.parse(await engine.system("store.checkpoint", "{}")) as string);
    }
    if (this.#holds > 0 || this.#isClosed) return;
    await log.trim(untilTs < this.#checkpointTs ? untilTs : this.#checkpointTs);
  }

  #schedule(delayMs: number): void {
    this.#cancel = this.#options.timers.setTimeout(() => {
      this.#trimming = this.trim()
        .catch((error: unknown) => {
          if (!this.#isClosed) {
            const cause = error instanceof Error ? error.message : String(error);
            this.#options.report("warn", `old commits could not be removed from the log: ${cause}`);
          }
        })
        .finally(() => {
          if (!this.#isClosed) this.#schedule(this.#intervalMs);
        });
    }, delayMs);
  }
}
