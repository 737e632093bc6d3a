import { runOutside } from "./host.ts";

/** The longest delay that `setTimeout` knows. */
const timerMsMax = 2 ** 31 - 1;

/** Wakes the harness at a time, by the `setTimeout` of the moment, so that fake timers rule it. */
export class Alarm {
  /** Fake timers will wake it. */
  readonly isFake: boolean;
  #timer: ReturnType<typeof setTimeout>;

  private constructor(timer: ReturnType<typeof setTimeout>, isFake: boolean) {
    this.#timer = timer;
    this.isFake = isFake;
  }

  static at(timeMs: number, ring: () => void): Alarm {
    const leftMs = Math.max(0, timeMs - Date.now());
    const isFake = "clock" in globalThis.setTimeout;
    // What is further away than a timer reaches is looked at again then.
    const wake = leftMs <= timerMsMax ? ring : () => (alarm.#timer = Alarm.at(timeMs, ring).#timer);
    const timer = runOutside(() => globalThis.setTimeout(wake, Math.min(leftMs, timerMsMax)));
    // What is due in an hour does not keep the test run alive.
    if (!isFake) (timer as { unref?: () => void }).unref?.();
    const alarm = new Alarm(timer, isFake);
    return alarm;
  }

  cancel(): void {
    globalThis.clearTimeout(this.#timer);
  }
}
