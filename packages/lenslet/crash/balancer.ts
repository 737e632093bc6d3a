import net from "node:net";

/** What stands in front of many nodes: passes each connection on to one that takes it, as a load balancer does. */
export class Balancer {
  readonly #server: net.Server;
  readonly #ports: readonly number[];
  readonly #sockets = new Set<net.Socket>();
  #next = 0;

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#server = net.createServer((client) => this.#accept(client, this.#ports.length));
  }

  static async start(port: number, ports: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports);
    await new Promise<void>((resolve) => balancer.#server.listen(port, "127.0.0.1", resolve));
    return balancer;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Tries one node after another; a connection that is broken off before it has said anything was not taken. */
  #accept(client: net.Socket, attemptsLeft: number): void {
    this.#sockets.add(client);
    client.once("close", () => this.#sockets.delete(client));
    client.on("error", () => client.destroy());
    if (attemptsLeft === 0) {
      client.destroy();
      return;
    }
    const port = this.#ports[this.#next++ % this.#ports.length] as number;
    const node = net.connect(port, "127.0.0.1");
    this.#sockets.add(node);
    node.on("error", () => {});
    node.once("connect", () => {
      client.pipe(node);
      node.pipe(client);
    });
    node.once("close", () => {
      this.#sockets.delete(node);
      if (node.bytesWritten === 0) this.#accept(client, attemptsLeft - 1);
      else client.destroy();
    });
    client.once("close", () => node.destroy());
  }
}
