import type { ModuleLoadError } from "./codeModules.ts";
import { types } from "node:util";
import { encodeValue, parseValue } from "../values/json.ts";
import type { JsonValue } from "../values/json.ts";
import { errorMessageBytesMax } from "./limits.ts";
import { cutUtf8 } from "./logLines.ts";
import type { RunFailure } from "./types.ts";

/** Message and frames, each on its line, with the trailing newline of functions.md §6.1. */
export function formatFailure(failure: RunFailure): string {
  return `${[failure.message, ...failure.frames].join("\n")}\n`;
}

/** A failure raised around user code: no "Uncaught", no frames. */
export function hostFailure(message: string): RunFailure {
  return { message: cutUtf8(message, errorMessageBytesMax), frames: [] };
}

/** What user code threw, as functions.md §6.1 and §6.4 say. `frames`: of that error's stack. */
export function describeThrown(thrown: unknown, frames: readonly string[]): RunFailure {
  if (!types.isNativeError(thrown)) {
    return { message: cutUtf8(`Uncaught ${thrownText(thrown)}`, errorMessageBytesMax), frames: [] };
  }
  const error = thrown as unknown as Record<string, unknown>;
  const name = read(error, "name", "Error");
  let message = read(error, "message", "");
  let dataJson: string | undefined;
  if (isConvexError(error)) {
    try {
      const data = JSON.parse(String(error["data"])) as JsonValue;
      dataJson = JSON.stringify(encodeValue(parseValue(data)));
    } catch (cause) {
      message = `ConvexError with invalid data: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
  }
  const text = uncaughtText(name, message);
  return {
    message: cutUtf8(text, errorMessageBytesMax),
    frames,
    ...(dataJson === undefined ? {} : { dataJson }),
  };
}

export function uncaughtText(name: string, message: string): string {
  if (name === "" && message === "") return "Uncaught";
  if (message === "") return `Uncaught ${name}`;
  return name === "" ? `Uncaught ${message}` : `Uncaught ${name}: ${message}`;
}

/** User objects may have getters that throw. */
function read(error: Record<string, unknown>, field: string, missing: string): string {
  try {
    const value = error[field];
    return value === undefined ? missing : (value as { toString(): string }).toString();
  } catch {
    return missing;
  }
}

function isConvexError(error: Record<string, unknown>): boolean {
  try {
    const symbol = error["ConvexErrorSymbol"];
    return typeof symbol === "symbol" && (error as Record<symbol, unknown>)[symbol] === true;
  } catch {
    return false;
  }
}

/** V8's text for a thrown value that is no error: "foo", "#<Object>", "[object Array]". */
function thrownText(value: unknown): string {
  if ((typeof value !== "object" || value === null) && typeof value !== "function") return String(value);
  try {
    if (typeof value === "function") return Function.prototype.toString.call(value);
    const own: unknown = (value as { toString?: unknown }).toString;
    const constructor: unknown = (value as { constructor?: unknown }).constructor;
    const isDefault =
      typeof own !== "function" || /^function toString\(\) \{ \[native code\] \}$/.test(String(own));
    if (isDefault && !Array.isArray(value) && typeof constructor === "function" && constructor.name) {
      return `#<${constructor.name}>`;
    }
    return Object.prototype.toString.call(value);
  } catch {
    return "#<Object>";
  }
}

export function loadFailure(error: ModuleLoadError): RunFailure {
  if (error.errorName === null) return hostFailure(error.message);
  return hostFailure(uncaughtText(error.errorName, error.message));
}
