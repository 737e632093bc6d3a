import { assert } from "../base/assert.ts";
import { badRequest } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import { searchChangesOf } from "../search/entry.ts";
import { vectorChangesOf } from "../search/vectorEntry.ts";
import type { SearchOverlay } from "../search/overlay.ts";
import { searchDocuments } from "../search/searchDocuments.ts";
import type { SearchQuery } from "../search/searchRead.ts";
import type { Catalog, DatabaseIndex, SearchIndex, Table } from "../store/catalog.ts";
import { makeDocument } from "../store/document.ts";
import type { DocumentWrite, Namespace, Store, StoredDocument } from "../store/store.ts";
import { publicSystemTables } from "../store/systemTables.ts";
import { type InternalId, encodeId } from "../values/id.ts";
import { resolveCommitTs, stringifyValue } from "../values/json.ts";
import type { IndexKey } from "../values/key.ts";
import { parseTableName } from "../values/names.ts";
import type { IdContext } from "../values/validator.ts";
import { type Value, type ValueObject, isValueObject } from "../values/value.ts";
import {
  buildDocument,
  checkDocumentSize,
  documentWarnings,
  mergeFields,
  schemaViolation,
  withSystemFields,
} from "./documents.ts";
import { IndexScan, type ScanRecorder } from "./indexScan.ts";
import { type RowSource, type ScanOrder, overlaid } from "./overlay.ts";
import { type CatalogState, PendingTables, tableDocument } from "./pendingTables.ts";
import { PendingWrites, UndoOverlay, keyChangesOf } from "./pendingWrites.ts";
import { type KeyInterval, ReadSet, pointInterval } from "./readSet.ts";
import type { RowCounts } from "./rowCounts.ts";
import { SearchScan } from "./searchScan.ts";
import {
  type TransactionLimits,
  type TransactionMetrics,
  TransactionUsage,
  type UsageWarning,
  type WriteCounters,
} from "./usage.ts";

export interface TransactionOptions {
  readonly store: Store;
  readonly catalog: CatalogState;
  readonly snapshotTs: CommitTs;
  /** `_creationTime` of the first insert: milliseconds since the epoch, fraction kept. */
  readonly beginMs: number;
  readonly newInternalId: () => InternalId;
  readonly readOnly: boolean;
  readonly limits?: Partial<TransactionLimits>;
  /** Counters shared with another transaction of the same call; then `limits` is not looked at. */
  readonly usage?: TransactionUsage;
  /** Namespaces whose user tables may not be written: those of unmounted components. */
  readonly frozen?: ReadonlySet<Namespace>;
  /** Counts rows by table, for charts. */
  readonly rows?: RowCounts;
  /** Commits to look behind, newest first: the transaction reads the snapshot before them. Needs `readOnly`. */
  readonly undo?: readonly (readonly DocumentWrite[])[];
}

export interface Savepoint {
  readonly writes: number;
  readonly tables: number;
  readonly counters: WriteCounters;
  readonly warnings: number;
  readonly violation: SchemaViolation | null;
}

/** A write that does not match the schema of a push in progress. */
export interface SchemaViolation {
  readonly namespace: Namespace;
  readonly tableName: string;
  readonly error: string;
}

const wholeIndex: KeyInterval = { lower: "", upper: null };
const unresolvedCommitTs = '{"$commitTs":null}';
const noNamespaces: ReadonlySet<Namespace> = new Set();
const noRows: RowSource = () => [];

/** The name of the system table with this number if functions may read it, else null. */
export function virtualTableName(number: number): string | null {
  return publicSystemTables.get(number) ?? null;
}

/** Reads of tables that functions know of count towards their limits (database.md §7). */
function countsReads(table: Table): boolean {
  return !table.system || publicSystemTables.has(table.number);
}

