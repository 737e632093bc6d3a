import { assert } from "../../lenslet/src/base/assert.ts";
import { activateSchema, writePendingSchema } from "../../lenslet/src/deploy/schemaState.ts";
import { prepareIndexes } from "../../lenslet/src/deploy/schemaIndexes.ts";
import type { SchemaJson } from "../../lenslet/src/deploy/schemaTypes.ts";
import type { CommitTs } from "../../lenslet/src/log/log.ts";
import { type VectorHit, type VectorQuery, VectorSearch } from "../../lenslet/src/search/vectorSearch.ts";
import { applyEffects, type CatalogEffect, CatalogState } from "../../lenslet/src/store/catalogState.ts";
import { openSqliteStore } from "../../lenslet/src/store/sqliteStore.ts";
import type { DocumentWrite, Namespace, Store } from "../../lenslet/src/store/store.ts";
import { publicSystemTables } from "../../lenslet/src/store/systemTables.ts";
import { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import type { TransactionLimits, TransactionUsage } from "../../lenslet/src/transaction/usage.ts";
import { newInternalId } from "../../lenslet/src/values/id.ts";
import { MemoryStore } from "./memoryStore.ts";
import { systemRandom, testClock } from "./platform.ts";

/** At least the distance of two creation times within a transaction: a double's resolution until the year 2109. */
const creationStepMs = 2 ** -11;

/** Of a database without tables; all databases begin with this one. */
let emptyCatalog: CatalogState | null = null;

interface PreparedNamespace {
  readonly namespace: Namespace;
  readonly schema: SchemaJson | null;
  readonly writes: readonly DocumentWrite[];
  readonly catalog: CatalogState;
  readonly effects: readonly CatalogEffect[];
}

/** By the catalog that they were added to. */
const prepared = new WeakMap<CatalogState, readonly PreparedNamespace[]>();

export interface Commit {
  readonly ts: CommitTs;
  readonly writes: readonly DocumentWrite[];
}

/**
 * The database of one test: the real store in memory and its catalog. Mutations take the writer's turn one after
 * another; a query keeps its snapshot while mutations commit.
 */
export class Database {
  readonly #limits: Partial<TransactionLimits>;
  #opened: { store: Store; catalog: CatalogState } | null = null;
  #lastTs: CommitTs = 0n;
  /** `beginMs` of the newest transaction that may write. */
  #beginMs = 0;
  #writer: Promise<void> = Promise.resolve();
  readonly #readers = new Set<Transaction>();
  readonly #listeners = new Set<(commit: Commit) => void>();

  constructor(limits: Partial<TransactionLimits>) {
    this.#limits = limits;
  }

  get lastTs(): CommitTs {
    return this.#lastTs;
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Runs `body` when all writers before it have ended. */
  async write<T>(body: () => Promise<T>): Promise<T> {
    const before = this.#writer;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writer = promise;
    await before;
    try {
      return await body();
    } finally {
      resolve();
    }
  }

  /** A transaction that may write: to be begun and committed in one turn of `write`. */
  begin(): Transaction {
    const nowMs = testClock.nowMs();
    this.#beginMs = Math.max(nowMs, Number(this.#lastTs / 1000n + 1n) / 1000);
    return this.#transaction(false, this.#beginMs, undefined);
  }

  /** A snapshot; `usage` shares the counters of the call that asks for it. Call `release` when done. */
  beginRead(usage?: TransactionUsage): Transaction {
    const tx = this.#transaction(true, testClock.nowMs(), usage);
    this.#readers.add(tx);
    return tx;
  }

  release(tx: Transaction): void {
    this.#readers.delete(tx);
  }

  /** The timestamp for what `tx` wrote: after every creation time it gave. */
  nextTs({ usage }: Transaction): CommitTs {
    const written = usage.documentsWritten + usage.systemDocumentsWritten;
    const leastUs = Math.ceil((this.#beginMs + (written + 1) * creationStepMs) * 1000);
    const wallNs = BigInt(Math.floor(testClock.nowMs() * 1000)) * 1000n;
    let ts = BigInt(leastUs) * 1000n;
    if (wallNs > ts) ts = wallNs;
    return ts > this.#lastTs ? ts : this.#lastTs + 1n;
  }

  commit(tx: Transaction, ts: CommitTs = this.nextTs(tx)): readonly DocumentWrite[] {
    const writes = tx.finish(ts);
    if (writes.length === 0) return writes;
    this.#apply(ts, writes, this.#open().catalog.apply(writes));
    return writes;
  }

  /** The best hits among committed documents. */
  vectorSearch(query: VectorQuery): readonly VectorHit[] {
    const hits = new VectorSearch(this.#open().store, query).step(() => false);
    assert(hits !== null && hits !== "gone", "a search that nobody interrupts ends");
    return hits;
  }

  /**
   * Creates a component's tables and makes its schema the one in force, as a push does with an empty database. Tests of
   * one file do the same again and again: what has been worked out for one is applied by the others.
   */
  addNamespace(namespace: Namespace, schema: SchemaJson | null): void {
    const opened = this.#open();
    const known = prepared
      .get(opened.catalog)
      ?.find((candidate) => candidate.namespace === namespace && candidate.schema === schema);
    if (known !== undefined) {
      const tx = this.begin();
      this.#apply(this.nextTs(tx), known.writes, known);
      return;
    }
    const { catalog: before } = opened;
    const tx = this.begin();
    if (namespace !== "") createSystemTables(tx, namespace);
    const writes = [...this.commit(tx)];
    if (schema !== null) {
      const schemaTx = this.begin();
      prepareIndexes(schemaTx, namespace, null, schema);
      activateSchema(schemaTx, namespace, writePendingSchema(schemaTx, namespace, schema));
      writes.push(...this.commit(schemaTx));
    }
    const entry = {
      namespace,
      schema,
      writes,
      catalog: opened.catalog,
      effects: before.apply(writes).effects,
    };
    prepared.set(before, [...(prepared.get(before) ?? []), entry]);
  }

  #apply(
    ts: CommitTs,
    writes: readonly DocumentWrite[],
    { catalog, effects }: { readonly catalog: CatalogState; readonly effects: readonly CatalogEffect[] },
  ): void {
    const opened = this.#open();
    for (const reader of this.#readers) reader.lookBehind(writes);
    applyEffects(opened.store, effects);
    opened.store.applyCommit(ts, writes, null);
    opened.catalog = catalog;
    this.#lastTs = ts;
    for (const listener of this.#listeners) listener({ ts, writes });
  }

  #open(): { store: Store; catalog: CatalogState } {
    if (this.#opened === null) {
      const store = new MemoryStore(() => openSqliteStore(":memory:"));
      emptyCatalog ??= CatalogState.load(new MemoryStore(() => openSqliteStore(":memory:")));
      for (const { tablet, byId, indexes } of emptyCatalog.tables("")) {
        store.createTablet(tablet, byId.id);
        for (const { id } of indexes) if (id !== byId.id) store.createIndex(id, tablet);
      }
      this.#opened = { store, catalog: emptyCatalog };
    }
    return this.#opened;
  }

  #transaction(readOnly: boolean, beginMs: number, usage: TransactionUsage | undefined): Transaction {
    const { store, catalog } = this.#open();
    return new Transaction({
      store,
      catalog,
      snapshotTs: this.#lastTs,
      beginMs,
      newInternalId: () => newInternalId(systemRandom, testClock.nowMs()),
      readOnly,
      limits: this.#limits,
      ...(usage === undefined ? {} : { usage }),
    });
  }
}

/** Every namespace has its own tables of files and scheduled functions. */
function createSystemTables(tx: Transaction, namespace: Namespace): void {
  for (const [number, name] of publicSystemTables) {
    const [tablet, byId, byCreationTime] = [tx.nextPhysicalId(), tx.nextPhysicalId(), tx.nextPhysicalId()];
    tx.insert("", "_tables", { name, namespace, number, tablet, byId, byCreationTime });
  }
}
