/** Limits of actions; each can be narrowed for tests and by configuration. */
export interface ActionLimits {
  /** limits.md #19 and #21. */
  readonly isolateTimeMsMax: number;
  readonly nodeTimeMsMax: number;
  /** An action that keeps its process from doing anything else for so long is ended; five times as long if it only blocks. */
  readonly unresponsiveMsMax: number;
  /** A process that is silent for longer than that plus this is killed, whatever it runs. */
  readonly killGraceMs: number;
  /** Old-space limit of each action host (limits.md #27). */
  readonly heapMebibytesMax: number;
  /** Resident set of each action host, buffers included. */
  readonly residentMebibytesMax: number;
  /** Processes for default-runtime actions; as many again for Node actions of each component, and for each that has run away. */
  readonly processesMax: number;
  /** An action that has been running for longer gets no new neighbours as long as another process may be started. */
  readonly youngMsMax: number;
  /** A process with so many actions gets no more as long as another one may be started. */
  readonly actionsPerProcess: number;
  /** Running at once in each runtime, those called by other actions not counted; the rest wait (limits.md #108, #109). */
  readonly concurrentMax: number;
  readonly queueWaitMs: number;
  readonly queueLengthMax: number;
  /** Running at once in all, those called by other actions included. */
  readonly totalMax: number;
  /** Operations of one default-runtime action that run at once (limits.md #45). */
  readonly operationsPerAction: number;
  /** limits.md #20. */
  readonly operationMsMax: number;
  /** A process that is not needed is ended after so long. */
  readonly idleMs: number;
}

export const defaultActionLimits: ActionLimits = {
  isolateTimeMsMax: 1_800_000,
  nodeTimeMsMax: 600_000,
  unresponsiveMsMax: 30_000,
  killGraceMs: 5_000,
  heapMebibytesMax: 512,
  residentMebibytesMax: 1536,
  processesMax: 8,
  youngMsMax: 50,
  actionsPerProcess: 32,
  concurrentMax: 512,
  queueWaitMs: 10_000,
  queueLengthMax: 2_000,
  totalMax: 2_000,
  operationsPerAction: 8,
  operationMsMax: 300_000,
  idleMs: 60_000,
};

/** limits.md #13 */
export const nodeArgumentBytesMax = 5 * 1024 * 1024;
export const nodeArgumentsTooLargeText =
  "Node actions arguments size is too large. The maximum size is 5 MiB. Reduce the size of the arguments or consider using Convex runtime actions instead, which have a 16 MiB limit. See https://docs.convex.dev/functions/runtimes";

/** What the other actions of a process get when it ends under them. Actions are not run again: they may have had effects. */
export const transientText =
  "Transient error while executing action: the process it ran in has ended. Actions are not retried automatically; run it again if that is safe.";

/** limits.md #106 */
export function tooManyActionsText(limit: number): string {
  const hint =
    limit <= 16
      ? "To get more resources, upgrade to Convex Pro. If you are already on Convex Pro, please contact support."
      : "If you need more resources, please contact support.";
  return `Too many concurrent requests. Your backend is limited to ${limit} concurrent actions. ${hint}`;
}
