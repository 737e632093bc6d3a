import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { LensletError } from "../base/errors.ts";
import { EngineClient, type EngineLoss } from "../engine/engineClient.ts";
import type { FetchContents } from "../engine/fileReads.ts";
import { Heartbeat, sharedMonotonicMs } from "../engine/heartbeat.ts";
import { packIn, type PackedOutBatch, unpackOut } from "../engine/wireRuns.ts";
import type { LogConnection } from "../log/local/messages.ts";
import { openLocalLog } from "../log/local/localLog.ts";
import { outOfMemoryText, timedOutText, userTimeMsMax } from "../runner/limits.ts";
import { failpointOf } from "./failpoints.ts";
import { cpuMsOf, realClock } from "./realOs.ts";
import type { EngineWorkerInit, EngineWorkerMessage } from "./engineWorker.ts";

/** How often the watchdog looks at the heartbeat. */
const watchdogIntervalMs = 25;
/**
 * Growth of the engine's heap during one call that ends it, if engine/memoryWatch.ts does not get to look: far above the
 * platform's 64 MiB, since garbage counts too, and far below what would make V8 give up on the whole process.
 */
const callHeapGrowthBytesMax = 512 * 1024 * 1024;
/**
 * Growth with which a call whose time is up is told that it has run out of memory: with so much it has, on the platform,
 * before its time was up. What it may hold, and as much garbage of its own and of those before it.
 */
const memoryTextBytesMin = 192 * 1024 * 1024;
/**
 * More losses of the engine thread within the window, for which no function is to blame, end the process. The others
 * are not counted: each settles the call to blame, so they come to an end, and whoever calls may not end the process.
 */
const restartsMax = 30;
const restartWindowMs = 60_000;

const timeoutMessage = `${timedOutText(userTimeMsMax)}\n`;
const memoryMessage = `${outOfMemoryText}\n`;

export interface EngineSupervisorOptions extends Omit<
  EngineWorkerInit,
  "port" | "log" | "heartbeat" | "handover" | "filesAreRemote"
> {
  /** Reads contents of files that are not in the data folder; absent: all of them are. */
  readonly fetchContents?: FetchContents;
  readonly logThread: { connect(): LogConnection };
  /** Old-space limit of the engine's heap, MiB. */
  readonly heapMaxMib: number;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
  /** The engine can no longer run: the process has to end. */
  readonly fatal: (error: Error) => void;
  /** See EngineClientOptions. */
  readonly mayShow?: (answered: readonly string[]) => boolean;
}

/**
 * Owns the engine thread: starts it, watches its heartbeat, and replaces it when a function runs away or exhausts
 * its memory. What was acknowledged is in the log, what was not is asked again; only the guilty call fails.
 */
export class EngineSupervisor {
  readonly client: EngineClient;
  readonly #options: EngineSupervisorOptions;
  readonly #heartbeat = new Heartbeat();
  readonly #restarts: number[] = [];
  #worker: Worker | null = null;
  /** To the worker. */
  #port: MessagePort | null = null;
  #watchdog: NodeJS.Timeout | null = null;
  #watched: { readonly call: number; heapBytes: number | null } | null = null;
  #closing = false;
  #replacing = false;
  /** Of the newest replacement. */
  #replaced: Promise<void> = Promise.resolve();

  private constructor(options: EngineSupervisorOptions) {
    this.#options = options;
    const log = openLocalLog(options.logThread.connect(), { clock: realClock });
    log.onFailure((error) => {
      this.client.fail(error);
      options.fatal(error);
    });
    const failpoint = failpointOf(process.env["LENSLET_FAILPOINT"]);
    log.onDurable(() => failpoint("net.durable"));
    this.client = new EngineClient({
      durability: { durableTs: () => log.durableTs(), onDurable: (listener) => log.onDurable(listener) },
      soon: setImmediate,
      ...(options.fetchContents === undefined ? {} : { fetchContents: options.fetchContents }),
      ...(options.mayShow === undefined ? {} : { mayShow: options.mayShow }),
    });
  }

  static async start(options: EngineSupervisorOptions): Promise<EngineSupervisor> {
    const supervisor = new EngineSupervisor(options);
    await supervisor.#startWorker();
    supervisor.#watchdog = setInterval(() => supervisor.#watch(), watchdogIntervalMs);
    supervisor.#watchdog.unref();
    return supervisor;
  }

