import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { LensletError, badRequest } from "../base/errors.ts";
import { SourceCache } from "../runner/codeModules.ts";
import type { CodeVersion, ModuleSource } from "../runner/types.ts";
import type {
  AnalysisRequest,
  AnalysisResult,
  AnalyzedModule,
  AuthAnalysisResult,
  ComponentSources,
  DefinitionAnalysis,
  DefinitionMetadata,
} from "./analysisTypes.ts";
import { checkCronTargets, inspectModule, type ModuleInspection } from "./analyzeModule.ts";
import { parseAuthConfig, type AuthInfo } from "./authConfig.ts";
import { exportsOf, parseAppDefinition, parseComponentDefinition, plainAppDefinition } from "./definition.ts";
import { evaluateInIsolation, type Evaluated } from "./evaluate.ts";
import { importNodeModules } from "./nodeModules.ts";
import { parseSchemaJson } from "./parseSchema.ts";
import type { SchemaJson } from "./schemaTypes.ts";

export interface AnalysisEnvironment {
  readonly clock: Clock;
  /** Called before each module (see `moduleLabel`): what runs next may take its share of time and hang for ever. */
  readonly onModule: (label: string) => void;
  readonly externalPackagesFolder?: string | null;
}

/** Names a module among all definitions: its path, for a component with the definition's in front. */
export function moduleLabel(definitionPath: string, modulePath: string): string {
  return definitionPath === "" ? modulePath : `${definitionPath}${labelSeparator}${modulePath}`;
}

/** No module path has it. */
const labelSeparator = "|";

/** What a module that was ended instead of evaluated means for the push: the code and frame of its own errors. */
export function errorOfModule(label: string, text: string): LensletError {
  const at = label.lastIndexOf(labelSeparator);
  const definitionPath = label.slice(0, Math.max(0, at));
  const modulePath = label.slice(at + 1);
  switch (modulePath) {
    case "schema.js":
      return analysisErrors.schema(text, definitionPath);
    case authConfigPath:
      return analysisErrors.auth(text);
    case "convex.config.js":
      return analysisErrors.definition(text, definitionPath);
    default:
      return failedToAnalyze(modulePath, definitionPath, text);
  }
}

function failedToAnalyze(modulePath: string, definitionPath: string, text: string): LensletError {
  const file = definitionPath === "" ? modulePath : `${definitionPath}/${modulePath}`;
  return analysisErrors.modules(`Failed to analyze ${file}: ${text}`);
}

/** " of <component>" for texts that the platform has for the app only. */
function ofComponent(definitionPath: string): string {
  return definitionPath === "" ? "" : ` of the component ${definitionPath}`;
}

