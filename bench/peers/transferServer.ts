import http from "node:http";
import { WebSocketServer } from "ws";

export interface TransferRequest {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

/** Returns whether the transfer was made. */
export type Transfer = (request: TransferRequest) => boolean | Promise<boolean>;

/**
 * The front that all hand-written peers of W1 share: `POST /transfer` over node:http, and the same as JSON messages
 * over ws. Returns the port.
 */
export function serveTransfers(transfer: Transfer): Promise<number> {
  const server = http.createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      text += chunk;
    });
    request.on("end", () => {
      attempt(transfer, text).then(
        ({ ok }) => reply(response, 200, JSON.stringify({ ok })),
        (error: unknown) => reply(response, 500, JSON.stringify({ error: String(error) })),
      );
    });
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket) => {
    socket.on("error", () => socket.terminate());
    socket.on("message", (data: Buffer) => {
      attempt(transfer, data.toString()).then(
        ({ id, ok }) => socket.send(`{"id":${id},"ok":${ok}}`),
        (error: unknown) => socket.send(JSON.stringify({ id: null, ok: false, error: String(error) })),
      );
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("no port was assigned"));
      else resolve(address.port);
    });
  });
}

async function attempt(transfer: Transfer, text: string): Promise<{ id: number | undefined; ok: boolean }> {
  const request = JSON.parse(text) as TransferRequest & { id?: number };
  const { id, from, to, amount } = request;
  if (![from, to, amount].every(Number.isSafeInteger) || amount <= 0) throw new Error("invalid transfer");
  return { id, ok: await transfer(request) };
}

function reply(response: http.ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
}
