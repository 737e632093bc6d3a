import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringifyValue } from "../values/json.ts";
import { encodeKeyPart, indexKeyOf, prefixEnd } from "../values/key.ts";
import type { Value } from "../values/value.ts";
import { makeDocument } from "./document.ts";
import { LookupBudget, LookupCache, lookupEntriesMax } from "./lookupCache.ts";
import { openSqliteStore, type SqliteStore } from "./sqliteStore.ts";
import type { DocumentWrite, StoredDocument } from "./store.ts";

const tablet = 100;
const byId = 101;
const indexes = [
  { id: 102, fields: [["_creationTime"]] },
  { id: 103, fields: [["a"], ["_creationTime"]] },
  { id: 104, fields: [["a"], ["b"], ["_creationTime"]] },
];

const idOf = (n: number): string =>
  String.fromCharCode(n % 3 === 0 ? 0xff : n) + "i".repeat(14) + String(n % 10);

/** A store with its writes, so that keys are as they are in the server. */
class Writer {
  readonly store: SqliteStore;
  readonly #documents = new Map<string, StoredDocument>();
  #ts = 0n;

  constructor(lookupBytesMax: number) {
    this.store = openSqliteStore(":memory:", { lookupBytesMax });
    this.store.createTablet(tablet, byId);
    for (const { id } of indexes) this.store.createIndex(id, tablet);
  }

  write(n: number, fields: Readonly<Record<string, Value>> | null): void {
    const id = idOf(n);
    const before = this.#documents.get(id) ?? null;
    const value = { _id: id, _creationTime: n, ...fields };
    const after = fields === null ? null : makeDocument(id, id, stringifyValue(value));
    if (before === null && after === null) return;
    const keys = indexes.map((index) => ({
      index: index.id,
      before: before === null ? null : indexKeyOf(before.value, index.fields, id),
      after: after === null ? null : indexKeyOf(after.value, index.fields, id),
    }));
    const write: DocumentWrite = { tablet, id, idText: id, before, after, keys };
    this.store.applyCommit(++this.#ts, [write], null);
    if (after === null) this.#documents.delete(id);
    else this.#documents.set(id, after);
  }

  lookUp(index: number, prefix: string, order: "asc" | "desc", limit: number): [string, string][] {
    const rows = this.store.lookUp(index, tablet, prefix, order, limit);
    return rows.map(({ key, document }) => [key, document.json]);
  }

  scan(index: number, prefix: string, order: "asc" | "desc", limit: number): [string, string][] {
    const rows = this.store.scan(index, tablet, prefix, prefixEnd(prefix), order, limit);
    return rows.map(({ key, document }) => [key, document.json]);
  }
}

const part = fc.constantFrom<Value>("", "a", "a\0", "ab", "\u00ff", 0, 1, 1.5, null, true, 7n, ["a"], {
  a: 1,
});
const command = fc.oneof(
  fc.record({
    kind: fc.constant("write" as const),
    n: fc.nat(9),
    fields: fc.option(fc.record({ a: part, b: part }, { requiredKeys: [] })),
  }),
  fc.record({
    kind: fc.constant("look" as const),
    index: fc.constantFrom(103, 104),
    parts: fc.array(part, { minLength: 1, maxLength: 2 }),
    order: fc.constantFrom("asc" as const, "desc" as const),
    limit: fc.constantFrom(1, 2, 3, 100),
  }),
  fc.record({ kind: fc.constant("persist" as const) }),
);

describe("lookUp", () => {
  it.each([1_000_000, 1500, 0])(
    "tells what a scan tells, whatever was written since (%i bytes)",
    (bytesMax) => {
      fc.assert(
        fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
          const writer = new Writer(bytesMax);
          for (const each of commands) {
            if (each.kind === "write") writer.write(each.n, each.fields);
            else if (each.kind === "persist") writer.store.persist();
            else {
              const parts = each.index === 103 ? each.parts.slice(0, 1) : each.parts;
              const prefix = parts.map(encodeKeyPart).join("");
              const looked = writer.lookUp(each.index, prefix, each.order, each.limit);
              expect(writer.lookUp(each.index, prefix, each.order, each.limit)).toEqual(looked);
              expect(looked).toEqual(writer.scan(each.index, prefix, each.order, each.limit));
            }
          }
          writer.store.close();
        }),
        { numRuns: 300 },
      );
    },
  );

  it("sees what a backfill adds, and ends with its index", () => {
    const writer = new Writer(1_000_000);
    writer.write(1, { a: "x" });
    const prefix = encodeKeyPart("x");
    expect(writer.lookUp(103, prefix, "asc", 9)).toHaveLength(1);
    writer.write(2, { a: "y" });
    const document = writer.store.get(tablet, idOf(2));
    const key = prefix + indexKeyOf(document!.value, [["_creationTime"]], idOf(2));
    writer.store.backfillIndex(103, [{ key, id: idOf(2) }]);
    expect(writer.lookUp(103, prefix, "asc", 9)).toHaveLength(2);
    writer.store.dropIndex(103);
    expect(() => writer.lookUp(103, prefix, "asc", 9)).toThrow("names an index");
    writer.store.close();
  });
});

describe("reading on", () => {
  it("keeps the answers of what follows, but for the last kind, which may be cut", () => {
    const cache = new LookupCache(new LookupBudget(1_000_000));
    const tail = (n: number) => String(n).padStart(25, "0");
    const run = ["a", "b", "b", "c"].map((prefix, n) => ({ key: prefix + tail(n), id: idOf(n) }));
    cache.offerRun(run);
    expect(["a", "b", "c"].map((prefix) => cache.get(prefix)?.length)).toEqual([1, 2, undefined]);
  });

  it("is done while the whole index would fit", () => {
    const budget = new LookupBudget(100_000);
    expect([budget.holds(100), budget.holds(1000)]).toEqual([true, false]);
  });
});

describe("LookupCache", () => {
  const entries = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({
      key: `${prefix}${String(n).padStart(25, "0")}`,
      id: idOf(n),
    }));

  it("keeps neither empty nor long answers, nor those of a part of the fields", () => {
    const cache = new LookupCache(new LookupBudget(1_000_000));
    cache.offer("p", []);
    cache.offer("p", entries("p", lookupEntriesMax + 1));
    cache.offer("p", entries("pq", 1));
    expect(cache.size).toBe(0);
    cache.offer("p", entries("p", lookupEntriesMax));
    expect(cache.get("p")).toHaveLength(lookupEntriesMax);
  });

  it("forgets what was not used for half of its bytes, in all indexes together, and keeps what is used", () => {
    const budget = new LookupBudget(20_000);
    const [one, other] = [new LookupCache(budget), new LookupCache(budget)];
    one.offer("used", entries("used", 1));
    one.offer("idle", entries("idle", 1));
    for (let n = 0; n < 500; n++) {
      other.offer(`n${n}`, entries(`n${n}`, 1));
      one.get("used");
    }
    expect(one.get("used")).toHaveLength(1);
    expect(one.get("idle")).toBeUndefined();
    expect(one.size + other.size).toBeLessThan(70);
  });
});
