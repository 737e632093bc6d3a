import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodeId, encodeId } from "../values/id.ts";
import type { JsonValue } from "../values/json.ts";
import { type Syscalls, TestDatabase, fullScan, indexRange, searchQuery } from "./testDatabase.ts";

const internal = "\x01".repeat(16);
const unknownTableId = encodeId(10_777, internal);
const storageId = encodeId(530, internal);
const privateId = encodeId(513, internal);

function setUp(): { db: TestDatabase; id: string; syscalls: Syscalls } {
  const db = new TestDatabase();
  const id = db.insert("messages", { body: "hi" });
  return { db, id, syscalls: db.syscalls(db.begin()) };
}

function failure(code: string, message: string) {
  return expect.objectContaining({ code, message });
}

function limits(count: number): JsonValue[] {
  return Array.from({ length: count }, () => ({ limit: 1 }));
}

const badId = "Unable to decode ID: Invalid ID length 3";

describe("1.0/get", () => {
  it("returns the stored text, or null", () => {
    const { db, id, syscalls } = setUp();
    const document = db.store.scan(
      db.table("messages").byId.id,
      db.table("messages").tablet,
      "",
      null,
      "asc",
      1,
    )[0];
    expect(syscalls.database.call("1.0/get", { id, isSystem: false })).toBe(document?.document.json);
    expect(syscalls.get(encodeId(10_001, internal))).toBeNull();
    expect(syscalls.get(unknownTableId)).toBeNull();
    expect(syscalls.get(privateId)).toBeNull();
    expect(syscalls.get(id, { table: "messages" })).toMatchObject({ body: "hi" });
  });

  it("knows the virtual tables, which are empty", () => {
    const { syscalls } = setUp();
    expect(syscalls.get(storageId, { isSystem: true })).toBeNull();
    expect(() => syscalls.get(storageId)).toThrowError(
      failure("SystemTableError", "System tables can only be accessed with db.system."),
    );
  });

  it("explains what is wrong with an id", () => {
    const { id, syscalls } = setUp();
    expect(() => syscalls.get("abc")).toThrowError(
      failure("InvalidArgument", `Invalid argument \`id\` for \`db.get\`: ${badId}`),
    );
    expect(() => syscalls.get("abc", { isSystem: true })).toThrow(
      `Invalid argument \`id\` for \`db.system.get\`: ${badId}`,
    );
    expect(() => syscalls.get(id, { isSystem: true })).toThrowError(
      failure("SystemTableError", "User tables cannot be accessed with db.system."),
    );
    expect(() => syscalls.get(id, { table: "users" })).toThrowError(
      failure(
        "InvalidArgument",
        'Invalid argument `id` for `db.get`: expected to be an Id<"users">, got Id<"messages"> instead.',
      ),
    );
    expect(() => syscalls.call("1.0/get", {})).toThrowError(
      failure("InvalidArgument", "Invalid arguments for `db.get`: missing field `id`"),
    );
  });
});

describe("1.0/count", () => {
  it("counts what the transaction sees; missing and private tables are empty", () => {
    const { syscalls } = setUp();
    syscalls.insert("messages", {});
    expect(syscalls.call("1.0/count", { table: "messages" })).toBe(2);
    expect(syscalls.call("1.0/count", { table: "nothing" })).toBe(0);
    expect(syscalls.call("1.0/count", { table: "_tables" })).toBe(0);
  });
});

function base62(number: bigint): string {
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return number === 0n ? "" : base62(number / 62n) + digits[Number(number % 62n)];
}

