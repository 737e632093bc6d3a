import type { CommitTs } from "../log/log.ts";
import { CatalogState, applyEffects } from "../store/catalogState.ts";
import { searchEntryOf } from "../search/entry.ts";
import type { DatabaseIndex, IndexState, SearchIndex, Table } from "../store/catalog.ts";
import type { SearchEntry } from "../store/searchReader.ts";
import { openSqliteStore } from "../store/sqliteStore.ts";
import type { DocumentWrite } from "../store/store.ts";
import { type JsonValue } from "../values/json.ts";
import type { InternalId } from "../values/id.ts";
import type { ValueObject } from "../values/value.ts";
import { DatabaseSyscalls } from "./databaseSyscalls.ts";
import { indexKey } from "./pendingWrites.ts";
import { Transaction, type TransactionOptions } from "./transaction.ts";

/** A database in memory with commits and history, for tests of this and later rooms. Not imported by the server. */
export class TestDatabase {
  readonly store = openSqliteStore(":memory:");
  catalog = CatalogState.load(this.store);
  ts: CommitTs = 1_000n;
  nowMs = 1_700_000_000_000;
  readonly history: { readonly ts: CommitTs; readonly writes: readonly DocumentWrite[] }[] = [];
  readonly cursorSecret = Buffer.alloc(32, 7);
  #ids = 0;

  begin(options: Partial<TransactionOptions> = {}): Transaction {
    return new Transaction({
      store: this.store,
      catalog: this.catalog,
      snapshotTs: this.ts,
      beginMs: this.nowMs,
      newInternalId: () => this.#newInternalId(),
      readOnly: false,
      ...options,
    });
  }

  /** A query at an older snapshot. */
  beginAt(ts: CommitTs): Transaction {
    const later = this.history.filter((commit) => commit.ts > ts).map((commit) => commit.writes);
    return this.begin({ snapshotTs: ts, readOnly: true, undo: later.reverse() });
  }

  commit(tx: Transaction): readonly DocumentWrite[] {
    const ts = this.ts + 1n;
    const writes = tx.finish(ts);
    if (writes.length === 0) return writes;
    this.ts = ts;
    const { catalog, effects } = this.catalog.apply(writes);
    applyEffects(this.store, effects);
    this.catalog = catalog;
    this.store.applyCommit(ts, writes, null);
    this.history.push({ ts, writes });
    this.nowMs += 1;
    return writes;
  }

  /** Runs `body` in a mutation and commits it. */
  run<T>(body: (tx: Transaction) => T): T {
    const tx = this.begin();
    const result = body(tx);
    this.commit(tx);
    return result;
  }

  insert(table: string, value: ValueObject): string {
    return this.run((tx) => tx.insert("", table, value));
  }

  table(name: string): Table {
    const table = this.catalog.tableByName("", name);
    if (table === null) throw new Error(`no table ${name}`);
    return table;
  }

  /** Creates an index, and its table if need be, and fills it. */
  addIndex(
    tableName: string,
    name: string,
    fields: string[],
    options: { state?: IndexState; staged?: boolean } = {},
  ): DatabaseIndex {
    this.run((tx) => {
      const { tablet } = tx.ensureTable("", tableName);
      tx.insert("", "_indexes", {
        namespace: "",
        table: tableName,
        tablet,
        name,
        index: tx.nextPhysicalId(),
        fields,
        state: options.state ?? "enabled",
        staged: options.staged ?? false,
      });
    });
    const table = this.table(tableName);
    const index = table.indexes.find((candidate) => candidate.name === name);
    if (index === undefined) throw new Error(`index ${name} was not created`);
    const rows = this.store.scan(table.byId.id, table.tablet, "", null, "asc", 1_000_000);
    const entries = rows.map(({ document }) => ({ key: indexKey(index, document), id: document.id }));
    this.store.backfillIndex(index.id, entries);
    return index;
  }

  /** Creates a text search index, and its table if need be, and fills it. */
  addSearchIndex(
    tableName: string,
    name: string,
    searchField: string,
    filterFields: string[] = [],
    options: { state?: IndexState; staged?: boolean } = {},
  ): SearchIndex {
    this.run((tx) => {
      const { tablet } = tx.ensureTable("", tableName);
      tx.insert("", "_indexes", {
        namespace: "",
        table: tableName,
        tablet,
        name,
        index: tx.nextPhysicalId(),
        kind: "search",
        fields: [searchField],
        filterFields,
        state: options.state ?? "enabled",
        staged: options.staged ?? false,
      });
    });
    const table = this.table(tableName);
    const index = table.searchIndexes.find((candidate) => candidate.name === name);
    if (index === undefined) throw new Error(`no search index ${name}`);
    const documents: { id: InternalId; entry: SearchEntry }[] = [];
    for (const { document } of this.store.scan(table.byId.id, table.tablet, "", null, "asc", 1_000_000)) {
      const entry = searchEntryOf(index, document);
      if (entry !== null) documents.push({ id: document.id, entry });
    }
    this.store.backfillSearchIndex(index.id, documents);
    return index;
  }

