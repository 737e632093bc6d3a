import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type JsonValue, decodeValue, encodeValue } from "../values/json.ts";
import { compareValues } from "../values/order.ts";
import type { Value } from "../values/value.ts";
import {
  type JsonDocument,
  type RangePart,
  type Syscalls,
  TestDatabase,
  indexRange,
} from "./testDatabase.ts";
import { nextUp } from "./transaction.ts";

/** A document as the plain-array reference keeps it; `a` and `b` are the indexed fields. */
interface ModelDocument {
  readonly _id: string;
  readonly _creationTime: number;
  readonly a?: Value;
  readonly b?: Value;
}

const fieldValues: readonly (Value | undefined)[] = [
  undefined,
  null,
  1n,
  0,
  -0,
  1,
  2.5,
  true,
  "",
  "a",
  "a\0b",
  "b",
  [],
];
const fieldArbitrary = fc.constantFrom(...fieldValues);
const contentArbitrary = fc.record({ a: fieldArbitrary, b: fieldArbitrary });
const rangeArbitrary = fc.record({
  equals: fc.array(fieldArbitrary, { maxLength: 2 }),
  lower: fc.option(fc.tuple(fc.constantFrom("Gt", "Gte"), fieldArbitrary)),
  upper: fc.option(fc.tuple(fc.constantFrom("Lt", "Lte"), fieldArbitrary)),
  order: fc.constantFrom("asc" as const, "desc" as const),
  limit: fc.option(fc.nat({ max: 4 })),
});
type Range = typeof rangeArbitrary extends fc.Arbitrary<infer T> ? T : never;

const stepArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("insert" as const), content: contentArbitrary }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("patch" as const), pick: fc.nat(), content: contentArbitrary }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("replace" as const),
      pick: fc.nat(),
      content: contentArbitrary,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), pick: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("scan" as const), range: rangeArbitrary }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("check" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("savepoint" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("rollback" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("commit" as const) }) },
);
type Step = typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never;

const fields = ["a", "b", "_creationTime"] as const;

function toJson(value: Value | undefined): JsonValue {
  return value === undefined ? { $undefined: null } : encodeValue(value);
}

/** The JSON of an object without its undefined fields. */
function objectJson(content: { readonly [field: string]: Value | undefined }): {
  [field: string]: JsonValue;
} {
  const entries = Object.entries(content).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, encodeValue(value as Value)]));
}

function rangeParts({ equals, lower, upper }: Range): RangePart[] {
  const parts = equals.map((value, i) => ({
    type: "Eq",
    fieldPath: fields[i] as string,
    value: toJson(value),
  }));
  for (const bound of [lower, upper]) {
    if (bound === null) continue;
    parts.push({ type: bound[0], fieldPath: fields[equals.length] as string, value: toJson(bound[1]) });
  }
  return parts;
}

function inRange(document: ModelDocument, { equals, lower, upper }: Range): boolean {
  if (!equals.every((value, i) => compareValues(document[fields[i]!], value) === 0)) return false;
  const value = document[fields[equals.length]!];
  if (lower !== null) {
    const order = compareValues(value, lower[1]);
    if (lower[0] === "Gt" ? order <= 0 : order < 0) return false;
  }
  if (upper !== null) {
    const order = compareValues(value, upper[1]);
    if (upper[0] === "Lt" ? order >= 0 : order > 0) return false;
  }
  return true;
}

function inIndexOrder(x: ModelDocument, y: ModelDocument): number {
  for (const field of fields) {
    const order = compareValues(x[field], y[field]);
    if (order !== 0) return order;
  }
  return x._id < y._id ? -1 : 1;
}

function select(documents: readonly ModelDocument[], range: Range): JsonValue[] {
  const rows = documents.filter((document) => inRange(document, range)).sort(inIndexOrder);
  if (range.order === "desc") rows.reverse();
  return rows.slice(0, range.limit ?? undefined).map((row) => objectJson({ ...row }));
}

function scan(syscalls: Syscalls, range: Range): JsonDocument[] {
  const operators = range.limit === null ? [] : [{ limit: range.limit }];
  return syscalls.collect(indexRange("items.by_ab", rangeParts(range), range.order, operators));
}

const everything: Range = { equals: [], lower: null, upper: null, order: "asc", limit: null };

