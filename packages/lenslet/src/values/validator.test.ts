import { v } from "convex/values";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { encodeId } from "./id.ts";
import { encodeValue } from "./json.ts";
import {
  checkArgs,
  checkReturns,
  checkValue,
  isSubset,
  parseArgsValidator,
  parseReturnsValidator,
  parseValidator,
  renderValidator,
  type IdContext,
  type Validator,
} from "./validator.ts";
import { commitTsPlaceholder, setField, type Value } from "./value.ts";
import { valueArbitrary } from "./valueArbitrary.ts";

const tables = new Map([
  [10001, { name: "users", system: false }],
  [10002, { name: "posts", system: false }],
  [600, { name: "_storage", system: true }],
]);
const ids: IdContext = { tableNameOf: (number) => tables.get(number) ?? null };
const userId = encodeId(10001, "\0".repeat(16));
const postId = encodeId(10002, "\0".repeat(16));
const storageId = encodeId(600, "\0".repeat(16));
const unknownId = encodeId(10009, "\0".repeat(16));

/** Through the JSON that the package itself exports. */
function of(validator: unknown): Validator {
  return parseValidator((validator as { json: unknown }).json);
}

function check(validator: unknown, value: Value): string | null {
  return checkValue(of(validator), value, ids);
}

function noMatch(value: string, validator: string, context = ""): string {
  return `Value does not match validator.\n${context}\nValue: ${value}\nValidator: ${validator}`;
}

function refusal(action: () => unknown): [string, string] {
  try {
    action();
  } catch (error) {
    if (error instanceof LensletError && error.category === "BadRequest") return [error.code, error.message];
    throw error;
  }
  throw new Error("the validator was accepted");
}

describe("rendering", () => {
  it.each<[unknown, string]>([
    [v.id("t"), 'v.id("t")'],
    [v.null(), "v.null()"],
    [v.number(), "v.float64()"],
    [v.bigint(), "v.int64()"],
    [v.boolean(), "v.boolean()"],
    [v.string(), "v.string()"],
    [v.bytes(), "v.bytes()"],
    [v.any(), "v.any()"],
    [v.literal('a"b'), 'v.literal("a\\"b")'],
    [v.literal(true), "v.literal(true)"],
    [v.literal(1), "v.literal(1.0)"],
    [v.literal(1n), "v.literal(<bigint>)"],
    [v.literal(Infinity), "v.literal(<number>)"],
    [v.array(v.number()), "v.array(v.float64())"],
    [v.record(v.id("t"), v.null()), 'v.record(v.id("t"), v.null())'],
    [
      v.object({ b: v.optional(v.string()), a: v.object({}) }),
      "v.object({a: v.object({}), b: v.optional(v.string())})",
    ],
    [v.union(v.string(), v.null()), "v.union(v.string(), v.null())"],
    [v.union(), "v.union()"],
  ])("%o", (validator, text) => {
    expect(renderValidator(of(validator))).toBe(text);
  });

  it("of commitTs, and of the old types", () => {
    expect(renderValidator(parseValidator({ type: "commitTs" }))).toBe("v.commitTs()");
    expect(renderValidator(parseValidator({ type: "map" }))).toBe("v.any()");
    expect(renderValidator(parseValidator({ type: "set" }))).toBe("v.any()");
  });
});

