import { type JsonValue, parseValueOrUndefined } from "../values/json.ts";
import { parseFieldPath } from "../values/names.ts";
import type { Value } from "../values/value.ts";
import { type Expression, parseExpression } from "./filter.ts";
import type { ScanOrder } from "./overlay.ts";
import { type JsonObject, isJsonObject } from "./syscallArguments.ts";

/** limits.md #46. */
const operatorsMax = 256;

export type Comparison = "Eq" | "Gt" | "Gte" | "Lt" | "Lte";

export interface RangeExpression {
  readonly type: Comparison;
  /** Dotted path. */
  readonly field: string;
  readonly value: Value | undefined;
}

export type QuerySource =
  | { readonly type: "FullTableScan"; readonly table: string; readonly order: ScanOrder }
  | {
      readonly type: "IndexRange";
      readonly table: string;
      readonly index: string;
      readonly range: readonly RangeExpression[];
      readonly order: ScanOrder;
    }
  | {
      readonly type: "Search";
      readonly table: string;
      readonly index: string;
      readonly filters: readonly SearchFilter[];
    };

/** `field` is a dotted path. */
export type SearchFilter =
  | { readonly type: "Search"; readonly field: string; readonly text: string }
  | { readonly type: "Eq"; readonly field: string; readonly value: Value | undefined };

export type QueryOperator = { readonly filter: Expression } | { readonly limit: number };

export interface ParsedQuery {
  readonly source: QuerySource;
  readonly operators: readonly QueryOperator[];
}

/** Parses the query JSON of database.md §3. Throws an Error whose message is the cause to be wrapped. */
export function parseQuery(json: JsonValue): ParsedQuery {
  if (!isJsonObject(json)) throw new Error("a query must be an object");
  const operators = json["operators"];
  if (!Array.isArray(operators)) throw new Error("missing field `operators`");
  if (operators.length > operatorsMax) throw new Error(`Query has too many operators: ${operators.length}`);
  return { source: parseSource(json["source"]), operators: operators.map(parseOperator) };
}

function parseSource(json: JsonValue | undefined): QuerySource {
  if (!isJsonObject(json)) throw new Error("missing field `source`");
  switch (json["type"]) {
    case "FullTableScan":
      return {
        type: "FullTableScan",
        table: stringField(json, "tableName"),
        order: parseOrder(json["order"]),
      };
    case "IndexRange": {
      const { table, index } = parseIndexName(stringField(json, "indexName"));
      const range = json["range"];
      if (!Array.isArray(range)) throw new Error("missing field `range`");
      return {
        type: "IndexRange",
        table,
        index,
        range: range.map(parseRangeExpression),
        order: parseOrder(json["order"]),
      };
    }
    case "Search":
      return parseSearchSource(json);
    default:
      throw new Error(`unknown query source ${JSON.stringify(json["type"] ?? null)}`);
  }
}

function parseSearchSource(json: JsonObject): QuerySource {
  const { table, index } = parseIndexName(stringField(json, "indexName"));
  const filters = json["filters"];
  if (!Array.isArray(filters)) throw new Error("missing field `filters`");
  return { type: "Search", table, index, filters: filters.map(parseSearchFilter) };
}

function parseSearchFilter(json: JsonValue): SearchFilter {
  if (!isJsonObject(json)) throw new Error("a search filter must be an object");
  const field = parseFieldPath(stringField(json, "fieldPath")).join(".");
  const { type, value } = json;
  switch (type) {
    case "Search":
      return { type, field, text: stringField(json, "value") };
    case "Eq":
      if (value === undefined) throw new Error("missing field `value`");
      return { type, field, value: parseValueOrUndefined(value, { commitTs: true }) };
    default:
      throw new Error(`unknown search filter ${JSON.stringify(type ?? null)}`);
  }
}

/** "table.index". Throws an Error whose message is the cause to be wrapped. */
export function parseIndexName(text: string): { table: string; index: string } {
  const [table, index, ...rest] = text.split(".");
  if (table === undefined || index === undefined)
    throw new Error(`Insufficient components in index name ${text}`);
  if (rest.length > 0) throw new Error(`Too many components in index name ${text}`);
  return { table, index };
}

function parseOrder(json: JsonValue | undefined): ScanOrder {
  if (json === null || json === undefined || json === "asc") return "asc";
  if (json === "desc") return "desc";
  throw new Error('expected "asc" or "desc"');
}

const comparisonTypes: ReadonlySet<unknown> = new Set<Comparison>(["Eq", "Gt", "Gte", "Lt", "Lte"]);

function parseRangeExpression(json: JsonValue): RangeExpression {
  if (!isJsonObject(json)) throw new Error("a range expression must be an object");
  const { type, value } = json;
  if (!comparisonTypes.has(type)) throw new Error(`unknown range expression ${JSON.stringify(type ?? null)}`);
  if (value === undefined) throw new Error("missing field `value`");
  const field = parseFieldPath(stringField(json, "fieldPath")).join(".");
  return { type: type as Comparison, field, value: parseValueOrUndefined(value, { commitTs: true }) };
}

function parseOperator(json: JsonValue): QueryOperator {
  if (!isJsonObject(json)) throw new Error("a query operator must be an object");
  const { filter, limit } = json;
  if (filter !== undefined) return { filter: parseExpression(filter) };
  if (typeof limit !== "number" || !Number.isSafeInteger(limit) || limit < 0) {
    throw new Error("a query operator must be a filter or a limit with a non-negative integer");
  }
  return { limit };
}

function stringField(json: JsonObject, name: string): string {
  const value = json[name];
  if (value === undefined) throw new Error(`missing field \`${name}\``);
  if (typeof value !== "string") throw new Error(`field \`${name}\` must be a string`);
  return value;
}
