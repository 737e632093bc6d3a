import { existsSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";

// Type-checks every project of the repository by itself.
let failed = false;
for (const project of [
  "tsconfig.json",
  ...globSync("{packages,apps}/*/tsconfig.json"),
  ...globSync("apps/*/packages/*/tsconfig.json"),
  ...globSync("{bench,conformance}/tsconfig.json"),
]) {
  if (!existsSync(project)) continue;
  const { status } = spawnSync("tsc", ["-p", project, "--noEmit"], { stdio: "inherit" });
  if (status !== 0) failed = true;
  process.stdout.write(`${status === 0 ? "ok    " : "FAILED"} ${project}\n`);
}
process.exit(failed ? 1 : 0);
