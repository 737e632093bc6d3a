import { describe, expect, it } from "vitest";
import type { LensletError } from "../base/errors.ts";
import { searchDocuments } from "../search/searchDocuments.ts";
import { searchQueryOf } from "../search/searchRead.ts";
import type { JsonValue } from "../values/json.ts";
import { type SearchPart, type Syscalls, searchQuery, TestDatabase } from "./testDatabase.ts";

const text = (value: string, fieldPath = "body"): SearchPart => ({ type: "Search", fieldPath, value });
const eq = (fieldPath: string, value: JsonValue): SearchPart => ({ type: "Eq", fieldPath, value });
const query = (words: string, ...filters: SearchPart[]) =>
  searchQuery("messages.by_body", [text(words), ...filters]);

/** Messages with an index over `body`, filtered by `channel` and `author.name`. */
function setUp(bodies: readonly string[] = []): TestDatabase {
  const db = new TestDatabase();
  db.addSearchIndex("messages", "by_body", "body", ["channel", "author.name"]);
  for (const body of bodies) db.insert("messages", { body });
  return db;
}

function bodies(syscalls: Syscalls, json: JsonValue): unknown[] {
  return syscalls.collect(json).map((document) => document["body"]);
}

function failureOf(body: () => unknown): LensletError {
  try {
    body();
  } catch (error) {
    return error as LensletError;
  }
  throw new Error("it was accepted");
}

