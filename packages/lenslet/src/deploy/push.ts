import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { ModuleSource } from "../runner/types.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { encodeValue } from "../values/json.ts";
import type { Analysis, AnalysisRequest } from "./analysisTypes.ts";
import {
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
import { activeSchema, schemaStatus, writePendingSchema, type SchemaStatus } from "./schemaState.ts";
import { rootNamespace } from "./systemRows.ts";

/** The answer of get_config_hashes (reference http-api.md §6.1). */
export interface ConfigHashes {
  readonly config: { readonly functions: string };
  readonly moduleHashes: readonly {
    readonly path: string;
    readonly hash: string;
    readonly environment: string;
  }[];
  readonly udfServerVersion: string | null;
  readonly nodeVersion: string | null;
}

export function configHashes(tx: Transaction): ConfigHashes {
  const config = readUdfConfig(tx, rootNamespace)?.value;
  return {
    config: { functions: readFunctionsDirectory(tx) },
    moduleHashes: readModules(tx, rootNamespace).map(({ value }) => ({
      path: value.path,
      hash: value.sha256,
      environment: value.environment,
    })),
    udfServerVersion: config?.serverVersion ?? null,
    nodeVersion: config?.nodeVersion ?? null,
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
    environmentVariables: readEnvironmentVariables(tx),
    builtInVariables: options.builtInVariables,
    importSeed:
      isSameCode && config !== undefined ? new Uint8Array(config.importSeed) : options.random.bytes(32),
    importTimestampMs:
      isSameCode && config !== undefined ? config.importTimestampMs : Math.floor(options.clock.nowMs()),
  };
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
  readonly componentDefinitionPackages: { readonly "": { readonly pushId: string } };
  readonly appAuth: Analysis["auth"];
  readonly analysis: { readonly "": unknown };
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
  const environmentVariables = readEnvironmentVariables(tx);
  checkDeclaredValues(analysis, environmentVariables);
  const active = activeSchema(tx, rootNamespace);
  const schemaId = writePendingSchema(tx, rootNamespace, analysis.schema);
  if (!request.dryRun && !request.forCodegen) prepareIndexes(tx, rootNamespace, active, analysis.schema);
  const pushId = pending.put({
    modules: input.modules,
    analysis,
    schemaId,
    environmentVariables: input.environmentVariables,
    functions: request.functions,
    serverVersion: request.udfServerVersion,
    nodeVersion: request.nodeVersion,
    importSeed: input.importSeed,
    importTimestampMs: input.importTimestampMs,
    generation: readGeneration(tx),
  });
  return {
    environmentVariables: input.environmentVariables,
    externalDepsId: null,
    componentDefinitionPackages: { "": { pushId } },
    appAuth: analysis.auth,
    analysis: { "": evaluatedDefinition(request, input, analysis) },
    app: checkedApp(analysis),
    schemaChange: {
      allocatedComponentIds: {},
      schemaIds: { "": schemaId },
      indexDiffs: { "": diffIndexes(active, analysis.schema) },
    },
  };
}

/** A value that is set but does not fit is refused at once; a missing one only at finish, as codegen works without. */
function checkDeclaredValues(analysis: Analysis, variables: Readonly<Record<string, string>>): void {
  const [invalid] = checkDeclaredVariables(analysis.definition.envVars ?? [], variables).invalid;
  if (invalid !== undefined) throw invalidVariable(invalid);
}

function evaluatedDefinition(request: PushRequest, input: AnalysisRequest, analysis: Analysis): unknown {
  const seed = input.importSeed.slice().buffer;
  return {
    definition: analysis.definition,
    schema: analysis.schema,
    functions: analysis.modules,
    udfConfig: {
      serverVersion: request.udfServerVersion,
      importPhaseRngSeed: encodeValue(seed),
      importPhaseUnixTimestamp: encodeValue(BigInt(input.importTimestampMs) * 1_000_000n),
    },
  };
}

function checkedApp(analysis: Analysis): unknown {
  const routes = analysis.modules["http.js"]?.httpRoutes ?? null;
  return {
    definitionPath: "",
    componentPath: "",
    httpPrefix: analysis.definition.httpPrefix,
    args: {},
    env: {},
    childComponents: {},
    httpRoutes: {
      httpModuleRoutes:
        routes === null ? null : routes.map(({ route }) => ({ method: route.method, path: route.path })),
      mounts: [],
    },
    exports: {},
  };
}

/** One look at the state of a push's schema; http/ repeats it until it is final or the long poll ends. */
export function waitForSchemaState(
  tx: Transaction,
  schemaChange: { readonly schemaIds: Readonly<Record<string, string | null>> },
  dryRun: boolean,
): SchemaStatus {
  return schemaStatus(tx, rootNamespace, schemaChange.schemaIds[""] ?? null, dryRun);
}

/** What a push would change, without writing anything (reference http-api.md §6.3). */
export function evaluatePush(tx: Transaction, analysis: Analysis): { readonly schemaChange: SchemaChange } {
  const active = activeSchema(tx, rootNamespace);
  return {
    schemaChange: {
      allocatedComponentIds: {},
      schemaIds: { "": null },
      indexDiffs: { "": diffIndexes(active, analysis.schema) },
    },
  };
}
