/** The timers of a program, so that tests can hold the clock. */
export interface Timers {
  readonly nowMs: () => number;
  readonly setTimeout: (callback: () => void, delayMs: number) => unknown;
  readonly clearTimeout: (timer: never) => void;
}

/** 20 frames per second at most, however many updates there are. */
export const FRAME_MS = 50;

/**
 * Turns any number of updates into frames: the first update after a rest is drawn at once, those of the next FRAME_MS
 * together at its end. No update is lost: a frame shows all there were before it.
 */
export class Frames {
  readonly #timers: Timers;
  readonly #draw: () => void;
  #lastMs = Number.NEGATIVE_INFINITY;
  #timer: unknown = null;
  #updates = 0;
  #frames = 0;

  constructor(timers: Timers, draw: () => void) {
    this.#timers = timers;
    this.#draw = draw;
  }

  get counts(): { readonly updates: number; readonly frames: number } {
    return { updates: this.#updates, frames: this.#frames };
  }

  request(): void {
    this.#updates++;
    if (this.#timer !== null) return;
    const waitMs = this.#lastMs + FRAME_MS - this.#timers.nowMs();
    this.#timer = this.#timers.setTimeout(() => this.#frame(), Math.max(0, waitMs));
  }

  stop(): void {
    if (this.#timer !== null) this.#timers.clearTimeout(this.#timer as never);
    this.#timer = null;
  }

  #frame(): void {
    this.#timer = null;
    this.#lastMs = this.#timers.nowMs();
    this.#frames++;
    this.#draw();
  }
}
