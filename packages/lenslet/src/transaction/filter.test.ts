import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type JsonValue, encodeValue } from "../values/json.ts";
import { compareValues } from "../values/order.ts";
import { valueArbitrary } from "../values/valueArbitrary.ts";
import type { Value, ValueObject } from "../values/value.ts";
import { parseExpression, toBoolean } from "./filter.ts";

const int = (n: bigint): JsonValue => ({ $literal: encodeValue(n) });
const float = (n: number): JsonValue => ({ $literal: n });

function evaluate(expression: JsonValue, document: ValueObject = {}): Value | undefined {
  return parseExpression(expression)(document);
}

describe("filter expressions", () => {
  it("compare in the total order, undefined included", () => {
    const operandArbitrary = fc.option(valueArbitrary, { nil: undefined });
    fc.assert(
      fc.property(operandArbitrary, operandArbitrary, (left, right) => {
        const order = compareValues(left, right);
        const literal = (value: Value | undefined): JsonValue => ({
          $literal: value === undefined ? { $undefined: null } : encodeValue(value),
        });
        const operands = [literal(left), literal(right)];
        expect(evaluate({ $eq: operands })).toBe(order === 0);
        expect(evaluate({ $neq: operands })).toBe(order !== 0);
        expect(evaluate({ $lt: operands })).toBe(order < 0);
        expect(evaluate({ $lte: operands })).toBe(order <= 0);
        expect(evaluate({ $gt: operands })).toBe(order > 0);
        expect(evaluate({ $gte: operands })).toBe(order >= 0);
      }),
    );
  });

  it("read nested fields; a missing path is undefined", () => {
    const document = { a: { b: 1 }, s: "x" };
    expect(evaluate({ $field: "a.b" }, document)).toBe(1);
    expect(evaluate({ $field: "a.c" }, document)).toBeUndefined();
    expect(evaluate({ $field: "s.length" }, document)).toBeUndefined();
    expect(evaluate({ $neq: [{ $field: "missing" }, float(1)] }, document)).toBe(true);
  });

  it("calculate with two floats or two integers", () => {
    expect(evaluate({ $add: [float(1), float(2)] })).toBe(3);
    expect(evaluate({ $div: [float(1), float(0)] })).toBe(Infinity);
    expect(evaluate({ $mod: [float(-5), float(3)] })).toBe(-2);
    expect(evaluate({ $sub: [int(1n), int(3n)] })).toBe(-2n);
    expect(evaluate({ $mul: [int(4n), int(3n)] })).toBe(12n);
    expect(evaluate({ $div: [int(-7n), int(2n)] })).toBe(-3n);
    expect(evaluate({ $mod: [int(-7n), int(2n)] })).toBe(-1n);
    expect(evaluate({ $neg: int(5n) })).toBe(-5n);
    expect(Object.is(evaluate({ $neg: float(0) }), -0)).toBe(true);
  });

  it("stop at the deciding operand of $and and $or", () => {
    const bad: JsonValue = { $literal: "no boolean" };
    const [yes, no]: JsonValue[] = [{ $literal: true }, { $literal: false }];
    expect(evaluate({ $and: [yes!, no!, bad] })).toBe(false);
    expect(evaluate({ $or: [no!, yes!, bad] })).toBe(true);
    expect(evaluate({ $and: [] })).toBe(true);
    expect(evaluate({ $or: [] })).toBe(false);
    expect(evaluate({ $not: no! })).toBe(true);
  });

  const int64Max = 2n ** 63n - 1n;
  const int64Min = -(2n ** 63n);
  it.each<[JsonValue, string]>([
    [
      { $add: [int(int64Max), int(1n)] },
      `Cannot add ${int64Max} and 1: the result is out of range for Int64`,
    ],
    [
      { $sub: [int(int64Min), int(1n)] },
      `Cannot subtract ${int64Min} and 1: the result is out of range for Int64`,
    ],
    [
      { $mul: [int(int64Max), int(2n)] },
      `Cannot multiply ${int64Max} and 2: the result is out of range for Int64`,
    ],
    [
      { $div: [int(int64Min), int(-1n)] },
      `Cannot divide ${int64Min} and -1: the result is out of range for Int64`,
    ],
    [
      { $mod: [int(int64Min), int(-1n)] },
      `Cannot mod ${int64Min} and -1: the result is out of range for Int64`,
    ],
    [{ $div: [int(3n), int(0n)] }, "Cannot divide 3 by zero"],
    [{ $mod: [int(3n), int(0n)] }, "Cannot mod 3 by zero"],
    [{ $add: [int(3n), float(1)] }, "Cannot add 3 (type Int64) and 1.0 (type Float64)"],
    [
      { $mul: [{ $literal: "a" }, { $field: "x" }] },
      'Cannot multiply "a" (type String) and undefined (type undefined)',
    ],
    [{ $neg: { $literal: "a" } }, 'Cannot negate "a" (type String)'],
    [{ $neg: int(int64Min) }, `Cannot negate ${int64Min}: the result is out of range for Int64`],
    [{ $and: [{ $literal: null }] }, "Cannot use value null (type Null) as a Boolean"],
    [{ $not: float(1) }, "Cannot use value 1.0 (type Float64) as a Boolean"],
  ])("fail: %j", (expression, message) => {
    expect(() => evaluate(expression)).toThrowError(expect.objectContaining({ message, code: "EvalError" }));
  });

  it("must end in a boolean", () => {
    expect(toBoolean(true)).toBe(true);
    expect(() => toBoolean(undefined)).toThrow("Cannot use value undefined (type undefined) as a Boolean");
  });

  it.each<JsonValue>([
    null,
    {},
    { $eq: [float(1)] },
    { $and: float(1) },
    { $field: 3 },
    { $bogus: [] },
    { $eq: [], $neq: [] },
    { $literal: { $bad: 1 } },
  ])("are refused when malformed: %j", (json) => {
    expect(() => parseExpression(json)).toThrow();
  });

  it("may be deep, but not so deep that the stack would end", () => {
    const nest = (levels: number) => {
      let expression: JsonValue = { $literal: true };
      for (let i = 0; i < levels; i++) expression = { $not: expression };
      return expression;
    };
    expect(evaluate(nest(1500))).toBe(true);
    expect(() => parseExpression(nest(3000))).toThrow("nested");
  });
});
