import { medianOf, medianRatio, type Series } from "../harness/statistics.ts";
import { type Column, formatMs, formatRate, formatRatio, renderTable } from "../harness/table.ts";
import type { Bench } from "../systems/context.ts";
import { fanoutSystems } from "../systems/messageSystems.ts";
import { MessagesRun } from "./messages.ts";
import type { Section, WorkloadReport } from "./report.ts";

// W6: what a write costs that concerns one live query, while more and more others are there that it does not concern.

const writesPerSecond = 100;

export async function runSelective(bench: Bench): Promise<WorkloadReport> {
  const run = await MessagesRun.start(bench, "W6", fanoutSystems);
  const sections: Section[] = [];
  for (const bystanders of bench.options.bystanders) {
    bench.say(`W6: ${bystanders} live queries beside`);
    const title = `${bystanders.toLocaleString("en-US")} live queries of other channels, one of the channel that is written to`;
    const load = { rate: writesPerSecond, inFlight: 0 };
    const parameters = { bystanders, rate: writesPerSecond };
    sections.push(...(await run.measure({ subscribers: 1, bystanders }, [{ title, parameters, load }])));
  }
  const growth = growthSection(sections);
  if (growth !== null) {
    bench.publish(growth);
    sections.push(growth);
  }
  return { workload: "W6", sections, failures: run.failures };
}

/** The most bystanders beside the fewest. */
function growthSection(sections: readonly Section[]): Section | null {
  const [first, last] = [sections[0], sections.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  const inFirst = ({ system }: Series) => first.series.find((series) => series.system === system);
  const columns: Column<Series>[] = [
    { title: "system", align: "left", cell: ({ system }) => system },
    {
      title: "CPU µs each: fewest",
      align: "right",
      cell: (row) => formatRate(medianOf(inFirst(row) ?? row, ({ cpuUsEach }) => cpuUsEach)),
    },
    { title: "most", align: "right", cell: (row) => formatRate(medianOf(row, ({ cpuUsEach }) => cpuUsEach)) },
    {
      title: "ratio",
      align: "right",
      cell: (row) => formatRatio(medianRatio(row, inFirst(row), ({ cpuUsEach }) => cpuUsEach)),
    },
    {
      title: "p50 ms: fewest",
      align: "right",
      cell: (row) => formatMs(medianOf(inFirst(row) ?? row, ({ p50Ms }) => p50Ms)),
    },
    { title: "most", align: "right", cell: (row) => formatMs(medianOf(row, ({ p50Ms }) => p50Ms)) },
  ];
  return {
    title: "What a write costs beside the fewest and the most live queries",
    parameters: {},
    series: last.series,
    table: renderTable(columns, last.series),
    notes: [],
  };
}