/**
 * One query's or mutation's view of the database: a snapshot plus its own pending writes, with everything it read
 * recorded. Single-threaded and short-lived; no commit may be applied to the store between its start and `finish`,
 * unless a query is told of it (`lookBehind`).
 * Reads and writes of private system tables are recorded like any other but do not count towards the function's limits.
 */
export class Transaction {
  readonly reads = new ReadSet();
  readonly usage: TransactionUsage;
  readonly snapshotTs: CommitTs;
  readonly readOnly: boolean;
  readonly #store: Store;
  readonly #tables: PendingTables;
  readonly #newInternalId: () => InternalId;
  readonly #pending = new PendingWrites();
  #undoCommits: readonly (readonly DocumentWrite[])[];
  #undo: UndoOverlay | null;
  readonly #frozen: ReadonlySet<Namespace>;
  readonly #rows: RowCounts | null;
  #documentWarnings: UsageWarning[] = [];
  #violation: SchemaViolation | null = null;
  #nextCreationTime: number;
  #nextSystemCreationTime: number;

  constructor(options: TransactionOptions) {
    const undo = options.undo ?? [];
    assert(undo.length === 0 || options.readOnly, "only a query can look at an older snapshot");
    this.usage = options.usage ?? new TransactionUsage(options.limits);
    this.snapshotTs = options.snapshotTs;
    this.readOnly = options.readOnly;
    this.#store = options.store;
    this.#tables = new PendingTables(options.catalog);
    this.#newInternalId = options.newInternalId;
    this.#undoCommits = undo;
    this.#frozen = options.frozen ?? noNamespaces;
    this.#rows = options.rows ?? null;
    this.#undo = undo.length === 0 ? null : new UndoOverlay(undo);
    this.#nextCreationTime = options.beginMs;
    this.#nextSystemCreationTime = options.beginMs;
  }

  /** The catalog with the tables this transaction has created. */
  catalog(): Catalog {
    return this.#tables;
  }

  /** The next free physical id for tables and indexes; inside a transaction ask here, not the catalog. */
  nextPhysicalId(): number {
    return this.#tables.nextPhysicalId();
  }

  /** What validators need to know of ids in a namespace. */
  idContext(namespace: Namespace): IdContext {
    return {
      tableNameOf: (number) => {
        const virtual = virtualTableName(number);
        if (virtual !== null) return { name: virtual, system: true };
        const table = this.#tables.tableByNumber(namespace, number);
        return table === null ? null : { name: table.name, system: table.system };
      },
    };
  }

  /** Null when there is no such table; then its creation re-runs whoever read this. */
  table(namespace: Namespace, name: string): Table | null {
    const table = this.#tables.tableByName(namespace, name);
    if (table === null) this.#recordMissingTable();
    return table;
  }

  tableByNumber(namespace: Namespace, number: number): Table | null {
    const table = this.#tables.tableByNumber(namespace, number);
    if (table === null) this.#recordMissingTable();
    return table;
  }

