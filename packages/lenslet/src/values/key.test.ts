import { compareValues as packageCompareValues } from "convex/values";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InternalId } from "./id.ts";
import { bytesToKey, encodeKeyPart, indexKeyOf, keyToBytes, prefixEnd } from "./key.ts";
import { compareValues, valuesEqual } from "./order.ts";
import { commitTsPlaceholder, int64Max, setField, type Value } from "./value.ts";
import { valueArbitrary } from "./valueArbitrary.ts";

const optionalValue = fc.oneof(
  { weight: 1, arbitrary: fc.constant(undefined) },
  { weight: 9, arbitrary: valueArbitrary },
);
const internalId: fc.Arbitrary<InternalId> = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString("latin1"));

function hex(key: string): string {
  return Buffer.from(key, "latin1").toString("hex");
}

function orderOf(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** One value of each kind of the order, ascending (reference values.md §5). */
const ascending: (Value | undefined)[] = [
  undefined,
  null,
  -(2n ** 63n),
  -(2n ** 31n) - 1n,
  -(2n ** 31n),
  -32769n,
  -32768n,
  -129n,
  -128n,
  -1n,
  0n,
  1n,
  127n,
  128n,
  32767n,
  32768n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 63n - 1n,
  floatOfBits(0xfff8000000000000n),
  -Infinity,
  -1,
  -5e-324,
  -0,
  0,
  5e-324,
  1,
  Infinity,
  NaN,
  false,
  true,
  "",
  "\0",
  "\0\0",
  "\u0001",
  "a",
  "a\0",
  "a\0b",
  "a\u0001",
  "ab",
  "é",
  "\ue000",
  "\uffff",
  "\u{1f600}",
  Uint8Array.of().buffer,
  Uint8Array.of(0).buffer,
  Uint8Array.of(0, 255).buffer,
  Uint8Array.of(1).buffer,
  Uint8Array.of(255).buffer,
  [],
  [null],
  [null, null],
  [1n],
  [[]],
  [{}],
  {},
  { "": 1 },
  { "": 2, a: 1 },
  { a: 1 },
  { a: 1, b: 1 },
  { a: 2 },
  { ab: 0 },
  { b: null },
];

function floatOfBits(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

describe("the total order", () => {
  it("orders the listed values, by compareValues and by key bytes", () => {
    for (let i = 0; i < ascending.length; i++) {
      for (let j = 0; j < ascending.length; j++) {
        const expected = orderOf(String.fromCharCode(i), String.fromCharCode(j));
        expect(compareValues(ascending[i], ascending[j])).toBe(expected);
        expect(orderOf(encodeKeyPart(ascending[i]), encodeKeyPart(ascending[j]))).toBe(expected);
      }
    }
  });

  it("coerces nothing", () => {
    expect(valuesEqual(1n, 1)).toBe(false);
    expect(valuesEqual(-0, 0)).toBe(false);
    expect(valuesEqual(NaN, NaN)).toBe(true);
    expect(valuesEqual(null, undefined)).toBe(false);
  });

  it("places an unresolved commit timestamp at the greatest Int64", () => {
    expect(valuesEqual(commitTsPlaceholder, int64Max)).toBe(true);
    expect(compareValues(commitTsPlaceholder, int64Max - 1n)).toBe(1);
    expect(encodeKeyPart(commitTsPlaceholder)).toBe(encodeKeyPart(int64Max));
  });

  it("is the order of the convex package", () => {
    fc.assert(
      fc.property(optionalValue, optionalValue, (a, b) => {
        type Theirs = Parameters<typeof packageCompareValues>[0];
        expect(compareValues(a, b)).toBe(Math.sign(packageCompareValues(a as Theirs, b as Theirs)) + 0);
      }),
    );
  });
});

describe("index keys", () => {
  it.each<[Value | undefined, string]>([
    [0, "0d8000000000000000"],
    [-0, "0d7fffffffffffffff"],
    [1, "0dbff0000000000000"],
    [-1, "0d400fffffffffffff"],
    [undefined, "01"],
    [null, "03"],
    [0n, "08"],
    [1n, "0901"],
    [-1n, "07ff"],
    [128n, "0a0080"],
    [-129n, "06ff7f"],
    [32768n, "0b00008000"],
    [-32769n, "05ffff7fff"],
    [2n ** 31n, "0c0000000080000000"],
    [-(2n ** 31n) - 1n, "04ffffffff7fffffff"],
    [false, "0e"],
    [true, "0f"],
    ["a\0é", "106100ffc3a900"],
    [Uint8Array.of(0, 1).buffer, "1100ff0100"],
    [[null, [true]], "1203120f0000"],
    [{ b: null, "": true }, "1500ff0f62000300"],
  ])("encodes %s", (value, bytes) => {
    expect(hex(encodeKeyPart(value))).toBe(bytes);
  });

  it("order tuples as the values do", () => {
    const tuple = fc.tuple(optionalValue, optionalValue);
    fc.assert(
      fc.property(tuple, tuple, ([a, b], [c, d]) => {
        const expected = compareValues(a, c) || compareValues(b, d);
        expect(orderOf(encodeKeyPart(a) + encodeKeyPart(b), encodeKeyPart(c) + encodeKeyPart(d))).toBe(
          expected,
        );
      }),
      { numRuns: 400 },
    );
  });

  it("survive the way through bytes, whose order is the same", () => {
    fc.assert(
      fc.property(optionalValue, optionalValue, (a, b) => {
        const key = encodeKeyPart(a);
        const other = encodeKeyPart(b);
        expect(bytesToKey(keyToBytes(key))).toBe(key);
        expect(Buffer.compare(keyToBytes(key), keyToBytes(other))).toBe(orderOf(key, other));
      }),
    );
  });

  it("hold the fields' values and the id; a missing field and a path through a scalar are undefined", () => {
    const id = "0123456789abcdef";
    const document = { a: { b: 1n }, c: "x" };
    expect(indexKeyOf(document, [], id)).toBe(id);
    expect(hex(indexKeyOf(document, [["a", "b"], ["c"], ["d"], ["c", "d"]], id))).toBe(
      "0901" + "107800" + "01" + "01" + hex(id),
    );
    expect(hex(indexKeyOf({}, [["constructor"], ["__proto__"]], ""))).toBe("0101");
    const own: { [field: string]: Value } = {};
    setField(own, "__proto__", null);
    expect(hex(indexKeyOf(own, [["__proto__"]], ""))).toBe("03");
  });

  it("prefixEnd bounds exactly the documents whose leading fields are equal", () => {
    const creationTime = fc.double({ noNaN: true });
    fc.assert(
      fc.property(optionalValue, optionalValue, creationTime, internalId, (a, b, time, id) => {
        const prefix = encodeKeyPart(a);
        const key = encodeKeyPart(b) + encodeKeyPart(time) + id;
        const within = prefix <= key && key < prefixEnd(prefix)!;
        expect(within).toBe(valuesEqual(a, b));
        expect(key >= prefixEnd(prefix)!).toBe(compareValues(b, a) > 0);
      }),
      {
        numRuns: 400,
        examples: [
          ["a", "a\0b", 0, "\xff".repeat(16)],
          ["a\0", "a\0", 0, ""],
        ],
      },
    );
  });

  it("prefixEnd of an id bounds that id, and of nothing is nothing", () => {
    fc.assert(
      fc.property(internalId, internalId, (a, b) => {
        expect(a <= b && b < prefixEnd(a)!).toBe(a === b);
      }),
      { examples: [["\xff".repeat(16), "\xff".repeat(16)]] },
    );
    expect(prefixEnd("")).toBeNull();
  });
});
