import { once } from "node:events";
import net from "node:net";
import { WebSocket } from "ws";

export interface Ending {
  readonly code: number;
  readonly reason: string;
}
export type Message = Readonly<Record<string, unknown>> & { readonly type: string };

/** A WebSocket that says whatever it is told and keeps what it hears. */
export class FuzzSocket {
  readonly messages: Message[] = [];
  ending: Ending | null = null;
  readonly ws: WebSocket;
  readonly #listeners = new Set<() => void>();

  private constructor(url: string) {
    this.ws = new WebSocket(url);
    this.ws.on("message", (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString("utf8")) as Message);
      this.#notify();
    });
    this.ws.on("close", (code, reason) => {
      this.ending = { code, reason: reason.toString() };
      this.#notify();
    });
    this.ws.on("error", () => {});
  }

  static async open(serverUrl: string): Promise<FuzzSocket> {
    const socket = new FuzzSocket(`${serverUrl.replace("http", "ws")}/api/1.48.0/sync`);
    await once(socket.ws, "open");
    return socket;
  }

  say(...messages: readonly unknown[]): this {
    for (const message of messages)
      this.ws.send(
        typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message),
      );
    return this;
  }

  /** The first message that matches, or the end of the connection. */
  async hear(matches: (message: Message) => boolean, timeoutMs = 60_000): Promise<Message | Ending> {
    let heard: Message | Ending | null = null;
    const look = () => (heard = this.messages.find(matches) ?? this.ending);
    await new Promise<void>((resolve, reject) => {
      if (look() !== null) return resolve();
      const timer = setTimeout(() => {
        this.#listeners.delete(again);
        reject(
          new Error(`heard neither an answer nor an end: ${JSON.stringify(this.messages).slice(0, 1000)}`),
        );
      }, timeoutMs);
      const again = () => {
        if (look() === null) return;
        clearTimeout(timer);
        this.#listeners.delete(again);
        resolve();
      };
      this.#listeners.add(again);
    });
    return heard as unknown as Message | Ending;
  }

  async ended(): Promise<Ending> {
    return (await this.hear(() => false)) as Ending;
  }

  close(): void {
    this.ws.terminate();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Writes bytes to the server's port and gives what comes back until it hangs up (or half a second of silence). */
export async function sayBytes(port: number, ...pieces: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  const received: Buffer[] = [];
  socket.on("data", (bytes) => received.push(bytes));
  socket.on("error", () => {});
  socket.setTimeout(500, () => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  for (const piece of pieces) socket.write(piece);
  await closed;
  return Buffer.concat(received).toString("latin1");
}

/** One frame as a client sends it, with every bit at choice. */
export function frame(options: {
  readonly firstByte: number;
  readonly payload: Uint8Array;
  readonly isMasked?: boolean;
  /** What the header claims, where it lies. */
  readonly claimedLength?: bigint;
}): Buffer {
  const { firstByte, payload, isMasked = true, claimedLength } = options;
  const maskBit = isMasked ? 0x80 : 0;
  const length = claimedLength ?? BigInt(payload.length);
  const head = Buffer.alloc(length < 126n ? 2 : length < 65_536n ? 4 : 10);
  head[0] = firstByte;
  if (head.length === 2) head[1] = maskBit | Number(length);
  else if (head.length === 4) {
    head[1] = maskBit | 126;
    head.writeUInt16BE(Number(length), 2);
  } else {
    head[1] = maskBit | 127;
    head.writeBigUInt64BE(length, 2);
  }
  const mask = Buffer.from(isMasked ? [1, 2, 3, 4] : []);
  const body = isMasked ? payload.map((byte, i) => byte ^ ((i % 4) + 1)) : payload;
  return Buffer.concat([head, mask, body]);
}

export const upgradeRequest =
  "GET /api/1.48.0/sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