describe("a search query", () => {
  it("gives the best match first, among equals the newest", () => {
    const db = setUp(["the cat sat on the mat", "dog", "cat", "a cat", "cat"]);
    const found = db.syscalls(db.begin()).collect(query("cat"));
    expect(found.map((document) => document["body"])).toEqual([
      "cat",
      "cat",
      "a cat",
      "the cat sat on the mat",
    ]);
    expect(found[0]?._creationTime).toBeGreaterThan(found[1]?._creationTime ?? Infinity);
  });

  it("takes any of the words, and the last one as a beginning", () => {
    const db = setUp(["red apple", "green pear", "applesauce", "app"]);
    const syscalls = db.syscalls(db.begin());
    expect(bodies(syscalls, query("pear red"))).toEqual(["green pear", "red apple"]);
    expect(bodies(syscalls, query("app"))).toEqual(["app", "applesauce", "red apple"]);
    expect(bodies(syscalls, query("app red"))).toEqual(["app", "red apple"]);
    expect(bodies(syscalls, query("RED!"))).toEqual(["red apple"]);
  });

  it("finds nothing for a text without tokens, and nothing wrong with it", () => {
    const db = setUp(["a", ""]);
    const tx = db.begin();
    for (const words of ["", " ", "?!", "x".repeat(32)]) {
      expect(bodies(db.syscalls(tx), query(words))).toEqual([]);
    }
    expect([...tx.reads.searches()].flatMap(({ terms }) => terms)).toEqual([]);
  });

  it("looks at the first sixteen words only", () => {
    const db = setUp(["first", "sixteenth", "seventeenth"]);
    const words = ["first", ...Array.from({ length: 14 }, (_, i) => `w${i}`), "sixteenth", "seventeenth"];
    expect(bodies(db.syscalls(db.begin()), query(words.join(" ")))).toEqual(["sixteenth", "first"]);
    expect(bodies(db.syscalls(db.begin()), query(words.slice(1).join(" ")))).toEqual([
      "seventeenth",
      "sixteenth",
    ]);
  });

  it("filters by equal values of any type, a missing field being undefined", () => {
    const db = new TestDatabase();
    db.addSearchIndex("messages", "by_body", "body", ["channel", "author.name"]);
    const contents = [
      { body: "m 1", channel: "a", author: { name: "ada" } },
      { body: "m 2", channel: "a" },
      { body: "m 3", channel: 1 },
      { body: "m 4", channel: 1n },
      { body: "m 5", channel: null, author: { name: "ada" } },
      { body: "m 6", author: { name: "ada" } },
    ];
    for (const content of contents) db.insert("messages", content);
    const ask = (...filters: SearchPart[]) =>
      bodies(db.syscalls(db.begin()), query("m", ...filters))
        .map(String)
        .toSorted();
    expect(ask(eq("channel", "a"))).toEqual(["m 1", "m 2"]);
    expect(ask(eq("channel", 1))).toEqual(["m 3"]);
    expect(ask(eq("channel", { $integer: "AQAAAAAAAAA=" }))).toEqual(["m 4"]);
    expect(ask(eq("channel", null))).toEqual(["m 5"]);
    expect(ask(eq("channel", { $undefined: null }))).toEqual(["m 6"]);
    expect(ask(eq("author.name", "ada"))).toEqual(["m 1", "m 5", "m 6"]);
    expect(ask(eq("author.name", "ada"), eq("channel", "a"))).toEqual(["m 1"]);
    expect(ask(eq("channel", "a"), eq("channel", "a"))).toEqual(["m 1", "m 2"]);
    expect(ask(eq("channel", "a"), eq("channel", 1))).toEqual([]);
    expect(ask(eq("channel", "b"))).toEqual([]);
  });

  it("goes through filters and limits of the pipeline afterwards", () => {
    const db = setUp(["x a", "x b", "x c"]);
    const isNot = (value: string): JsonValue => ({
      filter: { $neq: [{ $field: "body" }, { $literal: value }] },
    });
    const tx = db.begin();
    const json = searchQuery("messages.by_body", [text("x")], [isNot("x c"), { limit: 1 }]);
    expect(bodies(db.syscalls(tx), json)).toEqual(["x b"]);
    expect(tx.usage.documentsRead).toBe(2);
  });

  it.each<[string, SearchPart[], string, string]>([
    [
      "no search",
      [eq("channel", "a")],
      "MissingSearchFilterError",
      'Search query against messages.by_body does not contain any search filters. You must include a search filter like `q.search("body", searchText)`.',
    ],
    [
      "two searches",
      [text("a"), text("b")],
      "DuplicateSearchFiltersError",
      'Search query against messages.by_body contains multiple search filters against "body". Only one is allowed.',
    ],
    [
      "another search field",
      [text("a", "title")],
      "IncorrectSearchField",
      'Search query against messages.by_body contains a search filter against "title", which doesn\'t match the indexed `searchField` "body".',
    ],
    [
      "a field that is no filter field",
      [text("a"), eq("body", "a")],
      "IncorrectFilterFieldError",
      'Search query against messages.by_body contains an equality filter on "body" but that field isn\'t indexed for filtering in `filterFields`.',
    ],
    [
      "nine filters",
      [text("a"), ...Array.from({ length: 9 }, (_, i) => eq("channel", i))],
      "TooManyFilterConditionsInSearchQueryError",
      "Search query against messages.by_body has too many filter conditions. Max: 8 Actual: 9",
    ],
  ])("with %s is refused", (_what, filters, code, message) => {
    const db = setUp();
    const json = searchQuery("messages.by_body", filters);
    expect(failureOf(() => db.syscalls(db.begin()).stream(json))).toMatchObject({
      category: "BadRequest",
      code,
      message,
    });
  });

  it.each<[JsonValue, string]>([
    [{ type: "Search", indexName: "messages.by_body" }, "missing field `filters`"],
    [{ type: "Search", indexName: "messages.by_body", filters: [7] }, "a search filter must be an object"],
    [
      { type: "Search", indexName: "messages.by_body", filters: [{ type: "Gt", fieldPath: "a", value: 1 }] },
      'unknown search filter "Gt"',
    ],
    [
      { type: "Search", indexName: "messages.by_body", filters: [{ type: "Eq", fieldPath: "a" }] },
      "missing field `value`",
    ],
    [
      {
        type: "Search",
        indexName: "messages.by_body",
        filters: [{ type: "Search", fieldPath: "a", value: 1 }],
      },
      "field `value` must be a string",
    ],
  ])("that is malformed is refused: %j", (source, cause) => {
    const db = setUp();
    const { message } = failureOf(() => db.syscalls(db.begin()).stream({ source, operators: [] }));
    expect(message).toBe(`Invalid argument \`query\` for \`queryStream\`: ${cause}`);
  });
});

