/**
 * Numbers and texts of functions.md §4.4. The runner sums up the time of user code between syscalls; memory is
 * the engine's to measure (engine/memoryWatch.ts), and loops that never end can only be stopped from outside (its watchdog).
 */
export const userTimeMsMax = 1_000;
export const systemTimeMsMax = 15_000;
/**
 * To compile and import the modules of a function that runs for the first time since a start or a push; not counted as
 * the function's own time. Large packages take some hundred milliseconds, on a busy machine a multiple of that.
 */
export const importTimeMsMax = 15_000;
/** A function that is given so little of a busy machine is ended all the same when so many times its limit has passed. */
const patience = 10;
export const analysisTimeMsMax = 4_000;
/** Above this share of the time limit a run logs a warning. */
export const slowRunShare = 0.8;

export const errorMessageBytesMax = 65_536;
export const logLineBytesMax = 32_768;
export const logLinesMax = 256;
/** V8's default stack depth, counted without the server's own frames. */
export const framesMax = 10;
/** Adjacent `get` / `queryStreamNext` (or `storageGetUrl`) syscalls that are answered together. */
export const syscallBatchMax = 16;
/** Idle contexts kept for one code version; nested calls use one each. */
export const idleRealmsMax = 16;

/**
 * Whether the time of a function is up. A limit is one of computing: while a busy machine runs something else, time
 * passes that the function has not had. `computedMs` may count more than the function, and is asked when it matters.
 */
export function isTimeUp(passedMs: number, limitMs: number, computedMs: () => number): boolean {
  return passedMs > limitMs && (passedMs > limitMs * patience || computedMs() > limitMs);
}

export function timedOutText(maximumMs: number): string {
  return `Function execution timed out (maximum duration: ${maximumMs / 1000}s)`;
}
export const systemTimedOutText = "Your request timed out performing too many system operations.";
export const outOfMemoryText = "JavaScript execution ran out of memory (maximum memory usage: 64 MB)";
/** `actual` e.g. "850ms". */
export function slowRunText(maximumMs: number, actual: string): string {
  return `Function execution took a long time. (maximum duration: ${maximumMs / 1000}s, actual duration: ${actual}).`;
}

export const neverResolvesText = "Returned promise will never resolve";
export function moduleNotFoundText(path: string): string {
  return `Couldn't find JavaScript module '${path}'. Did you forget to run \`npx convex dev\`?`;
}
export function exportNotFoundText(exportName: string, modulePath: string): string {
  return `Couldn't find ${JSON.stringify(exportName)} in module ${JSON.stringify(modulePath)}.`;
}
export function notAFunctionText(path: string): string {
  return `Function ${path} is neither a query or mutation. Did you forget to wrap it with \`query\` or \`mutation\`?`;
}
export const topLevelAwaitText = "Top-level awaits in source files are unsupported";
