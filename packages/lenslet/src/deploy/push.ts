import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { ModuleSource } from "../runner/types.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { encodeValue } from "../values/json.ts";
import type {
  Analysis,
  AnalysisRequest,
  AnalyzedModule,
  ComponentSources,
  DefinitionAnalysis,
} from "./analysisTypes.ts";
import { allocateNamespaces, existingNamespaces } from "./componentMount.ts";
import { checkedComponent, componentTree, definitionOf, instancesOf } from "./componentTree.ts";
import {
  analysisOf,
  readEnvironmentVariables,
  readFunctionsDirectory,
  readGeneration,
  readModules,
  readUdfConfig,
} from "./configuration.ts";
import { checkDeclaredVariables, invalidVariable } from "./environmentVariables.ts";
import { diffIndexes, type IndexDiff } from "./indexDiff.ts";
import type { PendingPushes } from "./pendingPushes.ts";
import { hashModule, pushError, type PushRequest } from "./pushRequest.ts";
import { prepareIndexes } from "./schemaIndexes.ts";
import {
  activeSchema,
  schemaStatus,
  writePendingSchema,
  type ComponentSchemaStatus,
  type SchemaStatus,
} from "./schemaState.ts";
import { codeOwnerOf, rootNamespace } from "./systemRows.ts";

/** The answer of get_config_hashes (reference http-api.md §6.1). */
export interface ConfigHashes {
  readonly config: { readonly functions: string };
  readonly moduleHashes: readonly {
    readonly path: string;
    readonly hash: string;
    readonly environment: string;
  }[];
  readonly udfServerVersion: string | null;
  /** Absent where none is configured: the CLI compares it with what its own configuration does not have either. */
  readonly nodeVersion?: string;
}

export function configHashes(tx: Transaction): ConfigHashes {
  const config = readUdfConfig(tx, rootNamespace)?.value;
  const nodeVersion = config?.nodeVersion ?? null;
  return {
    config: { functions: readFunctionsDirectory(tx) },
    moduleHashes: readModules(tx, rootNamespace).map(({ value }) => ({
      path: value.path,
      hash: value.sha256,
      environment: value.environment,
    })),
    udfServerVersion: config?.serverVersion ?? null,
    ...(nodeVersion === null ? {} : { nodeVersion }),
  };
}

/**
 * Completes a push to what the analysis needs: sources of unchanged modules, variables, and what random numbers and
 * the clock show at import. Throws BadRequest when a module said to be unchanged is not here.
 */
export function prepareAnalysis(
  tx: Transaction,
  request: PushRequest,
  options: {
    readonly random: Random;
    readonly clock: Clock;
    readonly builtInVariables: Readonly<Record<string, string>>;
  },
): AnalysisRequest {
  const deployed = new Map(readModules(tx, rootNamespace).map((row) => [row.value.path, row.value]));
  const unchanged = request.unchangedModules.map(({ path, environment, sha256 }): ModuleSource => {
    const row = deployed.get(path);
    if (row === undefined || row.sha256 !== sha256 || row.environment !== environment) {
      throw pushError(
        "MissingSourcePackage",
        `The module ${path} was sent as unchanged, but the server has no such version of it. Push again.`,
      );
    }
    return { path, environment, source: row.source, sourceMap: row.sourceMap };
  });
  const modules = [...unchanged, ...request.changedModules].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  // A push of the same code changes nothing, so that it does not throw away what is compiled and cached.
  const config = readUdfConfig(tx, rootNamespace)?.value;
  const isSameCode =
    modules.length === deployed.size &&
    modules.every((module) => {
      const row = deployed.get(module.path);
      return row?.environment === module.environment && row.sha256 === hashModule(module);
    });
  return {
    definition: request.definition,
    schema: request.schema,
    modules,
    components: request.components.map((component) => ({
      ...component,
      known: analysisOfSameCode(tx, component),
    })),
    environmentVariables: readEnvironmentVariables(tx),
    builtInVariables: options.builtInVariables,
    importSeed:
      isSameCode && config !== undefined ? new Uint8Array(config.importSeed) : options.random.bytes(32),
    importTimestampMs:
      isSameCode && config !== undefined ? config.importTimestampMs : Math.floor(options.clock.nowMs()),
  };
}