  /** Lets the engine finish what it has received, persists the store and ends the thread. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#replaced;
    const worker = this.#worker;
    if (worker !== null) {
      const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      worker.postMessage({ type: "close" });
      await exited;
      this.#worker = null;
    }
    // A function may run away until the very end.
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
  }

  #watch(): void {
    if (this.#replacing || this.#worker === null) return;
    if (this.#heartbeat.overdue(sharedMonotonicMs(), Infinity) === null) this.#watchMemory(this.#worker);
    else this.#watchTime(this.#worker);
  }

  /** A call is running for longer than it may: ends it if the thread has computed all that time. */
  #watchTime(worker: Worker): void {
    // Answered through an interrupt, also while JavaScript is running.
    Promise.all([worker.cpuUsage(), worker.getHeapStatistics()]).then(
      ([usage, { used_heap_size: heap, external_memory: external }]) => {
        const guilty = this.#heartbeat.overdue(sharedMonotonicMs(), cpuMsOf(usage));
        if (guilty === null || this.#replacing || worker !== this.#worker) return;
        const restBytes = this.#heartbeat.restBytes();
        const isFull = restBytes > 0 && heap + external - restBytes > memoryTextBytesMin;
        this.#end(worker, guilty, "a function ran too long", isFull ? memoryMessage : timeoutMessage);
      },
      () => {
        // The thread has ended meanwhile; its exit is dealt with elsewhere.
      },
    );
  }

  /** Looks at the heap while one and the same call keeps running from one look of the watchdog to the next. */
  #watchMemory(worker: Worker): void {
    const call = this.#heartbeat.runningCall();
    const watched = this.#watched;
    if (call === null || watched?.call !== call) {
      this.#watched = call === null ? null : { call, heapBytes: null };
      return;
    }
    // Answered through an interrupt, also while JavaScript is running.
    worker.getHeapStatistics().then(
      ({ used_heap_size: heap, external_memory: external }) => {
        if (this.#watched !== watched || this.#heartbeat.runningCall() !== call || this.#replacing) return;
        watched.heapBytes ??= this.#heartbeat.restBytes() || heap + external;
        if (heap + external - watched.heapBytes <= callHeapGrowthBytesMax) return;
        this.#end(worker, call, "a function used up its memory", memoryMessage);
      },
      () => {
        // The thread has ended meanwhile; its exit is dealt with elsewhere.
      },
    );
  }

  #end(worker: Worker, guilty: number, reason: string, message: string): void {
    this.#replacing = true;
    this.#options.report("warn", `${reason}; replacing the engine thread`);
    this.#replaced = worker.terminate().then(() => this.#lost({ guilty, failure: { message } }));
  }

  async #startWorker(): Promise<void> {
    const {
      logThread,
      heapMaxMib,
      fetchContents,
      report: _report,
      fatal: _fatal,
      mayShow: _mayShow,
      ...rest
    } = this.#options;
    this.#heartbeat.stopClock();
    const { port1, port2 } = new MessageChannel();
    const connection = logThread.connect();
    const init: EngineWorkerInit = {
      ...rest,
      filesAreRemote: fetchContents !== undefined,
      port: port2,
      log: connection,
      heartbeat: this.#heartbeat.buffer,
      handover: this.client.handover(),
    };
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./engineWorker.${extension}`, import.meta.url), {
      workerData: init,
      transferList: [port2, connection.port],
      execArgv: ["--disable-warning=ExperimentalWarning"],
      resourceLimits: { maxOldGenerationSizeMb: heapMaxMib },
    });
    this.#worker = worker;
    this.#port = port1;
    port1.on("message", (batch: PackedOutBatch) => {
      // What a thread has posted may arrive after its end.
      if (this.#port === port1) this.client.receive(unpackOut(batch));
    });
    await this.#ready(worker);
    worker.on("exit", () => this.#exited(worker));
    worker.on("error", (error) => this.#crashed(error));
    this.client.connect((messages) => port1.postMessage(packIn(messages)));
  }

  #ready(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: EngineWorkerMessage) => {
        worker.off("error", reject);
        if (message.type === "ready") resolve();
        else {
          const { category, code, message: text } = message.error;
          reject(new LensletError(category, code, text));
        }
      };
      worker.once("message", onMessage);
      worker.once("error", reject);
      worker.once("exit", () => reject(new Error("the engine thread ended while it started")));
    });
  }

  #crashed(error: Error): void {
    this.#options.report("error", `the engine thread failed: ${error.message}`);
  }

  /** The thread ended without being told to: memory, or a defect. */
  #exited(worker: Worker): void {
    if (this.#closing || this.#replacing || worker !== this.#worker) return;
    this.#replacing = true;
    const guilty = this.#heartbeat.runningCall();
    this.#replaced = this.#lost({ guilty, failure: { message: memoryMessage } });
  }

  async #lost(loss: EngineLoss): Promise<void> {
    this.#worker = null;
    this.#port?.close();
    this.#port = null;
    if (this.#closing) return;
    if (loss.guilty === null && this.#restartedTooOften()) {
      this.#options.fatal(
        new Error(`the engine thread was replaced more than ${restartsMax} times in a minute`),
      );
      return;
    }
    this.client.disconnected(loss);
    try {
      await this.#startWorker();
      this.#replacing = false;
    } catch (error) {
      this.#options.fatal(error as Error);
    }
  }

  #restartedTooOften(): boolean {
    const nowMs = sharedMonotonicMs();
    this.#restarts.push(nowMs);
    while (nowMs - (this.#restarts[0] as number) > restartWindowMs) this.#restarts.shift();
    return this.#restarts.length > restartsMax;
  }
}
