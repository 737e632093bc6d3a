import { badRequest } from "../base/errors.ts";
import type { AppMetrics, MetricWindow, Series, TopMetric, UdfRate } from "./appMetrics.ts";
import { type Exchange, requiredParameter } from "./exchange.ts";
import type { Router } from "./router.ts";
import type { HttpHandlerOptions } from "./services.ts";

const bucketsMax = 10_000;
const topMax = 25;
const percentilesMax = 20;

const rates: readonly string[] = ["invocations", "errors", "cacheHits", "cacheMisses"];
const topRoutes: Readonly<Record<string, TopMetric>> = {
  failure_percentage_top_k: "failures",
  cache_hit_percentage_top_k: "cacheHits",
  function_call_count_top_k: "calls",
};

/** The dashboard's charts (http-api.md §8.3). */
export function addMetricRoutes(router: Router): void {
  const add = (name: string, answer: (metrics: AppMetrics, query: URLSearchParams) => unknown) =>
    router.add("GET", `/api/app_metrics/${name}`, async (exchange: Exchange) => {
      await exchange.admin();
      exchange.sendJson(JSON.stringify(answer(exchange.options.metrics, exchange.query)));
    });
  add("udf_rate", (metrics, query) => {
    const window = parseWindow(query);
    const metric = requiredParameter(query, "metric");
    const series =
      metric === "subscriptionInvalidations"
        ? metrics.invalidationRate(functionOf(query), window)
        : isRate(metric)
          ? metrics.rate(functionOf(query), metric, window)
          : emptySeries(window);
    return points(series, window);
  });
  add("cache_hit_percentage", (metrics, query) => {
    const window = parseWindow(query);
    return points(metrics.cacheHitPercentage(functionOf(query), window), window);
  });
  add("latency_percentiles", (metrics, query) => {
    const window = parseWindow(query);
    return parsePercentiles(query).map((percentile) => [
      percentile,
      points(metrics.latencyPercentile(functionOf(query), percentile, window), window),
    ]);
  });
  for (const [name, metric] of Object.entries(topRoutes)) {
    add(name, (metrics, query) => {
      const window = parseWindow(query);
      return metrics.top(metric, parseTop(query), window).map(([id, series]) => [id, points(series, window)]);
    });
  }
  add("subscription_invalidations_top_k", (metrics, query) => {
    const window = parseWindow(query);
    const isOfOne = query.has("path") || query.has("udfPath");
    const top = metrics.topInvalidations(parseTop(query), isOfOne ? functionOf(query) : null, window);
    return top.map(([name, series]) => [name, points(series, window)]);
  });
  add("function_concurrency", (metrics, query) => {
    const window = parseWindow(query);
    const kinds = Object.entries(metrics.concurrency(window));
    return Object.fromEntries(kinds.map(([kind, series]) => [kind, points(series, window)]));
  });
  add("table_rate", (metrics, query) => {
    const window = parseWindow(query);
    const metric = requiredParameter(query, "metric");
    if (metric !== "rowsRead" && metric !== "rowsWritten")
      throw badRequest("BadQueryArgs", "metric is rowsRead or rowsWritten.");
    return points(
      metrics.tableRate(inComponent(query, requiredParameter(query, "name")), metric, window),
      window,
    );
  });
  router.add("GET", "/api/app_metrics/scheduled_job_lag", async (exchange) => {
    await exchange.admin();
    const window = parseWindow(exchange.query);
    exchange.sendJson(JSON.stringify(points(lagSeries(exchange.options, window), window)));
  });
}

function isRate(metric: string): metric is UdfRate {
  return rates.includes(metric);
}

function functionOf(query: URLSearchParams): string {
  const path = query.get("path") ?? requiredParameter(query, "udfPath");
  return inComponent(query, path.replace(/\.js:/, ":").replace(/:default$/, ""));
}

/** As the engine names functions and tables of components. */
function inComponent(query: URLSearchParams, name: string): string {
  const component = query.get("componentPath") ?? "";
  return component === "" ? name : `${component}/${name}`;
}

function emptySeries({ buckets }: MetricWindow): Series {
  return Array.from<null>({ length: buckets }).fill(null);
}

/** Seconds. */
function lagSeries(
  { scheduledLagMs }: HttpHandlerOptions,
  { startMs, endMs, buckets }: MetricWindow,
): Series {
  const stepMs = (endMs - startMs) / buckets;
  return Array.from({ length: buckets }, (_, bucket) => {
    const lagMs = scheduledLagMs(startMs + bucket * stepMs, startMs + (bucket + 1) * stepMs);
    return lagMs === null ? null : lagMs / 1000;
  });
}

/** `[[{secs_since_epoch, nanos_since_epoch}, number | null], ...]`: the start of each bucket and its value. */
function points(series: Series, { startMs, endMs, buckets }: MetricWindow): unknown {
  return series.map((value, position) => {
    const atMs = startMs + ((endMs - startMs) * position) / buckets;
    const seconds = Math.floor(atMs / 1000);
    const nanos = Math.round((atMs - seconds * 1000) * 1e6);
    return [{ secs_since_epoch: seconds, nanos_since_epoch: nanos }, value];
  });
}

function parseWindow(query: URLSearchParams): MetricWindow {
  const {
    start,
    end,
    num_buckets: buckets,
  } = (parseJsonParameter(query, "window") ?? {}) as {
    start?: unknown;
    end?: unknown;
    num_buckets?: unknown;
  };
  const [startMs, endMs] = [parseTime(start), parseTime(end)];
  if (startMs === null || endMs === null || endMs < startMs)
    throw badRequest("BadQueryArgs", "window needs a start and an end that is not before it.");
  if (!Number.isInteger(buckets) || (buckets as number) < 1 || (buckets as number) > bucketsMax)
    throw badRequest("BadQueryArgs", `window.num_buckets is a number from 1 to ${bucketsMax}.`);
  return { startMs, endMs, buckets: buckets as number };
}

function parseTime(time: unknown): number | null {
  if (typeof time !== "object" || time === null) return null;
  const { secs_since_epoch: seconds, nanos_since_epoch: nanos } = time as Record<string, unknown>;
  if (!Number.isFinite(seconds) || !Number.isFinite(nanos)) return null;
  return (seconds as number) * 1000 + (nanos as number) / 1e6;
}

function parseTop(query: URLSearchParams): number {
  const k = Number(query.get("k") ?? 5);
  if (!Number.isInteger(k) || k < 1 || k > topMax)
    throw badRequest("InvalidTopKParameter", `k is a number from 1 to ${topMax}.`);
  return k;
}

function parsePercentiles(query: URLSearchParams): number[] {
  const list = parseJsonParameter(query, "percentiles");
  const isList =
    Array.isArray(list) &&
    list.length <= percentilesMax &&
    list.every((each) => typeof each === "number" && each >= 0 && each <= 100);
  if (!isList)
    throw badRequest(
      "BadQueryArgs",
      `percentiles is a JSON array of up to ${percentilesMax} numbers from 0 to 100.`,
    );
  return list as number[];
}

function parseJsonParameter(query: URLSearchParams, name: string): unknown {
  try {
    return JSON.parse(requiredParameter(query, name)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) throw badRequest("BadQueryArgs", `${name} must be JSON.`);
    throw error;
  }
}
