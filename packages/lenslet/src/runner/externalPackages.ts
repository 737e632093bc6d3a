import { createHash } from "node:crypto";
import { existsSync, symlinkSync } from "node:fs";
import path from "node:path";
import type { ModuleSource } from "./types.ts";

/** An npm package that "use node" modules import instead of having it bundled (convex.json `node.externalPackages`). */
export interface ExternalPackage {
  readonly name: string;
  /** As the CLI found it in the project: an exact version, or whatever npm accepts. */
  readonly version: string;
}

/**
 * The list travels with the code as a module of its own: so it is versioned, hashed, kept and handed to the processes
 * that run the code like everything else that has been pushed.
 */
const listPath = "_deps/node/externalPackages.js";
const prefix = "export default ";

export function externalPackagesModule(packages: readonly ExternalPackage[]): ModuleSource {
  const sorted = packages
    .map(({ name, version }) => ({ name, version }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    path: listPath,
    source: `${prefix}${JSON.stringify(sorted)};\n`,
    sourceMap: null,
    environment: "node",
  };
}

export function externalPackagesOf(modules: Iterable<ModuleSource>): readonly ExternalPackage[] {
  for (const { path: modulePath, source } of modules) {
    if (modulePath !== listPath || !source.startsWith(prefix)) continue;
    return JSON.parse(source.slice(prefix.length).replace(/;\n$/, "")) as ExternalPackage[];
  }
  return [];
}

/** Below the folder of all installations; `node_modules` is in it. */
export function installationFolder(root: string, packages: readonly ExternalPackage[]): string {
  const { source } = externalPackagesModule(packages);
  return path.join(root, createHash("sha256").update(source).digest("hex").slice(0, 32));
}

/** Lets the modules that have been written to `folder` find the packages that their code was pushed with. */
export function linkExternalPackages(
  folder: string,
  modules: Iterable<ModuleSource>,
  root: string | null,
): void {
  const packages = externalPackagesOf(modules);
  if (packages.length === 0 || root === null) return;
  const installed = path.join(installationFolder(root, packages), "node_modules");
  if (existsSync(installed)) symlinkSync(installed, path.join(folder, "node_modules"), "junction");
}
