import { spawn } from "node:child_process";
import { once } from "node:events";
import { residentBytes } from "../harness/cpuTime.ts";
import { interleave, type Subject } from "../harness/rounds.ts";
import {
  median,
  medianOf,
  medianRatio,
  type Measurement,
  type Series,
  timed,
} from "../harness/statistics.ts";
import { type Column, formatMs, formatRate, formatRatio, renderTable } from "../harness/table.ts";
import { seedRows } from "../peers/eventsServer.ts";
import type { Bench } from "../systems/context.ts";
import { Lenslet } from "../systems/lenslet.ts";
import { type Section, seriesFailures, type WorkloadReport } from "./report.ts";
import { isWanted } from "./transfer.ts";

// W10: from the start of the process to the first answered query, and the memory it then has.

const channels = 50;
const seedBatch = 2000;
/** Written before a server is killed: what its log has and its store may not have yet. */
const rowsBeforeKill = 20_000;
const answerMsMax = 120_000;
const pollMs = 2;

/** Starts a process, resolves at its first answer, and ends it. */
type Start = () => Promise<{ readonly ms: number; readonly residentMiB: number }>;

export async function runStart(bench: Bench): Promise<WorkloadReport> {
  const { options, say } = bench;
  const resident = new Map<string, number[]>();
  const starts = new Map<string, Start>();
  for (const rows of options.startRows) {
    const name = `lenslet, ${rows.toLocaleString("en-US")} documents`;
    if (!isWanted(options.only, name)) continue;
    say(`W10: writing ${rows.toLocaleString("en-US")} documents`);
    const data = await prepare(bench, rows);
    starts.set(name, () => startLenslet(bench, data));
    if (rows === 0) continue;
    starts.set(`${name}, killed before`, async () => {
      await writeAndKill(bench, data);
      return startLenslet(bench, data);
    });
  }
  starts.set(bareName, () => startBareNode(bench));
  const subjects = [...starts].map(([name, start]): Subject => ({
    name,
    async measure() {
      const { ms, residentMiB } = await start();
      say(`  ${name}: ${formatMs(ms)} ms, ${residentMiB.toFixed(0)} MiB`);
      resident.set(name, [...(resident.get(name) ?? []), residentMiB]);
      return timed(ms, 1);
    },
  }));
  const series = await interleave(options.rounds, subjects, () => {});
  const title = "From the start of the process to the first answered query";
  const section: Section = {
    title,
    parameters: { rows: options.startRows.join(",") },
    series,
    table: renderTable(columnsOf(series, resident), series),
    notes: [
      `killed before: the server before it has been ended with SIGKILL after it had acknowledged ${rowsBeforeKill.toLocaleString("en-US")} more documents`,
    ],
  };
  bench.publish(section);
  return { workload: "W10", sections: [section], failures: seriesFailures(title, series) };
}

const bareName = "limit: node -e 0";

async function startBareNode(bench: Bench): Promise<{ ms: number; residentMiB: number }> {
  const begun = performance.now();
  const code = "process.stdout.write(String(process.memoryUsage().rss))";
  const { server: core } = bench.cores;
  const [program, ...args] = [
    ...(core === null ? [] : ["taskset", "-c", String(core)]),
    process.execPath,
    "-e",
    code,
  ];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [[printed]] = await Promise.all([once(child.stdout, "data"), once(child, "exit")]);
  return { ms: performance.now() - begun, residentMiB: Number(String(printed)) / 2 ** 20 };
}

async function startLenslet(bench: Bench, data: string): Promise<{ ms: number; residentMiB: number }> {
  const begun = performance.now();
  const lenslet = await Lenslet.spawn(bench, data);
  await firstAnswer(lenslet, begun);
  const ms = performance.now() - begun;
  const residentMiB = residentBytes(lenslet.pids) / 2 ** 20;
  await lenslet.server.stop();
  return { ms, residentMiB };
}

/** Until the first rows of a channel have come. */
async function firstAnswer(lenslet: Lenslet, begun: number): Promise<void> {
  for (;;) {
    try {
      await lenslet.call("query", "events:page", { channel: "c0", from: 0 });
      return;
    } catch (error) {
      if (!lenslet.server.running || performance.now() - begun > answerMsMax)
        throw new Error(`lenslet does not answer:\n${lenslet.server.output}`, { cause: error });
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function prepare(bench: Bench, rows: number): Promise<string> {
  const lenslet = await Lenslet.start(bench);
  await write(lenslet, rows);
  await lenslet.server.stop();
  return lenslet.dataFolder;
}

async function writeAndKill(bench: Bench, data: string): Promise<void> {
  const lenslet = await Lenslet.spawn(bench, data);
  await firstAnswer(lenslet, performance.now());
  await write(lenslet, rowsBeforeKill);
  lenslet.server.killNow();
  await lenslet.server.ended();
}

async function write(lenslet: Lenslet, count: number): Promise<void> {
  let batch: object[] = [];
  for (const row of seedRows(count, channels)) {
    if (batch.push(row) < seedBatch) continue;
    await lenslet.call("mutation", "events:seed", { rows: batch });
    batch = [];
  }
  if (batch.length > 0) await lenslet.call("mutation", "events:seed", { rows: batch });
}

function columnsOf(
  series: readonly Series[],
  resident: ReadonlyMap<string, readonly number[]>,
): Column<Series>[] {
  const ms = ({ p50Ms }: Measurement) => p50Ms;
  const limit = series.find(({ system }) => system === bareName);
  return [
    { title: "system", align: "left", cell: ({ system }) => system },
    { title: "first answer ms", align: "right", cell: (row) => formatMs(medianOf(row, ms)) },
    { title: "of node -e 0", align: "right", cell: (row) => formatRatio(medianRatio(row, limit, ms)) },
    {
      title: "RSS MiB",
      align: "right",
      cell: ({ system }) => formatRate(median(resident.get(system) ?? [])),
    },
  ];
}
