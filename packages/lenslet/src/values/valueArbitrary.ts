import fc from "fast-check";
import { setField, type Value } from "./value.ts";

/** fast-check arbitraries for tests of this and other rooms. Not imported by the server. */

const edgeInts = [0n, 1n, -1n, 127n, 128n, -128n, -129n, 32767n, 32768n, -32768n, -32769n].concat(
  [2n ** 31n - 1n, 2n ** 31n, -(2n ** 31n), -(2n ** 31n) - 1n],
  [2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)],
);

const edgeStrings = [
  "",
  "\0",
  "a",
  "a\0",
  "a\0b",
  "a\u0001",
  "ab",
  "\u{1f600}",
  "\uffff",
  "\ue000",
  "é",
  '"\\\n',
  "$a",
];

/** Names that are legal fields, with the ones that JavaScript objects make dangerous. */
export const fieldNameArbitrary: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("a", "b", "c", "ab", "_x", "Z") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("", "__proto__", "constructor", "toString", "1", "10", "2", "a b", "~", '"'),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[ -#%-~][ -~]{0,5}$/) },
);

export const scalarArbitrary: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.double(),
  fc.constantFrom(0, -0, 1, NaN, Infinity, -Infinity, 2 ** 53, 5e-324),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(...edgeInts),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom(...edgeStrings),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => bytes.slice().buffer),
);

export const valueArbitrary: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalarArbitrary,
    fc.array(tie("value"), { maxLength: 4 }),
    objectOf(tie("value")),
  ),
})).value;

export function objectOf(value: fc.Arbitrary<Value>): fc.Arbitrary<{ readonly [field: string]: Value }> {
  return fc.array(fc.tuple(fieldNameArbitrary, value), { maxLength: 4 }).map((fields) => {
    const object: { [field: string]: Value } = {};
    for (const [name, fieldValue] of fields) setField(object, name, fieldValue);
    return object;
  });
}
