import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ensureChromium } from "./chromium.ts";
import { repositoryFolder } from "./programs.ts";

interface Counts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

// The whole test suite. Ends with a plain line "N passed, N failed" that machines read too. Arguments choose tests.
const chromium = ensureChromium();
if (chromium === null) {
  process.stderr.write(
    "\n*** NO CHROME OR CHROMIUM FOUND: the browser tests are SKIPPED. Install one (Debian: apt-get install chromium) and run again. ***\n\n",
  );
}
mkdirSync(".artifacts", { recursive: true });

const chosen = process.argv.slice(2);
const runs =
  chosen.length > 0
    ? [runTests("test-report", chosen)]
    : [
        // The starter chat's functions are measured while they are tested: the run fails below the thresholds, and
        // prints what they cover (apps/starter-chat/vitest.config.ts).
        runTests("test-report", ["--project=!starter-chat"]),
        runTests("starter-chat-report", ["--root", "apps/starter-chat", "--coverage"]),
      ];

const sum = (count: (counts: Counts) => number) =>
  runs.reduce((total, { counts }) => total + (counts === null ? 0 : count(counts)), 0);
const passed = sum((counts) => counts.numPassedTests);
// A run that wrote no report has failed as a whole.
const failed = sum((counts) => counts.numFailedTests) + runs.filter(({ counts }) => counts === null).length;
const skipped = sum((counts) => counts.numPendingTests);
const line = `${passed} passed, ${failed} failed, ${skipped} skipped\n`;
// .ci/run repeats it as its last line, whatever the other checks print after the tests.
writeFileSync(".artifacts/test-counts.txt", line);
process.stdout.write(line);
process.exit(runs.every(({ status }) => status === 0) && passed > 0 ? 0 : 1);

function runTests(
  name: string,
  more: readonly string[],
): { readonly status: number; readonly counts: Counts | null } {
  const reportFile = path.join(repositoryFolder, `.artifacts/${name}.json`);
  rmSync(reportFile, { force: true });
  const { status } = spawnSync(
    "vitest",
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${reportFile}`, ...more],
    {
      stdio: "inherit",
      env: { ...process.env, ...(chromium === null ? {} : { LENSLET_CHROMIUM: chromium }) },
    },
  );
  const counts = existsSync(reportFile) ? (JSON.parse(readFileSync(reportFile, "utf8")) as Counts) : null;
  return { status: status ?? 1, counts };
}
