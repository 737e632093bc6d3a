import { TraceMap, originalPositionFor } from "@jridgewell/trace-mapping";
import { fileURLToPath } from "node:url";
import type { ModuleSource } from "../runner/types.ts";
import type { SourcePosition } from "./analysisTypes.ts";
import { FunctionLocations } from "./functionLocations.ts";

/** The runner compiles modules under this prefix and puts one line before their text. */
const isolatePrefix = "convex:/";
const isolateHeaderLines = 1;

/** Turns functions of evaluated modules into positions in the user's files. */
export class SourceLocator {
  readonly #locations = new FunctionLocations();
  readonly #modules: ReadonlyMap<string, ModuleSource>;
  readonly #maps = new Map<string, TraceMap | null>();
  /** Directory that node modules were written to, with a slash at its end. */
  nodeDirectory: string | null = null;

  constructor(modules: readonly ModuleSource[]) {
    this.#modules = new Map(modules.map((module) => [module.path, module]));
  }

  locate(target: unknown): SourcePosition | null {
    const found = this.#locations.locate(target);
    if (found === null) return null;
    const { scriptUrl, column } = found;
    const isIsolate = scriptUrl.startsWith(isolatePrefix);
    const path = isIsolate ? scriptUrl.slice(isolatePrefix.length) : this.#nodePath(scriptUrl);
    if (path === null || !this.#modules.has(path)) return null;
    const line = isIsolate ? Math.max(0, found.line - isolateHeaderLines) : found.line;
    const map = this.#mapOf(path);
    const original = map === null ? null : originalPositionFor(map, { line: line + 1, column });
    if (original === null || original.line === null) return { path, start_lineno: line, start_col: column };
    return { path, start_lineno: original.line - 1, start_col: original.column };
  }

  close(): void {
    this.#locations.close();
  }

  #nodePath(url: string): string | null {
    if (!url.startsWith("file:") || this.nodeDirectory === null) return null;
    const file = fileURLToPath(url).replaceAll("\\", "/");
    return file.startsWith(this.nodeDirectory) ? file.slice(this.nodeDirectory.length) : null;
  }

  #mapOf(path: string): TraceMap | null {
    let map = this.#maps.get(path);
    if (map !== undefined) return map;
    const text = this.#modules.get(path)?.sourceMap ?? null;
    try {
      map = text === null ? null : new TraceMap(text);
    } catch {
      // A source map that cannot be read costs positions, not the push.
      map = null;
    }
    this.#maps.set(path, map);
    return map;
  }
}
