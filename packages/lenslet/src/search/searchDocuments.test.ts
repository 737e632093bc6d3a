import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SearchIndex } from "../store/catalog.ts";
import { makeDocument } from "../store/document.ts";
import { openSqliteStore } from "../store/sqliteStore.ts";
import type { DocumentWrite, Store, StoredDocument } from "../store/store.ts";
import { stringifyValue } from "../values/json.ts";
import type { Value } from "../values/value.ts";
import { filterKeyOf, searchEntryOf } from "./entry.ts";
import { keyOfHit } from "./hitKey.ts";
import { SearchOverlay } from "./overlay.ts";
import { searchDocuments } from "./searchDocuments.ts";
import { type SearchQuery, searchQueryOf } from "./searchRead.ts";

const tablet = 1000;
const index: SearchIndex = {
  id: 1010,
  name: "by_text",
  tablet,
  searchField: ["text"],
  filterFields: [["a"], ["b", "c"]],
  state: "enabled",
  staged: false,
};

interface Content {
  readonly text: string | number | undefined;
  readonly a: Value | undefined;
  readonly c: Value | undefined;
  readonly creationTime: number;
}

/** What the index should hold, kept and ranked in the plainest way there is. */
type Corpus = ReadonlyMap<string, Content>;

function documentOf(id: string, { text, a, c, creationTime }: Content): StoredDocument {
  const fields = {
    _creationTime: creationTime,
    _id: id,
    ...(a === undefined ? {} : { a }),
    ...(c === undefined ? {} : { b: { c } }),
    ...(text === undefined ? {} : { text }),
  };
  return makeDocument(id, id, stringifyValue(fields), fields);
}

function wordsOf(content: Content): string[] {
  return typeof content.text === "string" ? content.text.split(" ").filter((word) => word !== "") : [];
}

/** Length as ranking sees it: exact below 40, then rounded down to 24 + eight steps for each doubling. */
function roundedLength(tokens: number): number {
  if (tokens < 40) return tokens;
  const step = 2 ** Math.floor(Math.log2((tokens - 24) / 8));
  return 24 + Math.floor((tokens - 24) / step) * step;
}

/** BM25 by hand, over all documents with a text. Returns ids, best first. */
function rankByHand(
  corpus: Corpus,
  words: readonly string[],
  wanted: Partial<Content>,
  limit: number,
): string[] {
  const indexed = [...corpus].filter(([, content]) => typeof content.text === "string");
  const tokens = indexed.map(([, content]) => wordsOf(content).length).reduce((sum, n) => sum + n, 0);
  const average = tokens / indexed.length;
  const documentsWith = new Map<string, number>();
  for (const [, content] of indexed) {
    for (const word of new Set(wordsOf(content))) documentsWith.set(word, (documentsWith.get(word) ?? 0) + 1);
  }
  const used = words.slice(0, 16);
  const weights = new Map<string, number>();
  const prefix = used.at(-1);
  if (prefix !== undefined) {
    const begun = [...documentsWith.keys()].filter((word) => word.startsWith(prefix)).sort();
    for (const word of begun.slice(0, 16)) weights.set(word, 0.5);
  }
  for (const word of used) if (documentsWith.has(word)) weights.set(word, 1);
  const scored: { id: string; score: number; creationTime: number }[] = [];
  for (const [id, content] of indexed) {
    if ("a" in wanted && filterKeyOf(wanted.a) !== filterKeyOf(content.a)) continue;
    if ("c" in wanted && filterKeyOf(wanted.c) !== filterKeyOf(content.c)) continue;
    const own = wordsOf(content);
    let score = 0;
    for (const [word, weight] of weights) {
      const f = own.filter((other) => other === word).length;
      if (f === 0) continue;
      const n = documentsWith.get(word) ?? 0;
      const rarity = Math.log(1 + (indexed.length - n + 0.5) / (n + 0.5));
      const length = 1 - 0.75 + (0.75 * roundedLength(own.length)) / average;
      // Rounded as the server rounds, or sums in another order would break ties of equal documents.
      score += Math.max(1, Math.round((weight * rarity * 2.2 * f * 2 ** 40) / (f + 1.2 * length)));
    }
    if (score > 0) scored.push({ id, score, creationTime: content.creationTime });
  }
  scored.sort((x, y) => y.score - x.score || y.creationTime - x.creationTime || (x.id > y.id ? -1 : 1));
  return scored.slice(0, limit).map(({ id }) => id);
}

function writeOf(id: string, before: Content | undefined, after: Content | undefined): DocumentWrite {
  const was = before === undefined ? null : documentOf(id, before);
  const is = after === undefined ? null : documentOf(id, after);
  const search = [
    {
      index: index.id,
      before: was === null ? null : searchEntryOf(index, was),
      after: is === null ? null : searchEntryOf(index, is),
    },
  ];
  return { tablet, id, idText: id, before: was, after: is, keys: [], search };
}

