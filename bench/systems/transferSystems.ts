import path from "node:path";
import type { TransferTarget } from "../load/transferClients.ts";
import type { Bench } from "./context.ts";

export interface Balances {
  readonly total: number;
  /** Of the accounts 0, 1, 2, ... */
  readonly first: readonly number[];
}

/** Rows of the W1 table that move money in one store, by one or several transports. */
export interface TransferStore {
  readonly targets: readonly { readonly name: string; readonly target: TransferTarget }[];
  /** Its processes, without their children. */
  readonly pids: readonly number[];
  /** When an answer may be sent, as the table names it. */
  readonly durability: string;
  /** Null: there is no store (a limit of a transport). */
  readonly balances: ((count: number) => Promise<Balances>) | null;
}

export interface TransferSystem {
  /** For --only, and for what failed to start. */
  readonly name: string;
  readonly kind: "ours" | "peer" | "limit";
  start(bench: Bench, accounts: number, balance: number): Promise<TransferStore>;
}

export const durable = "synced";

const lenslet: TransferSystem = {
  name: "lenslet",
  kind: "ours",
  async start(bench, accounts, balance) {
    const server = await bench.lenslet();
    // Small enough for the time limit of a function, also on a machine that has other things to do.
    const batch = 500;
    for (let first = 0; first < accounts; first += batch) {
      const count = Math.min(batch, accounts - first);
      await server.call("mutation", "accounts:seed", { first, count, balance });
    }
    const range = async (first: number, end: number) =>
      (await server.call("query", "accounts:balances", { first, end })) as number[];
    return {
      targets: [
        {
          name: "lenslet, sync protocol",
          target: { kind: "sync", port: server.port },
        },
        {
          name: "lenslet, HTTP",
          target: { kind: "http", port: server.port, path: "/api/mutation", api: "convex" },
        },
      ],
      pids: server.pids,
      durability: durable,
      async balances(count) {
        let total = 0;
        for (let first = 0; first < accounts; first += batch)
          for (const of of await range(first, Math.min(accounts, first + batch))) total += of;
        return { total, first: await range(0, count) };
      },
    };
  },
};

const sqlite: TransferSystem = {
  name: "Node + SQLite + Drizzle",
  kind: "peer",
  async start(bench, accounts, balance) {
    const child = bench.children.spawnModule(
      this.name,
      new URL("../peers/transferSqlite.ts", import.meta.url),
      bench.cores.server,
      { file: path.join(bench.folder("sqlite"), "accounts.sqlite") },
    );
    await child.call("seed", { count: accounts, balance });
    const port = await child.call<number>("start");
    return {
      targets: [
        { name: `${this.name}, HTTP`, target: { kind: "http", port, path: "/transfer", api: "plain" } },
        { name: `${this.name}, ws`, target: { kind: "ws", port } },
      ],
      pids: child.pids,
      durability: durable,
      balances: (count) => child.call("balances", { count }),
    };
  },
};

/** One database, reached through a Node server and directly. */
const postgres: TransferSystem = {
  name: "PostgreSQL",
  kind: "peer",
  async start(bench, accounts, balance) {
    const database = await bench.postgres();
    const url = await database.createDatabase("transfer");
    const child = bench.children.spawnModule(
      "Node + PostgreSQL + Drizzle",
      new URL("../peers/transferPostgres.ts", import.meta.url),
      bench.cores.server,
      { url, connections: bench.options.clients },
    );
    await child.call("seed", { count: accounts, balance });
    const port = await child.call<number>("start");
    return {
      targets: [
        {
          name: "Node + PostgreSQL + Drizzle, HTTP",
          target: { kind: "http", port, path: "/transfer", api: "plain" },
        },
        { name: "PostgreSQL stored procedure, pg", target: { kind: "postgres", url } },
      ],
      pids: [...child.pids, ...database.pids],
      durability: durable,
      balances: (count) => child.call("balances", { count }),
    };
  },
};

const transports: TransferSystem = {
  name: "limit: transport",
  kind: "limit",
  async start(bench) {
    const child = bench.children.spawnModule(
      this.name,
      new URL("../limits/bareTransfers.ts", import.meta.url),
      bench.cores.server,
    );
    const port = await child.call<number>("start");
    return {
      targets: [
        {
          name: "limit: node:http that stores nothing",
          target: { kind: "http", port, path: "/", api: "plain" },
        },
        { name: "limit: ws that stores nothing", target: { kind: "ws", port } },
      ],
      pids: child.pids,
      durability: "none",
      balances: null,
    };
  },
};

export const transferSystems: readonly TransferSystem[] = [lenslet, sqlite, postgres, transports];
