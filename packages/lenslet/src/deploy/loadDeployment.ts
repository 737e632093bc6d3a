import { createHash } from "node:crypto";
import type { CodeVersion, ModuleSource } from "../runner/types.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { AnalyzedModule, DefinitionMetadata } from "./analysisTypes.ts";
import type { AuthInfo } from "./authConfig.ts";
import {
  analysisOf,
  readAppDefinition,
  readAuthProviders,
  readEnvironmentVariables,
  readModules,
  readUdfConfig,
} from "./configuration.ts";
import { rootNamespace } from "./systemRows.ts";

export interface PushedModule {
  readonly source: ModuleSource;
  readonly analysis: AnalyzedModule;
}

/** The pushed code and configuration of the app, as the system tables have it. */
export interface PushedDeployment {
  readonly authProviders: readonly AuthInfo[];
  /** Set by the user. */
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly definition: DefinitionMetadata;
  /** By path, in path order; `_deps/` chunks and auth.config.js included. */
  readonly modules: ReadonlyMap<string, PushedModule>;
  /** `id` is a digest of all the rest, so equal code has an equal id. */
  readonly code: CodeVersion;
  /** npm version of the last push; null before the first. */
  readonly serverVersion: string | null;
  readonly nodeVersion: string | null;
}

/** `builtInVariables`: CONVEX_CLOUD_URL and CONVEX_SITE_URL. */
export function loadDeployment(
  tx: Transaction,
  builtInVariables: Readonly<Record<string, string>>,
): PushedDeployment {
  const environmentVariables = readEnvironmentVariables(tx);
  const config = readUdfConfig(tx, rootNamespace)?.value ?? null;
  const env = { ...environmentVariables, ...builtInVariables };
  const importSeed = config === null ? new Uint8Array(32) : new Uint8Array(config.importSeed);
  const importTimestampMs = config?.importTimestampMs ?? 0;
  const digest = createHash("sha256")
    .update(importSeed)
    .update(JSON.stringify([importTimestampMs, env]));
  const modules = new Map<string, PushedModule>();
  for (const row of readModules(tx, rootNamespace)) {
    const { path, source, sourceMap, environment, sha256 } = row.value;
    modules.set(path, { source: { path, source, sourceMap, environment }, analysis: analysisOf(row) });
    digest.update(JSON.stringify([path, environment, sha256]));
  }
  return {
    authProviders: readAuthProviders(tx),
    environmentVariables,
    definition: readAppDefinition(tx),
    modules,
    code: {
      id: digest.digest("hex"),
      modules: new Map([...modules].map(([path, module]) => [path, module.source])),
      env,
      importSeed,
      importTimestampMs,
    },
    serverVersion: config?.serverVersion ?? null,
    nodeVersion: config?.nodeVersion ?? null,
  };
}
