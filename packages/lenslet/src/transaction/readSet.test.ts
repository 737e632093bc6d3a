import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReadSet, isEmptyInterval, isPointInterval, keyAfter, pointInterval } from "./readSet.ts";

const keyArbitrary = fc
  .array(fc.constantFrom("\0", "a", "b", "\xff"), { maxLength: 3 })
  .map((bytes) => bytes.join(""));
const intervalArbitrary = fc.oneof(
  fc.record({ lower: keyArbitrary, upper: fc.option(keyArbitrary, { freq: 5 }) }),
  keyArbitrary.map(pointInterval),
);

describe("ReadSet", () => {
  it("holds exactly the keys that were added, in disjoint intervals that do not touch", () => {
    fc.assert(
      fc.property(
        fc.array(intervalArbitrary, { maxLength: 12, size: "max" }),
        fc.array(keyArbitrary, { maxLength: 20, size: "max" }),
        (added, keys) => {
          const reads = new ReadSet();
          for (const interval of added) reads.add(1, interval);
          const list = reads.intervals().get(1) ?? [];
          expect(reads.intervalCount).toBe(list.length);
          for (const [i, interval] of list.entries()) {
            expect(isEmptyInterval(interval)).toBe(false);
            const previous = list[i - 1];
            if (previous !== undefined)
              expect(previous.upper !== null && previous.upper < interval.lower).toBe(true);
          }
          const probes = [
            ...keys,
            ...added.flatMap(({ lower, upper }) => [lower, keyAfter(lower), upper ?? "~"]),
          ];
          for (const key of probes) {
            const expected = added.some(
              ({ lower, upper }) => lower <= key && (upper === null || key < upper),
            );
            expect(reads.contains(1, key)).toBe(expected);
          }
        },
      ),
    );
  });

  it("keeps indexes apart", () => {
    const reads = new ReadSet();
    reads.add(1, pointInterval("a"));
    reads.add(2, { lower: "", upper: null });
    expect(reads.intervalCount).toBe(2);
    expect(reads.contains(1, "b")).toBe(false);
    expect(reads.contains(2, "b")).toBe(true);
    expect(reads.contains(3, "b")).toBe(false);
  });

  it("tells point intervals from others", () => {
    expect(isPointInterval(pointInterval("ab"))).toBe(true);
    expect(isPointInterval({ lower: "ab", upper: "ab\0\0" })).toBe(false);
    expect(isPointInterval({ lower: "ab", upper: "ab\x01" })).toBe(false);
    expect(isPointInterval({ lower: "ab", upper: "ac\0" })).toBe(false);
    expect(isPointInterval({ lower: "ab", upper: null })).toBe(false);
  });
});
