import { assert } from "../base/assert.ts";
import { type LensletError, badRequest } from "../base/errors.ts";
import type { DatabaseIndex, Table } from "../store/catalog.ts";
import { display } from "../values/display.ts";
import { tryDecodeId } from "../values/id.ts";
import { type IndexKey, encodeKeyPart, prefixEnd } from "../values/key.ts";
import type { Value } from "../values/value.ts";
import { firstIdFrom } from "./idBound.ts";
import type { Comparison, RangeExpression } from "./queryJson.ts";
import { type KeyInterval, isEmptyInterval, pointInterval } from "./readSet.ts";

const emptyInterval: KeyInterval = { lower: "", upper: "" };

interface Bound {
  readonly field: string;
  readonly value: Value | undefined;
  readonly inclusive: boolean;
}

interface Bounds {
  readonly equal: ReadonlyMap<string, Value | undefined>;
  readonly lower: Bound | null;
  readonly upper: Bound | null;
}

/**
 * Checks a range against an index (database.md §3.1) and turns it into an interval of keys; a range that nothing can
 * match gives an empty one. Throws AlreadyDefinedBound, BoundsOnMultipleFields, FieldNotInIndex, InvalidIndexRange.
 */
export function rangeInterval(
  table: Table,
  index: DatabaseIndex,
  range: readonly RangeExpression[],
): KeyInterval {
  if (range.length === 0) return { lower: "", upper: null };
  const label = `${table.name}.${index.name}`;
  const bounds = collectBounds(label, range);
  checkFields(label, index, bounds);
  const interval = toInterval(table, index, bounds);
  return isEmptyInterval(interval) ? emptyInterval : interval;
}

function collectBounds(label: string, range: readonly RangeExpression[]): Bounds {
  const equal = new Map<string, Value | undefined>();
  let lower: Bound | null = null;
  let upper: Bound | null = null;
  for (const { type, field, value } of range) {
    const bound = { field, value, inclusive: type === "Gte" || type === "Lte" };
    switch (type) {
      case "Eq":
        if (equal.has(field)) throw alreadyDefined("equality", field, type, equal.get(field));
        equal.set(field, value);
        break;
      case "Gt":
      case "Gte":
        if (lower !== null) throw alreadyDefined("lower", field, type, value);
        lower = bound;
        break;
      case "Lt":
      case "Lte":
        if (upper !== null) throw alreadyDefined("upper", field, type, value);
        upper = bound;
        break;
    }
  }
  if (lower !== null && upper !== null && lower.field !== upper.field) {
    throw badRequest(
      "BoundsOnMultipleFields",
      `Upper and lower bounds in \`range\` can only be applied to a single index field. This query against index ${label} attempted to set a range bound on both "${lower.field}" and "${upper.field}". Consider using \`filter\` instead. See https://docs.convex.dev/using/indexes for more info.`,
    );
  }
  const field = (lower ?? upper)?.field;
  if (field !== undefined && equal.has(field))
    throw alreadyDefined("inequality", field, "Eq", equal.get(field));
  return { equal, lower, upper };
}

const comparators: Readonly<Record<Comparison, string>> = {
  Eq: "==",
  Gt: ">",
  Gte: ">=",
  Lt: "<",
  Lte: "<=",
};

function alreadyDefined(
  bound: string,
  field: string,
  type: Comparison,
  value: Value | undefined,
): LensletError {
  return badRequest(
    "AlreadyDefinedBound",
    `Already defined ${bound} bound in index range. Can't add "${field}" ${comparators[type]} ${display(value)}.`,
  );
}

