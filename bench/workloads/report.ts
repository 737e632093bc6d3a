import { medianOf, type Series } from "../harness/statistics.ts";
import { type Column, formatRate, formatShare } from "../harness/table.ts";

/** One configuration of a workload with the measurements of all systems in it. */
export interface Section {
  readonly title: string;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly series: readonly Series[];
  /** The section as a Markdown table. */
  readonly table: string;
  readonly notes: readonly string[];
}

export interface WorkloadReport {
  readonly workload: string;
  readonly sections: readonly Section[];
  /** Everything that was wrong, with the name of the system. */
  readonly failures: readonly string[];
}

/** The last columns of every table: what the figures cost. */
export const costColumns: readonly Column<Series>[] = [
  {
    title: "CPU µs each",
    align: "right",
    cell: (row) => formatRate(medianOf(row, ({ cpuUsEach }) => cpuUsEach)),
  },
  {
    title: "load CPU",
    align: "right",
    cell: (row) => formatShare(medianOf(row, ({ loadCpu }) => loadCpu)),
  },
];

/** Above this share of its core, the load generator may be what limits the figure. */
const busyLoadCpu = 0.9;

export function seriesNotes(series: readonly Series[]): string[] {
  const notes: string[] = [];
  for (const { system, rounds } of series) {
    const texts = new Set(rounds.flatMap((round) => round.notes));
    if (texts.size > 0) notes.push(`${system}: ${[...texts].join("; ")}`);
    if (rounds.some(({ loadCpu }) => loadCpu > busyLoadCpu))
      notes.push(`${system}: the load generator was near its own limit; the system may be faster`);
  }
  return notes;
}

export function seriesFailures(title: string, series: readonly Series[]): string[] {
  return series.flatMap(({ system, rounds }) =>
    rounds.flatMap(({ failures }, round) =>
      failures.map((failure) => `${title}, ${system}, round ${round + 1}: ${failure}`),
    ),
  );
}
