import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { ReadableStream as WebStream } from "node:stream/web";
import { AwsClient } from "aws4fetch";
import type { LensletError } from "../base/errors.ts";
import {
  type ByteRange,
  type FileStore,
  fileStoreUnavailable,
  isFileKey,
  type WrittenFile,
} from "./fileStore.ts";

/** Contents up to this size are sent in one request, larger ones in parts of it: memory of one upload. */
const partBytes = 8 * 1024 * 1024;
/** S3 takes 10,000 parts; from here on each is twice as large as the ones before. */
const partsOfOneSize = 1000;
const retriesMax = 3;

export interface S3Location {
  /** Of the bucket with the endpoint in front, e.g. https://s3.eu-central-1.amazonaws.com/bucket; without a slash at the end. */
  readonly bucketUrl: string;
  /** Before each key, e.g. "lenslet/"; may be empty. */
  readonly prefix: string;
  readonly region: string;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Files as objects of a bucket of S3 or anything that speaks its protocol. */
export class S3FileStore implements FileStore {
  readonly #location: S3Location;
  readonly #client: AwsClient;

  constructor(location: S3Location, credentials: S3Credentials) {
    this.#location = location;
    this.#client = new AwsClient({
      ...credentials,
      region: location.region,
      service: "s3",
      retries: retriesMax,
    });
  }

  async write(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenFile> {
    const hash = createHash("sha256");
    let size = 0;
    let uploadId: string | null = null;
    const etags: string[] = [];
    try {
      for await (const { bytes, isLast } of partsOf(source)) {
        hash.update(bytes);
        size += bytes.length;
        if (isLast && uploadId === null) {
          await this.#request("PUT", this.#objectUrl(key), bytes);
          break;
        }
        uploadId ??= await this.#begin(key);
        const url = `${this.#objectUrl(key)}?partNumber=${etags.length + 1}&uploadId=${encodeURIComponent(uploadId)}`;
        const response = await this.#request("PUT", url, bytes);
        etags.push(response.headers.get("etag") ?? "");
      }
      if (uploadId !== null) await this.#complete(key, uploadId, etags);
    } catch (error) {
      if (uploadId !== null) await this.#abort(key, uploadId).catch(() => undefined);
      throw error;
    }
    return { size, sha256: hash.digest() };
  }

  async read(key: string, { start, end }: ByteRange, abort?: AbortSignal): Promise<Readable | null> {
    const headers = end > start ? { range: `bytes=${start}-${end - 1}` } : {};
    const method = end > start ? "GET" : "HEAD";
    const init = { method, headers, ...(abort === undefined ? {} : { signal: abort }) };
    const response = await this.#fetch(this.#objectUrl(key), init);
    if (response.status === 404) {
      await response.body?.cancel();
      return null;
    }
    if (!response.ok) throw await failureOf(response);
    const length = Number(response.headers.get("content-length"));
    if (method === "GET" && length !== end - start) {
      await response.body?.cancel();
      throw fileStoreUnavailable(`it answered a request for ${end - start} bytes with ${length}`);
    }
    return method === "HEAD" || response.body === null
      ? Readable.from([])
      : Readable.fromWeb(response.body as WebStream);
  }

  async remove(key: string): Promise<void> {
    await this.#request("DELETE", this.#objectUrl(key));
  }

  async *keys(): AsyncIterable<readonly string[]> {
    const { bucketUrl, prefix } = this.#location;
    for (let token: string | null = null; ;) {
      const query = new URLSearchParams({ "list-type": "2", prefix });
      if (token !== null) query.set("continuation-token", token);
      const xml = await (await this.#request("GET", `${bucketUrl}?${query.toString()}`)).text();
      const keys = elements(xml, "Key").flatMap((name) => {
        const key = name.slice(prefix.length);
        return name.startsWith(prefix) && isFileKey(key) ? [key] : [];
      });
      if (keys.length > 0) yield keys;
      token = elements(xml, "NextContinuationToken")[0] ?? null;
      if (token === null) return;
    }
  }

  async removeUnfinished(): Promise<void> {
    const { bucketUrl, prefix } = this.#location;
    const query = new URLSearchParams({ uploads: "", prefix });
    // Some servers do not list unfinished uploads; their own rules for the bucket have to remove them.
    const response = await this.#fetch(`${bucketUrl}?${query.toString()}`);
    if (!response.ok) {
      await response.body?.cancel();
      return;
    }
    for (const upload of elements(await response.text(), "Upload")) {
      const name = elements(upload, "Key")[0] ?? "";
      const uploadId = elements(upload, "UploadId")[0] ?? "";
      const key = name.slice(prefix.length);
      if (name.startsWith(prefix) && isFileKey(key)) await this.#abort(key, uploadId);
    }
  }

  async #begin(key: string): Promise<string> {
    const response = await this.#request("POST", `${this.#objectUrl(key)}?uploads=`);
    const [uploadId] = elements(await response.text(), "UploadId");
    if (uploadId === undefined) throw fileStoreUnavailable("it has begun an upload without naming it");
    return uploadId;
  }

  async #complete(key: string, uploadId: string, etags: readonly string[]): Promise<void> {
    const parts = etags.map(
      (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
    const url = `${this.#objectUrl(key)}?uploadId=${encodeURIComponent(uploadId)}`;
    // 200 with an <Error> is what S3 answers when it fails after it has begun to answer.
    const text = await (await this.#request("POST", url, Buffer.from(body))).text();
    if (text.includes("<Error>"))
      throw fileStoreUnavailable(elements(text, "Message")[0] ?? text.slice(0, 200));
  }

  async #abort(key: string, uploadId: string): Promise<void> {
    await this.#request("DELETE", `${this.#objectUrl(key)}?uploadId=${encodeURIComponent(uploadId)}`);
  }

  #objectUrl(key: string): string {
    return `${this.#location.bucketUrl}/${this.#location.prefix}${key}`;
  }

  /** An answer of any status; without one, FileStoreUnavailable. */
  async #fetch(url: string, init: RequestInit = {}): Promise<Response> {
    try {
      return await this.#client.fetch(url, init);
    } catch (error) {
      const { cause, message } = error as Error;
      const { code } = (cause ?? {}) as { readonly code?: string };
      throw fileStoreUnavailable(`it cannot be reached (${code ?? message})`);
    }
  }

  async #request(method: string, url: string, body?: Uint8Array): Promise<Response> {
    const response = await this.#fetch(url, {
      method,
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    });
    if (!response.ok && !(method === "DELETE" && response.status === 404)) throw await failureOf(response);
    if (method === "DELETE" || method === "PUT") await response.arrayBuffer();
    return response;
  }
}

