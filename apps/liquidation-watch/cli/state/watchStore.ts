import { Frames, type Timers } from "./frames.ts";
import { type WatchState, extendTrends, initialState } from "./model.ts";

const TICK_MS = 1_000;
const NOTICE_MS = 5_000;

/**
 * Holds the state and tells React when to draw. Updates take effect at once; readers hear of them once per frame and see
 * the state of that frame until the next one, so that no frame shows half an update.
 */
export class WatchStore {
  readonly #timers: Timers;
  readonly #frames: Frames;
  readonly #listeners = new Set<() => void>();
  #state: WatchState;
  #drawn: WatchState;
  #tick: unknown = null;

  constructor(timers: Timers, filters: { readonly symbol: string | null; readonly minUsd: number }) {
    this.#timers = timers;
    this.#state = initialState(timers.nowMs(), filters.symbol, filters.minUsd);
    this.#drawn = this.#state;
    this.#frames = new Frames(timers, () => {
      this.#drawn = this.#state;
      for (const listener of this.#listeners) listener();
    });
    this.#startTick();
  }

  /** The state as it is now; for decisions, not for drawing. */
  get current(): WatchState {
    return this.#state;
  }

  get frameCounts(): Frames["counts"] {
    return this.#frames.counts;
  }

  // For React's useSyncExternalStore.
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly getSnapshot = (): WatchState => this.#drawn;

  update(change: Partial<WatchState>): void {
    this.#state = { ...this.#state, nowMs: this.#timers.nowMs(), ...change };
    this.#frames.request();
  }

  notify(text: string, isError = false): void {
    this.update({ notice: { text, isError, untilMs: this.#timers.nowMs() + NOTICE_MS } });
  }

  stop(): void {
    this.#frames.stop();
    if (this.#tick !== null) this.#timers.clearTimeout(this.#tick as never);
    this.#tick = null;
  }

  /** Once a second: the clock, the trends, notices that are over. */
  #startTick(): void {
    this.#tick = this.#timers.setTimeout(() => {
      this.#startTick();
      const { trends, prices, notice, connection } = this.#state;
      const isOver = notice !== null && notice.untilMs <= this.#timers.nowMs();
      this.update({
        // While the server is away nothing is known: that is no flat line.
        ...(connection.status === "live" ? { trends: extendTrends(trends, prices) } : {}),
        ...(isOver ? { notice: null } : {}),
      });
    }, TICK_MS);
  }
}
