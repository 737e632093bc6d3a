import { isDeveloperError } from "../../lenslet/src/base/errors.ts";
import { uncaughtText } from "../../lenslet/src/runner/failure.ts";
import { parseValue, type JsonValue } from "../../lenslet/src/values/json.ts";
import { jsonToConvex } from "convex/values";

/**
 * The `convex` package replaces the data of a ConvexError by its JSON text when it leaves a function. Gives the text,
 * or null for any other error.
 */
function convexErrorJson(thrown: unknown): string | null {
  if (typeof thrown !== "object" || thrown === null) return null;
  const error = thrown as { data?: unknown; ConvexErrorSymbol?: unknown };
  return typeof error.ConvexErrorSymbol === "symbol" && typeof error.data === "string" ? error.data : null;
}

/** What a test sees of a function that threw: the very error, with the stack that leads into the user's code. */
export function forTest(thrown: unknown): unknown {
  const json = convexErrorJson(thrown);
  if (json !== null) {
    const error = thrown as { data: unknown; ConvexErrorSymbol?: unknown };
    error.data = jsonToConvex(JSON.parse(json) as Parameters<typeof jsonToConvex>[0]);
    delete error.ConvexErrorSymbol;
  }
  return thrown;
}

/** The error's data as JSON, if it is a ConvexError whose data is a value. */
function dataOf(thrown: unknown): JsonValue | undefined {
  const json = convexErrorJson(thrown);
  if (json === null) return undefined;
  try {
    const data = JSON.parse(json) as JsonValue;
    parseValue(data);
    return data;
  } catch {
    return undefined;
  }
}

const platformErrors = new WeakSet<object>();

/** An error of the platform, not of user code: its text has no "Uncaught". */
export function platformError(message: string): Error {
  const error = new Error(message);
  platformErrors.add(error);
  return error;
}

export function failureText(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `Uncaught ${String(thrown)}`;
  if (platformErrors.has(thrown)) return thrown.message;
  return uncaughtText(thrown.name, thrown.message);
}

/**
 * The callee's failure as the caller's rejected promise carries it (functions.md §6.3): the `convex` package makes a
 * new error from `message` and `data`.
 */
export function nestedError(thrown: unknown): Error {
  const error = new Error(failureText(thrown));
  const data = dataOf(thrown);
  return data === undefined ? error : Object.assign(error, { data });
}

/** What a syscall rejects with. Anything but a developer error is a defect of ours and keeps its stack. */
export function syscallError(error: unknown): unknown {
  if (!isDeveloperError(error)) return error;
  const rejected = new Error(error.message);
  return error.data === undefined ? rejected : Object.assign(rejected, { data: error.data });
}