describe("what a search counts and records", () => {
  it("is each document handed out, and one read for each different search", () => {
    const db = setUp(["x", "x", "x", "y"]);
    const tx = db.begin();
    const syscalls = db.syscalls(tx);
    const stream = syscalls.stream(query("x"));
    expect(tx.usage.databaseQueries).toBe(0);
    syscalls.next(stream);
    expect(tx.usage).toMatchObject({ documentsRead: 1, databaseQueries: 1 });
    bodies(syscalls, query("x"));
    expect(tx.usage).toMatchObject({ documentsRead: 4, databaseQueries: 1 });
    bodies(syscalls, query("x", eq("channel", { $undefined: null })));
    bodies(syscalls, query("y"));
    expect(tx.usage).toMatchObject({ documentsRead: 8, databaseQueries: 3 });
    expect([...tx.reads.intervals().keys()]).toEqual([]);
  });

  it("is the terms with the last one as prefix, and the filter values", () => {
    const db = setUp(["x"]);
    const tx = db.begin();
    bodies(db.syscalls(tx), query("Big big dog", eq("author.name", "ada")));
    const [read] = tx.reads.searches();
    expect(read).toMatchObject({ terms: ["big", "dog"], prefix: "dog" });
    expect([...(read?.filters.keys() ?? [])]).toEqual([1]);
  });

  it("stops at the limits of the transaction", () => {
    const db = setUp(["x", "x", "x"]);
    const syscalls = db.syscalls(db.begin({ limits: { documentsRead: 2 } }));
    expect(failureOf(() => syscalls.collect(query("x"))).code).toBe("TooManyDocumentsRead");
    const none = db.syscalls(db.begin({ limits: { databaseQueries: 0 } }));
    expect(failureOf(() => none.collect(query("x"))).code).toBe("TooManyReads");
  });
});

describe("the first 1024 results", () => {
  const tooMany =
    "Search query scanned too many documents (fetched 1024). Consider using a smaller limit, paginating the query, or using a filter field to limit the number of documents pulled from the search index.";
  function many(count: number): TestDatabase {
    const db = setUp();
    db.run((tx) => {
      for (let i = 0; i < count; i++) tx.insert("", "messages", { body: "x", n: i });
    });
    return db;
  }
  const take = (limit: number) => searchQuery("messages.by_body", [text("x")], [{ limit }]);

  it("are all there is", () => {
    const db = many(1030);
    const syscalls = db.syscalls(db.begin());
    const found = syscalls.collect(take(1024));
    expect(found.map((document) => document["n"])).toEqual(Array.from({ length: 1024 }, (_, i) => 1029 - i));
    const error = failureOf(() => syscalls.collect(take(1025)));
    expect(error).toMatchObject({ code: "SearchQueryScannedTooManyDocumentsError", message: tooMany });
    expect(failureOf(() => syscalls.collect(query("x"))).message).toBe(tooMany);
  });

  it("may be asked for the next one only when there are fewer", () => {
    expect(many(1023).syscalls(many(1023).begin()).collect(query("x"))).toHaveLength(1023);
    const exact = many(1024);
    expect(failureOf(() => exact.syscalls(exact.begin()).collect(query("x"))).message).toBe(tooMany);
  });

  it("can be read in pages, and end the same way", () => {
    const db = many(1030);
    const seen: JsonValue[] = [];
    let cursor: string | null = null;
    const statuses: (string | null)[] = [];
    for (const pageSize of [800, 200, 24]) {
      const page = db.syscalls(db.begin()).page(query("x"), { cursor, pageSize });
      seen.push(...page.page.map((document) => document["n"] ?? null));
      cursor = page.continueCursor;
      statuses.push(page.pageStatus);
      expect(page).toMatchObject({ isDone: false, splitCursor: null });
    }
    expect(seen).toEqual(Array.from({ length: 1024 }, (_, i) => 1029 - i));
    expect(statuses).toEqual(["SplitRecommended", null, null]);
    const beyond = () => db.syscalls(db.begin()).page(query("x"), { cursor, pageSize: 1 });
    expect(failureOf(beyond).message).toBe(tooMany);
  });
});

