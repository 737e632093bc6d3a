import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Timers } from "../base/clock.ts";
import { analysisTimeMsMax, timedOutText } from "../runner/limits.ts";
import { outOfMemoryText, type AnalysisMessage, type AnalysisTask } from "./analysisMessages.ts";
import type { AnalysisRequest, AnalysisResult, AuthAnalysisResult } from "./analysisTypes.ts";
import { errorOfModule } from "./analyze.ts";

export const analysisHeapMegabytesMax = 512;
/** A whole analysis; modules have limits of their own, so only a great many slow ones come here. */
export const analysisTotalMsMax = 280_000;

export interface AnalysisOptions {
  readonly timers: Timers;
  /** User time of one module; reference limits.md #22. */
  readonly moduleUserTimeMsMax?: number;
  readonly heapMegabytesMax?: number;
  readonly externalPackagesFolder?: string;
}

/**
 * Analyses a push in a process of its own. User code that loops, or uses up memory, while it is imported ends with that
 * process: the push fails with the text for it and nobody else notices. (A thread would not do: an exhausted heap of a
 * worker thread can end the whole process, Node 24.21.) Rejects only when the analysis itself is broken.
 */
export function analyzePush(request: AnalysisRequest, options: AnalysisOptions): Promise<AnalysisResult> {
  return new Analysis<AnalysisResult>(request, "everything", options).result;
}

/** Re-evaluates auth.config.js alone, in a process like that of `analyzePush`. */
export function analyzePushedAuth(
  request: AnalysisRequest,
  options: AnalysisOptions,
): Promise<AuthAnalysisResult> {
  return new Analysis<AuthAnalysisResult>(request, "auth", options).result;
}

interface Refusal {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
}

class Analysis<T> {
  readonly result: Promise<T | Refusal>;
  readonly #child: ChildProcess;
  readonly #task: AnalysisTask;
  readonly #cancelTimer: () => void;
  #resolve!: (result: T | Refusal) => void;
  #reject!: (error: Error) => void;
  #module: string | null = null;

  constructor(request: AnalysisRequest, only: AnalysisTask["only"], options: AnalysisOptions) {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#task = {
      request,
      only,
      moduleUserTimeMsMax: options.moduleUserTimeMsMax ?? analysisTimeMsMax,
      heapMegabytesMax: options.heapMegabytesMax ?? analysisHeapMegabytesMax,
      externalPackagesFolder: options.externalPackagesFolder ?? null,
    };
    const file = import.meta.url.endsWith(".ts") ? "./analysisProcess.ts" : "./analysisProcess.js";
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      // Nothing of the server's own environment may be seen by user code.
      env: inheritedEnvironment(),
      execArgv: ["--disable-warning=ExperimentalWarning"],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child.on("message", (message) => {
      this.#receive(message as AnalysisMessage);
    });
    this.#child.on("error", (error) => {
      this.#settle(() => {
        this.#reject(error);
      });
    });
    // Not "exit": that may come before the last messages have been read.
    this.#child.on("close", () => {
      this.#processEnded();
    });
    this.#cancelTimer = options.timers.setTimeout(() => {
      this.#refuse(timedOutText(analysisTotalMsMax));
    }, analysisTotalMsMax);
    this.#child.send(this.#task);
  }

  #receive(message: AnalysisMessage): void {
    switch (message.type) {
      case "module":
        this.#module = message.path;
        return;
      case "result":
        this.#settle(() => {
          this.#resolve(JSON.parse(message.json) as T);
        });
        return;
      case "ended":
        this.#refuse(message.text);
        return;
      case "defect":
        this.#settle(() => {
          this.#reject(new Error(`The analysis failed: ${message.text}`));
        });
    }
  }

  /** Without having said why: V8 ends a process whose heap is exhausted, and so may the operating system. */
  #processEnded(): void {
    if (this.#module !== null) this.#refuse(outOfMemoryText(this.#task.heapMegabytesMax));
    else {
      this.#settle(() => {
        this.#reject(new Error("The analysis process ended before it began to work"));
      });
    }
  }

  #refuse(text: string): void {
    const { code, message } = errorOfModule(this.#module ?? "", text);
    const frame = this.#task.only === "auth" ? "" : "Hit an error while pushing:\n";
    this.#settle(() => {
      this.#resolve({ ok: false, code, message: `${frame}${message}` });
    });
  }

  /** Promises take their first outcome only, so calling this again is harmless. */
  #settle(outcome: () => void): void {
    outcome();
    this.#cancelTimer();
    this.#child.kill("SIGKILL");
  }
}

/** What a process needs to find temporary directories and system libraries. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  const names = ["PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot"];
  return Object.fromEntries(
    names.map((name) => [name, process.env[name]]).filter(([, value]) => value !== undefined),
  );
}
