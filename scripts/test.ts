import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { ensureChromium } from "./chromium.ts";

interface Counts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly success: boolean;
}

// The whole test suite. Ends with a plain line "N passed, N failed" that machines read too.
const chromium = ensureChromium();
if (chromium === null) {
  process.stderr.write(
    "\n*** NO CHROME OR CHROMIUM FOUND: the browser tests are SKIPPED. Install one (Debian: apt-get install chromium) and run again. ***\n\n",
  );
}
mkdirSync(".artifacts", { recursive: true });
const reportFile = ".artifacts/test-report.json";
rmSync(reportFile, { force: true });
const child = spawn(
  "vitest",
  [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2),
  ],
  { stdio: "inherit", env: { ...process.env, ...(chromium === null ? {} : { LENSLET_CHROMIUM: chromium }) } },
);
child.on("exit", (code) => {
  if (!existsSync(reportFile)) {
    process.stdout.write("0 passed, 1 failed\n");
    process.exit(code === 0 ? 1 : (code ?? 1));
  }
  const counts = JSON.parse(readFileSync(reportFile, "utf8")) as Counts;
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = counts;
  const line = `${passed} passed, ${failed} failed, ${skipped} skipped\n`;
  // .ci/run repeats it as its last line, whatever the other checks print after the tests.
  writeFileSync(".artifacts/test-counts.txt", line);
  process.stdout.write(line);
  process.exit(code === 0 && passed > 0 ? 0 : 1);
});
