import {
  actionGeneric,
  internalActionGeneric,
  internalMutationGeneric,
  internalQueryGeneric,
  mutationGeneric,
  queryGeneric,
} from "convex/server";
import { parseArgsValidator, parseReturnsValidator } from "../../lenslet/src/values/validator.ts";
import type { ModuleGlob } from "./types.ts";
import type { FunctionInfo } from "../../lenslet/src/engine/deployment.ts";
import { canonicalPath, type FunctionPath } from "../../lenslet/src/engine/functionPath.ts";

type ModuleNamespace = Readonly<Record<string, unknown>>;

/** A function that a module exports, as the `convex` package registers it. */
export interface RegisteredFunction {
  readonly isQuery?: boolean;
  readonly isMutation?: boolean;
  readonly isAction?: boolean;
  readonly isHttp?: boolean;
  readonly isPublic?: boolean;
  readonly isInternal?: boolean;
  readonly exportArgs?: () => string;
  readonly exportReturns?: () => string;
  readonly invokeQuery?: (argsJson: string) => Promise<string>;
  readonly invokeMutation?: (argsJson: string) => Promise<string>;
  readonly invokeAction?: (requestId: string, argsJson: string) => Promise<string>;
  readonly invokeHttpAction?: (request: Request) => Promise<Response>;
  readonly _handler?: (ctx: unknown, ...args: unknown[]) => unknown;
}

export type UdfType = "Query" | "Mutation" | "Action" | "HttpAction";

export interface LoadedFunction {
  readonly info: FunctionInfo;
  readonly registered: RegisteredFunction;
}

/** `found: false` says what there is instead, in words for whoever wrote the test. */
export type FunctionLookup =
  { readonly found: true; readonly fn: LoadedFunction } | { readonly found: false; readonly message: string };

const kinds: readonly (readonly [keyof RegisteredFunction, UdfType])[] = [
  ["isQuery", "Query"],
  ["isMutation", "Mutation"],
  ["isAction", "Action"],
  ["isHttp", "HttpAction"],
];

export function udfTypeOf(value: unknown): UdfType | null {
  if ((typeof value !== "function" && typeof value !== "object") || value === null) return null;
  const registered = value as RegisteredFunction;
  const found = kinds.filter(([flag]) => registered[flag] === true);
  return found.length === 1 ? (found[0]?.[1] ?? null) : null;
}

const inspected = new WeakMap<RegisteredFunction, FunctionInfo>();

/**
 * How a function is described for checks of its arguments and of what it returns. Worked out once for all tests of a
 * file: they share its modules.
 */
export function inspectFunction(path: FunctionPath, registered: RegisteredFunction): FunctionInfo {
  const known = inspected.get(registered);
  if (known?.path.module === path.module && known.path.name === path.name) return known;
  const info = inspectAnew(path, registered);
  inspected.set(registered, info);
  return info;
}

function inspectAnew(path: FunctionPath, registered: RegisteredFunction): FunctionInfo {
  const udfType = udfTypeOf(registered);
  if (udfType === null) {
    throw new Error(
      `Function ${canonicalPath(path)} is neither a query or mutation. Did you forget to wrap it with \`query\` or \`mutation\`?`,
    );
  }
  const returnsJson = registered.exportReturns?.() ?? null;
  return {
    path,
    udfType,
    visibility: registered.isPublic === true ? "public" : "internal",
    args: parseArgsValidator(registered.exportArgs?.() ?? null),
    returns: parseReturnsValidator(returnsJson),
    returnsJson,
    environment: "isolate",
  } as FunctionInfo;
}

type Wrapper = (handler: (ctx: unknown, ...args: unknown[]) => unknown) => RegisteredFunction;

/** By kind and visibility, which `ctx.meta` tells. */
const wrappers = {
  publicQuery: queryGeneric,
  internalQuery: internalQueryGeneric,
  publicMutation: mutationGeneric,
  internalMutation: internalMutationGeneric,
  publicAction: actionGeneric,
  internalAction: internalActionGeneric,
} as unknown as Readonly<Record<string, Wrapper>>;

const invocables = new WeakMap<RegisteredFunction, RegisteredFunction>();

/**
 * The function with the handler it has now: tests replace `_handler` by a spy, which the function's own entry point
 * would not call.
 */
