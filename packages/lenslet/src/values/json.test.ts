import { runInNewContext } from "node:vm";
import { convexToJson, jsonToConvex } from "convex/values";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import {
  containsCommitTs,
  decodeValue,
  encodeValue,
  formatCleanJson,
  formatExportJson,
  parseValue,
  parseValueOrUndefined,
  resolveCommitTs,
  stringifyValue,
  type JsonValue,
} from "./json.ts";
import { valuesEqual } from "./order.ts";
import { commitTsPlaceholder, type Value, type ValueObject } from "./value.ts";
import { valueArbitrary } from "./valueArbitrary.ts";

/** The texts of reference values.md §1.2. */
const vectors: [Value, string][] = [
  [1n, '{"$integer":"AQAAAAAAAAA="}'],
  [-1n, '{"$integer":"//////////8="}'],
  [-0, '{"$float":"AAAAAAAAAIA="}'],
  [Infinity, '{"$float":"AAAAAAAA8H8="}'],
  [-Infinity, '{"$float":"AAAAAAAA8P8="}'],
  [NaN, '{"$float":"AAAAAAAA+H8="}'],
];

function refused(json: unknown, options?: { commitTs?: boolean }): [string, string] {
  try {
    parseValue(json as JsonValue, options);
  } catch (error) {
    if (error instanceof LensletError && error.category === "BadRequest") return [error.code, error.message];
    throw error;
  }
  throw new Error("the value was accepted");
}

function nested(levels: number): JsonValue {
  let json: JsonValue = 1;
  for (let i = 0; i < levels; i++) json = i % 2 === 0 ? [json] : { a: json };
  return json;
}

describe("encoding", () => {
  it.each(vectors)("writes and reads the vector %s", (value, text) => {
    expect(stringifyValue(value)).toBe(text);
    expect(parseValue(JSON.parse(text) as JsonValue)).toBe(value);
    expect(decodeValue(text)).toBe(value);
  });

  it("sorts field names, integer-like ones too", () => {
    expect(stringifyValue({ b: 1, a: 2, "10": 3, "9": 4, Z: 5 })).toBe('{"10":3,"9":4,"Z":5,"a":2,"b":1}');
  });

  it("keeps a field called __proto__ a field", () => {
    const text = '{"__proto__":{"$integer":"AQAAAAAAAAA="},"a":{"__proto__":[1]}}';
    for (const value of [parseValue(JSON.parse(text) as JsonValue), decodeValue(text)]) {
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(stringifyValue(value)).toBe(text);
      expect(JSON.stringify(encodeValue(value))).toBe(text);
    }
  });

  it("writes values of another realm", () => {
    const foreign = runInNewContext(
      "Array.prototype.map = undefined; ({ b: [new Uint8Array([1, 2]).buffer, {}], a: 1n })",
    ) as Value;
    const text = '{"a":{"$integer":"AQAAAAAAAAA="},"b":[{"$bytes":"AQI="},{}]}';
    expect(stringifyValue(foreign)).toBe(text);
    expect(JSON.stringify(encodeValue(foreign))).toBe(text);
  });

  it("round-trips every value through both decoders, canonically", () => {
    fc.assert(
      fc.property(valueArbitrary, (value) => {
        const text = stringifyValue(value);
        expect(JSON.stringify(encodeValue(value)) === text || hasUnsortableName(text)).toBe(true);
        const decoded = decodeValue(text);
        const parsed = parseValue(JSON.parse(text) as JsonValue);
        expect(valuesEqual(decoded, value)).toBe(true);
        expect(valuesEqual(parsed, value)).toBe(true);
        expect(stringifyValue(decoded)).toBe(text);
      }),
    );
  });

  it("agrees with the convex package", () => {
    fc.assert(
      fc.property(valueArbitrary, (value) => {
        const text = stringifyValue(value);
        // The package loses fields called __proto__ and leaves integer-like names in numeric order.
        if (text.includes("__proto__")) return;
        const theirs = convexToJson(value as Parameters<typeof convexToJson>[0]);
        expect(encodeValue(value)).toEqual(theirs);
        const back = jsonToConvex(JSON.parse(text) as Parameters<typeof jsonToConvex>[0]) as Value;
        expect(stringifyValue(back)).toBe(text);
      }),
    );
  });
});

