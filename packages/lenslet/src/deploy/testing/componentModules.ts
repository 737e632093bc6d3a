import type { BundledModule } from "./testBundle.ts";

/** For tests: hand-written modules of apps with components, as the CLI would bundle them, without a bundler's time. */

interface ModuleJson {
  readonly path: string;
  readonly source: string;
  readonly environment: "isolate";
}

export interface DefinitionFiles {
  /** The object that `export()` of convex.config.js returns, or the module's whole text. */
  readonly config: object | string;
  /** Definition paths that the config imports. */
  readonly uses?: readonly string[];
  /** Path to source, or as bundled. */
  readonly modules?: Readonly<Record<string, string>> | readonly BundledModule[];
  /** SchemaJson. */
  readonly schema?: object;
}

const moduleOf = (path: string, source: string): ModuleJson => ({ path, source, environment: "isolate" });

function parts({ config, modules = {}, schema }: DefinitionFiles) {
  const text = typeof config === "string" ? config : exporting(config);
  return {
    definition: moduleOf("convex.config.js", text),
    schema: schema === undefined ? null : moduleOf("schema.js", exporting(JSON.stringify(schema))),
    modules: isBundled(modules)
      ? modules
      : Object.entries(modules).map(([path, source]) => moduleOf(path, source)),
  };
}

function isBundled(modules: NonNullable<DefinitionFiles["modules"]>): modules is readonly BundledModule[] {
  return Array.isArray(modules);
}

function exporting(value: unknown): string {
  return `export default { export: () => (${JSON.stringify(value)}) };`;
}

/** A start_push body. `components`: by definition path. */
export function componentPushBody(
  app: DefinitionFiles,
  components: Readonly<Record<string, DefinitionFiles>>,
  options: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const { definition, schema, modules } = parts(app);
  return {
    adminKey: "key",
    dryRun: false,
    functions: "convex/",
    appDefinition: {
      definition,
      dependencies: app.uses ?? [],
      schema,
      changedModules: modules,
      unchangedModuleHashes: [],
      udfServerVersion: "1.48.0",
    },
    componentDefinitions: Object.entries(components).map(([definitionPath, files]) => {
      const own = parts(files);
      return {
        definitionPath,
        definition: own.definition,
        dependencies: files.uses ?? [],
        schema: own.schema,
        functions: own.modules,
        udfServerVersion: "1.48.0",
      };
    }),
    nodeDependencies: [],
    ...options,
  };
}

export interface Use {
  readonly name: string;
  readonly path: string;
  readonly env?: Readonly<Record<string, string | { readonly from: string }>>;
}

/** What `defineApp()` with these uses exports. `env`: declared variables, "name?" for optional ones. */
export function appConfig(uses: readonly Use[] = [], options: ConfigOptions = {}): object {
  return { definitionType: { type: "app" }, ...common(uses, options) };
}

/** What `defineComponent(name)` exports. */
export function componentConfig(
  name: string,
  uses: readonly Use[] = [],
  options: ConfigOptions = {},
): object {
  return { name, definitionType: { type: "childComponent", name, args: [] }, ...common(uses, options) };
}

export interface ConfigOptions {
  readonly env?: Readonly<Record<string, object>>;
  /** Prefix to name of the child. */
  readonly mounts?: Readonly<Record<string, string>>;
}

function common(uses: readonly Use[], { env, mounts = {} }: ConfigOptions): object {
  const childComponents = uses.map(({ name, path, env: bound = {} }) => ({
    name,
    path,
    args: [],
    env: Object.entries(bound).map(([variable, value]) => [
      variable,
      typeof value === "string" ? { type: "value", value } : { type: "envVar", name: value.from },
    ]),
  }));
  const references = Object.entries(mounts).map(([prefix, name]) => [
    prefix,
    `_reference/childComponent/${name}`,
  ]);
  const declared = Object.entries(env ?? {}).map(([name, validator]) => [
    name.replace(/\?$/, ""),
    {
      type: "value",
      value: JSON.stringify(validator),
      ...(name.endsWith("?") ? { optional: true } : {}),
    },
  ]);
  return {
    childComponents,
    httpMounts: Object.fromEntries(references),
    exports: { type: "branch", branch: [] },
    ...(env === undefined ? {} : { envVars: declared }),
  };
}

/** A module with registered functions, as the npm package makes them: enough for the analysis. */
export function functionsModule(
  functions: Readonly<
    Record<string, readonly [kind: "Query" | "Mutation", visibility: "Public" | "Internal"]>
  >,
): string {
  return Object.entries(functions)
    .map(
      ([name, [kind, visibility]]) =>
        `export const ${name} = Object.assign(() => {}, { is${kind}: true, is${visibility}: true, _handler: () => {} });`,
    )
    .join("\n");
}
