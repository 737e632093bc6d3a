import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from "node:http";
import { createHash, randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer as collect } from "node:stream/consumers";
import { adminKeyOf } from "../auth/adminKey.ts";
import { createAuthenticator, type Authenticator } from "../auth/authenticator.ts";
import type { Clock, Timers } from "../base/clock.ts";
import { LensletError, badRequest } from "../base/errors.ts";
import type {
  Deployment,
  EngineApi,
  FunctionCall,
  FunctionResult,
  FunctionTarget,
  Identity,
  MutationResult,
  OpenedQuery,
  PreparedAction,
  QueryCall,
  QueryResult,
  UdfType,
} from "../engine/api.ts";
import { parseFunctionPath, strippedPath } from "../engine/functionPath.ts";
import { clientMetadataBehind } from "../protocol/clientMetadata.ts";
import { AppMetrics } from "./appMetrics.ts";
import type { FoundFile } from "../engine/storageOperations.ts";
import { LogStream } from "./functionLogs.ts";
import { createHttpHandlers, httpServerOptions } from "./handler.ts";
import type {
  FileApi,
  HttpHandlerOptions,
  JsonBody,
  StreamApi,
  TestQueryCall,
  TransferApi,
} from "./services.ts";

/** Test support: a real HTTP server on loopback over a fake engine. */

export const instanceName = "happy-test";
const instanceSecret = new Uint8Array(32).fill(7);
export const adminKey = adminKeyOf(instanceName, instanceSecret);

export interface FakeFunction {
  readonly kind: UdfType;
  readonly isInternal?: boolean;
  readonly componentPath?: string;
  run(call: FunctionCall): FunctionResult | Promise<FunctionResult>;
}

export class FakeEngine implements EngineApi {
  readonly functions = new Map<string, FakeFunction>();
  readonly calls: (FunctionCall & { readonly atTs?: bigint })[] = [];
  readonly operations: { readonly operation: string; readonly args: unknown }[] = [];
  systemAnswer: (operation: string) => string = () => "{}";
  ts = 1_700_000_000_000_000_001n;
  oldestTs = 1_000n;
  environmentVariables: Record<string, string> = {};
  canonicalUrls = { convexCloudUrl: "http://127.0.0.1:3210", convexSiteUrl: "http://127.0.0.1:3211" };

  find(target: FunctionTarget, identity: Identity): FakeFunction | null {
    if (target.kind !== "path") return null;
    if (target.componentPath === "nowhere") {
      throw badRequest("ComponentPathNotFound", "Component path 'nowhere' not found");
    }
    const found = this.functions.get(strippedPath(parseFunctionPath(target.path)));
    if (found === undefined || (found.componentPath ?? "") !== target.componentPath) return null;
    return found.isInternal === true && identity.kind !== "admin" ? null : found;
  }

  async execute(call: FunctionCall): Promise<FunctionResult> {
    this.calls.push(call);
    const found = this.find(call.target, call.identity);
    if (found !== null) return await found.run(call);
    const name = call.target.kind === "path" ? strippedPath(parseFunctionPath(call.target.path)) : "?";
    return failure(`Could not find public function for '${name}'.\n`);
  }

  async query(call: QueryCall): Promise<QueryResult> {
    if (call.atTs !== undefined && call.atTs < this.oldestTs) {
      throw new LensletError("OutOfRetention", "OutOfRetention", "The timestamp is too old.");
    }
    return { ...(await this.execute(call)), ts: call.atTs ?? this.ts, journal: null };
  }
  async mutation(call: FunctionCall): Promise<MutationResult> {
    return { ...(await this.execute(call)), ts: this.ts };
  }
  prepareAction(): Promise<PreparedAction> {
    return Promise.reject(new Error("http/ never prepares actions itself"));
  }
  async lookup(target: FunctionTarget, identity: Identity): Promise<UdfType | null> {
    return this.find(target, identity)?.kind ?? null;
  }
  openQuery(): Promise<OpenedQuery> {
    return Promise.reject(new Error("http/ opens no live queries"));
  }
  closeQuery(): void {}
  latestTs(): bigint {
    return this.ts;
  }
  deployment(): Deployment {
    const { environmentVariables, canonicalUrls } = this;
    return { version: 1, authProviders: [], environmentVariables, canonicalUrls };
  }
  vectorSearch(): Promise<string> {
    return Promise.reject(new Error("not used here"));
  }
  async system(operation: string, argsJson: string): Promise<string> {
    this.operations.push({ operation, args: JSON.parse(argsJson) });
    return this.systemAnswer(operation);
  }
  subscribe(): () => void {
    return () => {};
  }
}

