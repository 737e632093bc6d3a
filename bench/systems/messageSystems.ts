import path from "node:path";
import type { Bench } from "./context.ts";

/** A row of the W4 and W5 tables. */
export interface MessageSystem {
  readonly name: string;
  readonly kind: "ours" | "peer" | "limit";
  readonly protocol: "sync" | "plain";
  readonly durability: string;
  start(bench: Bench): Promise<MessageServer>;
}

export interface MessageServer {
  readonly port: number;
  /** Its processes, without their children. */
  readonly pids: readonly number[];
  /** Sets the size of the frames of a limit to that of ours. */
  readonly setFrameBytes?: (bytes: number) => Promise<void>;
}

const lenslet: MessageSystem = {
  name: "lenslet, sync protocol",
  kind: "ours",
  protocol: "sync",
  durability: "synced",
  start: (bench) => bench.lenslet(),
};

const sqlite: MessageSystem = {
  name: "ws + SQLite",
  kind: "peer",
  protocol: "plain",
  durability: "synced",
  async start(bench) {
    const child = bench.children.spawnModule(
      this.name,
      new URL("../peers/messagesSqlite.ts", import.meta.url),
      bench.cores.server,
      { file: path.join(bench.folder("ws-sqlite"), "messages.sqlite") },
    );
    return { port: await child.call<number>("start"), pids: child.pids };
  },
};

const postgres: MessageSystem = {
  name: "ws + PostgreSQL LISTEN/NOTIFY",
  kind: "peer",
  protocol: "plain",
  durability: "synced",
  async start(bench) {
    const database = await bench.postgres();
    const child = bench.children.spawnModule(
      this.name,
      new URL("../peers/messagesPostgres.ts", import.meta.url),
      bench.cores.server,
      { url: await database.createDatabase("messages") },
    );
    return { port: await child.call<number>("start"), pids: [...child.pids, ...database.pids] };
  },
};

function bareServer(name: string, stored: boolean): MessageSystem {
  return {
    name,
    kind: "limit",
    protocol: "plain",
    durability: stored ? "synced" : "none",
    async start(bench) {
      const child = bench.children.spawnModule(
        name,
        new URL("../limits/bareMessages.ts", import.meta.url),
        bench.cores.server,
        { file: stored ? path.join(bench.folder("limit"), "log") : null },
      );
      return {
        port: await child.call<number>("start"),
        pids: child.pids,
        setFrameBytes: (bytes) => child.call("setFrameBytes", bytes),
      };
    },
  };
}

export const observeSystems: readonly MessageSystem[] = [
  lenslet,
  sqlite,
  postgres,
  bareServer("limit: fdatasync + ws round trip", true),
];

export const fanoutSystems: readonly MessageSystem[] = [
  lenslet,
  sqlite,
  postgres,
  bareServer("limit: pre-built frames, nothing stored", false),
];
