import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../../base/assert.ts";
import { bytesToKey, keyToBytes, type IndexKey } from "../../values/key.ts";
import { type SqliteDatabase, Statement } from "../sqliteDatabase.ts";
import { ByteReader, ByteWriter, unzigzag, zigzag } from "./bytes.ts";

/**
 * A page ends when it has this many bytes. One row for each term would cost a statement for each; in pages a row is
 * some hundred terms, and a look-up reads a quarter of an SQLite page.
 */
export const pageBytesMin = 2048;
/** Keys have a byte for their length. Terms are shorter than 32 bytes and filter keys no longer than 34. */
const keyBytesMax = 255;

/** What a run knows of one key; `documents` is the change it brings to the number of documents that have the key. */
export interface TermEntry {
  readonly key: IndexKey;
  readonly documents: number;
  /** Chunks (postings.ts) are `data` from `start` to `end`. */
  readonly data: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * The pages of a search index. A run is a sorted sequence of entries that is written once, in pages; searching looks
 * into every run, merging makes one of several. Runs never change, so rows are appended and dropped, not updated:
 * that keeps the write-ahead log small, where a B-tree of postings would touch a random page for each term.
 */
export class PageTable {
  readonly #insert: Statement;
  readonly #floor: Statement;
  readonly #after: Statement;
  readonly #first: Statement;
  readonly #remove: Statement;

  constructor(database: SqliteDatabase, name: string) {
    const select = `SELECT first, data FROM ${name} WHERE run = ?`;
    this.#insert = new Statement(database, `INSERT INTO ${name} (run, first, data) VALUES (?, ?, ?)`);
    this.#floor = new Statement(database, `${select} AND first <= ? ORDER BY first DESC LIMIT 1`);
    this.#after = new Statement(database, `${select} AND first > ? ORDER BY first LIMIT 1`);
    this.#first = new Statement(database, `${select} ORDER BY first LIMIT 1`);
    this.#remove = new Statement(
      database,
      `DELETE FROM ${name} WHERE page IN (SELECT page FROM ${name} WHERE run = ? LIMIT ?)`,
    );
  }

  static create(database: SqliteDatabase, name: string): void {
    database.exec(`
      CREATE TABLE ${name} (page INTEGER PRIMARY KEY, run INTEGER NOT NULL, first BLOB NOT NULL, data BLOB NOT NULL);
      CREATE UNIQUE INDEX ${name}_first ON ${name} (run, first);`);
  }

  insert(run: number, first: IndexKey, data: Uint8Array): void {
    this.#insert.use().run(run, keyToBytes(first), data);
  }

  /** The page that holds `key` if the run does. */
  floor(run: number, key: IndexKey): Page | null {
    return pageOf(this.#floor.use().get(run, keyToBytes(key)));
  }

  after(run: number, first: IndexKey): Page | null {
    return pageOf(this.#after.use().get(run, keyToBytes(first)));
  }

  first(run: number): Page | null {
    return pageOf(this.#first.use().get(run));
  }

  /** Deletes up to `pagesMax` pages of a run; returns how many it has deleted. */
  remove(run: number, pagesMax: number): number {
    return Number(this.#remove.use().run(run, pagesMax).changes);
  }
}

export interface Page {
  readonly first: IndexKey;
  readonly data: Uint8Array;
}

function pageOf(row: unknown): Page | null {
  if (row === undefined) return null;
  const [first, data] = row as SQLOutputValue[];
  assert(first instanceof Uint8Array && data instanceof Uint8Array, "pages are stored as BLOBs");
  return { first: bytesToKey(first), data };
}

/** Writes entries, which must come in key order, as the pages of one run. */
export class RunWriter {
  readonly run: number;
  readonly #pages: PageTable;
  readonly #page = new ByteWriter();
  #first: IndexKey | null = null;
  /** Of all pages written so far. */
  bytes = 0;

  constructor(pages: PageTable, run: number) {
    this.#pages = pages;
    this.run = run;
  }

  /** `chunks`: the bytes from `start` to `end`. An entry: key length, key, documents, bytes of the chunks, chunks. */
  add(key: IndexKey, documents: number, chunks: Uint8Array, start: number, end: number): void {
    assert(key.length <= keyBytesMax, "keys of search indexes are short");
    this.#first ??= key;
    const page = this.#page;
    page.byte(key.length);
    page.binary(key);
    page.varint(zigzag(documents));
    page.varint(end - start);
    page.copy(chunks, start, end);
    if (page.length >= pageBytesMin) this.#write();
  }

  /** False if the run has no entries at all. */
  finish(): boolean {
    this.#write();
    return this.bytes > 0;
  }

  #write(): void {
    if (this.#first === null) return;
    this.#pages.insert(this.run, this.#first, this.#page.finish());
    this.bytes += this.#page.length;
    this.#page.clear();
    this.#first = null;
  }
}

/** The entry of a key in a page. */
export function findEntry({ data }: Page, key: IndexKey): TermEntry | null {
  const reader = new ByteReader(data);
  const keyLength = key.length;
  while (reader.position < data.length) {
    const length = reader.byte();
    const keyStart = reader.position;
    const order = compareBytes(data, keyStart, length, key, keyLength);
    if (order > 0) return null;
    reader.position += length;
    const documents = reader.varint();
    const bytes = reader.varint();
    const start = reader.position;
    if (order === 0) return { key, documents: unzigzag(documents), data, start, end: start + bytes };
    reader.position += bytes;
  }
  return null;
}

function compareBytes(
  data: Uint8Array,
  start: number,
  length: number,
  key: IndexKey,
  keyLength: number,
): number {
  const common = length < keyLength ? length : keyLength;
  for (let i = 0; i < common; i++) {
    const difference = (data[start + i] as number) - key.charCodeAt(i);
    if (difference !== 0) return difference;
  }
  return length - keyLength;
}

/** Walks through the entries of a run from a key on. Pages are read when they are reached. */
export class RunCursor {
  readonly #pages: PageTable;
  readonly #run: number;
  #page: Page | null;
  #position = 0;
  /** Null at the end of the run. */
  current: TermEntry | null = null;

  constructor(pages: PageTable, run: number, from: IndexKey = "") {
    this.#pages = pages;
    this.#run = run;
    this.#page = pages.floor(run, from) ?? pages.first(run);
    do this.advance();
    while (this.current !== null && (this.current as TermEntry).key < from);
  }

  advance(): void {
    while (this.#page !== null && this.#position >= this.#page.data.length) {
      this.#page = this.#pages.after(this.#run, this.#page.first);
      this.#position = 0;
    }
    if (this.#page === null) {
      this.current = null;
      return;
    }
    const { data } = this.#page;
    const reader = new ByteReader(data, this.#position);
    const length = reader.byte();
    const key = bytesToKey(data.subarray(reader.position, reader.position + length));
    reader.position += length;
    const documents = unzigzag(reader.varint());
    const bytes = reader.varint();
    const start = reader.position;
    this.#position = start + bytes;
    this.current = { key, documents, data, start, end: this.#position };
  }
}

/** Entries of several cursors in key order; those of one key together, in the order of the cursors. */
export function* entriesByKey(cursors: readonly RunCursor[]): Generator<readonly TermEntry[]> {
  for (;;) {
    let key: IndexKey | null = null;
    for (const { current } of cursors) {
      if (current !== null && (key === null || current.key < key)) key = current.key;
    }
    if (key === null) return;
    const entries: TermEntry[] = [];
    for (const cursor of cursors) {
      if (cursor.current?.key !== key) continue;
      entries.push(cursor.current);
      cursor.advance();
    }
    yield entries;
  }
}
