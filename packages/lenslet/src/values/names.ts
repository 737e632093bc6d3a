import { badRequest } from "../base/errors.ts";
import { fieldOf, isValueObject, type Value, type ValueObject } from "./value.ts";
import { quoteChar } from "./quote.ts";

const fieldNameBytesMax = 1024;
const identifierBytesMax = 64;

/** Null for a legal field name (reference values.md §4), else the error text. The empty name is legal. */
export function checkFieldName(name: string): string | null {
  if (name.charCodeAt(0) === 0x24) return `Field name ${name} starts with '$', which is reserved.`;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c < 0x20 || c > 0x7e) {
      return (
        `Field name ${name} has invalid character ${quoteChar(charAt(name, i))}: ` +
        "Field names can only contain non-control ASCII characters"
      );
    }
  }
  if (name.length > fieldNameBytesMax) {
    return `Field name is too long (${name.length} > maximum ${fieldNameBytesMax})`;
  }
  return null;
}

/** Null for a legal identifier: `[A-Za-z_][A-Za-z0-9_]*`, 1-64 bytes, not only underscores; else the error text. */
export function checkIdentifier(text: string): string | null {
  if (text === "") return "Identifier cannot be empty";
  let underscoresOnly = true;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x5f) continue;
    underscoresOnly = false;
    const letter = (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a);
    if (letter || (i > 0 && c >= 0x30 && c <= 0x39)) continue;
    const char = quoteChar(charAt(text, i));
    return i === 0
      ? `Invalid first character ${char} in ${text}: Identifiers must start with an alphabetic character or underscore`
      : `Identifier ${text} has invalid character ${char}: Identifiers can only contain alphanumeric characters or underscores`;
  }
  if (text.length > identifierBytesMax) {
    return `Identifier is too long (${text.length} > maximum ${identifierBytesMax})`;
  }
  if (underscoresOnly) return `Identifier ${text} cannot have exclusively underscores`;
  return null;
}

/** Null for a name a user table may have, else the error text: identifiers that do not start with "_". */
export function checkTableName(name: string): string | null {
  const error = checkIdentifier(name);
  if (error !== null) return error;
  return isSystemTableName(name) ? `${name} is a reserved table name.` : null;
}

/** The name, if a user table may have it. Throws InvalidTableName. */
export function parseTableName(name: string): string {
  const problem = checkTableName(name);
  if (problem !== null) throw badRequest("InvalidTableName", problem);
  return name;
}

/** System and virtual tables. */
export function isSystemTableName(name: string): boolean {
  return name.charCodeAt(0) === 0x5f;
}

/**
 * "a.b" → ["a", "b"]; leading and trailing dots are dropped.
 * Throws BadRequest `InvalidFieldPath`, whose message callers may wrap.
 */
export function parseFieldPath(text: string): string[] {
  const trimmed = text.replace(/^\.+|\.+$/g, "");
  if (trimmed === "") throw badRequest("InvalidFieldPath", `Empty path ${text}`);
  const segments = trimmed.split(".");
  for (const segment of segments) {
    const error = checkIdentifier(segment);
    if (error !== null) throw badRequest("InvalidFieldPath", error);
  }
  return segments;
}

/** The form of messages: `"a.b"`, with the quotes. */
export function formatFieldPath(path: readonly string[]): string {
  return `"${path.join(".")}"`;
}

/** The value at a path; undefined where a field is missing or the path runs through anything but an object. */
export function getField(document: ValueObject, path: readonly string[]): Value | undefined {
  let value: Value | undefined = document;
  for (let i = 0; i < path.length; i++) {
    if (i > 0 && !isValueObject(value)) return undefined;
    value = fieldOf(value as ValueObject, path[i]!);
  }
  return value;
}

/** The whole code point at an index. */
function charAt(text: string, index: number): string {
  return String.fromCodePoint(text.codePointAt(index)!);
}