/** JSON.stringify cannot write integer-like names in byte order. */
function hasUnsortableName(text: string): boolean {
  return /"\d+":/.test(text);
}

describe("parseValue", () => {
  it("reads numbers as Float64 and keeps -0", () => {
    expect(parseValue(5)).toBe(5);
    expect(parseValue(JSON.parse("-0.0") as JsonValue)).toBe(-0);
  });

  it.each<[unknown, string]>([
    [{ $integer: "AQAAAAAAAA==" }, "Int64 must be exactly eight bytes"],
    [{ $float: "AQ==" }, "Float64 must be exactly eight bytes"],
    [{ $float: "AAAAAAAA8D8=" }, "Float64 1 should be encoded as a number"],
    [{ $set: [] }, "Field name $set starts with '$', which is reserved."],
    [{ $map: [] }, "Field name $map starts with '$', which is reserved."],
    [{ $undefined: null }, "Field name $undefined starts with '$', which is reserved."],
    [{ $commitTs: null }, "Field name $commitTs starts with '$', which is reserved."],
    [{ a: 1, $integer: "AQAAAAAAAAA=" }, "Field name $integer starts with '$', which is reserved."],
    [
      { ä: 1 },
      "Field name ä has invalid character 'ä': Field names can only contain non-control ASCII characters",
    ],
    [
      { "a\n": 1 },
      "Field name a\n has invalid character '\\n': Field names can only contain non-control ASCII characters",
    ],
    [{ ["a".repeat(1025)]: 1 }, "Field name is too long (1025 > maximum 1024)"],
  ])("refuses %j", (json, message) => {
    expect(refused(json)).toEqual(["InvalidConvexValue", message]);
    expect(refused([{ a: json }])).toEqual(["InvalidConvexValue", message]);
  });

  it("refuses payloads that are no canonical base64, and unpaired surrogates", () => {
    for (const json of [
      { $bytes: 5 },
      { $bytes: "A" },
      { $bytes: "AQI" },
      { $bytes: "AR==" },
      { $integer: "!" },
    ]) {
      expect(refused(json)[0]).toBe("InvalidConvexValue");
    }
    expect(refused("a\ud800")[0]).toBe("InvalidConvexValue");
    expect(parseValue("\ud83d\ude00")).toBe("\u{1f600}");
  });

  it("accepts what only looks wrong", () => {
    expect(parseValue({ "": 1, _a: 2, ["a".repeat(1024)]: 3 })).toBeTypeOf("object");
    expect(parseValue({ $float: "AAAAAAAAAAA=" })).toBe(0);
    expect(parseValue({ $bytes: "" })).toEqual(new ArrayBuffer(0));
  });

  it("accepts the commit timestamp only where it is allowed", () => {
    expect(parseValue([{ $commitTs: null }], { commitTs: true })).toEqual([commitTsPlaceholder]);
    expect(refused({ $commitTs: 1 }, { commitTs: true })[1]).toBe("$commitTs value must be null");
    expect(refused({ $bytes: { $commitTs: null } }, { commitTs: true })[0]).toBe("InvalidConvexValue");
    expect(refused({ $commitTs: null })[1]).toContain("which is reserved");
  });

  it("reads undefined only at the top of parseValueOrUndefined", () => {
    expect(parseValueOrUndefined({ $undefined: null })).toBeUndefined();
    expect(parseValueOrUndefined(null)).toBeNull();
    expect(() => parseValueOrUndefined([{ $undefined: null }])).toThrow("$undefined starts with '$'");
    expect(() => parseValueOrUndefined({ $undefined: 1 })).toThrow("$undefined starts with '$'");
  });
});

