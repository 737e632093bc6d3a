import type { Clock } from "../base/clock.ts";
import type { EngineMeasures, ExecutionLogEntry } from "../engine/api.ts";

/** Executions are counted per function and slot of this length; a finer question gets the same figures. */
export const slotMs = 30_000;
/** Older slots are forgotten: 24 hours. */
export const slotsMax = 2880;
/** Functions counted in one slot; beyond it a new one is counted under no name. HTTP paths are chosen by callers. */
export const functionsPerSlotMax = 500;

/** Tables, and kinds of invalidations, counted in one slot; more are not counted. */
export const measuresPerSlotMax = 2000;

/** Durations are counted in classes that grow by a fifth, from 0.1 ms to about 2.5 hours. */
const durationClasses = 100;
const durationGrowth = 1.2;
const durationMsMin = 0.1;

interface Counts {
  calls: number;
  errors: number;
  cacheHits: number;
  cacheMisses: number;
  /** Number of executions by duration class, of those there were; cached answers are not executions. */
  readonly durations: Map<number, number>;
}

interface Slot {
  readonly number: number;
  readonly functions: Map<string, Counts>;
  readonly tables: Map<string, { read: number; written: number }>;
  /** By mutation, table and query. */
  readonly invalidations: Map<string, Invalidation>;
  /** Milliseconds that functions of a kind ran within the slot, all together. */
  readonly busyMs: Map<string, number>;
}

interface Invalidation {
  readonly mutation: string | null;
  readonly table: string;
  readonly query: string;
  count: number;
}

export type UdfRate = "invocations" | "errors" | "cacheHits" | "cacheMisses";
export type TopMetric = "failures" | "cacheHits" | "calls";

/** Milliseconds since 1970; `buckets` parts of equal length. */
export interface MetricWindow {
  readonly startMs: number;
  readonly endMs: number;
  readonly buckets: number;
}

/** One value for each bucket of the window, null where there is nothing to tell. */
export type Series = readonly (number | null)[];

/** What `rest` of a top list is called. Source: reference http-api.md §8.3. */
export const restName = "_rest";

