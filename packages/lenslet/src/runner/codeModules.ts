import vm from "node:vm";
import { assert } from "../base/assert.ts";
import { moduleNotFoundText, topLevelAwaitText } from "./limits.ts";
import { collectFacts } from "./moduleFacts.ts";
import type { ModuleFacts } from "./moduleFacts.ts";
import { parseModule } from "./moduleSyntax.ts";
import type { ParsedModule } from "./moduleSyntax.ts";
import { transformModule } from "./moduleTransform.ts";
import type { PositionMap } from "./moduleTransform.ts";
import { findLazyWrappers } from "./scope.ts";
import { findModuleState } from "./statefulness.ts";
import type { FactsSource, ResolvedBinding } from "./statefulness.ts";
import type { CodeVersion } from "./types.ts";

/** A module could not be loaded; `name` null: a host error without "Uncaught". */
export class ModuleLoadError extends Error {
  readonly errorName: string | null;
  constructor(errorName: string | null, message: string) {
    super(message);
    this.errorName = errorName;
  }
}

/** Stack frames name our scripts by this prefix and the module path. */
export const scriptScheme = "convex:/";

export interface LinkedModule {
  readonly path: string;
  readonly script: vm.Script;
  readonly positions: PositionMap;
  /** Paths of the static imports, in the order of the transformed code's import list. */
  readonly imports: readonly string[];
  /** Every exported name: the module and local that hold it; `local` null: that module's namespace. */
  readonly exports: ReadonlyMap<string, { readonly path: string; readonly local: string | null }>;
}

export interface ModuleGraph {
  readonly entry: string;
  /** Evaluation order: dependencies first. */
  readonly order: readonly LinkedModule[];
  /** Modules that keep state, and those that import them: evaluated anew for every run. */
  readonly fresh: ReadonlySet<string>;
  /** Why, for diagnostics: module path → reason. */
  readonly stateReasons: ReadonlyMap<string, string>;
  /** Paths of globals that code of this graph may change, e.g. "Array.prototype". */
  readonly watchedGlobals: readonly string[];
  /** The graph holds one known `convex` package and leaves the globals alone: its functions may take the fast path. */
  readonly isFast: boolean;
}

/** Compiled sources, shared by all code versions: a push recompiles only what it changed. */
export class SourceCache {
  readonly #entries = new Map<string, SourceEntry>();

