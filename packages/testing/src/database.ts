import { activateSchema, writePendingSchema } from "../../lenslet/src/deploy/schemaState.ts";
import { prepareIndexes } from "../../lenslet/src/deploy/schemaIndexes.ts";
import type { SchemaJson } from "../../lenslet/src/deploy/schemaTypes.ts";
import type { CommitTs } from "../../lenslet/src/log/log.ts";
import { CatalogState, applyEffects } from "../../lenslet/src/store/catalogState.ts";
import { openSqliteStore } from "../../lenslet/src/store/sqliteStore.ts";
import type { DocumentWrite, Namespace, Store } from "../../lenslet/src/store/store.ts";
import { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import type { TransactionLimits, TransactionUsage } from "../../lenslet/src/transaction/usage.ts";
import { newInternalId } from "../../lenslet/src/values/id.ts";
import { systemRandom, testClock } from "./platform.ts";

/** At least the distance of two creation times within a transaction: a double's resolution until the year 2109. */
const creationStepMs = 2 ** -11;

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
    const opened = this.#open();
    const { catalog, effects } = opened.catalog.apply(writes);
    for (const reader of this.#readers) reader.lookBehind(writes);
    applyEffects(opened.store, effects);
    opened.store.applyCommit(ts, writes, null);
    opened.catalog = catalog;
    this.#lastTs = ts;
    for (const listener of this.#listeners) listener({ ts, writes });
    return writes;
  }

  /** Makes `schema` the one in force, as a push does with an empty database. */
  setSchema(namespace: Namespace, schema: SchemaJson): void {
    const tx = this.begin();
    prepareIndexes(tx, namespace, null, schema);
    activateSchema(tx, namespace, writePendingSchema(tx, namespace, schema));
    this.commit(tx);
  }

  #open(): { store: Store; catalog: CatalogState } {
    if (this.#opened === null) {
      const store = openSqliteStore(":memory:");
      this.#opened = { store, catalog: CatalogState.load(store) };
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
