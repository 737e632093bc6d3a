import { type ErrorCategory, LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import type {
  Deployment,
  EngineMeasures,
  FunctionCall,
  FunctionFailure,
  FunctionTarget,
  Identity,
  JobRef,
  LiveQueryId,
  LiveQueryState,
  MutationCall,
  QueryCall,
} from "./api.ts";

/** Messages between the net thread and the engine thread; they cross in batches, one batch per tick each way. */

/** Numbers the calls of one server process; never reused, also when the engine thread is replaced. */
export type CallSeq = number;

export type EngineRequest =
  | { readonly type: "query"; readonly call: QueryCall }
  | { readonly type: "mutation"; readonly call: MutationCall }
  | { readonly type: "prepareAction"; readonly call: FunctionCall }
  | { readonly type: "job"; readonly job: JobRef }
  | { readonly type: "lookup"; readonly target: FunctionTarget; readonly identity: Identity }
  | { readonly type: "open"; readonly call: FunctionCall & { readonly journal: string | null } }
  | { readonly type: "vectorSearch"; readonly componentPath: string; readonly argsJson: string }
  | { readonly type: "system"; readonly operation: string; readonly argsJson: string };

export type EngineIn =
  | {
      readonly type: "call";
      readonly seq: CallSeq;
      readonly request: EngineRequest;
      /** It ran away and took an engine with it: not run again, but answered thus unless it had been committed. */
      readonly condemned?: FunctionFailure;
      /** Contents that an attempt at it has waited for, by key. */
      readonly files?: ReadonlyMap<string, FetchedFile>;
    }
  /** Opens queries under ids that the net thread already knows; their states come with the next publication. */
  | { readonly type: "reopen"; readonly queries: readonly ReopenedQuery[] }
  /** Takes back `watchers` openings of one live query. */
  | { readonly type: "close"; readonly id: LiveQueryId; readonly watchers: number };

/** A query that was live in an engine that is gone; its successor opens it again under the same id. */
export interface ReopenedQuery {
  readonly id: LiveQueryId;
  readonly call: FunctionCall & { readonly journal: string | null };
}

/** What an engine has to know of the ones before it in the same process. */
export interface EngineHandover {
  readonly queries: readonly ReopenedQuery[];
  /** Ids below this have been given out: none of them may come to name another query. */
  readonly nextLiveQueryId: number;
  /** Every call that was committed at or before this has been answered; null for the first engine of a process. */
  readonly answeredTs: CommitTs | null;
}

export interface WireError {
  readonly category: ErrorCategory;
  readonly code: string;
  readonly message: string;
  readonly data?: unknown;
}

/** Contents that a call wants to read, as `_files` and `_storage` know them. */
export interface WantedFile {
  readonly key: string;
  readonly size: number;
}

/** What came of fetching contents: the bytes, null when there are none, or why it is not known. */
export interface FetchedFile {
  readonly bytes: Uint8Array | null;
  readonly error: WireError | null;
}

export type EngineOut =
  /** What an earlier engine committed as the answer to a call, and may not have lived to say. */
  | {
      readonly type: "recovered";
      readonly seq: CallSeq;
      readonly resultJson: string;
      readonly logLinesJson: string;
      readonly ts: CommitTs;
    }
  | { readonly type: "answer"; readonly seq: CallSeq; readonly value: unknown }
  | { readonly type: "reject"; readonly seq: CallSeq; readonly error: WireError }
  /** The call has been broken off: it is to be sent again together with these. */
  | { readonly type: "filesAwaited"; readonly seq: CallSeq; readonly files: readonly WantedFile[] }
  | {
      readonly type: "published";
      readonly ts: CommitTs;
      readonly changed: readonly { readonly id: LiveQueryId; readonly state: LiveQueryState }[];
    }
  | {
      readonly type: "deployment";
      readonly deployment: Deployment;
      /** Equal ids mean equal code and environment, whichever engine says so. */
      readonly codeId: string;
    }
  /** Something was scheduled, for this time at the earliest. */
  | { readonly type: "scheduled"; readonly dueMs: number }
  | { readonly type: "measured"; readonly measures: EngineMeasures }
  /** See encodeExecutions. */
  | { readonly type: "executed"; readonly executionsJson: string };

/** Nothing in a batch may be shown to anyone before the log is durable up to `gateTs`. */
export interface EngineOutBatch {
  readonly gateTs: CommitTs;
  readonly messages: readonly EngineOut[];
  /** `requestKey`s of what the leader has answered with the commits that a follower shows here for the first time. */
  readonly answered?: readonly string[];
}

/** For whatever writes, on a node that follows another one. */
export function notTheLeader(): LensletError {
  return new LensletError("Overloaded", "NotTheLeader", "This node follows another one, which writes.");
}

/** Names a session's mutation. */
export function requestKey(request: { readonly sessionId: string; readonly requestId: number }): string {
  return `${request.sessionId} ${request.requestId}`;
}
