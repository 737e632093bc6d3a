/**
 * Says how many events are due, at a rate in events per second. What could not be sent in time is kept for later, up to
 * `behindMaxMs`; beyond that the replay falls behind for good instead of catching up in one burst (`slipped`).
 */
export class Pacer {
  readonly #rate: number;
  readonly #behindMaxMs: number;
  #dueSinceMs: number;
  #slipped = 0;

  constructor(rate: number, behindMaxMs: number, nowMs: number) {
    this.#rate = rate;
    this.#behindMaxMs = behindMaxMs;
    this.#dueSinceMs = nowMs;
  }

  /** Events that were due and will never be sent, because the server took longer than `behindMaxMs`. */
  get slipped(): number {
    return Math.floor(this.#slipped);
  }

  /** The number of events due now, at most `countMax`; they count as taken. */
  take(nowMs: number, countMax: number): number {
    const behindMs = nowMs - this.#dueSinceMs;
    if (behindMs > this.#behindMaxMs) {
      this.#slipped += ((behindMs - this.#behindMaxMs) * this.#rate) / 1_000;
      this.#dueSinceMs = nowMs - this.#behindMaxMs;
    }
    const due = ((nowMs - this.#dueSinceMs) * this.#rate) / 1_000;
    const count = Math.min(Math.floor(due), countMax);
    // Time moves on by exactly what was taken: nothing gets lost between two calls.
    this.#dueSinceMs += (count * 1_000) / this.#rate;
    return count;
  }
}