describe("pages of a search", () => {
  it("go on where the last one ended, past new documents, until there are no more", () => {
    const db = setUp(["x one", "x", "x one two"]);
    const first = db.syscalls(db.begin()).page(query("x"), { cursor: null, pageSize: 2 });
    expect(first.page.map((document) => document["body"])).toEqual(["x", "x one"]);
    expect(first).toMatchObject({ isDone: false, pageStatus: null, splitCursor: null });
    const next = () =>
      db
        .syscalls(db.begin())
        .page(query("x"), { cursor: first.continueCursor, pageSize: 2, maximumRowsRead: 1 });
    expect(next().page.map((document) => document["body"])).toEqual(["x one two"]);
    expect(next()).toMatchObject({ isDone: true, pageStatus: null });
    const [, second] = first.page;
    db.syscalls(db.begin()).get(second?._id ?? "");
    expect(
      db.syscalls(db.begin()).page(query("x"), { cursor: next().continueCursor, pageSize: 2 }),
    ).toMatchObject({
      page: [],
      isDone: true,
    });
  });

  it("end where the journal says", () => {
    const db = setUp(["x", "x one", "x one two"]);
    const syscalls = db.syscalls(db.begin());
    syscalls.page(query("x"), { cursor: null, pageSize: 2 });
    const journal = syscalls.database.outgoingJournal();
    const again = db.syscalls(db.begin(), { journal }).page(query("x"), { cursor: null, pageSize: 1 });
    expect(again.page.map((document) => document["body"])).toEqual(["x", "x one"]);
    expect(again.isDone).toBe(false);
  });

  it("have cursors of their own query and index only", () => {
    const db = setUp(["x", "x", "y"]);
    const { continueCursor } = db.syscalls(db.begin()).page(query("x"), { cursor: null, pageSize: 1 });
    for (const other of [query("y"), query("x", eq("channel", "a"))]) {
      const page = () => db.syscalls(db.begin()).page(other, { cursor: continueCursor, pageSize: 1 });
      expect(failureOf(page).code).toBe("InvalidCursor");
    }
  });
});