/** Cuts a stream into parts; the last one may be smaller, also empty if it is the only one. */
async function* partsOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ bytes: Uint8Array; isLast: boolean }, void, undefined> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  let count = 0;
  for await (const chunk of source) {
    // Yielded only when more has come: so the last part is known as such.
    const sizeMax = partBytes * 2 ** Math.floor(count / partsOfOneSize);
    if (length >= sizeMax && chunk.length > 0) {
      yield { bytes: Buffer.concat(chunks, length), isLast: false };
      count += 1;
      chunks = [];
      length = 0;
    }
    chunks.push(chunk);
    length += chunk.length;
  }
  yield { bytes: Buffer.concat(chunks, length), isLast: true };
}

async function failureOf(response: Response): Promise<LensletError> {
  const text = await response.text();
  const reason = elements(text, "Code")[0] ?? text.slice(0, 200);
  return fileStoreUnavailable(`it answered ${response.status} ${reason}`);
}

/** The contents of all elements of a name; S3 nests none of those asked for in itself. */
function elements(xml: string, name: string): string[] {
  const found = xml.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, "g"));
  return Array.from(found, ([, content = ""]) => unescapeXml(content));
}

const entities: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};

function unescapeXml(text: string): string {
  return text.replace(/&(?:lt|gt|quot|apos|amp|#34|#39);/g, (entity) =>
    entity === "&#34;" ? '"' : entity === "&#39;" ? "'" : (entities[entity] as string),
  );
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
