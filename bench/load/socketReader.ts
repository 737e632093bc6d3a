import net from "node:net";

/**
 * One buffer for all sockets of the process: each chunk is consumed before the next read, so that ten thousand
 * sockets cost no allocation per read. What is kept must be copied.
 */
const sharedBuffer = Buffer.allocUnsafe(256 * 1024);

export interface RawSocket {
  readonly socket: net.Socket;
  write(bytes: string | Buffer): void;
  /** Resets the connection: an ordinary close would leave thousands of ports waiting. */
  destroy(): void;
}

/**
 * A TCP connection whose bytes reach `consume` with the unconsumed rest of the previous call in front.
 * `consume` returns how many bytes it has used; `bytes` is only valid during the call.
 */
export function openSocket(
  port: number,
  consume: (bytes: Buffer) => number,
  closed: (reason: string) => void,
): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    let rest: Buffer | null = null;
    let destroyed = false;
    const socket = net.connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      onread: {
        buffer: sharedBuffer,
        callback(count: number, buffer: Uint8Array): boolean {
          const chunk = buffer.subarray(0, count) as Buffer;
          const bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
          const used = consume(bytes);
          rest = used === bytes.length ? null : Buffer.from(bytes.subarray(used));
          return true;
        },
      },
    });
    let failure = "closed by the server";
    socket.on("error", (error) => {
      failure = error.message;
    });
    socket.on("close", () => {
      if (destroyed) return;
      reject(new Error(failure));
      closed(failure);
    });
    socket.on("connect", () =>
      resolve({
        socket,
        write: (bytes) => {
          if (typeof bytes === "string") socket.write(bytes, "latin1");
          else socket.write(bytes);
        },
        destroy: () => {
          destroyed = true;
          socket.resetAndDestroy();
        },
      }),
    );
  });
}
