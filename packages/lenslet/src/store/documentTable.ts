import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../base/assert.ts";
import type { InternalId } from "../values/id.ts";
import { bytesToKey, keyToBytes, type IndexKey } from "../values/key.ts";
import { restoreDocument } from "./document.ts";
import type { DocumentCache } from "./documentCache.ts";
import { KeyScan } from "./keyScan.ts";
import { type SqliteDatabase, Statement } from "./sqliteDatabase.ts";
import type { IndexId, StoredDocument, TabletId } from "./store.ts";
import type { WriteBuffer } from "./writeBuffer.ts";

interface PendingDocument {
  document: StoredDocument | null;
  /** Whether SQLite has a row for it, of whatever version. */
  readonly stored: boolean;
}

/**
 * The documents of one tablet. A new version stays in memory until the buffer is full, so a hot document that
 * changes a thousand times costs one statement.
 */
export class DocumentTable {
  readonly tablet: TabletId;
  readonly byId: IndexId;
  count: number;
  readonly #buffer: WriteBuffer;
  readonly #cache: DocumentCache;
  readonly #pending = new Map<InternalId, PendingDocument>();
  readonly #scan: KeyScan;
  readonly #select: Statement;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #remove: Statement;

  constructor(
    database: SqliteDatabase,
    buffer: WriteBuffer,
    cache: DocumentCache,
    row: { readonly tablet: TabletId; readonly byId: IndexId; readonly count: number },
  ) {
    this.tablet = row.tablet;
    this.byId = row.byId;
    this.count = row.count;
    this.#buffer = buffer;
    this.#cache = cache;
    const name = DocumentTable.nameOf(row.tablet);
    this.#scan = new KeyScan(database, name, "id");
    this.#select = new Statement(database, `SELECT json, size FROM ${name} WHERE id = ?`);
    this.#insert = new Statement(database, `INSERT INTO ${name} (id, json, size) VALUES (?, ?, ?)`);
    this.#update = new Statement(database, `UPDATE ${name} SET json = ?, size = ? WHERE id = ?`);
    this.#remove = new Statement(database, `DELETE FROM ${name} WHERE id = ?`);
  }

  static nameOf(tablet: TabletId): string {
    return `documents_${tablet}`;
  }

  static create(database: SqliteDatabase, tablet: TabletId): void {
    database.exec(
      `CREATE TABLE ${DocumentTable.nameOf(tablet)} (id BLOB PRIMARY KEY NOT NULL, json TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID`,
    );
  }

  static drop(database: SqliteDatabase, tablet: TabletId): void {
    database.exec(`DROP TABLE ${DocumentTable.nameOf(tablet)}`);
  }

  get(id: InternalId): StoredDocument | null {
    const pending = this.#pending.get(id);
    if (pending !== undefined) return pending.document;
    return this.#cache.get(this.tablet, id) ?? this.#load(id);
  }

  write(id: InternalId, before: StoredDocument | null, after: StoredDocument | null): void {
    this.count += Number(after !== null) - Number(before !== null);
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      if (before !== null || after !== null)
        this.#pending.set(id, { document: after, stored: before !== null });
    } else if (pending.stored || after !== null) pending.document = after;
    else this.#pending.delete(id);
    this.#buffer.note(this, 1, after === null ? 0 : after.json.length);
  }

  /** Ids in a range, as keys of by_id. */
  keys(lower: IndexKey, upper: IndexKey | null, order: "asc" | "desc", limit: number): IndexKey[] {
    if (this.#pending.size > 0) this.flush();
    return this.#scan.keys(lower, upper, order, limit);
  }

  flush(): void {
    for (const [id, { document, stored }] of this.#pending) {
      const idBytes = keyToBytes(id);
      if (document === null) {
        if (stored) this.#remove.use().run(idBytes);
        this.#cache.delete(this.tablet, id);
        continue;
      }
      if (stored) {
        const { changes } = this.#update.use().run(document.json, document.size, idBytes);
        assert(changes === 1, "a write's `before` says whether the document exists");
      } else this.#insert.use().run(idBytes, document.json, document.size);
      this.#cache.put(this.tablet, id, document);
    }
    this.#pending.clear();
  }

  #load(id: InternalId): StoredDocument | null {
    const idBytes = keyToBytes(id);
    const row = this.#select.use().get(idBytes) as unknown as SQLOutputValue[] | undefined;
    if (row === undefined) return null;
    const [json, size] = row;
    assert(typeof json === "string" && typeof size === "number", "a row holds text and size");
    // `id` is often a slice of an index key, which the cache would keep alive: make a string of its own.
    const ownId: InternalId = bytesToKey(idBytes);
    const document = restoreDocument(ownId, json, size);
    this.#cache.put(this.tablet, ownId, document);
    return document;
  }
}
