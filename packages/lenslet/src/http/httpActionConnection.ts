import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyWindowBytes, type HttpHeaders } from "../runner/actionHost/messages.ts";
import { drain } from "./body.ts";
import type { HttpActionConnection, HttpActionControl } from "./services.ts";

/** One request to an HTTP action: its body flows in as the action reads it, the response as the client does. */
export class HttpActionConnectionOf implements HttpActionConnection {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #hasBody: boolean;
  #control: HttpActionControl | null = null;
  #isClosed = false;
  /** Bytes of the request's body that may be sent to the action. */
  #credit = bodyWindowBytes;
  /** What came with the head, until it is known whether that is all. */
  #pending: { readonly headers: HttpHeaders; readonly chunks: Uint8Array[] } | null = null;
  #hasHead = false;
  #hasEnded = false;

  constructor(request: IncomingMessage, response: ServerResponse, hasBody: boolean) {
    this.#request = request;
    this.#response = response;
    this.#hasBody = hasBody;
    response.on("close", () => {
      this.#isClosed = true;
      if (!response.writableFinished) this.#control?.disconnected();
    });
  }

  get hasHead(): boolean {
    return this.#hasHead;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  started(control: HttpActionControl): void {
    this.#control = control;
    if (this.#isClosed) {
      control.disconnected();
      return;
    }
    if (!this.#hasBody) return;
    this.#request.on("data", this.#onData);
    this.#request.on("end", this.#onEnd);
  }

  want(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > 0) this.#request.resume();
  }

  head(status: number, headers: HttpHeaders): void {
    this.#hasHead = true;
    if (this.#isClosed) return;
    this.#response.statusCode = status;
    this.#pending = { headers, chunks: [] };
    // What follows in the same batch of messages is there by then: a short answer gets its length.
    setImmediate(() => this.#flush());
  }

  chunk(bytes: Uint8Array): void {
    if (this.#pending !== null) this.#pending.chunks.push(bytes);
    else this.#write(bytes);
  }

  /** The response is complete. */
  end(): void {
    this.#hasEnded = true;
    if (this.#isClosed) return;
    const pending = this.#pending;
    this.#pending = null;
    try {
      if (pending === null) {
        this.#response.end();
        return;
      }
      const length = pending.chunks.reduce((sum, { length }) => sum + length, 0);
      // The length is what it is, whatever the action says; only an answer without a body may speak of another.
      const isBodiless =
        length === 0 && (this.#request.method === "HEAD" || this.#response.statusCode === 304);
      this.#setHeaders(pending.headers, isBodiless);
      if (!isBodiless && this.#response.statusCode !== 204)
        this.#response.setHeader("content-length", length);
      this.#response.end(Buffer.concat(pending.chunks));
    } catch {
      this.#response.destroy();
    }
  }

  /** Nobody reads the request's body any more. */
  release(): void {
    this.#control = null;
    this.#request.off("data", this.#onData);
    this.#request.off("end", this.#onEnd);
    if (!this.#request.complete) drain(this.#request);
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#credit -= bytes.length;
    if (this.#credit <= 0) this.#request.pause();
    this.#control?.body(bytes);
  };

  readonly #onEnd = (): void => this.#control?.body(null);

  #flush(): void {
    const pending = this.#pending;
    if (pending === null || this.#isClosed) return;
    this.#pending = null;
    try {
      this.#setHeaders(pending.headers, true);
      // A length that does not fit the body would make the rest of it the next answer on this connection.
      this.#response.strictContentLength = true;
      this.#response.flushHeaders();
    } catch {
      this.#response.destroy();
      return;
    }
    for (const chunk of pending.chunks) this.#write(chunk);
  }

  #setHeaders(headers: HttpHeaders, keepLength: boolean): void {
    for (const [name, value] of headers) {
      if (keepLength || name !== "content-length") this.#response.appendHeader(name, value);
    }
  }

  #write(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#response.write(bytes, () => this.#control?.taken(bytes.length));
    } catch {
      this.#response.destroy();
    }
  }
}