describe("1.0/db/normalizeId", () => {
  it("returns the id if it belongs to the table", () => {
    const { id, syscalls } = setUp();
    const normalize = (table: string, idString: string) =>
      syscalls.call("1.0/db/normalizeId", { table, idString });
    expect(normalize("messages", id)).toEqual({ id });
    for (const [table, text] of [
      ["messages", "garbage"],
      ["messages", unknownTableId],
      ["nothing", id],
      ["_tables", privateId],
      ["_storage", id],
      ["messages", storageId],
    ] as const) {
      expect(normalize(table, text)).toEqual({ id: null });
    }
    expect(normalize("_storage", storageId)).toEqual({ id: storageId });
  });

  it("takes the two forms that ids had before (reference values.md §6.4)", () => {
    const { id, syscalls } = setUp();
    const normalize = (idString: string) =>
      syscalls.call("1.0/db/normalizeId", { table: "messages", idString });
    const { tableNumber, id: internal } = decodeId(id);
    const bytes = Buffer.from(internal, "latin1");
    expect(normalize(bytes.toString("base64url"))).toEqual({ id });
    // 15 random bytes and two more: the id is made of a digest of the first and of the last.
    const old = Buffer.from(Array.from({ length: 17 }, (_, i) => 200 - i));
    const digest = createHash("sha256").update(old.subarray(0, 15)).digest();
    const made = Buffer.concat([digest.subarray(0, 14), old.subarray(15)]).toString("latin1");
    expect(normalize(base62(BigInt(`0x${old.toString("hex")}`)))).toEqual({
      id: encodeId(tableNumber, made),
    });
    for (const text of ["", "a".repeat(21), "a".repeat(24), "-".repeat(23), "z".repeat(23)])
      expect(normalize(text)).toEqual({ id: null });
  });
});

describe("writes", () => {
  it("insert, patch, replace and remove", () => {
    const { syscalls } = setUp();
    const id = syscalls.insert("messages", { body: "a", n: { $integer: "AQAAAAAAAAA=" } });
    expect(
      syscalls.patch(id, { body: { $undefined: null }, other: [1], gone: { $undefined: null } }),
    ).toMatchObject({
      n: { $integer: "AQAAAAAAAAA=" },
      other: [1],
    });
    expect(syscalls.get(id)).not.toHaveProperty("body");
    expect(Object.keys(syscalls.call("1.0/replace", { id, value: { x: 1 } }) as object).sort()).toEqual([
      "_creationTime",
      "_id",
      "x",
    ]);
    expect(syscalls.remove(id)).toMatchObject({ _id: id, x: 1 });
    expect(syscalls.get(id)).toBeNull();
  });

  it("keep fields whose names JavaScript objects treat specially", () => {
    const { syscalls } = setUp();
    const parse = (text: string) => JSON.parse(text) as JsonValue;
    const id = syscalls.insert(
      "messages",
      parse('{"a": {"__proto__": {"x": 1}}, "constructor": 2, "toString": 3}'),
    );
    const read = () => syscalls.database.call("1.0/get", { id, isSystem: false });
    expect(read()).toContain('"a":{"__proto__":{"x":1}},"constructor":2,"toString":3');
    const value = parse(
      '{"__proto__": {"$undefined": null}, "valueOf": 1, "constructor": {"$undefined": null}}',
    );
    syscalls.database.call("1.0/shallowMerge", { id, value });
    expect(read()).toContain('"a":{"__proto__":{"x":1}},"toString":3,"valueOf":1');
    const top = parse('{"__proto__": 5}');
    expect(() => syscalls.database.call("1.0/shallowMerge", { id, value: top })).toThrow(
      "Field '__proto__' starts",
    );
  });

  it.each([
    ["1.0/shallowMerge", "db.patch", "Update"],
    ["1.0/replace", "db.replace", "Replace"],
    ["1.0/remove", "db.delete", "Delete"],
  ])("%s explains what is wrong with the id", (op, label, verb) => {
    const { id, syscalls } = setUp();
    const missing = encodeId(10_001, internal);
    const call = (given: string, extra = {}) => syscalls.call(op, { id: given, value: {}, ...extra });
    expect(() => call(missing)).toThrowError(
      failure("NonexistentDocument", `${verb} on nonexistent document ID ${missing}`),
    );
    expect(() => call(unknownTableId)).toThrowError(
      failure(
        "InvalidArgument",
        `Invalid argument \`id\` for \`${label}\`: Table for ID "${unknownTableId}" not found`,
      ),
    );
    expect(() => call(id, { table: "users" })).toThrowError(
      failure(
        "InvalidArgument",
        `Invalid argument \`id\` for \`${label}\`: expected to be an Id<"users">, got Id<"messages"> instead.`,
      ),
    );
    expect(() => call("abc")).toThrowError(
      failure("InvalidArgument", `Invalid argument \`id\` for \`${label}\`: ${badId}`),
    );
    expect(() => call(privateId)).toThrowError(
      failure("SystemTableError", "System tables can only be accessed with db.system."),
    );
    expect(() => call(storageId)).toThrowError(failure("ReadOnlyTable", "_storage is a read-only table"));
  });

  it("refuse what is not an object, and illegal values", () => {
    const { id, syscalls } = setUp();
    const notObject = (label: string) =>
      failure("InvalidArgument", `Invalid argument \`value\` for \`${label}\`: Value must be an Object`);
    expect(() => syscalls.insert("messages", 1)).toThrowError(notObject("db.insert"));
    expect(() => syscalls.insert("messages", { $integer: "AQAAAAAAAAA=" })).toThrowError(
      notObject("db.insert"),
    );
    expect(() => syscalls.patch(id, [])).toThrowError(notObject("db.patch"));
    expect(() => syscalls.call("1.0/replace", { id, value: null })).toThrowError(notObject("db.replace"));
    for (const value of [
      { a: { b: { $undefined: null } } },
      { $undefined: null },
      { $x: { $undefined: null } },
    ]) {
      expect(() => syscalls.patch(id, value)).toThrow(
        /^Invalid argument `value` for `db.patch`: Field name \$/,
      );
    }
    expect(() => syscalls.insert("messages", { a: Array(8193).fill(0) })).toThrow(
      "Invalid argument `value` for `db.insert`: Array length is too long (8193 > maximum length 8192)",
    );
  });

  it("refuse system tables and bad table names", () => {
    const { syscalls } = setUp();
    expect(() => syscalls.insert("_tables", {})).toThrowError(
      failure("SystemTableError", "System tables can only be accessed with db.system."),
    );
    expect(() => syscalls.insert("_storage", {})).toThrowError(
      failure("ReadOnlyTable", "_storage is a read-only table"),
    );
    expect(() => syscalls.insert("a-b", {})).toThrow(
      "Invalid argument `table` for `db.insert`: Identifier a-b has invalid character '-'",
    );
  });
});