  /** Creates a vector index, and its table if need be; what is in the table already is not in the index. */
  addVectorIndex(tableName: string, name: string, vectorField: string, dimensions: number): void {
    this.run((tx) => {
      const { tablet } = tx.ensureTable("", tableName);
      tx.insert("", "_indexes", {
        namespace: "",
        table: tableName,
        tablet,
        name,
        index: tx.nextPhysicalId(),
        kind: "vector",
        fields: [vectorField],
        filterFields: [],
        dimensions,
        state: "enabled",
        staged: false,
      });
    });
  }

  /** `tables`: entries of the schema's JSON. */
  setSchema(state: "active" | "pending", tables: readonly object[], schemaValidation = true): void {
    const schema = JSON.stringify({ tables, schemaValidation });
    this.run((tx) => tx.insert("", "_schemas", { namespace: "", state, schema }));
  }

  syscalls(tx: Transaction, options: { journal?: string | null; isComponent?: boolean } = {}): Syscalls {
    const { journal = null, isComponent = false } = options;
    return new Syscalls(
      new DatabaseSyscalls(tx, "", { journal, isComponent, cursorSecret: this.cursorSecret }),
    );
  }

  /** Ids in no particular order; some begin with 0xff, as imported ones may. */
  #newInternalId(): string {
    this.#ids += 1;
    const first = this.#ids % 3 === 0 ? 0xff : (this.#ids * 89) % 256;
    return String.fromCharCode(first, 0xff, 0) + this.#ids.toString(16).padStart(13, "0");
  }
}

/** Syscalls as the bundle makes them, results parsed. */
export class Syscalls {
  readonly database: DatabaseSyscalls;

  constructor(database: DatabaseSyscalls) {
    this.database = database;
  }

  call(op: string, args: { readonly [name: string]: JsonValue }): JsonValue {
    return JSON.parse(this.database.call(op, JSON.parse(JSON.stringify(args)))) as JsonValue;
  }

  get(id: string, extra: { readonly [name: string]: JsonValue } = {}): JsonValue {
    return this.call("1.0/get", { id, isSystem: false, version: "1.48.0", ...extra });
  }

  insert(table: string, value: JsonValue): string {
    return (this.call("1.0/insert", { table, value }) as { _id: string })._id;
  }

  patch(id: string, value: JsonValue): JsonValue {
    return this.call("1.0/shallowMerge", { id, value });
  }

  remove(id: string): JsonValue {
    return this.call("1.0/remove", { id });
  }

  /** Opens a stream and returns its id. */
  stream(query: JsonValue): number {
    return (this.call("1.0/queryStream", { query, version: "1.48.0" }) as { queryId: number }).queryId;
  }

  next(queryId: number): { value: JsonDocument | null; done: boolean } {
    return this.call("1.0/queryStreamNext", { queryId }) as { value: JsonDocument | null; done: boolean };
  }

  collect(query: JsonValue): JsonDocument[] {
    const queryId = this.stream(query);
    const documents: JsonDocument[] = [];
    for (let next = this.next(queryId); !next.done; next = this.next(queryId)) {
      documents.push(next.value as JsonDocument);
    }
    this.call("1.0/queryCleanup", { queryId });
    return documents;
  }

  page(query: JsonValue, args: { readonly [name: string]: JsonValue }): PageJson {
    const defaults = { cursor: null, endCursor: null, maximumRowsRead: null, version: "1.48.0" };
    return this.call("1.0/queryPage", { query, ...defaults, ...args }) as unknown as PageJson;
  }
}

export type JsonDocument = {
  readonly _id: string;
  readonly _creationTime: number;
  readonly [field: string]: JsonValue;
};

export interface PageJson {
  readonly page: JsonDocument[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor: string | null;
  readonly pageStatus: string | null;
}

export interface SearchPart {
  readonly type: "Search" | "Eq";
  readonly fieldPath: string;
  readonly value: JsonValue;
}

export function searchQuery(
  indexName: string,
  filters: readonly SearchPart[],
  operators: JsonValue[] = [],
): JsonValue {
  return { source: { type: "Search", indexName, filters: [...filters] as unknown as JsonValue }, operators };
}

export function fullScan(
  tableName: string,
  order: "asc" | "desc" | null = null,
  operators: JsonValue[] = [],
): JsonValue {
  return { source: { type: "FullTableScan", tableName, order }, operators };
}

export interface RangePart {
  readonly type: string;
  readonly fieldPath: string;
  readonly value: JsonValue;
}

export function indexRange(
  indexName: string,
  range: readonly RangePart[],
  order: "asc" | "desc" | null = null,
  operators: JsonValue[] = [],
): JsonValue {
  return {
    source: { type: "IndexRange", indexName, range: [...range] as unknown as JsonValue, order },
    operators,
  };
}
