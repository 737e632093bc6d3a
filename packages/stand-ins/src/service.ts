import http from "node:http";
import type { AddressInfo } from "node:net";

export interface ServiceRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

export interface ServiceAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes and texts are sent as they are, an async iterable as it comes; any other object as JSON. */
  readonly body?: string | Uint8Array | object | AsyncIterable<string>;
}

/** A request is at most this long. */
const requestBytesMax = 20 * 1024 * 1024;

/** A local HTTP server that answers with one function. */
export class Service {
  readonly url: string;
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(
    answer: (request: ServiceRequest) => ServiceAnswer | Promise<ServiceAnswer>,
    port = 0,
  ): Promise<Service> {
    const server = http.createServer((request, response) => {
      respond(request, response, answer).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500, { "content-type": "application/json" });
        response.end(JSON.stringify({ message: String((error as Error).message ?? error) }));
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    return new Service(server);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function respond(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  answer: (request: ServiceRequest) => ServiceAnswer | Promise<ServiceAnswer>,
): Promise<void> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > requestBytesMax) throw new Error("The request is too long.");
    chunks.push(chunk);
  }
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://stand-in");
  const {
    status = 200,
    headers = {},
    body = "",
  } = await answer({
    method: request.method ?? "GET",
    path: pathname,
    query: searchParams,
    headers: request.headers,
    text: Buffer.concat(chunks).toString("utf8"),
  });
  if (typeof body === "string") {
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
    response.end(body);
  } else if (body instanceof Uint8Array) {
    response.writeHead(status, { "content-type": "application/octet-stream", ...headers });
    response.end(body);
  } else if (isStream(body)) {
    response.writeHead(status, { "content-type": "text/event-stream", ...headers });
    for await (const piece of body) {
      if (response.destroyed) return;
      response.write(piece);
    }
    response.end();
  } else {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  }
}

function isStream(body: object): body is AsyncIterable<string> {
  return Symbol.asyncIterator in body;
}