function analysisOfSameCode(
  tx: Transaction,
  { definitionPath, modules }: ComponentSources,
): ComponentSources["known"] {
  const rows = new Map(
    readModules(tx, codeOwnerOf(definitionPath)).map((row) => [row.value.path, row] as const),
  );
  if (modules.length === 0 || modules.length !== rows.size) return null;
  const known: Record<string, AnalyzedModule> = {};
  for (const module of modules.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const row = rows.get(module.path);
    if (row?.value.sha256 !== hashModule(module) || row.value.environment !== module.environment) return null;
    if (!module.path.startsWith("_deps/")) known[module.path] = analysisOf(row);
  }
  return known;
}

export interface SchemaChange {
  readonly allocatedComponentIds: Readonly<Record<string, string>>;
  /** By component path; null without a schema. */
  readonly schemaIds: Readonly<Record<string, string | null>>;
  readonly indexDiffs: Readonly<Record<string, IndexDiff>>;
}

/** Reference http-api.md §6.2. `componentDefinitionPackages[""].pushId` names the entry of `PendingPushes`. */
export interface StartPushResponse {
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly externalDepsId: string | null;
  readonly componentDefinitionPackages: { readonly "": { readonly pushId: string } } & Readonly<
    Record<string, unknown>
  >;
  readonly appAuth: Analysis["auth"];
  /** By definition path. */
  readonly analysis: Readonly<Record<string, unknown>>;
  readonly app: unknown;
  readonly schemaChange: SchemaChange;
}

/**
 * Writes the pending schema and, unless dryRun or forCodegen, missing tables and indexes. Any number of these may
 * never be finished. Throws BadRequest.
 */
export function startPush(
  tx: Transaction,
  request: PushRequest,
  input: AnalysisRequest,
  analysis: Analysis,
  pending: PendingPushes,
): StartPushResponse {
  checkDeclaredValues(analysis, readEnvironmentVariables(tx));
  const tree = componentTree(analysis, { checkRequired: !request.forCodegen });
  const instances = instancesOf(tree);
  const isRehearsal = request.dryRun || request.forCodegen;
  const namespaces = isRehearsal ? existingNamespaces(tx) : allocateNamespaces(tx, instances.slice(1));
  const schemaIds = new Map<string, string | null>();
  const indexDiffs = new Map<string, IndexDiff>();
  for (const { path, definitionPath } of instances) {
    const { schema } = definitionOf(analysis, definitionPath);
    const namespace = namespaces.get(path);
    const active = namespace === undefined ? null : activeSchema(tx, namespace);
    indexDiffs.set(path, diffIndexes(active, schema));
    // A component that a rehearsal would create has no data that could contradict its schema.
    schemaIds.set(path, namespace === undefined ? null : writePendingSchema(tx, namespace, schema));
    if (!isRehearsal && namespace !== undefined) prepareIndexes(tx, namespace, active, schema);
  }
  const pushId = pending.put({
    modules: input.modules,
    components: input.components,
    analysis,
    tree,
    namespaces,
    schemaIds,
    environmentVariables: input.environmentVariables,
    functions: request.functions,
    serverVersion: request.udfServerVersion,
    nodeVersion: request.nodeVersion,
    importSeed: input.importSeed,
    importTimestampMs: input.importTimestampMs,
    generation: readGeneration(tx),
  });
  const children = instances.slice(1).map(({ path }) => path);
  const allocated = children.flatMap((path): [string, string][] => {
    const namespace = namespaces.get(path);
    return namespace === undefined ? [] : [[path, namespace]];
  });
  return {
    environmentVariables: input.environmentVariables,
    externalDepsId: null,
    componentDefinitionPackages: {
      ...Object.fromEntries(Object.keys(analysis.components).map((path) => [path, {}])),
      "": { pushId },
    },
    appAuth: analysis.auth,
    analysis: evaluatedDefinitions(request, input, analysis),
    app: checkedComponent(tree, analysis),
    schemaChange: {
      allocatedComponentIds: Object.fromEntries(allocated),
      schemaIds: Object.fromEntries(schemaIds),
      indexDiffs: Object.fromEntries(indexDiffs),
    },
  };
}