/** Counts of what functions did lately, for the dashboard's charts. In memory only: a restart begins anew. */
export class AppMetrics {
  readonly #clock: Clock;
  /** Oldest first. */
  #slots: Slot[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  record(entries: readonly ExecutionLogEntry[]): void {
    for (const entry of entries) if (entry.kind === "Completion") this.#count(entry);
  }

  /** What the engine has counted. */
  measured({ tables, invalidations }: EngineMeasures): void {
    const slot = this.#slotAt(this.#clock.nowMs());
    for (const { table, read, written } of tables) {
      const found = slot.tables.get(table);
      if (found === undefined) {
        if (slot.tables.size < measuresPerSlotMax) slot.tables.set(table, { read, written });
        continue;
      }
      found.read += read;
      found.written += written;
    }
    for (const invalidation of invalidations) {
      const { mutation, table, query, count } = invalidation;
      const key = JSON.stringify([mutation, table, query]);
      const found = slot.invalidations.get(key);
      if (found !== undefined) found.count += count;
      else if (slot.invalidations.size < measuresPerSlotMax) slot.invalidations.set(key, { ...invalidation });
    }
  }

  /** Rows a bucket. `table`: with its component's path and "/" in front. */
  tableRate(table: string, metric: "rowsRead" | "rowsWritten", window: MetricWindow): Series {
    return this.#sums(window, ({ tables }) => {
      const counts = tables.get(table);
      return counts === undefined ? null : metric === "rowsRead" ? counts.read : counts.written;
    });
  }

  /** How often watchers of a query were told that it has to run again. */
  invalidationRate(query: string, window: MetricWindow): Series {
    return this.#sums(window, (slot) => invalidationsIn(slot, (each) => each.query === query));
  }

  /** By "mutation:table", or the table alone where the server itself wrote; of one query, or of all. */
  topInvalidations(k: number, query: string | null, window: MetricWindow): (readonly [string, Series])[] {
    const totals = new Map<string, number>();
    for (const slot of this.#slotsOf(window.startMs, window.endMs)) {
      for (const each of slot.invalidations.values()) {
        if (query !== null && each.query !== query) continue;
        const name = invalidationName(each);
        totals.set(name, (totals.get(name) ?? 0) + each.count);
      }
    }
    const ranked = [...totals].sort(([, a], [, b]) => b - a).map(([name]) => name);
    const isOf = (each: Invalidation) => query === null || each.query === query;
    const seriesOf = (chosen: (name: string) => boolean) =>
      this.#sums(window, (slot) =>
        invalidationsIn(slot, (each) => isOf(each) && chosen(invalidationName(each))),
      );
    const listed = ranked.slice(0, k);
    const lists = listed.map((name) => [name, seriesOf((each) => each === name)] as const);
    if (ranked.length <= k) return lists;
    return [...lists, [restName, seriesOf((each) => !listed.includes(each))] as const];
  }

  /** How many functions of each kind ran at the same time, on average over a bucket. */
  concurrency({ startMs, endMs, buckets }: MetricWindow): Record<string, Series> {
    const window = { startMs, endMs, buckets };
    const kinds = new Set(this.#slotsOf(startMs, endMs).flatMap(({ busyMs }) => [...busyMs.keys()]));
    const bucketMs = Math.max(slotMs, (endMs - startMs) / buckets);
    return Object.fromEntries(
      [...kinds].toSorted().map((kind) => {
        const busy = this.#sums(window, ({ busyMs }) => busyMs.get(kind) ?? null);
        return [kind, busy.map((ms) => (ms === null ? null : ms / bucketMs))];
      }),
    );
  }

  rate(functionId: string, metric: UdfRate, window: MetricWindow): Series {
    return this.#series(window, functionId, (counts) => {
      switch (metric) {
        case "invocations":
          return counts.calls;
        case "errors":
          return counts.errors;
        case "cacheHits":
          return counts.cacheHits;
        case "cacheMisses":
          return counts.cacheMisses;
      }
    });
  }

  cacheHitPercentage(functionId: string, window: MetricWindow): Series {
    return this.#series(window, functionId, cacheHitPercentageOf);
  }

  /** Seconds. */
  latencyPercentile(functionId: string, percentile: number, window: MetricWindow): Series {
    return this.#series(window, functionId, ({ durations }) => percentileOf(durations, percentile));
  }

  /** The `k` functions with the greatest figures over the whole window, and the others together. */
  top(metric: TopMetric, k: number, window: MetricWindow): (readonly [string, Series])[] {
    const totals = new Map<string, Counts>();
    for (const slot of this.#slotsOf(window.startMs, window.endMs))
      for (const [id, counts] of slot.functions) add(getOrCreate(totals, id), counts);
    const ranked = [...totals]
      .filter(([, counts]) => topValue(metric, counts) !== null)
      .sort(([, a], [, b]) => (topValue(metric, b) ?? 0) - (topValue(metric, a) ?? 0))
      .map(([id]) => id);
    const listed = new Set(ranked.slice(0, k));
    const lists = [...listed].map(
      (id) => [id, this.#series(window, id, (counts) => topValue(metric, counts))] as const,
    );
    if (ranked.length <= k) return lists;
    const rest = this.#buckets(window, (id) => !listed.has(id)).map((counts) =>
      counts === null ? null : topValue(metric, counts),
    );
    return [...lists, [restName, rest] as const];
  }

  #count(entry: ExecutionLogEntry): void {
    const nowMs = this.#clock.nowMs();
    const slot = this.#slotAt(nowMs);
    const id = functionIdOf(entry);
    const name = slot.functions.has(id) || slot.functions.size < functionsPerSlotMax ? id : restName;
    const counts = getOrCreate(slot.functions, name);
    counts.calls += 1;
    if (entry["error"] !== null && entry["error"] !== undefined) counts.errors += 1;
    if (entry["cachedResult"] === true) {
      counts.cacheHits += 1;
      return;
    }
    if (entry["udfType"] === "Query") counts.cacheMisses += 1;
    const durationMs = Number(entry["executionTime"]) * 1000;
    this.#countBusy(String(entry["udfType"]), nowMs - durationMs, nowMs);
    const position = durationClassOf(durationMs);
    counts.durations.set(position, (counts.durations.get(position) ?? 0) + 1);
  }

  /** Spreads a run over the slots that it went on in: the newest ones, of up to a day's. */
  #countBusy(kind: string, startMs: number, endMs: number): void {
    for (let i = this.#slots.length - 1; i >= 0; i--) {
      const { number, busyMs } = this.#slots[i] as Slot;
      const slotEndMs = (number + 1) * slotMs;
      if (slotEndMs <= startMs) break;
      const withinMs = Math.min(endMs, slotEndMs) - Math.max(startMs, number * slotMs);
      if (withinMs > 0) busyMs.set(kind, (busyMs.get(kind) ?? 0) + withinMs);
    }
  }

  #slotAt(nowMs: number): Slot {
    const number = Math.floor(nowMs / slotMs);
    const last = this.#slots.at(-1);
    // A clock that was set back goes on in the newest slot.
    if (last !== undefined && last.number >= number) return last;
    const slot: Slot = {
      number,
      functions: new Map(),
      tables: new Map(),
      invalidations: new Map(),
      busyMs: new Map(),
    };
    this.#slots.push(slot);
    const oldest = this.#slots.findIndex((kept) => kept.number > number - slotsMax);
    if (oldest > 0) this.#slots = this.#slots.slice(oldest);
    return slot;
  }

  #slotsOf(startMs: number, endMs: number): Slot[] {
    return this.#slots.filter(({ number }) => number * slotMs >= startMs && number * slotMs < endMs);
  }

  #series(window: MetricWindow, functionId: string, valueOf: (counts: Counts) => number | null): Series {
    const buckets = this.#buckets(window, (id) => id === functionId);
    return buckets.map((counts) => (counts === null ? null : valueOf(counts)));
  }

  /** Sums of what slots have, by bucket; null where no slot of it has anything. */
  #sums({ startMs, endMs, buckets }: MetricWindow, valueOf: (slot: Slot) => number | null): Series {
    const sums = Array.from<number | null>({ length: buckets }).fill(null);
    for (const [bucket, slot] of this.#slotsByBucket({ startMs, endMs, buckets })) {
      const value = valueOf(slot);
      if (value !== null) sums[bucket] = (sums[bucket] ?? 0) + value;
    }
    return sums;
  }

  /** A slot belongs to the bucket it starts in. */
  *#slotsByBucket({ startMs, endMs, buckets }: MetricWindow): Generator<[number, Slot]> {
    // The slot that holds the start of the window counts for its first bucket.
    const fromMs = Math.floor(startMs / slotMs) * slotMs;
    for (const slot of this.#slotsOf(fromMs, endMs)) {
      const offset = Math.max(0, slot.number * slotMs - startMs) / Math.max(1, endMs - startMs);
      yield [Math.min(buckets - 1, Math.floor(offset * buckets)), slot];
    }
  }

  /** Counts of the chosen functions by bucket; null where none of them ran. */
  #buckets(window: MetricWindow, chosen: (id: string) => boolean): (Counts | null)[] {
    const sums = Array.from<Counts | null>({ length: window.buckets }).fill(null);
    for (const [bucket, slot] of this.#slotsByBucket(window)) {
      for (const [id, counts] of slot.functions) {
        if (!chosen(id)) continue;
        add((sums[bucket] ??= emptyCounts()), counts);
      }
    }
    return sums;
  }
}

