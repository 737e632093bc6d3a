import { owners, type Owner } from "./owner.ts";
import { multipartBytesMax, multipartTooLargeText } from "./limits.ts";
import type { RealmIntrinsics } from "./actionGlobals.ts";

/** An owner whose user code lives in a realm of its own. */
export interface RealmOwner extends Owner {
  readonly intrinsics: RealmIntrinsics;
  /** Also for errors that the platform creates in its name. */
  formatStack(error: unknown, sites: readonly NodeJS.CallSite[]): string;
}

export function realmOfCaller(): RealmOwner | null {
  const owner = owners.getStore();
  return owner !== undefined && "intrinsics" in owner ? (owner as RealmOwner) : null;
}

const platformNames = [
  "URL",
  "URLSearchParams",
  "crypto",
  "Crypto",
  "CryptoKey",
  "SubtleCrypto",
  "DOMException",
  "Event",
  "EventTarget",
  "AbortController",
  "AbortSignal",
  "ReadableStream",
  "ReadableStreamDefaultReader",
  "ReadableStreamBYOBReader",
  "ReadableStreamDefaultController",
  "ReadableByteStreamController",
  "ReadableStreamBYOBRequest",
  "WritableStream",
  "WritableStreamDefaultWriter",
  "WritableStreamDefaultController",
  "TransformStream",
  "TransformStreamDefaultController",
  "ByteLengthQueuingStrategy",
  "CountQueuingStrategy",
  "TextEncoderStream",
  "TextDecoderStream",
  "CompressionStream",
  "DecompressionStream",
  "Blob",
  "File",
  "FormData",
  "Headers",
  "Request",
  "Response",
  "queueMicrotask",
] as const;

const builtinNames = [
  "Object",
  "Function",
  "Array",
  "Promise",
  "Map",
  "Set",
  "Date",
  "RegExp",
  "Error",
  "TypeError",
  "RangeError",
  "SyntaxError",
  "AggregateError",
  "ArrayBuffer",
  "DataView",
  "Uint8Array",
  "Int8Array",
  "Uint8ClampedArray",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
] as const;

const here = globalThis as unknown as Readonly<Record<string, unknown>>;

function pick(names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    names.map((name) => [name, here[name]]).filter(([, value]) => value !== undefined),
  );
}

/** Globals that the realms of actions share with this process. */
export const platform = pick(platformNames);
export const builtins = pick(builtinNames);

type Reader<T> = (this: unknown) => Promise<T>;

/**
 * Bodies hand out JSON values and buffers. They are made to belong to the realm of the code that reads them: libraries
 * compare prototypes, and `convex/values` asks for `instanceof ArrayBuffer`.
 */
export function installRealmAwareBodies(): void {
  for (const owner of [Response.prototype, Request.prototype, Blob.prototype]) {
    const prototype = owner as unknown as Record<string, unknown>;
    for (const name of ["arrayBuffer", "bytes"]) {
      const read = prototype[name] as Reader<object> | undefined;
      if (read === undefined) continue;
      replace(prototype, name, async function (this: unknown) {
        const intrinsics = realmOfCaller()?.intrinsics ?? null;
        const value = await Reflect.apply(read, this, []);
        return intrinsics === null ? value : intrinsics.adopt(value);
      });
    }
    if (!("json" in prototype)) continue;
    const text = prototype["text"] as Reader<string>;
    replace(prototype, "json", async function (this: unknown) {
      const intrinsics = realmOfCaller()?.intrinsics ?? null;
      const body = await Reflect.apply(text, this, []);
      return intrinsics === null ? (JSON.parse(body) as unknown) : intrinsics.parseJson(body);
    });
  }
}

/** `formData()` holds all of what it parses in memory. */
export function limitMultipartBodies(): void {
  const parseResponse = Response.prototype.formData as Reader<FormData>;
  for (const prototype of [Response.prototype, Request.prototype]) {
    const parse = prototype.formData as Reader<FormData>;
    replace(prototype, "formData", async function (this: Response | Request) {
      const type = this.headers.get("content-type") ?? "";
      if (this.body === null || this.bodyUsed || !/^\s*multipart\//i.test(type))
        return await parse.call(this);
      let bytes = 0;
      const limit = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          bytes += chunk.byteLength;
          if (bytes > multipartBytesMax) controller.error(new RangeError(multipartTooLargeText));
          else controller.enqueue(chunk);
        },
      });
      const body = this.body.pipeThrough(limit);
      return await parseResponse.call(new Response(body, { headers: { "content-type": type } }));
    });
  }
}

function replace(prototype: object, name: string, value: unknown): void {
  Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: true });
}

/**
 * A body that has been unpacked is described as what it is now, so that it can be handed on with its headers: an HTTP
 * action that returns what it has fetched would else announce a compressed body of another length.
 */
function withHeadersOfDecoded(response: Response): Response {
  if (!response.headers.has("content-encoding")) return response;
  const headers = new Headers(response.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  Object.defineProperty(response, "headers", { value: headers, configurable: true });
  return response;
}

/** `fetch` of the default runtime: http and https only, redirects counted, ended with the action (functions.md §5.2). */
export async function fetchFor(input: unknown, init: unknown, signal: AbortSignal): Promise<unknown> {
  const url = new URL(input instanceof Request ? input.url : String(input));
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(
      `Unsupported URL scheme -- http and https are supported (scheme was ${url.protocol.slice(0, -1)})`,
    );
  }
  const options = (init ?? {}) as RequestInit;
  const own = options.signal ?? (input instanceof Request ? input.signal : null);
  try {
    const response = await fetch(input as string | Request, {
      ...options,
      signal: own ? AbortSignal.any([own, signal]) : signal,
    });
    return withHeadersOfDecoded(response);
  } catch (error) {
    const { cause } = error as { cause?: { message?: string } };
    if (cause?.message === "redirect count exceeded")
      throw new TypeError("fetch too many redirects", { cause: error });
    throw error;
  }
}
