import { createHash } from "node:crypto";
import type { CodeVersion, ModuleSource } from "../runner/types.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { Namespace } from "../store/store.ts";
import type { AnalyzedModule, DefinitionMetadata, EnvBinding } from "./analysisTypes.ts";
import type { AuthInfo } from "./authConfig.ts";
import { visibleComponents } from "./componentRows.ts";
import { childOfReference, childPath } from "./componentTree.ts";
import {
  analysisOf,
  readAppDefinition,
  readAuthProviders,
  readComponentDefinitions,
  readEnvironmentVariables,
  readModules,
  readUdfConfig,
} from "./configuration.ts";
import { codeOwnerOf, rootNamespace, type CodeOwner } from "./systemRows.ts";

export interface PushedModule {
  readonly source: ModuleSource;
  readonly analysis: AnalyzedModule;
}

/** The pushed code of one component, or of the app. */
export interface PushedComponent {
  readonly componentPath: string;
  readonly namespace: Namespace;
  readonly definitionPath: string;
  readonly mounted: boolean;
  readonly definition: DefinitionMetadata;
  /** By path, in path order; `_deps/` chunks and auth.config.js included. Shared by the instances of a definition. */
  readonly modules: PushedModules;
  /** `id` is a digest of all the rest, so equal code has an equal id. */
  readonly code: CodeVersion;
  /** What components took before they had `env`: JSON texts, by name. */
  readonly args: Readonly<Record<string, string>>;
  /** Path prefixes, with a slash at both ends, under which it serves the routes of its children. */
  readonly mounts: readonly { readonly prefix: string; readonly componentPath: string }[];
  /** Of the app's own routes. */
  readonly httpPrefix: string | null;
}

export type PushedModules = ReadonlyMap<string, PushedModule>;

/** The pushed code and configuration, as the system tables have them. */
export interface PushedDeployment {
  readonly authProviders: readonly AuthInfo[];
  /** Set by the user. */
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** The app first, parents before their children. */
  readonly components: readonly PushedComponent[];
  /** npm version of the last push; null before the first. */
  readonly serverVersion: string | null;
  readonly nodeVersion: string | null;
}

type Variables = Readonly<Record<string, string>>;

/** `builtInVariables`: CONVEX_CLOUD_URL and CONVEX_SITE_URL. */
export function loadDeployment(tx: Transaction, builtInVariables: Variables): PushedDeployment {
  const environmentVariables = readEnvironmentVariables(tx);
  const definitions = new DefinitionLoader(tx);
  const config = readUdfConfig(tx, rootNamespace)?.value ?? null;
  const definition = readAppDefinition(tx);
  const app = definitions.code("");
  const components: PushedComponent[] = [
    {
      componentPath: "",
      namespace: rootNamespace,
      definitionPath: "",
      mounted: true,
      definition,
      modules: app.modules,
      code: app.version({ ...environmentVariables, ...builtInVariables }),
      args: {},
      mounts: mountsOf("", definition),
      httpPrefix: definition.httpPrefix,
    },
  ];
  // What children may refer to by name: of the app only what it declares.
  const bound = new Map<string, { readonly env: Variables; readonly siteUrl: string }>([
    ["", { env: environmentVariables, siteUrl: builtInVariables["CONVEX_SITE_URL"] ?? "" }],
  ]);
  for (const { idText, value } of visibleComponents(tx)) {
    const { path, definitionPath, httpPrefix, state } = value;
    const childDefinition = definitions.metadata(definitionPath);
    if (childDefinition === null) continue;
    const parent = bound.get(path.slice(0, Math.max(0, path.lastIndexOf("/")))) ?? { env: {}, siteUrl: "" };
    const env = resolveEnv(JSON.parse(value.env) as Readonly<Record<string, EnvBinding>>, parent.env);
    const siteUrl =
      httpPrefix === null ? parent.siteUrl : `${parent.siteUrl}${httpPrefix.replace(/\/$/, "")}`;
    bound.set(path, { env, siteUrl });
    const { modules, version } = definitions.code(definitionPath);
    components.push({
      componentPath: path,
      namespace: idText,
      definitionPath,
      mounted: state === "active",
      definition: childDefinition,
      modules,
      code: version({ ...env, ...builtInVariables, CONVEX_SITE_URL: siteUrl }),
      args: JSON.parse(value.args) as Variables,
      mounts: mountsOf(path, childDefinition),
      httpPrefix: null,
    });
  }
  return {
    authProviders: readAuthProviders(tx),
    environmentVariables,
    components,
    serverVersion: config?.serverVersion ?? null,
    nodeVersion: config?.nodeVersion ?? null,
  };
}

function resolveEnv(bindings: Readonly<Record<string, EnvBinding>>, parent: Variables): Variables {
  const env: Record<string, string> = {};
  for (const [name, binding] of Object.entries(bindings)) {
    const value = binding.type === "value" ? binding.value : parent[binding.name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

function mountsOf(componentPath: string, { httpMounts }: DefinitionMetadata): PushedComponent["mounts"] {
  return Object.entries(httpMounts).map(([prefix, reference]) => ({
    prefix,
    componentPath: childPath(componentPath, childOfReference(reference)),
  }));
}

interface LoadedCode {
  readonly modules: PushedModules;
  readonly version: (env: Variables) => CodeVersion;
}

/** Reads each definition once, however many instances it has. */
class DefinitionLoader {
  readonly #tx: Transaction;
  readonly #metadata: ReadonlyMap<string, DefinitionMetadata>;
  readonly #codes = new Map<string, LoadedCode>();

  constructor(tx: Transaction) {
    this.#tx = tx;
    this.#metadata = readComponentDefinitions(tx);
  }

  metadata(definitionPath: string): DefinitionMetadata | null {
    return this.#metadata.get(definitionPath) ?? null;
  }

  code(definitionPath: string): LoadedCode {
    const known = this.#codes.get(definitionPath);
    if (known !== undefined) return known;
    const code = loadCode(this.#tx, codeOwnerOf(definitionPath));
    this.#codes.set(definitionPath, code);
    return code;
  }
}

function loadCode(tx: Transaction, owner: CodeOwner): LoadedCode {
  const config = readUdfConfig(tx, owner)?.value ?? null;
  const importSeed = config === null ? new Uint8Array(32) : new Uint8Array(config.importSeed);
  const importTimestampMs = config?.importTimestampMs ?? 0;
  const texts: string[] = [];
  const modules = new Map<string, PushedModule>();
  for (const row of readModules(tx, owner)) {
    const { path, source, sourceMap, environment, sha256 } = row.value;
    modules.set(path, { source: { path, source, sourceMap, environment }, analysis: analysisOf(row) });
    texts.push(JSON.stringify([path, environment, sha256]));
  }
  const sources = new Map([...modules].map(([path, module]) => [path, module.source]));
  const version = (env: Variables): CodeVersion => {
    const digest = createHash("sha256")
      .update(importSeed)
      .update(JSON.stringify([importTimestampMs, env]));
    for (const text of texts) digest.update(text);
    return { id: digest.digest("hex"), modules: sources, env, importSeed, importTimestampMs };
  };
  return { modules, version };
}
