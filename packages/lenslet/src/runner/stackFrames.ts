import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { scriptScheme } from "./codeModules.ts";
import type { CodeModules } from "./codeModules.ts";
import { framesMax } from "./limits.ts";
import type { ModuleSource } from "./types.ts";

/** A place in the uploaded sources or, where a source map tells, in the original ones. */
export interface SourcePosition {
  /** e.g. "../convex/messages.ts"; the module path when there is no source map. */
  readonly source: string;
  /** 1-based. */
  readonly line: number;
  /** 0-based. */
  readonly column: number;
}

const traceMaps = new WeakMap<ModuleSource, TraceMap | null>();

function traceMapOf(module: ModuleSource): TraceMap | null {
  let map = traceMaps.get(module);
  if (map === undefined) {
    try {
      map = module.sourceMap ? new TraceMap(module.sourceMap) : null;
    } catch {
      // A map that cannot be read only costs the original positions.
      map = null;
    }
    traceMaps.set(module, map);
  }
  return map;
}

/** Maps a place of an uploaded module (line 1-based, column 0-based) to the original source. */
export function originalPosition(module: ModuleSource, line: number, column: number): SourcePosition {
  const map = traceMapOf(module);
  const found = map && originalPositionFor(map, { line, column });
  if (found && found.source !== null) return { source: found.source, line: found.line, column: found.column };
  return { source: module.path, line, column };
}

/** One V8 call site in the form of functions.md §6.1, without the leading "    ". */
export interface Frame {
  readonly text: string;
  readonly kind: "user" | "runtime" | "builtin";
}

const packageImplementation = /(^|\/)convex\/(src|dist\/[\w-]+)\/server\/impl\//;

/** Where frames are looked up: the uploaded modules, and how their transformed code differs from them. */
export type FrameModules = Pick<CodeModules, "code" | "positions">;

/** Frames of user code, the npm package's implementation cut off at both ends, the server's own left out. */
export function formatFrames(sites: readonly NodeJS.CallSite[], modules: FrameModules): string[] {
  const frames: Frame[] = [];
  /** Built-in functions belong to whoever called them, which is the next frame. */
  let builtins: Frame[] = [];
  for (const site of sites) {
    const frame = formatFrame(site, modules);
    if (frame === null) {
      builtins = [];
    } else if (frame.kind === "builtin") {
      builtins.push(frame);
    } else {
      frames.push(...builtins, frame);
      builtins = [];
    }
    if (frames.length >= framesMax) break;
  }
  const end = frames.findLastIndex((frame) => frame.kind === "user") + 1;
  let start = 0;
  while (start < end && frames[start]!.kind !== "user") {
    const next = frames.findIndex((frame, index) => index >= start && frame.kind !== "builtin");
    if (frames[next]!.kind === "user") break;
    start = next + 1;
  }
  return frames.slice(start, Math.min(end, start + framesMax)).map((frame) => `    ${frame.text}`);
}

function formatFrame(site: NodeJS.CallSite, modules: FrameModules): Frame | null {
  const promise = promiseFrame(site);
  if (promise !== null) return { text: `at async ${promise}`, kind: "builtin" };
  const file = site.getFileName();
  if (file === null || file === undefined) {
    const name = callName(site);
    return name === "" ? null : { text: `at ${name} (<anonymous>)`, kind: "builtin" };
  }
  if (!file.startsWith(scriptScheme)) return null;
  const path = file.slice(scriptScheme.length);
  const position = positionIn(modules, path, site.getLineNumber() ?? 1, (site.getColumnNumber() ?? 1) - 1);
  const location = `${position.source}:${position.line}:${position.column}`;
  const kind = packageImplementation.test(position.source) ? "runtime" : "user";
  const name = callName(site);
  const asyncPrefix = (site as { isAsync?: () => boolean }).isAsync?.() ? "async " : "";
  return {
    text: name === "" ? `at ${asyncPrefix}${location}` : `at ${asyncPrefix}${name} (${location})`,
    kind,
  };
}

/** Line (1-based) and column (0-based) are V8's, in the transformed code. */
function positionIn(modules: FrameModules, path: string, line: number, column: number): SourcePosition {
  const at = modules.positions(path)?.toSource(line, column) ?? { line, column };
  const module = modules.code.modules.get(path);
  return module ? originalPosition(module, at.line, at.column) : { source: path, ...at };
}

function promiseFrame(site: NodeJS.CallSite): string | null {
  const promise = site as { isPromiseAll?: () => boolean; getPromiseIndex?: () => number | null };
  if (!promise.isPromiseAll?.()) return null;
  return `Promise.all (index ${promise.getPromiseIndex?.() ?? 0})`;
}

function callName(site: NodeJS.CallSite): string {
  const functionName = site.getFunctionName();
  if (site.isConstructor()) return `new ${functionName ?? "<anonymous>"}`;
  if (site.isToplevel()) return functionName ?? "";
  const typeName = site.getTypeName();
  const methodName = site.getMethodName();
  if (functionName) {
    const owner = typeName && !functionName.startsWith(typeName) ? `${typeName}.` : "";
    const alias = methodName && !functionName.endsWith(methodName) ? ` [as ${methodName}]` : "";
    return `${owner}${functionName}${alias}`;
  }
  return typeName ? `${typeName}.${methodName ?? "<anonymous>"}` : "";
}