/** Frames of texts about errors in user code, by the module they come from. */
const analysisErrors = {
  schema: (text: string, definitionPath: string) =>
    badRequest(
      "InvalidSchema",
      `Hit an error while evaluating your schema${ofComponent(definitionPath)}:\n${text}`,
    ),
  auth: (text: string) =>
    badRequest("InvalidAuthConfig", `Hit an error while evaluating your auth config:\n${text}`),
  definition: (text: string, definitionPath: string) =>
    badRequest(
      "InvalidConvexConfig",
      `Hit an error while evaluating your convex.config.ts${ofComponent(definitionPath)}:\n${text}`,
    ),
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
    const definitions = run.definitions();
    const app = await run.implementation(run.app, definitions);
    const components: Record<string, DefinitionAnalysis> = {};
    for (const component of request.components) {
      const part = { ...component, variables: {} };
      components[component.definitionPath] = withExports(await run.implementation(part, definitions));
    }
    return { ok: true, analysis: { ...app, auth, components } };
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

/** The code of one definition, with the variables it sees. Those of components are not known yet. */
interface Part {
  /** "" for the app. */
  readonly definitionPath: string;
  readonly definition: ModuleSource | null;
  readonly schema: ModuleSource | null;
  readonly modules: readonly ModuleSource[];
  readonly variables: Readonly<Record<string, string>>;
  readonly known: ComponentSources["known"];
}

/** The steps of one analysis. Each throws BadRequest. */
class AnalysisRun {
  readonly app: Part;
  readonly #request: AnalysisRequest;
  readonly #environment: AnalysisEnvironment;
  /** Chunks that many modules import are compiled once. */
  readonly #cache = new SourceCache();

  constructor(request: AnalysisRequest, environment: AnalysisEnvironment) {
    this.#request = request;
    this.#environment = environment;
    const { definition, schema, modules, environmentVariables, builtInVariables } = request;
    const variables = { ...environmentVariables, ...builtInVariables };
    this.app = { definitionPath: "", definition, schema, modules, variables, known: null };
  }

  auth(): readonly AuthInfo[] {
    const module = this.#request.modules.find(({ path }) => path === authConfigPath);
    if (module === undefined) return [];
    const evaluated = this.#evaluate(this.app, [module], module, "authConfig");
    if (evaluated.ok) return parseAuthConfig(plainCopy(evaluated.namespace["default"]));
    if (evaluated.missingVariable === null) throw analysisErrors.auth(evaluated.error);
    throw badRequest(
      "AuthConfigMissingEnvironmentVariable",
      `Environment variable ${evaluated.missingVariable} is used in auth config file but its value was not set`,
    );
  }

  /** Evaluates every convex.config.js, those that others import first. By definition path. */
  definitions(): ReadonlyMap<string, DefinitionMetadata> {
    const components = orderedByDependency(this.#request.components);
    const definitions = new Map<string, DefinitionMetadata>();
    for (const { definitionPath, definition, dependencies } of components) {
      const part = { ...this.app, definitionPath, definition, variables: {} };
      const exported = this.#definition(part, definition, dependencies, definitions);
      definitions.set(definitionPath, parseComponentDefinition(plainCopy(exported), definitionPath));
    }
    const { definition } = this.app;
    if (definition === null) return definitions.set("", plainAppDefinition);
    const exported = this.#definition(this.app, definition, [...definitions.keys()], definitions);
    return definitions.set("", parseAppDefinition(plainCopy(exported)));
  }

  #definition(
    part: Part,
    module: ModuleSource,
    dependencies: readonly string[],
    known: ReadonlyMap<string, DefinitionMetadata>,
  ): unknown {
    const { definitionPath } = part;
    const invalid = (text: string) => analysisErrors.definition(text, definitionPath);
    const imports = dependencies.map((path) => {
      const definition = known.get(path);
      if (definition === undefined)
        throw invalid(`The component definition ${path} is imported but not part of the push.`);
      return importedDefinition(definition);
    });
    const evaluated = this.#evaluate(part, [module, ...imports], module, "analysis");
    if (!evaluated.ok) throw invalid(evaluated.error);
    const exported = callExport(evaluated, invalid);
    if (exported !== undefined) return exported;
    const what = definitionPath === "" ? "defineApp()" : "defineComponent()";
    throw invalid(`convex.config.ts must have a default export of \`${what}\`.`);
  }

  async implementation(
    part: Part,
    definitions: ReadonlyMap<string, DefinitionMetadata>,
  ): Promise<DefinitionAnalysis> {
    const definition = definitions.get(part.definitionPath);
    assert(definition !== undefined, "every definition of the push was evaluated");
    const schema = this.#schema(part);
    return { definition, schema, modules: part.known ?? (await this.#modules(part)) };
  }

  #schema(part: Part): SchemaJson | null {
    const module = part.schema;
    if (module === null) return null;
    const invalid = (text: string) => analysisErrors.schema(text, part.definitionPath);
    const evaluated = this.#evaluate({ ...part, variables: {} }, [module], module, "analysis");
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

  async #modules(part: Part): Promise<Readonly<Record<string, AnalyzedModule>>> {
    const { modules, definitionPath } = part;
    const entries = modules.filter(({ path }) => path !== authConfigPath && !path.startsWith("_deps/"));
    const isolate = modules.filter(
      ({ environment, path }) => environment === "isolate" && path !== authConfigPath,
    );
    const inspections = new Map<string, ModuleInspection>();
    const inspect = (module: ModuleSource, evaluated: Evaluated) => {
      inspections.set(module.path, inspectEvaluated(module, definitionPath, evaluated));
    };
    for (const module of entries.filter(({ environment }) => environment === "isolate")) {
      inspect(module, this.#evaluate(part, isolate, module, "analysis"));
    }
    const inNode = entries.filter(({ environment }) => environment === "node");
    await importNodeModules(modules, inNode, this.#environment, inspect);
    inFrame(() => {
      checkCronTargets(inspections);
    });
    const byPath = [...inspections].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(byPath.map(([path, { analysis }]) => [path, analysis]));
  }

  #evaluate(
    { definitionPath, variables }: Part,
    modules: readonly ModuleSource[],
    entry: ModuleSource,
    kind: "analysis" | "authConfig",
  ): Evaluated {
    this.#environment.onModule(moduleLabel(definitionPath, entry.path));
    const { importSeed, importTimestampMs } = this.#request;
    const code: CodeVersion = {
      id: "analysis",
      modules: new Map(modules.map((module) => [module.path, module])),
      env: variables,
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

function withExports(analysis: DefinitionAnalysis): DefinitionAnalysis {
  return { ...analysis, definition: { ...analysis.definition, exports: exportsOf(analysis.modules) } };
}

/** Those that others import first. Throws InvalidConvexConfig for a circle, which has no first. */
function orderedByDependency(components: readonly ComponentSources[]): readonly ComponentSources[] {
  const byPath = new Map(components.map((component) => [component.definitionPath, component]));
  const ordered = new Set<ComponentSources>();
  const visit = (component: ComponentSources, path: readonly string[]): void => {
    const { definitionPath, dependencies } = component;
    const at = path.indexOf(definitionPath);
    if (at >= 0) {
      const circle = [...path.slice(at), definitionPath].join(" -> ");
      throw badRequest("InvalidConvexConfig", `Component definitions use each other in a circle: ${circle}`);
    }
    if (ordered.has(component)) return;
    for (const dependency of dependencies) {
      const imported = byPath.get(dependency);
      if (imported !== undefined) visit(imported, [...path, definitionPath]);
    }
    ordered.add(component);
  };
  for (const component of components) visit(component, []);
  return [...ordered];
}

/** What `import component from "./_componentDeps/<path>"` gets: enough for `use()` (reference http-api.md §6.9). */
function importedDefinition(definition: DefinitionMetadata): ModuleSource {
  const { path, definitionType } = definition;
  const defaultName = definitionType.type === "childComponent" ? definitionType.name : "";
  const text = (value: unknown) => JSON.stringify(value);
  return {
    path: `_componentDeps/${Buffer.from(path).toString("base64url")}`,
    source: `export default { export: () => (${text(definition)}), componentDefinitionPath: ${text(path)}, defaultName: ${text(defaultName)} };`,
    sourceMap: null,
    environment: "isolate",
  };
}

function inspectEvaluated(
  { path, environment }: ModuleSource,
  definitionPath: string,
  evaluated: Evaluated,
): ModuleInspection {
  const failed = (text: string) => failedToAnalyze(path, definitionPath, text);
  if (!evaluated.ok) throw failed(evaluated.error);
  try {
    const { namespace, locate } = evaluated;
    return inFrame(() => inspectModule({ path, environment, namespace }, locate));
  } catch (error) {
    if (error instanceof LensletError) throw error;
    // User code threw while its exports were looked at.
    throw failed(evaluated.describe(error));
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