describe("parsing", () => {
  const string = { type: "string" };
  const record = (keys: unknown, optional = false) => ({
    type: "record",
    keys,
    values: { fieldType: string, optional },
  });

  it("restricts records", () => {
    expect(refusal(() => parseValidator(record({ type: "number" })))).toEqual([
      "InvalidRecordType",
      "Records can only have string keys. Your validator contains a record with key typed as `v.float64()`, which is not a subtype of `v.string()`",
    ]);
    expect(refusal(() => parseValidator(record({ type: "any" })))[1]).toContain("`v.any()`");
    expect(refusal(() => parseValidator(record({ type: "literal", value: "a" })))).toEqual([
      "InvalidRecordType",
      "Records cannot have string literal keys",
    ]);
    expect(
      refusal(() =>
        parseValidator(record({ type: "union", value: [string, { type: "literal", value: "a" }] })),
      ),
    ).toEqual(["InvalidRecordType", "Records cannot have string literal keys"]);
    expect(refusal(() => parseValidator(record(string, true)))).toEqual([
      "InvalidRecordType",
      "Records cannot have optional values",
    ]);
    parseValidator(record({ type: "union", value: [string, { type: "id", tableName: "t" }] }));
  });

  it.each<[unknown, string]>([
    [{ type: "literal", value: null }, "Value null is not a valid literal."],
    [{ type: "literal", value: [1] }, "Value [1.0] is not a valid literal."],
    [
      { type: "object", value: { "a b": { fieldType: string, optional: false } } },
      "Identifier a b has invalid character ' ': Identifiers can only contain alphanumeric characters or underscores",
    ],
    [
      { type: "object", value: { ["a".repeat(65)]: { fieldType: string, optional: false } } },
      "Identifier is too long (65 > maximum 64)",
    ],
    [{ type: "id", tableName: "" }, "Identifier cannot be empty"],
  ])("refuses %j", (json, message) => {
    expect(refusal(() => parseValidator(json))[1]).toBe(message);
  });

  it("refuses everything malformed with an error of its own", () => {
    let deep: unknown = string;
    for (let i = 0; i < 100_000; i++) deep = { type: "array", value: deep };
    for (const json of [
      null,
      5,
      "string",
      [],
      {},
      { type: "Date" },
      { type: "union", value: {} },
      { type: "array" },
      { type: "object" },
      { type: "object", value: { a: string } },
      { type: "object", value: { a: { fieldType: string, optional: 1 } } },
      { type: "id" },
      { type: "literal" },
      { type: "literal", value: { $integer: "AQ==" } },
      record(undefined),
      deep,
    ]) {
      refusal(() => parseValidator(json));
    }
  });

  it("reads what functions export", () => {
    expect(parseArgsValidator(null)).toBeNull();
    expect(parseReturnsValidator(null)).toBeNull();
    expect(parseReturnsValidator("null")).toBeNull();
    expect(parseArgsValidator('{"type":"any"}')).toEqual({ type: "any" });
    expect(parseReturnsValidator('{"type":"string"}')).toEqual({ type: "string" });
    expect(refusal(() => parseArgsValidator('{"type":"string"}'))[1]).toBe(
      "Args validator must be an object or any",
    );
    const bad = JSON.stringify(record(string, true));
    expect(refusal(() => parseArgsValidator(bad))).toEqual([
      "InvalidRecordType",
      "Error in args validator: Records cannot have optional values\nSee https://docs.convex.dev/functions/validation for docs on how to do argument validation.",
    ]);
    expect(refusal(() => parseReturnsValidator(bad))[1]).toBe(
      "Error in returns validator: Records cannot have optional values\nSee https://docs.convex.dev/functions/validation for docs on how to do return value validation.",
    );
    expect(refusal(() => parseReturnsValidator("{"))[1]).toMatch(/^Error in returns validator: /);
  });
});

