/* oxlint-disable typescript/no-unnecessary-template-expression, typescript/unbound-method, unicorn/no-instanceof-builtins
   -- arguments come from untyped user code, and everything here is of one realm */
import type { HostUrl, RealmControls, RealmHost } from "./realmTypes.ts";

/** Text encodings, base64, URLs. Parsing is the host's; what user code holds is the realm's. See realmTypes.ts. */
export function installEncoding(host: RealmHost, realm: RealmControls): void {
  const bytesOf = (input: unknown): Uint8Array => {
    if (input === undefined) return new Uint8Array(0);
    if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    return new Uint8Array(input as ArrayBuffer);
  };

  class TextEncoder {
    get encoding(): string {
      return "utf-8";
    }
    encode(text: unknown = ""): Uint8Array {
      return new Uint8Array(host.encodeUtf8(`${text as string}`));
    }
    encodeInto(text: string, target: Uint8Array): { read: number; written: number } {
      let read = 0;
      let written = 0;
      for (const character of `${text}`) {
        const bytes = host.encodeUtf8(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }
  class TextDecoder {
    readonly #decoder;
    readonly fatal: boolean;
    readonly ignoreBOM: boolean;
    constructor(label = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
      this.fatal = !!options.fatal;
      this.ignoreBOM = !!options.ignoreBOM;
      const decoder = host.textDecoder(`${label}`, { fatal: this.fatal, ignoreBOM: this.ignoreBOM });
      if (decoder === null) throw new RangeError(`The "${label}" encoding is not supported`);
      this.#decoder = decoder;
    }
    get encoding(): string {
      return this.#decoder.encoding;
    }
    decode(input?: unknown, options: { stream?: boolean } = {}): string {
      const text = this.#decoder.decode(input === undefined ? null : bytesOf(input), !!options.stream);
      if (text === null) throw new TypeError(`The encoded data was not valid for encoding ${this.encoding}`);
      return text;
    }
  }
  realm.define("TextEncoder", TextEncoder);
  realm.define("TextDecoder", TextDecoder);
  realm.define("atob", function atob(text: unknown) {
    const decoded = host.atob(`${text as string}`);
    if (decoded === null) {
      throw new realm.DOMException(
        "The string to be decoded is not correctly encoded.",
        "InvalidCharacterError",
      );
    }
    return decoded;
  });
  realm.define("btoa", function btoa(text: unknown) {
    const encoded = host.btoa(`${text as string}`);
    if (encoded === null) throw new realm.DOMException("Invalid character", "InvalidCharacterError");
    return encoded;
  });

  const wrapped = Symbol("host search params");
  class URLSearchParams {
    readonly #host;
    constructor(init: unknown = "") {
      if (typeof init === "object" && init !== null && wrapped in init) {
        this.#host = (init as Record<symbol, unknown>)[wrapped] as globalThis.URLSearchParams;
        return;
      }
      this.#host = host.searchParams("");
      if (init === null || (typeof init !== "object" && typeof init !== "function")) {
        this.#host = host.searchParams(`${init as string}`);
      } else if (typeof (init as Iterable<unknown>)[Symbol.iterator] === "function") {
        for (const pair of init as Iterable<Iterable<unknown>>) {
          const [name, value, ...rest] = pair;
          if (value === undefined || rest.length > 0) {
            throw new TypeError("Each query pair must be an iterable [name, value] tuple");
          }
          this.#host.append(`${name as string}`, `${value as string}`);
        }
      } else {
        for (const [name, value] of Object.entries(init)) this.#host.set(name, `${value as string}`);
      }
    }
    get size(): number {
      return this.#host.size;
    }
    append(name: string, value: string): void {
      this.#host.append(`${name}`, `${value}`);
    }
    delete(name: string, value?: string): void {
      if (value === undefined) this.#host.delete(`${name}`);
      else this.#host.delete(`${name}`, `${value}`);
    }
    get(name: string): string | null {
      return this.#host.get(`${name}`);
    }
    getAll(name: string): string[] {
      return [...this.#host.getAll(`${name}`)];
    }
    has(name: string, value?: string): boolean {
      return value === undefined ? this.#host.has(`${name}`) : this.#host.has(`${name}`, `${value}`);
    }
    set(name: string, value: string): void {
      this.#host.set(`${name}`, `${value}`);
    }
    sort(): void {
      this.#host.sort();
    }
    toString(): string {
      return this.#host.toString();
    }
    *entries(): Generator<[string, string]> {
      for (const [name, value] of this.#host) yield [name, value];
    }
    *keys(): Generator<string> {
      for (const [name] of this.#host) yield name;
    }
    *values(): Generator<string> {
      for (const [, value] of this.#host) yield value;
    }
    forEach(callback: (value: string, name: string, parent: URLSearchParams) => void, self?: unknown): void {
      for (const [name, value] of this.entries()) callback.call(self, value, name, this);
    }
    [Symbol.iterator](): Generator<[string, string]> {
      return this.entries();
    }
    get [Symbol.toStringTag](): string {
      return "URLSearchParams";
    }
  }

  class URL {
    readonly #host: HostUrl;
    readonly #params: URLSearchParams;
    constructor(url: unknown, base?: unknown) {
      const parsed = host.url(`${url as string}`, base === undefined ? undefined : `${base as string}`);
      if (parsed === null) {
        const error = new TypeError("Invalid URL") as TypeError & { code: string; input: string };
        error.code = "ERR_INVALID_URL";
        error.input = `${url as string}`;
        throw error;
      }
      this.#host = parsed;
      this.#params = new URLSearchParams({ [wrapped]: parsed.searchParams });
    }
    static canParse(url: unknown, base?: unknown): boolean {
      return host.url(`${url as string}`, base === undefined ? undefined : `${base as string}`) !== null;
    }
    static parse(url: unknown, base?: unknown): URL | null {
      return URL.canParse(url, base) ? new URL(url, base) : null;
    }
    get searchParams(): URLSearchParams {
      return this.#params;
    }
    get origin(): string {
      return this.#host.origin;
    }
    toString(): string {
      return this.#host.href;
    }
    toJSON(): string {
      return this.#host.href;
    }
    get [Symbol.toStringTag](): string {
      return "URL";
    }
    static {
      const parts = [
        "href",
        "protocol",
        "username",
        "password",
        "host",
        "hostname",
        "port",
        "pathname",
        "search",
        "hash",
      ] as const;
      for (const part of parts) {
        Object.defineProperty(URL.prototype, part, {
          configurable: true,
          enumerable: true,
          get(this: URL) {
            return this.#host[part];
          },
          set(this: URL, value: unknown) {
            const text = `${value as string}`;
            if (part === "href" && host.url(text, undefined) === null) throw new TypeError("Invalid URL");
            this.#host[part] = text;
          },
        });
      }
    }
  }
  realm.define("URLSearchParams", URLSearchParams);
  realm.define("URL", URL);

  const cannotClone = (value: unknown): never => {
    const text = typeof value === "symbol" ? value.toString() : `${value as string}`;
    throw new realm.DOMException(`${text} could not be cloned.`, "DataCloneError");
  };
  const clone = (value: unknown, seen: Map<object, unknown>): unknown => {
    if (typeof value === "function" || typeof value === "symbol") return cannotClone(value);
    if (typeof value !== "object" || value === null) return value;
    const known = seen.get(value);
    if (known !== undefined) return known;
    const remember = <T>(copy: T): T => {
      seen.set(value, copy);
      return copy;
    };
    if (Array.isArray(value)) {
      const copy = remember(Array.from({ length: value.length }));
      for (const key of Object.keys(value)) Reflect.set(copy, key, clone(Reflect.get(value, key), seen));
      return copy;
    }
    if (value instanceof Date) return remember(new Date(value.getTime()));
    if (value instanceof RegExp) return remember(new RegExp(value.source, value.flags));
    if (value instanceof ArrayBuffer) return remember(value.slice(0));
    if (ArrayBuffer.isView(value)) {
      const buffer = clone(value.buffer, seen) as ArrayBuffer;
      const View = value.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => object;
      const length = value instanceof DataView ? value.byteLength : (value as Uint8Array).length;
      return remember(new View(buffer, value.byteOffset, length));
    }
    if (value instanceof Map) {
      const copy = remember(new Map());
      for (const [key, item] of value) copy.set(clone(key, seen), clone(item, seen));
      return copy;
    }
    if (value instanceof Set) {
      const copy = remember(new Set());
      for (const item of value) copy.add(clone(item, seen));
      return copy;
    }
    if (value instanceof Error) {
      const Constructors: Record<string, ErrorConstructor> = {
        EvalError,
        RangeError,
        ReferenceError,
        SyntaxError,
        TypeError,
        URIError,
      };
      const copy = remember(new (Constructors[value.name] ?? Error)(value.message));
      if ("cause" in value) copy.cause = clone(value.cause, seen);
      return copy;
    }
    if (value instanceof Boolean || value instanceof Number || value instanceof String) {
      return remember(Object(value.valueOf()));
    }
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet)
      return cannotClone("#<Promise>");
    const copy = remember({});
    for (const [key, item] of Object.entries(value)) {
      Object.defineProperty(copy, key, {
        value: clone(item, seen),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    return copy;
  };
  realm.define("structuredClone", function structuredClone(value: unknown) {
    return clone(value, new Map());
  });
}
