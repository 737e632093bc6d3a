import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SearchEntry, SearchReader } from "../searchReader.ts";
import { SqliteDatabase } from "../sqliteDatabase.ts";
import { WriteBuffer } from "../writeBuffer.ts";
import { isRemoved, PostingBuffer, decodeChunk, windowDocuments } from "./postings.ts";
import { mergeable } from "./runs.ts";
import { SearchTable } from "./searchTable.ts";

const index = 7;

/** Words are terms; the first letter of the text is the only filter. */
function entryOf(text: string, creationTime = 1): SearchEntry {
  return {
    text,
    creationTime,
    filters: [text.slice(0, 1)],
    terms: () => {
      const tokens = text.split(" ").filter((word) => word !== "");
      const counts = new Map<string, number>();
      for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
      return { counts, tokens: tokens.length, lengthCode: Math.min(255, tokens.length) };
    },
  };
}

class Fixture {
  readonly path: string;
  database: SqliteDatabase;
  buffer = new WriteBuffer();
  table: SearchTable;
  readonly texts = new Map<string, string>();

  constructor(path = ":memory:") {
    this.path = path;
    this.database = new SqliteDatabase(path, 0);
    SearchTable.createList(this.database);
    const state = SearchTable.create(this.database, index, 1);
    this.table = new SearchTable(this.database, this.buffer, index, 1, state);
  }

  set(id: string, text: string | null): void {
    const before = this.texts.get(id);
    this.table.change(
      id,
      before === undefined ? null : entryOf(before),
      text === null ? null : entryOf(text),
    );
    if (text === null) this.texts.delete(id);
    else this.texts.set(id, text);
  }

  persist(): void {
    this.buffer.flush();
    this.database.commit();
  }

  reopen(): void {
    this.database.close();
    this.database = new SqliteDatabase(this.path, 0);
    this.buffer = new WriteBuffer();
    const row = this.database.prepare("SELECT state FROM search_indexes").get() as unknown as [string];
    this.table = new SearchTable(this.database, this.buffer, index, 1, row[0]);
  }

  pages(): number {
    return (this.database.prepare("SELECT count(*) FROM search_7_pages").get() as unknown as [number])[0];
  }
}

function idOf(n: number): string {
  return String(n).padStart(16, "\xee");
}

/** Document → frequency, of everything that is not removed. */
function readPostings(
  reader: SearchReader,
  chunks: ReturnType<SearchReader["termPostings"]>,
): Map<string, number> {
  const found = new Map<string, number>();
  const buffer = new PostingBuffer();
  let previous = Infinity;
  for (const chunk of chunks) {
    expect(chunk.window).toBeLessThanOrEqual(previous);
    previous = chunk.window;
    decodeChunk(chunk, buffer);
    for (let i = 0; i < buffer.count; i++) {
      const offset = buffer.offsets[i] ?? 0;
      if (isRemoved(reader.removedIn(chunk.window), offset)) continue;
      const id = reader.idAt(chunk.window * windowDocuments + offset);
      expect(found.has(id)).toBe(false);
      found.set(id, buffer.frequencies[i] ?? 0);
    }
  }
  return found;
}

/** The reader tells exactly what the texts are. */
function checkAgainstTexts({ table, texts }: Fixture, vocabulary: readonly string[]): void {
  const reader = table.reader();
  const entries = [...texts].map(([id, text]) => ({
    id,
    filter: text.slice(0, 1),
    ...entryOf(text).terms(),
  }));
  expect(reader.documents).toBe(entries.length);
  expect(reader.tokens).toBe(entries.reduce((sum, { tokens }) => sum + tokens, 0));
  for (const word of vocabulary) {
    const having = entries.filter(({ counts }) => counts.has(word));
    expect(reader.documentsWith(word)).toBe(having.length);
    const expected = new Map(having.map(({ id, counts }) => [id, counts.get(word)]));
    expect(readPostings(reader, reader.termPostings(word))).toEqual(expected);
    const begun = vocabulary.filter(
      (other) => other.startsWith(word) && entries.some(({ counts }) => counts.has(other)),
    );
    expect([...reader.termsFrom(word)].map(({ term }) => term)).toEqual(begun.toSorted());
    const filtered = entries.filter(({ filter }) => filter === word);
    expect(new Set(readPostings(reader, reader.filterPostings(0, word)).keys())).toEqual(
      new Set(filtered.map(({ id }) => id)),
    );
  }
  for (const { id } of entries) expect(reader.idAt(reader.ordinalOf(id) ?? -1)).toBe(id);
}

