import { badRequest, type LensletError } from "../base/errors.ts";
import { checkIdentifier } from "../values/names.ts";
import { parseArgsValidator, parseReturnsValidator } from "../values/validator.ts";
import type { AnalyzedFunction, AnalyzedHttpRoute, AnalyzedModule, SourcePosition } from "./analysisTypes.ts";
import { parseCrons } from "./cronSpecs.ts";

/** Where a function was written; null when that cannot be told. */
export type Locate = (target: unknown) => SourcePosition | null;

export interface ModuleExports {
  readonly path: string;
  readonly environment: "isolate" | "node";
  /** The module's namespace object, from another realm and not to be trusted. */
  readonly namespace: Readonly<Record<string, unknown>>;
}

export interface ModuleInspection {
  readonly analysis: AnalyzedModule;
  /** Exports that are HTTP actions; they are callable through routes only and not listed among the functions. */
  readonly httpActions: readonly string[];
}

const methods: readonly string[] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
const kinds = [
  ["isQuery", "Query"],
  ["isMutation", "Mutation"],
  ["isAction", "Action"],
] as const;

/**
 * Reads off an evaluated module what it registers (reference functions.md §2, http-api.md §6.9). Calls functions of
 * user code (`exportArgs` and the like), so it may loop or throw anything; what it throws itself is BadRequest.
 */
export function inspectModule(module: ModuleExports, locate: Locate): ModuleInspection {
  const { path, namespace } = module;
  const functions: AnalyzedFunction[] = [];
  const httpActions: string[] = [];
  for (const name of Object.keys(namespace)) {
    const value = namespace[name];
    if (typeof value !== "function") continue;
    const registered = value as unknown as Readonly<Record<string, unknown>>;
    const isHttp = registered["isHttp"] === true;
    const types = kinds.filter(([flag]) => registered[flag] === true).map(([, udfType]) => udfType);
    if (types.length + (isHttp ? 1 : 0) !== 1) continue;
    const badName = checkIdentifier(name);
    if (badName !== null) throw invalid(`Invalid function name in ${path}: ${badName}`);
    const [udfType] = types;
    if (udfType === undefined) httpActions.push(name);
    else if (registered["isPublic"] !== true || registered["isInternal"] !== true) {
      functions.push(inspectFunction(module, name, udfType, registered, locate));
    }
  }
  const analysis: AnalyzedModule = {
    functions: functions.toSorted(bySource),
    httpRoutes: path === "http.js" ? inspectRouter(namespace, locate) : null,
    cronSpecs: path === "crons.js" ? inspectCrons(namespace) : null,
    sourceMapped: null,
  };
  return { analysis, httpActions };
}

function inspectFunction(
  { path, environment }: ModuleExports,
  name: string,
  udfType: AnalyzedFunction["udfType"],
  registered: Readonly<Record<string, unknown>>,
  locate: Locate,
): AnalyzedFunction {
  if (environment === "node" && udfType !== "Action") {
    throw invalid(
      `\`${name}\` defined in \`${path}\` is a ${udfType} function. Only actions can be defined in Node.js. See https://docs.convex.dev/functions/actions for more details.`,
    );
  }
  const { isPublic, isInternal, _handler: handler } = registered;
  if (handler !== undefined && typeof handler !== "function")
    throw invalid(`${path}:${name}.handler is not a function.`);
  const args = exportedJson(path, name, "exportArgs", registered);
  const returns = exportedJson(path, name, "exportReturns", registered);
  parseArgsValidator(args);
  parseReturnsValidator(returns);
  const kind = isPublic === true ? "public" : isInternal === true ? "internal" : null;
  return {
    name,
    pos: locate(handler ?? registered),
    udfType,
    visibility: kind === null ? null : { kind },
    args,
    returns,
  };
}

function exportedJson(
  path: string,
  name: string,
  property: "exportArgs" | "exportReturns",
  registered: Readonly<Record<string, unknown>>,
): string | null {
  const exporter = registered[property];
  if (exporter === undefined) return null;
  if (typeof exporter !== "function")
    throw invalid(`${path}:${name}.${property} is not a function or \`undefined\`.`);
  let text: unknown;
  try {
    text = (exporter as () => unknown).call(registered);
    JSON.parse(text as string);
  } catch (error) {
    throw invalid(`Invalid JSON returned from ${path}:${name}.${property}(): ${describe(error)}`);
  }
  return text as string;
}

function inspectRouter(namespace: Readonly<Record<string, unknown>>, locate: Locate): AnalyzedHttpRoute[] {
  const router = namespace["default"];
  if (!isObject(router) || router["isRouter"] !== true || typeof router["getRoutes"] !== "function") {
    throw invalid("The default export of `convex/http.js` is not a Router.");
  }
  const routes: unknown = (router["getRoutes"] as () => unknown).call(router);
  if (!isArray(routes)) throw invalid("The default export of `convex/http.js` is not a Router.");
  return routes.map((route) => {
    const [path, method, handler] = isArray(route) ? route : [];
    if (typeof path !== "string" || typeof method !== "string") {
      throw invalid("The default export of `convex/http.js` is not a Router.");
    }
    if (!methods.includes(method)) {
      // "not not" is how clients know this text.
      throw invalid(
        `'${method}' is not not a routable method (one of GET, POST, PUT, DELETE, PATCH, OPTIONS)`,
      );
    }
    const written =
      isObject(handler) || typeof handler === "function"
        ? (handler as { _handler?: unknown })._handler
        : null;
    return { route: { path, method }, pos: locate(written ?? handler) };
  });
}

function inspectCrons(namespace: Readonly<Record<string, unknown>>): AnalyzedModule["cronSpecs"] {
  const crons = namespace["default"];
  if (!isObject(crons) || crons["isCrons"] !== true || typeof crons["export"] !== "function") {
    throw invalid("The default export of `convex/crons.js` is not a Crons object.");
  }
  const text: unknown = (crons["export"] as () => unknown).call(crons);
  if (typeof text !== "string")
    throw invalid("The default export of `convex/crons.js` is not a Crons object.");
  return parseCrons(text);
}

/** Every cron job must name a mutation or action that is part of the same push (reference functions.md §2). */
export function checkCronTargets(modules: ReadonlyMap<string, ModuleInspection>): void {
  for (const { identifier, spec } of modules.get("crons.js")?.analysis.cronSpecs ?? []) {
    const colon = spec.udfPath.lastIndexOf(":");
    const target = modules.get(spec.udfPath.slice(0, colon));
    const name = spec.udfPath.slice(colon + 1);
    const found = target?.analysis.functions.find((candidate) => candidate.name === name);
    const wrong = (what: string) =>
      invalid(`The cron job '${identifier}' schedules ${what}: ${spec.udfPath}`);
    if (target?.httpActions.includes(name) === true) {
      throw wrong("an HTTP action, only actions and mutations can be scheduled");
    }
    if (found === undefined) throw wrong("a function that does not exist");
    if (found.udfType === "Query")
      throw wrong("a query function, only actions and mutations can be scheduled");
  }
}

function bySource(a: AnalyzedFunction, b: AnalyzedFunction): number {
  if (a.pos === null || b.pos === null) return a.pos === b.pos ? 0 : a.pos === null ? 1 : -1;
  return a.pos.start_lineno - b.pos.start_lineno || a.pos.start_col - b.pos.start_col;
}

function invalid(message: string): LensletError {
  return badRequest("InvalidModules", message);
}

/** Text of something thrown in user code, which may be anything, also hostile. */
export function describe(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "an error that cannot be shown";
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** `Array.isArray` narrows to any[]; arrays of another realm are recognised too. */
function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
