import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../base/assert.ts";
import type { CommitTs } from "../log/log.ts";
import type { InternalId } from "../values/id.ts";
import type { IndexKey } from "../values/key.ts";
import { DocumentCache } from "./documentCache.ts";
import { DocumentTable } from "./documentTable.ts";
import { IndexTable } from "./indexTable.ts";
import { type IndexEntry, LookupBudget } from "./lookupCache.ts";
import { SessionRequests } from "./sessionRequests.ts";
import { SqliteDatabase } from "./sqliteDatabase.ts";
import type {
  DocumentWrite,
  IndexId,
  ScanRow,
  SessionRequest,
  Store,
  StoredDocument,
  TabletId,
  VectorIndexShape,
} from "./store.ts";
import type { SearchEntry, SearchReader } from "./searchReader.ts";
import { SearchTable } from "./text/searchTable.ts";
import type { VectorEntry, VectorReader } from "./vectorReader.ts";
import { defaultVectorMemoryBytesMax, VectorMemory } from "./vector/memory.ts";
import { VectorTable, type VectorIndexRow } from "./vector/vectorTable.ts";
import { WriteBuffer } from "./writeBuffer.ts";

export const defaultCacheBytesMax = 128 * 1024 * 1024;
/** How long opening waits for another process to let go of the file, as when a server is restarted. */
export const defaultLockWaitMs = 2000;

export const defaultLookupBytesMax = 96 * 1024 * 1024;

export interface SqliteStoreOptions {
  /** Heap for answers of `lookUp`. */
  readonly lookupBytesMax?: number;
  /** Heap for documents that were read or written recently. */
  readonly cacheBytesMax?: number;
  /** Memory for the codes of vector indexes. */
  readonly vectorMemoryBytesMax?: number;
  readonly lockWaitMs?: number;
  /** The file is "full" at so many pages of 8 KiB. For tests of full disks. */
  readonly pagesMax?: number;
}

/** The store, and a few words of metadata that live and are persisted with it. */
export interface SqliteStore extends Store {
  getMeta(key: string): string | null;
  /** Becomes durable with the next `persist`. */
  setMeta(key: string, value: string): void;
}

/**
 * Opens or creates the store in the file `path` (":memory:" for none). One process and one thread may have it open.
 * Throws LensletError Internal: DataFolderLocked, DataFormatTooNew, DataFileUnknown, DataFileDamaged.
 */
export function openSqliteStore(path: string, options: SqliteStoreOptions = {}): SqliteStore {
  const database = new SqliteDatabase(path, options.lockWaitMs ?? defaultLockWaitMs);
  if (options.pagesMax !== undefined) database.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
  return new OpenSqliteStore(
    database,
    options.cacheBytesMax ?? defaultCacheBytesMax,
    options.vectorMemoryBytesMax ?? defaultVectorMemoryBytesMax,
    options.lookupBytesMax ?? defaultLookupBytesMax,
  );
}

const idLength = 16;

/**
 * Three layers: changes that SQLite has not seen (writeBuffer.ts), documents in the heap (documentCache.ts), SQLite.
 * Applying a commit touches the first only. A read looks through all three; a scan first hands the
 * pending entries of its one index to SQLite. SQLite's transaction ends in `persist` and nowhere else.
 */
class OpenSqliteStore implements SqliteStore {
  readonly #database: SqliteDatabase;
  readonly #cache: DocumentCache;
  readonly #buffer = new WriteBuffer();
  readonly #lookups: LookupBudget;
  readonly #requests: SessionRequests;
  readonly #tables = new Map<TabletId, DocumentTable>();
  readonly #indexes = new Map<IndexId, IndexTable>();
  readonly #searchIndexes = new Map<IndexId, SearchTable>();
  readonly #vectorMemory: VectorMemory;
  readonly #vectorIndexes = new Map<IndexId, VectorTable>();
  /** Physical ids dropped since opening: the commit that drops something may still mention it. */
  readonly #dropped = new Set<TabletId | IndexId>();
  readonly #recounted = new Set<DocumentTable>();
  #appliedTs: CommitTs;
  #greatestPhysicalId: number;
  #unpersisted = false;
  #fileHolds = 0;
  /** Of the last `checkpoint`. */
  #checkpointTs: CommitTs = 0n;
  /** Set when SQLite failed (disk full, I/O error): it may have rolled back, so nothing here can be trusted any more. */
  #failure: unknown = null;

