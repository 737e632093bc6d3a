import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkBatch } from "../../convex/model/validation.ts";
import { type MarketEvent, type MarketSource, RecordedMarket } from "../feeder/events.ts";
import {
  BATCHES_IN_FLIGHT_MAX,
  BATCH_EVENTS_MAX,
  BATCH_INTERVAL_MS,
  BEHIND_MAX_MS,
  type Batch,
  Feeder,
  RATE_MAX,
  batchOf,
} from "../feeder/feeder.ts";
import { Pacer } from "../feeder/pacer.ts";
import { SyntheticMarket } from "../feeder/syntheticMarket.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "watch-feeder-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe("Pacer", () => {
  it.each([10, 37, 200, 1_000, 5_000])("takes exactly the rate over time, at %d per second", (rate) => {
    const pacer = new Pacer(rate, 1_000, 0);
    let taken = 0;
    // Uneven steps: what is left over from one is taken with the next.
    for (let now = 0, step = 0; now < 60_000; now += [50, 13, 111, 50][step++ % 4] as number)
      taken += pacer.take(now, Number.POSITIVE_INFINITY);
    taken += pacer.take(60_000, Number.POSITIVE_INFINITY);
    expect(Math.abs(taken - rate * 60)).toBeLessThanOrEqual(1);
    expect(pacer.slipped).toBe(0);
  });

  it("slows down instead of catching up in a burst after a pause", () => {
    const pacer = new Pacer(1_000, 500, 0);
    expect(pacer.take(10_000, Number.POSITIVE_INFINITY)).toBe(500);
    expect(pacer.slipped).toBe(9_500);
    expect(pacer.take(10_100, Number.POSITIVE_INFINITY)).toBe(100);
  });

  it("keeps for the next time what is over the limit", () => {
    const pacer = new Pacer(1_000, 1_000, 0);
    expect([pacer.take(300, 200), pacer.take(300, 200), pacer.take(300, 200)]).toEqual([200, 100, 0]);
  });
});

describe("batchOf", () => {
  it("sends every liquidation, and of each symbol the last price", () => {
    const price = (symbol: string, price_usd: number): MarketEvent => ({
      type: "price",
      symbol,
      price_usd,
      change_24h: 0,
    });
    const sale: MarketEvent = {
      type: "liquidation",
      address: "0x1",
      collateral_type: "ETH",
      collateral_amount: "1",
      usd_value: 5,
      tx_hash: "0x2",
    };
    expect(batchOf([price("ETH", 1), sale, price("BTC", 2), price("ETH", 3), sale], 99)).toEqual({
      prices: [
        { symbol: "ETH", price_usd: 3, change_24h: 0, updated_at: 99 },
        { symbol: "BTC", price_usd: 2, change_24h: 0, updated_at: 99 },
      ],
      liquidations: [sale, sale].map(({ type: _type, ...fields }) => ({ ...fields, created_at: 99 })),
      ticks: 3,
    });
  });
});

/** A feeder on a clock and a server of the test's own. */
class Bench {
  now = 0;
  readonly batches: Batch[] = [];
  readonly errors: unknown[] = [];
  readonly #answers: PromiseWithResolvers<null>[] = [];
  readonly feeder: Feeder;

  constructor(rate: number, source: MarketSource = new SyntheticMarket(1)) {
    this.feeder = new Feeder({
      source,
      rate,
      monotonicMs: () => this.now,
      wallMs: () => this.now,
      send: async (batch) => {
        this.batches.push(batch);
        const answer = Promise.withResolvers<null>();
        this.#answers.push(answer);
        return await answer.promise;
      },
      onError: (error) => this.errors.push(error),
    });
  }

  run(forMs: number): void {
    for (const end = this.now + forMs; this.now < end;) {
      this.now += BATCH_INTERVAL_MS;
      this.feeder.step();
    }
  }