describe("checking", () => {
  it("types match exactly", () => {
    const values: [unknown, Value, string][] = [
      [v.null(), null, "v.null()"],
      [v.number(), 1, "v.float64()"],
      [v.bigint(), 1n, "v.int64()"],
      [v.boolean(), true, "v.boolean()"],
      [v.string(), "x", "v.string()"],
      [v.bytes(), new ArrayBuffer(0), "v.bytes()"],
      [v.array(v.any()), [], "v.array(v.any())"],
      [v.record(v.string(), v.any()), {}, "v.record(v.string(), v.any())"],
    ];
    for (const [i, [validator, , text]] of values.entries()) {
      for (const [j, [, value]] of values.entries()) {
        const error = check(validator, value);
        if (i === j) expect(error).toBeNull();
        else expect(error).toContain(`Value does not match validator.\n\nValue: `);
        if (i !== j) expect(error).toContain(`\nValidator: ${text}`);
      }
    }
    expect(check(v.number(), 1n)).toBe(noMatch("1", "v.float64()"));
    expect(check(v.any(), [{}])).toBeNull();
  });

  it("commitTs takes Int64 and the placeholder, and so does bigint", () => {
    const commitTs = parseValidator({ type: "commitTs" });
    expect(checkValue(commitTs, 5n, ids)).toBeNull();
    expect(checkValue(commitTs, commitTsPlaceholder, ids)).toBeNull();
    expect(checkValue(commitTs, 5, ids)).toBe(noMatch("5.0", "v.commitTs()"));
    expect(check(v.bigint(), commitTsPlaceholder)).toBeNull();
  });

  it("ids", () => {
    expect(check(v.id("users"), userId)).toBeNull();
    expect(check(v.id("_storage"), storageId)).toBeNull();
    expect(check(v.id("users"), postId)).toBe(
      `Found ID "${postId}" from table \`posts\`, which does not match the table name in validator \`v.id("users")\`.`,
    );
    expect(check(v.object({ a: v.array(v.id("users")) }), { a: [userId, storageId] })).toBe(
      `Found ID "${storageId}" from a system table, which does not match the table name in validator \`v.id("users")\`.Path: .a[1]`,
    );
    expect(check(v.id("users"), unknownId)).toBe(noMatch(`"${unknownId}"`, 'v.id("users")'));
    expect(check(v.id("users"), "x")).toBe(noMatch('"x"', 'v.id("users")'));
    expect(check(v.id("users"), 1)).toBe(noMatch("1.0", 'v.id("users")'));
  });

  it("literals, in the total order", () => {
    expect(check(v.literal("a"), "a")).toBeNull();
    expect(check(v.literal(1n), 1n)).toBeNull();
    expect(check(v.literal(NaN), NaN)).toBeNull();
    expect(check(v.literal(0), -0)).toBe("`-0.0` does not match literal validator `v.literal(0.0)`.");
    expect(check(v.literal(1n), 1)).toBe("`1.0` does not match literal validator `v.literal(<bigint>)`.");
    expect(check(v.object({ a: v.literal("x") }), { a: "y" })).toBe(
      '`"y"` does not match literal validator `v.literal("x")`.Path: .a',
    );
  });

  it("paths", () => {
    expect(check(v.array(v.object({ a: v.string() })), [{ a: "x" }, { a: 1 }])).toBe(
      noMatch("1.0", "v.string()", "Path: [1].a"),
    );
    expect(check(v.record(v.id("users"), v.number()), { zz: 1 })).toBe(
      noMatch('"zz"', 'v.id("users")', "Path: .keys()"),
    );
    expect(
      check(v.object({ r: v.record(v.string(), v.array(v.null())) }), { r: { b: [null], c: [1] } }),
    ).toBe(noMatch("1.0", "v.null()", "Path: .r.values()[0]"));
  });

  it("objects: declared fields in name order, then undeclared ones", () => {
    const validator = v.object({ b: v.string(), a: v.optional(v.number()) });
    const text = "v.object({a: v.optional(v.float64()), b: v.string()})";
    expect(check(validator, { b: "x" })).toBeNull();
    expect(check(validator, { a: 1, b: "x" })).toBeNull();
    expect(check(validator, { c: 1 })).toBe(
      "Object is missing the required field `b`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n" +
        `\nObject: {c: 1.0}\nValidator: ${text}`,
    );
    expect(check(v.array(validator), [{ d: 2, c: 1, b: "x" }])).toBe(
      "Object contains extra field `c` that is not in the validator.\n" +
        `Path: [0]\nObject: {b: "x", c: 1.0, d: 2.0}\nValidator: ${text}`,
    );
    expect(check(validator, { b: 1, a: "x" })).toBe(noMatch('"x"', "v.float64()", "Path: .a"));
    expect(check(validator, [])).toBe(noMatch("[]", text));
  });

  it("inherited members are not fields", () => {
    const json = JSON.parse(
      '{"type":"object","value":{"__proto__":{"fieldType":{"type":"any"},"optional":true},"constructor":{"fieldType":{"type":"any"},"optional":true}}}',
    ) as unknown;
    const validator = parseValidator(json);
    expect(renderValidator(validator)).toBe(
      "v.object({__proto__: v.optional(v.any()), constructor: v.optional(v.any())})",
    );
    expect(checkValue(validator, {}, ids)).toBeNull();
    const value: { [field: string]: Value } = {};
    setField(value, "__proto__", 1);
    expect(checkValue(validator, value, ids)).toBeNull();
    expect(check(v.object({}), value)).toContain("extra field `__proto__`");
    expect(check(v.object({ toString: v.string() } as never), {})).toContain(
      "missing the required field `toString`",
    );
  });

  it("unions", () => {
    expect(check(v.union(v.string(), v.null()), null)).toBeNull();
    expect(check(v.union(v.string(), v.object({ a: v.null() })), { a: 1 })).toBe(
      noMatch("{a: 1.0}", "v.union(v.string(), v.object({a: v.null()}))"),
    );
    expect(check(v.union(v.object({ a: v.null() })), { a: 1 })).toBe(noMatch("1.0", "v.null()", "Path: .a"));
    expect(check(v.union(), 1)).toBe(noMatch("1.0", "v.union()"));
  });

  it("arguments", () => {
    const validator = parseArgsValidator(
      '{"type":"object","value":{"a":{"fieldType":{"type":"string"},"optional":false}}}',
    );
    expect(checkArgs(validator, [{ a: "x" }], ids)).toBeNull();
    expect(checkArgs(null, [1, 2], ids)).toBeNull();
    expect(checkArgs({ type: "any" }, [1, 2], ids)).toBeNull();
    expect(checkArgs(validator, [], ids)).toBe(
      "ArgumentValidationError: Expected to receive a single object as the function's argument. Instead received 0 arguments: []",
    );
    expect(checkArgs(validator, [{}, 1], ids)).toBe(
      "ArgumentValidationError: Expected to receive a single object as the function's argument. Instead received 2 arguments: [{}, 1.0]",
    );
    expect(checkArgs(validator, ["x"], ids)).toBe(
      'ArgumentValidationError: Expected to receive an object as the function\'s argument. Instead received: "x"',
    );
    expect(checkArgs(validator, [{ a: 1 }], ids)).toBe(
      "ArgumentValidationError: Value does not match validator.\nPath: .a\nValue: 1.0\nValidator: v.string()\n",
    );
  });

  it("returns", () => {
    expect(checkReturns(null, 1, ids)).toBeNull();
    expect(checkReturns({ type: "number" }, 1, ids)).toBeNull();
    expect(checkReturns({ type: "string" }, 1, ids)).toBe(
      `ReturnsValidationError: ${noMatch("1.0", "v.string()")}`,
    );
  });
});

