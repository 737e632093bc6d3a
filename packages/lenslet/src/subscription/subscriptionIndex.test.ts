import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DocumentWrite } from "../store/store.ts";
import { prefixEnd } from "../values/key.ts";
import { ReadSet, pointInterval } from "../transaction/readSet.ts";
import { SubscriptionIndex } from "./subscriptionIndex.ts";

const keyArbitrary = fc
  .array(fc.constantFrom("\0", "a", "b", "\xff"), { maxLength: 3 })
  .map((bytes) => bytes.join(""));
const indexArbitrary = fc.constantFrom(1, 2);
const intervalArbitrary = fc.oneof(
  fc.record({ lower: keyArbitrary, upper: fc.option(keyArbitrary, { freq: 4 }) }),
  keyArbitrary.map(pointInterval),
  keyArbitrary.map((key) => ({ lower: key, upper: prefixEnd(key) })),
);
const readsArbitrary = fc.array(fc.tuple(indexArbitrary, intervalArbitrary), { maxLength: 4 });

function readSetOf(
  intervals: readonly (readonly [number, { lower: string; upper: string | null }])[],
): ReadSet {
  const reads = new ReadSet();
  for (const [index, interval] of intervals) reads.add(index, interval);
  return reads;
}

function write(keys: DocumentWrite["keys"]): DocumentWrite {
  return { tablet: 9, id: "x".repeat(16), idText: "x", before: null, after: null, keys };
}

function ascending(a: number, b: number): number {
  return a - b;
}

type Step =
  | {
      readonly kind: "add";
      readonly token: number;
      readonly reads: [number, { lower: string; upper: string | null }][];
    }
  | { readonly kind: "remove"; readonly token: number }
  | { readonly kind: "commit"; readonly keys: DocumentWrite["keys"] };

const keysArbitrary = fc.array(
  fc.record({ index: indexArbitrary, before: fc.option(keyArbitrary), after: fc.option(keyArbitrary) }),
  { maxLength: 3 },
);
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), token: fc.nat({ max: 30 }), reads: readsArbitrary }),
  fc.record({ kind: fc.constant("remove" as const), token: fc.nat({ max: 30 }) }),
  fc.record({ kind: fc.constant("commit" as const), keys: keysArbitrary }),
);

describe("SubscriptionIndex", () => {
  it("finds exactly the subscriptions that a naive list finds", () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 80, size: "max" }), (steps) => {
        const index = new SubscriptionIndex<number>();
        const model = new Map<number, ReadSet>();
        for (const step of steps) {
          if (step.kind === "add") {
            if (model.has(step.token)) continue;
            const reads = readSetOf(step.reads);
            model.set(step.token, reads);
            index.add(step.token, reads);
          } else if (step.kind === "remove") {
            model.delete(step.token);
            index.remove(step.token);
          } else {
            const touched = [...model].filter(([, reads]) =>
              step.keys.some(({ index: id, before, after }) =>
                [before, after].some((key) => key !== null && reads.contains(id, key)),
              ),
            );
            const expected = touched.map(([token]) => token).sort(ascending);
            expect([...index.affected([write(step.keys)])].sort(ascending)).toEqual(expected);
          }
          expect(index.size).toBe(model.size);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("takes prefixes of any number of lengths", () => {
    const index = new SubscriptionIndex<number>();
    for (let length = 1; length <= 20; length++) {
      const prefix = "a".repeat(length);
      const reads = new ReadSet();
      reads.add(1, { lower: prefix, upper: prefixEnd(prefix) });
      index.add(length, reads);
    }
    const hit = () => index.affected([write([{ index: 1, before: "a".repeat(14), after: "b" }])]).size;
    expect(hit()).toBe(14);
    for (let length = 1; length <= 12; length++) index.remove(length);
    expect(hit()).toBe(2);
  });

  it("stays correct as thousands of ranges come and go", () => {
    const index = new SubscriptionIndex<number>();
    const key = (n: number) => String(n).padStart(6, "0");
    for (let i = 0; i < 4000; i++) {
      const reads = new ReadSet();
      reads.add(1, { lower: key(i), upper: key(i + 3) });
      index.add(i, reads);
    }
    for (let i = 0; i < 4000; i += 2) index.remove(i);
    const hit = index.affected([write([{ index: 1, before: null, after: key(2001) }])]);
    expect([...hit].sort(ascending)).toEqual([1999, 2001]);
    for (let i = 1; i < 4000; i += 2) index.remove(i);
    expect(index.size).toBe(0);
    expect(index.affected([write([{ index: 1, before: key(5), after: key(6) }])]).size).toBe(0);
  });

  it("refuses a token twice and ignores unknown ones", () => {
    const index = new SubscriptionIndex<string>();
    index.add("a", new ReadSet());
    expect(() => index.add("a", new ReadSet())).toThrow("at most once");
    index.remove("b");
    expect(index.size).toBe(1);
  });
});
