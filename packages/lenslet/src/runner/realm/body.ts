/* oxlint-disable typescript/no-unnecessary-template-expression, typescript/unbound-method, unicorn/no-instanceof-builtins
   -- arguments come from untyped user code, and everything here is of one realm */
import type { RealmControls, RealmHost } from "./realmTypes.ts";

/**
 * Blob, File, FormData, Headers, Request, Response and the stream classes of queries and mutations: bodies are held
 * whole, streams cannot be read (functions.md §5.2). See realmTypes.ts for how this file is run.
 */
export function installBody(host: RealmHost, realm: RealmControls): void {
  const concat = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
    const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  };
  const utf8 = (text: string): Uint8Array => new Uint8Array(host.encodeUtf8(text));
  const decodeUtf8 = (bytes: Uint8Array): string =>
    host.textDecoder("utf-8", { fatal: false, ignoreBOM: false })!.decode(bytes, false)!;
  const isBuffer = (value: unknown): value is ArrayBuffer | ArrayBufferView =>
    value instanceof ArrayBuffer || ArrayBuffer.isView(value);
  const viewOf = (value: ArrayBuffer | ArrayBufferView): Uint8Array =>
    ArrayBuffer.isView(value)
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value);

  const contents = new WeakMap<object, Uint8Array<ArrayBuffer>>();
  class Blob {
    readonly #type: string;
    constructor(parts: Iterable<unknown> = [], options: { type?: string } = {}) {
      const chunks: Uint8Array[] = [];
      for (const part of parts) {
        const held = typeof part === "object" && part !== null ? contents.get(part) : undefined;
        chunks.push(held ?? (isBuffer(part) ? viewOf(part) : utf8(`${part as string}`)));
      }
      contents.set(this, concat(chunks));
      const type = options.type === undefined ? "" : `${options.type}`;
      this.#type = /^[\x20-\x7e]*$/.test(type) ? type.toLowerCase() : "";
    }
    get size(): number {
      return contents.get(this)!.length;
    }
    get type(): string {
      return this.#type;
    }
    slice(start?: number, end?: number, type = ""): Blob {
      return new Blob([contents.get(this)!.slice(start, end)], { type });
    }
    async arrayBuffer(): Promise<ArrayBuffer> {
      return contents.get(this)!.slice().buffer;
    }
    async bytes(): Promise<Uint8Array> {
      return contents.get(this)!.slice();
    }
    async text(): Promise<string> {
      return decodeUtf8(contents.get(this)!);
    }
    stream(): never {
      throw realm.refusal("stream");
    }
    get [Symbol.toStringTag](): string {
      return "Blob";
    }
  }
  class File extends Blob {
    readonly name: string;
    readonly lastModified: number;
    constructor(
      parts: Iterable<unknown>,
      name: string,
      options: { type?: string; lastModified?: number } = {},
    ) {
      super(parts, options);
      this.name = `${name}`;
      this.lastModified = options.lastModified ?? Date.now();
    }
    override get [Symbol.toStringTag](): string {
      return "File";
    }
  }

  class FormData {
    #entries: [string, string | File][] = [];
    #value(value: unknown, filename?: string): string | File {
      if (!(value instanceof Blob)) return `${value as string}`;
      if (value instanceof File && filename === undefined) return value;
      return new File([value], filename ?? "blob", { type: value.type });
    }
    append(name: string, value: unknown, filename?: string): void {
      this.#entries.push([`${name}`, this.#value(value, filename)]);
    }
    delete(name: string): void {
      this.#entries = this.#entries.filter(([key]) => key !== name);
    }
    get(name: string): string | File | null {
      return this.#entries.find(([key]) => key === name)?.[1] ?? null;
    }
    getAll(name: string): (string | File)[] {
      return this.#entries.filter(([key]) => key === name).map(([, value]) => value);
    }
    has(name: string): boolean {
      return this.#entries.some(([key]) => key === name);
    }
    set(name: string, value: unknown, filename?: string): void {
      const at = this.#entries.findIndex(([key]) => key === name);
      if (at < 0) return this.append(name, value, filename);
      this.#entries = this.#entries.filter(([key], index) => key !== name || index === at);
      this.#entries[at] = [`${name}`, this.#value(value, filename)];
    }
    *entries(): Generator<[string, string | File]> {
      for (const [name, value] of this.#entries) yield [name, value];
    }
    *keys(): Generator<string> {
      for (const [name] of this.#entries) yield name;
    }
    *values(): Generator<string | File> {
      for (const [, value] of this.#entries) yield value;
    }
    forEach(callback: (value: string | File, name: string, parent: FormData) => void, self?: unknown): void {
      for (const [name, value] of this.#entries) callback.call(self, value, name, this);
    }
    [Symbol.iterator](): Generator<[string, string | File]> {
      return this.entries();
    }
  }

  class Headers {
    readonly #values = new Map<string, string[]>();
    constructor(init?: unknown) {
      if (init === undefined || init === null) return;
      const pairs =
        typeof (init as Iterable<unknown>)[Symbol.iterator] === "function"
          ? (init as Iterable<[string, string]>)
          : (Object.entries(init) as [string, string][]);
      for (const [name, value] of pairs) this.append(name, value);
    }
    #name(name: unknown): string {
      const text = `${name as string}`;
      if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) throw new TypeError(`Invalid header name: "${text}"`);
      return text.toLowerCase();
    }
    #value(value: unknown): string {
      const text = `${value as string}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
      if (/[\0\n\r]/.test(text)) throw new TypeError("Invalid header value");
      return text;
    }
    append(name: string, value: string): void {
      const key = this.#name(name);
      this.#values.set(key, [...(this.#values.get(key) ?? []), this.#value(value)]);
    }
    delete(name: string): void {
      this.#values.delete(this.#name(name));
    }
    get(name: string): string | null {
      return this.#values.get(this.#name(name))?.join(", ") ?? null;
    }
    getSetCookie(): string[] {
      return [...(this.#values.get("set-cookie") ?? [])];
    }
    has(name: string): boolean {
      return this.#values.has(this.#name(name));
    }
    set(name: string, value: string): void {
      this.#values.set(this.#name(name), [this.#value(value)]);
    }
    *entries(): Generator<[string, string]> {
      for (const name of [...this.#values.keys()].sort()) {
        const values = this.#values.get(name)!;
        if (name === "set-cookie") for (const value of values) yield [name, value];
        else yield [name, values.join(", ")];
      }
    }
    *keys(): Generator<string> {
      for (const [name] of this.entries()) yield name;
    }
    *values(): Generator<string> {
      for (const [, value] of this.entries()) yield value;
    }
    forEach(callback: (value: string, name: string, parent: Headers) => void, self?: unknown): void {
      for (const [name, value] of this.entries()) callback.call(self, value, name, this);
    }
    [Symbol.iterator](): Generator<[string, string]> {
      return this.entries();
    }
  }

  const bodyOf = (body: unknown): { bytes: Uint8Array<ArrayBuffer>; type: string | null } | null => {
    if (body === undefined || body === null) return null;
    if (body instanceof Blob) return { bytes: contents.get(body)!, type: body.type || null };
    if (isBuffer(body)) return { bytes: concat([viewOf(body)]), type: null };
    if (body instanceof URLSearchParams) {
      const type = "application/x-www-form-urlencoded;charset=UTF-8";
      return { bytes: concat([utf8(body.toString())]), type };
    }
    if (body instanceof FormData) throw realm.refusal("formData()");
    if (body instanceof ReadableStream) throw realm.refusal("stream");
    return { bytes: concat([utf8(`${body as string}`)]), type: "text/plain;charset=UTF-8" };
  };
  abstract class Body {
    #body: Uint8Array<ArrayBuffer> | null = null;
    #used = false;
    abstract readonly headers: Headers;
    protected setBody(init: unknown): void {
      const body = bodyOf(init);
      this.#body = body?.bytes ?? null;
      if (body?.type && !this.headers.has("content-type")) this.headers.set("content-type", body.type);
    }
    protected copyBody(from: Body): void {
      if (from.#used) throw new TypeError("Body has already been consumed.");
      this.#body = from.#body;
    }
    #take(): Uint8Array<ArrayBuffer> {
      if (this.#used) throw new TypeError("Body is unusable: Body has already been read");
      this.#used = this.#body !== null;
      return this.#body ?? new Uint8Array(0);
    }
    get body(): ReadableStream | null {
      return this.#body === null ? null : new ReadableStream();
    }
    get bodyUsed(): boolean {
      return this.#used;
    }
    async arrayBuffer(): Promise<ArrayBuffer> {
      return this.#take().slice().buffer;
    }
    async bytes(): Promise<Uint8Array> {
      return this.#take().slice();
    }
    async blob(): Promise<Blob> {
      return new Blob([this.#take()], { type: this.headers.get("content-type") ?? "" });
    }
    async text(): Promise<string> {
      return decodeUtf8(this.#take());
    }
    async json(): Promise<unknown> {
      return JSON.parse(decodeUtf8(this.#take())) as unknown;
    }
    async formData(): Promise<never> {
      throw realm.refusal("formData()");
    }
  }
  class Request extends Body {
    readonly url: string;
    readonly method: string;
    readonly headers: Headers;
    readonly signal: AbortSignal;
    constructor(
      input: unknown,
      init: { method?: string; headers?: unknown; body?: unknown; signal?: AbortSignal } = {},
    ) {
      super();
      const from = input instanceof Request ? input : null;
      const href = from ? from.url : host.url(`${input as string}`, undefined)?.href;
      if (href === undefined) throw new TypeError(`Failed to parse URL from ${input as string}`);
      this.url = href;
      const method = `${init.method ?? from?.method ?? "GET"}`;
      this.method = /^(get|head|post|put|delete|options|patch)$/i.test(method)
        ? method.toUpperCase()
        : method;
      this.headers = new Headers(init.headers ?? from?.headers);
      this.signal = init.signal ?? from?.signal ?? new AbortController().signal;
      if (init.body !== undefined && init.body !== null) {
        if (this.method === "GET" || this.method === "HEAD") {
          throw new TypeError("Request with GET/HEAD method cannot have body.");
        }
        this.setBody(init.body);
      } else if (from) {
        this.copyBody(from);
      }
    }
    clone(): Request {
      return new Request(this);
    }
    static {
      const getters = [
        "cache",
        "credentials",
        "destination",
        "integrity",
        "isHistoryNavigation",
        "isReloadNavigation",
        "keepalive",
        "mode",
        "redirect",
        "referrer",
        "referrerPolicy",
      ];
      for (const name of getters) {
        Object.defineProperty(Request.prototype, name, {
          configurable: true,
          enumerable: true,
          get: () => realm.notImplemented(name, "Request"),
        });
      }
    }
  }
  class Response extends Body {
    readonly status: number;
    readonly statusText: string;
    readonly headers: Headers;
    readonly url = "";
    readonly redirected = false;
    readonly type = "default";
    constructor(body?: unknown, init: { status?: unknown; statusText?: string; headers?: unknown } = {}) {
      super();
      const status = init.status === undefined ? 200 : Number(init.status);
      if (!(status >= 200 && status <= 599)) {
        throw new RangeError(`The status provided (${status}) is outside the range [200, 599].`);
      }
      this.status = Math.trunc(status);
      this.statusText = init.statusText === undefined ? "" : `${init.statusText}`;
      this.headers = new Headers(init.headers);
      this.setBody(body);
    }
    get ok(): boolean {
      return this.status >= 200 && this.status <= 299;
    }
    clone(): Response {
      const { status, statusText, headers } = this;
      const copy = new Response(null, { status, statusText, headers });
      copy.copyBody(this);
      return copy;
    }
    static json(value: unknown, init: { status?: number; headers?: unknown } = {}): Response {
      const response = new Response(JSON.stringify(value), init);
      if (!new Headers(init.headers).has("content-type"))
        response.headers.set("content-type", "application/json");
      return response;
    }
    static redirect(url: string, status = 302): Response {
      return new Response(null, { status, headers: { location: `${url}` } });
    }
  }

  class ReadableStream {
    get locked(): boolean {
      return false;
    }
    getReader(): never {
      throw realm.refusal("stream");
    }
    pipeTo(): Promise<never> {
      return Promise.reject(realm.refusal("stream"));
    }
    pipeThrough(): never {
      throw realm.refusal("stream");
    }
    tee(): never {
      throw realm.refusal("stream");
    }
    cancel(): Promise<void> {
      return Promise.resolve();
    }
    [Symbol.asyncIterator](): never {
      throw realm.refusal("stream");
    }
  }
  class WritableStream {
    get locked(): boolean {
      return false;
    }
    getWriter(): never {
      throw realm.refusal("stream");
    }
  }
  class TransformStream {
    readonly readable = new ReadableStream();
    readonly writable = new WritableStream();
  }
  class StreamEnd {
    readonly closed = Promise.resolve();
    constructor() {
      throw realm.refusal("stream");
    }
  }
  const unusable = (name: string): unknown => ({ [name]: class extends StreamEnd {} })[name];
  const classes = {
    Blob,
    File,
    FormData,
    Headers,
    Request,
    Response,
    ReadableStream,
    WritableStream,
    TransformStream,
  };
  for (const [name, value] of Object.entries(classes)) realm.define(name, value);
  realm.define("TextEncoderStream", class TextEncoderStream extends TransformStream {});
  realm.define("TextDecoderStream", class TextDecoderStream extends TransformStream {});
  for (const name of [
    "ReadableStreamDefaultReader",
    "ReadableStreamBYOBReader",
    "WritableStreamDefaultWriter",
  ]) {
    realm.define(name, unusable(name));
  }
}