  get(table: Table, id: InternalId): StoredDocument | null {
    this.recordInterval(table, table.byId, pointInterval(id));
    const document = this.#lookUp(table, id);
    if (document !== null && countsReads(table)) {
      this.usage.countRead(document);
      if (this.#rows !== null) this.#rows.of(table.tablet).read += 1;
    }
    return document;
  }

  /**
   * Keeps a query at its snapshot while it is running: to be called with every commit before it is applied. The
   * server's queries run to their end in one go and have no need of it; those that wait in between do (packages/testing).
   */
  lookBehind(commit: readonly DocumentWrite[]): void {
    assert(this.readOnly, "only a query can look at an older snapshot");
    this.#undoCommits = [commit, ...this.#undoCommits];
    this.#undo = new UndoOverlay(this.#undoCommits);
  }

  /** Number of documents, this transaction's included. Reads the whole table as far as conflicts are concerned. */
  count(table: Table): number {
    this.recordInterval(table, table.byId, wholeIndex);
    const committed = this.#tables.isCreated(table.tablet) ? 0 : this.#store.count(table.tablet);
    return committed + (this.#undo?.countDelta(table.tablet) ?? 0) + this.#pending.countDelta(table.tablet);
  }

  /** Documents with lower <= key < upper, recorded as read one by one as they are taken. */
  *scan(
    index: DatabaseIndex,
    lower: IndexKey,
    upper: IndexKey | null,
    order: ScanOrder,
  ): Generator<StoredDocument, void, undefined> {
    const table = this.#tables.tableByTablet(index.tablet);
    assert(table !== null, "a scanned index belongs to a table");
    const scan = this.openScan(table, index, { lower, upper }, order);
    for (let row = scan.next(); row !== null; row = scan.next()) yield row.document;
  }

  /** A scan to be advanced row by row; `batchRows`: how many rows to fetch ahead. */
  openScan(
    table: Table,
    index: DatabaseIndex,
    interval: KeyInterval,
    order: ScanOrder,
    batchRows?: number,
  ): IndexScan {
    const counted = countsReads(table);
    const rows = counted ? (this.#rows?.of(table.tablet) ?? null) : null;
    const recorder: ScanRecorder = {
      row: (row) => {
        if (!counted) return;
        this.usage.countRead(row.document);
        if (rows !== null) rows.read += 1;
      },
      interval: (read) => this.recordInterval(table, index, read),
    };
    return new IndexScan(interval, order, () => this.#rowSource(table, index), recorder, batchRows);
  }

  /** A text search to be read hit by hit; `interval` is one of keys of hits, as cursors have them. */
  openSearch(
    table: Table,
    index: SearchIndex,
    query: SearchQuery,
    interval: KeyInterval,
    batchRows?: number,
  ): SearchScan {
    return new SearchScan(
      interval,
      {
        search: (limit) => {
          const overlay = this.#searchOverlay(table, index);
          const hits = searchDocuments(this.#store.searchReader(index.id), overlay, query, limit);
          return { hits, documentOf: (id) => overlay?.documentOf(id) ?? this.#stored(table, id) };
        },
      },
      {
        search: () => this.#recordSearch(table, index, query),
        row: ({ document }) => {
          this.usage.countRead(document);
          if (this.#rows !== null) this.#rows.of(table.tablet).read += 1;
        },
      },
      batchRows,
    );
  }

  /** Adds to the read set; throws TooManyReads for a table that functions know of. */
  recordInterval(table: Table, index: DatabaseIndex, interval: KeyInterval): void {
    const before = this.reads.intervalCount;
    this.reads.add(index.id, interval);
    if (countsReads(table)) this.usage.countIntervals(this.reads.intervalCount - before);
  }

  /** Creates the table if need be: a pending document of `_tables`. */
  ensureTable(namespace: Namespace, name: string): Table {
    this.#checkWritable();
    return (
      this.#tables.tableByName(namespace, name) ?? this.#createTable(this.#prepareTable(namespace, name))
    );
  }

  /** Creates a component's own table of the public system tables, see `publicSystemTables`. It has no indexes yet. */
  createSystemTable(namespace: Namespace, name: string, number: number): Table {
    this.#checkWritable();
    return this.#createTable(this.#tables.prepareSystem(namespace, name, number));
  }

  /**
   * Inserts a document and returns its id text; a missing user table is created. Throws InvalidIdError,
   * InvalidCreationTimeError, InvalidDocumentError, SchemaEnforcementError, ValueTooLargeError and write limits;
   * then nothing was written. `id` is for documents that belong together across tables; it must be new to the table.
   */
  insert(
    namespace: Namespace,
    tableName: string,
    value: ValueObject,
    id: InternalId = this.#newInternalId(),
  ): string {
    this.#checkWritable();
    const existing = this.#tables.tableByName(namespace, tableName);
    const table = existing ?? this.#prepareTable(namespace, tableName);
    const idText = encodeId(table.number, id);
    const creationTime = table.system ? this.#nextSystemCreationTime : this.#nextCreationTime;
    const document = buildDocument(table, id, idText, withSystemFields(value, idText, creationTime));
    this.#admit(table, document, existing === null ? table : null);
    if (existing === null) this.#createTable(table);
    this.#pending.set(table, id, idText, null, document);
    if (table.system) this.#nextSystemCreationTime = nextUp(creationTime);
    else this.#nextCreationTime = nextUp(creationTime);
    return idText;
  }

  /** For rows that are being imported. */
  newInternalId(): InternalId {
    return this.#newInternalId();
  }

  /**
   * Inserts a document of an import under an id, and with a creation time, of its own. The active schema has been
   * checked (importedDocument.ts), and `idText` is what it will be when the table is what it is going to be. Throws DuplicateId,
   * InvalidDocumentError, ValueTooLargeError.
   */
  insertAs(table: Table, id: InternalId, idText: string, value: ValueObject): void {
    this.#checkWritable();
    if (this.#lookUp(table, id) !== null) {
      throw badRequest("DuplicateId", `There are two documents with the _id ${idText}.`);
    }
    const document = buildDocument(table, id, idText, value);
    checkDocumentSize(document);
    this.usage.countSystemWrite(document.size);
    this.#noteViolation(table, document, this.idContext(table.namespace));
    this.#pending.set(table, id, idText, null, document);
  }

  /** Replaces all fields but `_id` and `_creationTime`. Returns the new version. Throws as `insert`, and NonexistentDocument. */
  replace(table: Table, id: InternalId, value: ValueObject): StoredDocument {
    const before = this.#existing(table, id, "Replace");
    return this.#update(table, before, value);
  }

  /** Sets the given top-level fields; undefined removes one. Returns the new version. Throws as `replace`. */
  patch(table: Table, id: InternalId, fields: Readonly<Record<string, Value | undefined>>): StoredDocument {
    const before = this.#existing(table, id, "Update");
    return this.#update(table, before, mergeFields(before.value, fields));
  }

  /** Returns the deleted document. Throws NonexistentDocument and write limits. */
  delete(table: Table, id: InternalId): StoredDocument {
    const before = this.#existing(table, id, "Delete");
    if (!table.system) this.checkMounted(table.namespace);
    if (table.system) this.usage.countSystemWrite(0);
    else this.usage.countWrite(0);
    this.#pending.set(table, id, encodeId(table.number, id), before, null);
    return before;
  }

  savepoint(): Savepoint {
    return {
      writes: this.#pending.savepoint(),
      tables: this.#tables.savepoint(),
      counters: this.usage.writeCounters(),
      warnings: this.#documentWarnings.length,
      violation: this.#violation,
    };
  }

  /**
   * Undoes all writes and table creations since the savepoint and sets the write counters back. What was read stays
   * recorded and counted, and so do functions scheduled (limits.md, notes).
   */
  rollback(savepoint: Savepoint): void {
    this.#pending.rollback(savepoint.writes);
    this.#tables.rollback(savepoint.tables);
    this.usage.restoreWriteCounters(savepoint.counters);
    this.#documentWarnings = this.#documentWarnings.slice(0, savepoint.warnings);
    this.#violation = savepoint.violation;
  }

  /** See `TransactionUsage.narrow`. */
  narrowLimits(budgets: Readonly<Record<string, number>>): () => void {
    return this.usage.narrow(budgets);
  }

  /** The answer of `1.0/getTransactionMetrics`. */
  metrics(): TransactionMetrics {
    return this.usage.metrics();
  }

  /** Warnings to be logged when the call ends. */
  warnings(): readonly UsageWarning[] {
    return [...this.usage.warnings(), ...this.#documentWarnings];
  }

  /** The first write that violates the schema of a push in progress; committing it makes that push fail. */
  pendingSchemaViolation(): SchemaViolation | null {
    return this.#violation;
  }

  /** Every user's document that this transaction has inserted or changed, in its last version. */
  *written(): Generator<{ readonly table: Table; readonly document: StoredDocument }> {
    for (const { table, current } of this.#pending.changed())
      if (current !== null && !table.system) yield { table, document: current };
  }

  /** Final writes with commit timestamps filled in and index keys computed; [] for a no-op. */
  finish(commitTs: CommitTs): readonly DocumentWrite[] {
    const writes: DocumentWrite[] = [];
    for (const { table, id, idText, base, current } of this.#pending.changed()) {
      const after = current === null ? null : resolved(current, commitTs);
      const keys = keyChangesOf(table, id, base, after);
      const write = { tablet: table.tablet, id, idText, before: base, after, keys };
      const search = searchChangesOf(table, base, after);
      const vectors = vectorChangesOf(table, base, after);
      if (search === undefined && vectors === undefined) writes.push(write);
      else {
        writes.push({
          ...write,
          ...(search === undefined ? {} : { search }),
          ...(vectors === undefined ? {} : { vectors }),
        });
      }
    }
    return writes;
  }

  #lookUp(table: Table, id: InternalId): StoredDocument | null {
    const pending = this.#pending.get(table.tablet, id);
    if (pending !== undefined) return pending.current;
    if (this.#tables.isCreated(table.tablet)) return null;
    const undone = this.#undo?.get(table.tablet, id);
    return undone === undefined ? this.#store.get(table.tablet, id) : undone;
  }

  #rowSource(table: Table, index: DatabaseIndex): RowSource {
    let source = this.#tables.isCreated(table.tablet) ? noRows : this.#storeRows(table, index);
    const undone = this.#undo?.overlay(index.id) ?? null;
    if (undone !== null) source = overlaid(source, undone);
    const pending = this.#pending.overlay(table.tablet, index);
    return pending === null ? source : overlaid(source, pending);
  }

  #storeRows(table: Table, index: DatabaseIndex): RowSource {
    const store = this.#store;
    return (lower, upper, order, limit) =>
      isPrefixInterval(lower, upper) && index.fields.length > 0
        ? store.lookUp(index.id, table.tablet, lower, order, limit)
        : store.scan(index.id, table.tablet, lower, upper, order, limit);
  }

  /** A table that this transaction has created has no search indexes. */
  #searchOverlay(table: Table, index: SearchIndex): SearchOverlay | null {
    if (this.#undo !== null) return this.#undo.searchOverlay(table.tablet, index);
    return this.#pending.searchOverlay(table.tablet, index);
  }

  #stored(table: Table, id: InternalId): StoredDocument {
    const document = this.#store.get(table.tablet, id);
    assert(document !== null, "a document in a search index exists");
    return document;
  }

  #recordSearch(table: Table, index: SearchIndex, query: SearchQuery): void {
    assert(!table.system, "system tables have no search indexes");
    const before = this.reads.intervalCount;
    this.reads.addSearch({ index: index.id, ...query });
    this.usage.countIntervals(this.reads.intervalCount - before);
  }

  /** Somebody who saw that a table is missing must be told when any table is created. */
  #recordMissingTable(): void {
    const tables = this.#tables.tableByName("", "_tables");
    assert(tables !== null, "the system table _tables exists");
    this.recordInterval(tables, tables.byId, wholeIndex);
  }

  #prepareTable(namespace: Namespace, name: string): Table {
    assert(!name.startsWith("_"), "system tables are not created on first insert");
    return this.#tables.prepare(namespace, parseTableName(name));
  }

  #createTable(table: Table): Table {
    this.insert("", "_tables", tableDocument(table));
    this.#tables.add(table);
    return table;
  }

  #existing(table: Table, id: InternalId, verb: "Update" | "Replace" | "Delete"): StoredDocument {
    this.#checkWritable();
    const document = this.get(table, id);
    if (document !== null) return document;
    const idText = encodeId(table.number, id);
    throw badRequest("NonexistentDocument", `${verb} on nonexistent document ID ${idText}`);
  }

  #update(table: Table, before: StoredDocument, content: ValueObject): StoredDocument {
    const idText = encodeId(table.number, before.id);
    const creationTime = before.value["_creationTime"];
    assert(typeof creationTime === "number", "a stored document has a creation time");
    const document = buildDocument(table, before.id, idText, withSystemFields(content, idText, creationTime));
    if (document.json === before.json) return before;
    this.#admit(table, document, null);
    this.#pending.set(table, before.id, idText, before, document);
    return document;
  }

