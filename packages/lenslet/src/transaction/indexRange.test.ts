import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeId } from "../values/id.ts";
import { compareValues } from "../values/order.ts";
import { scalarArbitrary } from "../values/valueArbitrary.ts";
import { encodeValue } from "../values/json.ts";
import { firstIdFrom } from "./idBound.ts";
import { type RangePart, type Syscalls, TestDatabase, indexRange } from "./testDatabase.ts";

function eq(fieldPath: string, value: RangePart["value"]): RangePart {
  return { type: "Eq", fieldPath, value };
}

function part(type: string, fieldPath: string, value: RangePart["value"]): RangePart {
  return { type, fieldPath, value };
}

function setUp(): { db: TestDatabase; syscalls: Syscalls; ids: string[] } {
  const db = new TestDatabase();
  db.addIndex("t", "i", ["a", "b"]);
  const ids = db.run((tx) => [1, 2, 3, 4, 5, 6].map((b) => tx.insert("", "t", { a: b % 2, b })));
  return { db, syscalls: db.syscalls(db.begin()), ids };
}

describe("range checks", () => {
  const multiple =
    'Upper and lower bounds in `range` can only be applied to a single index field. This query against index t.i attempted to set a range bound on both "a" and "b". Consider using `filter` instead. See https://docs.convex.dev/using/indexes for more info.';
  it.each<[string, string, RangePart[]]>([
    [
      "AlreadyDefinedBound",
      `Already defined equality bound in index range. Can't add "a" == 1.0.`,
      [eq("a", 1), eq("a", 2)],
    ],
    [
      "AlreadyDefinedBound",
      `Already defined lower bound in index range. Can't add "b" >= 2.0.`,
      [part("Gt", "a", 1), part("Gte", "b", 2)],
    ],
    [
      "AlreadyDefinedBound",
      `Already defined upper bound in index range. Can't add "a" < undefined.`,
      [part("Lte", "a", 1), part("Lt", "a", { $undefined: null })],
    ],
    ["BoundsOnMultipleFields", multiple, [part("Gt", "a", 1), part("Lt", "b", 2)]],
    [
      "AlreadyDefinedBound",
      `Already defined inequality bound in index range. Can't add "a" == "x".`,
      [part("Gt", "a", 1), eq("a", "x")],
    ],
    [
      "FieldNotInIndex",
      'The index range included a comparison with "c", but t.i with fields ["a", "b", "_creationTime"] doesn\'t index this field. For more information see https://docs.convex.dev/using/indexes.',
      [eq("c", 1)],
    ],
    [
      "InvalidIndexRange",
      `Tried to query index t.i but the query didn't use the index fields in order.
Index fields: ["a", "b", "_creationTime"]
Query fields: ["b"]
First incorrect field: "b"
For more information see https://docs.convex.dev/using/indexes.`,
      [eq("b", 1)],
    ],
    [
      "InvalidIndexRange",
      `Tried to query index t.i but the query didn't use the index fields in order.
Index fields: ["a", "b", "_creationTime"]
Query fields: ["a", "_creationTime"]
First incorrect field: "_creationTime"
For more information see https://docs.convex.dev/using/indexes.`,
      [part("Lt", "_creationTime", 1), eq("a", 1)],
    ],
  ])("%s: %s", (code, message, range) => {
    const { syscalls } = setUp();
    expect(() => syscalls.stream(indexRange("t.i", range))).toThrowError(
      expect.objectContaining({ code, message }),
    );
  });
});

describe("ranges", () => {
  it("do not mind the order of their parts, and accept the implicit fields", () => {
    const { syscalls, ids } = setUp();
    const found = (range: RangePart[]) => syscalls.collect(indexRange("t.i", range)).map(({ _id }) => _id);
    const third = syscalls.get(ids[2]!) as { _creationTime: number };
    const time = third._creationTime;
    expect(found([eq("b", 3), eq("a", 1)])).toEqual([ids[2]]);
    expect(found([eq("a", 1), eq("b", 3), eq("_creationTime", time)])).toEqual([ids[2]]);
    expect(found([eq("a", 1), eq("b", 3), part("Gt", "_creationTime", time)])).toEqual([]);
    expect(found([eq("a", 1), eq("b", 3), part("Lte", "_creationTime", time)])).toEqual([ids[2]]);
    expect(found([eq("a", 1), eq("b", 3), eq("_creationTime", time), eq("_id", ids[2]!)])).toEqual([ids[2]]);
    expect(found([eq("a", 1), eq("b", 3), eq("_creationTime", time), eq("_id", ids[1]!)])).toEqual([]);
    expect(found([eq("a", 1), part("Gt", "b", 3), part("Lt", "b", 2)])).toEqual([]);
    expect(found([eq("a", 1), eq("b", 3), eq("_creationTime", time), part("Gte", "_id", ids[2]!)])).toEqual([
      ids[2],
    ]);
    expect(found([eq("a", 1), eq("b", 3), eq("_creationTime", time), part("Gt", "_id", ids[2]!)])).toEqual(
      [],
    );
  });

  it("of by_creation_time end after the last id of an instant", () => {
    const { syscalls, ids } = setUp();
    const times = ids.map((id) => (syscalls.get(id) as { _creationTime: number })._creationTime);
    for (const [i, time] of times.entries()) {
      const found = (type: string) =>
        syscalls
          .collect(indexRange("t.by_creation_time", [part(type, "_creationTime", time)]))
          .map(({ _id }) => _id);
      expect(found("Eq")).toEqual([ids[i]]);
      expect(found("Lte")).toEqual(ids.slice(0, i + 1));
      expect(found("Gt")).toEqual(ids.slice(i + 1));
    }
  });

  it("of by_id compare ids as strings, with bounds of any type", () => {
    const { syscalls, ids } = setUp();
    const sorted = [...ids].sort();
    const bounds = fc.oneof(
      fc.constantFrom(...ids),
      fc.constantFrom(...ids).map((id) => id.slice(0, 6)),
      scalarArbitrary,
    );
    fc.assert(
      fc.property(bounds, fc.constantFrom("Eq", "Gt", "Gte", "Lt", "Lte"), (bound, type) => {
        const found = syscalls.collect(indexRange("t.by_id", [part(type, "_id", encodeValue(bound))]));
        const expected = sorted.filter((id) => {
          const order = compareValues(id, bound);
          if (type === "Eq") return order === 0;
          if (order === 0) return type === "Gte" || type === "Lte";
          return type.startsWith("G") ? order > 0 : order < 0;
        });
        expect(found.map(({ _id }) => _id)).toEqual(expected);
      }),
    );
  });

  it("that nothing can match read nothing", () => {
    const { db } = setUp();
    const tx = db.begin();
    const range = [part("Gt", "a", 5), part("Lt", "a", 3)];
    expect(db.syscalls(tx).collect(indexRange("t.i", range))).toEqual([]);
    expect(tx.reads.intervalCount).toBe(0);
  });
});

describe("firstIdFrom", () => {
  it("is the boundary among internal ids", () => {
    const idArbitrary = fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes) => Buffer.from(bytes).toString("latin1"));
    fc.assert(
      fc.property(idArbitrary, idArbitrary, fc.boolean(), (bound, other, strict) => {
        const first = firstIdFrom(10_001, encodeId(10_001, bound), strict);
        const isIn = strict ? other > bound : other >= bound;
        expect(first !== null && other >= first).toBe(isIn);
      }),
    );
  });
});
