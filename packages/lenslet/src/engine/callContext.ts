import type { Clock } from "../base/clock.ts";
import type { LogBuffer } from "../runner/logLines.ts";
import type { Runner } from "../runner/runner.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { FunctionCall, Identity, UserAttributes } from "./api.ts";
import type { AuditLog } from "./auditLog.ts";
import type { AwaitedFiles } from "./awaitedFiles.ts";
import type { LoadedDeployment } from "./deployment.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { MemoryWatch } from "./memoryWatch.ts";
import type { RunningJob } from "./scheduling.ts";
import type { ReadContents } from "./storageSyscalls.ts";

/** What a deployment signs and encrypts with: a key for each purpose, none of them used for another (SECURITY.md). */
export interface EngineKeys {
  readonly cursorSecret: Uint8Array;
  readonly uploadSecret: Uint8Array;
  readonly jwtSecret: Uint8Array;
}

/** What all functions of one top-level call share: nested ones run in the same transaction, time and identity. */
export interface CallContext extends EngineKeys {
  readonly tx: Transaction;
  readonly deployment: LoadedDeployment;
  readonly runner: Runner;
  readonly heartbeat: Heartbeat;
  readonly memory: MemoryWatch;
  /** Its monotonic time is the one the watchdog compares the heartbeat with. */
  readonly clock: Clock;
  readonly instanceName: string;
  /** What `ctx.auth.getUserIdentity()` returns; null for anonymous. */
  readonly userIdentity: UserAttributes | null;
  readonly identity: Identity;
  readonly requestId: string;
  /** Null when no scheduled function stands behind this call. */
  readonly job: RunningJob | null;
  readonly client: { readonly ip: string | null; readonly userAgent: string | null };
  readonly nowMs: number;
  /** See StorageScope. */
  readonly readContents: ReadContents | null;
  /** Where `readContents` has to wait for another thread. */
  readonly files: AwaitedFiles | null;
  readonly nextSeed: () => Uint8Array;
  readonly logs: LogBuffer;
  readonly audit: AuditLog;
  /** Set by the functions as they run. */
  readonly observed: { identity: boolean; clock: boolean; progress: boolean };
  /** System time is summed over all functions of the call; the arguments are those of the outermost. */
  readonly spent: { systemMs: number; argumentBytes: number };
  /** A read-only transaction at the same snapshot that sees none of the pending writes. */
  readonly staleSnapshot: () => Transaction;
}

/** What `ctx.auth.getUserIdentity()` returns. */
export function attributesOf(identity: Identity): UserAttributes | null {
  if (identity.kind === "user") return identity.attributes;
  return identity.kind === "admin" ? identity.actingAs : null;
}

/** The JWT behind what `ctx.auth.getUserIdentity()` returns, for request metadata. */
export function authTokenOf(identity: Identity): string | null {
  return identity.kind === "user" ? (identity.token ?? null) : null;
}

/** The job behind a call that it made itself, not one that runs it. */
export function jobOf({ scheduledFunctionId }: FunctionCall): RunningJob | null {
  return scheduledFunctionId === undefined ? null : { idText: scheduledFunctionId, completesHere: false };
}