  /**
   * Schema, size and counters of a new version, in the order of values.md §7.3; throws if it may not be written.
   * `newTable`: the document's table when it does not exist yet.
   */
  #admit(table: Table, document: StoredDocument, newTable: Table | null): void {
    if (table.system) {
      this.usage.countSystemWrite(document.size);
      return;
    }
    const { namespace, name } = table;
    this.checkMounted(namespace);
    const ids =
      newTable === null ? this.idContext(namespace) : withTable(this.idContext(namespace), newTable);
    const violation = schemaViolation(this.#tables.activeSchema(namespace), name, document.value, ids);
    if (violation !== null) {
      throw badRequest(
        "SchemaEnforcementError",
        `Failed to insert or update a document in table "${name}" because it does not match the schema: ${violation}`,
      );
    }
    checkDocumentSize(document);
    this.usage.countWrite(document.size);
    for (const warning of documentWarnings(document)) this.#documentWarnings.push(warning);
    this.#noteViolation(table, document, ids);
  }

  #noteViolation({ namespace, name }: Table, document: StoredDocument, ids: IdContext): void {
    if (this.#violation !== null) return;
    const pushed = schemaViolation(this.#tables.pendingSchema(namespace), name, document.value, ids);
    if (pushed !== null) {
      const error = `New document in table "${name}" does not match the schema: ${pushed}`;
      this.#violation = { namespace, tableName: name, error };
    }
  }

  /**
   * For what functions write by way of the server's own tables: files and scheduled functions. The server itself writes
   * these all the same: a job of an unmounted component fails, and is marked so. Throws UnmountedComponent.
   */
  checkMounted(namespace: Namespace): void {
    if (!this.#frozen.has(namespace)) return;
    throw badRequest(
      "UnmountedComponent",
      "Cannot perform write operations in an unmounted component. Make sure your component is installed in your `convex.config.ts` file.",
    );
  }

  #checkWritable(): void {
    if (this.readOnly) {
      throw badRequest("WriteInQuery", "Queries cannot write to the database. Write in a mutation instead.");
    }
  }
}

/** Whether these are the bounds of all keys that begin with some complete parts (`prefixEnd`). */
function isPrefixInterval(lower: IndexKey, upper: IndexKey | null): boolean {
  if (upper === null || lower === "" || upper.length !== lower.length + 1) return false;
  return upper.charCodeAt(lower.length) === 0xff && upper.startsWith(lower);
}

function withTable(ids: IdContext, table: Table): IdContext {
  return {
    tableNameOf: (number) =>
      number === table.number ? { name: table.name, system: false } : ids.tableNameOf(number),
  };
}

function resolved(document: StoredDocument, commitTs: CommitTs): StoredDocument {
  if (!document.json.includes(unresolvedCommitTs)) return document;
  const value = resolveCommitTs(document.value, commitTs);
  assert(isValueObject(value), "filling in commit timestamps keeps the document an object");
  return makeDocument(document.id, document.idText, stringifyValue(value), value);
}

const float = new Float64Array(1);
const bits = new BigUint64Array(float.buffer);

/** The next greater double of a positive finite number. */
export function nextUp(value: number): number {
  float[0] = value;
  bits[0] = (bits[0] as bigint) + 1n;
  return float[0];
}
