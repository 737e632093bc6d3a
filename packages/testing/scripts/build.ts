import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The rooms it runs in few files, so that a test run loads them at once and needs no other package than `convex`.
 * `--outdir <folder>` puts the code elsewhere, without declarations.
 */
const packageFolder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const outdir = path.resolve(process.argv[3] ?? path.join(packageFolder, "dist"));
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: [path.join(packageFolder, "src/index.ts")],
  outdir,
  bundle: true,
  format: "esm",
  // What most tests never need is loaded when it is asked for: searches, subscriptions, crons.
  splitting: true,
  chunkNames: "[name]-[hash]",
  platform: "node",
  target: "node24",
  external: ["convex", "convex/*"],
  logLevel: "warning",
});

// The declarations that callers see need none of the rooms, so these three files are all of them.
if (process.argv[3] === undefined) {
  const declarations = mkdtempSync(path.join(tmpdir(), "lenslet-testing-"));
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const options = [
    "--noEmit",
    "false",
    "--declaration",
    "--emitDeclarationOnly",
    "--rootDir",
    path.join(packageFolder, ".."),
  ];
  const { status } = spawnSync(
    process.execPath,
    [tsc, "-p", packageFolder, ...options, "--outDir", declarations],
    {
      stdio: "inherit",
    },
  );
  for (const name of ["index", "convexTest", "types"]) {
    const text = readFileSync(path.join(declarations, `testing/src/${name}.d.ts`), "utf8");
    writeFileSync(
      path.join(outdir, `${name}.d.ts`),
      text.replaceAll(/from "(\.\/\w+)\.ts"/g, 'from "$1.js"'),
    );
  }
  rmSync(declarations, { recursive: true });
  process.exitCode = status ?? 1;
}
