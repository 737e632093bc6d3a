import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SearchIndex } from "../store/catalog.ts";
import { makeDocument } from "../store/document.ts";
import { encodeKeyPart } from "../values/key.ts";
import { stringifyValue } from "../values/json.ts";
import { valueArbitrary } from "../values/valueArbitrary.ts";
import type { ValueObject } from "../values/value.ts";
import { filterKeyOf, searchEntryOf } from "./entry.ts";
import { lengthCodeOf, lengthOfCode } from "./lengthCode.ts";

const index: SearchIndex = {
  id: 1,
  name: "i",
  tablet: 2,
  searchField: ["body", "text"],
  filterFields: [["channel"], ["body", "lang"]],
  state: "enabled",
  staged: false,
};

function entryOf(fields: ValueObject) {
  const value = { _creationTime: 12.5, _id: "x", ...fields };
  return searchEntryOf(index, makeDocument("x".repeat(16), "x", stringifyValue(value), value));
}

describe("searchEntryOf", () => {
  it("takes text and filters from dotted paths, a missing field as undefined", () => {
    const entry = entryOf({ body: { text: "One two ONE" }, channel: 3 });
    expect(entry).toMatchObject({ text: "One two ONE", creationTime: 12.5 });
    expect(entry?.filters).toEqual([filterKeyOf(3), filterKeyOf(undefined)]);
    expect(entry?.terms()).toEqual({
      tokens: 3,
      lengthCode: 3,
      counts: new Map([
        ["one", 2],
        ["two", 1],
      ]),
    });
  });

  it("leaves out documents whose search field is no string", () => {
    for (const body of [null, "text", { text: 7 }, { text: null }, { text: ["a"] }, {}]) {
      expect(entryOf({ body })).toBeNull();
    }
    expect(entryOf({})).toBeNull();
    expect(entryOf({ body: { text: "" } })?.terms().tokens).toBe(0);
  });
});

describe("filterKeyOf", () => {
  it("is equal for values with equal index keys, and short", () => {
    fc.assert(
      fc.property(valueArbitrary, valueArbitrary, (a, b) => {
        expect(filterKeyOf(a) === filterKeyOf(b)).toBe(encodeKeyPart(a) === encodeKeyPart(b));
        expect(filterKeyOf(a).length).toBeLessThanOrEqual(32);
      }),
    );
    expect(filterKeyOf(1)).not.toBe(filterKeyOf(1n));
    expect(filterKeyOf(undefined)).not.toBe(filterKeyOf(null));
    expect(filterKeyOf("x".repeat(40))).not.toBe(filterKeyOf("x".repeat(41)));
  });
});

describe("length codes", () => {
  it("are exact below 40, grow, and lose at most an eighth above", () => {
    for (let tokens = 0; tokens < 40; tokens++) expect(lengthOfCode(lengthCodeOf(tokens))).toBe(tokens);
    let previous = 0;
    for (let tokens = 40; tokens < 1_000_000; tokens = Math.ceil(tokens * 1.01)) {
      const code = lengthCodeOf(tokens);
      expect(code).toBeGreaterThanOrEqual(previous);
      previous = code;
      expect(lengthOfCode(code)).toBeLessThanOrEqual(tokens);
      expect(lengthOfCode(code)).toBeGreaterThan(tokens * (7 / 8));
    }
    expect(previous).toBeLessThan(256);
    expect(lengthCodeOf(2 ** 31 - 1)).toBeLessThan(256);
  });
});