const vocabulary = ["a", "ab", "abc", "b", "ba", "c", "d"];
const textArbitrary = fc
  .array(fc.constantFrom(...vocabulary), { maxLength: 8, size: "max" })
  .map((words) => words.join(" "));
type Step = readonly [number, string | null] | "persist" | "reopen";
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.nat({ max: 12 }), fc.option<string>(textArbitrary, { freq: 4 })) },
  { weight: 2, arbitrary: fc.constant<Step>("persist") },
  { weight: 1, arbitrary: fc.constant<Step>("reopen") },
);

describe("SearchTable", () => {
  it("holds exactly what was written, whatever is flushed, merged and reopened in between", () => {
    const folder = mkdtempSync(join(tmpdir(), "lenslet-search-"));
    let file = 0;
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 60, size: "max" }), (steps) => {
        const fixture = new Fixture(join(folder, `${(file += 1)}.db`));
        for (const step of steps) {
          if (step === "persist") fixture.persist();
          else if (step === "reopen") {
            fixture.persist();
            fixture.reopen();
          } else fixture.set(idOf(step[0]), step[1]);
        }
        checkAgainstTexts(fixture, vocabulary);
        fixture.database.close();
      }),
      { numRuns: 20 },
    );
    rmSync(folder, { recursive: true });
  });

  it("keeps the number of runs small and gives back the room of removed documents", () => {
    const fixture = new Fixture();
    for (let round = 0; round < 300; round++) {
      for (let n = 0; n < 20; n++) fixture.set(idOf(n), `word${round} common ${vocabulary[n % 7] ?? ""}`);
      fixture.persist();
    }
    const terms = ["common", "word299", "word0", ...vocabulary.slice(0, 7)];
    checkAgainstTexts(fixture, terms);
    // 6000 versions have been written, of which 20 remain.
    expect(fixture.pages()).toBeLessThan(60);
    for (let n = 0; n < 20; n++) fixture.set(idOf(n), null);
    fixture.persist();
    checkAgainstTexts(fixture, terms);
  });

  it("forgets what was not persisted", () => {
    const folder = mkdtempSync(join(tmpdir(), "lenslet-search-"));
    const fixture = new Fixture(join(folder, "store.db"));
    fixture.set(idOf(1), "a");
    fixture.persist();
    fixture.set(idOf(1), "b");
    fixture.set(idOf(2), "a");
    fixture.reopen();
    fixture.texts.clear();
    fixture.texts.set(idOf(1), "a");
    checkAgainstTexts(fixture, vocabulary);
    fixture.database.close();
    rmSync(folder, { recursive: true });
  });

  it("leaves an unchanged text alone, and adds documents by backfill once", () => {
    const fixture = new Fixture();
    fixture.set(idOf(1), "a b");
    const before = fixture.table.reader().ordinalOf(idOf(1));
    fixture.set(idOf(1), "a b");
    expect(fixture.table.reader().ordinalOf(idOf(1))).toBe(before);
    // Written before the backfill has come to it: the index does not have it, so there is nothing to take away.
    fixture.table.change(idOf(2), entryOf("c"), null);
    fixture.table.backfill([
      { id: idOf(1), entry: entryOf("a b") },
      { id: idOf(3), entry: entryOf("c d") },
    ]);
    fixture.texts.set(idOf(3), "c d");
    checkAgainstTexts(fixture, vocabulary);
  });
});

describe("mergeable", () => {
  const runs = (...levels: number[]) => levels.map((level, i) => ({ run: i + 1, level }));
  const picked = (...levels: number[]) => mergeable(runs(...levels))?.map(({ run }) => run) ?? null;

  it("takes four runs of the lowest level there are so many of", () => {
    expect(picked(3, 3, 3, 2, 2, 1)).toBeNull();
    expect(picked(3, 2, 2, 2, 2, 0, 0)).toEqual([2, 3, 4, 5]);
    expect(picked(3, 3, 3, 3, 1, 1, 1, 1, 1)).toEqual([5, 6, 7, 8]);
  });

  it("takes smaller ones between them along, but no greater ones", () => {
    expect(picked(2, 0, 2, 2, 1, 2)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(picked(2, 2, 4, 2, 2)).toBeNull();
  });
});
