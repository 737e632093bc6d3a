import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { display } from "./display.ts";
import {
  checkFieldName,
  checkIdentifier,
  checkTableName,
  formatFieldPath,
  getField,
  parseFieldPath,
} from "./names.ts";
import { formatBinarySize, formatExactSize, nestingOf, sizeOf } from "./size.ts";
import { commitTsPlaceholder, isBytes, isValueObject, typeNameOf, type Value } from "./value.ts";
import { valueArbitrary } from "./valueArbitrary.ts";

describe("types", () => {
  it.each<[Value | undefined, string]>([
    [undefined, "undefined"],
    [null, "Null"],
    [1n, "Int64"],
    [commitTsPlaceholder, "Int64"],
    [1, "Float64"],
    [true, "Boolean"],
    ["", "String"],
    [new ArrayBuffer(1), "Bytes"],
    [[], "Array"],
    [{}, "Object"],
  ])("%s is named %s", (value, name) => {
    expect(typeNameOf(value)).toBe(name);
    expect(isValueObject(value)).toBe(name === "Object");
  });

  it("are told apart in other realms", () => {
    const names = (runInNewContext("[[], {}, Object.create(null), new ArrayBuffer(1)]") as Value[]).map(
      typeNameOf,
    );
    expect(names).toEqual(["Array", "Object", "Object", "Bytes"]);
    expect(isBytes(new SharedArrayBuffer(1))).toBe(true);
    expect(isBytes(new Uint8Array(1))).toBe(false);
  });
});

