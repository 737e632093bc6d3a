import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../../base/assert.ts";
import type { InternalId } from "../../values/id.ts";
import { keyToBytes } from "../../values/key.ts";
import { type SqliteDatabase, Statement } from "../sqliteDatabase.ts";
import type { IndexId } from "../store.ts";

/** Free slots are read back this many at a time. */
const freeSlotsRead = 4096;

/** Gives slots to documents, and those of documents that are gone to others. */
export class Slots {
  /** Above all that were ever given out. */
  next: number;
  readonly #index: IndexId;
  readonly #pending = new Map<InternalId, number | null>();
  /** In no order; there may be more in `_free`. */
  #free: number[] = [];
  /** Changes to `_free` that SQLite has not seen: whether the slot is free now. */
  readonly #pendingFree = new Map<number, boolean>();
  #allFreeRead: boolean;
  #storedNext: number;
  readonly #select: Statement;
  readonly #put: Statement;
  readonly #remove: Statement;
  readonly #selectFree: Statement;
  readonly #putFree: Statement;
  readonly #removeFree: Statement;
  readonly #putNext: Statement;

  constructor(
    database: SqliteDatabase,
    name: string,
    row: { readonly id: IndexId; readonly nextSlot: number },
  ) {
    this.next = row.nextSlot;
    this.#storedNext = row.nextSlot;
    this.#index = row.id;
    this.#allFreeRead = row.nextSlot === 0;
    this.#select = new Statement(database, `SELECT slot FROM ${name}_ids WHERE id = ?`);
    this.#put = new Statement(database, `INSERT OR REPLACE INTO ${name}_ids (id, slot) VALUES (?, ?)`);
    this.#remove = new Statement(database, `DELETE FROM ${name}_ids WHERE id = ?`);
    this.#selectFree = new Statement(database, `SELECT slot FROM ${name}_free ORDER BY slot LIMIT ?`);
    this.#putFree = new Statement(database, `INSERT OR IGNORE INTO ${name}_free (slot) VALUES (?)`);
    this.#removeFree = new Statement(database, `DELETE FROM ${name}_free WHERE slot = ?`);
    this.#putNext = new Statement(database, "UPDATE vector_indexes SET next_slot = ? WHERE id = ?");
  }

  static create(database: SqliteDatabase, name: string): void {
    database.exec(`
      CREATE TABLE ${name}_ids (id BLOB PRIMARY KEY NOT NULL, slot INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE ${name}_free (slot INTEGER PRIMARY KEY);`);
  }

  static drop(database: SqliteDatabase, name: string): void {
    database.exec(`DROP TABLE ${name}_ids; DROP TABLE ${name}_free;`);
  }

  /** Null if the document has none. */
  slotOf(id: InternalId): number | null {
    const pending = this.#pending.get(id);
    if (pending !== undefined) return pending;
    const row = this.#select.use().get(keyToBytes(id)) as unknown as SQLOutputValue[] | undefined;
    return row === undefined ? null : Number(row[0]);
  }

  /** For a document that has none. */
  take(id: InternalId): number {
    if (this.#free.length === 0 && !this.#allFreeRead) this.#readFree();
    const free = this.#free.pop();
    const slot = free ?? this.next++;
    if (free !== undefined) this.#pendingFree.set(slot, false);
    this.#pending.set(id, slot);
    return slot;
  }

  release(id: InternalId, slot: number): void {
    this.#pending.set(id, null);
    this.#free.push(slot);
    this.#pendingFree.set(slot, true);
  }

  flush(): void {
    for (const [id, slot] of this.#pending) {
      if (slot === null) this.#remove.use().run(keyToBytes(id));
      else this.#put.use().run(keyToBytes(id), slot);
    }
    for (const [slot, isFree] of this.#pendingFree) {
      (isFree ? this.#putFree : this.#removeFree).use().run(slot);
    }
    this.#pending.clear();
    this.#pendingFree.clear();
    if (this.next === this.#storedNext) return;
    this.#putNext.use().run(this.next, this.#index);
    this.#storedNext = this.next;
  }

  /** None is in memory, so all that SQLite lists and nobody has taken since are to be had. */
  #readFree(): void {
    const taken = [...this.#pendingFree.values()].filter((isFree) => !isFree).length;
    const rows = this.#selectFree.use().all(freeSlotsRead + taken) as unknown as SQLOutputValue[][];
    for (const [slot] of rows) {
      assert(typeof slot === "number", "free slots are numbers");
      if (this.#pendingFree.get(slot) !== false) this.#free.push(slot);
    }
    this.#allFreeRead = rows.length < freeSlotsRead + taken;
  }
}
