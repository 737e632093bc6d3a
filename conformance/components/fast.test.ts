import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = path.dirname(fileURLToPath(import.meta.url));

it("the quick suites of published packages pass on packages/testing", { timeout: 300_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(folder, "main.ts"), "--fast"], {
    encoding: "utf8",
  });
  expect(`${stdout}${status === 0 ? "" : stderr}`).not.toContain("failed:");
  expect(status).toBe(0);
});
