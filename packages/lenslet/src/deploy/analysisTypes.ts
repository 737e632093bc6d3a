import type { CronSchedule } from "../jobs/cronSchedule.ts";
import type { ModuleSource } from "../runner/types.ts";
import type { AuthInfo } from "./authConfig.ts";
import type { DeclaredVariable } from "./environmentVariables.ts";
import type { SchemaJson } from "./schemaTypes.ts";

/** Everything the analysis of a push needs; structured-cloneable, no database behind it. */
export interface AnalysisRequest {
  /** convex.config.js, or null for an app without one. */
  readonly definition: ModuleSource | null;
  readonly schema: ModuleSource | null;
  /** The complete module set after the push, unchanged ones included; `auth.config.js` among them. */
  readonly modules: readonly ModuleSource[];
  /** In any order. */
  readonly components: readonly ComponentSources[];
  /** Set by the user. */
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** Set by the server: CONVEX_CLOUD_URL and CONVEX_SITE_URL. */
  readonly builtInVariables: Readonly<Record<string, string>>;
  /** Drives Math.random() while modules are imported, now and at every later import of this code. */
  readonly importSeed: Uint8Array;
  readonly importTimestampMs: number;
}

/** A component's definition with its code. All modules are there, unchanged ones too. */
export interface ComponentSources {
  /** Directory relative to the app's, e.g. "../node_modules/@convex-dev/rate-limiter/dist/component". */
  readonly definitionPath: string;
  /** convex.config.js */
  readonly definition: ModuleSource;
  /** Definition paths that its convex.config.js imports. */
  readonly dependencies: readonly string[];
  readonly schema: ModuleSource | null;
  readonly modules: readonly ModuleSource[];
  readonly serverVersion: string;
  /**
   * What the analysis of these very modules said at the last push, so that it is not made again: components see no
   * variables while they are imported, so equal code means equal functions. Null: they are new or have changed.
   */
  readonly known: Readonly<Record<string, AnalyzedModule>> | null;
}

export type AnalysisResult =
  | { readonly ok: true; readonly analysis: Analysis }
  /** `code` and `message` are those of the 400 answer. */
  | { readonly ok: false; readonly code: string; readonly message: string };

/** `code` and `message` as above, without the frame of a push. */
export type AuthAnalysisResult =
  | { readonly ok: true; readonly auth: readonly AuthInfo[] }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** What one definition, the app's or a component's, turned out to be. */
export interface DefinitionAnalysis {
  readonly definition: DefinitionMetadata;
  readonly schema: SchemaJson | null;
  /** By module path, in path order; `_deps/` chunks and auth.config.js are left out. */
  readonly modules: Readonly<Record<string, AnalyzedModule>>;
}

/** Of the app, and of every component definition that was pushed. */
export interface Analysis extends DefinitionAnalysis {
  readonly auth: readonly AuthInfo[];
  /** By definition path. */
  readonly components: Readonly<Record<string, DefinitionAnalysis>>;
}

/** `analysis[path].definition` in a start_push answer (reference http-api.md §6.2). */
export interface DefinitionMetadata {
  /** "" for the app. */
  readonly path: string;
  readonly definitionType:
    | { readonly type: "app" }
    | { readonly type: "childComponent"; readonly name: string; readonly args: readonly [] };
  readonly childComponents: readonly ComponentInstantiation[];
  /** Prefix, with a slash at both ends, to "_reference/childComponent/<name>". */
  readonly httpMounts: Readonly<Record<string, string>>;
  readonly httpPrefix: string | null;
  /** Empty for the app. */
  readonly exports: ExportBranch;
  readonly envVars: readonly DeclaredVariable[] | null;
}

/** One `use()` of a component. */
export interface ComponentInstantiation {
  readonly name: string;
  /** Of the definition that is used. */
  readonly path: string;
  /** What components took before they had `env`: JSON texts, by name. */
  readonly args: readonly (readonly [
    name: string,
    value: { readonly type: "value"; readonly value: string },
  ])[];
  readonly env: readonly (readonly [name: string, binding: EnvBinding])[] | null;
}

/** Where a component's variable takes its value from: the text itself, or a variable that the parent declares. */
export type EnvBinding =
  { readonly type: "value"; readonly value: string } | { readonly type: "envVar"; readonly name: string };

export interface ExportBranch {
  readonly type: "branch";
  readonly branch: readonly (readonly [identifier: string, node: ExportNode])[];
}
/** `leaf`: "_reference/function/dir/file:name". */
export type ExportNode = ExportBranch | { readonly type: "leaf"; readonly leaf: string };

/** Line and column count from 0 and point into the original source if there was a source map. */
export interface SourcePosition {
  readonly path: string;
  readonly start_lineno: number;
  readonly start_col: number;
}

export interface AnalyzedFunction {
  /** "default" for the default export. */
  readonly name: string;
  readonly pos: SourcePosition | null;
  readonly udfType: "Query" | "Mutation" | "Action";
  readonly visibility: { readonly kind: "public" | "internal" } | null;
  /** JSON text of a validator, or null if the function has no `exportArgs`. */
  readonly args: string | null;
  readonly returns: string | null;
}

export interface AnalyzedHttpRoute {
  /** `path` ends in "*" for a prefix route. */
  readonly route: { readonly path: string; readonly method: string };
  readonly pos: SourcePosition | null;
}

export interface AnalyzedModule {
  /** In source order. */
  readonly functions: readonly AnalyzedFunction[];
  /** Only for http.js. */
  readonly httpRoutes: readonly AnalyzedHttpRoute[] | null;
  /** Only for crons.js. */
  readonly cronSpecs: readonly { readonly identifier: string; readonly spec: CronSpec }[] | null;
  readonly sourceMapped: null;
}

export interface CronSpec {
  /** Canonical path, e.g. "messages.js:clear". */
  readonly udfPath: string;
  /** Bytes of the JSON text of the positional arguments. */
  readonly udfArgs: readonly number[] | null;
  readonly cronSchedule: CronSchedule;
}