  constructor(
    database: SqliteDatabase,
    cacheBytesMax: number,
    vectorMemoryBytesMax: number,
    lookupBytesMax: number,
  ) {
    this.#database = database;
    this.#lookups = new LookupBudget(lookupBytesMax);
    this.#vectorMemory = new VectorMemory(vectorMemoryBytesMax);
    this.#cache = new DocumentCache(cacheBytesMax);
    database.exec(`
      CREATE TABLE IF NOT EXISTS tablets (tablet INTEGER PRIMARY KEY, by_id INTEGER NOT NULL, count INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS indexes (id INTEGER PRIMARY KEY, tablet INTEGER NOT NULL);`);
    SearchTable.createList(database);
    VectorTable.createList(database);
    this.#requests = new SessionRequests(database, this.#buffer);
    this.#appliedTs = BigInt(database.getMeta("appliedTs") ?? 0);
    this.#greatestPhysicalId = Number(database.getMeta("greatestPhysicalId") ?? 0);
    for (const [tablet, byId, count] of this.#rows("SELECT tablet, by_id, count FROM tablets")) {
      this.#addTable({ tablet: Number(tablet), byId: Number(byId), count: Number(count) });
    }
    for (const [id, tablet] of this.#rows("SELECT id, tablet FROM indexes")) {
      this.#addIndex(Number(id), Number(tablet));
    }
    for (const [id, tablet, state] of this.#rows("SELECT id, tablet, state FROM search_indexes")) {
      this.#addSearchIndex(Number(id), Number(tablet), String(state));
    }
    for (const row of VectorTable.list(database)) this.#addVectorIndex(row);
  }

  failure(): unknown {
    return this.#failure;
  }

  appliedTs(): CommitTs {
    return this.#appliedTs;
  }

  greatestPhysicalId(): number {
    return this.#greatestPhysicalId;
  }

