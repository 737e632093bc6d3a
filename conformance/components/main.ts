import { parseArgs } from "node:util";
import path from "node:path";
import {
  compareRounds,
  countPassed,
  formatRows,
  median,
  regressionsOf,
  type Round,
  type Row,
} from "./compare.ts";
import { type SuitePackage, suitePackages } from "./packages.ts";
import { buildHarness, installPackages, modulesFolder, runSuite } from "./suite.ts";

// Runs the tests that published component packages ship, on the stock mock and on packages/testing.
//   --only a,b   these packages    --ours   on packages/testing alone, against what packages.ts says
//   --json   rows as JSON          --harness <file>   another build of packages/testing
//   --rounds n   how often each is run for the ratios of time, which are the medians (1)
const { values } = parseArgs({
  options: {
    only: { type: "string" },
    ours: { type: "boolean" },
    json: { type: "boolean" },
    harness: { type: "string" },
    rounds: { type: "string", default: "1" },
  },
});
const only = values.only?.split(",");
const chosen = suitePackages.filter(({ name }) => only?.includes(name) ?? true);
if (chosen.length === 0)
  throw new Error(`no such package; there are ${suitePackages.map((p) => p.name).join(", ")}`);

await installPackages();
const ours = values.harness ?? (await buildHarness());

if (values.ours === true) {
  let regressions = 0;
  for (const suite of chosen) {
    const run = await runSuite(suite, "ours", ours);
    const worse = regressionsOf(suite, run);
    regressions += worse.length;
    process.stdout.write(`${suite.name}: ${countPassed(run)} passed, ${suite.tests} are expected to\n`);
    for (const { test, message } of worse) process.stdout.write(`    REGRESSION ${test}: ${message}\n`);
  }
  process.exit(regressions === 0 ? 0 : 1);
}

const rows: Row[] = [];
for (const suite of chosen) {
  process.stderr.write(`${suite.name} ...\n`);
  const rounds: Round[] = [];
  for (let i = 0; i < Math.max(1, Number(values.rounds)); i++)
    rounds.push(await runRound(suite, i % 2 === 1));
  rows.push(compareRounds(suite, rounds));
}
const output =
  values.json === true
    ? `${JSON.stringify({ rows, medianRatio: median(rows.map((row) => row.testRatio)) }, null, 2)}\n`
    : formatRows(rows);
process.stdout.write(output);
process.exit(rows.every(({ regressions }) => regressions.length === 0) ? 0 : 1);

/** Who comes first takes turns. */
async function runRound(suite: SuitePackage, oursFirst: boolean): Promise<Round> {
  const runOurs = () => runSuite(suite, "ours", ours);
  const runMock = () => runSuite(suite, "mock", path.join(modulesFolder, suite.mock ?? "convex-test"));
  if (!oursFirst) return { mock: await runMock(), ours: await runOurs() };
  const first = await runOurs();
  return { mock: await runMock(), ours: first };
}
