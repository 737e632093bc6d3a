import { spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { installLockedPackages } from "../support/lockedPackages.ts";
import type { SuitePackage } from "./packages.ts";

const folder = path.dirname(fileURLToPath(import.meta.url));
/** Where the packages are installed. */
export const modulesFolder = path.join(folder, "node_modules");
const work = path.join(folder, ".work");

/** How long one package's tests may take, on a machine that does other things as well. */
const suiteTimeMaxMs = 10 * 60_000;

/** One test, likewise: vitest's own five seconds are too few there. */
const testTimeMaxMs = 120_000;

type Harness = "mock" | "ours";

interface TestOutcome {
  readonly passed: boolean;
  readonly message: string;
}

export interface SuiteRun {
  /** By file and full name. Skipped tests are left out. */
  readonly tests: ReadonlyMap<string, TestOutcome>;
  /** Processor time of all tests. */
  readonly cpuMs: number;
  /** Processor time of loading their files with all that these import. */
  readonly loadMs: number;
}

/** Installs the pinned packages. */
export async function installPackages(): Promise<void> {
  await installLockedPackages(folder);
}

/** Bundles packages/testing as it is published, and puts it where it is when it is installed; says where. */
export async function buildHarness(): Promise<string> {
  const source = path.join(folder, "../../packages/testing");
  const installed = path.join(work, "node_modules/@lenslet/testing");
  const outdir = path.join(installed, "dist");
  await run(process.execPath, [path.join(source, "scripts/build.ts"), "--outdir", outdir], folder, {});
  copyFileSync(path.join(source, "package.json"), path.join(installed, "package.json"));
  return path.join(outdir, "index.js");
}

/** Runs the tests that a package ships, as they are, with `alias` in the place of `convex-test`. */
export async function runSuite(suite: SuitePackage, harness: Harness, alias: string): Promise<SuiteRun> {
  const place = preparePlace(suite);
  const config = {
    test: {
      runner: path.join(folder, "cpuRunner.mjs"),
      environment: suite.environment ?? "edge-runtime",
      include: ["src/**/*.test.{ts,tsx}"],
      testTimeout: testTimeMaxMs,
      hookTimeout: testTimeMaxMs,
      alias: { "convex-test": alias },
      server: { deps: { inline: ["convex-test"] } },
    },
  };
  const configFile = path.join(place, `vitest.${harness}.config.mjs`);
  writeFileSync(configFile, `export default ${JSON.stringify(config)};\n`);
  const report = path.join(place, `report.${harness}.json`);
  rmSync(report, { force: true });
  const vitest = path.join(modulesFolder, "vitest/vitest.mjs");
  const args = [vitest, "run", "--config", configFile, "--reporter=json", "--outputFile", report];
  // Fails when a test does: the report says which.
  const output = await run(process.execPath, args, place, { allowFailure: true });
  if (!existsSync(report)) throw new Error(`${suite.name}: vitest has written no report\n${output}`);
  return readReport(report, place);
}

/** The package's sources beside the dependencies that it was installed with. */
function preparePlace({ name, packageName }: SuitePackage): string {
  const source = path.join(modulesFolder, packageName);
  const place = path.join(work, name);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  cpSync(path.join(source, "src"), path.join(place, "src"), { recursive: true });
  cpSync(path.join(source, "package.json"), path.join(place, "package.json"));
  const nested = path.join(source, "node_modules");
  if (existsSync(nested)) symlinkSync(nested, path.join(place, "node_modules"), "dir");
  return place;
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly meta?: { readonly cpuMs?: number; readonly loadMs?: number };
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

function readReport(file: string, place: string): SuiteRun {
  const report = JSON.parse(readFileSync(file, "utf8")) as Report;
  const tests = new Map<string, TestOutcome>();
  let cpuMs = 0;
  let loadMs = 0;
  for (const { name, status, message, assertionResults } of report.testResults) {
    const fileName = path.relative(place, name);
    // A file that cannot be loaded has no tests.
    if (assertionResults.length === 0 && status === "failed") tests.set(fileName, { passed: false, message });
    for (const result of assertionResults) {
      if (result.status !== "passed" && result.status !== "failed") continue;
      cpuMs += result.meta?.cpuMs ?? 0;
      loadMs += result.meta?.loadMs ?? 0;
      // Property tests of fast-check have the seed of the run in their names.
      const fullName = result.fullName.replace(/ \(with seed=.*\)$/, "");
      tests.set(`${fileName} > ${fullName}`, {
        passed: result.status === "passed",
        message: result.failureMessages?.[0]?.split("\n")[0] ?? "",
      });
    }
  }
  return { tests, cpuMs, loadMs };
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  { allowFailure = false }: { readonly allowFailure?: boolean },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: suiteTimeMaxMs,
      env: { ...process.env, NODE_OPTIONS: "--disable-warning=ExperimentalWarning" },
    });
    let output = "";
    const take = (chunk: Buffer) => (output = `${output}${chunk.toString()}`.slice(-20_000));
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0 || allowFailure) resolve(output);
      else reject(new Error(`${program} ${args.join(" ")} ended with ${code}\n${output}`));
    });
  });
}