/** Runs steps on a database and on an array side by side. */
function runSteps(steps: readonly Step[]): void {
  const db = new TestDatabase();
  db.addIndex("items", "by_ab", ["a", "b"]);
  const snapshots = [{ ts: db.ts, documents: [] as ModelDocument[] }];
  let documents: ModelDocument[] = [];
  let known: string[] = [];
  let tx = db.begin();
  let syscalls = db.syscalls(tx);
  let saved: { sp: ReturnType<typeof tx.savepoint>; documents: ModelDocument[] }[] = [];
  let nextTime = db.nowMs;
  const set = (id: string, change: (old: ModelDocument) => ModelDocument | null) => {
    documents = documents.flatMap((old) => (old._id === id ? (change(old) ?? []) : [old]));
  };
  const check = () => {
    expect(scan(syscalls, everything)).toEqual(select(documents, everything));
    expect(syscalls.call("1.0/count", { table: "items" })).toBe(documents.length);
    for (const id of known) {
      const expected = documents.find((document) => document._id === id);
      expect(syscalls.get(id)).toEqual(expected === undefined ? null : objectJson({ ...expected }));
    }
  };
  for (const step of steps) {
    const picked = "pick" in step ? documents[step.pick % Math.max(1, documents.length)] : undefined;
    switch (step.kind) {
      case "insert": {
        const _id = syscalls.insert("items", objectJson(step.content));
        documents = [...documents, { ...step.content, _id, _creationTime: nextTime } as ModelDocument];
        nextTime = nextUp(nextTime);
        known = [...known, _id];
        break;
      }
      case "patch":
        if (picked === undefined) break;
        syscalls.patch(picked._id, { a: toJson(step.content.a), b: toJson(step.content.b) });
        set(picked._id, (old) => ({ ...old, ...step.content }) as ModelDocument);
        break;
      case "replace":
        if (picked === undefined) break;
        syscalls.call("1.0/replace", { id: picked._id, value: objectJson(step.content) });
        set(picked._id, (old) => ({ ...old, ...step.content }) as ModelDocument);
        break;
      case "remove":
        if (picked === undefined) break;
        expect(syscalls.remove(picked._id)).toEqual(objectJson({ ...picked }));
        set(picked._id, () => null);
        break;
      case "scan":
        expect(scan(syscalls, step.range)).toEqual(select(documents, step.range));
        break;
      case "check":
        check();
        break;
      case "savepoint":
        saved.push({ sp: tx.savepoint(), documents });
        break;
      case "rollback": {
        const last = saved.pop();
        if (last === undefined) break;
        tx.rollback(last.sp);
        documents = last.documents;
        break;
      }
      case "commit":
        db.commit(tx);
        snapshots.push({ ts: db.ts, documents });
        tx = db.begin();
        syscalls = db.syscalls(tx);
        saved = [];
        nextTime = db.nowMs;
        break;
    }
  }
  check();
  for (const snapshot of snapshots) {
    const past = db.syscalls(db.beginAt(snapshot.ts));
    expect(scan(past, everything)).toEqual(select(snapshot.documents, everything));
    expect(past.call("1.0/count", { table: "items" })).toBe(snapshot.documents.length);
    for (const { _id } of snapshot.documents) expect(past.get(_id)).not.toBeNull();
  }
}

describe("a transaction against a plain array", () => {
  it("reads its writes through points, ranges in both directions and counts, with savepoints and history", () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 60, size: "max" }), (steps) => runSteps(steps)),
      { numRuns: 120 },
    );
  });

  it("changes its reads only when a commit touches its read set", () => {
    const readArbitrary = fc.oneof(
      rangeArbitrary.map((range) => ({ range, pick: null })),
      fc.nat({ max: 12 }).map((pick) => ({ range: null, pick })),
    );
    const seedArbitrary = fc.array(contentArbitrary, { minLength: 1, maxLength: 10, size: "max" });
    fc.assert(
      fc.property(
        seedArbitrary,
        fc.array(readArbitrary, { minLength: 1, maxLength: 2 }),
        fc.array(stepArbitrary, { minLength: 1, maxLength: 3 }),
        (seed, reads, steps) => {
          const db = new TestDatabase();
          db.addIndex("items", "by_ab", ["a", "b"]);
          const ids = db.run((tx) =>
            seed.map((content) => tx.insert("", "items", decoded(objectJson(content)))),
          );
          const read = (tx = db.begin({ readOnly: true })) => {
            const syscalls = db.syscalls(tx);
            const results = reads.map(({ range, pick }) =>
              range === null ? syscalls.get(ids[(pick ?? 0) % ids.length]!) : scan(syscalls, range),
            );
            return { results: JSON.stringify(results), reads: tx.reads };
          };
          const before = read();
          const tx = db.begin();
          const syscalls = db.syscalls(tx);
          for (const step of steps) {
            const id = ids[("pick" in step ? step.pick : 0) % ids.length] as string;
            if (step.kind === "insert") syscalls.insert("items", objectJson(step.content));
            else if (syscalls.get(id) === null) continue;
            else if (step.kind === "remove") syscalls.remove(id);
            else if (step.kind === "patch") {
              syscalls.patch(id, { a: toJson(step.content.a), b: toJson(step.content.b) });
            }
          }
          const isAffected = db
            .commit(tx)
            .some(({ keys }) =>
              keys.some((change) =>
                [change.before, change.after].some(
                  (key) => key !== null && before.reads.contains(change.index, key),
                ),
              ),
            );
          if (!isAffected) expect(read().results).toBe(before.results);
        },
      ),
      { numRuns: 150 },
    );
  });
});

function decoded(json: { [field: string]: JsonValue }): { [field: string]: Value } {
  return decodeValue(JSON.stringify(json)) as { [field: string]: Value };
}
