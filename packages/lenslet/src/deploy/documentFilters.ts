import { z } from "zod";
import { LensletError } from "../base/errors.ts";
import type { Table } from "../store/catalog.ts";
import type { RangeExpression, SearchFilter, QuerySource } from "../transaction/queryJson.ts";
import { tryDecodeId } from "../values/id.ts";
import { type JsonValue, parseValue } from "../values/json.ts";
import { compareValues } from "../values/order.ts";
import { fieldOf, isValueArray, isValueObject, type Value, type ValueObject } from "../values/value.ts";

/*
 * The filters of the dashboard's data page (reference dashboard.md §3): base64 of a JSON text that a person has put
 * together, so that what is wrong with them is an answer and no failure.
 */

/** The dashboard writes this, and a long tail, where a field is to be without value. */
const unsetPrefix = "__CONVEX_PLACEHOLDER_undefined_";
const clausesMax = 100;

export interface DocumentFilters {
  readonly source: QuerySource;
  readonly matches: (document: ValueObject) => boolean;
}

/** `filter`: the position of the clause; -1 for the index part and for the text as a whole. */
export interface FilterProblem {
  readonly filter: number;
  readonly error: string;
}

const clause = z.object({
  field: z.string().nullish(),
  enabled: z.boolean().nullish(),
  op: z.string(),
  value: z.json().optional(),
});
const indexClause = z.object({
  type: z.enum(["indexEq", "indexRange"]),
  enabled: z.boolean(),
  value: z.json().optional(),
  lowerOp: z.enum(["gt", "gte"]).nullish(),
  lowerValue: z.json().optional(),
  upperOp: z.enum(["lt", "lte"]).nullish(),
  upperValue: z.json().optional(),
});
const searchClause = z.object({ field: z.string(), enabled: z.boolean(), value: z.json().optional() });
const expression = z.object({
  op: z.literal("and").nullish(),
  order: z.enum(["asc", "desc"]).nullish(),
  clauses: z.array(clause).max(clausesMax).default([]),
  index: z
    .union([
      z.object({ name: z.string(), search: z.string(), clauses: z.array(searchClause).max(clausesMax) }),
      z.object({ name: z.string(), clauses: z.array(indexClause).max(clausesMax) }),
    ])
    .nullish(),
});
type IndexPart = NonNullable<z.infer<typeof expression>["index"]>;

/** Thrown within this file only. */
class Problem extends Error {
  readonly filter: number;
  constructor(filter: number, message: string) {
    super(message);
    this.filter = filter;
  }
}

/** `text` null: everything, newest first. `table` null: there is no such table, and nothing to be said about indexes. */
export function parseDocumentFilters(
  text: string | null,
  tableName: string,
  table: Table | null,
): DocumentFilters | FilterProblem {
  try {
    const { clauses, order, index } = text === null ? expression.parse({}) : parseText(text);
    const tests = clauses.flatMap((each, position) => testOf(each, position));
    return {
      source: sourceOf(tableName, table, index ?? null, order ?? "desc"),
      matches: (document) => tests.every((test) => test(document)),
    };
  } catch (error) {
    if (error instanceof Problem) return { filter: error.filter, error: error.message };
    throw error;
  }
}

function parseText(text: string): z.infer<typeof expression> {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(text, "base64").toString("utf8"));
  } catch {
    throw new Problem(-1, "The filters are not base64 of a JSON text.");
  }
  const parsed = expression.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const [part, position] = issue?.path ?? [];
  const isClause = part === "clauses" && typeof position === "number";
  const place = issue?.path.slice(isClause ? 2 : 0).join(".") ?? "";
  throw new Problem(
    isClause ? position : -1,
    `Invalid filter: ${place === "" ? "" : `${place}: `}${issue?.message}`,
  );
}

type Test = (document: ValueObject) => boolean;

const comparisons: Readonly<Record<string, (order: -1 | 0 | 1) => boolean>> = {
  eq: (order) => order === 0,
  neq: (order) => order !== 0,
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
};

/** [] for a clause that is switched off or not complete yet. */
function testOf({ field, enabled, op, value }: z.infer<typeof clause>, position: number): Test[] {
  if (enabled === false || field === undefined || field === null || field === "") return [];
  const comparison = Object.hasOwn(comparisons, op) ? comparisons[op] : undefined;
  if (comparison !== undefined) {
    const operand = parseOperand(value, position);
    return [(document) => comparison(compareValues(valueAt(document, field), operand))];
  }
  if (op === "anyOf" || op === "noneOf") {
    if (value !== undefined && !Array.isArray(value))
      throw new Problem(position, `The value of "${op}" must be an array.`);
    const operands = (value ?? []).map((each) => parseOperand(each as JsonValue, position));
    return [
      (document) => {
        const own = valueAt(document, field);
        return operands.some((operand) => compareValues(own, operand) === 0) === (op === "anyOf");
      },
    ];
  }
  if (op === "type" || op === "notype") {
    const isOfType = typeof value === "string" && Object.hasOwn(types, value) ? types[value] : undefined;
    if (isOfType === undefined) throw new Problem(position, `${JSON.stringify(value)} is not a type.`);
    return [(document) => isOfType(valueAt(document, field)) === (op === "type")];
  }
  throw new Problem(position, `Unknown filter operator "${op}".`);
}

