import type { Clock } from "../base/clock.ts";
import { CodeModules, ModuleLoadError, SourceCache } from "./codeModules.ts";
import type { ModuleGraph } from "./codeModules.ts";
import { loadFailure } from "./failure.ts";
import { Realm } from "./realm.ts";
import { originalPosition } from "./stackFrames.ts";
import type { CodeVersion, LogLine, RunFailure } from "./types.ts";

export interface EvaluateOptions {
  readonly clock: Clock;
  /** "authConfig": no Math.random, Date or crypto, and reading an unset variable fails. Default "analysis". */
  readonly kind?: "analysis" | "authConfig";
  /** Synthetic modules, path (e.g. "_componentDeps/abc") → source text. */
  readonly extraModules?: ReadonlyMap<string, string>;
  /** Share one cache among the modules of a push: common chunks are compiled once. */
  readonly cache?: SourceCache;
}

export interface FunctionPosition {
  /** Uploaded module that holds the function's text, e.g. "messages.js" or "_deps/ABC.js". */
  readonly modulePath: string;
  /** In that module: 1-based line, 0-based column. */
  readonly generated: { readonly line: number; readonly column: number };
  /** In the original source: 1-based line, 0-based column; `source` e.g. "../convex/messages.ts". */
  readonly original: { readonly source: string; readonly line: number; readonly column: number };
}

export interface EvaluatedModule {
  readonly ok: true;
  /** The module's exports. They belong to another realm: no `instanceof`; their functions may throw anything. */
  readonly namespace: Readonly<Record<string, unknown>>;
  /** Grows while functions of the namespace are called. */
  readonly logs: readonly LogLine[];
  /** Describes what a function of the namespace threw, frames mapped. */
  failureOf(thrown: unknown): RunFailure;
  /** Where a function (normally a `_handler`) is written; null when its text is not found in the module's graph. */
  positionOf(callee: unknown): FunctionPosition | null;
}
export interface EvaluationFailure {
  readonly ok: false;
  readonly failure: RunFailure;
  readonly logs: readonly LogLine[];
  /** kind "authConfig": the unset environment variable that was read (AuthConfigMissingEnvironmentVariable). */
  readonly missingVariable: string | null;
}

/** Evaluates a module under the restrictions of import time (functions.md §2), in a context of its own. */
export function evaluateModule(
  code: CodeVersion,
  path: string,
  options: EvaluateOptions,
): EvaluatedModule | EvaluationFailure {
  const logs: LogLine[] = [];
  const modules = new CodeModules(code, options.cache ?? new SourceCache(), {
    ...(options.extraModules === undefined ? {} : { extra: options.extraModules }),
    runsOnce: true,
  });
  const failed = (failure: RunFailure): EvaluationFailure => {
    const text =
      /^Uncaught Error: Environment variable (\S+) is used in auth config file but its value was not set$/;
    return { ok: false, failure, logs, missingVariable: text.exec(failure.message)?.[1] ?? null };
  };
  let graph: ModuleGraph;
  try {
    graph = modules.graph(path);
  } catch (error) {
    if (error instanceof ModuleLoadError) return failed(loadFailure(error));
    throw error;
  }
  const realm = new Realm(modules, options.clock);
  realm.beginAnalysis(options.kind ?? "analysis", (line) => logs.push(line));
  const failure = realm.import(graph);
  if (failure) return failed(failure);
  return {
    ok: true,
    namespace: realm.namespace(path)!,
    logs,
    failureOf: (thrown) => realm.describe(thrown),
    positionOf: (callee) => findFunction(code, graph, callee),
  };
}

/** Finds a function by its text, which V8 keeps verbatim; among equal texts the first of the entry module wins. */
function findFunction(code: CodeVersion, graph: ModuleGraph, callee: unknown): FunctionPosition | null {
  if (typeof callee !== "function") return null;
  const text = Function.prototype.toString
    .call(callee)
    .replaceAll("__lensletImport(", "import(")
    .replaceAll("__lensletMeta", "import.meta");
  for (const { path } of graph.order.toReversed()) {
    const module = code.modules.get(path);
    const at = module ? module.source.indexOf(text) : -1;
    if (!module || at < 0) continue;
    const before = module.source.slice(0, at);
    const line = before.split("\n").length;
    const column = at - (before.lastIndexOf("\n") + 1);
    return {
      modulePath: path,
      generated: { line, column },
      original: originalPosition(module, line, column),
    };
  }
  return null;
}