const scalarValidator: fc.Arbitrary<Validator> = fc.oneof(
  fc.constantFrom<Validator>(
    { type: "null" },
    { type: "number" },
    { type: "bigint" },
    { type: "commitTs" },
    { type: "boolean" },
    { type: "string" },
    { type: "bytes" },
    { type: "any" },
    { type: "id", tableName: "users" },
    { type: "id", tableName: "posts" },
  ),
  fc
    .constantFrom<Value>("a", "b", true, false, 0, -0, 1, NaN, 0n, 1n)
    .map((value): Validator => ({ type: "literal", value: encodeValue(value) as string })),
);

const validatorArbitrary: fc.Arbitrary<Validator> = fc.letrec<{ validator: Validator }>((tie) => {
  const field = fc.record({ fieldType: tie("validator"), optional: fc.boolean() });
  return {
    validator: fc.oneof(
      { depthSize: "small" },
      scalarValidator,
      tie("validator").map((value): Validator => ({ type: "array", value })),
      fc
        .tuple(
          fc.constantFrom<Validator>({ type: "string" }, { type: "id", tableName: "users" }),
          tie("validator"),
        )
        .map(([keys, fieldType]): Validator => ({
          type: "record",
          keys,
          values: { fieldType, optional: false },
        })),
      fc
        .dictionary(fc.constantFrom("a", "b", "c"), field, { maxKeys: 3 })
        .map((value): Validator => ({ type: "object", value: { ...value } })),
      fc.array(tie("validator"), { maxLength: 3 }).map((value): Validator => ({ type: "union", value })),
    ),
  };
}).validator;

/** A value that satisfies the validator; null where there is none (the empty union). */
function sample(validator: Validator): fc.Arbitrary<Value> | null {
  switch (validator.type) {
    case "null":
      return fc.constant(null);
    case "number":
      return fc.constantFrom(0, -0, 1, NaN, 2.5);
    case "bigint":
    case "commitTs":
      return fc.constantFrom<Value>(0n, 1n, 7n, commitTsPlaceholder);
    case "boolean":
      return fc.boolean();
    case "string":
      return fc.constantFrom("a", "b", "z", userId, postId);
    case "bytes":
      return fc.constant(new ArrayBuffer(1));
    case "any":
      return fc.oneof(valueArbitrary, fc.constant(userId));
    case "id":
      return fc.constant(validator.tableName === "users" ? userId : postId);
    case "literal": {
      const { value } = validator;
      if (typeof value !== "object") return fc.constant(value);
      const special = [-0, NaN, 0n, 1n].filter((candidate) => checkValue(validator, candidate, ids) === null);
      return fc.constantFrom(...special);
    }
    case "array": {
      const element = sample(validator.value);
      return element === null ? fc.constant([]) : fc.array(element, { maxLength: 2 });
    }
    case "record": {
      const value = sample(validator.values.fieldType);
      return value === null ? fc.constant({}) : fc.dictionary(fc.constant(userId), value, { maxKeys: 1 });
    }
    case "object": {
      const fields: { [name: string]: fc.Arbitrary<Value | undefined> } = {};
      for (const [name, { fieldType, optional }] of Object.entries(validator.value)) {
        const value = sample(fieldType);
        if (value === null && !optional) return null;
        fields[name] = optional ? fc.option(value ?? fc.constant(undefined), { nil: undefined }) : value!;
      }
      return fc
        .record(fields)
        .map(
          (object) =>
            Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Value,
        );
    }
    case "union": {
      const members = validator.value.map(sample).filter((member) => member !== null);
      return members.length === 0 ? null : fc.oneof(...members);
    }
  }
}

