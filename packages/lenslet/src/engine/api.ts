import type { ModuleSource } from "../runner/types.ts";
import type { CommitTs } from "../log/log.ts";

/**
 * What the net thread (sync/, http/, main/) asks of the engine thread. All payloads are structured-cloneable;
 * values travel as Convex-encoded JSON texts so that nobody parses them twice. A promise settles only when
 * everything its answer shows is durable.
 */

/** Who is calling. Decided on the net thread; the engine trusts it. */
export type Identity =
  /** `error`: the caller has shown something that is no valid credential, and `getUserIdentity()` says so. */
  | { readonly kind: "anonymous"; readonly error?: string }
  /**
   * `attributes`: the object `ctx.auth.getUserIdentity()` returns (tokenIdentifier, issuer, subject, ...). `token`: the
   * JWT that says so, for request metadata; queries cannot see it, so identities are equal whose attributes are.
   */
  | {
      readonly kind: "user";
      readonly attributes: UserAttributes;
      readonly expiresAtMs: number | null;
      readonly token?: string;
    }
  /** An admin key; `actingAs` is what getUserIdentity() returns, or null. */
  | { readonly kind: "admin"; readonly actingAs: UserAttributes | null }
  /** Schedulers and other parts of the server itself. */
  | { readonly kind: "system" };

export type UserAttributes = { readonly tokenIdentifier: string; readonly [claim: string]: unknown };

export type UdfType = "Query" | "Mutation" | "Action" | "HttpAction";
export type Caller = "SyncWorker" | "HttpApi" | "Tester" | "HttpEndpoint" | "Cron" | "Scheduler" | "Action";

/** What to run: by path, as clients do (visibility checked unless admin), or by a reference, as actions do. */
export type FunctionTarget =
  | { readonly kind: "path"; readonly path: string; readonly componentPath: string }
  | {
      readonly kind: "reference";
      readonly fromComponentPath: string;
      readonly name?: string;
      readonly reference?: string;
      readonly functionHandle?: string;
    };

export interface FunctionCall {
  readonly target: FunctionTarget;
  /** JSON text of the positional argument array, normally `[{...}]`. */
  readonly argsJson: string;
  readonly identity: Identity;
  readonly caller: Caller;
  /** 16 lower-case hex digits. */
  readonly requestId: string;
  /** The action that calls, as the log names it. */
  readonly parentExecutionId?: string;
  /** Client address and user agent, for `ctx.meta.getRequestMetadata()`. */
  readonly client?: { readonly ip: string | null; readonly userAgent: string | null };
  /** Id of the scheduled function that this call is, or is made by: for its metadata, and to know if it was canceled. */
  readonly scheduledFunctionId?: string;
}

/** What the scheduler asks the engine to run, and what it is told of it. */
export type JobRef =
  /** Id text of a `_scheduled_functions` document. */
  | { readonly kind: "function"; readonly id: string }
  /** Id text of a `_cron_jobs` document. */
  | { readonly kind: "cron"; readonly id: string };

export type JobAnswer =
  /** There is nothing left to do for it: it ran, it failed, or it was not there to be run any more. */
  | { readonly kind: "settled" }
  /** The deployment is paused: nothing was done. */
  | { readonly kind: "paused" }
  /** An action, marked as started: to be run once, and its end to be told with `system("scheduler.actionEnded")`. */
  | { readonly kind: "action"; readonly call: FunctionCall };

/** A function's failure as clients see it, before redaction. */
export interface FunctionFailure {
  /** e.g. "Uncaught Error: boom\n    at handler (../convex/foo.ts:10:8)\n"; without the "[Request ID: ...]" line. */
  readonly message: string;
  /** Convex-encoded JSON text; present only for a ConvexError. */
  readonly dataJson?: string;
}

export interface FunctionSuccess {
  readonly ok: true;
  /** Convex-encoded JSON text. */
  readonly valueJson: string;
  readonly logLines: readonly string[];
}
export interface FunctionError {
  readonly ok: false;
  readonly error: FunctionFailure;
  readonly logLines: readonly string[];
}
export type FunctionResult = FunctionSuccess | FunctionError;

export interface QueryCall extends FunctionCall {
  /** Run at this timestamp instead of the newest. Rejected with OutOfRetention when history does not reach back. */
  readonly atTs?: CommitTs;
  readonly journal?: string | null;
  /** Code that is not deployed: the target names a module of it. It sees the deployment's modules beside its own. */
  readonly inlineModules?: readonly ModuleSource[];
}
export type QueryResult = FunctionResult & { readonly ts: CommitTs; readonly journal: string | null };

