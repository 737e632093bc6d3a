import { build } from "esbuild";
import { rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * One file with the rooms it runs, so that a test run loads it at once and needs no other package than `convex`.
 * `--outdir <folder>` puts it elsewhere.
 */
const packageFolder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const outdir = path.resolve(process.argv[3] ?? path.join(packageFolder, "dist"));
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: [path.join(packageFolder, "src/index.ts")],
  outdir,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node24",
  external: ["convex", "convex/*"],
  logLevel: "warning",
});
