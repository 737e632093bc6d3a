import { beforeEach, expect, it } from "vitest";
import type { SearchEntry } from "./searchReader.ts";
import type { DocumentWrite, Store, StoredDocument } from "./store.ts";
import { byId, tablet, versionOf } from "./storeModel.ts";
import { isRemoved, PostingBuffer, decodeChunk, windowDocuments } from "./text/postings.ts";

const byText = 910;

/** Tags are the texts; there are no filters. */
function entryOf({ value }: StoredDocument): SearchEntry {
  const text = value["tag"] as string;
  return {
    text,
    creationTime: 1,
    filters: [],
    terms: () => {
      const tokens = text.split(" ");
      return { counts: new Map(tokens.map((token) => [token, 1])), tokens: tokens.length, lengthCode: 1 };
    },
  };
}

function idOf(n: number): string {
  return String.fromCharCode(n).padStart(16, "\x80");
}

function writeOf(store: Store, id: string, tag: string | null): DocumentWrite {
  const before = store.get(tablet, id);
  const after = tag === null ? null : versionOf(id, tag);
  const change = {
    index: byText,
    before: before === null ? null : entryOf(before),
    after: after === null ? null : entryOf(after),
  };
  return { tablet, id, idText: `id-${id}`, before, after, keys: [], search: [change] };
}

/** Ids of the documents that have a term. */
function having(store: Store, term: string): string[] {
  const reader = store.searchReader(byText);
  const buffer = new PostingBuffer();
  const ids: string[] = [];
  for (const chunk of reader.termPostings(term)) {
    decodeChunk(chunk, buffer);
    for (const offset of buffer.offsets.subarray(0, buffer.count)) {
      if (isRemoved(reader.removedIn(chunk.window), offset)) continue;
      ids.push(reader.idAt(chunk.window * windowDocuments + offset));
    }
  }
  expect(reader.documentsWith(term)).toBe(ids.length);
  return ids.toSorted();
}

/** What the contract of store.ts says of text search indexes. `reopen` null: the store cannot be opened again. */
export function searchTests(current: () => Store, reopen: (() => Store) | null): void {
  let ts = 0n;
  const set = (id: string, tag: string | null) =>
    current().applyCommit((ts += 1n), [writeOf(current(), id, tag)], null);
  beforeEach(() => {
    ts = 0n;
    current().createTablet(tablet, byId);
    current().createSearchIndex(byText, tablet);
  });

  it("are created and dropped idempotently, with their tablet too", () => {
    const store = current();
    store.createSearchIndex(byText, tablet);
    set(idOf(1), "a");
    store.persist();
    store.dropIndex(byText);
    store.dropIndex(byText);
    expect(() => store.searchReader(byText)).toThrow("is created before");
    store.createSearchIndex(byText, tablet);
    expect(store.searchReader(byText).documents).toBe(0);
    store.dropTablet(tablet);
    expect(() => store.searchReader(byText)).toThrow("is created before");
    expect(store.greatestPhysicalId()).toBe(byText);
  });

  it("show a commit at once, with all that was changed or deleted", () => {
    set(idOf(1), "a b");
    set(idOf(2), "b c");
    expect(having(current(), "b")).toEqual([idOf(1), idOf(2)]);
    set(idOf(1), "c");
    set(idOf(2), null);
    expect(having(current(), "b")).toEqual([]);
    expect(having(current(), "c")).toEqual([idOf(1)]);
    expect(current().searchReader(byText)).toMatchObject({ documents: 1, tokens: 1 });
  });

  it("let the commit that drops one still mention it, and refuse what never existed", () => {
    const store = current();
    const write = writeOf(store, idOf(1), "a");
    store.dropIndex(byText);
    store.applyCommit(1n, [write], null);
    expect(store.get(tablet, idOf(1))?.value["tag"]).toBe("a");
    const [change] = write.search ?? [];
    if (change === undefined) throw new Error("the write has a change");
    const unknown = { ...writeOf(store, idOf(2), "b"), search: [{ ...change, index: 911 }] };
    expect(() => store.applyCommit(2n, [unknown], null)).toThrow("indexes that exist");
  });

  it("are backfilled beside the writes that keep them up to date", () => {
    const store = current();
    store.dropIndex(byText);
    for (const n of [1, 2, 3, 4]) set(idOf(n), `a t${n}`);
    store.createSearchIndex(byText, tablet);
    const entries = () =>
      store
        .scan(byId, tablet, "", null, "asc", 9)
        .map(({ document }) => ({ id: document.id, entry: entryOf(document) }));
    set(idOf(5), "a");
    store.backfillSearchIndex(byText, entries().slice(0, 2));
    set(idOf(1), "b");
    set(idOf(4), null);
    set(idOf(3), "a a3");
    store.backfillSearchIndex(byText, entries().slice(2));
    store.backfillSearchIndex(byText, entries());
    expect(having(store, "a")).toEqual([idOf(2), idOf(3), idOf(5)]);
    expect(having(store, "b")).toEqual([idOf(1)]);
    expect(having(store, "t3")).toEqual([]);
  });

  if (reopen === null) return;
  it("are found again as they were persisted", () => {
    set(idOf(1), "a");
    set(idOf(2), "a");
    current().persist();
    set(idOf(1), "b");
    set(idOf(3), "a");
    const store = reopen();
    expect(having(store, "a")).toEqual([idOf(1), idOf(2)]);
    expect(having(store, "b")).toEqual([]);
    ts = store.appliedTs();
    set(idOf(2), "c");
    store.persist();
    expect(having(reopen(), "a")).toEqual([idOf(1)]);
    expect(having(current(), "c")).toEqual([idOf(2)]);
  });
}
