import { WebSocketServer } from "ws";

export interface EventRow {
  readonly channel: string;
  readonly rand: number;
  readonly body: string;
}

export interface Events {
  /** Stores a row durably. */
  insert(row: EventRow): void | Promise<void>;
  /** The first ten rows of the channel from `from` on, by `rand`. */
  page(channel: string, from: number): readonly EventRow[] | Promise<readonly EventRow[]>;
}

/** The ws server that the hand-written peers of W2 and W3 share: one answer to each request, in order. */
export function serveEvents(events: Events): Promise<number> {
  const sockets = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    backlog: 4096,
    perMessageDeflate: false,
  });
  const answer = async (text: string): Promise<object> => {
    const request = JSON.parse(text) as
      { type: "query"; channel: string; from: number } | ({ type: "insert" } & EventRow);
    if (request.type === "query") return { rows: await events.page(request.channel, request.from) };
    const { channel, rand, body } = request;
    await events.insert({ channel, rand, body });
    return {};
  };
  sockets.on("connection", (socket) => {
    socket.on("error", () => socket.terminate());
    socket.on("message", (data: Buffer) => {
      answer(data.toString()).then(
        (reply) => socket.send(JSON.stringify(reply)),
        (error: unknown) => socket.send(JSON.stringify({ error: String(error) })),
      );
    });
  });
  return new Promise((resolve, reject) => {
    sockets.once("error", reject);
    sockets.once("listening", () => {
      const address = sockets.address();
      if (address === null || typeof address === "string") reject(new Error("no port was assigned"));
      else resolve(address.port);
    });
  });
}

/** The rows that every system is seeded with, `count` of them over `channels` channels. */
export function* seedRows(count: number, channels: number): Generator<EventRow> {
  for (let n = 0; n < count; n++) {
    // A low-discrepancy sequence: spread evenly, different for each row, the same in every system.
    yield { channel: `c${n % channels}`, rand: (n * 0.6180339887498949) % 1, body: `row ${n} of the seed` };
  }
}
