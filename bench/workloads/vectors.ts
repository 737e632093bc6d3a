import path from "node:path";
import type { Child } from "../harness/children.ts";
import { interleave, withCpuTime } from "../harness/rounds.ts";
import { type Measurement, medianOf, medianRatio, type Series } from "../harness/statistics.ts";
import { type Column, formatMs, formatRate, formatRatio, renderTable } from "../harness/table.ts";
import type { MutationsLoad, VectorsLoad } from "../load/vectors.ts";
import type { Bench } from "../systems/context.ts";
import type { Lenslet } from "../systems/lenslet.ts";
import { type Section, seriesFailures, seriesNotes, type WorkloadReport } from "./report.ts";
import { isWanted } from "./transfer.ts";

// W9, vectors: the ten nearest of many vectors of 1536 components, with and without a filter that one in a hundred
// passes. Ours are asked through an action, as apps do.

const rowsPerMutation = 25;
const insertTriesMax = 10;
const unindexedRows = 4000;
const recallMin = 0.95;
const ours = "lenslet, action";

interface Target {
  readonly name: string;
  readonly pids: readonly number[];
  readonly load: Pick<VectorsLoad, "port" | "path" | "name">;
}

export async function runVectors(bench: Bench): Promise<WorkloadReport> {
  const { options, cores, say } = bench;
  const failures: string[] = [];
  const load = bench.children.spawnModule(
    "load generator",
    new URL("../load/vectors.ts", import.meta.url),
    cores.load,
    { count: options.vectors, queries: options.queries },
  );
  say(`W9: computing the exact answers of ${options.queries} queries`);
  await load.call("prepare");
  const targets: Target[] = [];
  const sections: Section[] = [];
  let lenslet: Lenslet | null = null;
  if (isWanted(options.only, ours)) {
    lenslet = await bench.lenslet();
    const { section, ids } = await fillLenslet(bench, lenslet);
    sections.push(section);
    await load.call("named", ids);
    const { port, pids } = lenslet;
    targets.push({ name: ours, pids, load: { port, path: "/api/action", name: "vectors:search" } });
  }
  targets.push(...(await startPeers(bench)));
  for (const filtered of [false, true]) {
    for (const inFlight of [1, 8]) sections.push(await measure(bench, load, targets, filtered, inFlight));
  }
  if (lenslet !== null) sections.push(await measureMutations(bench, load, lenslet));
  for (const { title, series } of sections) failures.push(...seriesFailures(title, series));
  return { workload: "W9", sections, failures };
}

/** Fills both tables, a slice of each in turn, and says what the index costs. */
async function fillLenslet(bench: Bench, lenslet: Lenslet): Promise<{ section: Section; ids: string[] }> {
  const { say, options } = bench;
  const ids: string[] = [];
  const series: Series[] = [
    { system: "with a vector index", rounds: [] },
    { system: "without", rounds: [] },
  ];
  const fill = async (table: string, from: number): Promise<string[]> => {
    const count = Math.min(rowsPerMutation, options.vectors - from);
    const began = performance.now();
    const inserted = await insertRows(lenslet, { table, from, count });
    const perSecond = count / ((performance.now() - began) / 1000);
    series[table === "vectors" ? 0 : 1]?.rounds.push({ ...emptyMeasurement, perSecond, count });
    return inserted;
  };
  for (let from = 0; from < options.vectors; from += rowsPerMutation) {
    ids.push(...(await fill("vectors", from)));
    if (from < unindexedRows) await fill("unindexedVectors", from);
    if (from % (rowsPerMutation * 400) === 0) say(`W9: ${from} of ${options.vectors} vectors inserted`);
  }
  // Medians over the same part of both tables.
  const [indexed, unindexed] = series.map(({ system, rounds }) => ({
    system,
    rounds: rounds.slice(0, Math.ceil(Math.min(options.vectors, unindexedRows) / rowsPerMutation)),
  })) as [Series, Series];
  const columns: Column<Series>[] = [
    { title: "table", align: "left", cell: ({ system }) => system },
    { title: "vectors/s", align: "right", cell: (of) => formatRate(medianOf(of, rate)) },
    { title: "ratio", align: "right", cell: (of) => formatRatio(medianRatio(of, unindexed, rate)) },
  ];
  const section: Section = {
    title: `inserts, ${rowsPerMutation} in a mutation that computes them itself`,
    parameters: { vectors: options.vectors },
    series: [indexed, unindexed],
    table: renderTable(columns, [indexed, unindexed]),
    notes: [],
  };
  bench.publish(section);
  return { section, ids };
}

/** On a machine that others use too, a mutation may run out of its second; it has then done nothing. */
async function insertRows(lenslet: Lenslet, args: object): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    try {
      return (await lenslet.call("mutation", "vectors:fill", args)) as string[];
    } catch (error) {
      if (tries === insertTriesMax || !(error as Error).message.includes("timed out")) throw error;
    }
  }
}

