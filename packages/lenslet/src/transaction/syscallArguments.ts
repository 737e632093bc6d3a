import { AssertionError } from "../base/assert.ts";
import { type LensletError, badRequest } from "../base/errors.ts";
import type { JsonValue } from "../values/json.ts";

export type JsonObject = { readonly [key: string]: JsonValue };

/** `Invalid arguments for ...`: the argument object as a whole has the wrong shape. */
export function invalidArguments(op: string, cause: string): LensletError {
  return badRequest("InvalidArgument", `Invalid arguments for \`${op}\`: ${cause}`);
}

/** `Invalid argument ... for ...`: one argument is bad. */
export function invalidArgument(op: string, argument: string, cause: string): LensletError {
  return badRequest("InvalidArgument", `Invalid argument \`${argument}\` for \`${op}\`: ${cause}`);
}

/** Runs `parse` and wraps what it throws as the fault of one argument. */
export function parsingArgument<T>(op: string, argument: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof AssertionError) throw error;
    throw invalidArgument(op, argument, (error as Error).message);
  }
}

export function isJsonObject(json: JsonValue | undefined): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function present(args: JsonObject, name: string, op: string): JsonValue {
  const value = Object.hasOwn(args, name) ? args[name] : undefined;
  if (value === undefined) throw invalidArguments(op, `missing field \`${name}\``);
  return value;
}

export function stringArgument(args: JsonObject, name: string, op: string): string {
  const value = present(args, name, op);
  if (typeof value !== "string") throw invalidArguments(op, `field \`${name}\` must be a string`);
  return value;
}

/** Null when absent or null. */
export function optionalString(args: JsonObject, name: string, op: string): string | null {
  const value = Object.hasOwn(args, name) ? (args[name] ?? null) : null;
  if (value !== null && typeof value !== "string")
    throw invalidArguments(op, `field \`${name}\` must be a string`);
  return value;
}

export function integerArgument(args: JsonObject, name: string, op: string): number {
  return nonNegativeInteger(present(args, name, op), name, op);
}

/** Null when absent or null. */
export function optionalInteger(args: JsonObject, name: string, op: string): number | null {
  const value = Object.hasOwn(args, name) ? (args[name] ?? null) : null;
  return value === null ? null : nonNegativeInteger(value, name, op);
}

export function jsonArgument(args: JsonObject, name: string, op: string): JsonValue {
  return present(args, name, op);
}

function nonNegativeInteger(value: JsonValue, name: string, op: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalidArguments(op, `field \`${name}\` must be a non-negative integer`);
  }
  return value;
}
