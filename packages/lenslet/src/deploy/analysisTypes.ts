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
  /** Set by the user. */
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** Set by the server: CONVEX_CLOUD_URL and CONVEX_SITE_URL. */
  readonly builtInVariables: Readonly<Record<string, string>>;
  /** Drives Math.random() while modules are imported, now and at every later import of this code. */
  readonly importSeed: Uint8Array;
  readonly importTimestampMs: number;
}

export type AnalysisResult =
  | { readonly ok: true; readonly analysis: Analysis }
  /** `code` and `message` are those of the 400 answer. */
  | { readonly ok: false; readonly code: string; readonly message: string };

/** `code` and `message` as above, without the frame of a push. */
export type AuthAnalysisResult =
  | { readonly ok: true; readonly auth: readonly AuthInfo[] }
  | { readonly ok: false; readonly code: string; readonly message: string };

export interface Analysis {
  readonly definition: DefinitionMetadata;
  readonly schema: SchemaJson | null;
  readonly auth: readonly AuthInfo[];
  /** By module path, in path order; `_deps/` chunks and auth.config.js are left out. */
  readonly modules: Readonly<Record<string, AnalyzedModule>>;
}

/** The app's entry of `analysis[""].definition` in a start_push answer. */
export interface DefinitionMetadata {
  readonly path: "";
  readonly definitionType: { readonly type: "app" };
  readonly childComponents: readonly [];
  readonly httpMounts: Readonly<Record<string, never>>;
  readonly httpPrefix: string | null;
  readonly exports: { readonly type: "branch"; readonly branch: readonly [] };
  readonly envVars: readonly DeclaredVariable[] | null;
}

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
