import { assert } from "../base/assert.ts";
import { LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import type { DocumentWrite, Store, StoredDocument, TabletId } from "../store/store.ts";
import type { Catalog, Table } from "../store/catalog.ts";
import type { InternalId } from "../values/id.ts";

/** What is kept for all open snapshots together; beyond it the oldest snapshot is given up. */
export interface SnapshotLimits {
  readonly versionsMax: number;
  /** Of the texts of those versions. */
  readonly bytesMax: number;
  readonly snapshotsMax: number;
}
/** For exports: one at a time, which should not have to begin anew. */
export const exportSnapshotLimits: SnapshotLimits = {
  versionsMax: 500_000,
  bytesMax: Infinity,
  snapshotsMax: Infinity,
};
/** For clients that read at their own pace and may never come back. */
export const streamSnapshotLimits: SnapshotLimits = {
  versionsMax: 100_000,
  bytesMax: 64 * 1024 * 1024,
  snapshotsMax: 16,
};
const rowsPerPageMax = 512;

interface OpenSnapshot {
  readonly ts: CommitTs;
  readonly tables: ReadonlyMap<TabletId, TableProgress>;
}

/** A table of a snapshot: everything below `from` has been read. */
interface TableProgress {
  readonly table: Table;
  /** Null: read to its end. */
  from: InternalId | "" | null;
  /** As they were at the snapshot, of documents that have changed since and have not been read yet; null: did not exist. */
  readonly before: Map<InternalId, StoredDocument | null>;
  /** Its documents are gone. */
  isDropped: boolean;
}

export interface SnapshotPage {
  readonly documents: readonly StoredDocument[];
  readonly isDone: boolean;
  /** Where the next page begins; null with `isDone`. */
  readonly next: InternalId | "" | null;
}

/**
 * Snapshots that are read slowly, page by page, while commits go on: for each change of something that a snapshot has
 * still to read, the version it should see is kept aside. They live in memory and die with their engine.
 */
export class Snapshots {
  readonly #store: Store;
  readonly #limits: SnapshotLimits;
  readonly #open = new Map<number, OpenSnapshot>();
  #nextId = 1;
  #kept = 0;
  #keptBytes = 0;

  constructor(store: Store, limits: SnapshotLimits) {
    this.#store = store;
    this.#limits = limits;
  }

  open(ts: CommitTs, catalog: Catalog, tables: readonly Table[]): number {
    const id = this.#nextId++;
    const progress = tables.map((table): [TabletId, TableProgress] => {
      assert(catalog.tableByTablet(table.tablet) !== null, "a snapshot is of tables that exist");
      return [table.tablet, { table, from: "", before: new Map(), isDropped: false }];
    });
    this.#open.set(id, { ts, tables: new Map(progress) });
    if (this.#open.size > this.#limits.snapshotsMax) this.close(this.#open.keys().next().value as number);
    return id;
  }

  close(id: number): void {
    const snapshot = this.#open.get(id);
    if (snapshot === undefined) return;
    for (const { before } of snapshot.tables.values()) {
      for (const document of before.values()) this.#count(document, -1);
    }
    this.#open.delete(id);
  }

  /** Whether this is still the snapshot of `ts`, and `from` is where it goes on in the table. */
  isAt(id: number, ts: CommitTs, tablet: TabletId, from: string): boolean {
    const snapshot = this.#open.get(id);
    const progress = snapshot?.tables.get(tablet);
    return snapshot?.ts === ts && progress?.isDropped === false && progress.from === from;
  }

  /** Has to be told of every commit; `catalog` is the one after it. */
  committed(writes: readonly DocumentWrite[], catalog: Catalog): void {
    if (this.#open.size === 0) return;
    for (const { tables } of this.#open.values()) {
      for (const { tablet, id, before } of writes) {
        const progress = tables.get(tablet);
        if (progress === undefined || progress.from === null || id < progress.from) continue;
        if (progress.before.has(id)) continue;
        progress.before.set(id, before);
        this.#count(before, 1);
      }
      for (const progress of tables.values()) {
        if (progress.from !== null && catalog.tableByTablet(progress.table.tablet) === null)
          progress.isDropped = true;
      }
    }
    while (this.#kept > this.#limits.versionsMax || this.#keptBytes > this.#limits.bytesMax)
      this.close(this.#open.keys().next().value as number);
  }

  /** The next documents of a table, in id order. Throws SnapshotLost: then everything has to be read anew. */
  page(id: number, tablet: TabletId, bytesMax: number): SnapshotPage {
    const progress = this.#open.get(id)?.tables.get(tablet);
    if (progress === undefined || progress.isDropped) throw snapshotLost();
    const { from, table, before } = progress;
    if (from === null) return { documents: [], isDone: true, next: null };
    const rows = this.#store.scan(table.byId.id, tablet, from, null, "asc", rowsPerPageMax);
    const isEnd = rows.length < rowsPerPageMax;
    // Beyond the last row the store may have more, which the versions set aside must not overtake.
    const last = rows.at(-1)?.document.id;
    const current = rows.flatMap(({ document }) => (before.has(document.id) ? [] : [document]));
    const kept = [...before].flatMap(([key, document]) =>
      document !== null && (isEnd || (last !== undefined && key <= last)) ? [document] : [],
    );
    const all = [...current, ...kept].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const documents = firstBytes(all, bytesMax);
    const isCut = documents.length < all.length;
    const lastRead = isCut ? (documents.at(-1) as StoredDocument).id : last;
    progress.from = isEnd && !isCut ? null : (`${lastRead}\0` as InternalId);
    for (const [key, document] of before) {
      if (progress.from !== null && key >= progress.from) continue;
      before.delete(key);
      this.#count(document, -1);
    }
    return { documents, isDone: progress.from === null, next: progress.from };
  }

  #count(document: StoredDocument | null, sign: 1 | -1): void {
    this.#kept += sign;
    this.#keptBytes += sign * (document?.json.length ?? 0);
  }
}

/** At least one, if there is one. */
function firstBytes(documents: readonly StoredDocument[], bytesMax: number): readonly StoredDocument[] {
  let bytes = 0;
  const end = documents.findIndex(({ json }) => (bytes += json.length) > bytesMax);
  return end < 0 ? documents : documents.slice(0, Math.max(end, 1));
}

function snapshotLost(): LensletError {
  return new LensletError(
    "FeatureTemporarilyUnavailable",
    "SnapshotLost",
    "The snapshot that was being read is gone, because its table was deleted, too much has changed or the engine was replaced.",
  );
}
