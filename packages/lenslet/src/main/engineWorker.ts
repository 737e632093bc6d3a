import path from "node:path";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { LensletError } from "../base/errors.ts";
import type { EngineKeys } from "../engine/callContext.ts";
import { readLocalContents } from "../files/localFileStore.ts";
import { Committer } from "../engine/committer.ts";
import { Engine } from "../engine/engine.ts";
import { Heartbeat } from "../engine/heartbeat.ts";
import type { EngineHandover, WireError } from "../engine/wire.ts";
import { type PackedIn, packOut, unpackIn } from "../engine/wireRuns.ts";
import { type LocalLog, openLocalLog } from "../log/local/localLog.ts";
import type { LogConnection } from "../log/local/messages.ts";
import { Runner } from "../runner/runner.ts";
import { CatalogState } from "../store/catalogState.ts";
import { openSqliteStore } from "../store/sqliteStore.ts";
import { failAround, failpointOf } from "./failpoints.ts";
import { createHeapGauge } from "./heapGauge.ts";
import { createRealRandom, realClock, realTimers } from "./realOs.ts";

/** What the engine thread is started with. */
export interface EngineWorkerInit extends EngineKeys {
  readonly port: MessagePort;
  readonly log: LogConnection;
  readonly heartbeat: SharedArrayBuffer;
  readonly dataFolder: string;
  readonly instanceName: string;
  readonly cloudUrl: string;
  readonly siteUrl: string;
  /** Contents of files are not in the data folder: calls wait for them. */
  readonly filesAreRemote: boolean;
  /** Names this run of the process. */
  readonly boot: string;
  readonly handover: EngineHandover;
  /** Another node writes: this engine applies what comes, and runs queries only. */
  readonly isFollower?: boolean;
}

export type EngineWorkerMessage =
  { readonly type: "ready" } | { readonly type: "failed"; readonly error: WireError };

/** Composition root of the engine thread. */
async function main(init: EngineWorkerInit): Promise<void> {
  const log = openLocalLog(init.log, { clock: realClock });
  const store = openSqliteStore(
    path.join(init.dataFolder, "store.sqlite"),
    storeOptions(process.env["LENSLET_STORE_PAGES_MAX"]),
  );
  const failpoint = failpointOf(process.env["LENSLET_FAILPOINT"]);
  failAround(log, "append", { after: () => failpoint("engine.appended") });
  failAround(store, "persist", {
    before: () => failpoint("store.persisting"),
    after: () => failpoint("store.persisted"),
  });
  const random = createRealRandom();
  const { isFollower = false } = init;
  const committer = await Committer.open(
    { store, log, clock: realClock, boot: init.boot, answeredTs: init.handover.answeredTs, isFollower },
    CatalogState.load(store),
  );
  const engine = new Engine({
    store,
    committer,
    runner: new Runner({ clock: realClock, fastPath: process.env["LENSLET_FAST_PATH"] !== "off" }),
    heartbeat: new Heartbeat(init.heartbeat),
    heap: createHeapGauge(),
    clock: realClock,
    timers: realTimers,
    random,
    cursorSecret: init.cursorSecret,
    uploadSecret: init.uploadSecret,
    jwtSecret: init.jwtSecret,
    instanceName: init.instanceName,
    boot: init.boot,
    isFollower,
    cloudUrl: init.cloudUrl,
    siteUrl: init.siteUrl,
    readContents: init.filesAreRemote
      ? "awaited"
      : (key) => readLocalContents(path.join(init.dataFolder, "files"), key),
    reportDefect: (error) =>
      process.stderr.write(`lenslet: defect: ${(error as Error)?.stack ?? String(error)}\n`),
    post: (batch) => {
      failpoint("engine.answering");
      init.port.postMessage(packOut(batch));
    },
    // In a microtask: so no other promise continuation of this thread can run in the middle of a transaction.
    soon: (callback) => setImmediate(() => queueMicrotask(callback)),
  });
  init.port.on("message", (messages: readonly PackedIn[]) => engine.receive(unpackIn(messages)));
  parentPort?.on("message", (message: { type: string }) => {
    // In a microtask, like every other turn of the engine.
    if (message.type === "close") queueMicrotask(() => void close(engine, store, log, init.port));
  });
  // First, so that the watchdog looks on when the queries that are opened again run.
  parentPort?.postMessage({ type: "ready" } satisfies EngineWorkerMessage);
  engine.start(init.handover);
  if (isFollower) follow(engine, log, committer.lastTs);
}

/** Hands the engine what the log gets, from `afterTs` on. */
function follow(engine: Engine, log: LocalLog, afterTs: bigint): void {
  let lastTs = afterTs;
  let isReading = false;
  const read = async () => {
    while (lastTs < log.durableTs()) {
      for await (const records of log.readAfter(lastTs)) {
        lastTs = records.at(-1)?.ts ?? lastTs;
        queueMicrotask(() => engine.follow(records));
      }
    }
  };
  const readOn = () => {
    if (isReading) return;
    isReading = true;
    read().then(
      () => (isReading = false),
      (error: unknown) => {
        // The log has failed or is closed, and its owner knows.
        if (error instanceof LensletError && /^Log(Closed|Failed|Deposed)$/.test(error.code)) return;
        // A replica that cannot follow must not go on as if it did.
        process.stderr.write(`lenslet: error: ${(error as Error).message}\n`);
        queueMicrotask(() => {
          throw error;
        });
      },
    );
  };
  log.onDurable(readOn);
  readOn();
}

/** A small "disk" for tests. */
function storeOptions(pagesMax: string | undefined): { readonly pagesMax?: number } {
  return pagesMax === undefined ? {} : { pagesMax: Number(pagesMax) };
}

async function close(
  engine: Engine,
  store: { close(): void },
  log: { close(): Promise<void> },
  port: MessagePort,
): Promise<void> {
  await engine.drain();
  store.close();
  await log.close();
  port.close();
  parentPort?.close();
}

main(workerData as EngineWorkerInit).catch((error: unknown) => {
  const { category, code } =
    error instanceof LensletError ? error : { category: "Internal" as const, code: "InternalServerError" };
  const message = error instanceof LensletError ? error.message : ((error as Error)?.stack ?? String(error));
  parentPort?.postMessage({
    type: "failed",
    error: { category, code, message },
  } satisfies EngineWorkerMessage);
});
