import { watchCell, watchCellCount } from "./watch.ts";

/** Of this process; the watch thread gets them when it starts. */
export const watchCells = new Int32Array(new SharedArrayBuffer(watchCellCount * 4));

/**
 * Tells the watch that the host has the thread. Called by a timer, and before user code is entered: the time that the
 * host has spent for it, parsing modules for instance, is not the user's.
 */
export function beat(): number {
  return Atomics.add(watchCells, watchCell.beat, 1);
}