export function invocable(registered: RegisteredFunction): RegisteredFunction {
  if (typeof registered._handler !== "function") return registered;
  let wrapped = invocables.get(registered);
  if (wrapped === undefined) {
    const visibility = registered.isInternal === true ? "internal" : "public";
    const wrap = wrappers[`${visibility}${udfTypeOf(registered)}`];
    wrapped = wrap === undefined ? registered : wrap((ctx, ...args) => registered._handler?.(ctx, ...args));
    invocables.set(registered, wrapped);
  }
  return wrapped;
}

/**
 * The functions of one component, loaded when they are called for. Paths of the glob are relative to wherever it
 * was written; the folder that holds `_generated` is the root.
 */
export class ModuleMap {
  readonly #glob: ModuleGlob;
  readonly #componentPath: string;
  readonly #functions = new Map<string, Promise<FunctionLookup>>();

  constructor(glob: ModuleGlob, componentPath: string) {
    this.#glob = glob;
    this.#componentPath = componentPath;
  }

  /**
   * By module path without extension, such as "dir/messages". Made when first needed, as some tests need none, and for
   * all tests that give the same glob.
   */
  get loaders(): ReadonlyMap<string, () => Promise<unknown>> {
    let loaders = loadersOfGlobs.get(this.#glob);
    if (loaders === undefined) {
      loaders = loadersOf(this.#glob, this.#componentPath);
      loadersOfGlobs.set(this.#glob, loaders);
    }
    return loaders;
  }

  /** Null when there is no such module; rejects when evaluating it fails. */
  async load(path: string): Promise<ModuleNamespace | null> {
    const load = this.loaders.get(path);
    return load === undefined ? null : ((await load()) as ModuleNamespace);
  }

  find(path: FunctionPath): Promise<FunctionLookup> {
    const key = canonicalPath(path);
    let lookup = this.#functions.get(key);
    if (lookup === undefined) {
      lookup = this.#find(path);
      this.#functions.set(key, lookup);
    }
    return lookup;
  }

  async #find(path: FunctionPath): Promise<FunctionLookup> {
    const module = path.module.slice(0, -".js".length);
    const namespace = await this.load(module);
    if (namespace === null) {
      const near = [...this.loaders.keys()].filter(
        (known) => known.split("/").at(-1) === module.split("/").at(-1),
      );
      const hint = near.length === 0 ? "" : ` Is it one of: ${near.join(", ")}?`;
      return {
        found: false,
        message: `Couldn't find JavaScript module '${path.module}'. The test's \`modules\` have no such file.${hint}`,
      };
    }
    const registered = namespace[path.name];
    if (udfTypeOf(registered) === null) {
      const exported = Object.keys(namespace).filter((name) => udfTypeOf(namespace[name]) !== null);
      const what = registered === undefined ? "is not exported" : "is not a Convex function";
      return {
        found: false,
        message: `Couldn't find "${path.name}" in module "${path.module}": it ${what}. Functions of this module: ${exported.join(", ") || "none"}.`,
      };
    }
    const fn = registered as RegisteredFunction;
    return { found: true, fn: { info: inspectFunction(path, fn), registered: fn } };
  }
}

const loadersOfGlobs = new WeakMap<ModuleGlob, ReadonlyMap<string, () => Promise<unknown>>>();

function loadersOf(glob: ModuleGlob, componentPath: string): ReadonlyMap<string, () => Promise<unknown>> {
  const root = rootOf(Object.keys(glob), componentPath);
  const loaders = new Map<string, () => Promise<unknown>>();
  for (const [file, load] of Object.entries(glob)) {
    if (!file.startsWith(root)) continue;
    const path = withoutExtension(file.slice(root.length));
    // A `.js` beside a `.ts` of the same name is its output; declarations are no modules.
    if (file.endsWith(".d.ts") || (loaders.has(path) && file.endsWith("js"))) continue;
    loaders.set(path, load);
  }
  return loaders;
}

function withoutExtension(file: string): string {
  return file.replace(/\.[cm]?[jt]sx?$/, "");
}

function rootOf(files: readonly string[], componentPath: string): string {
  const generated = files.find((file) => file.includes("_generated/"));
  if (generated !== undefined) return generated.slice(0, generated.indexOf("_generated/"));
  const whose =
    componentPath === ""
      ? "the `modules` given to convexTest"
      : `the modules of component "${componentPath}"`;
  throw new Error(
    `Could not find the "_generated" directory in ${whose}. Run \`npx convex dev\` or \`npx convex codegen\`, and ` +
      'give every file of the functions folder: import.meta.glob("./convex/**/*.*s").',
  );
}
