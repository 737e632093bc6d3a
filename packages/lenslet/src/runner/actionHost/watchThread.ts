import { rmSync, writeSync } from "node:fs";
import { Session } from "node:inspector";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../base/assert.ts";
import {
  type BrokenOff,
  hogDescriptor,
  idleHangFactor,
  runningActionGlobal,
  watchCell,
  type WatchSettings,
} from "./watch.ts";

const lookIntervalMs = 20;
/** Silence after which the debugger is attached, ready for an exhausted heap. */
const suspicionMs = 75;
/** Silence after which the server is told whose doing it is. */
const hogMs = 1000;
/** Before asking again for a loop that could not be told from the host's own work. */
const retryMs = 500;
/** Two looks further apart: this process itself was stopped, or the machine slept, and nobody is to blame. */
const stoppedMs = 1000;
/** How often in a row too much memory is reported before the process is ended. */
const memoryReportsMax = 10;

/**
 * Watches the main thread of an action host from outside. When one action keeps the event loop to itself, or uses up
 * the heap, the debugger pauses it, the async context tells whose code that is, and only that code is terminated:
 * everybody else in the process goes on. The debugger is attached on suspicion only, since it makes `await` five times
 * as slow (Node 24.21). What cannot be paused (a native call that never returns) is the server's to kill.
 */
class Watch {
  readonly #settings: WatchSettings;
  readonly #cells: Int32Array;
  readonly #tell: (event: BrokenOff) => void;
  readonly #session = new Session();
  #isArmed = false;
  #beat = 0;
  #beatAtMs = performance.now();
  #pauseAskedAtMs = -Infinity;
  /** When the pause was asked for. */
  #pauseBeat = 0;
  #reason: BrokenOff["reason"] | "hog" | null = null;
  /** The beat at which a hog was last asked for. */
  #hogBeat = -1;
  #cpuMsAtBeat = 0;
  #looks = 0;
  #lookedAtMs = performance.now();
  #memoryReports = 0;

  constructor(settings: WatchSettings, tell: (event: BrokenOff) => void) {
    this.#settings = settings;
    this.#cells = new Int32Array(settings.cells);
    this.#tell = tell;
    this.#session.connectToMainThread();
    this.#session.on("Debugger.paused", ({ params }) => this.#paused(params.reason));
  }

  start(): void {
    setInterval(() => this.#look(), lookIntervalMs);
  }

  #look(): void {
    const nowMs = performance.now();
    this.#looks++;
    if (this.#looks % 25 === 0 && process.ppid !== this.#settings.serverPid) {
      // The server is gone, and this process may be busy for ever.
      const { moduleFolder } = this.#settings;
      if (moduleFolder !== null) rmSync(moduleFolder, { recursive: true, force: true });
      process.kill(process.pid, "SIGKILL");
    }
    const beat = Atomics.load(this.#cells, watchCell.beat);
    const isIdle = Atomics.load(this.#cells, watchCell.running) === 0;
    if (isIdle || beat !== this.#beat || nowMs - this.#lookedAtMs > stoppedMs) {
      this.#beat = beat;
      this.#beatAtMs = nowMs;
      this.#cpuMsAtBeat = cpuMs();
    }
    this.#lookedAtMs = nowMs;
    const silentMs = nowMs - this.#beatAtMs;
    const heapHigh = Atomics.load(this.#cells, watchCell.heapHigh) === 1;
    this.#arm(!isIdle && (heapHigh || silentMs > suspicionMs));
    if (!isIdle && this.#looks % 4 === 0) this.#lookAtMemory(silentMs, nowMs);
    if (this.#isUnresponsive(silentMs)) this.#pause("unresponsive", nowMs);
    else if (silentMs > hogMs) this.#lookForHog(silentMs, nowMs);
  }

  /** Once in each silence: whose it is, if that can be asked, for a call that blocks only if there is no other. */
  #lookForHog(silentMs: number, nowMs: number): void {
    if (this.#hogBeat === this.#beat) return;
    const isAlone = Atomics.load(this.#cells, watchCell.running) === 1;
    if (isAlone && silentMs > hogMs * idleHangFactor) {
      this.#hogBeat = this.#beat;
      tellHog(0);
    } else if (cpuMs() - this.#cpuMsAtBeat > hogMs / 2) {
      this.#pause("hog", nowMs);
    }
  }

  /** On a machine with too much to do an innocent action may be silent as well: it has not had the time that it wants. */
  #isUnresponsive(silentMs: number): boolean {
    const { unresponsiveMsMax } = this.#settings;
    if (silentMs <= unresponsiveMsMax) return false;
    return (
      silentMs > unresponsiveMsMax * idleHangFactor || cpuMs() - this.#cpuMsAtBeat > unresponsiveMsMax / 2
    );
  }

  /** Buffers are outside the heap. Only when one action holds the thread can they be laid at its door. */
  #lookAtMemory(silentMs: number, nowMs: number): void {
    if (process.memoryUsage.rss() <= this.#settings.residentMebibytesMax * 2 ** 20) {
      this.#memoryReports = 0;
    } else if (silentMs > suspicionMs) {
      this.#pause("memory", nowMs);
    } else if (nowMs - this.#pauseAskedAtMs > retryMs) {
      this.#pauseAskedAtMs = nowMs;
      this.#memoryReports++;
      if (this.#memoryReports > memoryReportsMax) process.kill(process.pid, "SIGKILL");
      this.#tell({ action: 0, reason: "memory" });
    }
  }

  #arm(wanted: boolean): void {
    if (wanted === this.#isArmed) return;
    this.#isArmed = wanted;
    this.#session.post(wanted ? "Debugger.enable" : "Debugger.disable");
  }

  /** To break off what runs then, or only to see whose it is. */
  #pause(reason: BrokenOff["reason"] | "hog", nowMs: number): void {
    if (nowMs - this.#pauseAskedAtMs < retryMs) return;
    this.#pauseAskedAtMs = nowMs;
    this.#pauseBeat = this.#beat;
    this.#reason = reason;
    this.#arm(true);
    this.#session.post("Debugger.pause");
  }

  #paused(why: string): void {
    const reason = why === "OOM" ? "memory" : this.#reason;
    this.#reason = null;
    // A `debugger` statement of user code.
    if (reason === null) return this.#resume();
    // The pause came too late: what runs now is not what was silent.
    const isOver = Atomics.load(this.#cells, watchCell.beat) !== this.#pauseBeat;
    if (reason !== "memory" && isOver) return this.#resume();
    const expression = `globalThis.${runningActionGlobal}?.() ?? -1`;
    this.#session.post("Runtime.evaluate", { expression, returnByValue: true }, (_error, answer) => {
      // -1: the host's own work, which ends by itself.
      const action = Number(answer?.result.value ?? -1);
      if (action > 0 && reason !== "memory") {
        this.#hogBeat = this.#pauseBeat;
        tellHog(action);
      }
      if (reason !== "hog" && action >= 0) {
        this.#session.post("Runtime.terminateExecution");
        this.#tell({ action, reason });
      }
      this.#resume();
    });
  }

  #resume(): void {
    this.#session.post("Debugger.resume");
  }
}

function tellHog(action: number): void {
  try {
    writeSync(hogDescriptor, `${action}\n`);
  } catch {
    // The server is gone.
  }
}

/** Of all threads of the process. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const port = parentPort;
assert(port !== null, "the watch is a worker thread");
new Watch(workerData as WatchSettings, (event) => port.postMessage(event)).start();
