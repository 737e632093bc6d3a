import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonValue } from "../values/json.ts";
import { type JsonDocument, type PageJson, TestDatabase, fullScan, indexRange } from "./testDatabase.ts";

function withNumbers(count: number): TestDatabase {
  const db = new TestDatabase();
  db.addIndex("t", "by_n", ["n"]);
  db.run((tx) => {
    for (let n = 0; n < count; n++) tx.insert("", "t", { n, parity: n % 2 });
  });
  return db;
}

const byN = indexRange("t.by_n", []);

function numbers(documents: readonly JsonDocument[]): JsonValue[] {
  return documents.map((document) => document["n"] as JsonValue);
}

function page(db: TestDatabase, args: { [name: string]: JsonValue }, query: JsonValue = byN): PageJson {
  return db.syscalls(db.begin()).page(query, args);
}

function failure(code: string, message: string) {
  return expect.objectContaining({ code, message });
}

describe("pages", () => {
  it.each(["asc", "desc"] as const)("follow each other until one comes back empty and done (%s)", (order) => {
    const db = withNumbers(6);
    const query = indexRange("t.by_n", [], order);
    const all: JsonValue[][] = [];
    let cursor: string | null = null;
    let isDone = false;
    while (!isDone) {
      const result: PageJson = page(db, { pageSize: 3, cursor }, query);
      all.push(numbers(result.page));
      ({ continueCursor: cursor, isDone } = result);
    }
    expect(all).toEqual(order === "asc" ? [[0, 1, 2], [3, 4, 5], []] : [[5, 4, 3], [2, 1, 0], []]);
  });

  it("end with the source when it has fewer documents", () => {
    expect(page(withNumbers(2), { pageSize: 3 })).toMatchObject({
      isDone: true,
      pageStatus: null,
      splitCursor: null,
    });
    expect(page(withNumbers(2), { pageSize: 3 }, fullScan("missing"))).toMatchObject({
      page: [],
      isDone: true,
    });
  });

  it("stay done when continued from the end", () => {
    const db = withNumbers(2);
    const { continueCursor } = page(db, { pageSize: 3 });
    expect(page(db, { pageSize: 3, cursor: continueCursor })).toMatchObject({
      page: [],
      isDone: true,
      continueCursor,
    });
  });

  it("count documents that pass the filters, and continue after the last row read", () => {
    const odd = { filter: { $eq: [{ $field: "parity" }, { $literal: 1 }] } };
    const db = withNumbers(10);
    const query = indexRange("t.by_n", [], null, [odd]);
    const first = page(db, { pageSize: 2 }, query);
    expect(numbers(first.page)).toEqual([1, 3]);
    const rest = page(db, { pageSize: 9, cursor: first.continueCursor }, query);
    expect(numbers(rest.page)).toEqual([5, 7, 9]);
    expect(rest.isDone).toBe(true);
  });

  it("split in the middle of the rows read", () => {
    const db = withNumbers(7);
    expect(page(db, { pageSize: 2 }).splitCursor).toBeNull();
    const { splitCursor, continueCursor } = page(db, { pageSize: 5 });
    const left = page(db, { pageSize: 1, cursor: null, endCursor: splitCursor });
    const right = page(db, { pageSize: 1, cursor: splitCursor, endCursor: continueCursor });
    expect([numbers(left.page), numbers(right.page)]).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    expect(right.continueCursor).toBe(continueCursor);
  });

  it("record what they read", () => {
    const db = withNumbers(6);
    const index = db.table("t").indexes.find(({ name }) => name === "by_n")!;
    const keys = db.store.scan(index.id, index.tablet, "", null, "asc", 10).map(({ key }) => key);
    const tx = db.begin();
    db.syscalls(tx).page(byN, { pageSize: 2 });
    expect(keys.map((key) => tx.reads.contains(index.id, key))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it("are spliced from the stored texts", () => {
    const db = withNumbers(1);
    const text = db
      .syscalls(db.begin())
      .database.call("1.0/queryPage", { query: byN, pageSize: 5, cursor: null });
    const { document } = db.store.scan(db.table("t").byId.id, db.table("t").tablet, "", null, "asc", 1)[0]!;
    expect(text.startsWith(`{"page":[${document.json}],"isDone":true`)).toBe(true);
  });
});

describe("bounds", () => {
  it("on rows read cut the page", () => {
    const later = { filter: { $gte: [{ $field: "n" }, { $literal: 4 }] } };
    const db = withNumbers(10);
    const query = indexRange("t.by_n", [], null, [later]);
    const cut = page(db, { pageSize: 5, maximumRowsRead: 4 }, query);
    expect(cut).toMatchObject({ page: [], isDone: false, pageStatus: "SplitRequired" });
    const next = page(db, { pageSize: 5, cursor: cut.continueCursor }, query);
    expect(numbers(next.page)).toEqual([4, 5, 6, 7, 8]);
  });

  it("on bytes read let at least one row through", () => {
    const cut = page(withNumbers(10), { pageSize: 5, maximumBytesRead: 1 });
    expect(numbers(cut.page)).toEqual([0]);
    expect(cut.pageStatus).toBe("SplitRequired");
  });

  it("that are nearly reached recommend a split", () => {
    const db = withNumbers(10);
    expect(page(db, { pageSize: 3, maximumRowsRead: 4 }).pageStatus).toBeNull();
    expect(page(db, { pageSize: 4, maximumRowsRead: 4 }).pageStatus).toBe("SplitRecommended");
    const { continueCursor } = page(db, { pageSize: 5 });
    const refetched = page(db, { pageSize: 1, maximumRowsRead: 4, endCursor: continueCursor });
    expect(refetched).toMatchObject({ page: { length: 5 }, pageStatus: "SplitRecommended" });
  });

  it("recommend a split above 75 % of what a page should hold", () => {
    const db = withNumbers(6145);
    expect(page(db, { pageSize: 6144 }).pageStatus).toBeNull();
    expect(page(db, { pageSize: 6145 }).pageStatus).toBe("SplitRecommended");
  });

  it("of the transaction cut the page as well", () => {
    const db = withNumbers(10);
    for (const limits of [{ documentsRead: 3 }, { bytesRead: 350 }]) {
      const tx = db.begin({ limits });
      const cut = db.syscalls(tx).page(byN, { pageSize: 8 });
      expect(cut).toMatchObject({ isDone: false, pageStatus: "SplitRequired" });
      const next = page(db, { pageSize: 1, cursor: cut.continueCursor });
      expect(numbers(next.page)).toEqual([cut.page.length]);
      expect(cut.page.length).toBeGreaterThan(1);
    }
    expect(() =>
      db.syscalls(db.begin({ limits: { documentsRead: 0 } })).page(byN, { pageSize: 8 }),
    ).toThrowError(expect.objectContaining({ category: "Internal" }));
  });
});

describe("checks", () => {
  it.each<[string, string, { [name: string]: JsonValue }]>([
    ["NoDocumentsForPagination", "Must request at least 1 document while paginating", { pageSize: 0 }],
    ["PageSizeTooLarge", "Requested too many items: 32001", { pageSize: 32_001 }],
    [
      "InvalidPaginationLimit",
      "maximumRowsRead and maximumBytesRead must be greater than 0",
      { pageSize: 1, maximumRowsRead: 0 },
    ],
    [
      "InvalidPaginationLimit",
      "maximumRowsRead and maximumBytesRead must be greater than 0",
      { pageSize: 1, maximumBytesRead: 0 },
    ],
    ["InvalidCursor", "Failed to parse cursor", { pageSize: 1, cursor: "garbage" }],
    ["InvalidCursor", "Failed to parse cursor", { pageSize: 1, endCursor: "" }],
    [
      "InvalidArgument",
      "Invalid arguments for `queryPage`: field `pageSize` must be a non-negative integer",
      { pageSize: 1.5 },
    ],
  ])("%s: %s", (code, message, args) => {
    expect(() => page(withNumbers(1), args)).toThrowError(failure(code, message));
  });

  it("refuse components", () => {
    const db = withNumbers(1);
    const syscalls = db.syscalls(db.begin(), { isComponent: true });
    expect(() => syscalls.page(byN, { pageSize: 1 })).toThrowError(
      failure(
        "PaginationUnsupportedInComponents",
        "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination",
      ),
    );
  });

  it("refuse a second paginate in one function", () => {
    const db = withNumbers(1);
    const syscalls = db.syscalls(db.begin());
    syscalls.page(byN, { pageSize: 1 });
    expect(() => syscalls.page(byN, { pageSize: 1 })).toThrowError(
      failure(
        "MultiplePaginatedDatabaseQueries",
        "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.",
      ),
    );
  });

  it("refuse the cursor of another query, and of an index with other fields", () => {
    const db = withNumbers(5);
    const { continueCursor } = page(db, { pageSize: 1 });
    const foreign = expect.objectContaining({
      code: "InvalidCursor",
      message:
        "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
      data: { isConvexSystemError: true, paginationError: "InvalidCursor" },
    });
    expect(() => page(db, { pageSize: 1, cursor: continueCursor }, fullScan("t"))).toThrowError(foreign);
    expect(() => page(db, { pageSize: 1, endCursor: continueCursor }, fullScan("t"))).toThrowError(foreign);
    const other = new TestDatabase();
    other.addIndex("t", "by_n", ["m"]);
    expect(() => page(other, { pageSize: 1, cursor: continueCursor })).toThrowError(foreign);
  });
});

describe("journals", () => {
  it("keep a page's end", () => {
    const db = withNumbers(5);
    const first = db.syscalls(db.begin());
    const before = first.page(byN, { pageSize: 3 });
    const journal = first.database.outgoingJournal();
    db.insert("t", { n: 0.5 });
    const again = db.syscalls(db.begin(), { journal });
    const after = again.page(byN, { pageSize: 3 });
    expect(numbers(after.page)).toEqual([0, 0.5, 1, 2]);
    expect(after.continueCursor).toBe(before.continueCursor);
    expect(again.database.outgoingJournal()).toBe(journal);
  });

  it("are null without paginate, and ignored when unreadable or of another query", () => {
    const db = withNumbers(5);
    const syscalls = db.syscalls(db.begin());
    expect(syscalls.database.outgoingJournal()).toBeNull();
    syscalls.page(fullScan("t"), { pageSize: 3 });
    for (const journal of ["garbage", syscalls.database.outgoingJournal()]) {
      const result = db.syscalls(db.begin(), { journal }).page(byN, { pageSize: 2 });
      expect(numbers(result.page)).toEqual([0, 1]);
    }
  });

  it("yield to an end cursor that is given", () => {
    const db = withNumbers(5);
    const syscalls = db.syscalls(db.begin());
    const { splitCursor } = syscalls.page(byN, { pageSize: 4 });
    const shorter = db
      .syscalls(db.begin(), { journal: syscalls.database.outgoingJournal() })
      .page(byN, { pageSize: 4, endCursor: splitCursor });
    expect(numbers(shorter.page)).toEqual([0, 1, 2]);
  });

  it("let reactive pages neither skip nor repeat whatever is written between their runs", () => {
    const change = fc.oneof(
      fc.record({ kind: fc.constant("insert" as const), n: fc.nat({ max: 20 }) }),
      fc.record({ kind: fc.constant("remove" as const), n: fc.nat() }),
      fc.record({ kind: fc.constant("move" as const), n: fc.nat(), to: fc.nat({ max: 20 }) }),
    );
    const order = fc.constantFrom("asc" as const, "desc" as const);
    const rounds = fc.array(fc.tuple(fc.array(change, { maxLength: 5, size: "max" }), fc.boolean()), {
      maxLength: 6,
      size: "max",
    });
    fc.assert(
      fc.property(
        order,
        fc.nat({ max: 12 }),
        rounds,
        fc.integer({ min: 1, max: 4 }),
        (direction, count, steps, pageSize) => {
          const db = withNumbers(count);
          const query = indexRange("t.by_n", [], direction);
          // What a client keeps of each page: where it starts and the journal of its last run.
          const pages: { cursor: string | null; journal: string | null }[] = [
            { cursor: null, journal: null },
          ];
          const refresh = () => {
            const tx = db.begin({ readOnly: true });
            const seen: JsonDocument[] = [];
            let last: PageJson | null = null;
            for (const kept of pages) {
              const syscalls = db.syscalls(tx, { journal: kept.journal });
              last = syscalls.page(query, { pageSize, cursor: kept.cursor });
              kept.journal = syscalls.database.outgoingJournal();
              seen.push(...last.page);
            }
            return { seen, last: last! };
          };
          const ids = () =>
            db
              .syscalls(db.begin())
              .collect(query)
              .map(({ _id }) => _id);
          for (const [changes, loadMore] of steps) {
            const { seen, last } = refresh();
            // The pages show a gapless beginning of the whole list.
            expect(seen.map(({ _id }) => _id)).toEqual(ids().slice(0, seen.length));
            if (last.isDone) expect(seen).toHaveLength(ids().length);
            if (loadMore && !last.isDone) pages.push({ cursor: last.continueCursor, journal: null });
            const existing = ids();
            const tx = db.begin();
            const syscalls = db.syscalls(tx);
            for (const step of changes) {
              const id = existing[step.n % Math.max(1, existing.length)];
              if (step.kind === "insert") syscalls.insert("t", { n: step.n });
              else if (id === undefined || syscalls.get(id) === null) continue;
              else if (step.kind === "remove") syscalls.remove(id);
              else syscalls.patch(id, { n: step.to });
            }
            db.commit(tx);
          }
        },
      ),
      { numRuns: 80 },
    );
  });
});