export function success(valueJson: string, logLines: readonly string[] = []): FunctionResult {
  return { ok: true, valueJson, logLines };
}

export function failure(
  message: string,
  dataJson?: string,
  logLines: readonly string[] = [],
): FunctionResult {
  return { ok: false, error: dataJson === undefined ? { message } : { message, dataJson }, logLines };
}

/** The sole argument object as text, as a function returning its arguments would. */
export function echoed(call: FunctionCall): FunctionResult {
  return success(call.argsJson.trim().slice(1, -1));
}

/** Time that moves only when told to. */
export class FakeTime implements Clock, Timers {
  #nowMs = 1_700_000_000_000;
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  setTimeout(callback: () => void, delayMs: number): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
  get pendingTimers(): number {
    return this.#timers.size;
  }
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of this.#timers) {
      if (timer.atMs > this.#nowMs) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }
}

/** The real one, and a user whose token needs no provider. */
function fakeAuthenticator(engine: FakeEngine, time: FakeTime): Authenticator {
  const real = createAuthenticator({
    instanceName,
    instanceSecret,
    deployment: () => engine.deployment(),
    clock: time,
    fetch: () => Promise.reject(new Error("no network in tests")),
    redact: false,
  });
  const alice: Identity = { kind: "user", attributes: { tokenIdentifier: "test|alice" }, expiresAtMs: null };
  return {
    verifyAdminKey: (key) => real.verifyAdminKey(key),
    verifyUserToken: (jwt) => real.verifyUserToken(jwt),
    parseAuthorization: (header) =>
      header === "Bearer alice" ? Promise.resolve(alice) : real.parseAuthorization(header),
  };
}

export const tokenSecret = new Uint8Array(32).fill(7);
/** Nothing is signed with it any more. */
export const oldTokenSecret = new Uint8Array(32).fill(8);

/** Files in memory. */
export class FakeFiles implements FileApi {
  readonly stored: { component: string; contentType: string | null; bytes: Buffer }[] = [];
  readonly #found = new Map<string, FoundFile & { bytes: Buffer }>();

  async store(
    file: { component: string; contentType: string | null; sha256: string | null },
    source: AsyncIterable<Uint8Array>,
  ): Promise<string> {
    const bytes = await collect(source);
    this.stored.push({ component: file.component, contentType: file.contentType, bytes });
    return `stored${this.stored.length}`;
  }

  /** Makes a file be found under a UUID. */
  put(fileId: string, text: string, contentType: string | null = null): void {
    const bytes = Buffer.from(text);
    const sha256 = createHash("sha256").update(bytes).digest("base64");
    this.#found.set(fileId, { storageId: "x", key: fileId, sha256, size: bytes.length, contentType, bytes });
  }

