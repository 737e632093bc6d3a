/** What one measurement of one system gave. */
export interface Measurement {
  readonly perSecond: number;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Share of its core that the load generator used: near 1, the load generator was the limit. */
  readonly loadCpu: number;
  /** Everything that was done while the load generator ran, warm-up included. */
  readonly completed: number;
  /** CPU time of the system under test for each of them, its database included; NaN if unknown. */
  readonly cpuUsEach: number;
  /** Empty if every answer and every check was right. */
  readonly failures: readonly string[];
  /** Facts that belong to the figures but are no failures, e.g. messages that were coalesced. */
  readonly notes: readonly string[];
}

/** Of something that was done `count` times in all of this time. */
export function timed(ms: number, count: number): Measurement {
  return {
    perSecond: (count / ms) * 1000,
    count,
    p50Ms: ms,
    p99Ms: ms,
    maxMs: ms,
    loadCpu: Number.NaN,
    completed: count,
    cpuUsEach: Number.NaN,
    failures: [],
    notes: [],
  };
}

/** The measurements of one system in one configuration, one per round. */
export interface Series {
  readonly system: string;
  readonly rounds: Measurement[];
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function medianOf(series: Series, figure: (measurement: Measurement) => number): number {
  return median(series.rounds.map(figure));
}

/** Median over the rounds of a/b: rounds are interleaved, so noise that comes and goes hits both sides of a ratio. */
export function medianRatio(
  a: Series | undefined,
  b: Series | undefined,
  figure: (measurement: Measurement) => number,
): number {
  if (a === undefined || b === undefined) return Number.NaN;
  const ratios: number[] = [];
  a.rounds.forEach((measurement, round) => {
    const other = b.rounds[round];
    if (other !== undefined) ratios.push(figure(measurement) / figure(other));
  });
  return median(ratios);
}

/** Latencies in milliseconds, in a buffer that grows. */
export class Latencies {
  #samples = new Float64Array(4096);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    if (this.#count === this.#samples.length) {
      const larger = new Float64Array(this.#samples.length * 2);
      larger.set(this.#samples);
      this.#samples = larger;
    }
    this.#samples[this.#count++] = ms;
  }

  summary(): { count: number; p50Ms: number; p99Ms: number; maxMs: number } {
    const sorted = this.#samples.subarray(0, this.#count).sort();
    // Nearest rank: with fewer than a hundred samples p99 is the greatest of them.
    const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return { count: sorted.length, p50Ms: rank(0.5), p99Ms: rank(0.99), maxMs: rank(1) };
  }
}
