import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ExecutionLogEntry } from "../engine/api.ts";
import {
  AppMetrics,
  functionsPerSlotMax,
  type MetricWindow,
  restName,
  slotMs,
  slotsMax,
} from "./appMetrics.ts";
import { asAdmin, FakeTime, TestServer } from "./testSupport.ts";

function entry(fields: Record<string, unknown>): ExecutionLogEntry {
  return {
    kind: "Completion",
    udfType: "Query",
    componentPath: null,
    identifier: "m:list",
    cachedResult: false,
    error: null,
    executionTime: 0.01,
    ...fields,
  };
}

describe("counts of executions", () => {
  let time: FakeTime;
  let metrics: AppMetrics;
  beforeEach(() => {
    time = new FakeTime();
    metrics = new AppMetrics(time);
  });
  /** Four slots up to and including the present one, one bucket each. */
  function lastSlots(buckets = 4): MetricWindow {
    const endMs = (Math.floor(time.nowMs() / slotMs) + 1) * slotMs;
    return { startMs: endMs - buckets * slotMs, endMs, buckets };
  }

  it("are told by function and bucket, null where nothing ran", () => {
    metrics.record([entry({}), entry({ error: "no" }), entry({ cachedResult: true })]);
    time.advance(2 * slotMs);
    metrics.record([entry({}), entry({ identifier: "m:other" }), { ...entry({}), kind: "Progress" }]);
    const window = lastSlots();
    expect(metrics.rate("m:list", "invocations", window)).toEqual([null, 3, null, 1]);
    expect(metrics.rate("m:list", "errors", window)).toEqual([null, 1, null, 0]);
    expect(metrics.rate("m:list", "cacheHits", window)).toEqual([null, 1, null, 0]);
    expect(metrics.rate("m:list", "cacheMisses", window)).toEqual([null, 2, null, 1]);
    expect(metrics.rate("m:none", "invocations", window)).toEqual([null, null, null, null]);
    expect(metrics.cacheHitPercentage("m:list", window)[1]).toBeCloseTo(100 / 3);
    expect(metrics.rate("m:list", "invocations", { ...window, buckets: 1 })).toEqual([4]);
  });

  it("tell percentiles of durations to a fifth", () => {
    metrics.record(Array.from({ length: 100 }, (_, n) => entry({ executionTime: (n + 1) / 1000 })));
    for (const [percentile, seconds] of [
      [50, 0.05],
      [99, 0.099],
      [1, 0.001],
    ] as const) {
      const [told] = metrics.latencyPercentile("m:list", percentile, lastSlots(1));
      expect(told).toBeGreaterThanOrEqual(seconds);
      expect(told).toBeLessThanOrEqual(seconds * 1.2001);
    }
    metrics.record([entry({ identifier: "m:cached", cachedResult: true })]);
    expect(metrics.latencyPercentile("m:cached", 50, lastSlots(1))).toEqual([null]);
  });

  it("tell rows by table, and who made whom run again", () => {
    const of = (mutation: string | null, query: string, count: number) => ({
      mutation,
      table: "t",
      query,
      count,
    });
    const row = { table: "t", read: 3, written: 1 };
    metrics.measured({
      tables: [row, { ...row, table: "part/t" }],
      invalidations: [of("m:send", "m:list", 2)],
    });
    time.advance(slotMs);
    metrics.measured({
      tables: [row],
      invalidations: [of("m:send", "m:list", 1), of("m:send", "m:count", 5), of(null, "m:list", 1)],
    });
    expect(metrics.tableRate("t", "rowsRead", lastSlots(3))).toEqual([null, 3, 3]);
    expect(metrics.tableRate("part/t", "rowsWritten", lastSlots(3))).toEqual([null, 1, null]);
    expect(metrics.invalidationRate("m:list", lastSlots(3))).toEqual([null, 2, 2]);
    expect(metrics.topInvalidations(1, null, lastSlots(2))).toEqual([
      ["m:send:t", [2, 6]],
      [restName, [null, 1]],
    ]);
    expect(metrics.topInvalidations(5, "m:list", lastSlots(2))).toEqual([
      ["m:send:t", [2, 1]],
      ["t", [null, 1]],
    ]);
  });

  it("tell how many ran at once, a long run in all slots that it went through", () => {
    metrics.record([entry({})]);
    time.advance(slotMs);
    metrics.record([entry({ udfType: "Action", executionTime: (1.5 * slotMs) / 1000 })]);
    const { Action, Query } = metrics.concurrency(lastSlots(2));
    expect((Action ?? []).reduce<number>((sum, value) => sum + (value ?? 0), 0)).toBeCloseTo(1.5, 1);
    expect(Query?.[0]).toBeCloseTo(10 / slotMs);
  });

  it("rank functions, the rest together", () => {
    for (const [name, calls] of Object.entries({ a: 3, b: 5, c: 1, d: 1 }))
      metrics.record(Array.from({ length: calls }, () => entry({ identifier: name, componentPath: "part" })));
    expect(metrics.top("calls", 2, lastSlots(1))).toEqual([
      ["part/b", [5]],
      ["part/a", [3]],
      [restName, [2]],
    ]);
    expect(metrics.top("cacheHits", 4, lastSlots(1)).map(([, series]) => series)).toEqual([
      [0],
      [0],
      [0],
      [0],
    ]);
    metrics.record([entry({ identifier: "m:act", udfType: "Action", error: "no" })]);
    expect(metrics.top("failures", 1, lastSlots(1))[0]).toEqual(["m:act", [100]]);
  });

  it("are bounded in time and in functions", () => {
    metrics.record([entry({})]);
    time.advance(slotsMax * slotMs);
    metrics.record(
      Array.from({ length: functionsPerSlotMax + 5 }, (_, n) => entry({ identifier: `GET /${n}` })),
    );
    const all = { startMs: 0, endMs: time.nowMs() + slotMs, buckets: 1 };
    expect(metrics.rate("m:list", "invocations", all)).toEqual([null]);
    expect(metrics.rate(restName, "invocations", all)).toEqual([5]);
  });
});

