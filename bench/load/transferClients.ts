import pg from "pg";
import { HttpConnection } from "./httpConnection.ts";
import { connectMessage, parseTs, querySetMessage, type ServerMessage, syncPath } from "./syncProtocol.ts";
import { openWebSocket, type WebSocketClient } from "./webSocket.ts";

/** How transfers reach a system. */
export type TransferTarget =
  | { readonly kind: "http"; readonly port: number; readonly path: string; readonly api: "convex" | "plain" }
  | { readonly kind: "sync"; readonly port: number }
  | { readonly kind: "ws"; readonly port: number }
  | { readonly kind: "postgres"; readonly url: string };

/** `failure` is null when the transfer was made. */
export type Done = (failure: string | null) => void;

/** One of the clients of W1; it may be asked for another transfer while earlier ones are unanswered. */
export interface TransferClient {
  transfer(from: number, to: number, done: Done): void;
  destroy(): void;
}

export function openTransferClient(target: TransferTarget, inFlight: number): Promise<TransferClient> {
  switch (target.kind) {
    case "http":
      return openHttpClient(target.port, target.path, target.api, inFlight);
    case "sync":
      return openSyncClient(target.port);
    case "ws":
      return openPlainClient(target.port);
    case "postgres":
      return openPostgresClient(target.url);
  }
}

/** As many connections as requests in flight, as a browser or an HTTP client library would open them. */
async function openHttpClient(
  port: number,
  path: string,
  api: "convex" | "plain",
  inFlight: number,
): Promise<TransferClient> {
  const all = await Promise.all(Array.from({ length: inFlight }, () => HttpConnection.open(port, path)));
  const idle = [...all];
  const [before, after, success] =
    api === "convex"
      ? ['{"path":"accounts:transfer","format":"json","args":', "}", '"status":"success"']
      : ["", "", '"ok":true'];
  return {
    transfer(from, to, done) {
      const connection = idle.pop();
      if (connection === undefined) throw new Error("more transfers than connections");
      connection.post(`${before}{"from":${from},"to":${to},"amount":1}${after}`, (ok, body) => {
        idle.push(connection);
        done(ok && body.includes(success) ? null : body.slice(0, 300));
      });
    },
    destroy: () => all.forEach((connection) => connection.destroy()),
  };
}

/**
 * The sync protocol as the official client speaks it: a mutation is done when its response has come and a transition
 * at or after its commit timestamp.
 */
async function openSyncClient(port: number): Promise<TransferClient> {
  const unanswered = new Map<number, Done>();
  const answered: { ts: bigint; done: Done }[] = [];
  let nextRequestId = 0;
  let ready = () => {};
  const failAll = (reason: string) => {
    for (const done of unanswered.values()) done(reason);
    unanswered.clear();
  };
  const onMessage = (payload: Buffer) => {
    const message = JSON.parse(payload.toString()) as ServerMessage;
    switch (message.type) {
      case "MutationResponse": {
        const done = unanswered.get(message.requestId);
        unanswered.delete(message.requestId);
        if (done === undefined) return;
        if (message.success) answered.push({ ts: parseTs(message.ts), done });
        else done(String(message.result));
        return;
      }
      case "Transition": {
        ready();
        const ts = parseTs(message.endVersion.ts);
        let passed = 0;
        while (passed < answered.length && (answered[passed]?.ts ?? 0n) <= ts) passed++;
        for (const { done } of answered.splice(0, passed)) done(null);
        return;
      }
      case "FatalError":
      case "AuthError":
        return failAll(message.error);
      case "Ping":
    }
  };
  const socket: WebSocketClient = await openWebSocket(port, syncPath, onMessage, failAll);
  const first = new Promise<void>((resolve) => {
    ready = resolve;
  });
  socket.send(connectMessage());
  socket.send(querySetMessage(null, []));
  await first;
  return {
    transfer(from, to, done) {
      const requestId = nextRequestId++;
      unanswered.set(requestId, done);
      socket.send(
        `{"type":"Mutation","requestId":${requestId},"udfPath":"accounts:transfer","args":[{"from":${from},"to":${to},"amount":1}]}`,
      );
    },
    destroy: () => socket.destroy(),
  };
}

async function openPlainClient(port: number): Promise<TransferClient> {
  const unanswered = new Map<number, Done>();
  let nextId = 0;
  const socket = await openWebSocket(
    port,
    "/",
    (payload) => {
      const text = payload.toString("latin1");
      const reply = JSON.parse(text) as { id: number; ok: boolean };
      const done = unanswered.get(reply.id);
      unanswered.delete(reply.id);
      done?.(reply.ok ? null : text);
    },
    (reason) => {
      for (const done of unanswered.values()) done(reason);
      unanswered.clear();
    },
  );
  return {
    transfer(from, to, done) {
      const id = nextId++;
      unanswered.set(id, done);
      socket.send(`{"id":${id},"from":${from},"to":${to},"amount":1}`);
    },
    destroy: () => socket.destroy(),
  };
}

/** One connection per client. PostgreSQL takes one statement at a time from each; the others wait in the driver. */
async function openPostgresClient(url: string): Promise<TransferClient> {
  const client = new pg.Client({ connectionString: url });
  // What goes wrong reaches the callers through their queries.
  client.on("error", () => {});
  await client.connect();
  return {
    transfer(from, to, done) {
      client.query(
        {
          name: "transfer",
          text: "select transfer($1, $2, $3) as ok",
          values: [from, to, 1],
          rowMode: "array",
        },
        (error: Error | null, result?: { rows: unknown[][] }) =>
          done(
            error !== null && error !== undefined
              ? error.message
              : result?.rows[0]?.[0] === true
                ? null
                : "refused",
          ),
      );
    },
    destroy: () => void client.end().catch(() => {}),
  };
}
