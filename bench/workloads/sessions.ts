import { residentBytes } from "../harness/cpuTime.ts";
import { openFilesMax, otherFilesMax } from "../harness/machine.ts";
import { interleave, type Subject, withCpuTime } from "../harness/rounds.ts";
import {
  median,
  medianOf,
  medianRatio,
  type Measurement,
  type Series,
  timed,
} from "../harness/statistics.ts";
import { type Column, formatMs, formatRate, formatRatio, renderTable } from "../harness/table.ts";
import type { MessagesTarget } from "../load/messages.ts";
import type { Bench } from "../systems/context.ts";
import { type MessageServer, type MessageSystem, fanoutSystems } from "../systems/messageSystems.ts";
import { type Section, seriesFailures, type WorkloadReport } from "./report.ts";
import { isWanted } from "./transfer.ts";

// W8: WebSocket sessions with one live query each. How long until all are there, what each of them occupies, and how
// long until all are back when they have been cut off at once.

/** What is freed or compiled late should not count as memory of the sessions. */
const settleMs = 2000;

interface Sessions {
  readonly bytesEach: number;
  /** From the first connection attempt to the last first answer, `sessions` of them trying at once. */
  readonly stormMs: number;
}

export async function runSessions(bench: Bench): Promise<WorkloadReport> {
  const { options, say } = bench;
  const { sessions } = options;
  const failures: string[] = [];
  if (sessions + otherFilesMax > openFilesMax()) {
    failures.push(`${sessions} sessions need more open files than allowed (ulimit -n ${openFilesMax()})`);
    return { workload: "W8", sections: [], failures };
  }
  const found = new Map<string, Sessions[]>();
  const subjects: Subject[] = [];
  for (const system of fanoutSystems) {
    if (!isWanted(options.only, system.name)) continue;
    say(`W8: starting ${system.name}`);
    const server = await system.start(bench);
    subjects.push({
      name: system.name,
      async measure() {
        const { measurement, ...rest } = await measureSessions(bench, system, server);
        found.set(system.name, [...(found.get(system.name) ?? []), rest]);
        say(
          `  ${system.name}: all there in ${formatMs(measurement.p50Ms)} ms, ${formatRate(rest.bytesEach / 1024)} KiB each`,
        );
        return measurement;
      },
    });
  }
  const series = await bench.profiling(() => interleave(options.rounds, subjects, () => {}));
  const title = `${sessions.toLocaleString("en-US")} sessions with one live query each`;
  failures.push(...seriesFailures(title, series));
  const section: Section = {
    title,
    parameters: { sessions },
    series,
    table: renderTable(columnsOf(series, found), series),
    notes: ["KiB each: growth of the resident memory of all its processes, in the first round"],
  };
  bench.publish(section);
  return { workload: "W8", sections: [section], failures };
}

async function measureSessions(
  bench: Bench,
  { protocol, name }: MessageSystem,
  { port, pids }: MessageServer,
): Promise<Sessions & { measurement: Measurement }> {
  const { sessions } = bench.options;
  const load = bench.children.spawnModule(
    `load generator for ${name}`,
    new URL("../load/messages.ts", import.meta.url),
    bench.cores.load,
  );
  try {
    const target: MessagesTarget = { protocol, port, subscribers: sessions, bystanders: 0 };
    const before = residentBytes(pids);
    let begun = performance.now();
    const { cpuUsEach } = await withCpuTime(pids, async () => {
      await load.call("connect", target);
      return timed(performance.now() - begun, sessions);
    });
    const connectMs = performance.now() - begun;
    await settle();
    const bytesEach = (residentBytes(pids) - before) / sessions;
    await load.call("disconnect");
    begun = performance.now();
    await load.call("connect", { ...target, openAtOnce: sessions } satisfies MessagesTarget);
    const stormMs = performance.now() - begun;
    await load.call("disconnect");
    return { bytesEach, stormMs, measurement: { ...timed(connectMs, sessions), cpuUsEach } };
  } finally {
    await load.stop();
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, settleMs));
}

function columnsOf(
  series: readonly Series[],
  found: ReadonlyMap<string, readonly Sessions[]>,
): Column<Series>[] {
  const ms = ({ p50Ms }: Measurement) => p50Ms;
  const limit = series.find(({ system }) => system.startsWith("limit"));
  const of = ({ system }: Series) => found.get(system) ?? [];
  return [
    { title: "system", align: "left", cell: ({ system }) => system },
    { title: "all there ms", align: "right", cell: (row) => formatMs(medianOf(row, ms)) },
    {
      title: "of limit",
      align: "right",
      cell: (row) => (row === limit ? "-" : formatRatio(medianRatio(row, limit, ms))),
    },
    {
      title: "CPU µs each",
      align: "right",
      cell: (row) => formatRate(medianOf(row, ({ cpuUsEach }) => cpuUsEach)),
    },
    {
      title: "KiB each",
      align: "right",
      cell: (row) => formatRate((of(row)[0]?.bytesEach ?? Number.NaN) / 1024),
    },
    {
      title: "all back ms",
      align: "right",
      cell: (row) => formatMs(median(of(row).map(({ stormMs }) => stormMs))),
    },
  ];
}
