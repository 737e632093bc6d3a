import { Worker } from "node:worker_threads";
import type { Timers } from "../base/clock.ts";
import { analysisTimeMsMax, timedOutText } from "../runner/limits.ts";
import type { LensletError } from "../base/errors.ts";
import type { AnalysisMessage, AnalysisTask } from "./analysisThread.ts";
import type { AnalysisRequest, AnalysisResult, AuthAnalysisResult } from "./analysisTypes.ts";
import { analysisErrors, authConfigPath } from "./analyze.ts";

/** However little a module computes while it is imported, it may not take longer than this. */
export const moduleWaitMsMax = 30_000;
/** JavaScript heap of the whole analysis. */
export const analysisHeapMegabytesMax = 512;
/** Growth of the whole process while an analysis runs: buffers are outside the heap and have no limit of their own. */
export const analysisGrowthBytesMax = 1024 * 1024 * 1024;
const watchIntervalMs = 100;

export interface AnalysisWorkerOptions {
  readonly timers: Timers;
  /** User time of one module; reference limits.md #22. */
  readonly moduleUserTimeMsMax?: number;
}

/**
 * Analyses a push on a thread of its own. User code that loops, or uses up memory, while it is imported ends with that
 * thread: the push fails with the text for it and nobody else notices. Never rejects because of user code.
 */
export function analyzePush(
  request: AnalysisRequest,
  options: AnalysisWorkerOptions,
): Promise<AnalysisResult> {
  return new Watch<AnalysisResult>({ request, only: "everything" }, options).result;
}

/** Re-evaluates auth.config.js alone, on a thread like `analyzePush`. */
export function analyzePushedAuth(
  request: AnalysisRequest,
  options: AnalysisWorkerOptions,
): Promise<AuthAnalysisResult> {
  return new Watch<AuthAnalysisResult>({ request, only: "auth" }, options).result;
}

interface Refusal {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
}

class Watch<T> {
  readonly result: Promise<T | Refusal>;
  readonly #worker: Worker;
  readonly #timers: Timers;
  readonly #userTimeMsMax: number;
  readonly #initialBytes = process.memoryUsage.rss();
  #settle!: (result: T | Refusal | Promise<never>) => void;
  #cancelTimer: () => void = () => {};
  #settled = false;
  /** What runs now, and since when. */
  #module: string | null = null;
  #userMsAtStart: number | null = null;
  #ticks = 0;

  constructor(task: AnalysisTask, options: AnalysisWorkerOptions) {
    this.#timers = options.timers;
    this.#userTimeMsMax = options.moduleUserTimeMsMax ?? analysisTimeMsMax;
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
    const file = import.meta.url.endsWith(".ts") ? "./analysisThread.ts" : "./analysisThread.js";
    this.#worker = new Worker(new URL(file, import.meta.url), {
      workerData: task,
      // What "use node" modules see as process.env while they are imported.
      env: { ...task.request.environmentVariables, ...task.request.builtInVariables },
      // Their output must not end up in the server's own.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: analysisHeapMegabytesMax },
    });
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.on("message", (message: AnalysisMessage) => {
      this.#receive(message);
    });
    this.#worker.on("error", (error: Error & { readonly code?: string }) => {
      this.#threadFailed(error);
    });
    this.#worker.on("exit", () => {
      this.#fail("The module ended the process while it was imported.");
    });
    this.#scheduleTick();
  }

  #receive(message: AnalysisMessage): void {
    if (message.type === "result") {
      this.#finish(JSON.parse(message.json) as T);
      return;
    }
    this.#module = message.path;
    this.#userMsAtStart = null;
    this.#ticks = 0;
  }

  #threadFailed(error: Error & { readonly code?: string }): void {
    if (error.code === "ERR_WORKER_OUT_OF_MEMORY") this.#failForMemory(analysisHeapMegabytesMax);
    else if (this.#module === null) this.#finish(Promise.reject(error));
    else this.#fail(`Uncaught ${error.name}: ${error.message}`);
  }

  #scheduleTick(): void {
    this.#cancelTimer = this.#timers.setTimeout(() => {
      void this.#tick();
    }, watchIntervalMs);
  }

  async #tick(): Promise<void> {
    if (this.#settled) return;
    if (process.memoryUsage.rss() - this.#initialBytes > analysisGrowthBytesMax) {
      this.#failForMemory(analysisGrowthBytesMax / (1024 * 1024));
      return;
    }
    const module = this.#module;
    const userMs = await this.#userMs();
    if (this.#settled) return;
    if (module !== null && module === this.#module && userMs !== null) {
      this.#userMsAtStart ??= userMs;
      this.#ticks += 1;
      if (userMs - this.#userMsAtStart > this.#userTimeMsMax) {
        this.#fail(timedOutText(this.#userTimeMsMax));
        return;
      }
      if (this.#ticks * watchIntervalMs > moduleWaitMsMax) {
        this.#fail(timedOutText(moduleWaitMsMax));
        return;
      }
    }
    this.#scheduleTick();
  }

  /** User time of the thread, answered even while it loops; null if it has just ended. */
  async #userMs(): Promise<number | null> {
    try {
      const usage = await this.#worker.cpuUsage();
      return usage.user / 1000;
    } catch {
      return null;
    }
  }

  #failForMemory(megabytes: number): void {
    this.#fail(`JavaScript execution ran out of memory (maximum memory usage: ${megabytes} MB)`);
  }

  #fail(text: string): void {
    this.#finish({ ok: false, ...refusal(this.#module ?? "", text) });
  }

  #finish(result: T | Refusal | Promise<never>): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#cancelTimer();
    this.#settle(result);
    void this.#worker.terminate();
  }
}

/** The same code and frame of text that analyze.ts gives to errors thrown in this module. */
function refusal(module: string, text: string): Omit<Refusal, "ok"> {
  const { code, message } = errorOf(module, text);
  return { code, message: `Hit an error while pushing:\n${message}` };
}

function errorOf(module: string, text: string): LensletError {
  switch (module) {
    case "schema.js":
      return analysisErrors.schema(text);
    case authConfigPath:
      return analysisErrors.auth(text);
    case "convex.config.js":
      return analysisErrors.definition(text);
    default:
      return analysisErrors.modules(`Failed to analyze ${module}: ${text}`);
  }
}
