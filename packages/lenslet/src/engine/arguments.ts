import { LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import {
  containsCommitTs,
  parseValue,
  resolveCommitTs,
  stringifyValue,
  type JsonValue,
} from "../values/json.ts";
import { formatBinarySize, sizeOf } from "../values/size.ts";
import type { Value } from "../values/value.ts";
import { checkArgs, checkReturns, type IdContext } from "../values/validator.ts";
import type { FunctionInfo } from "./deployment.ts";
import { canonicalPath } from "./functionPath.ts";

export const argumentBytesMax = 16 * 1024 * 1024;
export const returnBytesMax = 16 * 1024 * 1024;

/** Bad arguments or a bad return value: the function's failure, with the text its caller sees. */
export class ArgumentError extends Error {
  override name = "ArgumentError";
}

/**
 * Checks a call's arguments in the platform's order: decoding, size, validator (functions.md §4.2).
 * `argsJson` is the JSON text of the positional array. Only a function that runs in a mutation's transaction may pass
 * on an unresolved commit timestamp, a client may not. Returns the size of the arguments in bytes.
 */
export function parseArguments(
  argsJson: string,
  info: FunctionInfo,
  ids: IdContext,
  allowCommitTs: boolean,
): number {
  const path = canonicalPath(info.path);
  let values: readonly Value[];
  try {
    const json = JSON.parse(argsJson) as JsonValue;
    if (!Array.isArray(json))
      throw new LensletError("BadRequest", "InvalidArguments", "Arguments must be an array");
    values = json.map((argument) => parseValue(argument, { commitTs: allowCommitTs }));
  } catch (error) {
    throw new ArgumentError(`Invalid arguments for ${path}: ${(error as Error).message}`);
  }
  const bytes = values.length === 1 ? sizeOf(values[0]) : sizeOf(values);
  if (bytes > argumentBytesMax) {
    const [actual, limit] = [formatBinarySize(bytes), formatBinarySize(argumentBytesMax)];
    throw new ArgumentError(`Arguments for ${path} are too large (actual: ${actual}, limit: ${limit})`);
  }
  const problem = checkArgs(info.args, values, ids);
  if (problem !== null) throw new ArgumentError(problem);
  return bytes;
}

/** No value is larger than this many bytes for each UTF-16 unit of its text. */
const bytesPerUnitMax = 5;

/** Whether a plain result (`RunOutcome`) needs no second look: small enough, and without unpaired surrogates. */
export function isCanonicalText(resultJson: string): boolean {
  return resultJson.length * bytesPerUnitMax <= returnBytesMax && !resultJson.includes("\\ud");
}

/**
 * Checks what a function returned and gives its canonical text. An unresolved commit timestamp may leave a mutation
 * (it is resolved at commit) and what is nested in one, but not a top-level query.
 */
export function parseReturnValue(
  resultJson: string,
  info: Pick<FunctionInfo, "path" | "returns">,
  ids: IdContext,
  allowCommitTs: boolean,
): string {
  const path = canonicalPath(info.path);
  let value: Value;
  try {
    value = parseValue(JSON.parse(resultJson) as JsonValue, { commitTs: true });
    if (!allowCommitTs && containsCommitTs(value))
      throw new Error("queries cannot return an unresolved commit timestamp");
  } catch (error) {
    throw new ArgumentError(`Function ${path} return value invalid: ${(error as Error).message}`);
  }
  const bytes = sizeOf(value);
  if (bytes > returnBytesMax) {
    const [actual, limit] = [formatBinarySize(bytes), formatBinarySize(returnBytesMax)];
    throw new ArgumentError(
      `Function ${path} return value is too large (actual: ${actual}, limit: ${limit})`,
    );
  }
  const problem = checkReturns(info.returns, value, ids);
  if (problem !== null) throw new ArgumentError(problem);
  return stringifyValue(value);
}

/** What a mutation returned, with the timestamp of its commit filled in where it returned a placeholder. */
export function withCommitTs(valueJson: string, ts: CommitTs): string {
  if (!valueJson.includes('"$commitTs"')) return valueJson;
  const value = parseValue(JSON.parse(valueJson) as JsonValue, { commitTs: true });
  return stringifyValue(resolveCommitTs(value, ts));
}
