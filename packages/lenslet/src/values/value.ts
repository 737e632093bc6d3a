import { types } from "node:util";

/**
 * A value of the platform (reference values.md §1). Ids are strings. Values may come from another V8 realm, so nothing
 * here asks `instanceof`; they are never mutated.
 */
export type Value =
  | null
  | bigint
  | number
  | boolean
  | string
  | ArrayBuffer
  | readonly Value[]
  | ValueObject
  | CommitTsPlaceholder;

/**
 * Only own enumerable fields count; the prototype is plain or null. Read fields through `fieldOf`: names such as
 * "constructor" and "__proto__" are legal field names.
 */
export interface ValueObject {
  readonly [field: string]: Value;
}

const unresolvedMessage =
  "This commit timestamp is unresolved: its value is assigned when the mutation commits. " +
  "Read the document after the mutation completes to get its value.";

/** The commit timestamp of the running mutation, before it is known. It orders and validates as the greatest Int64. */
export class CommitTsPlaceholder {
  declare private readonly __isCommitTsPlaceholder: true;
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new Error(unresolvedMessage);
  }
  valueOf(): never {
    throw new Error(unresolvedMessage);
  }
  toJSON(): never {
    throw new Error(unresolvedMessage);
  }
  toString(): string {
    return "[unresolved commit timestamp]";
  }
}

/** The only instance; compare with `===`. */
export const commitTsPlaceholder: CommitTsPlaceholder = new CommitTsPlaceholder();

export const int64Min = -(2n ** 63n);
export const int64Max = 2n ** 63n - 1n;

export type ValueTypeName =
  "undefined" | "Null" | "Int64" | "Float64" | "Boolean" | "String" | "Bytes" | "Array" | "Object";

/** The type's name as error texts show it. */
export function typeNameOf(value: Value | undefined): ValueTypeName {
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "bigint":
      return "Int64";
    case "number":
      return "Float64";
    case "boolean":
      return "Boolean";
    case "string":
      return "String";
    default:
      if (value === null) return "Null";
      if (Array.isArray(value)) return "Array";
      if (value === commitTsPlaceholder) return "Int64";
      return isBytes(value) ? "Bytes" : "Object";
  }
}

const plainPrototype = Object.prototype;

/** True for an ArrayBuffer of any realm. A plain object of this realm, the usual case, costs no native call. */
export function isBytes(value: object): value is ArrayBuffer {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== plainPrototype && prototype !== null && types.isAnyArrayBuffer(value);
}

/** `Array.isArray` that narrows read-only arrays too. */
export function isValueArray(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

export function isValueObject(value: Value | undefined): value is ValueObject {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    value !== commitTsPlaceholder &&
    !isBytes(value)
  );
}

/** An own field, or undefined; inherited members such as `constructor` are not fields. */
export function fieldOf(object: ValueObject, name: string): Value | undefined {
  const value: unknown = object[name];
  // The only inherited non-function member of a plain prototype is `__proto__`.
  if (typeof value === "function" || name === "__proto__") {
    return Object.hasOwn(object, name) ? object[name] : undefined;
  }
  return value as Value | undefined;
}

/** Sets an own field of an object under construction, safe for the name `__proto__`. */
export function setField<T>(object: { [field: string]: T }, name: string, value: T): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[name] = value;
  }
}

/** Field names in byte order (they are ASCII, so code-unit order is byte order). */
export function sortedFieldNames(object: object): string[] {
  const names = Object.keys(object);
  for (let i = 1; i < names.length; i++) {
    if (names[i - 1]! > names[i]!) return names.sort();
  }
  return names;
}
