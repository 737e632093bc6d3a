import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DocumentWrite } from "../store/store.ts";
import { prefixEnd } from "../values/key.ts";
import { ReadSet, pointInterval } from "../transaction/readSet.ts";
import type { SearchEntry, SearchEntryChange } from "../store/searchReader.ts";
import type { SearchRead } from "../search/searchRead.ts";
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

function write(keys: DocumentWrite["keys"], search: readonly SearchEntryChange[] = []): DocumentWrite {
  return { tablet: 9, id: "x".repeat(16), idText: "x", before: null, after: null, keys, search };
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

const wordArbitrary = fc.constantFrom("a", "ab", "abc", "b", "bc", "日", "日本");
const filterValueArbitrary = fc.constantFrom("", "p", "pq", "q");
const searchArbitrary: fc.Arbitrary<SearchRead> = fc
  .record({
    index: indexArbitrary,
    words: fc.array(wordArbitrary, { minLength: 1, maxLength: 3 }),
    filters: fc.oneof(
      fc.constant([]),
      fc.tuple(fc.tuple(fc.constant(0), filterValueArbitrary)),
      fc.tuple(fc.tuple(fc.constant(1), filterValueArbitrary)),
      fc.tuple(
        fc.tuple(fc.constant(1), filterValueArbitrary),
        fc.tuple(fc.constant(0), filterValueArbitrary),
      ),
    ),
  })
  .map(({ index, words, filters }) => ({
    index,
    terms: [...new Set(words)],
    prefix: words.at(-1) ?? null,
    filters: new Map<number, string>(filters),
  }));
const entryArbitrary: fc.Arbitrary<SearchEntry> = fc
  .record({
    words: fc.array(wordArbitrary, { maxLength: 3 }),
    filters: fc.tuple(filterValueArbitrary, filterValueArbitrary),
  })
  .map(({ words, filters }) => entryOf(words, filters));

function entryOf(words: readonly string[], filters: readonly string[]): SearchEntry {
  const counts = new Map(words.map((word) => [word, 1]));
  return {
    text: words.join(" "),
    creationTime: 1,
    filters,
    terms: () => ({ counts, tokens: words.length, lengthCode: 1 }),
  };
}

function isFound(read: SearchRead, entry: SearchEntry | null): boolean {
  if (entry === null || [...read.filters].some(([position, key]) => entry.filters[position] !== key))
    return false;
  return [...entry.terms().counts.keys()].some(
    (term) => read.terms.includes(term) || (read.prefix !== null && term.startsWith(read.prefix)),
  );
}

function searching(...searches: readonly SearchRead[]): ReadSet {
  const reads = new ReadSet();
  for (const search of searches) reads.addSearch(search);
  return reads;
}

describe("SubscriptionIndex of searches", () => {
  it("finds exactly those that could find a document, as it was or as it is", () => {
    type SearchStep =
      | { readonly kind: "add"; readonly token: number; readonly searches: readonly SearchRead[] }
      | { readonly kind: "remove"; readonly token: number }
      | { readonly kind: "commit"; readonly changes: readonly SearchEntryChange[] };
    const changes = fc.array(
      fc.record({
        index: indexArbitrary,
        before: fc.option(entryArbitrary),
        after: fc.option(entryArbitrary),
      }),
      { minLength: 1, maxLength: 3 },
    );
    const step: fc.Arbitrary<SearchStep> = fc.oneof(
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("add" as const),
          token: fc.nat({ max: 20 }),
          searches: fc.array(searchArbitrary, { maxLength: 3 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("remove" as const), token: fc.nat({ max: 20 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("commit" as const), changes }) },
    );
    let hits = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 80, size: "max" }), (steps) => {
        const index = new SubscriptionIndex<number>();
        const model = new Map<number, readonly SearchRead[]>();
        for (const current of steps) {
          if (current.kind === "remove") {
            model.delete(current.token);
            index.remove(current.token);
          } else if (current.kind === "add") {
            if (model.has(current.token)) continue;
            model.set(current.token, current.searches);
            index.add(current.token, searching(...current.searches));
          } else {
            const expected = [...model].filter(([, searches]) =>
              searches.some((read) =>
                current.changes.some(
                  ({ index: id, before, after }) =>
                    id === read.index && (isFound(read, before) || isFound(read, after)),
                ),
              ),
            );
            hits += expected.length;
            const found = index.affected([write([], current.changes)]);
            expect([...found].sort(ascending)).toEqual(expected.map(([token]) => token).sort(ascending));
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(hits).toBeGreaterThan(1000);
  });

  it("forgets everything about the searches of a token, also where they share terms", () => {
    const index = new SubscriptionIndex<number>();
    const filters = new Map([[0, "p"]]);
    const reads = [
      { index: 1, terms: ["a", "b"], prefix: "b", filters },
      { index: 1, terms: ["b"], prefix: "b", filters },
      { index: 1, terms: ["b", "a"], prefix: "a", filters },
    ];
    index.add(1, searching(...reads));
    index.add(2, searching(reads[1] as SearchRead));
    const hit = () => [
      ...index.affected([write([], [{ index: 1, before: null, after: entryOf(["bc"], ["p", ""]) }])]),
    ];
    expect(hit()).toEqual([1, 2]);
    index.remove(1);
    expect(hit()).toEqual([2]);
    index.remove(2);
    expect(hit()).toEqual([]);
  });

  it("does not look at the terms of a document that no filter lets through", () => {
    const index = new SubscriptionIndex<number>();
    for (let token = 0; token < 1000; token++) {
      const filters = new Map([[0, `chat${token}`]]);
      index.add(token, searching({ index: 1, terms: ["the"], prefix: "the", filters }));
    }
    let looks = 0;
    const entry = (chat: string): SearchEntry => ({
      ...entryOf([], [chat, ""]),
      terms: () => {
        looks += 1;
        return { counts: new Map([["the", 1]]), tokens: 1, lengthCode: 1 };
      },
    });
    const affected = (chat: string) => [
      ...index.affected([write([], [{ index: 1, before: null, after: entry(chat) }])]),
    ];
    expect(affected("elsewhere")).toEqual([]);
    expect(looks).toBe(0);
    expect(affected("chat7")).toEqual([7]);
    expect(looks).toBe(1);
  });
});
