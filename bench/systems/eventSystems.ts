import path from "node:path";
import { seedRows } from "../peers/eventsServer.ts";
import type { RequestTarget } from "../load/requests.ts";
import type { Bench } from "./context.ts";

/** A row of the W2 and W3 tables. */
export interface EventSystem {
  readonly name: string;
  readonly kind: "ours" | "peer" | "limit";
  readonly durability: string;
  start(bench: Bench, rows: number): Promise<EventServer>;
}

export interface EventServer {
  readonly target: RequestTarget;
  /** Its processes, without their children. */
  readonly pids: readonly number[];
}

/** Rows are spread over so many channels. */
export const channels = 50;

const lenslet: EventSystem = {
  name: "lenslet, sync protocol",
  kind: "ours",
  durability: "synced",
  async start(bench, rows) {
    const server = await bench.lenslet();
    // Small enough for the time limit of a function, also on a machine that has other things to do.
    const batch = 250;
    const all = [...seedRows(rows, channels)];
    for (let first = 0; first < rows; first += batch)
      await server.call("mutation", "events:seed", { rows: all.slice(first, first + batch) });
    return { target: { protocol: "sync", port: server.port }, pids: server.pids };
  },
};

const sqlite: EventSystem = {
  name: "ws + SQLite",
  kind: "peer",
  durability: "synced",
  async start(bench, rows) {
    const child = bench.children.spawnModule(
      this.name,
      new URL("../peers/eventsSqlite.ts", import.meta.url),
      bench.cores.server,
      { file: path.join(bench.folder("ws-sqlite"), "events.sqlite") },
    );
    await child.call("seed", { count: rows, channels });
    return { target: { protocol: "plain", port: await child.call<number>("start") }, pids: child.pids };
  },
};

const postgres: EventSystem = {
  name: "ws + PostgreSQL",
  kind: "peer",
  durability: "synced",
  async start(bench, rows) {
    const database = await bench.postgres();
    const child = bench.children.spawnModule(
      this.name,
      new URL("../peers/eventsPostgres.ts", import.meta.url),
      bench.cores.server,
      { url: await database.createDatabase(`events_${rows}`), connections: 16 },
    );
    await child.call("seed", { count: rows, channels });
    const port = await child.call<number>("start");
    return { target: { protocol: "plain", port }, pids: [...child.pids, ...database.pids] };
  },
};

const echo: EventSystem = {
  name: "limit: ws that looks nothing up",
  kind: "limit",
  durability: "none",
  async start(bench) {
    const child = bench.children.spawnModule(
      this.name,
      new URL("../limits/bareEvents.ts", import.meta.url),
      bench.cores.server,
    );
    return { target: { protocol: "plain", port: await child.call<number>("start") }, pids: child.pids };
  },
};

export const eventSystems: readonly EventSystem[] = [lenslet, sqlite, postgres, echo];
