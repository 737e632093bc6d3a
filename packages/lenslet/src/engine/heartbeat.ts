import { isTimeUp } from "../runner/limits.ts";

/**
 * What the net thread can see of the engine thread while that runs user code and cannot answer: which call is
 * running and for how long. Written by the engine, read by the watchdog (engineThread.ts), through shared memory.
 *
 * The clock of a function counts its own JavaScript only: time in syscalls and in nested functions is taken out by
 * moving `startedMs` forward. Layout: Float64 [startedMs, limitMs, callSeq, cpuMs when the call began, heap bytes
 * between calls]; startedMs 0 = no user code is running.
 */
export class Heartbeat {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Float64Array;

  constructor(buffer = new SharedArrayBuffer(5 * Float64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#cells = new Float64Array(buffer);
  }

  setCall(callSeq: number, cpuMs: number): void {
    this.#cells[2] = callSeq;
    this.#cells[3] = cpuMs;
  }
  /** What the heap of the thread held when no call was running, garbage included. */
  setRest(heapBytes: number): void {
    this.#cells[4] = heapBytes;
  }
  startClock(startedMs: number, limitMs: number): void {
    this.#cells[1] = limitMs;
    this.#cells[0] = startedMs;
  }
  stopClock(): void {
    this.#cells[0] = 0;
  }

  /** The call that has used up its time at `nowMs`, when the thread had computed for `cpuMs`; or null. */
  overdue(nowMs: number, cpuMs: number): number | null {
    const [startedMs = 0, limitMs = 0, callSeq = 0, startedCpuMs = 0] = this.#cells;
    if (startedMs === 0 || !isTimeUp(nowMs - startedMs, limitMs, () => cpuMs - startedCpuMs)) return null;
    return callSeq;
  }

  /** 0: not known. */
  restBytes(): number {
    return this.#cells[4] as number;
  }

  runningCall(): number | null {
    return this.#cells[0] === 0 ? null : (this.#cells[2] as number);
  }
}

/** Milliseconds of a clock that all threads of a process share and that never jumps. */
export function sharedMonotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
