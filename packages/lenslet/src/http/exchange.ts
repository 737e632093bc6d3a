import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { badRequest } from "../base/errors.ts";
import type { Identity } from "../engine/api.ts";
import type { ClientMetadata } from "../protocol/clientMetadata.ts";
import {
  checkClientSupported,
  parseClientVersion,
  unknownClient,
  type ClientVersion,
} from "../protocol/httpClient.ts";
import { BodyShare, checkJsonContentType, decompress, drain, parseJson, readBytes, textOf } from "./body.ts";
import type { ByteBudget } from "./body.ts";
import { adminNeeded, clientDisconnected, errorAnswer, HttpError } from "./errors.ts";
import type { RequestIds } from "./requestIds.ts";
import type { HttpHandlerOptions } from "./services.ts";

/** What all exchanges of one server share. */
export interface ServerState {
  readonly options: HttpHandlerOptions;
  readonly budget: ByteBudget;
  readonly requestIds: RequestIds;
  readonly clients: ClientVersions;
}

const anonymous: Identity = { kind: "anonymous" };

/** One request and its answer. Exactly one answer is sent, whatever happens first. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly options: HttpHandlerOptions;
  /** Without the query string, and with a single leading slash. */
  readonly path: string;
  readonly #queryText: string;
  readonly #response: ServerResponse;
  readonly #state: ServerState;
  readonly #share: BodyShare;
  readonly #closeListeners: (() => void)[] = [];
  #query: URLSearchParams | null = null;
  #isAnswered = false;
  #cancelTimeout: () => void = () => undefined;
  #isClosed = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    state: ServerState,
    path: string,
    queryText: string,
  ) {
    this.request = request;
    this.options = state.options;
    this.path = path;
    this.#queryText = queryText;
    this.#response = response;
    this.#state = state;
    this.#share = new BodyShare(state.budget);
    response.on("close", () => {
      this.#isClosed = true;
      this.#share.release();
      this.#cancelTimeout();
      for (const listener of this.#closeListeners) listener();
    });
  }

  /** Runs when the answer has been sent or the client is gone; at once if that has happened. */
  onClose(listener: () => void): void {
    if (this.#isClosed) listener();
    else this.#closeListeners.push(listener);
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#queryText);
    return this.#query;
  }

  /** Throws InvalidClientVersion, ClientVersionUnsupported. */
  client(): ClientVersion {
    const header = this.request.headers["convex-client"];
    return header === undefined ? unknownClient : this.#state.clients.get(String(header));
  }

  /** The client's `convex-request-id` if it has the form of one, else a new id. */
  newRequestId(): string {
    return this.#state.requestIds.next(this.request.headers["convex-request-id"]);
  }

  /** For `ctx.meta.getRequestMetadata()`. */
  clientMetadata(): ClientMetadata {
    return this.options.clientMetadataOf(this.request.headers, this.request.socket.remoteAddress);
  }

  /** Runs an operation of the server that an admin wants, with who that is: it goes into the audit log. */
  audited(operation: string, args: object): Promise<string> {
    return this.options.engine.system(operation, JSON.stringify({ ...args, client: this.clientMetadata() }));
  }

  /** http-api.md §1.3: the header, else `?adminKey=`, else anonymous. Throws its errors. */
  identity(): Identity | Promise<Identity> {
    const header = this.request.headers.authorization;
    const { authenticator } = this.options;
    if (header !== undefined) return authenticator.parseAuthorization(header);
    const adminKey = this.#queryText.includes("adminKey=") ? this.query.get("adminKey") : null;
    return adminKey === null ? anonymous : authenticator.verifyAdminKey(adminKey);
  }

  /** Throws BadDeployKey (403) for everyone but an admin. */
  async admin(): Promise<Identity> {
    const identity = await this.identity();
    if (identity.kind !== "admin") throw adminNeeded(this.options.instanceName);
    return identity;
  }

  /** The admin key of a body, for endpoints that ignore the header. */
  adminOf(key: string): Identity {
    const identity = this.options.authenticator.verifyAdminKey(key);
    if (identity.kind !== "admin") throw adminNeeded(this.options.instanceName);
    return identity;
  }

  /** The body as sent. */
  bytes(bytesMax: number): Promise<Buffer> {
    return readBytes(this.request, bytesMax, this.#share);
  }

  /** Answers 408 and closes the connection when the exchange is not over after this time. */
  limitTime(timeMsMax: number): void {
    this.#cancelTimeout();
    this.#cancelTimeout = this.options.timers.setTimeout(() => {
      const error = new HttpError(408, "RequestTimeout", "The request took too long.", [
        "connection",
        "close",
      ]);
      if (this.#isAnswered) this.#response.destroy();
      else this.fail(error);
    }, timeMsMax);
  }

  /**
   * The body as it arrives, of any length, as fast as it is taken. From here on the exchange may take any time as long as
   * bytes move. Throws ClientDisconnect when the body is cut off.
   */
  async *stream(idleMsMax: number): AsyncGenerator<Buffer, void, undefined> {
    const { request } = this;
    try {
      this.limitTime(idleMsMax);
      // Whoever stops reading still wants to answer.
      const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const chunk of chunks) {
        yield chunk;
        if (this.#isAnswered) throw clientDisconnected();
        this.limitTime(idleMsMax);
      }
    } catch (error) {
      if (request.complete) throw error;
      throw clientDisconnected();
    } finally {
      if (!request.complete) drain(request);
    }
  }

  /** Sends a body of the length that `headers` announce. Resolves when it is sent or the client is gone. */
  async sendStream(
    status: number,
    headers: readonly string[],
    body: Readable,
    idleMsMax: number,
  ): Promise<void> {
    if (this.#isAnswered || this.#isClosed) {
      body.destroy();
      return;
    }
    try {
      this.#head(status, headers);
    } catch (error) {
      body.destroy();
      throw error;
    }
    body.on("data", () => this.limitTime(idleMsMax));
    try {
      await pipeline(body, this.#response);
    } catch (error) {
      // The client has gone, which is its right, or the contents cannot be read: it sees a body that is cut off.
      if (!body.errored || this.#response.errored) return;
      this.options.onUnexpectedError(error, `${this.request.method ?? ""} ${this.path}`);
    }
  }

  /** An answer without a body, e.g. to HEAD; `headers` are a raw list. */
  sendStatus(status: number, headers: readonly string[]): void {
    if (this.#isAnswered || this.#isClosed) return;
    this.#head(status, headers);
    this.#response.end();
  }

  /** The decompressed text of a JSON body; not parsed. */
  async jsonText(bytesMax: number): Promise<string> {
    const { headers } = this.request;
    checkJsonContentType(headers["content-type"]);
    const bytes = await this.bytes(bytesMax);
    const encoding = headers["content-encoding"];
    if (encoding === undefined) return textOf(bytes);
    return textOf(await decompress(bytes, encoding, bytesMax, this.#share));
  }

  async json(bytesMax: number): Promise<unknown> {
    return parseJson(await this.jsonText(bytesMax));
  }

  sendJson(text: string): void {
    this.#send(200, "application/json", text, []);
  }

  sendText(text: string, status = 200): void {
    this.#send(status, "text/plain; charset=utf-8", text, []);
  }

  sendBytes(bytes: Buffer): void {
    // Never a type that a browser would render: the bytes are the caller's.
    this.#send(200, "application/octet-stream", bytes, ["x-content-type-options", "nosniff"]);
  }

  sendEmpty(headers: readonly string[] = []): void {
    this.#send(200, null, "", headers);
  }

  fail(error: unknown): void {
    const answer = errorAnswer(error);
    if (answer.isUnexpected) {
      this.options.onUnexpectedError(error, `${this.request.method ?? ""} ${this.path}`);
    }
    this.#send(answer.status, "application/json", answer.body, answer.headers);
  }

  #send(status: number, contentType: string | null, body: string | Buffer, headers: readonly string[]): void {
    if (this.#isAnswered || this.#isClosed) return;
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const head = ["content-length", String(length), ...headers];
    if (contentType !== null) head.push("content-type", contentType);
    this.#head(status, head);
    this.#response.end(body);
  }

  #head(status: number, headers: readonly string[]): void {
    // The answer to a plain request must not be served to another origin by a cache.
    const head = [...headers, "vary", "origin"];
    const { origin } = this.request.headers;
    if (origin !== undefined && !this.path.startsWith("/http/")) {
      head.push("access-control-allow-origin", origin, "access-control-allow-credentials", "true");
    }
    this.#response.writeHead(status, head);
    // Not before: a header that Node refuses must still be able to become an error for the client.
    this.#isAnswered = true;
  }
}

/** Parsed `Convex-Client` headers; there are few different ones, but they come with every request. */
export class ClientVersions {
  static readonly #cachedMax = 1000;
  readonly #byHeader = new Map<string, ClientVersion>();

  get(header: string): ClientVersion {
    const known = this.#byHeader.get(header);
    if (known !== undefined) return known;
    const client = parseClientVersion(header);
    checkClientSupported(client);
    if (this.#byHeader.size >= ClientVersions.#cachedMax) this.#byHeader.clear();
    this.#byHeader.set(header, client);
    return client;
  }
}

/** A required query parameter. Throws BadQueryArgs. */
export function requiredParameter(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (value === null) throw badRequest("BadQueryArgs", `The query parameter "${name}" is missing.`);
  return value;
}
