import { performance } from "node:perf_hooks";
import { parentPort, workerData } from "node:worker_threads";
import { assert, unreachable } from "../../base/assert.ts";
import { toPlainError } from "../local/logErrors.ts";
import { PostgresConnection } from "./connection.ts";
import { connectError } from "./errors.ts";
import { PostgresLogServer } from "./logServer.ts";
import type { PostgresOwnerMessage, PostgresThreadSettings, PostgresWorkerMessage } from "./messages.ts";
import { type Identity, openTables } from "./tables.ts";

/** Entry of the log thread of a node; see postgresLogThread.ts for its owner's side. */
async function runLogThread(settings: PostgresThreadSettings): Promise<void> {
  const owner = parentPort;
  assert(owner !== null, "the log thread is a worker");
  const tell = (message: PostgresWorkerMessage): void => owner.postMessage(message);
  const { url, owner: run, address, leaseMs, shared } = settings;
  const server = new PostgresLogServer({
    url,
    claim: { owner: run, address, leaseMs },
    shared,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    timers: {
      setTimeout: (callback, delayMs) => {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    },
    report: (message) => tell({ type: "report", message }),
    leadershipChanged: (leadership) => tell({ type: "leadership", leadership }),
  });

  let identity: Identity;
  try {
    identity = await prepare(settings);
    await server.start();
  } catch (error) {
    tell({ type: "refused", error: toPlainError(connectError(error, url)) });
    owner.close();
    return;
  }

  const close = async (): Promise<void> => {
    try {
      await server.close();
      tell({ type: "closed", error: null });
    } catch (error) {
      tell({ type: "closed", error: toPlainError(error) });
    }
    owner.close();
  };
  owner.on("message", (message: PostgresOwnerMessage) => {
    switch (message.type) {
      case "connect":
        server.attach(message.port, message.own);
        return;
      case "refresh":
        void server.refresh().then(
          (lastTs) => tell({ type: "refreshed", id: message.id, lastTs }),
          () => {
            // The log is being closed.
          },
        );
        return;
      case "close":
        void close();
        return;
      default:
        unreachable(message);
    }
  });
  tell({ type: "started", identity, leadership: server.leadership });
}

/** On a connection that does not try again: what is wrong with the address is told at once. */
async function prepare({ url, proposed }: PostgresThreadSettings): Promise<Identity> {
  const connection = await PostgresConnection.open(url);
  try {
    return await openTables(connection, proposed);
  } finally {
    connection.close();
  }
}

void runLogThread(workerData as PostgresThreadSettings);
