import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// How the web pages of an app are built and served: with Astro where the app is set up for it, else with Vite.

/** A program of a package as an app finds it. */
export function binOf(appFolder: string, name: string, bin: string): string {
  const manifest = createRequire(path.join(appFolder, "package.json")).resolve(`${name}/package.json`);
  return path.join(path.dirname(manifest), bin);
}

/** Builds and previews need no network; this keeps Astro from looking for one. */
export const offline = { ASTRO_TELEMETRY_DISABLED: "1", ASTRO_DISABLE_UPDATE_CHECK: "true" } as const;

/** Arguments for Node that build the pages, into the app's own `dist` unless told otherwise. */
export function buildArgs(appFolder: string, outDir?: string): string[] {
  const [bin, isAstro] = toolOf(appFolder);
  const target = outDir === undefined ? [] : ["--outDir", outDir];
  if (isAstro) return [bin, "build", "--root", appFolder, "--silent", ...target];
  return [
    bin,
    "build",
    appFolder,
    "--logLevel",
    "warn",
    ...target,
    ...(outDir === undefined ? [] : ["--emptyOutDir"]),
  ];
}

/** Arguments for Node that serve what was built, on loopback. */
export function previewArgs(appFolder: string, port: number): string[] {
  const [bin, isAstro] = toolOf(appFolder);
  const address = ["--host", "127.0.0.1", "--port", String(port)];
  return isAstro
    ? [bin, "preview", "--root", appFolder, ...address]
    : [bin, "preview", appFolder, ...address, "--strictPort"];
}

function toolOf(appFolder: string): [bin: string, isAstro: boolean] {
  const isAstro = existsSync(path.join(appFolder, "astro.config.ts"));
  return [
    isAstro ? binOf(appFolder, "astro", "bin/astro.mjs") : binOf(appFolder, "vite", "bin/vite.js"),
    isAstro,
  ];
}
