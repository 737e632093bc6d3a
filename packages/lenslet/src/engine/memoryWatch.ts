import type { Clock } from "../base/clock.ts";
import { outOfMemoryText } from "../runner/limits.ts";

/** Bytes in the JavaScript heap, and those of ArrayBuffers outside of it. Garbage counts until it is collected. */
export interface HeapReading {
  readonly heapBytes: number;
  readonly bufferBytes: number;
}

/** This thread's heap. */
export interface HeapGauge {
  /** About 1 µs. */
  read(): HeapReading;
  /** Collects what has died young, some milliseconds; or everything, some 100 ms for 100 MiB that live. */
  collect(extent: "young" | "all"): void;
}

/** limits.md #25 and #26: 64 MiB each, and the slack that the platform's engine has. */
export const callHeapBytesMax = (64 + 32) * 1024 * 1024;
/** A call is looked at when it makes a syscall and so long has passed since its last look, or since it began. */
export const lookIntervalMs = 20;
/** A collection of the whole heap stops everybody: they take this share of the thread's time at most. */
const collectingShare = 0.1;

/** Breaks off a call that may hold too much; made once, since an error's stack would keep what it ran through alive. */
class MemoryDoubt extends Error {
  override name = "MemoryDoubt";
}

/**
 * Ends a call that holds more memory than it may. What V8 counts is garbage too, and everybody's: so a call under
 * which the heap has grown is first suspected, after the garbage is collected; then broken off, for it has had no
 * effect yet; and what that sets free was its own. If it was too much the call has failed, otherwise the heap has
 * grown for another reason and the call runs again, unwatched.
 *
 * Code that makes no syscall is not looked at; the watchdog ends it when it fills the heap (main/engineSupervisor.ts).
 */
export class MemoryWatch {
  /** When the running call is to be looked at. Read at each syscall, hence a plain field. */
  lookAtMs = Infinity;
  readonly #gauge: HeapGauge | null;
  readonly #clock: Clock;
  readonly #rested: (bytes: number) => void;
  readonly #doubt = new MemoryDoubt("a call may hold too much memory");
  #suspected: HeapReading | null = null;
  /** Before the running call, or before one shortly before it. */
  #rest: HeapReading | null = null;
  #restedAtMs = -Infinity;
  /** The least from there on, during the call too: what V8 has collected meanwhile was not the call's. */
  #least: HeapReading | null = null;
  #collectAllAtMs = -Infinity;

  /** `rested` is told what the heap holds between calls. */
  constructor(gauge: HeapGauge | null, clock: Clock, rested: (bytes: number) => void = () => {}) {
    this.#gauge = gauge;
    this.#clock = clock;
    this.#rested = rested;
  }

  /** Between calls: what the heap holds without one. */
  rest(nowMs: number): void {
    if (this.#gauge === null || nowMs - this.#restedAtMs < lookIntervalMs) return;
    this.#restedAtMs = nowMs;
    this.#rest = this.#gauge.read();
    this.#rested(this.#rest.heapBytes + this.#rest.bufferBytes);
  }

  /** Runs a call up to, not including, its commit: a second time if it was broken off without need. */
  run<T>(attempt: () => T): T {
    // The first syscall sets the time of the first look: whoever makes none is not looked at either.
    if (this.#gauge !== null) {
      this.lookAtMs = -Infinity;
      this.#least = this.#rest;
    }
    try {
      return attempt();
    } catch (error) {
      if (error !== this.#doubt) throw error;
      this.lookAtMs = Infinity;
      return attempt();
    } finally {
      this.lookAtMs = Infinity;
    }
  }

  /** At a syscall whose time has come. Throws what `refusal` knows when the call has to be broken off. */
  look(nowMs: number): void {
    const gauge = this.#gauge;
    if (gauge === null) return;
    const isFirst = this.lookAtMs === -Infinity;
    this.lookAtMs = nowMs + lookIntervalMs;
    if (isFirst) return;
    if (!this.#hasGrown(gauge.read())) return;
    gauge.collect("young");
    const youngEndMs = this.#clock.monotonicMs();
    this.lookAtMs = Math.max(this.lookAtMs, youngEndMs + (youngEndMs - nowMs) / collectingShare);
    if (!this.#hasGrown(gauge.read()) || youngEndMs < this.#collectAllAtMs) return;
    const reading = this.#collectAll(gauge);
    if (!this.#hasGrown(reading)) return;
    this.#suspected = reading;
    throw this.#doubt;
  }

  /**
   * What a run that ended with `error` fails with: null when the error is none of ours. Throws it again for an
   * innocent call; `run` knows what to do. Nothing of the run may be on the stack any more.
   */
  refusal(error: unknown): string | null {
    const [gauge, suspected] = [this.#gauge, this.#suspected];
    if (error !== this.#doubt || gauge === null || suspected === null) return null;
    this.#suspected = null;
    const left = this.#collectAll(gauge);
    this.#rest = left;
    if (exceeds(suspected, left)) return outOfMemoryText;
    throw error;
  }

  /** By more than a call may hold, since before the call or since V8 collected something under it. */
  #hasGrown(reading: HeapReading): boolean {
    const before = this.#least;
    if (before === null) return false;
    this.#least = least(before, reading);
    return exceeds(reading, before);
  }

  #collectAll(gauge: HeapGauge): HeapReading {
    const startedMs = this.#clock.monotonicMs();
    gauge.collect("all");
    const endedMs = this.#clock.monotonicMs();
    this.#collectAllAtMs = endedMs + (endedMs - startedMs) / collectingShare;
    return gauge.read();
  }
}

function exceeds(reading: HeapReading, before: HeapReading): boolean {
  return (
    reading.heapBytes - before.heapBytes > callHeapBytesMax ||
    reading.bufferBytes - before.bufferBytes > callHeapBytesMax
  );
}

function least(a: HeapReading, b: HeapReading): HeapReading {
  return {
    heapBytes: Math.min(a.heapBytes, b.heapBytes),
    bufferBytes: Math.min(a.bufferBytes, b.bufferBytes),
  };
}