describe("a search within a mutation", () => {
  it("sees what the mutation has written, deleted and rolled back", () => {
    const db = setUp(["kept", "changed", "gone"]);
    const tx = db.begin();
    const syscalls = db.syscalls(tx);
    const [changed] = syscalls.collect(query("changed"));
    const [gone] = syscalls.collect(query("gone"));
    syscalls.patch(changed?._id ?? "", { body: "other words" });
    syscalls.remove(gone?._id ?? "");
    const id = syscalls.insert("messages", { body: "new words" });
    expect(bodies(syscalls, query("changed"))).toEqual([]);
    expect(bodies(syscalls, query("gone"))).toEqual([]);
    expect(bodies(syscalls, query("words"))).toEqual(["new words", "other words"]);
    expect(bodies(syscalls, query("kept other"))).toEqual(["kept", "other words"]);
    const savepoint = tx.savepoint();
    syscalls.patch(id, { body: "newer" });
    syscalls.remove(changed?._id ?? "");
    expect(bodies(syscalls, query("words"))).toEqual([]);
    expect(bodies(syscalls, query("new"))).toEqual(["newer"]);
    tx.rollback(savepoint);
    expect(bodies(syscalls, query("words"))).toEqual(["new words", "other words"]);
    // Nobody else does until it is committed.
    expect(bodies(db.syscalls(db.begin()), query("words"))).toEqual([]);
    db.commit(tx);
    expect(bodies(db.syscalls(db.begin()), query("words"))).toEqual(["new words", "other words"]);
    expect(bodies(db.syscalls(db.begin()), query("changed gone"))).toEqual([]);
  });

  it("ranks as if the writes were in the index", () => {
    const db = setUp(["a b", "b c", "c"]);
    const tx = db.begin();
    const syscalls = db.syscalls(tx);
    for (const body of ["a", "a a c", "b b b c"]) syscalls.insert("messages", { body });
    const before = ["a", "b", "c", "a c", "b a"].map((words) => bodies(syscalls, query(words)));
    db.commit(tx);
    const after = ["a", "b", "c", "a c", "b a"].map((words) => bodies(db.syscalls(db.begin()), query(words)));
    expect(before).toEqual(after);
  });

  it("hands rows out as they were when fetched", () => {
    const db = setUp(["x 1", "x 2"]);
    const syscalls = db.syscalls(db.begin());
    const stream = syscalls.stream(query("x"));
    const first = syscalls.next(stream).value;
    for (const { _id } of syscalls.collect(query("x"))) syscalls.remove(_id);
    expect(first?.["body"]).toBe("x 2");
    expect(syscalls.next(stream).value?.["body"]).toBe("x 1");
    expect(syscalls.next(stream).done).toBe(true);
  });
});

describe("a search at an older snapshot", () => {
  it("sees what was there then", () => {
    const db = setUp(["old", "other"]);
    const then = db.ts;
    const id = db.syscalls(db.begin()).collect(query("old"))[0]?._id ?? "";
    db.insert("messages", { body: "old and new" });
    const tx = db.begin();
    db.syscalls(tx).patch(id, { body: "renewed" });
    db.commit(tx);
    const deletion = db.begin();
    db.syscalls(deletion).remove(id);
    db.commit(deletion);
    expect(bodies(db.syscalls(db.beginAt(then)), query("old"))).toEqual(["old"]);
    expect(bodies(db.syscalls(db.beginAt(then + 1n)), query("old"))).toEqual(["old", "old and new"]);
    expect(bodies(db.syscalls(db.beginAt(then + 2n)), query("renewed old"))).toEqual([
      "renewed",
      "old and new",
    ]);
    expect(bodies(db.syscalls(db.begin()), query("old renewed"))).toEqual(["old and new"]);
  });
});

describe("the index after commits", () => {
  it("equals one that is built anew", () => {
    const db = setUp();
    const ids: string[] = [];
    for (let i = 0; i < 60; i++) {
      const tx = db.begin();
      const syscalls = db.syscalls(tx);
      ids.push(syscalls.insert("messages", { body: `w${i % 7} w${i % 11} common`, channel: i % 3 }));
      const [changed, removed] = [ids[(i * 5) % ids.length] ?? "", ids[(i * 3) % ids.length] ?? ""];
      if (syscalls.get(changed) !== null) syscalls.patch(changed, { body: `changed w${i % 5}` });
      if (i % 4 === 0 && syscalls.get(removed) !== null) syscalls.remove(removed);
      db.commit(tx);
      if (i % 9 === 0) db.store.persist();
    }
    const table = db.table("messages");
    const [grown] = table.searchIndexes;
    const rebuilt = db.addSearchIndex("messages", "again", "body", ["channel", "author.name"]);
    for (const words of ["w1", "w1 w2 changed", "w", "common", "changed common"]) {
      const ask = (index: number) =>
        searchDocuments(db.store.searchReader(index), null, searchQueryOf(words.split(" "), new Map()), 1024);
      expect(ask(grown?.id ?? 0)).toEqual(ask(rebuilt.id));
      expect(ask(rebuilt.id).length).toBeGreaterThan(0);
    }
  });
});
