import path from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { newOwnCells, newSharedCells } from "../local/cells.ts";
import { fromPlainError, logFailed } from "../local/logErrors.ts";
import { markDead } from "../local/logThread.ts";
import type { LogConnection } from "../local/messages.ts";
import type { CommitTs } from "../log.ts";
import type {
  Leadership,
  PostgresOwnerMessage,
  PostgresThreadSettings,
  PostgresWorkerMessage,
} from "./messages.ts";
import type { Identity } from "./tables.ts";

export interface PostgresLogThreadOptions extends Omit<PostgresThreadSettings, "shared"> {
  readonly report: (message: string) => void;
}

/** Owns the log thread of a node whose log is in PostgreSQL; its clients are those of log/local. */
export class PostgresLogThread {
  /** The deployment's, the same on every node. */
  readonly identity: Identity;
  readonly #worker: Worker;
  readonly #shared: SharedArrayBuffer;
  readonly #exited: Promise<void>;
  readonly #listeners = new Set<(leadership: Leadership) => void>();
  readonly #refreshes = new Map<number, (lastTs: CommitTs) => void>();
  readonly #report: (message: string) => void;
  readonly #closed = Promise.withResolvers<Error | null>();
  #leadership: Leadership;
  #nextRefresh = 1;
  #closing: Promise<void> | null = null;

  private constructor(
    worker: Worker,
    shared: SharedArrayBuffer,
    exited: Promise<void>,
    started: PostgresWorkerMessage & { readonly type: "started" },
    report: (message: string) => void,
  ) {
    this.#worker = worker;
    this.#shared = shared;
    this.#exited = exited;
    this.identity = started.identity;
    this.#leadership = started.leadership;
    this.#report = report;
    worker.on("message", (message: PostgresWorkerMessage) => this.#receive(message));
    // Its clients hear of its death through their ports; without this listener it would end the process.
    worker.on("error", (error) => report(`the log thread has died: ${String(error)}`));
  }

  /** Rejects with a LensletError that says what is wrong with the database or the way to it. */
  static async start({ report, ...rest }: PostgresLogThreadOptions): Promise<PostgresLogThread> {
    const shared = newSharedCells();
    const settings: PostgresThreadSettings = { ...rest, shared };
    const extension = path.extname(new URL(import.meta.url).pathname);
    const url = new URL(`./thread${extension}`, import.meta.url);
    const worker = new Worker(url, { workerData: settings, name: "lenslet-log" });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    worker.once("exit", () => markDead(shared));
    return await new Promise<PostgresLogThread>((resolve, reject) => {
      worker.on("message", function first(message: PostgresWorkerMessage) {
        if (message.type === "refused") reject(fromPlainError(message.error));
        if (message.type !== "started") return;
        worker.off("message", first);
        resolve(new PostgresLogThread(worker, shared, exited, message, report));
      });
      worker.once("error", (error) => reject(logFailed(String(error))));
      worker.once("exit", () => reject(logFailed("the log thread ended before it had started")));
    });
  }

  get leadership(): Leadership {
    return this.#leadership;
  }

  onLeadership(listener: (leadership: Leadership) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Transfer it (transferList: [connection.port]) to the thread that calls openLocalLog. */
  connect(): LogConnection {
    const channel = new MessageChannel();
    const own = newOwnCells();
    this.#post({ type: "connect", port: channel.port2, own });
    return { port: channel.port1, shared: this.#shared, own };
  }

  /** Where the log ends now: all that any node has been told was durable is at or before it. */
  refresh(): Promise<CommitTs> {
    const id = this.#nextRefresh++;
    return new Promise((resolve) => {
      this.#refreshes.set(id, resolve);
      this.#post({ type: "refresh", id });
    });
  }

  /** Writes what clients have posted, gives the lease back and ends the thread. Rejects if the log had failed. */
  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    this.#post({ type: "close" });
    void this.#exited.then(() => this.#closed.resolve(logFailed("the log thread has died")));
    const failure = await this.#closed.promise;
    await this.#exited;
    if (failure !== null) throw failure;
  }

  #receive(message: PostgresWorkerMessage): void {
    switch (message.type) {
      case "leadership":
        this.#leadership = message.leadership;
        for (const listener of this.#listeners) listener(message.leadership);
        return;
      case "refreshed":
        this.#refreshes.get(message.id)?.(message.lastTs);
        this.#refreshes.delete(message.id);
        return;
      case "report":
        this.#report(message.message);
        return;
      case "closed":
        this.#closed.resolve(message.error === null ? null : fromPlainError(message.error));
        return;
      default:
        // "started" and "refused" come before there is anybody to receive them.
        return;
    }
  }

  #post(message: PostgresOwnerMessage): void {
    this.#worker.postMessage(message, message.type === "connect" ? [message.port] : []);
  }
}
