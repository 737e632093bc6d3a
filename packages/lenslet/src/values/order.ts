import {
  commitTsPlaceholder,
  int64Max,
  isBytes,
  isValueArray,
  sortedFieldNames,
  type Value,
  type ValueObject,
} from "./value.ts";
import { compareUtf8 } from "./utf8.ts";

type Ordering = -1 | 0 | 1;

/** The total order over undefined and all values (reference values.md §5). Nothing is coerced: 1n and 1 differ. */
export function compareValues(a: Value | undefined, b: Value | undefined): Ordering {
  if (typeof a === "string" && typeof b === "string") return compareUtf8(a, b);
  if (typeof a === "number" && typeof b === "number") return compareFloats(a, b);
  const rank = rankOf(a);
  const otherRank = rankOf(b);
  if (rank !== otherRank) return rank < otherRank ? -1 : 1;
  switch (rank) {
    case 2:
      return compareInts(a as Value, b as Value);
    case 4:
      return a === b ? 0 : a === false ? -1 : 1;
    case 6:
      return sign(Buffer.compare(new Uint8Array(a as ArrayBuffer), new Uint8Array(b as ArrayBuffer)));
    case 7:
      return compareArrays(a as readonly Value[], b as readonly Value[]);
    case 8:
      return compareObjects(a as ValueObject, b as ValueObject);
    default:
      return 0;
  }
}

/** Equality in the total order: -0 and 0 differ, NaN equals a NaN of the same bits. */
export function valuesEqual(a: Value | undefined, b: Value | undefined): boolean {
  if (typeof a === "string" || typeof a === "boolean" || a === null || a === undefined) return a === b;
  return compareValues(a, b) === 0;
}

function rankOf(value: Value | undefined): number {
  switch (typeof value) {
    case "undefined":
      return 0;
    case "bigint":
      return 2;
    case "number":
      return 3;
    case "boolean":
      return 4;
    case "string":
      return 5;
    default:
      if (value === null) return 1;
      if (isValueArray(value)) return 7;
      if (value === commitTsPlaceholder) return 2;
      return isBytes(value) ? 6 : 8;
  }
}

function compareInts(a: Value, b: Value): Ordering {
  const x = a === commitTsPlaceholder ? int64Max : (a as bigint);
  const y = b === commitTsPlaceholder ? int64Max : (b as bigint);
  return x < y ? -1 : x > y ? 1 : 0;
}

const bits = new DataView(new ArrayBuffer(8));

/** The bits of a float as an integer that orders like IEEE-754 totalOrder. */
function floatRank(value: number): bigint {
  bits.setFloat64(0, value);
  const rank = bits.getBigInt64(0);
  return rank < 0n ? -(rank & int64Max) - 1n : rank;
}

function compareFloats(a: number, b: number): Ordering {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b && a !== 0) return 0;
  const x = floatRank(a);
  const y = floatRank(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

function compareArrays(a: readonly Value[], b: readonly Value[]): Ordering {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareValues(a[i], b[i]);
    if (order !== 0) return order;
  }
  return sign(a.length - b.length);
}

function compareObjects(a: ValueObject, b: ValueObject): Ordering {
  const names = sortedFieldNames(a);
  const otherNames = sortedFieldNames(b);
  const length = Math.min(names.length, otherNames.length);
  for (let i = 0; i < length; i++) {
    const name = names[i]!;
    const otherName = otherNames[i]!;
    if (name !== otherName) return name < otherName ? -1 : 1;
    const order = compareValues(a[name], b[name]);
    if (order !== 0) return order;
  }
  return sign(names.length - otherNames.length);
}

function sign(difference: number): Ordering {
  return difference < 0 ? -1 : difference > 0 ? 1 : 0;
}