describe("query streams", () => {
  it("hand out documents until done, by id", () => {
    const { syscalls } = setUp();
    const first = syscalls.stream(fullScan("messages"));
    const second = syscalls.stream(fullScan("messages"));
    expect([first, second]).toEqual([0, 1]);
    expect(syscalls.next(second)).toMatchObject({ done: false, value: { body: "hi" } });
    expect(syscalls.next(second)).toEqual({ done: true, value: null });
    expect(syscalls.next(second)).toEqual({ done: true, value: null });
    expect(syscalls.call("1.0/queryCleanup", { queryId: second })).toBe(true);
    expect(syscalls.call("1.0/queryCleanup", { queryId: second })).toBe(false);
    expect(() => syscalls.next(second)).toThrowError(failure("QueryNotFound", "in-progress query not found"));
    expect(syscalls.next(first)).toMatchObject({ done: false });
  });

  it("apply operators in order", () => {
    const db = new TestDatabase();
    db.run((tx) => [3, 1, 4, 1, 5, 9, 2, 6].forEach((n) => tx.insert("", "t", { n })));
    const syscalls = db.syscalls(db.begin());
    const above = (n: number): JsonValue => ({ filter: { $gt: [{ $field: "n" }, { $literal: n }] } });
    const numbers = (operators: JsonValue[], order: "asc" | "desc" | null = null) =>
      syscalls.collect(fullScan("t", order, operators)).map((document) => document["n"]);
    expect(numbers([above(1), { limit: 3 }])).toEqual([3, 4, 5]);
    expect(numbers([{ limit: 3 }, above(1)])).toEqual([3, 4]);
    expect(numbers([{ limit: 4 }, above(1), { limit: 1 }])).toEqual([3]);
    expect(numbers([{ limit: 0 }])).toEqual([]);
    expect(numbers([above(4)], "desc")).toEqual([6, 9, 5]);
    expect(() => numbers([{ filter: { $field: "n" } }])).toThrowError(
      failure("EvalError", "Cannot use value 3.0 (type Float64) as a Boolean"),
    );
  });

  it("record what they handed out, and everything once exhausted", () => {
    const db = new TestDatabase();
    const ids = db.run((tx) => [0, 1, 2, 3].map((n) => tx.insert("", "t", { n })));
    const index = db.table("t").byCreationTime;
    const keys = db.store.scan(index.id, index.tablet, "", null, "asc", 10).map(({ key }) => key);
    const read = (query: JsonValue, rows: number) => {
      const tx = db.begin({ readOnly: true });
      const syscalls = db.syscalls(tx);
      const queryId = syscalls.stream(query);
      for (let i = 0; i < rows; i++) syscalls.next(queryId);
      return { seen: keys.map((key) => tx.reads.contains(index.id, key)), rows: tx.usage.documentsRead, tx };
    };
    expect(ids).toHaveLength(4);
    expect(read(fullScan("t"), 0).seen).toEqual([false, false, false, false]);
    expect(read(fullScan("t"), 2)).toMatchObject({ seen: [true, true, false, false], rows: 2 });
    expect(read(fullScan("t", "desc"), 1).seen).toEqual([false, false, false, true]);
    expect(read(fullScan("t", null, [{ limit: 2 }]), 5).seen).toEqual([true, true, false, false]);
    const whole = read(fullScan("t"), 5).tx;
    expect(whole.reads.intervals().get(index.id)).toEqual([{ lower: "", upper: null }]);
    expect(whole.usage.databaseQueries).toBe(1);
  });

  it("hand out buffered rows as they were, and see writes beyond them", () => {
    const db = new TestDatabase();
    const ids = db.run((tx) => Array.from({ length: 150 }, (_, n) => tx.insert("", "t", { n })));
    const syscalls = db.syscalls(db.begin());
    const queryId = syscalls.stream(fullScan("t"));
    syscalls.next(queryId);
    for (const id of ids) syscalls.patch(id, { changed: true });
    syscalls.remove(ids[1]!);
    syscalls.remove(ids[149]!);
    const added = syscalls.insert("t", { n: 1000 });
    const rest = [];
    for (let next = syscalls.next(queryId); !next.done; next = syscalls.next(queryId)) rest.push(next.value!);
    expect(rest.map(({ n }) => n)).toEqual([...Array.from({ length: 148 }, (_, i) => i + 1), 1000]);
    expect(rest.filter(({ changed }) => changed === true)).toHaveLength(49);
    expect(rest.at(-1)?._id).toBe(added);
  });

  it("find a missing or private table empty", () => {
    const { syscalls } = setUp();
    for (const table of ["nothing", "_tables", "_storage", "_scheduled_functions"]) {
      expect(syscalls.collect(fullScan(table))).toEqual([]);
    }
    expect(syscalls.collect(indexRange("_storage.by_creation_time", []))).toEqual([]);
    expect(syscalls.collect(indexRange("_scheduled_functions.by_id", []))).toEqual([]);
  });

  it.each<[string, JsonValue]>([
    ['expected "asc" or "desc"', fullScan("t", "sideways" as never)],
    ["Query has too many operators: 257", fullScan("t", null, limits(257))],
    ["Insufficient components in index name t", indexRange("t", [])],
    ["Too many components in index name t.a.b", indexRange("t.a.b", [])],
    ["missing field `operators`", {}],
    ["missing field `source`", { operators: [] }],
    ['unknown query source "Other"', { source: { type: "Other" }, operators: [] }],
    ["Empty path .", indexRange("t.a", [{ type: "Eq", fieldPath: ".", value: 1 }])],
  ])("refuse a malformed query: %s", (cause, query) => {
    const { syscalls } = setUp();
    expect(() => syscalls.stream(query)).toThrowError(
      failure("InvalidArgument", `Invalid argument \`query\` for \`queryStream\`: ${cause}`),
    );
  });

  it("take 256 operators", () => {
    const { syscalls } = setUp();
    expect(syscalls.collect(fullScan("messages", null, limits(256)))).toHaveLength(1);
  });
});

