import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../../base/assert.ts";
import type { InternalId } from "../../values/id.ts";
import { keyToBytes } from "../../values/key.ts";
import { type SqliteDatabase, Statement } from "../sqliteDatabase.ts";
import { windowDocuments } from "./postings.ts";

const idBytes = 16;
/** `_creationTime` as a little-endian double, and the id. */
const recordBytes = 8 + idBytes;
/** Records in one row; such a row fits in an SQLite page. */
const blockDocuments = 256;
/** Blocks kept in the heap: 12 MiB for half a million documents. */
const cachedBlocksMax = 2048;
const idsPerInsert = 64;

interface Window {
  /** Greatest creation time of any document that ever was in the window. */
  newest: number;
  /** One bit for each document that is gone. Null: none is. */
  removed: Uint8Array | null;
}

/**
 * The documents of one search index by ordinal. A new version of a text gets a new ordinal and its old one is marked
 * removed, so postings are never changed and ordinals mostly ascend with creation times.
 */
export class Ordinals {
  #next: number;
  readonly #pendingIds = new Map<InternalId, number | null>();
  readonly #dirtyBlocks = new Map<number, Buffer>();
  readonly #blocks = new Map<number, Buffer>();
  /** All of them, once somebody has asked; they take half a kibibyte at most for each 4096 documents. */
  #windows: Map<number, Window> | null = null;
  readonly #dirtyWindows = new Set<number>();
  readonly #selectId: Statement;
  readonly #insertIds: Statement;
  readonly #insertId: Statement;
  readonly #removeId: Statement;
  readonly #selectBlock: Statement;
  readonly #putBlock: Statement;
  readonly #selectWindows: Statement;
  readonly #putWindow: Statement;

