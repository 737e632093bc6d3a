import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../../base/assert.ts";
import type { InternalId } from "../../values/id.ts";
import { bytesToKey, keyToBytes } from "../../values/key.ts";
import { type SqliteDatabase, Statement } from "../sqliteDatabase.ts";
import type { IndexId, TabletId } from "../store.ts";
import type { StoredVector, VectorEntry, VectorReader } from "../vectorReader.ts";
import type { Buffered, WriteBuffer } from "../writeBuffer.ts";
import { encodingOf, type VectorEncoding } from "./encoding.ts";
import type { VectorMemory } from "./memory.ts";
import { Segments } from "./segments.ts";
import { Slots } from "./slots.ts";

/** The row of a vector index in `vector_indexes`. */
export interface VectorIndexRow {
  readonly id: IndexId;
  readonly tablet: TabletId;
  readonly dimensions: number;
  readonly filterFields: number;
  readonly nextSlot: number;
}

interface PendingVector extends StoredVector {
  /** As in `_codes`. */
  readonly code: Uint8Array;
}

/** A statement with a vector of thousands of components takes as long as this many ordinary ones. */
const changesPerVector = 4;

/**
 * One vector index. Three tables: `_vectors` (by slot: what a search shows), `_codes` (by slot: what it scans) and
 * `_ids` (the slot of a document); `_free` lists the slots below `nextSlot` that are not in use. Changes wait in memory
 * for a flush, as those of documents do. Codes are kept in memory by segments.ts.
 */
export class VectorTable implements Buffered {
  readonly id: IndexId;
  readonly tablet: TabletId;
  readonly #buffer: WriteBuffer;
  readonly #encoding: VectorEncoding;
  readonly #dimensions: number;
  readonly #filterFields: number;
  readonly #slots: Slots;
  readonly #segments: Segments;
  /** By slot; null: emptied. */
  readonly #pending = new Map<number, PendingVector | null>();
  readonly #select: Statement;
  readonly #putVector: Statement;
  readonly #putCode: Statement;
  readonly #removeVector: Statement;
  readonly #removeCode: Statement;

