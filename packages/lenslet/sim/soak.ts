import { parseArgs } from "node:util";
import { plantedBugs } from "./plantedBugs.ts";
import { simulate, type SimulationOptions } from "./simulation.ts";

// Simulations without end, or as many as asked for: each seed that finds something is printed, and fails the run.
//   node sim/soak.ts [--from SEED] [--seeds N] [--steps N] [--bug NAME]
const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    seeds: { type: "string", default: "1000" },
    steps: { type: "string", default: "1500" },
    bug: { type: "string" },
  },
});
const bug = plantedBugs.find((name) => name === values.bug);
if (values.bug !== undefined && bug === undefined) throw new Error(`bugs are: ${plantedBugs.join(", ")}`);
const from = Number(values.from);
const seeds = Number(values.seeds);
const counts: Record<string, number> = {};
let failed = 0;
for (let seed = from; seed < from + seeds; seed++) {
  const options: SimulationOptions = {
    seed,
    steps: Number(values.steps),
    ...(bug === undefined ? {} : { bug }),
  };
  const report = await simulate(options);
  for (const [what, count] of Object.entries(report.counts)) counts[what] = (counts[what] ?? 0) + count;
  if (report.violations.length === 0) continue;
  failed += 1;
  process.stdout.write(`seed ${seed}:\n  ${report.violations.join("\n  ")}\n`);
}
process.stdout.write(`${seeds} simulations, ${failed} with violations\n${JSON.stringify(counts)}\n`);
process.exitCode = failed === 0 ? 0 : 1;