/** A value that is set but does not fit is refused at once; a missing one only at finish, as codegen works without. */
function checkDeclaredValues(analysis: Analysis, variables: Readonly<Record<string, string>>): void {
  const [invalid] = checkDeclaredVariables(analysis.definition.envVars ?? [], variables).invalid;
  if (invalid !== undefined) throw invalidVariable(invalid);
}

function evaluatedDefinitions(
  request: PushRequest,
  input: AnalysisRequest,
  analysis: Analysis,
): Readonly<Record<string, unknown>> {
  const seed = input.importSeed.slice().buffer;
  const importPhase = {
    importPhaseRngSeed: encodeValue(seed),
    importPhaseUnixTimestamp: encodeValue(BigInt(input.importTimestampMs) * 1_000_000n),
  };
  const evaluated = ({ definition, schema, modules }: DefinitionAnalysis, serverVersion: string) => {
    return { definition, schema, functions: modules, udfConfig: { serverVersion, ...importPhase } };
  };
  const components = input.components.map(({ definitionPath, serverVersion }): [string, unknown] => [
    definitionPath,
    evaluated(definitionOf(analysis, definitionPath), serverVersion),
  ]);
  return { "": evaluated(analysis, request.udfServerVersion), ...Object.fromEntries(components) };
}

/** One look at the state of a push's schemas; http/ repeats it until it is final or the long poll ends. */
export function waitForSchemaState(
  tx: Transaction,
  schemaChange: { readonly schemaIds: Readonly<Record<string, string | null>> },
  dryRun: boolean,
): SchemaStatus {
  const namespaces = existingNamespaces(tx);
  const unfinished: Record<string, ComponentSchemaStatus> = {};
  let isRaced = false;
  for (const [path, schemaId] of Object.entries(schemaChange.schemaIds)) {
    if (schemaId === null) continue;
    const namespace = namespaces.get(path);
    const status: SchemaStatus =
      namespace === undefined
        ? { type: "raceDetected" }
        : schemaStatus(tx, namespace, schemaId, dryRun, path);
    if (status.type === "failed") return status;
    if (status.type === "raceDetected") isRaced = true;
    if (status.type === "inProgress") Object.assign(unfinished, status.components);
  }
  if (isRaced) return { type: "raceDetected" };
  if (Object.keys(unfinished).length === 0) return { type: "complete" };
  return { type: "inProgress", components: unfinished };
}

/** What a push would change, without writing anything (reference http-api.md §6.3). */
export function evaluatePush(tx: Transaction, analysis: Analysis): { readonly schemaChange: SchemaChange } {
  const namespaces = existingNamespaces(tx);
  const instances = instancesOf(componentTree(analysis, { checkRequired: false }));
  const diffs = instances.map(({ path, definitionPath }): [string, IndexDiff] => {
    const namespace = namespaces.get(path);
    const active = namespace === undefined ? null : activeSchema(tx, namespace);
    return [path, diffIndexes(active, definitionOf(analysis, definitionPath).schema)];
  });
  return {
    schemaChange: {
      allocatedComponentIds: {},
      schemaIds: Object.fromEntries(instances.map(({ path }) => [path, null])),
      indexDiffs: Object.fromEntries(diffs),
    },
  };
}
