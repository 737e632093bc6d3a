import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { buildHarness } from "./suite.ts";

const folder = path.dirname(fileURLToPath(import.meta.url));
/** All of them take about two minutes. */
const timeout = 900_000;

function run(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(folder, "main.ts"), "--ours", ...args],
    { encoding: "utf8" },
  );
  return { status, output: `${stdout}${stderr}` };
}

it("the suites of all published packages pass as far as packages.ts says", { timeout }, () => {
  expect(run()).toMatchObject({ status: 0, output: expect.not.stringContaining("REGRESSION") });
});

it("a bug in the harness is a regression", { timeout }, async () => {
  const built = await buildHarness();
  const file = path.join(folder, ".work/planted/index.js");
  rmSync(path.dirname(file), { recursive: true, force: true });
  cpSync(path.dirname(built), path.dirname(file), { recursive: true });
  const harness = readFileSync(file, "utf8");
  const planted = harness.replace("#tx.patch(table, id, fields)", "#tx.patch(table, id, {})");
  expect(planted).not.toBe(harness);
  writeFileSync(file, planted);
  const { status, output } = run("--only", "sharded-counter", "--harness", file);
  expect(output).toContain("REGRESSION");
  expect(status).toBe(1);
});
