/** Numbers and texts of functions.md §9, §18 and limits.md #13, #19-#21, #27, #45. */

/** Calls of one Node action that may be outstanding. */
export const nodeOperationsMax = 1000;

export const unresponsiveText =
  "Function execution unexpectedly timed out. Check your function for infinite loops or other long-running operations.";
export const tooManyOperationsText =
  "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.";
export const leftoverText =
  "Leftover state detected. This typically happens if there are dangling promises from a previous request. Did you forget to await your promises?";
export const noRequestText =
  "Invalid syscall. The Convex syscalls are for internal Convex use and should not be called directly.";
export const nodeDatabaseText =
  "The Convex database object is being used outside of a Convex query or mutation. Didyou mean to use `ctx.query` or `ctx.mutation` to access the database?";

const danglingAdvice =
  "See https://docs.convex.dev/functions/actions#dangling-promises for more information.";

/** `names`: one for each operation that nobody waits for, e.g. "runMutation". */
export function unawaitedText(names: readonly string[]): string {
  const count = `${names.length} unawaited operation${names.length === 1 ? "" : "s"}`;
  return `${count}: [${names.join(", ")}]. Async operations should be awaited or they might not run. ${danglingAdvice}`;
}

export function outstandingText(op: string): string {
  return `You have an outstanding ${op} call. Operations should be awaited or they might not run. Not awaiting promises might result in unexpected failures. ${danglingAdvice}`;
}

export function nodeTimedOutText(exportName: string, timeMsMax: number): string {
  return `Action \`${exportName}\` execution timed out (maximum duration ${timeMsMax / 1000}s)`;
}

export function nodeOutOfMemoryText(heapMebibytesMax: number): string {
  return `JavaScript execution ran out of memory (maximum memory usage: ${heapMebibytesMax} MB)`;
}

export function actionNotFoundText(exportName: string, file: string): string {
  return `Couldn't find action \`${exportName}\` in \`${file}\``;
}

export function notAnActionText(exportName: string, file: string): string {
  return `\`${exportName}\` wasn't registered as a Convex action in \`${file}\``;
}

/** limits.md #76, #77 */
export const responseBytesMax = 20 * 1024 * 1024;
export const responseTooLargeText = "HttpResponseTooLarge: HTTP actions support responses up to 20 MiB";
export function largeResponseText(bytes: number): string {
  return `Large response returned from an HTTP action (actual: ${bytes} bytes, limit: ${responseBytesMax} bytes).`;
}
/** limits.md #79 */
export const multipartBytesMax = 20 * 1024 * 1024;
export const multipartTooLargeText =
  "The body is too large to be parsed by formData(): multipart bodies may have 20 MiB.";
export const notAResponseText = "HTTP actions must return a Response";
export const disconnectedText = "The client closed the connection before the response was complete.";