  createTablet(tablet: TabletId, byId: IndexId): void {
    const existing = this.#tables.get(tablet);
    if (existing !== undefined) {
      assert(existing.byId === byId, "a tablet keeps its by_id index");
      return;
    }
    this.#change(() => {
      DocumentTable.create(this.#database, tablet);
      this.#database.prepare("INSERT INTO tablets (tablet, by_id, count) VALUES (?, ?, 0)").run(tablet, byId);
      this.#raisePhysicalId(Math.max(tablet, byId));
    });
    this.#addTable({ tablet, byId, count: 0 });
  }

  dropTablet(tablet: TabletId): void {
    const table = this.#tables.get(tablet);
    if (table === undefined) return;
    const indexes = [this.#indexes, this.#searchIndexes, this.#vectorIndexes];
    for (const index of indexes.flatMap((ofKind) => [...ofKind.values()])) {
      if (index.tablet === tablet) this.dropIndex(index.id);
    }
    this.#change(() => {
      this.#buffer.forget(table);
      DocumentTable.drop(this.#database, tablet);
      this.#database.prepare("DELETE FROM tablets WHERE tablet = ?").run(tablet);
    });
    this.#tables.delete(tablet);
    this.#recounted.delete(table);
    this.#cache.dropTablet(tablet);
    this.#dropped.add(tablet);
  }

  createIndex(index: IndexId, tablet: TabletId): void {
    const existing = this.#indexes.get(index);
    if (existing !== undefined) {
      assert(existing.tablet === tablet, "an index keeps its tablet");
      return;
    }
    assert(this.#tables.get(tablet)?.byId !== index, "by_id is created with its tablet");
    this.#change(() => {
      IndexTable.create(this.#database, index);
      this.#database.prepare("INSERT INTO indexes (id, tablet) VALUES (?, ?)").run(index, tablet);
      this.#raisePhysicalId(index);
    });
    this.#addIndex(index, tablet);
  }

  createSearchIndex(index: IndexId, tablet: TabletId): void {
    const existing = this.#searchIndexes.get(index);
    if (existing !== undefined) {
      assert(existing.tablet === tablet, "an index keeps its tablet");
      return;
    }
    let state = "";
    this.#change(() => {
      state = SearchTable.create(this.#database, index, tablet);
      this.#raisePhysicalId(index);
    });
    this.#addSearchIndex(index, tablet, state);
  }

  createVectorIndex(index: IndexId, tablet: TabletId, shape: VectorIndexShape): void {
    const existing = this.#vectorIndexes.get(index);
    if (existing !== undefined) {
      assert(existing.tablet === tablet, "an index keeps its tablet");
      return;
    }
    const row = { id: index, tablet, ...shape, nextSlot: 0 };
    this.#change(() => {
      VectorTable.create(this.#database, row);
      this.#raisePhysicalId(index);
    });
    this.#addVectorIndex(row);
  }

  dropIndex(index: IndexId): void {
    const table =
      this.#indexes.get(index) ?? this.#searchIndexes.get(index) ?? this.#vectorIndexes.get(index);
    if (table === undefined) return;
    this.#change(() => {
      this.#buffer.forget(table);
      if (table instanceof SearchTable) SearchTable.drop(this.#database, index);
      else if (table instanceof VectorTable) {
        table.close();
        VectorTable.drop(this.#database, index);
      } else {
        table.close();
        IndexTable.drop(this.#database, index);
        this.#database.prepare("DELETE FROM indexes WHERE id = ?").run(index);
      }
    });
    this.#indexes.delete(index);
    this.#searchIndexes.delete(index);
    this.#vectorIndexes.delete(index);
    this.#dropped.add(index);
  }

  applyCommit(ts: CommitTs, writes: readonly DocumentWrite[], request: SessionRequest | null): void {
    this.#assertUsable();
    assert(ts > this.#appliedTs, "commitTs must increase");
    for (const write of writes) this.#applyWrite(write);
    if (request !== null) this.#requests.add(request);
    this.#appliedTs = ts;
    this.#unpersisted = true;
    if (this.#buffer.isFull) this.#change(() => this.#buffer.flush());
  }

  backfillIndex(
    index: IndexId,
    entries: readonly { readonly key: IndexKey; readonly id: InternalId }[],
  ): void {
    const table = this.#indexes.get(index);
    assert(table !== undefined, "an index is created before it is backfilled");
    this.#change(() => table.backfill(entries.map(({ key }) => key)));
  }

  backfillSearchIndex(
    index: IndexId,
    documents: readonly { readonly id: InternalId; readonly entry: SearchEntry }[],
  ): void {
    this.#change(() => {
      this.#searchTable(index).backfill(documents);
      if (this.#buffer.isFull) this.#buffer.flush();
    });
  }

  backfillVectorIndex(
    index: IndexId,
    documents: readonly { readonly id: InternalId; readonly entry: VectorEntry }[],
  ): void {
    const table = this.#vectorIndexes.get(index);
    assert(table !== undefined, "an index is created before it is backfilled");
    this.#change(() => {
      table.backfill(documents);
      if (this.#buffer.isFull) this.#buffer.flush();
    });
  }

  get(tablet: TabletId, id: InternalId): StoredDocument | null {
    this.#assertUsable();
    return this.#table(tablet).get(id);
  }

  scan(
    index: IndexId,
    tablet: TabletId,
    lower: IndexKey,
    upper: IndexKey | null,
    order: "asc" | "desc",
    limit: number,
  ): ScanRow[] {
    this.#assertUsable();
    const table = this.#table(tablet);
    const source = index === table.byId ? table : this.#indexes.get(index);
    assert(source !== undefined && source.tablet === tablet, "a scan names an index of its tablet");
    if (limit <= 0 || (upper !== null && upper <= lower)) return [];
    let keys: IndexKey[];
    try {
      keys = source.keys(lower, upper, order, limit);
    } catch (error) {
      // It may have been the flush before the scan that failed.
      this.#failure = error;
      throw error;
    }
    return keys.map((key) => {
      const document = table.get(key.slice(-idLength));
      assert(document !== null, "an index entry has its document");
      return { key, document };
    });
  }

  lookUp(
    index: IndexId,
    tablet: TabletId,
    prefix: IndexKey,
    order: "asc" | "desc",
    limit: number,
  ): ScanRow[] {
    this.#assertUsable();
    const table = this.#table(tablet);
    const source = this.#indexes.get(index);
    assert(source !== undefined && source.tablet === tablet, "a look-up names an index of its tablet");
    if (limit <= 0) return [];
    let entries: readonly IndexEntry[];
    try {
      entries = source.lookUp(prefix, order, limit);
    } catch (error) {
      // As in `scan`.
      this.#failure = error;
      throw error;
    }
    const rows: ScanRow[] = [];
    for (const { key, id } of entries) {
      const document = table.get(id);
      assert(document !== null, "an index entry has its document");
      rows.push({ key, document });
    }
    return rows;
  }

  searchReader(index: IndexId): SearchReader {
    this.#assertUsable();
    return this.#searchTable(index).reader();
  }

  vectorReader(index: IndexId): VectorReader | null {
    this.#assertUsable();
    return this.#vectorIndexes.get(index)?.reader() ?? null;
  }

  count(tablet: TabletId): number {
    return this.#table(tablet).count;
  }

  sessionRequest(sessionId: string, requestId: number): SessionRequest | null {
    this.#assertUsable();
    return this.#requests.get(sessionId, requestId);
  }

  expireSessionRequests(before: CommitTs): void {
    this.#change(() => this.#requests.expire(before));
  }

  persist(): void {
    this.#assertUsable();
    if (!this.#unpersisted) return;
    this.#change(() => {
      this.#buffer.flush();
      const setCount = this.#database.prepare("UPDATE tablets SET count = ? WHERE tablet = ?");
      for (const table of this.#recounted) setCount.run(table.count, table.tablet);
      this.#recounted.clear();
      this.#database.setMeta("appliedTs", String(this.#appliedTs));
      this.#database.commit();
    });
    this.#unpersisted = false;
  }

  checkpoint(): CommitTs {
    this.persist();
    if (this.#fileHolds > 0) return this.#checkpointTs;
    this.#change(() => this.#database.checkpoint());
    this.#checkpointTs = this.#appliedTs;
    return this.#checkpointTs;
  }

  holdFile(): CommitTs {
    const ts = this.checkpoint();
    this.#fileHolds += 1;
    this.#database.checkpointsAlone(false);
    return ts;
  }

  releaseFile(): void {
    assert(this.#fileHolds > 0, "who releases the file has held it");
    this.#fileHolds -= 1;
    if (this.#fileHolds === 0) this.#database.checkpointsAlone(true);
  }

  close(): void {
    this.#database.close();
  }

  getMeta(key: string): string | null {
    return this.#database.getMeta(key);
  }

  setMeta(key: string, value: string): void {
    this.#change(() => this.#database.setMeta(key, value));
  }

  #applyWrite({ tablet, id, before, after, keys, search = [], vectors = [] }: DocumentWrite): void {
    const table = this.#tables.get(tablet);
    if (table === undefined) {
      assert(this.#dropped.has(tablet), "a commit writes to tablets that exist");
      return;
    }
    table.write(id, before, after);
    if ((before === null) !== (after === null)) this.#recounted.add(table);
    for (const change of keys) {
      if (change.before === change.after || change.index === table.byId) continue;
      const index = this.#indexes.get(change.index);
      if (index !== undefined) index.change(change.before, change.after);
      else assert(this.#dropped.has(change.index), "a commit changes indexes that exist");
    }
    for (const change of search) {
      const index = this.#searchIndexes.get(change.index);
      if (index !== undefined) index.change(id, change.before, change.after);
      else assert(this.#dropped.has(change.index), "a commit changes indexes that exist");
    }
    for (const change of vectors) {
      const index = this.#vectorIndexes.get(change.index);
      if (index !== undefined) index.change(id, change.existed, change.after);
      else assert(this.#dropped.has(change.index), "a commit changes indexes that exist");
    }
  }

  /** Everything that may write to SQLite goes through here. */
  #change(write: () => void): void {
    this.#assertUsable();
    try {
      write();
      this.#unpersisted = true;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #assertUsable(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #table(tablet: TabletId): DocumentTable {
    const table = this.#tables.get(tablet);
    assert(table !== undefined, "a tablet is created before it is read");
    return table;
  }

  #addTable(row: { tablet: TabletId; byId: IndexId; count: number }): void {
    this.#tables.set(row.tablet, new DocumentTable(this.#database, this.#buffer, this.#cache, row));
  }

  #addIndex(index: IndexId, tablet: TabletId): void {
    this.#indexes.set(
      index,
      new IndexTable(
        this.#database,
        this.#buffer,
        this.#lookups,
        index,
        tablet,
        () => this.#tables.get(tablet)?.count ?? 0,
      ),
    );
  }

  #addSearchIndex(index: IndexId, tablet: TabletId, state: string): void {
    this.#searchIndexes.set(index, new SearchTable(this.#database, this.#buffer, index, tablet, state));
  }

  #addVectorIndex(row: VectorIndexRow): void {
    const table = new VectorTable(this.#database, this.#buffer, this.#vectorMemory, row);
    this.#vectorIndexes.set(row.id, table);
  }

  #searchTable(index: IndexId): SearchTable {
    const table = this.#searchIndexes.get(index);
    assert(table !== undefined, "a search index is created before it is used");
    return table;
  }

  #raisePhysicalId(id: number): void {
    if (id <= this.#greatestPhysicalId) return;
    this.#greatestPhysicalId = id;
    this.#database.setMeta("greatestPhysicalId", String(id));
  }

  #rows(sql: string): SQLOutputValue[][] {
    return this.#database.prepare(sql).all() as unknown as SQLOutputValue[][];
  }
}
