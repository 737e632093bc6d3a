import { badRequest } from "../base/errors.ts";

/** A function's address within one component, in canonical form. */
export interface FunctionPath {
  /** e.g. "dir/messages.js" */
  readonly module: string;
  /** e.g. "list", or "default" */
  readonly name: string;
}

const segmentPattern = /^[A-Za-z0-9_.]{1,64}$/;
const identifierPattern = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/**
 * Parses "a/b:c", "a/b.js:c" and "a/b" (= "a/b:default").
 * Throws BadConvexFunctionIdentifier. Source: reference sync-protocol.md §2.4, functions.md §3.
 */
export function parseFunctionPath(text: string): FunctionPath {
  const colon = text.lastIndexOf(":");
  const modulePart = colon < 0 ? text : text.slice(0, colon);
  const name = colon < 0 ? "default" : text.slice(colon + 1);
  const module = modulePart.endsWith(".js") ? modulePart.slice(0, -3) : modulePart;
  const segments = module.split("/");
  for (const segment of segments) {
    if (!segmentPattern.test(segment) || !/[A-Za-z0-9]/.test(segment)) {
      throw invalidPath(
        text,
        `Module path (${modulePart}) has an invalid segment ${JSON.stringify(segment)}.`,
      );
    }
  }
  if (!identifierPattern.test(name)) {
    throw invalidPath(text, `${JSON.stringify(name)} is not a valid function name.`);
  }
  return { module: `${module}.js`, name };
}

function invalidPath(text: string, detail: string) {
  return badRequest(
    "BadConvexFunctionIdentifier",
    `${text} is not a valid path to a Convex function. ${detail}`,
  );
}

/** "dir/messages.js:list" */
export function canonicalPath(path: FunctionPath): string {
  return `${path.module}:${path.name}`;
}

/** "dir/messages:list", or "dir/messages" for the default export: the form of error texts and logs. */
export function strippedPath(path: FunctionPath): string {
  const module = path.module.slice(0, -3);
  return path.name === "default" ? module : `${module}:${path.name}`;
}

export function inComponent(componentPath: string): string {
  return componentPath === "" ? "" : ` in '${componentPath}'`;
}
