import { parseArgs } from "node:util";
import path from "node:path";
import { compare, countPassed, formatRows, medianRatio, regressionsOf, type Row } from "./compare.ts";
import { suitePackages } from "./packages.ts";
import { buildHarness, installPackages, modulesFolder, runSuite } from "./suite.ts";

// Runs the tests that published component packages ship, on the stock mock and on packages/testing.
//   --only a,b   these packages    --ours   on packages/testing alone, against what packages.ts says
//   --json   rows as JSON          --harness <file>   another build of packages/testing
const { values } = parseArgs({
  options: {
    only: { type: "string" },
    ours: { type: "boolean" },
    json: { type: "boolean" },
    harness: { type: "string" },
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
  const mock = await runSuite(suite, "mock", path.join(modulesFolder, suite.mock ?? "convex-test"));
  rows.push(compare(suite, mock, await runSuite(suite, "ours", ours)));
}
const output =
  values.json === true
    ? `${JSON.stringify({ rows, medianRatio: medianRatio(rows) }, null, 2)}\n`
    : formatRows(rows);
process.stdout.write(output);
process.exit(rows.every(({ regressions }) => regressions.length === 0) ? 0 : 1);