function invalidationName({ mutation, table }: Invalidation): string {
  return mutation === null ? table : `${mutation}:${table}`;
}

function invalidationsIn({ invalidations }: Slot, chosen: (each: Invalidation) => boolean): number | null {
  let count: number | null = null;
  for (const each of invalidations.values()) if (chosen(each)) count = (count ?? 0) + each.count;
  return count;
}

/** "path:fn", "component/path:fn", or "METHOD /path" of an HTTP action. */
function functionIdOf(entry: ExecutionLogEntry): string {
  const { componentPath, identifier } = entry;
  const name = String(identifier);
  return typeof componentPath === "string" && componentPath !== "" ? `${componentPath}/${name}` : name;
}

function emptyCounts(): Counts {
  return { calls: 0, errors: 0, cacheHits: 0, cacheMisses: 0, durations: new Map() };
}

function getOrCreate(counts: Map<string, Counts>, id: string): Counts {
  let found = counts.get(id);
  if (found === undefined) counts.set(id, (found = emptyCounts()));
  return found;
}

function add(to: Counts, from: Counts): void {
  to.calls += from.calls;
  to.errors += from.errors;
  to.cacheHits += from.cacheHits;
  to.cacheMisses += from.cacheMisses;
  for (const [position, count] of from.durations)
    to.durations.set(position, (to.durations.get(position) ?? 0) + count);
}

function topValue(metric: TopMetric, counts: Counts): number | null {
  switch (metric) {
    case "calls":
      return counts.calls;
    case "failures":
      return counts.calls === 0 ? null : (counts.errors / counts.calls) * 100;
    case "cacheHits":
      return cacheHitPercentageOf(counts);
  }
}

/** Null for what is no query. */
function cacheHitPercentageOf({ cacheHits, cacheMisses }: Counts): number | null {
  const total = cacheHits + cacheMisses;
  return total === 0 ? null : (cacheHits / total) * 100;
}

function durationClassOf(durationMs: number): number {
  if (!(durationMs > durationMsMin)) return 0;
  const position = Math.ceil(Math.log(durationMs / durationMsMin) / Math.log(durationGrowth));
  return Math.min(durationClasses - 1, position);
}

/** Upper end of the class that holds the percentile, in seconds. */
function percentileOf(durations: ReadonlyMap<number, number>, percentile: number): number | null {
  const total = [...durations.values()].reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const wanted = Math.max(1, Math.ceil((total * percentile) / 100));
  let seen = 0;
  for (const [position, count] of [...durations].sort(([a], [b]) => a - b)) {
    seen += count;
    if (seen >= wanted) return (durationMsMin * durationGrowth ** position) / 1000;
  }
  return null;
}