describe("sizes", () => {
  it.each<[Value | undefined, number, number]>([
    [undefined, 0, 0],
    [null, 1, 0],
    [true, 1, 0],
    [1n, 9, 0],
    [1, 9, 0],
    [commitTsPlaceholder, 9, 0],
    ["aé\u{1f600}", 2 + 1 + 2 + 4, 0],
    ["é".repeat(100), 202, 0],
    ["x".repeat(100), 102, 0],
    [new ArrayBuffer(5), 7, 0],
    [[], 2, 1],
    [[1, [null]], 2 + 9 + 3, 2],
    [{}, 2, 1],
    [{ ab: "c", d: {} }, 2 + 3 + 3 + 2 + 2, 2],
    [{ a: [commitTsPlaceholder, new ArrayBuffer(0)] }, 2 + 2 + 2 + 9 + 2, 2],
  ])("of %s", (value, size, nesting) => {
    expect(sizeOf(value)).toBe(size);
    expect(nestingOf(value)).toBe(nesting);
  });

  it("of an array is 2 more than of its elements", () => {
    fc.assert(
      fc.property(fc.array(valueArbitrary, { maxLength: 4 }), (values) => {
        expect(sizeOf(values)).toBe(values.reduce<number>((sum, value) => sum + sizeOf(value), 2));
        expect(nestingOf(values)).toBe(1 + Math.max(0, ...values.map(nestingOf)));
      }),
    );
  });

  it.each([
    [0, "0 B"],
    [512, "512 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1_000_000, "976.56 KiB"],
    [2 ** 20, "1 MiB"],
    [2 ** 20 + 1, "1.00 MiB"],
    [1_101_005, "1.05 MiB"],
    [2 ** 25, "32 MiB"],
    [2 ** 40, "1 TiB"],
    [2 ** 50, "1024 TiB"],
  ])("formatter B prints %i", (bytes, text) => {
    expect(formatBinarySize(bytes)).toBe(text);
  });

  it.each([
    [0, "0 bytes"],
    [999, "999 bytes"],
    [1000, "1 KB"],
    [1536, "1.5 KiB"],
    [1_500_000, "1.5 MB"],
    [16_777_216, "16 MiB"],
    [16_777_217, "16777217 bytes"],
    [2 ** 30, "1 GiB"],
    [2_000_000_000, "2 GB"],
  ])("formatter E prints %i", (bytes, text) => {
    expect(formatExactSize(bytes)).toBe(text);
  });
});

describe("names", () => {
  it.each<[string, string | null]>([
    ["", null],
    ["_a b~", null],
    ["a".repeat(1024), null],
    ["$a", "Field name $a starts with '$', which is reserved."],
    [
      "a\u007f",
      "Field name a\u007f has invalid character '\\u{7f}': Field names can only contain non-control ASCII characters",
    ],
    [
      "\u{1f600}",
      "Field name \u{1f600} has invalid character '\u{1f600}': Field names can only contain non-control ASCII characters",
    ],
    ["a".repeat(1025), "Field name is too long (1025 > maximum 1024)"],
  ])("field name %j", (name, error) => {
    expect(checkFieldName(name)).toBe(error);
  });

  it.each<[string, string | null]>([
    ["a", null],
    ["_1", null],
    ["A_b9", null],
    ["a".repeat(64), null],
    ["", "Identifier cannot be empty"],
    [
      "1a",
      "Invalid first character '1' in 1a: Identifiers must start with an alphabetic character or underscore",
    ],
    [
      "a-b",
      "Identifier a-b has invalid character '-': Identifiers can only contain alphanumeric characters or underscores",
    ],
    [
      "a'",
      "Identifier a' has invalid character '\\'': Identifiers can only contain alphanumeric characters or underscores",
    ],
    ["a".repeat(65), "Identifier is too long (65 > maximum 64)"],
    ["__", "Identifier __ cannot have exclusively underscores"],
  ])("identifier %j", (text, error) => {
    expect(checkIdentifier(text)).toBe(error);
  });

  it("table names may not start with an underscore", () => {
    expect(checkTableName("users")).toBeNull();
    expect(checkTableName("_storage")).toBe("_storage is a reserved table name.");
    expect(checkTableName("")).toBe("Identifier cannot be empty");
  });

  it("field paths", () => {
    expect(parseFieldPath("a.b.c")).toEqual(["a", "b", "c"]);
    expect(parseFieldPath("..a.b.")).toEqual(["a", "b"]);
    expect(() => parseFieldPath("..")).toThrow("Empty path ..");
    expect(() => parseFieldPath("a..b")).toThrow("Identifier cannot be empty");
    expect(() => parseFieldPath("a.$b")).toThrow("Invalid first character '$' in $b");
    expect(formatFieldPath(["a", "b"])).toBe('"a.b"');
  });

  it("getField walks own fields of objects only", () => {
    const document = { a: { b: [{ c: 1 }], n: null }, s: "x" };
    expect(getField(document, ["a", "b"])).toBe(document.a.b);
    expect(getField(document, ["a", "n"])).toBeNull();
    for (const path of [
      "a.b.c",
      "a.b.length",
      "s.length",
      "a.n.x",
      "x.y",
      "toString",
      "constructor.name",
      "__proto__",
    ]) {
      expect(getField(document, path.split("."))).toBeUndefined();
    }
  });
});

describe("display", () => {
  it.each<[Value | undefined, string]>([
    [undefined, "undefined"],
    [null, "null"],
    [-5n, "-5"],
    [1, "1.0"],
    [-0, "-0.0"],
    [0, "0.0"],
    [0.5, "0.5"],
    [NaN, "NaN"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
    [1e21, "1e21"],
    [1e16, "1e16"],
    [-1.5e16, "-1.5e16"],
    [123456789012345, "123456789012345.0"],
    [1e-7, "1e-7"],
    [0.00001, "0.00001"],
    [true, "true"],
    ["a\"\n\\\u007f\u{1f600}'", '"a\\"\\n\\\\\\u{7f}\u{1f600}\'"'],
    ["\u00a0\u200b é", '"\\u{a0}\\u{200b} é"'],
    [Uint8Array.of(1, 2).buffer, 'b"AQI="'],
    [[1, "a"], '[1.0, "a"]'],
    [{ b: 1n, a: [] }, "{a: [], b: 1}"],
    [{}, "{}"],
  ])("of %s", (value, text) => {
    expect(display(value)).toBe(text);
  });
});
