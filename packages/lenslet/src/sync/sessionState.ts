import type { FunctionCall, Identity, MutationCall, MutationResult, FunctionResult } from "../engine/api.ts";
import type { CommitTs } from "../log/log.ts";
import type { ClientMetadata } from "../protocol/clientMetadata.ts";
import type { AuthenticateMessage, ClientMessage } from "../protocol/sync.ts";
import type { WireVersion } from "../protocol/syncServer.ts";
import type { Ending } from "./endings.ts";
import type { LiveQuery } from "./liveQueries.ts";
import type { SharedResult } from "./results.ts";

/** What a session asks of whoever drives it. */
export interface SessionOwner {
  /** A live query of the session changed: `flush` it when the tick ends. */
  wake(): void;
}

export interface SessionConfig {
  readonly redact: boolean;
  readonly newRequestId: () => string;
}

/** The state of one socket (sync-protocol.md §5.1). Only session.ts changes it. */
export interface Session {
  readonly owner: SessionOwner;
  readonly config: SessionConfig;
  readonly client: ClientMetadata;
  sessionId: string | null;
  /** Client clock minus ours. */
  clockSkewMs: number | null;
  identity: Identity;
  /** Versions received from the client. */
  receivedQuerySet: number;
  receivedIdentity: number;
  /** Versions whose queries have all answered: the next Transition goes there. */
  answeredQuerySet: number;
  answeredIdentity: number;
  /** Version of the last Transition sent. */
  current: WireVersion;
  currentTs: CommitTs;
  /** Greatest timestamp the client has seen on earlier sockets: it may not be taken back behind it. */
  observedTs: CommitTs;
  connectedMs: number;
  /** Queries of the newest received version, by query id. */
  readonly slots: Map<number, QuerySlot>;
  /** Received changes of query set or identity that are not in a Transition yet, oldest first. */
  readonly batches: Batch[];
  identityBatches: number;
  /** A token is being verified; everything received meanwhile waits in `held`. */
  verifying: boolean;
  readonly held: ClientMessage[];
  /** Head of the list of slots whose live query may differ from what was sent (no array: it is emptied at each flush). */
  firstChanged: QuerySlot | null;
  /** Query ids to report as removed in the next Transition. */
  readonly removed: number[];
  /** A Transition is due even if no query changed: at any timestamp, or at `dueTs` or later (0n: none). */
  due: boolean;
  dueTs: CommitTs;
  mutationsPending: number;
  /** Monotonic time of the last answer to a mutation, or of the first one that waits. */
  mutationProgressMs: number;
  actionsPending: number;
  ended: boolean;
}

export interface QuerySlot {
  readonly session: Session;
  readonly queryId: number;
  readonly udfPath: string;
  readonly componentPath: string;
  readonly argsJson: string;
  /** As the client sent it; once the query has run, the live query has the newest one. */
  readonly journal: string | null;
  live: LiveQuery<QuerySlot> | null;
  ticket: OpenTicket | null;
  sent: SharedResult | null;
  /** Its Add has been answered; before, its results stay back. */
  active: boolean;
  /** Its Remove has been answered. */
  removed: boolean;
  /** It is in the list that starts at `session.firstChanged`. */
  changed: boolean;
  nextChanged: QuerySlot | null;
}

/** One ModifyQuerySet or Authenticate. */
export interface Batch {
  readonly kind: "querySet" | "identity";
  readonly version: number;
  /** Queries that have not answered. */
  pending: number;
  readonly added: readonly QuerySlot[];
  readonly removed: readonly QuerySlot[];
}

/** One `openQuery` that has not answered. */
export interface OpenTicket {
  readonly slot: QuerySlot;
  /** Null once the batch no longer waits for it. */
  batch: Batch | null;
  readonly identity: Identity;
  attempts: number;
  /** Nobody wants the answer any more: whoever gets it closes the query at once. */
  abandoned: boolean;
}

export type SessionEvent =
  | {
      readonly type: "message";
      readonly message: ClientMessage;
      readonly nowMs: number;
      readonly monotonicMs: number;
    }
  /** The frame could not be parsed. */
  | { readonly type: "garbage"; readonly error: unknown }
  | {
      readonly type: "authenticated";
      readonly identity: Identity;
      readonly nowMs: number;
      readonly monotonicMs: number;
    }
  | { readonly type: "authenticationFailed"; readonly error: unknown }
  | { readonly type: "opened"; readonly ticket: OpenTicket; readonly live: LiveQuery<QuerySlot> }
  | { readonly type: "openFailed"; readonly ticket: OpenTicket; readonly error: unknown }
  | {
      readonly type: "mutationAnswered";
      readonly requestId: number;
      readonly call: MutationCall;
      readonly result: MutationResult;
      readonly monotonicMs: number;
    }
  | {
      readonly type: "mutationFailed";
      readonly requestId: number;
      readonly call: MutationCall;
      readonly error: unknown;
      readonly monotonicMs: number;
    }
  | {
      readonly type: "actionAnswered";
      readonly requestId: number;
      readonly call: FunctionCall;
      readonly result: FunctionResult;
    }
  | {
      readonly type: "actionFailed";
      readonly requestId: number;
      readonly call: FunctionCall;
      readonly error: unknown;
    }
  /** The socket is gone. */
  | { readonly type: "closed" };

export type Effect =
  /** Answer with `authenticated` or `authenticationFailed`. Always the last effect of a step. */
  | { readonly type: "verify"; readonly message: AuthenticateMessage & { tokenType: "User" | "Admin" } }
  /** Answer with `opened` or `openFailed`. */
  | {
      readonly type: "open";
      readonly ticket: OpenTicket;
      readonly call: FunctionCall & { readonly journal: string | null };
    }
  /** The same again after a pause; nothing if the ticket has been abandoned by then. */
  | { readonly type: "openLater"; readonly ticket: OpenTicket; readonly delayMs: number }
  | { readonly type: "closeQuery"; readonly slot: QuerySlot; readonly live: LiveQuery<QuerySlot> }
  | { readonly type: "mutate"; readonly requestId: number; readonly call: MutationCall }
  | { readonly type: "act"; readonly requestId: number; readonly call: FunctionCall }
  | { readonly type: "send"; readonly text: string }
  | Ending;

/** A Transition to send. `changes` are ordered by query id; `result` null is a removal. */
export interface Transition {
  readonly type: "transition";
  readonly start: WireVersion;
  readonly end: WireVersion;
  readonly changes: readonly QueryChange[];
}
export interface QueryChange {
  readonly queryId: number;
  readonly result: SharedResult | null;
}

const zeroVersion: WireVersion = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };

export function newSession(owner: SessionOwner, config: SessionConfig, client: ClientMetadata): Session {
  return {
    owner,
    config,
    client,
    sessionId: null,
    clockSkewMs: null,
    identity: { kind: "anonymous" },
    receivedQuerySet: 0,
    receivedIdentity: 0,
    answeredQuerySet: 0,
    answeredIdentity: 0,
    current: zeroVersion,
    currentTs: 0n,
    observedTs: 0n,
    connectedMs: 0,
    slots: new Map(),
    batches: [],
    identityBatches: 0,
    verifying: false,
    held: [],
    firstChanged: null,
    removed: [],
    due: false,
    dueTs: 0n,
    mutationsPending: 0,
    mutationProgressMs: 0,
    actionsPending: 0,
    ended: false,
  };
}
