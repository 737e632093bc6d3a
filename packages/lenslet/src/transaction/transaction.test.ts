import { describe, expect, it } from "vitest";
import { commitTsPlaceholder, type Value } from "../values/value.ts";
import { decodeId } from "../values/id.ts";
import { TestDatabase, fullScan, indexRange } from "./testDatabase.ts";
import { type Transaction, nextUp } from "./transaction.ts";
import { isPointInterval } from "./readSet.ts";

function documentOf(tx: Transaction, idText: string) {
  const { tableNumber, id } = decodeId(idText);
  const table = tx.tableByNumber("", tableNumber);
  return table === null ? null : tx.get(table, id);
}

describe("system fields", () => {
  it("give each insert of a transaction the next creation time", () => {
    const db = new TestDatabase();
    const tx = db.begin({ beginMs: 1234.5678 });
    const times = [1, 2, 3].map((n) => documentOf(tx, tx.insert("", "t", { n }))?.value["_creationTime"]);
    expect(times).toEqual([1234.5678, nextUp(1234.5678), nextUp(nextUp(1234.5678))]);
  });

  it("may be repeated but not changed", () => {
    const db = new TestDatabase();
    const id = db.insert("t", { a: 1 });
    const tx = db.begin();
    const table = db.table("t");
    const internal = decodeId(id).id;
    const created = documentOf(tx, id)!.value["_creationTime"] as number;
    expect(tx.replace(table, internal, { _id: id, _creationTime: created, a: 2 }).value).toEqual({
      _id: id,
      _creationTime: created,
      a: 2,
    });
    expect(tx.patch(table, internal, { _id: undefined, _creationTime: undefined }).value["_id"]).toBe(id);
    expect(() => tx.patch(table, internal, { _id: "other" })).toThrowError(
      expect.objectContaining({
        code: "InvalidIdError",
        message: `Provided document ID ${id} doesn't match '_id' field "other"`,
      }),
    );
    expect(() => tx.replace(table, internal, { _creationTime: 5 })).toThrowError(
      expect.objectContaining({
        code: "InvalidCreationTimeError",
        message: `Provided creation time ${created}.0 doesn't match '_creationTime' field in {_creationTime: 5.0}`,
      }),
    );
  });
});

