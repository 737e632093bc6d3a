import { ConvexClient } from "convex/browser";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../../convex/_generated/api.js";
import { LIQUIDATIONS_SHOWN_MAX } from "../../convex/model/limits.ts";
import { BATCHES_IN_FLIGHT_MAX, BATCH_INTERVAL_MS, Feeder } from "../feeder/feeder.ts";
import { SyntheticMarket } from "../feeder/syntheticMarket.ts";
import { FRAME_MS } from "../state/frames.ts";
import { Subscriptions } from "../state/subscriptions.ts";
import { WatchStore } from "../state/watchStore.ts";
import { runConvex } from "../../../../conformance/support/project.ts";
import type { TestServer } from "../../../../conformance/support/server.ts";
import { appFolder, clientOf, feedKey, startWatchServer } from "./support/watchServer.ts";
import { eventually } from "../../../../conformance/support/until.ts";

// 1,000 events per second through everything but the drawing: feeder, server, live queries, the terminal's state. The
// feeder runs on a clock of the test's own, so nothing here depends on how fast this machine is: what is counted is.

let server: TestServer;

beforeAll(async () => {
  server = await startWatchServer();
});
afterAll(async () => {
  await server?.dispose();
});

const RATE = 1_000;
const SECONDS = 20;

describe("1,000 events per second", () => {
  it("arrive completely, with bounded queues, bounded answers and coalesced frames", async () => {
    const [writer, reader] = [0, 1].map(() => new ConvexClient(server.url, { logger: false })) as [
      ConvexClient,
      ConvexClient,
    ];
    const store = new WatchStore(
      { nowMs: () => Date.now(), setTimeout, clearTimeout: (timer) => clearTimeout(timer) },
      { symbol: null, minUsd: 0 },
    );
    const subscriptions = new Subscriptions(reader, store, () => Date.now());
    let [tapeMost, frames] = [0, 0];
    store.subscribe(() => {
      frames++;
      tapeMost = Math.max(tapeMost, store.getSnapshot().tape.length);
    });
    const started = Date.now();

    let [now, failures] = [0, 0];
    const feeder = new Feeder({
      source: new SyntheticMarket(42),
      rate: RATE,
      monotonicMs: () => now,
      wallMs: () => Date.now(),
      send: (batch) => writer.mutation(api.feed.ingest, { key: feedKey, ...batch }),
      onError: () => failures++,
    });
    // The clock waits for the server as soon as as many batches are on their way as may be.
    for (; now < SECONDS * 1_000; now += BATCH_INTERVAL_MS) {
      feeder.step();
      await eventually(() => feeder.counts.inFlight < BATCHES_IN_FLIGHT_MAX);
    }
    feeder.step();
    await feeder.drain();

    const { taken, acknowledged, batches, inFlightMost, slipped } = feeder.counts;
    expect(failures).toBe(0);
    expect(taken).toBe(RATE * SECONDS);
    expect(acknowledged).toBe(taken);
    expect(slipped).toBe(0);
    // One commit per interval, not one per event; never more on their way than allowed.
    expect(batches).toBe((SECONDS * 1_000) / BATCH_INTERVAL_MS);
    expect(inFlightMost).toBeLessThanOrEqual(BATCHES_IN_FLIGHT_MAX);

    // What was stored is what was sent: counted by the sums, and read one by one.
    const seconds = JSON.parse(
      await runConvex(server, appFolder, "data", "market_seconds", "--limit", "1000", "--format", "json"),
    ) as { ticks: number; liquidations: number }[];
    const ticks = seconds.reduce((sum, one) => sum + one.ticks, 0);
    const liquidations = seconds.reduce((sum, one) => sum + one.liquidations, 0);
    expect(ticks + liquidations).toBe(taken);
    let [read, after] = [0, 0];
    for (;;) {
      const page = await writer.query(api.liquidations.since, { after, limit: 500 });
      if (page.length === 0) break;
      read += page.length;
      after = page.at(-1)!._creationTime;
    }
    expect(read).toBe(liquidations);

    // The terminal's state comes to the same end as a fresh query, and never holds more than its limit.
    const newest = await writer.query(api.liquidations.recent, { limit: 60 });
    await eventually(() => store.current.tape[0]?._id === newest[0]?._id);
    expect(store.current.tape.slice(0, 60).map((one) => one._id)).toEqual(newest.map((one) => one._id));
    expect(store.current.prices).toHaveLength(12);
    expect(tapeMost).toBeLessThanOrEqual(400);
    await eventually(() => store.getSnapshot().tape[0]?._id === newest[0]?._id);
    const elapsed = Date.now() - started;
    const { updates } = store.frameCounts;
    // A frame shows what has come since the last one: never more frames than updates, nor than the clock allows.
    expect(frames).toBeLessThanOrEqual(updates);
    expect(frames).toBeLessThanOrEqual(elapsed / FRAME_MS + 2);
    expect(updates).toBeGreaterThan(0);

    store.stop();
    subscriptions.close();
    await Promise.all([writer.close(), reader.close()]);
  }, 180_000);

  it("leave the live answers as small as a quiet market does", async () => {
    const client = clientOf(server);
    const size = (value: unknown) => JSON.stringify(value).length;
    expect(await client.query(api.liquidations.recent, { limit: 1e9 })).toHaveLength(LIQUIDATIONS_SHOWN_MAX);
    expect(size(await client.query(api.prices.list, {}))).toBeLessThan(2_000);
    expect(size(await client.query(api.market.pulse, {}))).toBeLessThan(2_500);
    expect(size(await client.query(api.market.leaders, {}))).toBeLessThan(2_000);
    expect(size(await client.query(api.liquidations.recent, { limit: 60 }))).toBeLessThan(40_000);
  });
});
