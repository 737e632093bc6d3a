import { AsyncResource } from "node:async_hooks";
import { types } from "node:util";
import { assert } from "../../base/assert.ts";
import { bodyWindowBytes, type HttpHostMessage, type HttpRequestHead } from "./messages.ts";
import { responseBytesMax, responseTooLargeText } from "./limits.ts";

/** What is sent of a response at a time; the server forwards each piece as it comes. */
const pieceBytesMax = 64 * 1024;

type ReadResult = { readonly done: false; readonly value: Uint8Array } | { readonly done: true };

/** The response could not be sent to its end; `message` is for the log and, before the head, for the client. */
export class ResponseFailure extends Error {
  override name = "ResponseFailure";
}

/**
 * The request and the response of one HTTP action as the host process sees them. Both bodies are streams with a window:
 * neither side holds more than `bodyWindowBytes` of what the other has not asked for.
 */
export class HttpExchange {
  /** What user code gets. */
  readonly request: Request;
  readonly #action: number;
  readonly #send: (message: HttpHostMessage) => void;
  readonly #abort = new AbortController();
  #body: ReadableByteStreamController | null = null;
  #bodyDone = true;
  /** What the server may still send of the request's body. */
  #requestCredit = bodyWindowBytes;
  #responseCredit = bodyWindowBytes;
  #wakeSender: (() => void) | null = null;
  /** Listeners of `request.signal` are user code: entered from a microtask, in the async context of their action. */
  readonly #abortSoon = AsyncResource.bind(() => {
    void Promise.resolve().then(() =>
      this.#abort.abort(new DOMException("The client closed the connection.", "AbortError")),
    );
  });
  #isDisconnected = false;
  #isOver = false;
  #sentBytes = 0;

  constructor(action: number, head: HttpRequestHead, send: (message: HttpHostMessage) => void) {
    this.#action = action;
    this.#send = send;
    const { method, url, headers, hasBody } = head;
    this.request = new Request(url, {
      method,
      headers: headers as [string, string][],
      signal: this.#abort.signal,
      ...(hasBody ? { body: this.#requestStream(), duplex: "half" } : {}),
    } as RequestInit);
  }

  get responseBytes(): number {
    return this.#sentBytes;
  }

  requestBody(bytes: Uint8Array | null): void {
    if (this.#bodyDone || this.#body === null) return;
    if (bytes !== null) {
      this.#requestCredit -= bytes.length;
      // The stream takes the memory away from whoever else looks at it: the other messages of the batch.
      this.#body.enqueue(new Uint8Array(bytes));
      this.#grant();
      return;
    }
    this.#bodyDone = true;
    this.#body.close();
    // A reader that waits with a buffer of its own gets it back empty.
    this.#body.byobRequest?.respond(0);
  }

  disconnected(): void {
    this.#isDisconnected = true;
    if (!this.#bodyDone) {
      this.#bodyDone = true;
      this.#body?.error(new TypeError("The client closed the connection before the request was complete."));
    }
    this.#wakeSender?.();
    this.#abortSoon();
  }

  /** The action has ended: whatever its streams still produce is nobody's. */
  ended(): void {
    this.#isOver = true;
    this.#isDisconnected = true;
    this.#wakeSender?.();
  }

  responseCredit(bytes: number): void {
    this.#responseCredit += bytes;
    if (this.#responseCredit > 0) this.#wakeSender?.();
  }

  /** Sends the response as its body is produced. Rejects with ResponseFailure or with what the body's stream failed with. */
  async respond(response: Response): Promise<void> {
    const { status } = response;
    const headers = headersOf(response);
    if (status < 200)
      throw new ResponseFailure("HTTP actions must return a Response with a status of 200 to 599.");
    const reader = response.body?.getReader();
    if (reader === undefined) {
      this.#send({ type: "responseHead", action: this.#action, status, headers });
      this.#send({ type: "responseEnd", action: this.#action });
      return;
    }
    let next = reader.read() as Promise<ReadResult>;
    // A body that fails or is too large at once is told from one that takes its time: the former still gets an error.
    await Promise.race([next, new Promise(setImmediate)]);
    let isHeadSent = false;
    for (;;) {
      const chunk = isHeadSent ? await next : await settledOrNull(next);
      if (chunk !== null && !chunk.done) this.#count(chunk.value);
      if (!isHeadSent) {
        this.#send({ type: "responseHead", action: this.#action, status, headers });
        isHeadSent = true;
      }
      if (chunk === null) continue;
      if (chunk.done) {
        this.#send({ type: "responseEnd", action: this.#action });
        return;
      }
      if (this.#isOver) return void reader.cancel().catch(() => undefined);
      next = reader.read() as Promise<ReadResult>;
      next.catch(() => undefined);
      await this.#sendBytes(chunk.value);
    }
  }

  /** Throws ResponseFailure when the chunk is none or exceeds the limit. */
  #count(chunk: unknown): void {
    if (!types.isUint8Array(chunk)) {
      throw new ResponseFailure("The body of a Response must consist of Uint8Array chunks.");
    }
    this.#sentBytes += chunk.length;
    if (this.#sentBytes > responseBytesMax) throw new ResponseFailure(responseTooLargeText);
  }

  async #sendBytes(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += pieceBytesMax) {
      while (this.#responseCredit <= 0 && !this.#isDisconnected) {
        await new Promise<void>((resolve) => (this.#wakeSender = resolve));
        this.#wakeSender = null;
      }
      // The action goes on when its client has gone; what it says is thrown away.
      if (this.#isDisconnected) return;
      const length = Math.min(pieceBytesMax, bytes.length - start);
      // A copy: user code may go on to use its own.
      const piece = new Uint8Array(new Uint8Array(bytes.buffer, bytes.byteOffset + start, length));
      this.#responseCredit -= piece.length;
      this.#send({ type: "responseBody", action: this.#action, bytes: piece });
    }
  }

  #requestStream(): ReadableStream {
    this.#bodyDone = false;
    return new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.#body = controller;
      },
      pull: () => this.#grant(),
      cancel: () => {
        // Nobody reads the rest: it stays where it is.
        this.#bodyDone = true;
      },
    });
  }

  /** Lets the server send as much as user code has taken out of the stream. */
  #grant(): void {
    assert(this.#body !== null, "the stream has been started");
    if (this.#bodyDone) return;
    // `desiredSize` is minus what is queued, as the stream wants nothing by itself.
    const queued = -(this.#body.desiredSize ?? 0);
    const bytes = bodyWindowBytes - Math.max(0, queued) - this.#requestCredit;
    // In large steps, so that a fast reader does not make a message of every chunk.
    if (bytes < bodyWindowBytes / 2) return;
    this.#requestCredit += bytes;
    this.#send({ type: "requestCredit", action: this.#action, bytes });
  }
}

/** What the promise has been settled with by now, or null. */
async function settledOrNull<T>(promise: Promise<T>): Promise<T | null> {
  return Promise.race([promise, Promise.resolve(null)]);
}

/** Belong to one connection, which is not the action's. */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function headersOf(response: Response): [string, string][] {
  return [...response.headers].filter(([name]) => !connectionHeaders.has(name));
}
