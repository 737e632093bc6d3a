import { assert } from "../../lenslet/src/base/assert.ts";
import { activateSchema, writePendingSchema } from "../../lenslet/src/deploy/schemaState.ts";
import { prepareIndexes } from "../../lenslet/src/deploy/schemaIndexes.ts";
import type { SchemaJson } from "../../lenslet/src/deploy/schemaTypes.ts";
import type { CommitTs } from "../../lenslet/src/log/log.ts";
import { type VectorHit, type VectorQuery, VectorSearch } from "../../lenslet/src/search/vectorSearch.ts";
import { applyEffects, type CatalogEffect, CatalogState } from "../../lenslet/src/store/catalogState.ts";
import type { DocumentWrite, Namespace } from "../../lenslet/src/store/store.ts";
import { publicSystemTables } from "../../lenslet/src/store/systemTables.ts";
import { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import type { TransactionLimits, TransactionUsage } from "../../lenslet/src/transaction/usage.ts";
import { newInternalId } from "../../lenslet/src/values/id.ts";
import { MemoryStore } from "./memoryStore.ts";
import { systemRandom, testClock } from "./platform.ts";
import { openSearchStore } from "./load.ts";

/** At least the distance of two creation times within a transaction: a double's resolution until the year 2109. */
const creationStepMs = 2 ** -11;

/** A database as components have left it that nobody has used yet; many tests begin with it. */
interface Unused {
  readonly store: MemoryStore;
  readonly catalog: CatalogState;
}

/** Without tables; all databases begin with this one. */
let empty: Unused | null = null;

interface PreparedNamespace {
  readonly namespace: Namespace;
  readonly schema: SchemaJson | null;
  readonly writes: readonly DocumentWrite[];
  readonly catalog: CatalogState;
  readonly effects: readonly CatalogEffect[];
  /** The database with it; null until there is one in which nothing else has been done. */
  store: MemoryStore | null;
}

/** By the catalog that they were added to. */
const prepared = new WeakMap<CatalogState, PreparedNamespace[]>();

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
  #store: MemoryStore;
  #catalog: CatalogState;
  /** The store belongs to other tests as well: it is forked before it is used. */
  #isShared = true;
  #lastTs: CommitTs = 0n;
  /** `beginMs` of the newest transaction that may write. */
  #beginMs = 0;
  #writer: Promise<void> = Promise.resolve();
  readonly #readers = new Set<Transaction>();
  readonly #listeners = new Set<(commit: Commit) => void>();

  constructor(limits: Partial<TransactionLimits>) {
    this.#limits = limits;
    empty ??= emptyDatabase();
    this.#store = empty.store;
    this.#catalog = empty.catalog;
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
    const wall = wallTs();
    let ts = BigInt(leastUs) * 1000n;
    if (wall > ts) ts = wall;
    return ts > this.#lastTs ? ts : this.#lastTs + 1n;
  }

  commit(tx: Transaction, ts: CommitTs = this.nextTs(tx)): readonly DocumentWrite[] {
    const writes = tx.finish(ts);
    if (writes.length === 0) return writes;
    this.#apply(ts, writes, this.#catalog.apply(writes));
    return writes;
  }

  /** The best hits among committed documents. */
  vectorSearch(query: VectorQuery): readonly VectorHit[] {
    const hits = new VectorSearch(this.#store, query).step(() => false);
    assert(hits !== null && hits !== "gone", "a search that nobody interrupts ends");
    return hits;
  }

  /**
   * Creates a component's tables and makes its schema the one in force, as a push does with an empty database. Tests of
   * one file do the same again and again: what has been worked out for one, the others begin with.
   */
  addNamespace(namespace: Namespace, schema: SchemaJson | null): void {
    const isUnused = this.#isShared;
    const candidates = prepared.get(this.#catalog) ?? [];
    let entry = candidates.find((known) => known.namespace === namespace && known.schema === schema);
    if (isUnused && entry?.store != null) {
      this.#store = entry.store;
      this.#catalog = entry.catalog;
      this.#lastTs = wallTs();
      return;
    }
    if (entry !== undefined) this.#apply(this.nextTs(this.begin()), entry.writes, entry);
    else {
      const before = this.#catalog;
      entry = this.#prepare(namespace, schema);
      prepared.set(before, [...candidates, entry]);
    }
    if (!isUnused) return;
    entry.store = this.#store;
    this.#isShared = true;
  }

  #prepare(namespace: Namespace, schema: SchemaJson | null): PreparedNamespace {
    const before = this.#catalog;
    const tx = this.begin();
    if (namespace !== "") createSystemTables(tx, namespace);
    const writes = [...this.commit(tx)];
    if (schema !== null) {
      const schemaTx = this.begin();
      prepareIndexes(schemaTx, namespace, null, schema);
      activateSchema(schemaTx, namespace, writePendingSchema(schemaTx, namespace, schema));
      writes.push(...this.commit(schemaTx));
    }
    const { effects } = before.apply(writes);
    return { namespace, schema, writes, catalog: this.#catalog, effects, store: null };
  }

  #apply(
    ts: CommitTs,
    writes: readonly DocumentWrite[],
    { catalog, effects }: { readonly catalog: CatalogState; readonly effects: readonly CatalogEffect[] },
  ): void {
    for (const reader of this.#readers) reader.lookBehind(writes);
    applyEffects(this.#store, effects);
    this.#store.applyCommit(ts, writes, null);
    this.#catalog = catalog;
    this.#lastTs = ts;
    for (const listener of this.#listeners) listener({ ts, writes });
  }

  #fork(): void {
    if (!this.#isShared) return;
    this.#store = this.#store.fork();
    this.#isShared = false;
  }

  #transaction(readOnly: boolean, beginMs: number, usage: TransactionUsage | undefined): Transaction {
    this.#fork();
    return new Transaction({
      store: this.#store,
      catalog: this.#catalog,
      snapshotTs: this.#lastTs,
      beginMs,
      newInternalId: () => newInternalId(systemRandom, testClock.nowMs()),
      readOnly,
      limits: this.#limits,
      ...(usage === undefined ? {} : { usage }),
    });
  }
}

function wallTs(): CommitTs {
  return BigInt(Math.floor(testClock.nowMs() * 1000)) * 1000n;
}

function emptyDatabase(): Unused {
  const store = new MemoryStore(openSearchStore);
  return { store, catalog: CatalogState.load(store) };
}

/** Every namespace has its own tables of files and scheduled functions. */
function createSystemTables(tx: Transaction, namespace: Namespace): void {
  for (const [number, name] of publicSystemTables) {
    const [tablet, byId, byCreationTime] = [tx.nextPhysicalId(), tx.nextPhysicalId(), tx.nextPhysicalId()];
    tx.insert("", "_tables", { name, namespace, number, tablet, byId, byCreationTime });
  }
}
