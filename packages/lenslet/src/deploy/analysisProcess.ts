import { Worker } from "node:worker_threads";
import { timedOutText } from "../runner/limits.ts";
import { outOfMemoryText, type AnalysisMessage, type AnalysisTask } from "./analysisMessages.ts";

/** However little a module computes while it is imported, it may not take longer than this. */
const moduleWaitMsMax = 30_000;
/** Growth of this process while user code runs: buffers are outside the heap and have no limit of their own. */
const growthBytesMax = 1024 * 1024 * 1024;
const watchIntervalMs = 100;

/**
 * Entry point of the process that `analyzePush` starts. User code runs on a thread of it, watched from here: the main
 * thread never runs any, so it is always there to measure and to end it. What kills the process as a whole (V8 treats
 * an exhausted heap so, also that of a worker) is noticed by the server.
 */
class Watch {
  readonly #task: AnalysisTask;
  readonly #worker: Worker;
  readonly #initialBytes = process.memoryUsage.rss();
  #ended = false;
  /** What runs now, and since when. */
  #module: string | null = null;
  #userMsAtStart: number | null = null;
  #ticks = 0;

  constructor(task: AnalysisTask) {
    this.#task = task;
    const file = import.meta.url.endsWith(".ts") ? "./analysisThread.ts" : "./analysisThread.js";
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: task,
      // What "use node" modules see as process.env while they are imported.
      env: { ...task.request.environmentVariables, ...task.request.builtInVariables },
      resourceLimits: { maxOldGenerationSizeMb: task.heapMegabytesMax },
    });
    this.#worker.on("message", (message: AnalysisMessage) => {
      this.#receive(message);
    });
    this.#worker.on("error", (error: Error & { readonly code?: string }) => {
      if (error.code === "ERR_WORKER_OUT_OF_MEMORY") this.#end(outOfMemoryText(task.heapMegabytesMax));
      else if (this.#module === null) this.#report({ type: "defect", text: error.stack ?? error.message });
      else this.#end(`Uncaught ${error.name}: ${error.message}`);
    });
    this.#worker.on("exit", () => {
      this.#end("The module ended the process while it was imported.");
    });
    setInterval(() => {
      void this.#tick();
    }, watchIntervalMs);
  }

  #receive(message: AnalysisMessage): void {
    if (message.type !== "module") {
      this.#report(message);
      return;
    }
    this.#module = message.path;
    this.#userMsAtStart = null;
    this.#ticks = 0;
    process.send?.(message);
  }

  async #tick(): Promise<void> {
    if (process.memoryUsage.rss() - this.#initialBytes > growthBytesMax) {
      this.#end(outOfMemoryText(growthBytesMax / (1024 * 1024)));
      return;
    }
    const module = this.#module;
    // Answered even while the thread loops.
    const userMs = await this.#userMs();
    if (userMs === null || module === null || module !== this.#module) return;
    this.#userMsAtStart ??= userMs;
    this.#ticks += 1;
    const { moduleUserTimeMsMax } = this.#task;
    if (userMs - this.#userMsAtStart > moduleUserTimeMsMax) this.#end(timedOutText(moduleUserTimeMsMax));
    else if (this.#ticks * watchIntervalMs > moduleWaitMsMax) this.#end(timedOutText(moduleWaitMsMax));
  }

  /** Null for a thread that is not up yet, as on a busy machine, or already gone. */
  async #userMs(): Promise<number | null> {
    try {
      return (await this.#worker.cpuUsage()).user / 1000;
    } catch {
      return null;
    }
  }

  #end(text: string): void {
    this.#report({ type: "ended", text });
  }

  /** The first report is the last: the process ends with it. */
  #report(message: AnalysisMessage): void {
    if (this.#ended) return;
    this.#ended = true;
    process.send?.(message, () => process.exit(0));
  }
}

process.once("message", (task: AnalysisTask) => new Watch(task));
// The server is gone: nobody waits for an answer.
process.once("disconnect", () => process.exit(0));