describe("subsets", () => {
  it.each<[unknown, unknown, boolean]>([
    [v.string(), v.any(), true],
    [v.any(), v.string(), false],
    [v.literal("a"), v.string(), true],
    [v.literal("a"), v.number(), false],
    [v.literal("a"), v.literal("a"), true],
    [v.literal(1), v.literal(1n), false],
    [v.id("t"), v.string(), true],
    [v.id("t"), v.id("u"), false],
    [v.string(), v.id("t"), false],
    [v.union(v.literal("a"), v.id("t")), v.string(), true],
    [v.union(v.string(), v.null()), v.string(), false],
    [v.union(v.string(), v.null()), v.union(v.null(), v.number(), v.string()), true],
    [v.union(), v.null(), true],
    [v.boolean(), v.union(v.literal(true), v.literal(false)), true],
    [v.boolean(), v.union(v.literal(true), v.null()), false],
    [v.array(v.literal(1)), v.array(v.number()), true],
    [v.array(v.number()), v.array(v.literal(1)), false],
    [v.object({ a: v.string() }), v.object({ a: v.optional(v.string()), b: v.optional(v.null()) }), true],
    [v.object({ a: v.optional(v.string()) }), v.object({ a: v.string() }), false],
    [v.object({ a: v.string() }), v.object({}), false],
    [v.object({}), v.object({ a: v.string() }), false],
    [v.object({ a: v.optional(v.string()) }), v.object({ a: v.optional(v.any()) }), true],
    [v.record(v.string(), v.number()), v.record(v.string(), v.number()), true],
    [v.record(v.string(), v.literal(1)), v.record(v.string(), v.number()), false],
    [v.record(v.id("t"), v.number()), v.record(v.string(), v.number()), false],
  ])("%#: %o, %o", (a, b, expected) => {
    expect(isSubset(of(a), of(b))).toBe(expected);
  });

  it("Int64 and commitTs contain each other", () => {
    expect(isSubset({ type: "bigint" }, { type: "commitTs" })).toBe(true);
    expect(isSubset({ type: "commitTs" }, { type: "bigint" })).toBe(true);
  });

  it("every validator contains itself, whatever its identity, and is in any", () => {
    fc.assert(
      fc.property(validatorArbitrary, (validator) => {
        expect(isSubset(validator, structuredClone(validator))).toBe(true);
        expect(isSubset(validator, { type: "any" })).toBe(true);
      }),
    );
  });

  it("are sound: what satisfies a satisfies b", () => {
    let related = 0;
    const pair = fc.tuple(validatorArbitrary, validatorArbitrary).chain(([a, other]) =>
      fc.record({
        a: fc.constant(a),
        // Unrelated validators are rarely subsets, so half of the pairs are built to be.
        b: fc.constantFrom<Validator>(other, { type: "union", value: [other, widened(a)] }),
        value: sample(a) ?? fc.constant(undefined),
      }),
    );
    fc.assert(
      fc.property(pair, ({ a, b, value }) => {
        if (value === undefined) return;
        expect(checkValue(a, value, ids)).toBeNull();
        if (!isSubset(a, b)) return;
        related++;
        expect(checkValue(b, value, ids)).toBeNull();
      }),
      { numRuns: 500 },
    );
    expect(related).toBeGreaterThan(50);
  });

  it("parse and render any validator", () => {
    fc.assert(
      fc.property(validatorArbitrary, (validator) => {
        expect(renderValidator(parseValidator(JSON.parse(JSON.stringify(validator))))).toBe(
          renderValidator(validator),
        );
      }),
    );
  });
});

/** A validator that accepts at least as much. */
function widened(validator: Validator): Validator {
  switch (validator.type) {
    case "literal":
      return typeof validator.value === "string" ? { type: "string" } : validator;
    case "id":
      return { type: "string" };
    case "boolean":
      return {
        type: "union",
        value: [
          { type: "literal", value: false },
          { type: "literal", value: true },
        ],
      };
    case "array":
      return { type: "array", value: widened(validator.value) };
    case "object": {
      const fields = Object.entries(validator.value).map(
        ([name, { fieldType }]) => [name, { fieldType: widened(fieldType), optional: true }] as const,
      );
      return {
        type: "object",
        value: { ...Object.fromEntries(fields), extra: { fieldType: { type: "null" }, optional: true } },
      };
    }
    default:
      return validator;
  }
}