  constructor(database: SqliteDatabase, buffer: WriteBuffer, memory: VectorMemory, row: VectorIndexRow) {
    this.id = row.id;
    this.tablet = row.tablet;
    this.#buffer = buffer;
    this.#dimensions = row.dimensions;
    this.#filterFields = row.filterFields;
    this.#encoding = encodingOf(row.dimensions);
    const name = nameOf(row.id);
    this.#slots = new Slots(database, name, row);
    this.#segments = new Segments(memory, this.#encoding, row.filterFields, {
      slots: () => this.#slots.next,
      load: codesReader(database, name, this.#pending),
    });
    this.#select = new Statement(database, `SELECT id, filters, vector FROM ${name}_vectors WHERE slot = ?`);
    this.#putVector = new Statement(
      database,
      `INSERT OR REPLACE INTO ${name}_vectors (slot, id, filters, vector) VALUES (?, ?, ?, ?)`,
    );
    this.#putCode = new Statement(
      database,
      `INSERT OR REPLACE INTO ${name}_codes (slot, code) VALUES (?, ?)`,
    );
    this.#removeVector = new Statement(database, `DELETE FROM ${name}_vectors WHERE slot = ?`);
    this.#removeCode = new Statement(database, `DELETE FROM ${name}_codes WHERE slot = ?`);
  }

  /** Of all indexes. */
  static createList(database: SqliteDatabase): void {
    database.exec(
      `CREATE TABLE IF NOT EXISTS vector_indexes (id INTEGER PRIMARY KEY, tablet INTEGER NOT NULL,
        dimensions INTEGER NOT NULL, filter_fields INTEGER NOT NULL, next_slot INTEGER NOT NULL)`,
    );
  }

  static list(database: SqliteDatabase): VectorIndexRow[] {
    const rows = database
      .prepare("SELECT id, tablet, dimensions, filter_fields, next_slot FROM vector_indexes")
      .all() as unknown as SQLOutputValue[][];
    return rows.map((row) => {
      const [id, tablet, dimensions, filterFields, nextSlot] = row.map(Number) as [
        number,
        number,
        number,
        number,
        number,
      ];
      return { id, tablet, dimensions, filterFields, nextSlot };
    });
  }

  static create(database: SqliteDatabase, row: VectorIndexRow): void {
    const name = nameOf(row.id);
    database.exec(`
      CREATE TABLE ${name}_vectors (slot INTEGER PRIMARY KEY, id BLOB NOT NULL, filters BLOB NOT NULL, vector BLOB NOT NULL);
      CREATE TABLE ${name}_codes (slot INTEGER PRIMARY KEY, code BLOB NOT NULL);`);
    Slots.create(database, name);
    database
      .prepare(
        "INSERT INTO vector_indexes (id, tablet, dimensions, filter_fields, next_slot) VALUES (?, ?, ?, ?, ?)",
      )
      .run(row.id, row.tablet, row.dimensions, row.filterFields, row.nextSlot);
  }

  static drop(database: SqliteDatabase, id: IndexId): void {
    const name = nameOf(id);
    database.exec(`DROP TABLE ${name}_vectors; DROP TABLE ${name}_codes;`);
    Slots.drop(database, name);
    database.prepare("DELETE FROM vector_indexes WHERE id = ?").run(id);
  }

  /** Gives its memory back. */
  close(): void {
    this.#segments.close();
  }

  change(id: InternalId, existed: boolean, after: VectorEntry | null): void {
    // While the index is being built it may not have come to this document yet.
    const slot = existed ? this.#slots.slotOf(id) : null;
    if (after !== null) this.#put(slot ?? this.#slots.take(id), id, after);
    else if (slot !== null) this.#empty(slot, id);
  }

  /** Adds documents that are older than the index. Some may have come here with a write already. */
  backfill(documents: readonly { readonly id: InternalId; readonly entry: VectorEntry }[]): void {
    for (const { id, entry } of documents) {
      if (this.#slots.slotOf(id) === null) this.#put(this.#slots.take(id), id, entry);
    }
  }

  flush(): void {
    for (const [slot, pending] of this.#pending) {
      if (pending === null) {
        this.#removeVector.use().run(slot);
        this.#removeCode.use().run(slot);
      } else {
        const { id, filters, vector, code } = pending;
        this.#putVector.use().run(slot, keyToBytes(id), packFilters(filters), bytesOf(vector));
        this.#putCode.use().run(slot, code);
      }
    }
    this.#pending.clear();
    this.#slots.flush();
  }

  reader(): VectorReader {
    const segments = this.#segments;
    return {
      segments: segments.count,
      errorMax: this.#encoding.errorMax,
      prepareScan: (vector, conditions) => ({ conditions, encoded: this.#encoding.encodeQuery(vector) }),
      scanSegment: (segment, scan, candidates) => segments.scan(segment, scan, candidates),
      at: (slot) => this.#at(slot),
    };
  }

  #put(slot: number, id: InternalId, { vector, filters }: VectorEntry): void {
    assert(vector.length === this.#dimensions, "an entry has the dimensions of its index");
    assert(filters.length === this.#filterFields, "an entry has a key for each filter field");
    const code = this.#segments.encode(vector, filters);
    this.#pending.set(slot, { id, vector, filters, code });
    this.#segments.write(slot, code);
    this.#buffer.note(this, changesPerVector, vector.byteLength + code.byteLength);
  }

  #empty(slot: number, id: InternalId): void {
    this.#slots.release(id, slot);
    this.#pending.set(slot, null);
    this.#segments.write(slot, null);
    this.#buffer.note(this, changesPerVector, 0);
  }

  #at(slot: number): StoredVector | null {
    const pending = this.#pending.get(slot);
    if (pending !== undefined) return pending;
    const row = this.#select.use().get(slot) as unknown as SQLOutputValue[] | undefined;
    if (row === undefined) return null;
    const [id, filters, vector] = row;
    assert(
      id instanceof Uint8Array && filters instanceof Uint8Array && vector instanceof Uint8Array,
      "vectors are stored as BLOBs",
    );
    return { id: bytesToKey(id), filters: unpackFilters(filters), vector: floatsOf(vector) };
  }
}

function nameOf(id: IndexId): string {
  return `vector_${id}`;
}

/** Codes of a range of slots, pending changes included. */
function codesReader(
  database: SqliteDatabase,
  name: string,
  pending: ReadonlyMap<number, PendingVector | null>,
) {
  const select = new Statement(
    database,
    `SELECT slot, code FROM ${name}_codes WHERE slot >= ? AND slot < ? ORDER BY slot`,
  );
  return (from: number, to: number, found: (slot: number, code: Uint8Array) => void): void => {
    for (const [slot, code] of select.use().all(from, to) as unknown as SQLOutputValue[][]) {
      assert(typeof slot === "number" && code instanceof Uint8Array, "codes are stored by slot");
      if (!pending.has(slot)) found(slot, code);
    }
    if (pending.size === 0) return;
    for (let slot = from; slot < to; slot++) {
      const change = pending.get(slot);
      if (change !== undefined && change !== null) found(slot, change.code);
    }
  };
}

/** Each key with its length before it; keys are strings of bytes. */
function packFilters(filters: readonly string[]): Uint8Array {
  return Buffer.from(filters.map((key) => String.fromCharCode(key.length) + key).join(""), "latin1");
}

function unpackFilters(bytes: Uint8Array): string[] {
  const filters: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + (bytes[at] as number);
    filters.push(bytesToKey(bytes.subarray(at + 1, end)));
    at = end;
  }
  return filters;
}

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

function floatsOf(bytes: Uint8Array): Float32Array {
  if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return new Float32Array(bytes.slice().buffer);
}
