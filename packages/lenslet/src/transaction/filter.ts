import { type LensletError, badRequest } from "../base/errors.ts";
import { display } from "../values/display.ts";
import { type JsonValue, parseValueOrUndefined } from "../values/json.ts";
import { getField, parseFieldPath } from "../values/names.ts";
import { compareValues } from "../values/order.ts";
import {
  CommitTsPlaceholder,
  type Value,
  type ValueObject,
  int64Max,
  int64Min,
  typeNameOf,
} from "../values/value.ts";
import { isJsonObject } from "./syscallArguments.ts";

/** A filter expression compiled to a closure. May throw EvalError. */
export type Expression = (document: ValueObject) => Value | undefined;

/** Deeper expressions could exhaust the stack. */
const nestingMax = 2_000;

/** Parses an expression of database.md §3. Throws a plain Error whose message names the fault. */
export function parseExpression(json: JsonValue, depth = 0): Expression {
  if (depth > nestingMax) throw new Error(`filter expression is nested more than ${nestingMax} levels deep`);
  if (!isJsonObject(json)) throw new Error("a filter expression must be an object");
  const keys = Object.keys(json);
  const operator = keys[0];
  if (operator === undefined || keys.length > 1)
    throw new Error("a filter expression must have exactly one operator");
  const operand = json[operator] as JsonValue;
  const comparison = comparisons.get(operator);
  if (comparison !== undefined) {
    const [left, right] = parsePair(operator, operand, depth);
    return (document) => comparison(compareValues(left(document), right(document)));
  }
  const arithmetic = arithmetics.get(operator);
  if (arithmetic !== undefined) {
    const [left, right] = parsePair(operator, operand, depth);
    return (document) => calculate(arithmetic, left(document), right(document));
  }
  switch (operator) {
    case "$and":
      return parseJunction(operator, operand, depth, false);
    case "$or":
      return parseJunction(operator, operand, depth, true);
    case "$not": {
      const inner = parseExpression(operand, depth + 1);
      return (document) => !toBoolean(inner(document));
    }
    case "$neg": {
      const inner = parseExpression(operand, depth + 1);
      return (document) => negate(inner(document));
    }
    case "$field": {
      if (typeof operand !== "string") throw new Error("`$field` must be a string");
      const path = parseFieldPath(operand);
      return (document) => getField(document, path);
    }
    case "$literal": {
      const literal = parseValueOrUndefined(operand, { commitTs: true });
      return () => literal;
    }
    default:
      throw new Error(`unknown filter operator \`${operator}\``);
  }
}

/** The result of a filter: only booleans will do. */
export function toBoolean(value: Value | undefined): boolean {
  if (typeof value === "boolean") return value;
  throw evalError(`Cannot use value ${display(value)} (type ${typeNameOf(value)}) as a Boolean`);
}

function parsePair(operator: string, json: JsonValue, depth: number): [Expression, Expression] {
  if (!Array.isArray(json) || json.length !== 2) throw new Error(`\`${operator}\` must have two operands`);
  return [parseExpression(json[0] as JsonValue, depth + 1), parseExpression(json[1] as JsonValue, depth + 1)];
}

/** `$and` and `$or`: evaluation stops at the first operand that equals `decisive`. */
function parseJunction(operator: string, json: JsonValue, depth: number, decisive: boolean): Expression {
  if (!Array.isArray(json)) throw new Error(`\`${operator}\` must be an array`);
  const operands = json.map((operand) => parseExpression(operand, depth + 1));
  return (document) => {
    for (const operand of operands) if (toBoolean(operand(document)) === decisive) return decisive;
    return !decisive;
  };
}

const comparisons: ReadonlyMap<string, (order: -1 | 0 | 1) => boolean> = new Map([
  ["$eq", (order) => order === 0],
  ["$neq", (order) => order !== 0],
  ["$lt", (order) => order < 0],
  ["$lte", (order) => order <= 0],
  ["$gt", (order) => order > 0],
  ["$gte", (order) => order >= 0],
]);

interface Arithmetic {
  readonly verb: string;
  readonly floats: (left: number, right: number) => number;
  readonly ints: (left: bigint, right: bigint) => bigint;
  /** A zero on the right is an error for integers. */
  readonly divides: boolean;
}

const arithmetics: ReadonlyMap<string, Arithmetic> = new Map([
  ["$add", { verb: "add", floats: (l, r) => l + r, ints: (l, r) => l + r, divides: false }],
  ["$sub", { verb: "subtract", floats: (l, r) => l - r, ints: (l, r) => l - r, divides: false }],
  ["$mul", { verb: "multiply", floats: (l, r) => l * r, ints: (l, r) => l * r, divides: false }],
  ["$div", { verb: "divide", floats: (l, r) => l / r, ints: (l, r) => l / r, divides: true }],
  ["$mod", { verb: "mod", floats: (l, r) => l % r, ints: (l, r) => l % r, divides: true }],
]);

function calculate(op: Arithmetic, leftValue: Value | undefined, rightValue: Value | undefined): Value {
  const left = numeric(leftValue);
  const right = numeric(rightValue);
  if (typeof left === "number" && typeof right === "number") return op.floats(left, right);
  if (typeof left === "bigint" && typeof right === "bigint") {
    if (op.divides && right === 0n) throw evalError(`Cannot ${op.verb} ${left} by zero`);
    const result = op.ints(left, right);
    // The quotient of the least integer and -1 does not fit; its remainder is refused with it, as checked arithmetic does.
    const overflows = op.divides && left === int64Min && right === -1n;
    if (overflows || result < int64Min || result > int64Max) {
      throw evalError(`Cannot ${op.verb} ${left} and ${right}: the result is out of range for Int64`);
    }
    return result;
  }
  throw evalError(
    `Cannot ${op.verb} ${display(leftValue)} (type ${typeNameOf(leftValue)}) and ${display(rightValue)} (type ${typeNameOf(rightValue)})`,
  );
}

function negate(value: Value | undefined): Value {
  const operand = numeric(value);
  if (typeof operand === "number") return -operand;
  if (typeof operand !== "bigint")
    throw evalError(`Cannot negate ${display(value)} (type ${typeNameOf(value)})`);
  if (operand === int64Min) throw evalError(`Cannot negate ${operand}: the result is out of range for Int64`);
  return -operand;
}

/** An unresolved commit timestamp counts as the greatest Int64 everywhere. */
function numeric(value: Value | undefined): Value | undefined {
  return value instanceof CommitTsPlaceholder ? int64Max : value;
}

function evalError(message: string): LensletError {
  return badRequest("EvalError", message);
}
