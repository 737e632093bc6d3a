import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { TestDatabase } from "../transaction/testDatabase.ts";
import { decodeId } from "../values/id.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { exportSnapshotLimits, Snapshots } from "./snapshots.ts";

class Rig {
  readonly database = new TestDatabase();
  readonly snapshots = new Snapshots(this.database.store, exportSnapshotLimits);

  constructor(count: number) {
    this.run((tx) => {
      for (let n = 0; n < count; n++) tx.insert("", "things", { n });
    });
  }

  run(body: (tx: Transaction) => void): void {
    const tx = this.database.begin();
    body(tx);
    this.snapshots.committed(this.database.commit(tx), this.database.catalog);
  }

  contents(): string[] {
    const { byId } = this.database.table("things");
    return [...this.database.begin().scan(byId, "", null, "asc")].map(({ json }) => json);
  }

  open(): number {
    const { ts, catalog } = this.database;
    return this.snapshots.open(ts, catalog, [this.database.table("things")]);
  }

  readAll(snapshot: number, bytesMax: number, between: () => void): string[] {
    const { tablet } = this.database.table("things");
    const read: string[] = [];
    for (let isDone = false; !isDone;) {
      const page = this.snapshots.page(snapshot, tablet, bytesMax);
      read.push(...page.documents.map(({ json }) => json));
      isDone = page.isDone;
      between();
    }
    return read;
  }
}

describe("Snapshots", () => {
  it("show what there was, whatever changes while they are read", () => {
    const change = fc.record({
      kind: fc.constantFrom("insert", "patch", "delete", "recreate"),
      at: fc.nat(2000),
    });
    const property = fc.property(
      fc.nat(1300),
      fc.array(fc.array(change, { maxLength: 30 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 60_000 }),
      (count, commits, bytesMax) => {
        const rig = new Rig(count);
        if (count === 0) rig.run((tx) => void tx.ensureTable("", "things"));
        const before = rig.contents();
        const snapshot = rig.open();
        const waiting = [...commits];
        const read = rig.readAll(snapshot, Math.max(bytesMax, count * 2), () => {
          const changes = waiting.shift() ?? [];
          rig.run((tx) => {
            const table = rig.database.table("things");
            const ids = rig.contents().map((json) => (JSON.parse(json) as { _id: string })._id);
            for (const { kind, at } of changes) {
              const idText = ids[at % Math.max(ids.length, 1)];
              const id = idText === undefined ? null : decodeId(idText).id;
              const isThere = id !== null && tx.get(table, id) !== null;
              if (kind === "insert") tx.insert("", "things", { n: -1 });
              else if (kind === "patch" && isThere) tx.patch(table, id, { changed: at });
              else if (kind === "delete" && isThere) tx.delete(table, id);
              else if (kind === "recreate" && id !== null && !isThere && idText !== undefined)
                tx.insertAs(table, id, idText, { _id: idText, _creationTime: 1, n: -2 });
            }
          });
        });
        expect(read).toEqual(before);
      },
    );
    fc.assert(property, { numRuns: 60 });
  });

  it("are lost with their table, and once closed", () => {
    const rig = new Rig(10);
    const [snapshot, closed] = [rig.open(), rig.open()];
    const { tablet } = rig.database.table("things");
    rig.snapshots.close(closed);
    expect(() => rig.snapshots.page(closed, tablet, 100)).toThrow(/snapshot .* is gone/);
    expect(rig.snapshots.page(snapshot, tablet, 100).isDone).toBe(false);
    rig.run((tx) => {
      const tables = rig.database.table("_tables");
      for (const row of tx.scan(tables.byId, "", null, "asc")) tx.delete(tables, row.id);
    });
    expect(() => rig.snapshots.page(snapshot, tablet, 100)).toThrow(/snapshot .* is gone/);
  });
});
