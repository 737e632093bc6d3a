import path from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { cellsOf, logState, newOwnCells, newSharedCells, sharedCell, signal } from "./cells.ts";
import { fromPlainError, logFailed } from "./logErrors.ts";
import { groupSizeMax } from "./logServer.ts";
import type { LogConnection, OwnerMessage, ThreadSettings, WorkerMessage } from "./messages.ts";
import { segmentBytesMax } from "./segmentedLog.ts";
import type { Verification } from "./recovery.ts";

export interface LocalLogThreadOptions {
  /** Created if missing; belongs to this thread alone until it is closed. */
  readonly folder: string;
  readonly segmentBytesMax?: number;
  readonly groupSizeMax?: number;
  /** Default "all". */
  readonly verify?: Verification;
}

/** Owns the log thread. Threads that want to use the log get a connection each. */
export class LocalLogThread {
  /** Bytes of never acknowledged records that a crash had left behind and opening cut off. */
  readonly cutBytes: number;
  private readonly worker: Worker;
  private readonly shared: SharedArrayBuffer;
  private readonly exited: Promise<void>;
  private closing: Promise<void> | null = null;
  private deathCause = "the log thread has died";

  private constructor(worker: Worker, shared: SharedArrayBuffer, exited: Promise<void>, cutBytes: number) {
    this.worker = worker;
    this.shared = shared;
    this.exited = exited;
    this.cutBytes = cutBytes;
    // A crash of the thread reaches its clients as a failure and `close` with its cause; without this listener it
    // would end the process.
    worker.on("error", (error) => {
      this.deathCause = `the log thread has died: ${String(error)}`;
    });
  }

  /** Rejects with LensletError LogInUse, LogCorrupt or DataFormatTooNew, or LogFailed if the folder cannot be used. */
  static async start(options: LocalLogThreadOptions): Promise<LocalLogThread> {
    const shared = newSharedCells();
    const settings: ThreadSettings = {
      folder: path.resolve(options.folder),
      segmentBytesMax: options.segmentBytesMax ?? segmentBytesMax,
      groupSizeMax: options.groupSizeMax ?? groupSizeMax,
      verify: options.verify ?? "all",
      shared,
    };
    // The sources run as .ts, the published package as .js.
    const extension = path.extname(new URL(import.meta.url).pathname);
    const url = new URL(`./thread${extension}`, import.meta.url);
    const worker = new Worker(url, { workerData: settings, name: "lenslet-log" });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    worker.once("exit", () => markDead(shared));
    const cutBytes = await new Promise<number>((resolve, reject) => {
      worker.once("message", (message: WorkerMessage) => {
        if (message.type === "started") resolve(message.cutBytes);
        if (message.type === "refused") reject(fromPlainError(message.error));
      });
      worker.once("error", (error) => reject(logFailed(String(error))));
      worker.once("exit", () => reject(logFailed("the log thread ended before it had started")));
    });
    return new LocalLogThread(worker, shared, exited, cutBytes);
  }

  /** Transfer it (transferList: [connection.port]) to the thread that calls openLocalLog. */
  connect(): LogConnection {
    const channel = new MessageChannel();
    const own = newOwnCells();
    this.post({ type: "connect", port: channel.port2, own });
    return { port: channel.port1, shared: this.shared, own };
  }

  /** Writes what clients have posted and ends the thread. Rejects with LogFailed if the log had failed. */
  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private async stop(): Promise<void> {
    const answer = new Promise<WorkerMessage | null>((resolve) => {
      this.worker.once("message", resolve);
      void this.exited.then(() => resolve(null));
    });
    this.post({ type: "close" });
    const message = await answer;
    await this.exited;
    if (message === null) throw logFailed(this.deathCause);
    if (message.type === "closed" && message.error !== null) throw fromPlainError(message.error);
  }

  private post(message: OwnerMessage): void {
    this.worker.postMessage(message, message.type === "connect" ? [message.port] : []);
  }
}

export function markDead(shared: SharedArrayBuffer): void {
  const cells = cellsOf(shared);
  Atomics.compareExchange(cells, sharedCell.state, logState.running, logState.failed);
  signal(cells);
}
