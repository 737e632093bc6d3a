import { type WebSocket, WebSocketServer } from "ws";

export interface Row {
  readonly channel: string;
  readonly seq: number;
  readonly body: string;
}

export interface Messages {
  /** Stores a row durably; whoever calls `broadcast` for it may do so only afterwards. */
  insert(row: Row): void | Promise<void>;
  latest(channel: string): Row[] | Promise<Row[]>;
}

/**
 * The ws server that the hand-written peers of W4 and W5 share: `subscribe` answers with the newest rows and adds the
 * socket to the channel, `insert` stores a row, and every stored row goes to the channel's sockets as one frame,
 * serialized once.
 */
export function serveMessages(createMessages: (broadcast: (row: Row) => void) => Messages): Promise<number> {
  const channels = new Map<string, Set<WebSocket>>();
  const broadcast = (row: Row) => {
    const frame = Buffer.from(JSON.stringify({ type: "row", ...row }));
    for (const socket of channels.get(row.channel) ?? []) socket.send(frame, { binary: false });
  };
  const messages = createMessages(broadcast);
  const sockets = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    backlog: 4096,
    perMessageDeflate: false,
  });
  sockets.on("connection", (socket) => {
    socket.on("error", () => socket.terminate());
    socket.on("message", (data: Buffer) => {
      answer(socket, data.toString()).catch((error: unknown) =>
        socket.send(JSON.stringify({ success: false, error: String(error) })),
      );
    });
  });

  const answer = async (socket: WebSocket, text: string): Promise<void> => {
    const request = JSON.parse(text) as ({ type: "insert" } & Row) | { type: "subscribe"; channel: string };
    const { channel } = request;
    if (request.type === "insert") {
      const { seq, body } = request;
      await messages.insert({ channel, seq, body });
      return;
    }
    const subscribers = channels.get(channel) ?? new Set<WebSocket>();
    channels.set(channel, subscribers.add(socket));
    socket.on("close", () => subscribers.delete(socket));
    socket.send(JSON.stringify({ type: "rows", rows: await messages.latest(channel) }));
  };

  return new Promise((resolve, reject) => {
    sockets.once("error", reject);
    sockets.once("listening", () => {
      const address = sockets.address();
      if (address === null || typeof address === "string") reject(new Error("no port was assigned"));
      else resolve(address.port);
    });
  });
}