const types: Readonly<Record<string, (value: Value | undefined) => boolean>> = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  number: (value) => typeof value === "number",
  bigint: (value) => typeof value === "bigint",
  null: (value) => value === null,
  id: (value) => typeof value === "string" && tryDecodeId(value) !== null,
  array: (value) => value !== undefined && isValueArray(value),
  object: (value) => value !== undefined && isValueObject(value),
  bytes: (value) => value instanceof ArrayBuffer,
  unset: (value) => value === undefined,
};

/** A field of the document, or one of an object in it: "a.b". */
function valueAt(document: ValueObject, field: string): Value | undefined {
  const own = fieldOf(document, field);
  if (own !== undefined || !field.includes(".")) return own;
  let value: Value | undefined = document;
  for (const name of field.split(".")) {
    if (value === undefined || !isValueObject(value)) return undefined;
    value = fieldOf(value, name);
  }
  return value;
}

export function isUnsetPlaceholder(value: unknown): boolean {
  return typeof value === "string" && value.startsWith(unsetPrefix);
}

function parseOperand(value: JsonValue | undefined, position: number): Value | undefined {
  if (value === undefined || isUnsetPlaceholder(value)) return undefined;
  try {
    return parseValue(value);
  } catch (error) {
    throw new Problem(position, `Invalid value: ${(error as Error).message}`);
  }
}

function sourceOf(
  tableName: string,
  table: Table | null,
  index: IndexPart | null,
  order: "asc" | "desc",
): QuerySource {
  if (index === null) return { type: "FullTableScan", table: tableName, order };
  if (table === null) throw new Problem(-1, `There is no table "${tableName}".`);
  if ("search" in index) {
    const definition = newest(table.searchIndexes, index.name);
    if (definition === undefined) throw noIndex(tableName, index.name);
    const filters = index.clauses
      .filter(({ enabled }) => enabled)
      .map(({ field, value }): SearchFilter => ({ type: "Eq", field, value: parseOperand(value, -1) }));
    const field = definition.searchField.join(".");
    const search: SearchFilter = { type: "Search", field, text: index.search };
    return { type: "Search", table: tableName, index: index.name, filters: [search, ...filters] };
  }
  const definition = newest(table.indexes, index.name);
  if (definition === undefined) throw noIndex(tableName, index.name);
  const fields =
    definition === table.byId ? ["_id"] : definition.fields.map((fieldPath) => fieldPath.join("."));
  return {
    type: "IndexRange",
    table: tableName,
    index: index.name,
    range: rangeOf(index.clauses, fields),
    order,
  };
}

/** The index in use, where one of that name is being built anew. */
function newest<T extends { readonly name: string; readonly state: string }>(
  indexes: readonly T[],
  wanted: string,
): T | undefined {
  const named = indexes.filter(({ name }) => name === wanted);
  return named.find(({ state }) => state === "enabled") ?? named[0];
}

/** Clauses match the fields of the index in order; those in force are the first ones, and a range is the last of them. */
function rangeOf(
  clauses: readonly z.infer<typeof indexClause>[],
  fields: readonly string[],
): RangeExpression[] {
  const range: RangeExpression[] = [];
  let isOpen = true;
  for (const [position, each] of clauses.entries()) {
    if (!each.enabled) {
      isOpen = false;
      continue;
    }
    const field = fields[position];
    if (field === undefined) throw new Problem(-1, "There are more clauses than the index has fields.");
    if (!isOpen)
      throw new Problem(
        -1,
        "The fields of an index can only be filtered in their order, and a range comes last.",
      );
    if (each.type === "indexEq") {
      range.push({ type: "Eq", field, value: parseOperand(each.value, -1) });
      continue;
    }
    isOpen = false;
    const { lowerOp, lowerValue, upperOp, upperValue } = each;
    if (lowerOp !== undefined && lowerOp !== null)
      range.push({ type: lowerOp === "gt" ? "Gt" : "Gte", field, value: parseOperand(lowerValue, -1) });
    if (upperOp !== undefined && upperOp !== null)
      range.push({ type: upperOp === "lt" ? "Lt" : "Lte", field, value: parseOperand(upperValue, -1) });
  }
  return range;
}

function noIndex(table: string, name: string): Problem {
  return new Problem(-1, `Index ${table}.${name} not found.`);
}

/** What the index says of the source (it may be staged, or not be built yet), as the page shows it. */
export function indexProblem(error: unknown): FilterProblem {
  if (error instanceof LensletError && error.category === "BadRequest")
    return { filter: -1, error: error.message };
  throw error;
}
