import { parseArgs } from "node:util";
import { compare, countPassed, formatRows, medianRatio, type Row } from "./compare.ts";
import { suitePackages } from "./packages.ts";
import { buildHarness, installPackages, runSuite } from "./suite.ts";

// Runs the tests that published component packages ship, on the stock mock and on packages/testing.
//   --only a,b   these packages    --fast   the quick ones, on ours alone    --json   rows as JSON
const { values } = parseArgs({
  options: { only: { type: "string" }, fast: { type: "boolean" }, json: { type: "boolean" } },
});
const only = values.only?.split(",");
const chosen = suitePackages.filter(
  ({ name, fast }) => (only?.includes(name) ?? true) && (values.fast !== true || fast),
);
if (chosen.length === 0)
  throw new Error(`no such package; there are ${suitePackages.map((p) => p.name).join(", ")}`);

await installPackages();
await buildHarness();

if (values.fast === true) {
  let failed = 0;
  for (const suite of chosen) {
    const run = await runSuite(suite, "ours");
    const passed = countPassed(run);
    process.stdout.write(
      `${suite.name}: ${passed} of ${suite.tests} passed in ${Math.round(run.cpuMs)} ms\n`,
    );
    for (const [test, outcome] of run.tests)
      if (!outcome.passed) process.stdout.write(`    failed: ${test}: ${outcome.message}\n`);
    if (passed < suite.tests) failed += 1;
  }
  process.exit(failed === 0 ? 0 : 1);
}

const rows: Row[] = [];
for (const suite of chosen) {
  process.stderr.write(`${suite.name} ...\n`);
  const mock = await runSuite(suite, "mock");
  rows.push(compare(suite, mock, await runSuite(suite, "ours")));
}
const output =
  values.json === true
    ? `${JSON.stringify({ rows, medianRatio: medianRatio(rows) }, null, 2)}\n`
    : formatRows(rows);
process.stdout.write(output);
process.exit(rows.every(({ regressions }) => regressions.length === 0) ? 0 : 1);
