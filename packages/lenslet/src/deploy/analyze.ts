import type { Clock } from "../base/clock.ts";
import { LensletError, badRequest } from "../base/errors.ts";
import { SourceCache } from "../runner/codeModules.ts";
import type { CodeVersion, ModuleSource } from "../runner/types.ts";
import type {
  Analysis,
  AnalysisRequest,
  AnalysisResult,
  AnalyzedModule,
  AuthAnalysisResult,
  DefinitionMetadata,
} from "./analysisTypes.ts";
import { checkCronTargets, inspectModule, type ModuleInspection } from "./analyzeModule.ts";
import { parseAuthConfig, type AuthInfo } from "./authConfig.ts";
import { parseAppDefinition, plainAppDefinition } from "./definition.ts";
import { evaluateInIsolation, type Evaluated } from "./evaluate.ts";
import { importNodeModules } from "./nodeModules.ts";
import { parseSchemaJson } from "./schemaJson.ts";
import type { SchemaJson } from "./schemaTypes.ts";

export interface AnalysisEnvironment {
  readonly clock: Clock;
  /** Called before each module: what runs next may take its share of time and hang for ever. */
  readonly onModule: (path: string) => void;
}

/** Frames of texts about errors in user code, by the module they come from. */
export const analysisErrors = {
  schema: (text: string) =>
    badRequest("InvalidSchema", `Hit an error while evaluating your schema:\n${text}`),
  auth: (text: string) =>
    badRequest("InvalidAuthConfig", `Hit an error while evaluating your auth config:\n${text}`),
  definition: (text: string) =>
    badRequest("InvalidConvexConfig", `Hit an error while evaluating your convex.config.ts:\n${text}`),
  modules: (text: string) =>
    badRequest("InvalidModules", `Loading the pushed modules encountered the following\n    error:\n${text}`),
};

export const authConfigPath = "auth.config.js";
const seeSchemas = "To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.";

/**
 * Evaluates everything of a push. Runs user code on the calling thread with no limit of time or memory: production
 * code calls `analyzePush` (analysisWorker.ts), which puts it on a thread of its own.
 */
export async function analyze(
  request: AnalysisRequest,
  environment: AnalysisEnvironment,
): Promise<AnalysisResult> {
  const run = new AnalysisRun(request, environment);
  try {
    const auth = run.auth();
    const schema = run.schema();
    const definition = run.definition();
    const modules = await run.modules();
    const analysis: Analysis = { auth, schema, definition, modules };
    return { ok: true, analysis };
  } catch (error) {
    if (!(error instanceof LensletError)) throw error;
    return { ok: false, code: error.code, message: `Hit an error while pushing:\n${error.message}` };
  }
}

/** Only auth.config.js, after a change of environment variables; `ok: false` refuses the change. */
export function analyzeAuthConfig(
  request: AnalysisRequest,
  environment: AnalysisEnvironment,
): AuthAnalysisResult {
  try {
    return { ok: true, auth: new AnalysisRun(request, environment).auth() };
  } catch (error) {
    if (!(error instanceof LensletError)) throw error;
    return { ok: false, code: error.code, message: error.message };
  }
}

/** The steps of one analysis. Each throws BadRequest. */
class AnalysisRun {
  readonly #request: AnalysisRequest;
  readonly #environment: AnalysisEnvironment;
  /** The parts of it that are read, by step. */
  readonly #variables: Readonly<Record<string, string>>;
  /** Chunks that many modules import are compiled once. */
  readonly #cache = new SourceCache();

  constructor(request: AnalysisRequest, environment: AnalysisEnvironment) {
    this.#request = request;
    this.#environment = environment;
    this.#variables = { ...request.environmentVariables, ...request.builtInVariables };
  }

  auth(): readonly AuthInfo[] {
    const module = this.#request.modules.find(({ path }) => path === authConfigPath);
    if (module === undefined) return [];
    const evaluated = this.#evaluate([module], module, this.#variables, "authConfig");
    if (evaluated.ok) return parseAuthConfig(plainCopy(evaluated.namespace["default"]));
    if (evaluated.missingVariable === null) throw analysisErrors.auth(evaluated.error);
    throw badRequest(
      "AuthConfigMissingEnvironmentVariable",
      `Environment variable ${evaluated.missingVariable} is used in auth config file but its value was not set`,
    );
  }

