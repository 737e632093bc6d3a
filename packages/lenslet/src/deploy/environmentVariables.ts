import { badRequest } from "../base/errors.ts";
import { checkValue, parseValidator, type IdContext, type Validator } from "../values/validator.ts";

/** Limits of reference limits.md #89 to #92. */
export const environmentVariablesMax = 512;
export const environmentVariableNameCharsMax = 256;
export const environmentVariableValueBytesMax = 8192;
export const environmentVariablesBytesMax = 524_288;

/** Set by the server for every function; users may not override them. */
export const builtInVariableNames: readonly string[] = ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"];

export interface EnvironmentVariableChange {
  readonly name: string;
  /** Null deletes; deleting what does not exist is fine. */
  readonly value: string | null;
}

/** A variable declared by `defineApp({ env })`: [name, {value: <validator JSON text>, optional?}]. */
export type DeclaredVariable = readonly [
  name: string,
  declaration: { readonly type: "value"; readonly value: string; readonly optional?: true },
];

/**
 * Returns the variables after the changes, or throws BadRequest. `declared` are the ones of the active convex.config.ts.
 * Source of rules and texts: reference functions.md §8, http-api.md §7.
 */
export function applyEnvironmentVariableChanges(
  current: Readonly<Record<string, string>>,
  changes: readonly EnvironmentVariableChange[],
  declared: readonly DeclaredVariable[],
): Readonly<Record<string, string>> {
  const next = new Map(Object.entries(current));
  for (const { name, value } of changes) {
    checkVariableName(name);
    if (value === null) {
      next.delete(name);
      continue;
    }
    const bytes = Buffer.byteLength(value);
    if (bytes > environmentVariableValueBytesMax) {
      // The parenthesis is not closed in the original text either.
      throw badRequest(
        "EnvironmentVariableValueTooLarge",
        `The environment variable value is ${bytes} bytes, which is too large. (max size: ${environmentVariableValueBytesMax}`,
      );
    }
    next.set(name, value);
  }
  checkTotals(next);
  const result = Object.fromEntries([...next].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const problems = checkDeclaredVariables(declared, result);
  const changed = new Set(changes.map(({ name }) => name));
  const missing = problems.missing.filter((name) => changed.has(name));
  if (missing.length > 0) {
    throw badRequest(
      "RequiredEnvironmentVariable",
      `Environment variable "${missing[0]}" is declared as required in convex.config.ts and can't be removed. Make it optional or remove the declaration, and push, first.`,
    );
  }
  const invalid = problems.invalid.find(({ name }) => changed.has(name));
  if (invalid !== undefined) throw invalidVariable(invalid);
  return result;
}

export function invalidVariable(problem: { readonly name: string; readonly error: string }) {
  return badRequest(
    "InvalidEnvironmentVariableValue",
    `The value of environment variable "${problem.name}" does not match its declaration in convex.config.ts: ${problem.error}`,
  );
}

function checkVariableName(name: string): void {
  if (!/^[a-zA-Z_]+[a-zA-Z0-9_]*$/.test(name)) {
    throw badRequest(
      "EnvironmentVariableNameInvalid",
      `The environment variable name ${name} is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.`,
    );
  }
  if (name.length > environmentVariableNameCharsMax) {
    throw badRequest(
      "EnvironmentVariableNameTooLong",
      `The environment variable name ${name} is too long. Environment variable names must be less than ${environmentVariableNameCharsMax}.`,
    );
  }
  if (builtInVariableNames.includes(name)) {
    throw badRequest(
      "EnvVarNameForbidden",
      `Environment variable with name "${name}" is built-in and cannot be overridden`,
    );
  }
}

function checkTotals(variables: ReadonlyMap<string, string>): void {
  if (variables.size > environmentVariablesMax) {
    throw badRequest(
      "EnvVarLimitMet",
      `The environment variable limit (${environmentVariablesMax}) has been met.`,
    );
  }
  let bytes = 0;
  for (const [name, value] of variables) bytes += name.length + Buffer.byteLength(value);
  if (bytes > environmentVariablesBytesMax) {
    throw badRequest(
      "EnvVarTotalSizeLimitMet",
      `The total size of all environment variables (${bytes} bytes) exceeds the limit (${environmentVariablesBytesMax} bytes).`,
    );
  }
}

const noIds: IdContext = { tableNameOf: () => null };

/** Which declared variables are missing or have a value their validator refuses. */
export function checkDeclaredVariables(
  declared: readonly DeclaredVariable[],
  variables: Readonly<Record<string, string>>,
): { readonly missing: readonly string[]; readonly invalid: readonly { name: string; error: string }[] } {
  const missing: string[] = [];
  const invalid: { name: string; error: string }[] = [];
  for (const [name, declaration] of declared) {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (value === undefined) {
      if (declaration.optional !== true) missing.push(name);
      continue;
    }
    const error = checkValue(parseValidator(JSON.parse(declaration.value)), value, noIds);
    if (error !== null) invalid.push({ name, error });
  }
  return { missing, invalid };
}

/** Variables are text: only strings, string literals and unions of these may be declared. */
export function isStringLike(validator: Validator): boolean {
  if (validator.type === "string") return true;
  if (validator.type === "literal") return typeof validator.value === "string";
  return validator.type === "union" && validator.value.length > 0 && validator.value.every(isStringLike);
}

export function variableNameIsLegal(name: string): boolean {
  try {
    checkVariableName(name);
    return true;
  } catch {
    return false;
  }
}