function openStore(): Store {
  const store = openSqliteStore(":memory:");
  store.createTablet(tablet, 1001);
  store.createSearchIndex(index.id, tablet);
  return store;
}

const vocabulary = ["a", "ab", "abc", "abd", "b", "ba", "bac", "c", "ca", "é", "éa", "日本", "日本語"];
for (let i = 0; i < 30; i++) vocabulary.push(`x${i}`);

const wordArbitrary = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...vocabulary.slice(0, 4)) },
  { weight: 2, arbitrary: fc.constantFrom(...vocabulary) },
);
const textArbitrary = fc.array(wordArbitrary, { maxLength: 60, size: "max" }).map((words) => words.join(" "));
const filterArbitrary = fc.constantFrom<Value | undefined>(undefined, null, "p", "q", 1, "long ".repeat(20));
const contentArbitrary: fc.Arbitrary<Content> = fc.record({
  text: fc.oneof(
    { weight: 8, arbitrary: textArbitrary },
    { weight: 1, arbitrary: fc.constantFrom(undefined, 7, "") },
  ),
  a: filterArbitrary,
  c: filterArbitrary,
  creationTime: fc.integer({ min: 1, max: 6 }),
});
const idArbitrary = fc.nat({ max: 40 }).map((n) => String(n).padStart(16, "\xf0"));

type Step =
  | { readonly kind: "write"; readonly writes: readonly (readonly [string, Content | null])[] }
  | { readonly kind: "persist" };
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      writes: fc.uniqueArray(fc.tuple(idArbitrary, fc.option(contentArbitrary, { freq: 5 })), {
        selector: ([id]) => id,
        minLength: 1,
        maxLength: 12,
        size: "max",
      }),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "persist" }) },
);

interface Question {
  readonly words: readonly string[];
  readonly wanted: Partial<Content>;
  readonly limit: number;
}
const questionArbitrary: fc.Arbitrary<Question> = fc.record({
  words: fc.array(fc.oneof(wordArbitrary, fc.constant("zz")), { minLength: 1, maxLength: 20, size: "max" }),
  wanted: fc.oneof(
    fc.constant({}),
    fc.record({ a: filterArbitrary }),
    fc.record({ a: filterArbitrary, c: filterArbitrary }),
  ),
  limit: fc.constantFrom(1, 3, 16, 1024),
});

function queryOf({ words, wanted }: Question): SearchQuery {
  const filters = new Map<number, string>();
  if ("a" in wanted) filters.set(0, filterKeyOf(wanted.a));
  if ("c" in wanted) filters.set(1, filterKeyOf(wanted.c));
  return searchQueryOf(words, filters);
}

function applyTo(store: Store, corpus: Map<string, Content>, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.kind === "persist") {
      store.persist();
      continue;
    }
    const writes = step.writes
      .map(([id, content]) => writeOf(id, corpus.get(id), content ?? undefined))
      .filter(({ before, after }) => before !== null || after !== null);
    store.applyCommit(store.appliedTs() + 1n, writes, null);
    for (const [id, content] of step.writes) {
      if (content === null) corpus.delete(id);
      else corpus.set(id, content);
    }
  }
}

