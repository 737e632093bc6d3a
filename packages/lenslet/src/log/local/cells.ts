/**
 * Memory shared between the log thread and its clients, so that a client can wait for durability without an event
 * loop. `sequence` changes with every other cell and is what waiters sleep on: waiting on `durableTs` itself would
 * miss a failure that comes between the check and the sleep.
 */
export type SharedCells = BigInt64Array<SharedArrayBuffer>;

export const sharedCell = { sequence: 0, durableTs: 1, trimmedTs: 2, state: 3, firstTs: 4 } as const;
export const logState = { running: 0n, failed: 1n, closed: 2n } as const;

/** One client's own cells: how much of what it appended is dealt with, and whether a "durable" message is under way. */
export const ownCell = { consumedSize: 0, announced: 1, fenced: 2 } as const;

const cellBytes = 8;

export function newSharedCells(): SharedArrayBuffer {
  return new SharedArrayBuffer(Object.keys(sharedCell).length * cellBytes);
}

export function newOwnCells(): SharedArrayBuffer {
  return new SharedArrayBuffer(Object.keys(ownCell).length * cellBytes);
}

export function cellsOf(memory: SharedArrayBuffer): SharedCells {
  return new BigInt64Array(memory);
}

/** Wakes all sleepers; call it after a change of any cell they look at. */
export function signal(shared: SharedCells): void {
  Atomics.add(shared, sharedCell.sequence, 1n);
  Atomics.notify(shared, sharedCell.sequence);
}