  entry(path: string, source: string): SourceEntry {
    const key = `${path}\n${source}`;
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = new SourceEntry(path, source);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** Drops everything that none of `live` refers to. */
  sweep(live: Iterable<ReadonlySet<SourceEntry>>): void {
    const kept = new Set<SourceEntry>();
    for (const entries of live) for (const entry of entries) kept.add(entry);
    for (const [key, entry] of this.#entries) if (!kept.has(entry)) this.#entries.delete(key);
  }
}

/** One source text with what is derived from it. The syntax tree is large and dropped when a graph is done. */
class SourceEntry {
  readonly path: string;
  readonly source: string;
  #parsed: ParsedModule | null = null;
  #header: Omit<ParsedModule, "program" | "source"> | null = null;
  #lazyWrappers: ReadonlySet<string> | null = null;
  readonly #facts = new Map<string, ModuleFacts>();
  readonly #compiled = new Map<string, { script: vm.Script; positions: PositionMap }>();

  constructor(path: string, source: string) {
    this.path = path;
    this.source = source;
  }

  #parse(): ParsedModule {
    if (this.#parsed) return this.#parsed;
    try {
      this.#parsed = parseModule(this.source);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new ModuleLoadError("SyntaxError", `${message} in ${this.path}`);
    }
    if (this.#parsed.hasTopLevelAwait) throw new ModuleLoadError("SyntaxError", topLevelAwaitText);
    return this.#parsed;
  }

  header(): Omit<ParsedModule, "program" | "source"> {
    this.#header ??= this.#parse();
    return this.#header;
  }

  lazyWrappers(): ReadonlySet<string> {
    this.#lazyWrappers ??= findLazyWrappers(this.#parse().program);
    return this.#lazyWrappers;
  }

  facts(lazyWrappers: ReadonlySet<string>): ModuleFacts {
    const key = [...lazyWrappers].sort().join();
    let facts = this.#facts.get(key);
    if (!facts) {
      facts = factsOrUnknown(this.#parse(), lazyWrappers);
      this.#facts.set(key, facts);
    }
    return facts;
  }

  compile(live: ReadonlySet<string>): { script: vm.Script; positions: PositionMap } {
    const key = [...live].sort().join();
    let compiled = this.#compiled.get(key);
    if (!compiled) {
      const { code, positions } = transformModule(this.#parse(), live);
      try {
        compiled = { script: new vm.Script(code, { filename: scriptScheme + this.path }), positions };
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new ModuleLoadError("SyntaxError", `${message} in ${this.path}`);
      }
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }

  dropTree(): void {
    if (!this.#parsed) return;
    const { requests, imports, exports, hasTopLevelAwait, stock } = this.#parsed;
    this.#header = {
      requests,
      imports,
      exports,
      hasTopLevelAwait,
      stock,
      dynamicImports: [],
      importMetas: [],
    };
    this.#parsed = null;
  }
}

/** Generated code may nest deeper than the analysis can follow; it then counts as stateful, which is always right. */
function factsOrUnknown(module: ParsedModule, lazyWrappers: ReadonlySet<string>): ModuleFacts {
  try {
    return collectFacts(module, lazyWrappers);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return {
      reasons: ["the module is nested too deeply to analyse"],
      importUses: [],
      bindings: new Map(),
      heldResults: [],
      changedGlobals: new Set(["globalThis"]),
      // Not known which: none are, so importers copy. Only lazily initialised modules would notice.
      reassigned: new Set(),
    };
  }
}

/** The modules of one code version: resolution, linking, and which of them keep state. */
export class CodeModules implements FactsSource {
  readonly code: CodeVersion;
  readonly entries = new Set<SourceEntry>();
  readonly #cache: SourceCache;
  readonly #extra: ReadonlyMap<string, string>;
  readonly #runsOnce: boolean;
  readonly #byPath = new Map<string, SourceEntry>();
  readonly #linked = new Map<string, LinkedModule>();
  readonly #graphs = new Map<string, ModuleGraph>();
  readonly #components = new Map<string, number>();
  readonly #states = new Map<string, string | null>();
  #componentCount = 0;

  /**
   * `extra`: synthetic modules, path → source. `runsOnce`: each realm evaluates one graph and is done, so nobody asks
   * which modules keep state or what globals they change. To find out costs more than all the rest of a graph.
   */
  constructor(
    code: CodeVersion,
    cache: SourceCache,
    options: { readonly extra?: ReadonlyMap<string, string>; readonly runsOnce?: boolean } = {},
  ) {
    this.code = code;
    this.#cache = cache;
    this.#extra = options.extra ?? new Map();
    this.#runsOnce = options.runsOnce ?? false;
  }

  has(path: string): boolean {
    return this.#extra.has(path) || this.code.modules.has(path);
  }

  positions(path: string): PositionMap | null {
    return this.#linked.get(path)?.positions ?? null;
  }

  /** Throws ModuleLoadError. */
  graph(entry: string): ModuleGraph {
    let graph = this.#graphs.get(entry);
    if (!graph) {
      graph = this.#buildGraph(entry);
      this.#graphs.set(entry, graph);
      for (const source of this.entries) source.dropTree();
    }
    return graph;
  }

  #entry(path: string): SourceEntry {
    let entry = this.#byPath.get(path);
    if (!entry) {
      const source = this.#extra.get(path) ?? this.code.modules.get(path)?.source;
      if (source === undefined) throw new ModuleLoadError(null, moduleNotFoundText(path));
      entry = this.#cache.entry(path, source);
      this.#byPath.set(path, entry);
      this.entries.add(entry);
    }
    return entry;
  }

  /** The module path a specifier means in `referrer`. */
  resolve(referrer: string, specifier: string): string {
    if (!specifier.startsWith("./") && !specifier.startsWith("../")) {
      return this.has(specifier) || !this.has(`${specifier}.js`) ? specifier : `${specifier}.js`;
    }
    const segments = referrer.split("/").slice(0, -1);
    for (const segment of specifier.split("/")) {
      if (segment === "..") segments.pop();
      else if (segment !== ".") segments.push(segment);
    }
    const path = segments.join("/");
    return this.has(path) || !this.has(`${path}.js`) ? path : `${path}.js`;
  }

  #buildGraph(entry: string): ModuleGraph {
    const paths = this.#order(entry);
    for (const path of paths) this.#link(path);
    const order = paths.map((path) => this.#linked.get(path)!);
    if (this.#runsOnce) {
      const nothing = { fresh: new Set<string>(), stateReasons: new Map(), watchedGlobals: [] };
      return { entry, order, ...nothing, isFast: false };
    }
    const fresh = new Set<string>();
    const stateReasons = new Map<string, string>();
    const watched = new Set<string>();
    for (const path of paths) {
      const reason = this.#stateOf(path);
      if (reason !== null) stateReasons.set(path, reason);
      if (reason !== null) fresh.add(path);
      for (const global of this.facts(path).changedGlobals) watched.add(global);
    }
    for (let grew = true; grew;) {
      grew = false;
      for (const path of paths) {
        if (!fresh.has(path) && this.#linked.get(path)!.imports.some((imported) => fresh.has(imported))) {
          fresh.add(path);
          grew = true;
        }
      }
    }
    const isFast = watched.size === 0 && this.#holdsOnePackage(paths);
    return { entry, order, fresh, stateReasons, watchedGlobals: [...watched], isFast };
  }

  /** What the fast path replaces works together, so it is all of one package or nothing. */
  #holdsOnePackage(paths: readonly string[]): boolean {
    const names: string[] = [];
    for (const path of paths) {
      const { stock } = this.#entry(path).header();
      if (stock === null) return false;
      for (const { name } of stock) names.push(name);
    }
    const distinct = new Set(names);
    return (
      distinct.size === names.length && distinct.has("performAsyncSyscall") && distinct.has("jsonToConvex")
    );
  }

  #stateOf(path: string): string | null {
    let reason = this.#states.get(path);
    if (reason === undefined) {
      reason = findModuleState(path, this);
      this.#states.set(path, reason);
    }
    return reason;
  }

  /** Post-order of the static imports; also numbers the strongly connected components (Tarjan). */
  #order(entry: string): string[] {
    const order: string[] = [];
    const index = new Map<string, number>();
    const low = new Map<string, number>();
    const stack: string[] = [];
    const onStack = new Set<string>();
    const visit = (path: string): void => {
      index.set(path, index.size);
      low.set(path, index.get(path)!);
      stack.push(path);
      onStack.add(path);
      for (const specifier of this.#entry(path).header().requests) {
        const target = this.resolve(path, specifier);
        if (!index.has(target)) {
          visit(target);
          low.set(path, Math.min(low.get(path)!, low.get(target)!));
        } else if (onStack.has(target)) {
          low.set(path, Math.min(low.get(path)!, index.get(target)!));
        }
      }
      order.push(path);
      if (low.get(path) !== index.get(path)) return;
      const known = this.#components.get(path);
      const component = known ?? this.#componentCount++;
      for (;;) {
        const member = stack.pop();
        assert(member !== undefined, "the component's root is on the stack");
        onStack.delete(member);
        this.#components.set(member, component);
        if (member === path) return;
      }
    };
    visit(entry);
    return order;
  }

  #link(path: string): LinkedModule {
    const known = this.#linked.get(path);
    if (known) return known;
    const entry = this.#entry(path);
    const header = entry.header();
    const live = new Set<string>();
    for (const item of header.imports) {
      if (item.imported === "*") continue;
      const target = this.resolve(path, item.specifier);
      const holder = this.resolveExport(target, item.imported);
      if (holder === null) {
        const message = `The requested module '${item.specifier}' does not provide an export named '${item.imported}'`;
        throw new ModuleLoadError("SyntaxError", message);
      }
      const inCycle = this.#components.get(holder.path) === this.#components.get(path);
      const changes = holder.local !== null && this.facts(holder.path).reassigned.has(holder.local);
      if (inCycle || changes) live.add(item.local);
    }
    const exports = new Map<string, ResolvedExport>();
    for (const name of this.#exportNames(path, new Set())) {
      const holder = this.resolveExport(path, name);
      if (holder) exports.set(name, holder);
    }
    const imports = header.requests.map((specifier) => this.resolve(path, specifier));
    const linked: LinkedModule = { path, ...entry.compile(live), imports, exports };
    this.#linked.set(path, linked);
    return linked;
  }

  #exportNames(path: string, seen: Set<string>): Set<string> {
    const names = new Set<string>();
    if (seen.has(path)) return names;
    seen.add(path);
    for (const item of this.#entry(path).header().exports) {
      if (item.exported !== null) {
        names.add(item.exported);
      } else if (item.kind === "from") {
        for (const name of this.#exportNames(this.resolve(path, item.specifier), seen)) {
          if (name !== "default") names.add(name);
        }
      }
    }
    return names;
  }

