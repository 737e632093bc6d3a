import type { Authenticator } from "../auth/authenticator.ts";
import type { Readable } from "node:stream";
import type { Clock, Timers } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { EngineApi, FunctionCall, FunctionResult, Identity } from "../engine/api.ts";
import type { AppMetrics } from "./appMetrics.ts";
import type { HttpHeaders } from "../runner/actionHost/messages.ts";
import type { RunFailure } from "../runner/types.ts";
import type { FoundFile } from "../engine/storageOperations.ts";
import type { TableColumns } from "../engine/streamOperations.ts";
import type { ClientMetadataOf } from "../protocol/clientMetadata.ts";
import type { OutputFormat } from "../protocol/http.ts";
import type { StreamSelection } from "../protocol/streamSelection.ts";
import type { LogStream } from "./functionLogs.ts";

/** A parsed JSON object. */
export type JsonBody = { readonly [field: string]: unknown };

/**
 * The push endpoints (http-api.md §6). Each method gets the request's JSON object unchanged (its `adminKey` has been
 * verified) and returns the answer's JSON. Throws LensletError, which becomes the HTTP error.
 */
export interface PushService {
  getConfigHashes(body: JsonBody): Promise<JsonBody>;
  getConfig(body: JsonBody): Promise<JsonBody>;
  startPush(body: JsonBody): Promise<JsonBody>;
  evaluatePush(body: JsonBody): Promise<JsonBody>;
  /** Absent: the endpoint answers 404, which the CLI takes as "unsupported". */
  evaluateSchema?(body: JsonBody): Promise<JsonBody>;
  /** Long poll: answers at the latest after the body's `timeoutMs`. */
  waitForSchema(body: JsonBody): Promise<JsonBody>;
  finishPush(body: JsonBody): Promise<JsonBody>;
  /** Telemetry; may return anything, normally null. */
  reportPushCompleted(body: JsonBody): Promise<JsonBody | null>;
}

/** One call of `/api/run_test_function` (http-api.md §9). */
export interface TestQueryCall {
  readonly bundle: { readonly path: string; readonly source: string; readonly sourceMap: string | null };
  /** JSON text of the positional argument array. */
  readonly argsJson: string;
  /** A `_components` document id; null is the app. */
  readonly componentId: string | null;
  readonly identity: Identity;
  readonly requestId: string;
}

export interface TestQueryService {
  /** Throws LensletError `InvalidModules` when the module cannot be analyzed. */
  runTestQuery(call: TestQueryCall): Promise<FunctionResult>;
}

/** A request to an HTTP action, up to its body. */
export interface HttpActionCall {
  /** As sent; HEAD too. */
  readonly method: string;
  /** As sent, percent-encoded, without the query and without "/http". */
  readonly path: string;
  /** What `request.url` says. */
  readonly url: string;
  readonly headers: HttpHeaders;
  readonly hasBody: boolean;
  readonly identity: Identity;
  readonly requestId: string;
  readonly client: { readonly ip: string | null; readonly userAgent: string | null };
}

/** The connection, as a running HTTP action sees it. Every method returns at once. */
export interface HttpActionConnection {
  /** The action has begun; what happens on the connection is told to `control` from now on. */
  started(control: HttpActionControl): void;
  head(status: number, headers: HttpHeaders): void;
  /** At most `bodyWindowBytes` that have not been `taken`. */
  chunk(bytes: Uint8Array): void;
  /** The response is complete. */
  end(): void;
  /** Asks for so many more bytes of the request's body, on top of the `bodyWindowBytes` that may be sent unasked. */
  want(bytes: number): void;
}

export interface HttpActionControl {
  /** Null: the end of the request's body. */
  body(bytes: Uint8Array | null): void;
  /** So many bytes of chunks have left this process. */
  taken(bytes: number): void;
  /** The client is gone. The action goes on. */
  disconnected(): void;
}

export type HttpActionEnd =
  /** Nothing was run: no component has an `http.ts`, or none that could answer. */
  | { readonly kind: "disabled" | "nobody" }
  /** The response is complete. */
  | { readonly kind: "ended" }
  /** Before or after the head. */
  | { readonly kind: "failed"; readonly failure: RunFailure };

