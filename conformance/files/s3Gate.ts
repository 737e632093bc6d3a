import http from "node:http";
import type { AddressInfo } from "node:net";

/** Stands in front of a store that speaks S3: open, shut (as if the store were gone), or slow on purpose. */
export class S3Gate {
  /** How often contents were asked for. */
  reads = 0;
  isShut = false;
  #held: Promise<void> | null = null;
  #waiting = 0;
  readonly #server: http.Server;
  readonly #target: URL;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = http.createServer((request, response) => void this.#forward(request, response));
  }

  static async open(target: string): Promise<S3Gate> {
    const gate = new S3Gate(target);
    await new Promise<void>((resolve) => gate.#server.listen(0, "127.0.0.1", resolve));
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests for contents that are held back now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Holds all requests for contents back until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return () => {
      this.#held = null;
      resolve();
    };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #forward(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method, url, headers } = request;
    // Lists have parameters; the server asks for them in its own time.
    const isRead = method === "GET" && !url?.includes("?");
    if (isRead) this.reads++;
    if (isRead && this.#held !== null) {
      this.#waiting++;
      await this.#held;
      this.#waiting--;
    }
    if (this.isShut) {
      request.socket.destroy();
      return;
    }
    // The host stays: it is part of what is signed.
    const { hostname, port } = this.#target;
    const forwarded = http.request({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  }
}