  /** The server answers all it has been asked. */
  async answer(): Promise<void> {
    for (const answer of this.#answers.splice(0)) answer.resolve(null);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async fail(error: Error): Promise<void> {
    for (const answer of this.#answers.splice(0)) answer.reject(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("Feeder", () => {
  it("sends one batch per interval at 1,000 events per second, and all that were taken", async () => {
    const bench = new Bench(1_000);
    for (let step = 0; step < 200; step++) {
      bench.run(BATCH_INTERVAL_MS);
      await bench.answer();
    }
    expect(bench.feeder.counts).toMatchObject({
      taken: 10_000,
      acknowledged: 10_000,
      batches: 200,
      slipped: 0,
    });
    const events = bench.batches.map((batch) => batch.ticks + batch.liquidations.length);
    expect(events.every((count) => count === 50)).toBe(true);
    // At most one price of each symbol in a batch: what the server writes does not grow with the ticks.
    for (const { prices } of bench.batches)
      expect(new Set(prices.map(({ symbol }) => symbol)).size).toBe(prices.length);
    expect(bench.feeder.counts.merged).toBeGreaterThan(5_000);
  });

  it("takes nothing more from its source while the server does not answer", async () => {
    const bench = new Bench(1_000);
    bench.run(60_000);
    const held = bench.feeder.counts;
    expect(held.inFlight).toBe(BATCHES_IN_FLIGHT_MAX);
    expect(held.taken).toBeLessThanOrEqual(BATCHES_IN_FLIGHT_MAX * BATCH_EVENTS_MAX);
    expect(held.acknowledged).toBe(0);
    await bench.answer();
    bench.run(1_000);
    // One second's worth was due; what the pause cost is not made up for in a burst.
    const limit = held.taken + (2 * BEHIND_MAX_MS * 1_000) / 1_000;
    expect(bench.feeder.counts.taken).toBeLessThanOrEqual(limit);
    expect(bench.feeder.counts.slipped).toBeGreaterThan(50_000);
    expect(bench.feeder.counts.inFlightMost).toBe(BATCHES_IN_FLIGHT_MAX);
  });

  it("never exceeds the size of a batch that the server takes, at the highest rate after a pause", async () => {
    const bench = new Bench(RATE_MAX);
    bench.run(5_000);
    await bench.answer();
    bench.run(5_000);
    const sizes = bench.batches.map((batch) => batch.ticks + batch.liquidations.length);
    expect(Math.max(...sizes)).toBe(BATCH_EVENTS_MAX);
  });

  it("stops at a refusal and says so", async () => {
    const bench = new Bench(1_000);
    bench.run(100);
    await bench.fail(new Error("wrong key"));
    bench.run(1_000);
    expect(bench.errors.map(String)).toEqual(["Error: wrong key", "Error: wrong key"]);
    expect(bench.feeder.counts).toMatchObject({ batches: 2, inFlight: 0, acknowledged: 0 });
  });

  it("drains: takes nothing more and waits for the answers", async () => {
    const bench = new Bench(1_000);
    bench.run(100);
    let isDrained = false;
    const drained = bench.feeder.drain().then(() => (isDrained = true));
    bench.run(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDrained).toBe(false);
    expect(bench.feeder.counts.taken).toBe(100);
    await bench.answer();
    await drained;
    expect(bench.feeder.counts).toMatchObject({ acknowledged: 100, inFlight: 0 });
    await bench.feeder.drain();
  });
});

describe("SyntheticMarket", () => {
  const take = (market: MarketSource, count: number) => Array.from({ length: count }, () => market.next());

  it("is the same for the same seed, another for another", () => {
    const [one, same, other] = [7, 7, 8].map((seed) => take(new SyntheticMarket(seed), 2_000));
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it("makes only events that the backend takes, for a long time", () => {
    const market = new SyntheticMarket(3);
    for (let round = 0; round < 400; round++) checkBatch(batchOf(take(market, 500), 1), 1);
  });

  it("has calm and cascades, and prices that stay in this world", () => {
    const events = take(new SyntheticMarket(11), 400_000);
    const shares: number[] = [];
    for (let from = 0; from < events.length; from += 4_000)
      shares.push(
        events.slice(from, from + 4_000).filter((event) => event.type === "liquidation").length / 4_000,
      );
    expect(Math.min(...shares)).toBeLessThan(0.1);
    expect(Math.max(...shares)).toBeGreaterThan(0.25);
    expect(events.some((event) => event.type === "price" && Math.abs(event.change_24h) > 60)).toBe(false);
  });
});

describe("RecordedMarket", () => {
  const write = (text: string) => {
    const file = path.join(folder, `${Math.random()}.jsonl`);
    fs.writeFileSync(file, text);
    return file;
  };

  it("replays prices and liquidations over and over, and leaves out the rest", async () => {
    const price = { type: "price", symbol: "ETH", price_usd: 1, change_24h: 2 };
    const sale = {
      type: "liquidation",
      address: "0x1",
      collateral_type: "ETH",
      collateral_amount: "1",
      usd_value: 5,
      tx_hash: "0x2",
    };
    const lines = [
      { ...price, updated_at: 5 },
      { type: "message", content: "hi" },
      { ...sale, _id: "x" },
    ];
    const market = await RecordedMarket.read(
      write(`${lines.map((one) => JSON.stringify(one)).join("\n")}\n\n`),
    );
    expect([market.next(), market.next(), market.next()]).toEqual([price, sale, price]);
  });

  it.each([
    ["", /nothing to replay/],
    ["{", /:1: this line is not JSON/],
    [
      '{"type":"price","symbol":"ETH","price_usd":1,"change_24h":0}\n{"type":"price","symbol":5}',
      /:2: symbol must be a text/,
    ],
    [
      '{"type":"liquidation","address":"0x1","collateral_type":"E","collateral_amount":"1","usd_value":"5"}',
      /:1: usd_value must be a number/,
    ],
  ])("says what is wrong with %j", async (text, message) => {
    await expect(RecordedMarket.read(write(text))).rejects.toThrow(message);
  });

  it("says that a file is missing", async () => {
    await expect(RecordedMarket.read(path.join(folder, "none"))).rejects.toThrow(/cannot be read: ENOENT/);
  });
});