  find(component: string, fileId: string): Promise<FoundFile | null> {
    return Promise.resolve(component === "" ? (this.#found.get(fileId) ?? null) : null);
  }

  read(key: string, { start, end }: { start: number; end: number }): Promise<Readable | null> {
    const bytes = this.#found.get(key)?.bytes.subarray(start, end);
    return Promise.resolve(bytes === undefined ? null : Readable.from(bytes.length === 0 ? [] : [bytes]));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: Buffer;
  json(): { readonly [field: string]: unknown };
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

export class TestServer {
  readonly engine = new FakeEngine();
  readonly time = new FakeTime();
  readonly logStream = new LogStream({ clock: this.time, timers: this.time });
  readonly metrics = new AppMetrics(this.time);
  scheduledLagMs: (startMs: number, endMs: number) => number | null = () => null;
  readonly pushed: { readonly step: string; readonly body: JsonBody }[] = [];
  pushAnswer: (step: string) => JsonBody = (step) => ({ step });
  readonly testQueries: TestQueryCall[] = [];
  readonly unexpected: unknown[] = [];
  readonly files = new FakeFiles();
  readonly streams: StreamApi = {
    listSnapshot: (request) => Promise.resolve(`{"snapshot":${request.snapshot ?? 1}}`),
    documentDeltas: (cursor) => Promise.resolve(`{"cursor":${cursor}}`),
    columns: () => Promise.resolve([]),
    dataSync: (cursor) => Promise.resolve(JSON.stringify({ cursor })),
  };
  readonly transfers: TransferApi = {
    openExport: async (reference) => ({
      name: `${reference}.zip`,
      size: 3,
      body: Readable.from([Buffer.from("zip")]),
    }),
    startUpload: async () => "token",
    savePart: async (_token, part, source) => `${part}:${(await collect(source)).length}`,
    finishUpload: async (_token, partTokens) => partTokens.join(),
    importAtOnce: async (source) => (await collect(source)).length,
  };
  readonly server: Server;
  url = "";

  constructor(changes: Partial<HttpHandlerOptions> = {}) {
    const { engine, time } = this;
    const step = (name: string) => async (body: JsonBody) => {
      this.pushed.push({ step: name, body });
      return this.pushAnswer(name);
    };
    const handlers = createHttpHandlers({
      engine,
      clientMetadataOf: clientMetadataBehind("loopback")!,
      authenticator: fakeAuthenticator(engine, time),
      push: {
        getConfigHashes: step("getConfigHashes"),
        getConfig: step("getConfig"),
        startPush: step("startPush"),
        evaluatePush: step("evaluatePush"),
        waitForSchema: step("waitForSchema"),
        finishPush: step("finishPush"),
        reportPushCompleted: async () => null,
      },
      updateEnvironment: (argsJson) => engine.system("env.update", argsJson),
      testQueries: {
        runTestQuery: async (call) => {
          this.testQueries.push(call);
          return echoed({ argsJson: call.argsJson } as FunctionCall);
        },
      },
      logStream: this.logStream,
      metrics: this.metrics,
      scheduledLagMs: (startMs, endMs) => this.scheduledLagMs(startMs, endMs),
      runAction: (call) => engine.execute(call),
      runHttpAction: async () => ({ kind: "disabled" }),
      files: this.files,
      transfers: this.transfers,
      streams: this.streams,
      backups: {
        begin: () => Promise.resolve({ lease: "one" }),
        renew: (lease) => lease === "one",
        storeCopied: (lease) => Promise.resolve(lease === "one"),
        end: (lease) => Promise.resolve(lease === "one"),
      },
      tokenSecrets: [tokenSecret, oldTokenSecret],
      clock: time,
      jwksJson: '{"keys":[]}',
      instanceName,
      version: "lenslet-test",
      redact: false,
      timers: time,
      random: { bytes: (length) => new Uint8Array(randomBytes(length)) },
      onUnexpectedError: (error) => this.unexpected.push(error),
      ...changes,
    });
    this.server = createServer(httpServerOptions, handlers.cloud);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** `path` is written to the wire as it is. */
  send(path: string, sent: Sent = {}): Promise<Answer> {
    const { method = "GET", headers = {}, body } = sent;
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { host: "127.0.0.1", port: this.port, path, method, headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const bytes = Buffer.concat(chunks);
            const text = bytes.toString("utf8");
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              bytes,
              json: () => JSON.parse(text) as { [field: string]: unknown },
            });
          });
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  }

  /** POST of a JSON body, a string being sent as it is. */
  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  }
}

export const asAdmin: Record<string, string> = { authorization: `Convex ${adminKey}` };
