import type { Child } from "../harness/children.ts";
import { interleave, type Subject, withCpuTime } from "../harness/rounds.ts";
import { medianOf, medianRatio, type Measurement, type Series } from "../harness/statistics.ts";
import {
  type Column,
  formatMs,
  formatRate,
  formatRatio,
  formatShare,
  renderTable,
} from "../harness/table.ts";
import type { RequestLoad } from "../load/requests.ts";
import type { Bench } from "../systems/context.ts";
import { channels, type EventServer, eventSystems, type EventSystem } from "../systems/eventSystems.ts";
import { costColumns, type Section, seriesFailures, seriesNotes, type WorkloadReport } from "./report.ts";
import { isWanted } from "./transfer.ts";

// W2 and W3: clients that ask one thing after the other.

const clients = 80;
const seedOfRound = (round: number) => 2000 + round;

interface Case {
  readonly title: string;
  readonly load: Pick<RequestLoad, "work" | "repeated">;
  /** Only our rows have it: the peers know no full-text search. */
  readonly oursOnly?: boolean;
}

interface Started {
  readonly system: EventSystem;
  readonly server: EventServer;
}

export async function runQuery(bench: Bench): Promise<WorkloadReport> {
  const sections: Section[] = [];
  const failures: string[] = [];
  for (const rows of bench.options.rows) {
    const count = rows.toLocaleString("en-US");
    const report = await runCases(bench, "W2", rows, [
      { title: `${count} rows, the same pages again and again`, load: { work: "query", repeated: true } },
      { title: `${count} rows, another page each time`, load: { work: "query", repeated: false } },
    ]);
    sections.push(...report.sections);
    failures.push(...report.failures);
  }
  return { workload: "W2", sections, failures };
}

export async function runInsert(bench: Bench): Promise<WorkloadReport> {
  return runCases(bench, "W3", 500, [
    { title: "a table with two indexes", load: { work: "insert", repeated: false } },
    {
      title: "the same with a search index on the text",
      load: { work: "insertSearchable", repeated: false },
      oursOnly: true,
    },
  ]);
}

async function runCases(
  bench: Bench,
  workload: string,
  rows: number,
  cases: readonly Case[],
): Promise<WorkloadReport> {
  const { options, say } = bench;
  const failures: string[] = [];
  const loadChild = bench.children.spawnModule(
    "load generator",
    new URL("../load/requests.ts", import.meta.url),
    bench.cores.load,
  );
  const started: Started[] = [];
  for (const system of eventSystems) {
    if (!isWanted(options.only, system.name)) continue;
    say(`${workload}: starting ${system.name}`);
    try {
      started.push({ system, server: await system.start(bench, rows) });
    } catch (error) {
      failures.push(`${system.name} did not start: ${(error as Error).message}`);
    }
  }
  const sections: Section[] = [];
  for (const of of cases) {
    const taking = started.filter(({ system }) => of.oursOnly !== true || system.kind === "ours");
    const title = `${of.title}, ${clients} clients`;
    say(`${workload}: ${title}`);
    const subjects = taking.map(({ system, server }): Subject => ({
      name: system.name,
      measure: (round) => measure(loadChild, server, of, bench, round),
    }));
    const series = await bench.profiling(() =>
      interleave(options.rounds, subjects, (name, round, { perSecond }) =>
        say(`  round ${round + 1}: ${name}: ${formatRate(perSecond)}/s`),
      ),
    );
    failures.push(...seriesFailures(title, series));
    const section: Section = {
      title,
      parameters: { rows, ...of.load, repeated: String(of.load.repeated) },
      series,
      table: requestTable(taking, series),
      notes: seriesNotes(series),
    };
    bench.publish(section);
    sections.push(section);
  }
  return { workload, sections, failures };
}

function measure(
  loadChild: Child,
  server: EventServer,
  { load }: Case,
  { options }: Bench,
  round: number,
): Promise<Measurement> {
  const request: RequestLoad = {
    ...load,
    target: server.target,
    clients,
    channels,
    warmupSeconds: options.warmupSeconds,
    seconds: options.seconds,
    seed: seedOfRound(round),
  };
  return withCpuTime(server.pids, () => loadChild.call<Measurement>("run", request));
}

function requestTable(started: readonly Started[], series: readonly Series[]): string {
  const rate = (measurement: Measurement) => measurement.perSecond;
  const systemOf = (name: string) => started.find(({ system }) => system.name === name)?.system;
  const ofKind = (kind: EventSystem["kind"]) => series.find(({ system }) => systemOf(system)?.kind === kind);
  const ours = ofKind("ours");
  const limit = ofKind("limit");
  const columns: Column<Series>[] = [
    { title: "system", align: "left", cell: ({ system }) => system },
    { title: "durability", align: "left", cell: ({ system }) => systemOf(system)?.durability ?? "" },
    { title: "per second", align: "right", cell: (row) => formatRate(medianOf(row, rate)) },
    {
      title: "min..max",
      align: "right",
      cell: ({ rounds }) =>
        `${formatRate(Math.min(...rounds.map(rate)))}..${formatRate(Math.max(...rounds.map(rate)))}`,
    },
    { title: "p50 ms", align: "right", cell: (row) => formatMs(medianOf(row, ({ p50Ms }) => p50Ms)) },
    { title: "p99 ms", align: "right", cell: (row) => formatMs(medianOf(row, ({ p99Ms }) => p99Ms)) },
    {
      title: "ours is",
      align: "right",
      cell: (row) =>
        systemOf(row.system)?.kind === "peer" ? formatRatio(medianRatio(ours, row, rate)) : "-",
    },
    {
      title: "of limit",
      align: "right",
      cell: (row) => (row === limit ? "-" : formatShare(medianRatio(row, limit, rate))),
    },
    ...costColumns,
  ];
  return renderTable(columns, series);
}