/** Stored files; files/fileService.ts. */
export interface FileApi {
  /** Throws Sha256Mismatch and what `source` throws. Resolves with the storage id when the file is durable. */
  store(
    file: { readonly component: string; readonly contentType: string | null; readonly sha256: string | null },
    source: AsyncIterable<Uint8Array>,
  ): Promise<string>;
  /** By the UUID of its URL. */
  find(component: string, fileId: string): Promise<FoundFile | null>;
  /** Null when the contents are gone. */
  read(key: string, range: { readonly start: number; readonly end: number }): Promise<Readable | null>;
}

/** Exports and imports; transfer/. */
export interface TransferApi {
  /** By id or start timestamp. Throws ExportNotFound, ExportNotComplete, BadSnapshotId. */
  openExport(reference: string): Promise<{ name: string; size: number; body: Readable }>;
  startUpload(): Promise<string>;
  savePart(uploadToken: string, part: number, source: AsyncIterable<Uint8Array>): Promise<string>;
  finishUpload(uploadToken: string, partTokens: readonly string[], wanted: unknown): Promise<string>;
  importAtOnce(source: AsyncIterable<Uint8Array>, wanted: unknown): Promise<number>;
}

/** Streaming exports; transfer/streamingExport.ts, transfer/dataSync.ts. Answers are JSON texts. */
export interface StreamApi {
  /** Throws InvalidListSnapshotCursor. */
  listSnapshot(
    request: { readonly snapshot: bigint | null; readonly cursor: string | null },
    selection: StreamSelection,
    format: OutputFormat,
  ): Promise<string>;
  /** Throws InvalidDocumentDeltasCursor, OutOfRetention. */
  documentDeltas(cursor: bigint, selection: StreamSelection, format: OutputFormat): Promise<string>;
  columns(): Promise<readonly TableColumns[]>;
  /** Throws InvalidDataSyncCursor, DataSyncCursorExpired. */
  dataSync(cursor: string | null, selection: StreamSelection): Promise<string>;
}

/** What a backup copies, kept for it; transfer/backupLeases.ts. */
export interface BackupApi {
  begin(): Promise<unknown>;
  renew(lease: string): boolean;
  storeCopied(lease: string): Promise<boolean>;
  end(lease: string): Promise<boolean>;
}

/** Everything the HTTP API of one deployment is made of. */
export interface HttpHandlerOptions {
  readonly engine: EngineApi;
  readonly authenticator: Authenticator;
  readonly push: PushService;
  readonly testQueries: TestQueryService;
  readonly logStream: LogStream;
  readonly metrics: AppMetrics;
  /** The worst lag of scheduled functions that were started between two times; null when there were none. */
  readonly scheduledLagMs: (startMs: number, endMs: number) => number | null;
  /** `argsJson`: JSON text of `{changes: [{name, value: string | null}]}`. Throws LensletError; then nothing changed. */
  updateEnvironment(argsJson: string): Promise<unknown>;
  /** Runs an action to its end; the call is prepared (visibility, arguments) by the callee. */
  runAction(call: FunctionCall): Promise<FunctionResult>;
  /** Runs an HTTP action to the end of its response. Rejects with LensletError only when nothing has been run. */
  runHttpAction(call: HttpActionCall, connection: HttpActionConnection): Promise<HttpActionEnd>;
  readonly files: FileApi;
  readonly transfers: TransferApi;
  readonly streams: StreamApi;
  readonly backups: BackupApi;
  /** Upload URLs are signed with the first, by the engine; those of the others are still taken. */
  readonly tokenSecrets: readonly Uint8Array[];
  readonly clock: Clock;
  /** Public part of the key that `ctx.auth.signJwt` signs with. */
  readonly jwksJson: string;
  readonly instanceName: string;
  /** Text of `/version`. */
  readonly version: string;
  /** Who asks, as far as that is known: it depends on the proxies that are trusted. */
  readonly clientMetadataOf: ClientMetadataOf;
  /** Production mode: clients get neither error texts nor log lines of functions. */
  readonly redact: boolean;
  readonly timers: Timers;
  readonly random: Random;
  /** Told of every error that a client sees only as InternalServerError. `where` is "METHOD path". */
  onUnexpectedError(error: unknown, where: string): void;
}
