import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, zstdDecompress } from "node:zlib";
import { LensletError, badRequest } from "../base/errors.ts";
import { HttpError, clientDisconnected } from "./errors.ts";

/** All request bodies held in memory at one time; beyond it requests are turned away. */
export const heldBytesMax = 1024 * 1024 * 1024;
/** What is read and thrown away of a body that was refused, so that the client gets to see the answer. */
export const drainedBytesMax = 32 * 1024 * 1024;

/** Counts the bytes of all bodies in memory. */
export class ByteBudget {
  readonly #bytesMax: number;
  #held = 0;
  constructor(bytesMax: number = heldBytesMax) {
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): void {
    if (this.#held + bytes > this.#bytesMax) {
      throw new LensletError(
        "Overloaded",
        "TooManyRequestBytes",
        "The server is holding too many large request bodies. Try again later.",
      );
    }
    this.#held += bytes;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }

  get heldBytes(): number {
    return this.#held;
  }
}

/** The share of the budget that one request holds; released as a whole when it ends. */
export class BodyShare {
  readonly #budget: ByteBudget;
  #bytes = 0;
  #isReleased = false;
  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  take(bytes: number): void {
    if (this.#isReleased) return;
    this.#budget.take(bytes);
    this.#bytes += bytes;
  }

  release(): void {
    this.#isReleased = true;
    this.#budget.release(this.#bytes);
    this.#bytes = 0;
  }
}

/**
 * Reads a request body of at most `bytesMax` bytes, as sent. A longer one is refused with 413 if its length was
 * announced, else (while reading) with 400 BadJsonBody. Rejects with ClientDisconnect when the client goes away.
 */
export function readBytes(request: IncomingMessage, bytesMax: number, share: BodyShare): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > bytesMax) {
    drain(request);
    return Promise.reject(tooLargeAnnounced(bytesMax));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let isEnded = false;
    const refuse = (error: unknown) => {
      request.off("data", onData);
      chunks.length = 0;
      drain(request);
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > bytesMax) {
        refuse(tooLarge(bytesMax));
        return;
      }
      try {
        share.take(chunk.length);
      } catch (error) {
        refuse(error);
        return;
      }
      chunks.push(chunk);
    };
    request.on("data", onData);
    request.on("end", () => {
      isEnded = true;
      const [only] = chunks;
      resolve(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
    });
    // "close" also follows a complete body. Building an error captures a stack: not for every good request.
    request.on("close", () => {
      if (!isEnded) reject(clientDisconnected());
    });
  });
}

/** Reads the rest of a body and throws it away, up to a limit. */
export function drain(request: IncomingMessage): void {
  let left = drainedBytesMax;
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  // It may have been paused by whoever has read it so far.
  request.resume();
}

function tooLarge(bytesMax: number): LensletError {
  return badRequest("BadJsonBody", `The request body is larger than the limit of ${bytesMax} bytes.`);
}

function tooLargeAnnounced(bytesMax: number): HttpError {
  return new HttpError(
    413,
    "PayloadTooLarge",
    `The request body is larger than the limit of ${bytesMax} bytes.`,
  );
}

type Decompress = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;
const decompressors: ReadonlyMap<string, Decompress> = new Map<string, Decompress>([
  ["br", promisify(brotliDecompress) as Decompress],
  ["gzip", promisify(gunzip) as Decompress],
  ["x-gzip", promisify(gunzip) as Decompress],
  ["deflate", promisify(inflate) as Decompress],
  ["zstd", promisify(zstdDecompress) as Decompress],
]);

/** Undoes one Content-Encoding. `bytesMax` bounds the result, so a small body cannot unfold without end. */
export async function decompress(
  bytes: Buffer,
  encoding: string | undefined,
  bytesMax: number,
  share: BodyShare,
): Promise<Buffer> {
  const name = encoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return bytes;
  const unfold = decompressors.get(name);
  if (unfold === undefined) {
    throw new HttpError(
      415,
      "UnsupportedContentEncoding",
      "The request's Content-Encoding is not supported. Use br, gzip, deflate, zstd or none.",
    );
  }
  let unfolded: Buffer;
  try {
    unfolded = await unfold(bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
      throw tooLarge(bytesMax);
    throw badRequest("BadJsonBody", `The request body is not valid ${name} data.`);
  }
  share.take(unfolded.length);
  return unfolded;
}

/** Throws BadJsonBody unless the header announces JSON. */
export function checkJsonContentType(contentType: string | undefined): void {
  if (contentType === "application/json") return;
  const essence = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (essence === "application/json" || /^application\/[^/\s]+\+json$/.test(essence)) return;
  throw badRequest("BadJsonBody", "Expected request with `Content-Type: application/json`");
}

/** JSON is UTF-8; anything else is refused rather than repaired. */
export function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw badRequest("BadJsonBody", "The request body is not valid UTF-8.");
  return bytes.toString("utf8");
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message.slice(0, 200) : "too deeply nested";
    throw badRequest("BadJsonBody", `Failed to parse the request body as JSON: ${reason}`);
  }
}
