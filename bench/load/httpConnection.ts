import { openSocket, type RawSocket } from "./socketReader.ts";

/** One keep-alive HTTP/1.1 connection with at most one request on its way. */
export class HttpConnection {
  readonly #port: number;
  readonly #head: string;
  #raw: RawSocket | null = null;
  #waiting: ((ok: boolean, body: string) => void) | null = null;

  private constructor(port: number, path: string) {
    this.#port = port;
    this.#head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: `;
  }

  static async open(port: number, path: string): Promise<HttpConnection> {
    const connection = new HttpConnection(port, path);
    connection.#raw = await openSocket(
      connection.#port,
      (bytes) => connection.#consume(bytes),
      (reason) => connection.#settle(false, reason),
    );
    return connection;
  }

  /** `body` is ASCII. `done` gets whether the status was 200. */
  post(body: string, done: (ok: boolean, body: string) => void): void {
    this.#waiting = done;
    this.#raw?.write(`${this.#head}${body.length}\r\n\r\n${body}`);
  }

  destroy(): void {
    this.#raw?.destroy();
  }

  #consume(bytes: Buffer): number {
    const text = bytes.toString("latin1");
    const headEnd = text.indexOf("\r\n\r\n");
    if (headEnd < 0) return 0;
    const length = /\r\ncontent-length: *(\d+)/i.exec(text);
    const bodyStart = headEnd + 4;
    let end: number;
    if (length !== null && length.index < headEnd) end = bodyStart + Number(length[1]);
    else {
      const last = text.indexOf("\r\n0\r\n\r\n", headEnd);
      if (last < 0) return 0;
      end = last + 7;
    }
    if (text.length < end) return 0;
    this.#settle(text.startsWith("HTTP/1.1 200"), text.slice(bodyStart, end));
    return end;
  }

  #settle(ok: boolean, body: string): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(ok, body);
  }
}