  /** null: not exported, or ambiguous between two `export *`. */
  resolveExport(path: string, name: string, seen: Set<string> = new Set()): ResolvedExport | null {
    const key = `${path}\n${name}`;
    if (seen.has(key)) return null;
    seen.add(key);
    let starred: ResolvedExport | null = null;
    for (const item of this.#entry(path).header().exports) {
      if (item.exported === name) {
        if (item.kind === "local") return { path, local: item.local };
        const target = this.resolve(path, item.specifier);
        if (item.imported === "*") return { path: target, local: null };
        return this.resolveExport(target, item.imported, seen);
      }
      if (item.kind === "from" && item.exported === null && name !== "default") {
        const found = this.resolveExport(this.resolve(path, item.specifier), name, seen);
        if (found && starred && (found.path !== starred.path || found.local !== starred.local)) return null;
        starred ??= found;
      }
    }
    return starred;
  }

  facts(path: string): ModuleFacts {
    const entry = this.#entry(path);
    const lazy = new Set(entry.lazyWrappers());
    for (const item of entry.header().imports) {
      const holder =
        item.imported === "*" ? null : this.resolveExport(this.resolve(path, item.specifier), item.imported);
      if (holder?.local && this.#entry(holder.path).lazyWrappers().has(holder.local)) lazy.add(item.local);
    }
    return entry.facts(lazy);
  }

  resolveLocal(path: string, local: string): ResolvedBinding | null {
    const item = this.#entry(path)
      .header()
      .imports.find((candidate) => candidate.local === local);
    if (!item) return { path, local };
    if (item.imported === "*") return null;
    const holder = this.resolveExport(this.resolve(path, item.specifier), item.imported);
    return holder?.local ? { path: holder.path, local: holder.local } : null;
  }
}

interface ResolvedExport {
  readonly path: string;
  readonly local: string | null;
}
