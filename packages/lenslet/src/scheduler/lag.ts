/** The lag of an hour is kept, in steps. */
export const lagHistoryMs = 3600 * 1000;
export const lagStepMs = 10_000;

/** How late scheduled functions were started: the worst of each step. */
export class LagHistory {
  readonly #worst = new Map<number, number>();
  #newestStep = -Infinity;

  record(nowMs: number, lagMs: number): void {
    const step = Math.floor(nowMs / lagStepMs);
    this.#worst.set(step, Math.max(this.#worst.get(step) ?? 0, lagMs));
    if (step <= this.#newestStep) return;
    this.#newestStep = step;
    for (const old of this.#worst.keys()) {
      if (old > step - lagHistoryMs / lagStepMs) break;
      this.#worst.delete(old);
    }
  }

  /** The worst lag between two times; null when nothing was started then. */
  worstMs(startMs: number, endMs: number): number | null {
    let worst: number | null = null;
    for (const [step, lagMs] of this.#worst) {
      const atMs = step * lagStepMs;
      if (atMs >= startMs - lagStepMs && atMs < endMs) worst = Math.max(worst ?? 0, lagMs);
    }
    return worst;
  }
}