  constructor(database: SqliteDatabase, name: string, next: number) {
    this.#next = next;
    const insert = `INSERT OR REPLACE INTO ${name}_ids (id, ordinal) VALUES (?, ?)`;
    this.#selectId = new Statement(database, `SELECT ordinal FROM ${name}_ids WHERE id = ?`);
    this.#insertIds = new Statement(database, `${insert}${",(?, ?)".repeat(idsPerInsert - 1)}`);
    this.#insertId = new Statement(database, insert);
    this.#removeId = new Statement(database, `DELETE FROM ${name}_ids WHERE id = ?`);
    this.#selectBlock = new Statement(database, `SELECT data FROM ${name}_blocks WHERE block = ?`);
    this.#putBlock = new Statement(
      database,
      `INSERT OR REPLACE INTO ${name}_blocks (block, data) VALUES (?, ?)`,
    );
    this.#selectWindows = new Statement(database, `SELECT window, newest, removed FROM ${name}_windows`);
    this.#putWindow = new Statement(
      database,
      `INSERT OR REPLACE INTO ${name}_windows (window, newest, removed) VALUES (?, ?, ?)`,
    );
  }

  static create(database: SqliteDatabase, name: string): void {
    database.exec(`
      CREATE TABLE ${name}_ids (id BLOB PRIMARY KEY NOT NULL, ordinal INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE ${name}_blocks (block INTEGER PRIMARY KEY, data BLOB NOT NULL);
      CREATE TABLE ${name}_windows (window INTEGER PRIMARY KEY, newest REAL NOT NULL, removed BLOB);`);
  }

  static drop(database: SqliteDatabase, name: string): void {
    database.exec(`DROP TABLE ${name}_ids; DROP TABLE ${name}_blocks; DROP TABLE ${name}_windows;`);
  }

  /** The ordinal that the next document gets; all below have been given out. */
  get next(): number {
    return this.#next;
  }

  add(id: InternalId, creationTime: number): number {
    const ordinal = this.#next++;
    this.#pendingIds.set(id, ordinal);
    const block = this.#openBlock(Math.floor(ordinal / blockDocuments));
    const at = (ordinal % blockDocuments) * recordBytes;
    block.writeDoubleLE(creationTime, at);
    block.write(id, at + 8, idBytes, "latin1");
    const number = Math.floor(ordinal / windowDocuments);
    const window = this.#loadWindows().get(number);
    if (window === undefined) this.#loadWindows().set(number, { newest: creationTime, removed: null });
    else if (creationTime > window.newest) window.newest = creationTime;
    this.#dirtyWindows.add(number);
    return ordinal;
  }

  /** False if the index does not have the document. */
  remove(id: InternalId): boolean {
    const ordinal = this.ordinalOf(id);
    if (ordinal === null) return false;
    this.#pendingIds.set(id, null);
    const number = Math.floor(ordinal / windowDocuments);
    const window = this.#loadWindows().get(number);
    assert(window !== undefined, "every ordinal is in a window");
    window.removed ??= new Uint8Array(windowDocuments / 8);
    const offset = ordinal % windowDocuments;
    window.removed[offset >> 3] = (window.removed[offset >> 3] as number) | (1 << (offset & 7));
    this.#dirtyWindows.add(number);
    return true;
  }

  ordinalOf(id: InternalId): number | null {
    const pending = this.#pendingIds.get(id);
    if (pending !== undefined) return pending;
    const row = this.#selectId.use().get(keyToBytes(id)) as unknown as SQLOutputValue[] | undefined;
    return row === undefined ? null : Number(row[0]);
  }

  creationTimeAt(ordinal: number): number {
    return this.#block(ordinal).readDoubleLE((ordinal % blockDocuments) * recordBytes);
  }

  idAt(ordinal: number): InternalId {
    const at = (ordinal % blockDocuments) * recordBytes + 8;
    return this.#block(ordinal).toString("latin1", at, at + idBytes);
  }

  /** Bit map of the documents of a window that are gone; null if there are none. */
  removedIn(window: number): Uint8Array | null {
    return this.#loadWindows().get(window)?.removed ?? null;
  }

  /** No document of the window is newer. */
  newestIn(window: number): number {
    const found = this.#loadWindows().get(window);
    assert(found !== undefined, "a window with postings exists");
    return found.newest;
  }

  flush(): void {
    this.#flushIds();
    for (const [number, block] of this.#dirtyBlocks) {
      this.#putBlock.use().run(number, block);
      this.#cache(number, block);
    }
    this.#dirtyBlocks.clear();
    for (const number of this.#dirtyWindows) {
      const { newest, removed } = this.#loadWindows().get(number) as Window;
      this.#putWindow.use().run(number, newest, removed);
    }
    this.#dirtyWindows.clear();
  }

  #flushIds(): void {
    let batch: (Uint8Array | number)[] = [];
    for (const [id, ordinal] of this.#pendingIds) {
      if (ordinal === null) {
        this.#removeId.use().run(keyToBytes(id));
        continue;
      }
      batch.push(keyToBytes(id), ordinal);
      if (batch.length < 2 * idsPerInsert) continue;
      this.#insertIds.use().run(...batch);
      batch = [];
    }
    for (let i = 0; i < batch.length; i += 2) {
      this.#insertId.use().run(batch[i] as Uint8Array, batch[i + 1] as number);
    }
    this.#pendingIds.clear();
  }

  #block(ordinal: number): Buffer {
    const number = Math.floor(ordinal / blockDocuments);
    const known = this.#dirtyBlocks.get(number) ?? this.#blocks.get(number);
    if (known !== undefined) return known;
    const loaded = this.#loadBlock(number);
    assert(loaded !== null, "every ordinal is in a block");
    this.#cache(number, loaded);
    return loaded;
  }

  #openBlock(number: number): Buffer {
    let block = this.#dirtyBlocks.get(number);
    if (block === undefined) {
      block =
        this.#blocks.get(number) ?? this.#loadBlock(number) ?? Buffer.alloc(blockDocuments * recordBytes);
      this.#dirtyBlocks.set(number, block);
    }
    return block;
  }

  #loadBlock(number: number): Buffer | null {
    const row = this.#selectBlock.use().get(number) as unknown as SQLOutputValue[] | undefined;
    if (row === undefined) return null;
    const [data] = row;
    assert(data instanceof Uint8Array, "blocks are stored as BLOBs");
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  #cache(number: number, block: Buffer): void {
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    if (this.#blocks.size <= cachedBlocksMax) return;
    for (const oldest of this.#blocks.keys()) {
      this.#blocks.delete(oldest);
      break;
    }
  }

  #loadWindows(): Map<number, Window> {
    if (this.#windows !== null) return this.#windows;
    this.#windows = new Map();
    for (const [window, newest, removed] of this.#selectWindows
      .use()
      .all() as unknown as SQLOutputValue[][]) {
      this.#windows.set(Number(window), {
        newest: Number(newest),
        removed: removed instanceof Uint8Array ? removed.slice() : null,
      });
    }
    return this.#windows;
  }
}
