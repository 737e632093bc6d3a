/** Shared between the thread that runs user code and the thread that watches it. */
export const watchCell = {
  /** Counts up while the event loop turns. */
  beat: 0,
  /** Actions running; nothing is watched at 0. */
  running: 1,
  /** 1 while the heap is so full that it may be exhausted before the next look. */
  heapHigh: 2,
} as const;
export const watchCellCount = 3;

/**
 * On this descriptor the watch tells the server, while the host cannot say anything, who keeps it to itself: the ids of
 * actions, a line each; 0: whoever is the only one.
 */
export const hogDescriptor = 4;

export interface WatchSettings {
  readonly cells: SharedArrayBuffer;
  readonly unresponsiveMsMax: number;
  readonly residentMebibytesMax: number;
  /** Process id of the server: without it there is nothing to do. */
  readonly serverPid: number;
  /** Removed when the server is gone. */
  readonly moduleFolder: string | null;
}

/** Silence without computing (a call that blocks, or a machine that is busy with others) may last so many times as long. */
export const idleHangFactor = 5;

/** `action` 0: it cannot be told whose doing it was, or that action has ended. */
export interface BrokenOff {
  readonly action: number;
  readonly reason: "unresponsive" | "memory";
}

/** A global function of the watched thread: the id of the action whose code is running, or 0. */
export const runningActionGlobal = "__lensletRunningAction";
