import fs from "node:fs";
import { Children } from "./harness/children.ts";
import { createScratchFolder, describeMachine, divideCores } from "./harness/machine.ts";
import { type Options, parseOptions, usage, UsageError, type WorkloadName } from "./harness/options.ts";
import { type Bench, createBench } from "./systems/context.ts";
import { runFanout } from "./workloads/fanout.ts";
import { runObserve } from "./workloads/observe.ts";
import type { Section, WorkloadReport } from "./workloads/report.ts";
import { runInsert, runQuery } from "./workloads/requests.ts";
import { runSelective } from "./workloads/selective.ts";
import { runSessions } from "./workloads/sessions.ts";
import { runStart } from "./workloads/start.ts";
import { runTransfer } from "./workloads/transfer.ts";
import { runVectors } from "./workloads/vectors.ts";

const workloads: Readonly<Record<WorkloadName, (bench: Bench) => Promise<WorkloadReport>>> = {
  W1: runTransfer,
  W2: runQuery,
  W3: runInsert,
  W4: runObserve,
  W5: runFanout,
  W6: runSelective,
  W8: runSessions,
  W9: runVectors,
  W10: runStart,
};

const titles: Readonly<Record<WorkloadName, string>> = {
  W1: "transfer",
  W2: "indexed query",
  W3: "insert",
  W4: "observe",
  W5: "fan-out",
  W6: "selective invalidation",
  W8: "sessions",
  W9: "vector search",
  W10: "start",
};

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    console.log(usage);
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    return 2;
  }
  const scratchFolder = createScratchFolder(options.folder);
  const all = new Set<Children>();
  endOnSignals(all, scratchFolder);
  const cores = divideCores();
  const header = describeMachine(scratchFolder, cores);
  const durations = `${options.rounds} interleaved rounds of ${options.seconds} s after ${options.warmupSeconds} s of warm-up; medians of the rounds`;
  console.log([...header, durations].join("\n"));
  const reports: WorkloadReport[] = [];
  try {
    for (const name of options.workloads) {
      const children = new Children();
      all.add(children);
      const bench = createBench(options, cores, scratchFolder, children, say, printSection);
      console.log(`\n## ${name} ${titles[name]}`);
      try {
        const report = await workloads[name](bench);
        reports.push(report);
        printFailures(report);
      } finally {
        await children.stopAll();
        all.delete(children);
      }
    }
  } finally {
    fs.rmSync(scratchFolder, { recursive: true, force: true, maxRetries: 3 });
  }
  if (options.jsonFile !== null)
    fs.writeFileSync(options.jsonFile, `${JSON.stringify({ header, options, reports }, null, 2)}\n`);
  return reports.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

function say(text: string): void {
  console.error(text);
}

function printSection({ title, table, notes }: Section): void {
  console.log(`\n${title}\n\n${table}`);
  for (const note of notes) console.log(`- ${note}`);
}

function printFailures({ failures }: WorkloadReport): void {
  console.log(failures.length === 0 ? "\nAll checks passed." : "\nFAILED:");
  for (const failure of failures) console.log(`- ${failure}`);
}

/** Nothing may be left behind, however the bench ends. */
function endOnSignals(all: ReadonlySet<Children>, scratchFolder: string): void {
  let ending = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      console.error("ending");
      void Promise.allSettled([...all].map((children) => children.stopAll())).then(() => process.exit(130));
    });
  }
  process.on("exit", () => {
    for (const children of all) children.killAll();
    fs.rmSync(scratchFolder, { recursive: true, force: true });
  });
}