describe("document checks", () => {
  const nested = (levels: number): Value => (levels === 0 ? 1 : [nested(levels - 1)]);

  it("refuse deep documents and underscore fields, all violations at once", () => {
    const tx = new TestDatabase().begin();
    expect(tx.insert("", "t", { a: nested(15) })).toEqual(expect.any(String));
    const attempt = () => tx.insert("", "t", { a: nested(16), _x: 1 });
    expect(attempt).toThrowError(expect.objectContaining({ code: "InvalidDocumentError" }));
    expect(attempt).toThrow(/^Document\(value: \{_creationTime: .*\}\) isn't a valid document: /);
    expect(attempt).toThrow(
      "Document is too nested (nested 17 levels deep > maximum nesting 16)\n Field '_x' starts with an underscore, which is only allowed for system fields like '_id'",
    );
  });

  it("refuse documents over 1 MiB, and leave no table behind", () => {
    const db = new TestDatabase();
    const tx = db.begin();
    expect(() => tx.insert("", "t", { s: "x".repeat(2 ** 20) })).toThrowError(
      expect.objectContaining({
        code: "ValueTooLargeError",
        message: "Value is too large (1.00 MiB > maximum size 1 MiB)",
      }),
    );
    expect(tx.table("", "t")).toBeNull();
    expect(tx.usage.documentsWritten).toBe(0);
    expect(tx.finish(5n)).toEqual([]);
  });

  it("have at most 1,024 fields, system fields and those of a patch included", () => {
    const fields = (count: number, from = 0) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${from + n}`, 1]));
    const tooMany = expect.objectContaining({
      code: "TooManyFieldsError",
      message: "Object has too many fields (1025 > maximum number 1024)",
    });
    const tx = new TestDatabase().begin();
    expect(() => tx.insert("", "t", fields(1023))).toThrowError(tooMany);
    const id = decodeId(tx.insert("", "t", fields(1022)));
    const table = tx.table("", "t")!;
    expect(() => tx.patch(table, id.id, fields(1, 2000))).toThrowError(tooMany);
    tx.patch(table, id.id, { f0: undefined, f2000: 1 });
    expect(Object.keys(tx.get(table, id.id)!.value)).toHaveLength(1024);
  });

  it("warn near the limits", () => {
    const tx = new TestDatabase().begin();
    const large = tx.insert("", "t", { s: "x".repeat(900_000) });
    const deep = tx.insert("", "t", { a: nested(13) });
    const size = documentOf(tx, large)?.size;
    expect(tx.warnings().map(({ message }) => message)).toEqual([
      `Large document written with ID "${large}" (actual: ${size} bytes, limit: 1048576 bytes).`,
      `Deeply nested document written with ID "${deep}" (actual: 14, limit: 16).`,
    ]);
  });
});

describe("tables", () => {
  it("are created by the first insert, with the lowest free number, and can be read at once", () => {
    const db = new TestDatabase();
    const tx = db.begin();
    expect(tx.table("", "b")).toBeNull();
    const id = tx.insert("", "b", { x: 1 });
    expect(decodeId(id).tableNumber).toBe(10_001);
    expect(tx.catalog().tableByName("", "b")?.number).toBe(10_001);
    expect(decodeId(tx.insert("", "c", {})).tableNumber).toBe(10_002);
    expect(decodeId(tx.insert("component", "b", {})).tableNumber).toBe(10_001);
    expect(db.syscalls(tx).collect(fullScan("b"))).toHaveLength(1);
    db.commit(tx);
    expect(db.catalog.tables("").filter((table) => !table.system)).toHaveLength(2);
    expect(db.syscalls(db.begin()).collect(fullScan("b"))).toMatchObject([{ _id: id, x: 1 }]);
  });

  it("vanish when the savepoint before them is rolled back", () => {
    const db = new TestDatabase();
    const tx = db.begin();
    const savepoint = tx.savepoint();
    tx.insert("", "b", {});
    tx.rollback(savepoint);
    expect(tx.catalog().tableByName("", "b")).toBeNull();
    expect(tx.finish(5n)).toEqual([]);
    expect(decodeId(tx.insert("", "c", {})).tableNumber).toBe(10_001);
  });

  it("that are missing make their creation re-run the reader", () => {
    const db = new TestDatabase();
    const reader = db.begin({ readOnly: true });
    expect(db.syscalls(reader).collect(fullScan("later"))).toEqual([]);
    const tx = db.begin();
    tx.insert("", "later", {});
    const touched = db
      .commit(tx)
      .some(({ keys }) =>
        keys.some(({ index, after }) => after !== null && reader.reads.contains(index, after)),
      );
    expect(touched).toBe(true);
  });

  it("have identifiers for names", () => {
    expect(() => new TestDatabase().begin().insert("", "a b", {})).toThrow(
      "Identifier a b has invalid character ' '",
    );
  });
});

describe("writes", () => {
  it("that change nothing are no writes", () => {
    const db = new TestDatabase();
    const id = decodeId(db.insert("t", { a: 1, o: { x: 1, y: 2 } })).id;
    const tx = db.begin();
    tx.patch(db.table("t"), id, { a: 1 });
    tx.replace(db.table("t"), id, { o: { y: 2, x: 1 }, a: 1 });
    expect(tx.usage.documentsWritten).toBe(0);
    tx.patch(db.table("t"), id, { a: 2 });
    tx.patch(db.table("t"), id, { a: 1 });
    expect(tx.usage.documentsWritten).toBe(2);
    expect(tx.finish(5n)).toEqual([]);
  });

  it("are coalesced per document, and insert with delete leaves nothing", () => {
    const db = new TestDatabase();
    db.insert("t", {});
    const tx = db.begin();
    const table = db.table("t");
    const gone = tx.insert("", "t", { a: 1 });
    const kept = tx.insert("", "t", { a: 2 });
    tx.patch(table, decodeId(kept).id, { a: 3 });
    tx.delete(table, decodeId(gone).id);
    const writes = tx.finish(5n);
    expect(writes.map(({ idText, before, after }) => [idText, before, after?.value["a"]])).toEqual([
      [kept, null, 3],
    ]);
    expect(writes[0]?.keys.map(({ index }) => index)).toEqual([table.byId.id, table.byCreationTime.id]);
  });

  it("fill in the commit timestamp at the end", () => {
    const db = new TestDatabase();
    db.addIndex("t", "by_v", ["v"]);
    const tx = db.begin();
    const id = tx.insert("", "t", { v: commitTsPlaceholder, list: [commitTsPlaceholder] });
    tx.insert("", "t", { v: 5n });
    const syscalls = db.syscalls(tx);
    const eq = (value: object) =>
      indexRange("t.by_v", [{ type: "Eq", fieldPath: "v", value: value as never }]);
    expect(syscalls.collect(eq({ $commitTs: null }))).toMatchObject([{ _id: id, v: { $commitTs: null } }]);
    const writes = tx.finish(77n);
    const written = writes.find((write) => write.idText === id);
    expect(written?.after?.value).toMatchObject({ v: 77n, list: [77n] });
    expect(written?.after?.json).toContain('"v":{"$integer":"TQAAAAAAAAA="}');
    const byV = db.table("t").indexes.find((index) => index.name === "by_v")!;
    const key = written?.keys.find(({ index }) => index === byV.id)?.after;
    expect(key?.startsWith("\x09\x4d")).toBe(true);
  });

  it("are refused in queries", () => {
    const db = new TestDatabase();
    const id = db.insert("t", {});
    const tx = db.begin({ readOnly: true });
    const refused = expect.objectContaining({ code: "WriteInQuery" });
    expect(() => tx.insert("", "t", {})).toThrowError(refused);
    expect(() => tx.patch(db.table("t"), decodeId(id).id, { a: 1 })).toThrowError(refused);
    expect(() => tx.replace(db.table("t"), decodeId(id).id, {})).toThrowError(refused);
    expect(() => tx.delete(db.table("t"), decodeId(id).id)).toThrowError(refused);
    expect(() => tx.ensureTable("", "u")).toThrowError(refused);
  });
});

describe("schemas", () => {
  const documentType = { type: "object", value: { n: { fieldType: { type: "number" }, optional: false } } };

  it("that are active refuse documents that do not match", () => {
    const db = new TestDatabase();
    db.setSchema("active", [{ tableName: "t", documentType }]);
    const tx = db.begin();
    const id = decodeId(tx.insert("", "t", { n: 1 })).id;
    tx.insert("", "free", { whatever: "x" });
    const table = tx.table("", "t")!;
    const before = tx.usage.documentsWritten;
    const prefix =
      'Failed to insert or update a document in table "t" because it does not match the schema: ';
    for (const write of [
      () => tx.insert("", "t", { n: "x" }),
      () => tx.patch(table, id, { n: "x" }),
      () => tx.replace(table, id, { n: "x" }),
    ]) {
      expect(write).toThrowError(expect.objectContaining({ code: "SchemaEnforcementError" }));
      expect(write).toThrow(
        `${prefix}Value does not match validator.\nPath: .n\nValue: "x"\nValidator: v.float64()`,
      );
    }
    expect(tx.usage.documentsWritten).toBe(before);
    tx.delete(table, id);
  });

  it("without validation refuse nothing", () => {
    const db = new TestDatabase();
    db.setSchema("active", [{ tableName: "t", documentType }], false);
    expect(db.insert("t", { n: "x" })).toEqual(expect.any(String));
  });

  it("know the table that is being created by this very insert", () => {
    const db = new TestDatabase();
    const next = { fieldType: { type: "id", tableName: "t" }, optional: true };
    db.setSchema("active", [{ tableName: "t", documentType: { type: "object", value: { next } } }]);
    const tx = db.begin();
    const first = tx.insert("", "t", {});
    expect(tx.insert("", "t", { next: first })).toEqual(expect.any(String));
  });

  it("of a push let the write through and remember the violation", () => {
    const db = new TestDatabase();
    db.setSchema("pending", [{ tableName: "t", documentType }]);
    const tx = db.begin();
    const savepoint = tx.savepoint();
    tx.insert("", "t", { n: "x" });
    expect(tx.pendingSchemaViolation()).toEqual({
      namespace: "",
      tableName: "t",
      error:
        'New document in table "t" does not match the schema: Value does not match validator.\nPath: .n\nValue: "x"\nValidator: v.float64()',
    });
    tx.rollback(savepoint);
    expect(tx.pendingSchemaViolation()).toBeNull();
    tx.insert("", "t", { n: 1 });
    expect(tx.pendingSchemaViolation()).toBeNull();
    expect(tx.finish(5n).length).toBe(2);
  });
});

describe("savepoints", () => {
  it("set back writes and their counters, but not reads and scheduled functions", () => {
    const db = new TestDatabase();
    const id = decodeId(db.insert("t", { a: 1 })).id;
    const tx = db.begin();
    const table = db.table("t");
    tx.patch(table, id, { a: 2 });
    const { documentsWritten, bytesWritten } = tx.usage;
    const savepoint = tx.savepoint();
    tx.patch(table, id, { a: 3 });
    const other = tx.insert("", "t", { s: "x".repeat(900_000) });
    documentOf(tx, other);
    tx.usage.countScheduled(10);
    const reads = tx.usage.documentsRead;
    tx.rollback(savepoint);
    expect(tx.get(table, id)?.value["a"]).toBe(2);
    expect(documentOf(tx, other)).toBeNull();
    expect(tx.usage).toMatchObject({ documentsWritten, bytesWritten, functionsScheduled: 1 });
    expect(tx.usage.scheduledFunctionArgsBytes).toBe(10);
    expect(tx.usage.documentsRead).toBe(reads + 1);
    expect(tx.warnings()).toEqual([]);
    const byId = tx.reads.intervals().get(table.byId.id) ?? [];
    expect(byId.filter(isPointInterval)).toHaveLength(2);
  });
});

describe("scans of system tables", () => {
  it("are recorded but not counted", () => {
    const db = new TestDatabase();
    const tx = db.begin();
    tx.insert("", "_environment_variables", { name: "A", value: "1" });
    const table = tx.table("", "_environment_variables")!;
    const byName = table.indexes.find((index) => index.name === "by_name")!;
    expect([...tx.scan(byName, "", null, "desc")].map(({ value }) => value["name"])).toEqual(["A"]);
    expect(tx.reads.contains(byName.id, "anything")).toBe(true);
    expect(tx.usage).toMatchObject({ documentsRead: 0, databaseQueries: 0, documentsWritten: 0 });
    expect(tx.usage.systemDocumentsWritten).toBe(1);
  });
});
