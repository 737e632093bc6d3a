import net from "node:net";
import { seededRandom } from "../support/seededRandom.ts";

/**
 * A TCP proxy that cuts every connection after a random number of bytes in either direction, in the middle of whatever
 * is on the line: sometimes in order (FIN), sometimes rudely (RST). The same seed gives the same numbers.
 */
export class CuttingProxy {
  readonly url: string;
  readonly #server: net.Server;
  readonly #pairs = new Set<readonly [net.Socket, net.Socket]>();
  #cuts = 0;
  #isCutting = true;

  private constructor(server: net.Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(options: {
    readonly targetPort: number;
    readonly seed: number;
    /** A connection lives for up to this many bytes. */
    readonly bytesMax: number;
    /** Told of each cut, e.g. to shorten the client's pause before it comes back. */
    readonly onCut?: () => void;
  }): Promise<CuttingProxy> {
    const random = seededRandom(options.seed);
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = new CuttingProxy(server, (server.address() as net.AddressInfo).port);
    server.on("connection", (client) => {
      const target = net.connect(options.targetPort, "127.0.0.1");
      const pair = [client, target] as const;
      proxy.#pairs.add(pair);
      let left = 200 + random(options.bytesMax);
      const isRude = random(2) === 0;
      const end = () => {
        if (!proxy.#pairs.delete(pair)) return;
        for (const socket of pair) {
          if (isRude) socket.resetAndDestroy();
          else socket.destroy();
        }
      };
      const forward = (from: net.Socket, to: net.Socket) => {
        from.on("data", (bytes) => {
          const isLast = proxy.#isCutting && bytes.length >= left;
          to.write(isLast ? bytes.subarray(0, left) : bytes);
          left -= bytes.length;
          if (!isLast) return;
          proxy.#cuts += 1;
          // What was let through may still arrive.
          setImmediate(() => {
            end();
            options.onCut?.();
          });
        });
        from.on("close", end);
        from.on("error", end);
      };
      forward(client, target);
      forward(target, client);
    });
    return proxy;
  }

  /** Connections cut so far. */
  get cuts(): number {
    return this.#cuts;
  }

  /** From now on the line holds, also for connections that exist. */
  heal(): void {
    this.#isCutting = false;
  }

  async close(): Promise<void> {
    for (const [client, target] of this.#pairs) {
      client.destroy();
      target.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
