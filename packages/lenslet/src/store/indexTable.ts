import type { InternalId } from "../values/id.ts";
import type { IndexKey } from "../values/key.ts";
import { keyToBytes, prefixEnd } from "../values/key.ts";
import { KeyScan } from "./keyScan.ts";
import {
  type IndexEntry,
  type LookupBudget,
  keyTailBytes,
  LookupCache,
  lookupEntriesMax,
} from "./lookupCache.ts";
import { type SqliteDatabase, Statement } from "./sqliteDatabase.ts";
import type { IndexId, TabletId } from "./store.ts";
import type { WriteBuffer } from "./writeBuffer.ts";

/** One statement with this many rows costs a third of as many statements; measured flat from 64 up. */
const rowsPerInsert = 64;

/** What the buffer will do to a key. `added`: known to be absent below, so that removing it again leaves nothing to do. */
type PendingKey = "added" | "present" | "removed";

/**
 * The entries of one index: keys alone, for a key ends with the id of its document. Changes gather in memory until
 * somebody scans this index or the buffer is full; many of them (a counter in an indexed field of a hot document)
 * cancel out before they reach SQLite, and the rest go there in batches.
 */
export class IndexTable {
  readonly id: IndexId;
  readonly tablet: TabletId;
  readonly #buffer: WriteBuffer;
  readonly #pending = new Map<IndexKey, PendingKey>();
  readonly #scan: KeyScan;
  readonly #lookups: LookupCache;
  readonly #fitsLookups: () => boolean;
  readonly #insertMany: Statement;
  readonly #insertOne: Statement;
  readonly #remove: Statement;

  constructor(
    database: SqliteDatabase,
    buffer: WriteBuffer,
    lookups: LookupBudget,
    id: IndexId,
    tablet: TabletId,
    rows: () => number,
  ) {
    this.#fitsLookups = () => lookups.holds(rows());
    this.#lookups = new LookupCache(lookups);
    this.id = id;
    this.tablet = tablet;
    this.#buffer = buffer;
    const name = IndexTable.nameOf(id);
    this.#scan = new KeyScan(database, name, "key");
    // Without OR IGNORE a statement of many rows would need a statement journal, which copies every page it changes.
    this.#insertOne = new Statement(database, `INSERT OR IGNORE INTO ${name} (key) VALUES (?)`);
    this.#insertMany = new Statement(
      database,
      `INSERT OR IGNORE INTO ${name} (key) VALUES (?)${",(?)".repeat(rowsPerInsert - 1)}`,
    );
    this.#remove = new Statement(database, `DELETE FROM ${name} WHERE key = ?`);
  }

  static nameOf(id: IndexId): string {
    return `index_${id}`;
  }

  static create(database: SqliteDatabase, id: IndexId): void {
    database.exec(`CREATE TABLE ${IndexTable.nameOf(id)} (key BLOB PRIMARY KEY NOT NULL) WITHOUT ROWID`);
  }

  static drop(database: SqliteDatabase, id: IndexId): void {
    database.exec(`DROP TABLE ${IndexTable.nameOf(id)}`);
  }

  /** The two keys of a changed entry; they differ. */
  change(before: IndexKey | null, after: IndexKey | null): void {
    const pending = this.#pending;
    if (before !== null) this.#lookups.changed(before);
    if (after !== null) this.#lookups.changed(after);
    if (before !== null) {
      if (pending.get(before) === "added") pending.delete(before);
      else pending.set(before, "removed");
    }
    if (after !== null) pending.set(after, pending.get(after) === "removed" ? "present" : "added");
    this.#buffer.note(this, 1, 0);
  }

  /** Adds entries of documents that are older than the index. Some may have come here with a write already. */
  backfill(keys: readonly IndexKey[]): void {
    this.flush();
    this.#insert(keys);
    this.#lookups.clear();
  }

  /** Up to `limit` entries whose key begins with `prefix`, which is of complete parts (`Store.lookUp`). */
  lookUp(prefix: IndexKey, order: "asc" | "desc", limit: number): readonly IndexEntry[] {
    const known = this.#lookups.get(prefix);
    if (known !== undefined) return firstOf(known, order, limit);
    const wanted = Math.max(limit, lookupEntriesMax + 1);
    const entries = this.keys(prefix, prefixEnd(prefix), order, wanted).map(entryOf);
    if (entries.length < wanted) {
      this.#lookups.offer(prefix, order === "asc" ? entries : entries.toReversed());
      if (entries[0]?.key.length === prefix.length + keyTailBytes && this.#fitsLookups())
        this.#readOn(prefix);
    }
    return entries.length > limit ? entries.slice(0, limit) : entries;
  }

  /** Fetches what comes next in the index: all of it will have its place, and many at once cost little more than one. */
  #readOn(prefix: IndexKey): void {
    this.#lookups.offerRun(this.#scan.keys(prefixEnd(prefix) ?? "", null, "asc", readOnKeys).map(entryOf));
  }

  /** The index is dropped. */
  close(): void {
    this.#lookups.close();
  }

  keys(lower: IndexKey, upper: IndexKey | null, order: "asc" | "desc", limit: number): IndexKey[] {
    if (this.#pending.size > 0) this.flush();
    return this.#scan.keys(lower, upper, order, limit);
  }

  flush(): void {
    if (this.#pending.size === 0) return;
    const added: IndexKey[] = [];
    for (const [key, change] of this.#pending) {
      if (change === "removed") this.#remove.use().run(keyToBytes(key));
      else added.push(key);
    }
    this.#insert(added);
    this.#pending.clear();
  }

  #insert(keys: readonly IndexKey[]): void {
    let position = 0;
    for (; position + rowsPerInsert <= keys.length; position += rowsPerInsert) {
      this.#insertMany.use().run(...keys.slice(position, position + rowsPerInsert).map(keyToBytes));
    }
    for (const key of keys.slice(position)) this.#insertOne.use().run(keyToBytes(key));
  }
}

const idBytes = 16;
const readOnKeys = 33;

function entryOf(key: IndexKey): IndexEntry {
  return { key, id: ownId(key) };
}

/** A slice would keep the whole key alive, and its hash would be computed at each use. */
function ownId(key: IndexKey): InternalId {
  return Buffer.from(key.slice(-idBytes), "latin1").toString("latin1");
}

function firstOf(
  ascending: readonly IndexEntry[],
  order: "asc" | "desc",
  limit: number,
): readonly IndexEntry[] {
  if (order === "asc") return ascending.length > limit ? ascending.slice(0, limit) : ascending;
  return ascending.toReversed().slice(0, limit);
}
