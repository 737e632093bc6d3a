/** Time, injected everywhere outside main/ and the action host. */
export interface Clock {
  /** Milliseconds since the Unix epoch, with a sub-millisecond fraction where the platform has one. */
  nowMs(): number;
  /** Milliseconds of a clock that never jumps; only differences mean anything. */
  monotonicMs(): number;
  /** Milliseconds that this thread has computed; only differences mean anything. Absent: it always computes. */
  cpuMs?(): number;
}

export function computedMs(clock: Clock): number {
  return clock.cpuMs?.() ?? clock.monotonicMs();
}

/** Timers, injected like the clock. The returned function cancels; calling it twice is harmless. */
export interface Timers {
  setTimeout(callback: () => void, delayMs: number): () => void;
}
