import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { LogBuffer } from "../runner/logLines.ts";
import type { Runner } from "../runner/runner.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { FunctionCall, Identity, UserAttributes } from "./api.ts";
import { AuditLog } from "./auditLog.ts";
import { AwaitedFiles } from "./awaitedFiles.ts";
import type { LoadedDeployment } from "./deployment.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { MemoryWatch } from "./memoryWatch.ts";
import type { RunningJob } from "./scheduling.ts";
import type { ReadContents } from "./storageSyscalls.ts";
import type { FetchedFile } from "./wire.ts";

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

export const nothingObserved = { identity: false, clock: false, progress: false };

/** What all calls of an engine share. */
export interface CallSurroundings extends EngineKeys {
  readonly runner: Runner;
  readonly heartbeat: Heartbeat;
  readonly clock: Clock;
  readonly random: Random;
  readonly instanceName: string;
  /** Contents of files that are at hand without waiting; "awaited": they are not, calls wait for them. */
  readonly readContents?: ReadContents | "awaited";
}

export interface NewCall {
  readonly call: FunctionCall;
  readonly tx: Transaction;
  readonly job: RunningJob | null;
  readonly deployment: LoadedDeployment;
  readonly memory: MemoryWatch;
  /** What earlier attempts at the call have waited for. */
  readonly fetchedFiles: ReadonlyMap<string, FetchedFile> | null;
  readonly staleSnapshot: () => Transaction;
}

export function newCallContext(surroundings: CallSurroundings, newCall: NewCall): CallContext {
  const { runner, heartbeat, clock, random, cursorSecret, uploadSecret, jwtSecret, instanceName } =
    surroundings;
  const { readContents = null } = surroundings;
  const { call, tx, job, deployment, memory, fetchedFiles, staleSnapshot } = newCall;
  const files = readContents === "awaited" && !tx.readOnly ? new AwaitedFiles(fetchedFiles) : null;
  return {
    tx,
    deployment,
    runner,
    heartbeat,
    memory,
    clock,
    cursorSecret,
    uploadSecret,
    jwtSecret,
    instanceName,
    userIdentity: attributesOf(call.identity),
    identity: call.identity,
    requestId: call.requestId,
    job,
    client: call.client ?? { ip: null, userAgent: null },
    nowMs: Math.floor(clock.nowMs()),
    files,
    readContents: files !== null ? (key, size) => files.read(key, size) : atHand(readContents),
    nextSeed: () => random.bytes(32),
    logs: new LogBuffer(),
    audit: new AuditLog(),
    observed: { ...nothingObserved },
    spent: { systemMs: 0, argumentBytes: 0 },
    staleSnapshot,
  };
}

function atHand(readContents: ReadContents | "awaited" | null): ReadContents | null {
  return readContents === "awaited" ? null : readContents;
}

/** What `ctx.auth.getUserIdentity()` returns. */
function attributesOf(identity: Identity): UserAttributes | null {
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
