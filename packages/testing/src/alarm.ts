import { runOutside } from "./host.ts";

/** The longest delay that `setTimeout` knows. */
const timerMsMax = 2 ** 31 - 1;

/** Wakes the harness at a time, by the `setTimeout` of the moment, so that fake timers rule it. */
export class Alarm {
  /** Fake timers will wake it. */
  readonly isFake = "clock" in globalThis.setTimeout;
  readonly #timeMs: number;
  readonly #ring: () => void;
  #timer: ReturnType<typeof setTimeout>;

  constructor(timeMs: number, ring: () => void) {
    this.#timeMs = timeMs;
    this.#ring = ring;
    this.#timer = this.#set();
  }

  cancel(): void {
    globalThis.clearTimeout(this.#timer);
  }

  #set(): ReturnType<typeof setTimeout> {
    const leftMs = Math.max(0, this.#timeMs - Date.now());
    // What is further away than a timer reaches is looked at again then.
    const wake = leftMs <= timerMsMax ? this.#ring : () => (this.#timer = this.#set());
    const timer = runOutside(() => globalThis.setTimeout(wake, Math.min(leftMs, timerMsMax)));
    // What is due in an hour does not keep the test run alive.
    if (!this.isFake) (timer as { unref?: () => void }).unref?.();
    return timer;
  }
}
