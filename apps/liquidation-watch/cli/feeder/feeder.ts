import type { MarketEvent, MarketSource } from "./events.ts";
import { Pacer } from "./pacer.ts";

export const RATE_MIN = 1;
export const RATE_MAX = 5_000;
/** One batch in this time: 20 commits per second, however many events there are. */
export const BATCH_INTERVAL_MS = 50;
/** Batches the server has not yet answered. At the limit the feeder takes nothing more from its source. */
export const BATCHES_IN_FLIGHT_MAX = 4;
/** Events in one batch; the backend takes up to 500 liquidations. */
export const BATCH_EVENTS_MAX = 500;
/** What is due for longer than this is not sent any more: the replay slows down instead. */
export const BEHIND_MAX_MS = 1_000;

export interface Batch {
  prices: { symbol: string; price_usd: number; change_24h: number; updated_at: number }[];
  liquidations: {
    address: string;
    collateral_type: string;
    collateral_amount: string;
    usd_value: number;
    tx_hash: string;
    created_at: number;
  }[];
  ticks: number;
}

export interface FeederCounts {
  /** Events taken from the source; those in flight included. */
  readonly taken: number;
  readonly acknowledged: number;
  readonly batches: number;
  readonly inFlight: number;
  /** The most that ever were in flight: never more than BATCHES_IN_FLIGHT_MAX. */
  readonly inFlightMost: number;
  /** Prices that were not sent because a newer one of the same batch made them superfluous. */
  readonly merged: number;
  readonly slipped: number;
}

export interface FeederOptions {
  readonly source: MarketSource;
  readonly rate: number;
  /** Monotonic, for the pace. */
  readonly monotonicMs: () => number;
  /** Of the day, for the events. */
  readonly wallMs: () => number;
  readonly send: (batch: Batch) => Promise<unknown>;
  /** A batch that the server refuses ends the feeder: the next one would fare no better. */
  readonly onError: (error: unknown) => void;
}

/**
 * Takes events from a source at a rate and sends them in batches. It holds at most BATCHES_IN_FLIGHT_MAX batches: a slow
 * or absent server slows the source down (back-pressure), it fills no queue. The caller calls `step` on a timer.
 */
export class Feeder {
  readonly #options: FeederOptions;
  readonly #pacer: Pacer;
  #taken = 0;
  #acknowledged = 0;
  #batches = 0;
  #inFlight = 0;
  #inFlightMost = 0;
  #merged = 0;
  #isStopped = false;
  readonly #idle = new Set<() => void>();

  constructor(options: FeederOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options.rate, BEHIND_MAX_MS, options.monotonicMs());
  }

  get counts(): FeederCounts {
    return {
      taken: this.#taken,
      acknowledged: this.#acknowledged,
      batches: this.#batches,
      inFlight: this.#inFlight,
      inFlightMost: this.#inFlightMost,
      merged: this.#merged,
      slipped: this.#pacer.slipped,
    };
  }

  /** Sends what is due, in as many batches as it takes and are allowed. */
  step(): void {
    while (!this.#isStopped && this.#inFlight < BATCHES_IN_FLIGHT_MAX) {
      const count = this.#pacer.take(this.#options.monotonicMs(), BATCH_EVENTS_MAX);
      if (count === 0) return;
      this.#send(count);
      if (count < BATCH_EVENTS_MAX) return;
    }
  }

  /** Takes nothing more; resolves when all batches in flight are answered. */
  async drain(): Promise<void> {
    this.#isStopped = true;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.add(resolve));
  }

  #send(count: number): void {
    const events = Array.from({ length: count }, () => this.#options.source.next());
    const batch = batchOf(events, this.#options.wallMs());
    this.#taken += count;
    this.#merged += batch.ticks - batch.prices.length;
    this.#batches++;
    this.#inFlight++;
    this.#inFlightMost = Math.max(this.#inFlightMost, this.#inFlight);
    this.#options
      .send(batch)
      .then(() => {
        this.#acknowledged += count;
      })
      .catch((error: unknown) => {
        this.#isStopped = true;
        this.#options.onError(error);
      })
      .finally(() => {
        this.#inFlight--;
        if (this.#inFlight > 0) return;
        for (const resolve of this.#idle) resolve();
        this.#idle.clear();
      });
  }
}

/** Of each symbol only the newest price is sent; every liquidation is. */
export function batchOf(events: readonly MarketEvent[], wallMs: number): Batch {
  const latest = new Map<string, Batch["prices"][number]>();
  const batch: Batch = { prices: [], liquidations: [], ticks: 0 };
  for (const event of events) {
    if (event.type === "price") {
      const { symbol, price_usd, change_24h } = event;
      latest.set(symbol, { symbol, price_usd, change_24h, updated_at: wallMs });
      batch.ticks++;
    } else {
      const { type: _type, ...liquidation } = event;
      batch.liquidations.push({ ...liquidation, created_at: wallMs });
    }
  }
  batch.prices = [...latest.values()];
  return batch;
}