describe("searchDocuments", () => {
  it("finds and orders what BM25 by hand does", () => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { minLength: 1, maxLength: 40, size: "max" }),
        fc.array(questionArbitrary, { minLength: 1, maxLength: 8, size: "max" }),
        (steps, questions) => {
          const store = openStore();
          const corpus = new Map<string, Content>();
          applyTo(store, corpus, steps);
          for (const question of questions) {
            const found = searchDocuments(
              store.searchReader(index.id),
              null,
              queryOf(question),
              question.limit,
            );
            const expected = rankByHand(corpus, question.words, question.wanted, question.limit);
            expect(found.map(({ id }) => id)).toEqual(expected);
          }
          store.close();
        },
      ),
      { numRuns: 80 },
    );
  });

  it("finds with an overlay what it would find if the index had the overlay's changes", () => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { maxLength: 20, size: "max" }),
        fc.array(stepArbitrary, { minLength: 1, maxLength: 10, size: "max" }),
        fc.array(questionArbitrary, { minLength: 1, maxLength: 6, size: "max" }),
        (steps, later, questions) => {
          const store = openStore();
          const corpus = new Map<string, Content>();
          applyTo(store, corpus, steps);
          const overlay = new SearchOverlay();
          for (const [i, step] of later.entries()) {
            if (step.kind === "persist") continue;
            for (const [id, content] of step.writes) {
              const { after, search } = writeOf(id, corpus.get(id), content ?? undefined);
              const [change] = search ?? [];
              overlay.change(id, change?.before ?? null, after, change?.after ?? null);
              if (content === null) corpus.delete(id);
              else corpus.set(id, content);
            }
            const question = questions[i % questions.length] as Question;
            const query = queryOf(question);
            const found = searchDocuments(store.searchReader(index.id), overlay, query, question.limit);
            const expected = rankByHand(corpus, question.words, question.wanted, question.limit);
            expect(found.map(({ id }) => id)).toEqual(expected);
          }
          store.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it("skips nothing that belongs to the best, over several windows of documents", () => {
    const store = openStore();
    const corpus = new Map<string, Content>();
    let seed = 42;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const documents = 10_000;
    for (let batch = 0; batch < documents / 500; batch++) {
      const writes: DocumentWrite[] = [];
      for (let i = 0; i < 500; i++) {
        const id = String(batch * 500 + i).padStart(16, "0");
        const words = Array.from({ length: 1 + random(12) }, () => {
          const rank = random(30) * random(30);
          return rank < 40 ? "the" : `w${rank}`;
        });
        const content = {
          text: words.join(" "),
          a: random(3),
          c: random(400),
          creationTime: random(documents),
        };
        corpus.set(id, content);
        writes.push(writeOf(id, undefined, content));
      }
      store.applyCommit(store.appliedTs() + 1n, writes, null);
    }
    const questions: Question[] = [
      { words: ["the"], wanted: {}, limit: 16 },
      { words: ["the", "w42"], wanted: {}, limit: 16 },
      { words: ["w42", "the", "w60"], wanted: { a: 1 }, limit: 16 },
      { words: ["the", "w812"], wanted: { c: 7 }, limit: 16 },
      { words: ["the", "w5"], wanted: { a: 2, c: 3 }, limit: 5 },
      { words: ["w"], wanted: {}, limit: 1024 },
      { words: ["the"], wanted: {}, limit: 1024 },
    ];
    for (const question of questions) {
      const found = searchDocuments(store.searchReader(index.id), null, queryOf(question), question.limit);
      expect(found.map(({ id }) => id)).toEqual(
        rankByHand(corpus, question.words, question.wanted, question.limit),
      );
    }
    store.close();
  });

  it("decides between equal documents of several windows by creation time and id alone", () => {
    const documents = 9000;
    // Permutations, so that neither ordinals nor windows are in the order of what decides.
    const numberOf = (i: number) => (i * 7919) % documents;
    const idOf = (n: number) => String(n).padStart(16, "0");
    for (const createdAt of [() => 5, (i: number) => (i * 4231) % documents]) {
      const store = openStore();
      const all = Array.from({ length: documents }, (_, i) => ({ id: idOf(numberOf(i)), at: createdAt(i) }));
      for (let from = 0; from < documents; from += 1000) {
        const writes = all
          .slice(from, from + 1000)
          .map(({ id, at }) => writeOf(id, undefined, { text: "rare the", a: 1, c: 1, creationTime: at }));
        store.applyCommit(store.appliedTs() + 1n, writes, null);
      }
      const best = all.toSorted((x, y) => y.at - x.at || (x.id > y.id ? -1 : 1)).slice(0, 5);
      for (const words of [["the"], ["rare", "the"], ["the", "r"]]) {
        const query = searchQueryOf(words, new Map());
        const hits = searchDocuments(store.searchReader(index.id), null, query, 5);
        expect(hits.map(({ id }) => id)).toEqual(best.map(({ id }) => id));
      }
      store.close();
    }
  });

  it("counts an exact match twice a match by prefix, and a term once", () => {
    const store = openStore();
    const texts = ["cat", "catalog", "dog", "dog"];
    const writes = texts.map((text, i) =>
      writeOf(String(i).padStart(16, "0"), undefined, { text, a: 1, c: 1, creationTime: i }),
    );
    store.applyCommit(1n, writes, null);
    const ask = (...words: string[]) =>
      searchDocuments(store.searchReader(index.id), null, searchQueryOf(words, new Map()), 9);
    const [exact, prefixed] = ask("cat");
    expect(exact?.score).toBeCloseTo(2 * (prefixed?.score ?? 0), -1);
    expect(ask("cat", "cat", "catalog").map(({ score }) => score)).toEqual([exact?.score, exact?.score]);
    expect(ask()).toEqual([]);
  });

  it("gives keys that ascend in the order of the hits", () => {
    const hits = fc.record({
      score: fc.nat(),
      creationTime: fc.double({ min: 0, max: 1e14, noNaN: true }),
      id: fc.constantFrom("\0".repeat(16), "a".repeat(16), "\xff".repeat(16)),
    });
    fc.assert(
      fc.property(hits, hits, (a, b) => {
        const order =
          b.score - a.score || b.creationTime - a.creationTime || (a.id > b.id ? -1 : a.id < b.id ? 1 : 0);
        const keys = [keyOfHit(a), keyOfHit(b)] as const;
        expect(keys[0] < keys[1] ? -1 : keys[0] > keys[1] ? 1 : 0).toBe(Math.sign(order));
      }),
    );
  });
});