/** Every field belongs to the index, and together they are a prefix of its fields. */
function checkFields(label: string, index: DatabaseIndex, { equal, lower, upper }: Bounds): void {
  const names = index.fields.map((path) => path.join("."));
  const withId = [...names, "_id"];
  const inequality = (lower ?? upper)?.field;
  const queried = inequality === undefined ? [...equal.keys()] : [...equal.keys(), inequality];
  for (const field of queried) {
    if (withId.includes(field)) continue;
    throw badRequest(
      "FieldNotInIndex",
      `The index range included a comparison with "${field}", but ${label} with fields ${quoted(names)} doesn't index this field. For more information see https://docs.convex.dev/using/indexes.`,
    );
  }
  const inOrder = withId.filter((field) => equal.has(field));
  if (inequality !== undefined) inOrder.push(inequality);
  const wrong = inOrder.find((field, position) => field !== withId[position]);
  if (wrong === undefined) return;
  throw badRequest(
    "InvalidIndexRange",
    [
      `Tried to query index ${label} but the query didn't use the index fields in order.`,
      `Index fields: ${quoted(names)}`,
      `Query fields: ${quoted(inOrder)}`,
      `First incorrect field: "${wrong}"`,
      "For more information see https://docs.convex.dev/using/indexes.",
    ].join("\n"),
  );
}

function quoted(names: readonly string[]): string {
  return `[${names.map((name) => `"${name}"`).join(", ")}]`;
}

function toInterval(table: Table, index: DatabaseIndex, { equal, lower, upper }: Bounds): KeyInterval {
  const fieldCount = index.fields.length;
  let prefix: IndexKey = "";
  for (const path of index.fields.slice(0, Math.min(equal.size, fieldCount))) {
    prefix += encodeKeyPart(equal.get(path.join(".")));
  }
  if (equal.size > fieldCount) return idPoint(table, prefix, equal.get("_id"));
  const end = prefixUpper(prefix, equal.size === fieldCount);
  if (equal.size === fieldCount) return idInterval(table, prefix, end, lower, upper);
  const complete = equal.size + 1 === fieldCount;
  return {
    lower: lower === null ? prefix : lowerKey(prefix, lower, complete),
    upper: upper === null ? end : upperKey(prefix, upper, complete),
  };
}

function lowerKey(prefix: IndexKey, { value, inclusive }: Bound, complete: boolean): IndexKey {
  const key = prefix + encodeKeyPart(value);
  return inclusive ? key : partsEnd(key, complete);
}

function upperKey(prefix: IndexKey, { value, inclusive }: Bound, complete: boolean): IndexKey {
  const key = prefix + encodeKeyPart(value);
  return inclusive ? partsEnd(key, complete) : key;
}

/** The id that follows a complete prefix may begin with any byte, so nothing shorter than this is after them all. */
const afterEveryId = "\xff".repeat(17);

/** The end of all keys that begin with these parts; `complete`: they are all the parts, the id comes next. */
function partsEnd(parts: IndexKey, complete: boolean): IndexKey {
  if (complete) return parts + afterEveryId;
  const end = prefixEnd(parts);
  assert(end !== null, "keys with at least one part have an end");
  return end;
}

function prefixUpper(prefix: IndexKey, complete: boolean): IndexKey | null {
  return prefix === "" ? null : partsEnd(prefix, complete);
}

function idPoint(table: Table, prefix: IndexKey, value: Value | undefined): KeyInterval {
  const decoded = typeof value === "string" ? tryDecodeId(value) : null;
  if (decoded === null || decoded.tableNumber !== table.number) return emptyInterval;
  return pointInterval(prefix + decoded.id);
}

function idInterval(
  table: Table,
  prefix: IndexKey,
  end: IndexKey | null,
  lower: Bound | null,
  upper: Bound | null,
): KeyInterval {
  let from: IndexKey = prefix;
  let to = end;
  if (lower !== null) {
    const first = firstIdFrom(table.number, lower.value, !lower.inclusive);
    if (first === null) return emptyInterval;
    from = prefix + first;
  }
  if (upper !== null) {
    const first = firstIdFrom(table.number, upper.value, upper.inclusive);
    if (first !== null) to = prefix + first;
  }
  return { lower: from, upper: to };
}