describe("the dashboard's metrics", () => {
  const server = new TestServer();
  beforeAll(() => server.open());
  afterAll(() => server.close());

  const at = (ms: number) => ({ secs_since_epoch: Math.floor(ms / 1000), nanos_since_epoch: 0 });
  function get(name: string, parameters: Record<string, string>, headers: Record<string, string> = asAdmin) {
    const nowMs = server.time.nowMs();
    const window = JSON.stringify({ start: at(nowMs - 60_000), end: at(nowMs + 60_000), num_buckets: 2 });
    const query = new URLSearchParams({ window, ...parameters });
    return server.send(`/api/app_metrics/${name}?${query.toString()}`, { headers });
  }

  it("are pairs of a bucket's start and its value", async () => {
    server.metrics.record([entry({ udfType: "Mutation" }), entry({ udfType: "Mutation", error: "no" })]);
    const rate = await get("udf_rate", { path: "m.js:list", metric: "invocations" });
    const start = Math.floor(server.time.nowMs() / 1000) - 60;
    const points = rate.json() as unknown as [{ secs_since_epoch: number }, number | null][];
    expect(points.map(([time]) => time.secs_since_epoch)).toEqual([start, start + 60]);
    expect(points.reduce((sum, [, value]) => sum + (value ?? 0), 0)).toBe(2);
    const latency = await get("latency_percentiles", { path: "m:list", percentiles: "[50,99]" });
    expect(
      (latency.json() as unknown as [number, unknown[]][]).map(([p, series]) => [p, series.length]),
    ).toEqual([
      [50, 2],
      [99, 2],
    ]);
    const top = await get("failure_percentage_top_k", {});
    expect((top.json() as unknown as [string, unknown][]).map(([id]) => id)).toEqual(["m:list"]);
  });

  it("show the lag of scheduled functions in seconds", async () => {
    server.scheduledLagMs = (startMs) => (startMs < server.time.nowMs() - 30_000 ? 1500 : null);
    const points = (await get("scheduled_job_lag", {})).json() as unknown as [unknown, number | null][];
    expect(points.map(([, seconds]) => seconds)).toEqual([1.5, null]);
  });

  it("of tables, invalidations and concurrency are answered", async () => {
    expect((await get("table_rate", { name: "t", metric: "rowsRead" })).json()).toHaveLength(2);
    expect((await get("table_rate", { name: "t", metric: "cells" })).status).toBe(400);
    expect(Object.values((await get("function_concurrency", {})).json())).toEqual([
      expect.objectContaining({ length: 2 }),
    ]);
    expect((await get("subscription_invalidations_top_k", {})).json()).toEqual([]);
    expect(
      (await get("udf_rate", { path: "m:list", metric: "subscriptionInvalidations" })).json(),
    ).toHaveLength(2);
  });

  it("are for admins, and refuse what they cannot read", async () => {
    expect((await get("udf_rate", { path: "m:list", metric: "errors" }, {})).status).toBe(403);
    for (const [name, parameters, code] of [
      ["udf_rate", { path: "m:list" }, "BadQueryArgs"],
      ["udf_rate", { metric: "errors" }, "BadQueryArgs"],
      ["udf_rate", { path: "m:list", metric: "errors", window: "{" }, "BadQueryArgs"],
      ["udf_rate", { path: "m:list", metric: "errors", window: "null" }, "BadQueryArgs"],
      [
        "cache_hit_percentage",
        { path: "a", window: '{"start":{},"end":{},"num_buckets":1}' },
        "BadQueryArgs",
      ],
      ["latency_percentiles", { path: "m:list", percentiles: '["x"]' }, "BadQueryArgs"],
      ["function_call_count_top_k", { k: "26" }, "InvalidTopKParameter"],
    ] as const) {
      const answer = await get(name, parameters);
      expect([answer.status, answer.json()["code"]], name).toEqual([400, code]);
    }
    const window = JSON.stringify({ start: at(2000), end: at(1000), num_buckets: 1 });
    expect((await get("table_rate", { window })).status).toBe(400);
    const tooFine = JSON.stringify({ start: at(1000), end: at(2000), num_buckets: 10_001 });
    expect((await get("table_rate", { window: tooFine })).status).toBe(400);
  });
});