describe("structural limits", () => {
  it("nesting", () => {
    parseValue(nested(64));
    expect(refused(nested(65))).toEqual([
      "TooNestedError",
      "Value is too nested (nested 65 levels deep > maximum nesting 64)",
    ]);
    expect(refused(nested(20_000))[0]).toBe("TooNestedError");
  });

  it("array length", () => {
    parseValue(Array(8192).fill(null));
    expect(refused(Array(8193).fill(null))).toEqual([
      "ArrayTooLong",
      "Array length is too long (8193 > maximum length 8192)",
    ]);
  });

  it("number of fields", () => {
    const fields = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, 1]));
    parseValue(fields(1024));
    expect(refused(fields(1025))).toEqual([
      "TooManyFieldsError",
      "Object has too many fields (1025 > maximum number 1024)",
    ]);
  });

  it("size, innermost first", () => {
    const string = "x".repeat(2 ** 25 - 2);
    expect(parseValue(string)).toBe(string);
    const tooLarge = "Value is too large (32.00 MiB > maximum size 32 MiB)";
    expect(refused([string])).toEqual(["ValueTooLargeError", tooLarge]);
    const half = "x".repeat(2 ** 24);
    expect(refused({ a: [half, half], b: half })).toEqual(["ValueTooLargeError", tooLarge]);
    expect(refused({ a: [half], b: half, c: half })[1]).toBe(
      "Value is too large (48.00 MiB > maximum size 32 MiB)",
    );
  });
});

describe("output formats", () => {
  const value: Value = {
    i: 2n ** 62n,
    f: 1,
    n: [NaN, Infinity, -Infinity, -0, 0.5, 1e21, 1.5e-7],
    b: new Uint8Array([255]).buffer,
    s: "\n",
    z: null,
    t: true,
  };
  it("json", () => {
    expect(formatCleanJson(value)).toBe(
      '{"b":"/w==","f":1,"i":"4611686018427387904","n":["NaN","Infinity","-Infinity",-0.0,0.5,1e+21,1.5e-7],"s":"\\n","t":true,"z":null}',
    );
  });
  it("export_json", () => {
    expect(formatExportJson(value)).toBe(
      '{"b":{"$bytes":"/w=="},"f":1.0,"i":4611686018427387904,' +
        '"n":[{"$float":"AAAAAAAA+H8="},{"$float":"AAAAAAAA8H8="},{"$float":"AAAAAAAA8P8="},-0.0,0.5,1.0e21,1.5e-7],' +
        '"s":"\\n","t":true,"z":null}',
    );
  });
  it("are JSON for every value", () => {
    fc.assert(
      fc.property(valueArbitrary, (any) => {
        JSON.parse(formatCleanJson(any));
        JSON.parse(formatExportJson(any));
      }),
    );
  });
});

describe("commit timestamps", () => {
  it("are found and resolved everywhere, and nothing else is copied", () => {
    const pending: ValueObject = { a: [commitTsPlaceholder, { ["__proto__"]: commitTsPlaceholder }], b: 1 };
    expect(stringifyValue(pending)).toBe('{"a":[{"$commitTs":null},{"__proto__":{"$commitTs":null}}],"b":1}');
    expect(containsCommitTs(pending)).toBe(true);
    const resolved = resolveCommitTs(pending, 7n);
    expect(stringifyValue(resolved)).toBe(
      '{"a":[{"$integer":"BwAAAAAAAAA="},{"__proto__":{"$integer":"BwAAAAAAAAA="}}],"b":1}',
    );
    expect(containsCommitTs(resolved)).toBe(false);
    expect(resolveCommitTs(resolved, 8n)).toBe(resolved);
  });

  it("refuse numeric use", () => {
    expect(() => Number(commitTsPlaceholder)).toThrow("This commit timestamp is unresolved");
    expect(() => JSON.stringify(commitTsPlaceholder)).toThrow("This commit timestamp is unresolved");
    expect(String(commitTsPlaceholder)).toBe("[unresolved commit timestamp]");
  });
});
