import { commitTsPlaceholder, isBytes, type Value } from "./value.ts";
import { utf8Length } from "./utf8.ts";

/** Limits of reference values.md §3. All are compared with `>`. */
export const valueBytesMax = 2 ** 25;
export const valueNestingMax = 64;
export const arrayElementsMax = 8192;
export const objectFieldsMax = 1024;
export const documentBytesMax = 2 ** 20;
export const documentNestingMax = 16;

/** Size in bytes as every limit counts it (reference values.md §2); 0 for undefined. */
export function sizeOf(value: Value | undefined): number {
  switch (typeof value) {
    case "string":
      return 2 + utf8Length(value);
    case "number":
    case "bigint":
      return 9;
    case "boolean":
      return 1;
    case "undefined":
      return 0;
    default:
      break;
  }
  if (value === null) return 1;
  if (Array.isArray(value)) {
    let size = 2;
    for (let i = 0; i < value.length; i++) size += sizeOf(value[i] as Value);
    return size;
  }
  if (value === commitTsPlaceholder) return 9;
  if (isBytes(value)) return 2 + value.byteLength;
  let size = 2;
  const names = Object.keys(value);
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    // Field names are ASCII, so their length is their size in bytes.
    size += name.length + 1 + sizeOf((value as Record<string, Value>)[name]);
  }
  return size;
}

/** 0 for scalars and undefined; a container is one more than its deepest child. */
export function nestingOf(value: Value | undefined): number {
  if (typeof value !== "object" || value === null || value === commitTsPlaceholder) return 0;
  let deepest = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) deepest = Math.max(deepest, nestingOf(value[i] as Value));
    return 1 + deepest;
  }
  if (isBytes(value)) return 0;
  for (const name of Object.keys(value)) {
    deepest = Math.max(deepest, nestingOf((value as Record<string, Value>)[name]));
  }
  return 1 + deepest;
}

const binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Formatter B: "1 MiB", "1.05 MiB", "512 B". */
export function formatBinarySize(bytes: number): string {
  let quotient = bytes;
  let unit = 0;
  while (quotient >= 1024 && unit < binaryUnits.length - 1) {
    quotient /= 1024;
    unit++;
  }
  return `${Number.isInteger(quotient) ? quotient : quotient.toFixed(2)} ${binaryUnits[unit]}`;
}

const exactUnits: readonly (readonly [string, number])[] = [
  ["GiB", 2 ** 30],
  ["GB", 1e9],
  ["MiB", 2 ** 20],
  ["MB", 1e6],
  ["KiB", 2 ** 10],
  ["KB", 1e3],
];

/** Formatter E: the first unit that gives a number with at most one decimal, else "{n} bytes". */
export function formatExactSize(bytes: number): string {
  for (const [unit, unitBytes] of exactUnits) {
    if (bytes >= unitBytes && (bytes * 10) % unitBytes === 0) return `${bytes / unitBytes} ${unit}`;
  }
  return `${bytes} bytes`;
}
