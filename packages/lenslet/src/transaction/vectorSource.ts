import { badRequest, type LensletError } from "../base/errors.ts";
import { filterKeyOf } from "../search/entry.ts";
import { type VectorQuery, vectorResultsMax } from "../search/vectorSearch.ts";
import type { Table, VectorIndex } from "../store/catalog.ts";
import type { Namespace } from "../store/store.ts";
import type { VectorCondition } from "../store/vectorReader.ts";
import { type JsonValue, parseValueOrUndefined } from "../values/json.ts";
import { parseIndexName } from "./queryJson.ts";
import { resolveVectorIndex } from "./querySource.ts";
import {
  invalidArguments,
  isJsonObject,
  type JsonObject,
  jsonArgument,
  optionalInteger,
  parsingArgument,
  stringArgument,
} from "./syscallArguments.ts";
import type { Transaction } from "./transaction.ts";

const op = "1.0/actions/vectorSearch";
const limitDefault = 10;
/** limits.md #66. */
const conditionsMax = 64;

export interface ResolvedVectorSearch {
  readonly table: Table;
  /** "table.index". */
  readonly label: string;
  readonly query: VectorQuery;
}

/** What the arguments of `1.0/actions/vectorSearch` ask for. Throws the errors of functions.md §17. */
export function resolveVectorSearch(
  tx: Transaction,
  namespace: Namespace,
  args: JsonObject,
): ResolvedVectorSearch {
  const queryJson = jsonArgument(args, "query", op);
  if (!isJsonObject(queryJson)) throw invalidArguments(op, "field `query` must be an object");
  const label = stringArgument(queryJson, "indexName", op);
  const name = parsingArgument(op, "indexName", () => parseIndexName(label));
  const limit = optionalInteger(queryJson, "limit", op) ?? limitDefault;
  const vector = parseVector(jsonArgument(queryJson, "vector", op));
  const { table, index } = resolveVectorIndex(tx, namespace, name);
  if (limit > vectorResultsMax) {
    throw badRequest(
      "VectorLimitTooLargeError",
      `Vector queries can fetch at most ${vectorResultsMax} results, requested ${limit}.`,
    );
  }
  if (vector.length !== index.dimensions) {
    throw badRequest(
      "VectorDimensionsMismatch",
      `Expected a vector with dimensions ${index.dimensions}, received ${vector.length}.`,
    );
  }
  const conditions = resolveConditions(queryJson["expressions"] ?? null, index, label);
  return { table, label, query: { index: index.id, vector, conditions, limit } };
}

function parseVector(json: JsonValue): Float32Array {
  if (!Array.isArray(json)) throw invalidArguments(op, "field `vector` must be an array of numbers");
  const vector = new Float32Array(json.length);
  for (const [i, component] of json.entries()) {
    // JSON has no way to write Infinity; it arrives as null.
    if (typeof component !== "number" || !Number.isFinite(Math.fround(component)))
      throw invalidArguments(op, "field `vector` must be an array of finite numbers");
    vector[i] = component;
  }
  return vector;
}

function resolveConditions(
  expressions: JsonValue,
  index: VectorIndex,
  label: string,
): readonly VectorCondition[] | null {
  if (expressions === null) return null;
  const filterFields = index.filterFields.map((path) => path.join("."));
  const conditions = new Map<string, VectorCondition>();
  for (const { field, value } of parseFilter(expressions)) {
    const position = filterFields.indexOf(field);
    if (position === -1) {
      throw badRequest(
        "InvalidVectorSearchFilter",
        `Vector query against ${label} contains a filter on "${field}" but that field isn't indexed for filtering in \`filterFields\`.`,
      );
    }
    const key = filterKeyOf(parsingArgument(op, "filter", () => parseValueOrUndefined(value)));
    conditions.set(JSON.stringify([position, key]), { position, key });
  }
  if (conditions.size > conditionsMax) {
    throw badRequest(
      "TooManyElementsInVectorQueryError",
      `Vector query against ${label} has too many conditions. Max: ${conditionsMax} Actual: ${conditions.size}`,
    );
  }
  return [...conditions.values()];
}

interface FieldCondition {
  readonly field: string;
  readonly value: JsonValue;
}

/** The conditions of `$eq` and `$or`, which may be nested; in no particular order. */
function parseFilter(filter: JsonValue): FieldCondition[] {
  const conditions: FieldCondition[] = [];
  const open = [filter];
  for (let expression = open.pop(); expression !== undefined; expression = open.pop()) {
    const alternatives = isJsonObject(expression) ? expression["$or"] : undefined;
    if (Array.isArray(alternatives)) for (const alternative of alternatives) open.push(alternative);
    else conditions.push(parseEquality(expression));
  }
  return conditions;
}

function parseEquality(expression: JsonValue): FieldCondition {
  const operands = isJsonObject(expression) ? expression["$eq"] : undefined;
  if (!Array.isArray(operands)) throw invalidFilter("Filters should be a combination of `q.eq` and `q.or`.");
  const [left, right] = operands;
  const field = isJsonObject(left) ? left["$field"] : undefined;
  const value = isJsonObject(right) ? right["$literal"] : undefined;
  if (typeof field !== "string" || value === undefined || operands.length !== 2) {
    throw invalidFilter("`q.eq` must take a field path as its first argument and a value as its second");
  }
  return { field, value };
}

function invalidFilter(message: string): LensletError {
  return badRequest("InvalidVectorSearchFilter", message);
}
