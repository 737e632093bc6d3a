import { badRequest } from "../base/errors.ts";

export const variableNameLengthMax = 256;
export const variableValueBytesMax = 8192;
const builtInNames: ReadonlySet<string> = new Set(["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"]);
const namePattern = /^[a-zA-Z_]+[a-zA-Z0-9_]*$/;

/**
 * The rules that need no look at the other variables (functions.md §8); `value` is null for a deletion.
 * Throws EnvironmentVariableNameInvalid, EnvironmentVariableNameTooLong, EnvironmentVariableValueTooLarge,
 * EnvVarNameForbidden. The engine checks count and total size.
 */
export function checkEnvironmentChange(name: string, value: string | null): void {
  if (name.length > variableNameLengthMax) {
    throw badRequest(
      "EnvironmentVariableNameTooLong",
      `The environment variable name ${name} is too long. Environment variable names must be less than ${variableNameLengthMax}.`,
    );
  }
  if (!namePattern.test(name)) {
    throw badRequest(
      "EnvironmentVariableNameInvalid",
      `The environment variable name ${name} is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.`,
    );
  }
  if (value === null) return;
  if (builtInNames.has(name)) {
    throw badRequest(
      "EnvVarNameForbidden",
      `Environment variable with name "${name}" is built-in and cannot be overridden`,
    );
  }
  const valueBytes = Buffer.byteLength(value);
  if (valueBytes > variableValueBytesMax) {
    throw badRequest(
      "EnvironmentVariableValueTooLarge",
      `The environment variable value is ${valueBytes} bytes, which is too large. (max size: ${variableValueBytesMax}`,
    );
  }
}