  schema(): SchemaJson | null {
    const module = this.#request.schema;
    if (module === null) return null;
    const invalid = analysisErrors.schema;
    const evaluated = this.#evaluate([module], module, {}, "analysis");
    if (!evaluated.ok) throw invalid(evaluated.error);
    if (!("default" in evaluated.namespace))
      throw invalid(`Schema file missing default export. ${seeSchemas}`);
    const text = callExport(evaluated, invalid);
    if (typeof text !== "string") {
      throw invalid(`Default export from schema file isn't a Convex schema. ${seeSchemas}`);
    }
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw invalid(`The schema is no JSON: ${(error as Error).message}`);
    }
    return parseSchemaJson(json);
  }

  definition(): DefinitionMetadata {
    const module = this.#request.definition;
    if (module === null) return plainAppDefinition;
    const invalid = analysisErrors.definition;
    const evaluated = this.#evaluate([module], module, this.#variables, "analysis");
    if (!evaluated.ok) throw invalid(evaluated.error);
    const exported = callExport(evaluated, invalid);
    if (exported === undefined)
      throw invalid("convex.config.ts must have a default export of `defineApp()`.");
    return parseAppDefinition(plainCopy(exported));
  }

  async modules(): Promise<Readonly<Record<string, AnalyzedModule>>> {
    const { modules } = this.#request;
    const entries = modules.filter(({ path }) => path !== authConfigPath && !path.startsWith("_deps/"));
    const isolate = modules.filter(
      ({ environment, path }) => environment === "isolate" && path !== authConfigPath,
    );
    const inspections = new Map<string, ModuleInspection>();
    const inspect = (module: ModuleSource, evaluated: Evaluated) => {
      inspections.set(module.path, inspectEvaluated(module, evaluated));
    };
    for (const module of entries.filter(({ environment }) => environment === "isolate")) {
      inspect(module, this.#evaluate(isolate, module, this.#variables, "analysis"));
    }
    const inNode = entries.filter(({ environment }) => environment === "node");
    await importNodeModules(modules, inNode, this.#environment.onModule, inspect);
    inFrame(() => {
      checkCronTargets(inspections);
    });
    const byPath = [...inspections].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(byPath.map(([path, { analysis }]) => [path, analysis]));
  }

  #evaluate(
    modules: readonly ModuleSource[],
    entry: ModuleSource,
    env: Readonly<Record<string, string>>,
    kind: "analysis" | "authConfig",
  ): Evaluated {
    this.#environment.onModule(entry.path);
    const { importSeed, importTimestampMs } = this.#request;
    const code: CodeVersion = {
      id: "analysis",
      modules: new Map(modules.map((module) => [module.path, module])),
      env,
      importSeed,
      importTimestampMs,
    };
    return evaluateInIsolation(code, entry.path, {
      clock: this.#environment.clock,
      cache: this.#cache,
      kind,
    });
  }
}

function inspectEvaluated({ path, environment }: ModuleSource, evaluated: Evaluated): ModuleInspection {
  if (!evaluated.ok) throw analysisErrors.modules(`Failed to analyze ${path}: ${evaluated.error}`);
  try {
    const { namespace, locate } = evaluated;
    return inFrame(() => inspectModule({ path, environment, namespace }, locate));
  } catch (error) {
    if (error instanceof LensletError) throw error;
    // User code threw while its exports were looked at.
    throw analysisErrors.modules(`Failed to analyze ${path}: ${evaluated.describe(error)}`);
  }
}

/** Errors of the body keep their code and get the frame of module errors. */
function inFrame<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof LensletError)) throw error;
    throw badRequest(error.code, analysisErrors.modules(error.message).message);
  }
}

/** What `export()` of the default export returns; undefined if there is no such thing. */
function callExport(
  evaluated: Evaluated & { readonly ok: true },
  invalid: (text: string) => LensletError,
): unknown {
  try {
    const exported = evaluated.namespace["default"];
    if (typeof exported !== "object" || exported === null) return undefined;
    const method = (exported as { readonly export?: unknown }).export;
    return typeof method === "function" ? (method as () => unknown).call(exported) : undefined;
  } catch (error) {
    throw invalid(evaluated.describe(error));
  }
}

/** Objects of another realm as plain data of this one. */
function plainCopy(value: unknown): unknown {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}
