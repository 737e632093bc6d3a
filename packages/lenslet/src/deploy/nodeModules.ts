import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { linkExternalPackages } from "../runner/externalPackages.ts";
import { originalPosition } from "../runner/stackFrames.ts";
import type { ModuleSource } from "../runner/types.ts";
import type { SourcePosition } from "./analysisTypes.ts";
import { describe } from "./analyzeModule.ts";
import type { Evaluated } from "./evaluate.ts";

export interface NodeModuleEnvironment {
  readonly onModule: (path: string) => void;
  readonly externalPackagesFolder?: string | null;
}

/**
 * Imports the "use node" modules of a push in this very process, as the action host will. They are written to a
 * directory of their own, since Node resolves `../_deps/node/X.js` by files only; it is deleted at the end.
 */
export async function importNodeModules(
  all: readonly ModuleSource[],
  entries: readonly ModuleSource[],
  { onModule, externalPackagesFolder = null }: NodeModuleEnvironment,
  onEvaluated: (module: ModuleSource, evaluated: Evaluated) => void,
): Promise<void> {
  if (entries.length === 0) return;
  const sources = all.filter(({ environment }) => environment === "node");
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "lenslet-analysis-")));
  try {
    await writeFile(join(directory, "package.json"), '{"type":"module"}');
    linkExternalPackages(directory, sources, externalPackagesFolder);
    for (const module of sources) {
      const file = join(directory, ...module.path.split("/"));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, module.source);
    }
    for (const module of entries) {
      onModule(module.path);
      // The entry's own text first: equal functions are more likely to be found where they are registered.
      const searched = [module, ...sources.filter((source) => source !== module)];
      onEvaluated(module, await importFile(join(directory, ...module.path.split("/")), searched));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function importFile(file: string, sources: readonly ModuleSource[]): Promise<Evaluated> {
  const text = (thrown: unknown) => `Uncaught ${describe(thrown)}`;
  try {
    const namespace = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    return { ok: true, namespace, locate: (target) => locate(target, sources), describe: text };
  } catch (error) {
    return { ok: false, error: text(error), missingVariable: null };
  }
}

/** By the function's text, which V8 keeps as it was written. */
function locate(target: unknown, sources: readonly ModuleSource[]): SourcePosition | null {
  if (typeof target !== "function") return null;
  const text = Function.prototype.toString.call(target);
  for (const module of sources) {
    const at = module.source.indexOf(text);
    if (at < 0) continue;
    const before = module.source.slice(0, at);
    const column = at - (before.lastIndexOf("\n") + 1);
    const original = originalPosition(module, before.split("\n").length, column);
    return { path: module.path, start_lineno: original.line - 1, start_col: original.column };
  }
  return null;
}