describe("index resolution", () => {
  const search = (indexName: string): JsonValue => searchQuery(indexName, []);

  it.each<[string, string, (name: string) => JsonValue, string]>([
    ["nothing.by_id", "IndexNotFoundError", (name) => indexRange(name, []), "Index nothing.by_id not found."],
    ["t.other", "IndexNotFoundError", (name) => indexRange(name, []), "Index t.other not found."],
    ["_tables.by_id", "IndexNotFoundError", (name) => indexRange(name, []), "Index _tables.by_id not found."],
    [
      "t.filling",
      "IndexBackfillingError",
      (name) => indexRange(name, []),
      "Index t.filling is currently backfilling and not available to query yet.",
    ],
    [
      "t.staged",
      "IndexStagedError",
      (name) => indexRange(name, []),
      "Index t.staged is currently staged and not available to query until it is enabled.",
    ],
    [
      "t.by_text",
      "IndexNotADatabaseIndex",
      (name) => indexRange(name, []),
      "Index t.by_text is not a database index",
    ],
    [
      "t.by_vector",
      "IndexNotADatabaseIndex",
      (name) => indexRange(name, []),
      "Index t.by_vector is not a database index",
    ],
    ["t.good", "IndexNotASearchIndexError", search, "Index t.good is not a search index"],
    ["t.by_vector", "IndexNotASearchIndexError", search, "Index t.by_vector is not a search index"],
    ["t.other", "IndexNotFoundError", search, "Index t.other not found."],
    ["nothing.by_text", "IndexNotFoundError", search, "Index nothing.by_text not found."],
    [
      "t.by_staged_text",
      "IndexStagedError",
      search,
      "Index t.by_staged_text is currently staged and not available to query until it is enabled.",
    ],
    [
      "t.filling_text",
      "IndexBackfillingError",
      search,
      "Index t.filling_text is currently backfilling and not available to query yet.",
    ],
  ])("%s fails with %s", (name, code, query, message) => {
    const db = new TestDatabase();
    db.addIndex("t", "good", ["a"]);
    db.addIndex("t", "filling", ["b"], { state: "backfilling" });
    db.addIndex("t", "staged", ["c"], { state: "backfilled", staged: true });
    db.addSearchIndex("t", "by_text", "s");
    db.addSearchIndex("t", "filling_text", "u", [], { state: "backfilling" });
    db.addSearchIndex("t", "by_staged_text", "v", [], { state: "backfilled", staged: true });
    db.addVectorIndex("t", "by_vector", "w", 2);
    const syscalls = db.syscalls(db.begin());
    expect(() => syscalls.stream(query(name))).toThrowError(failure(code, message));
    expect(syscalls.collect(indexRange("t.good", []))).toEqual([]);
  });

  it("prefers the enabled index of two with one name", () => {
    const db = new TestDatabase();
    db.addIndex("t", "i", ["a"], { state: "backfilling" });
    db.addIndex("t", "i", ["b"]);
    db.insert("t", { a: 1, b: 2 });
    const rows = db
      .syscalls(db.begin())
      .collect(indexRange("t.i", [{ type: "Eq", fieldPath: "b", value: 2 }]));
    expect(rows).toHaveLength(1);
  });
});

describe("other ops", () => {
  it("are not handled here", () => {
    const { syscalls } = setUp();
    expect(syscalls.database.handles("1.0/get")).toBe(true);
    expect(syscalls.database.handles("1.0/runUdf")).toBe(false);
    expect(() => syscalls.call("1.0/runUdf", {})).toThrowError(
      failure("UnknownOperation", "Unknown operation 1.0/runUdf"),
    );
  });

  it("write nothing from an unmounted component", async () => {
    const { DatabaseSyscalls } = await import("./databaseSyscalls.ts");
    const { db, id } = setUp();
    const options = { journal: null, cursorSecret: db.cursorSecret, isComponent: true, isUnmounted: true };
    const database = new DatabaseSyscalls(db.begin(), "", options);
    const text =
      "Cannot perform write operations in an unmounted component. Make sure your component is installed in your `convex.config.ts` file.";
    expect(() => database.call("1.0/insert", { table: "messages", value: {} })).toThrowError(
      failure("UnmountedComponent", text),
    );
    expect(() => database.call("1.0/remove", { id })).toThrowError(failure("UnmountedComponent", text));
  });
});