async function startPeers(bench: Bench): Promise<Target[]> {
  const { options, cores, children, say } = bench;
  const targets: Target[] = [];
  const sqliteVec = "http + sqlite-vec";
  if (isWanted(options.only, sqliteVec)) {
    const file = path.join(bench.folder("sqlite-vec"), "vectors.sqlite");
    const module = new URL("../peers/vectorsSqliteVec.ts", import.meta.url);
    const child = children.spawnModule(sqliteVec, module, cores.server, { file });
    say(`W9: filling ${sqliteVec}`);
    for (let from = 0; from < options.vectors; from += 1000)
      await child.call("fill", { from, count: Math.min(1000, options.vectors - from) });
    targets.push(await peer(sqliteVec, child));
  }
  const exact = "limit: every vector, in memory, JavaScript";
  if (isWanted(options.only, exact)) {
    const module = new URL("../peers/vectorsExact.ts", import.meta.url);
    const child = children.spawnModule(exact, module, cores.server, { count: options.vectors });
    say(`W9: filling ${exact}`);
    targets.push(await peer(exact, child));
  }
  return targets;
}

async function peer(name: string, child: Child): Promise<Target> {
  const port = await child.call<number>("start");
  return { name, pids: child.pids, load: { port, path: "/search", name: "" } };
}

async function measure(
  bench: Bench,
  load: Child,
  targets: readonly Target[],
  filtered: boolean,
  inFlight: number,
): Promise<Section> {
  const { options, say, publish } = bench;
  const title = `top 10 of ${options.vectors}${filtered ? ", of which one in a hundred passes the filter" : ""}, ${inFlight} at a time`;
  const { warmupSeconds, seconds } = options;
  const subjects = targets.map(({ name, pids, load: target }) => ({
    name,
    measure: () =>
      withCpuTime(pids, () => {
        const run: VectorsLoad = { ...target, filtered, inFlight, warmupSeconds, seconds, recallMin };
        return load.call<Measurement>("run", run);
      }),
  }));
  const series = await bench.profiling(() =>
    interleave(options.rounds, subjects, (name, _round, { p50Ms }) =>
      say(`  ${title}: ${name}: p50 ${formatMs(p50Ms)} ms`),
    ),
  );
  const [first] = series;
  const columns: Column<Series>[] = [
    { title: "system", align: "left", cell: ({ system }) => system },
    { title: "searches/s", align: "right", cell: (of) => formatRate(medianOf(of, rate)) },
    { title: "p50 ms", align: "right", cell: (of) => formatMs(medianOf(of, ({ p50Ms }) => p50Ms)) },
    { title: "p99 ms", align: "right", cell: (of) => formatMs(medianOf(of, ({ p99Ms }) => p99Ms)) },
    {
      title: "CPU ms each",
      align: "right",
      cell: (of) => formatMs(medianOf(of, ({ cpuUsEach }) => cpuUsEach) / 1000),
    },
    { title: "ours to it", align: "right", cell: (of) => formatRatio(medianRatio(first, of, rate)) },
  ];
  const section: Section = {
    title,
    parameters: { vectors: options.vectors, filtered: String(filtered), inFlight },
    series,
    table: renderTable(columns, series),
    notes: seriesNotes(series),
  };
  publish(section);
  return section;
}

async function measureMutations(bench: Bench, load: Child, { port }: Lenslet): Promise<Section> {
  const { options, publish } = bench;
  const series = await interleave(
    options.rounds,
    [0, 4].map((searches) => ({
      name: searches === 0 ? "no searches" : `${searches} searches under way all the time`,
      measure: () => {
        const run: MutationsLoad = { port, searches, seconds: options.seconds };
        return load.call<Measurement>("mutate", run);
      },
    })),
    () => {},
  );
  const columns: Column<Series>[] = [
    { title: "meanwhile", align: "left", cell: ({ system }) => system },
    { title: "mutations/s", align: "right", cell: (of) => formatRate(medianOf(of, rate)) },
    { title: "p50 ms", align: "right", cell: (of) => formatMs(medianOf(of, ({ p50Ms }) => p50Ms)) },
    { title: "p99 ms", align: "right", cell: (of) => formatMs(medianOf(of, ({ p99Ms }) => p99Ms)) },
    { title: "max ms", align: "right", cell: (of) => formatMs(medianOf(of, ({ maxMs }) => maxMs)) },
  ];
  const section: Section = {
    title: "one mutation after another",
    parameters: {},
    series,
    table: renderTable(columns, series),
    notes: [],
  };
  publish(section);
  return section;
}

const rate = ({ perSecond }: Measurement): number => perSecond;

const emptyMeasurement: Measurement = {
  perSecond: Number.NaN,
  count: 0,
  p50Ms: Number.NaN,
  p99Ms: Number.NaN,
  maxMs: Number.NaN,
  loadCpu: 0,
  completed: 0,
  cpuUsEach: Number.NaN,
  failures: [],
  notes: [],
};