export interface MutationCall extends FunctionCall {
  /** Present for sync sessions: (sessionId, requestId) answers at most once. */
  readonly session?: { readonly sessionId: string; readonly requestId: number };
}
/** `ts` is the commit timestamp; for a repeated request the original one. Null for a failure. */
export type MutationResult = FunctionResult & { readonly ts: CommitTs | null };

/** Names one live query; entries are shared by everyone whose function, arguments and (if it looked) identity are equal. */
export type LiveQueryId = number & { readonly __liveQueryId?: true };

export interface OpenedQuery {
  readonly id: LiveQueryId;
  readonly state: LiveQueryState;
}
export interface LiveQueryState {
  /** Grows with every change of this entry's result; equal version means equal result. */
  readonly version: number;
  readonly result: FunctionResult;
  readonly journal: string | null;
}

/** What an action needs before it can be started in the action host. */
export type PreparedAction =
  | {
      readonly ok: true;
      readonly componentPath: string;
      /** Canonical "dir/file.js:export". */
      readonly functionPath: string;
      readonly environment: "isolate" | "node";
      /** JSON text of the returns validator or null. */
      readonly returnsJson: string | null;
      /** Names the code it runs: ask `system("code.load", {componentPath})` for it when it is not known yet. */
      readonly codeId: string;
    }
  | { readonly ok: false; readonly error: FunctionFailure };

/** One finished execution, for stream_function_logs. Fields as in reference http-api.md §8.1. */
export type ExecutionLogEntry = {
  readonly kind: "Completion" | "Progress";
  readonly [field: string]: unknown;
};

/** What the engine has counted since it last told: for the dashboard's charts. */
export interface EngineMeasures {
  /** `table`: its name, behind its component's path and "/" where it has one. */
  readonly tables: readonly { readonly table: string; readonly read: number; readonly written: number }[];
  /** Watched queries that had to run again; `mutation` null: by the server itself. */
  readonly invalidations: readonly {
    readonly mutation: string | null;
    readonly table: string;
    readonly query: string;
    readonly count: number;
  }[];
}

export interface EngineEvents {
  /**
   * The live queries now show the commit `ts`: all entries in `changed` and every unchanged one are results of one
   * snapshot at `ts`. Events and promise settlements arrive in one order: a mutation's answer comes before the first
   * `published` with ts >= its commit, and an `openQuery` answer shows the ts of the last `published` before it.
   */
  published(
    ts: CommitTs,
    changed: readonly { readonly id: LiveQueryId; readonly state: LiveQueryState }[],
  ): void;
  /** The deployment's configuration changed (push, environment variables): see `deployment()`. */
  deploymentChanged(): void;
  executed(entries: readonly ExecutionLogEntry[]): void;
  measured?(measures: EngineMeasures): void;
  /** Something was scheduled for this time or later; 0 whenever an engine has been started. */
  scheduled?(dueMs: number): void;
}

/** What the net thread needs to know of the pushed code. */
export interface Deployment {
  /** Changes with every push and every change of environment variables. */
  readonly version: number;
  /** AuthInfo objects of reference http-api.md §6.2. */
  readonly authProviders: readonly unknown[];
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** As configured, or as set with update_canonical_url. */
  readonly canonicalUrls: { readonly convexCloudUrl: string; readonly convexSiteUrl: string };
}

export interface EngineApi {
  query(call: QueryCall): Promise<QueryResult>;
  mutation(call: MutationCall): Promise<MutationResult>;
  /** Resolves, checks visibility and validates arguments of an action; runs nothing. */
  prepareAction(call: FunctionCall): Promise<PreparedAction>;
  /** The kind of a function, for /api/function and /api/run; null when it does not exist (or is not public and the caller no admin). */
  lookup(target: FunctionTarget, identity: Identity): Promise<UdfType | null>;

  /** The answer of `1.0/actions/vectorSearch` (reference functions.md §17). Rejects with LensletError. */
  vectorSearch(componentPath: string, argsJson: string): Promise<string>;

  /** Every call needs its own `closeQuery`, also while the promise is still pending it may not be closed. */
  openQuery(call: FunctionCall & { readonly journal: string | null }): Promise<OpenedQuery>;
  closeQuery(id: LiveQueryId): void;

  /** Newest published timestamp. */
  latestTs(): CommitTs;
  deployment(): Deployment;
  /**
   * Runs a named operation of the server itself in a transaction (engine/systemOperations.ts), e.g. "env.commit",
   * "push.start". Rejects with LensletError.
   */
  system(operation: string, argsJson: string): Promise<string>;
  subscribe(events: EngineEvents): () => void;
}

/** What the scheduler needs besides. */
export interface JobEngine extends EngineApi {
  /** Runs a scheduled mutation to its end, or gets a scheduled action ready to be run. */
  runJob(job: JobRef): Promise<JobAnswer>;
}
