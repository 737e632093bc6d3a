import { searchEntryOf } from "../search/entry.ts";
import { vectorEntryOf } from "../search/vectorEntry.ts";
import type { DatabaseIndex, SearchIndex, Table, VectorIndex } from "../store/catalog.ts";
import type { SearchEntry } from "../store/searchReader.ts";
import type { VectorEntry } from "../store/vectorReader.ts";
import type { IndexId, Namespace, ScanRow, Store } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { InternalId } from "../values/id.ts";
import { indexKeyOf, type IndexKey } from "../values/key.ts";
import type { Validator } from "../values/validator.ts";
import { decodeSchema } from "./schemaJson.ts";
import { activeSchema, failPendingSchema, markSchemaValidated, tablesToValidate } from "./schemaState.ts";
import {
  failStagedValidator,
  markStagedValidatorValid,
  mismatch,
  nextPendingRow,
  validatorOf,
} from "./stagedValidators.ts";
import {
  indexRows,
  replaceRow,
  rowsOf,
  schemaRows,
  type IndexRow,
  type SchemaRow,
  type StagedValidatorRow,
  type SystemRow,
} from "./systemRows.ts";

/** Documents one slice reads. At some 5 µs each a slice holds up waiting mutations for a few milliseconds. */
export const backfillSliceDocumentsMax = 500;
/** Text of these documents, as far as the slice before foretells: documents with vectors have tens of kilobytes. */
export const backfillSliceBytesMax = 256 * 1024;
/** Of a slice without one before it. */
const firstSliceDocumentsMax = 16;

/** How far the work has come that goes on in the background. */
export type BackfillProgress = Pick<Backfiller, "indexProgress" | "validationProgress" | "stagedProgress">;

/**
 * Builds new indexes and checks existing documents against a pending schema and against staged validators, a slice at a
 * time between other work.
 *
 * The engine calls `step` with a fresh transaction until it says "idle", commits whatever the transaction then holds
 * (only the last slice of an index, of a schema or of a staged validator writes something) and starts again after the
 * next commit that touches their rows. Every commit keeps every index up to date whatever its state, and checks what it
 * writes against a pending schema and staged validators; so a slice only has to care for the documents it passes, in by_id order, and
 * nothing that changes behind the cursor can be missed.
 *
 * Cursors live in memory: after a restart the work begins anew. That is also why a replayed commit that declares an
 * index complete must complete it: see `completeIndex`.
 */
export class Backfiller {
  readonly #store: Store;
  readonly #sliceDocumentsMax: number;
  /** Last id passed, by work item. */
  readonly #cursors = new Map<string, InternalId>();
  /** Mean bytes of the documents of the newest slice, by work item. */
  readonly #documentBytes = new Map<string, number>();
  /** Documents passed, by work item. */
  readonly #passed = new Map<string, number>();

  constructor(options: { readonly store: Store; readonly sliceDocumentsMax?: number }) {
    this.#store = options.store;
    this.#sliceDocumentsMax = options.sliceDocumentsMax ?? backfillSliceDocumentsMax;
  }

  /** Does one slice of work. "idle": there was none. */
  step(tx: Transaction): "worked" | "idle" {
    const index = rowsOf(tx, indexRows).find((row) => row.value.state === "backfilling");
    // A schema first: it can fail, and then the indexes of its push are not needed any more.
    const schema = rowsOf(tx, schemaRows).find((row) => row.value.state === "pending");
    const staged = nextPendingRow(tx);
    if (schema !== undefined) this.#validateSlice(tx, schema);
    else if (index !== undefined) this.#indexSlice(tx, index);
    // Last: nobody waits for them.
    else if (staged !== undefined) this.#stagedSlice(tx, staged);
    else {
      for (const map of [this.#cursors, this.#documentBytes, this.#passed]) map.clear();
      return "idle";
    }
    return "worked";
  }

  /** Documents indexed so far, or null if this index is not being built. */
  indexProgress(index: IndexId): number | null {
    return this.#passed.get(`index ${index}`) ?? null;
  }

  /** Documents validated so far, or null if this schema is not being validated. */
  validationProgress(schemaId: string): number | null {
    return this.#passed.get(`schema ${schemaId}`) ?? null;
  }

  /** Documents checked so far against the staged validator with this row, or null if it is not being checked. */
  stagedProgress(rowId: string): number | null {
    return this.#passed.get(`staged ${rowId}`) ?? null;
  }

  #indexSlice(tx: Transaction, row: SystemRow<IndexRow>): void {
    const { tablet, index: indexId } = row.value;
    const table = tx.catalog().tableByTablet(tablet);
    const index = table === null ? undefined : indexOf(table, indexId);
    const key = `index ${indexId}`;
    if (table === null || index === undefined) {
      // The table was deleted in the same commit that left this row; there is nothing to build.
      this.#finish(key);
      replaceRow(tx, indexRows, row.id, { ...row.value, state: "backfilled" });
      return;
    }
    const { slice, isLast } = this.#nextSlice(table, key, key);
    addToIndex(this.#store, index, slice);
    if (!isLast) return;
    this.#finish(key);
    replaceRow(tx, indexRows, row.id, { ...row.value, state: "backfilled" });
  }

  #validateSlice(tx: Transaction, row: SystemRow<SchemaRow>): void {
    const namespace = row.value.namespace as Namespace;
    const schema = decodeSchema(row.value.schema);
    const schemaKey = `schema ${row.idText}`;
    for (const { tableName, documentType } of tablesToValidate(
      tx,
      namespace,
      schema,
      activeSchema(tx, namespace),
    )) {
      const table = tx.table(namespace, tableName);
      const tableKey = `${schemaKey} ${tableName}`;
      if (table === null || this.#passed.get(`${tableKey} done`) === 1) continue;
      const { slice, isLast } = this.#nextSlice(table, tableKey, schemaKey);
      const failure = this.#firstMismatch(tx, table, documentType, slice);
      if (failure !== null) {
        failPendingSchema(tx, { namespace, tableName, error: failure });
        this.#finish(schemaKey);
        return;
      }
      if (isLast) this.#passed.set(`${tableKey} done`, 1);
      return;
    }
    this.#finish(schemaKey);
    markSchemaValidated(tx, row);
  }

  #stagedSlice(tx: Transaction, row: SystemRow<StagedValidatorRow>): void {
    const { namespace, table: tableName } = row.value;
    const table = tx.table(namespace, tableName);
    const key = `staged ${row.idText}`;
    if (table !== null) {
      const { slice, isLast } = this.#nextSlice(table, key, key);
      const failure = this.#firstMismatch(tx, table, validatorOf(row), slice);
      if (failure === null && !isLast) return;
      this.#finish(key);
      if (failure !== null) {
        failStagedValidator(tx, row, failure);
        return;
      }
    }
    markStagedValidatorValid(tx, row);
  }

  #firstMismatch(
    tx: Transaction,
    table: Table,
    validator: Validator,
    slice: readonly ScanRow[],
  ): string | null {
    for (const { document } of slice) {
      const failure = mismatch(tx, table, validator, document);
      if (failure !== null) return failure;
    }
    return null;
  }

  #nextSlice(
    table: Table,
    cursorKey: string,
    progressKey: string,
  ): { readonly slice: readonly ScanRow[]; readonly isLast: boolean } {
    const after = this.#cursors.get(cursorKey);
    // by_id keys are the ids themselves; "\0" behind one makes the smallest key after it.
    const lower: IndexKey = after === undefined ? "" : `${after}\0`;
    const limit = this.#sliceLimit(cursorKey);
    const slice = this.#store.scan(table.byId.id, table.tablet, lower, null, "asc", limit);
    const last = slice.at(-1);
    if (last !== undefined) {
      this.#cursors.set(cursorKey, last.document.id);
      const bytes = slice.reduce((sum, { document }) => sum + document.json.length, 0);
      this.#documentBytes.set(cursorKey, bytes / slice.length);
    }
    this.#passed.set(progressKey, (this.#passed.get(progressKey) ?? 0) + slice.length);
    return { slice, isLast: slice.length < limit };
  }

  #sliceLimit(cursorKey: string): number {
    const documentBytes = this.#documentBytes.get(cursorKey);
    const fitting =
      documentBytes === undefined
        ? firstSliceDocumentsMax
        : Math.floor(backfillSliceBytesMax / documentBytes);
    return Math.max(1, Math.min(this.#sliceDocumentsMax, fitting));
  }

  #finish(keyPrefix: string): void {
    for (const map of [this.#cursors, this.#documentBytes, this.#passed]) {
      for (const key of map.keys()) {
        if (key === keyPrefix || key.startsWith(`${keyPrefix} `)) map.delete(key);
      }
    }
  }
}

type AnyIndex = DatabaseIndex | SearchIndex | VectorIndex;

function indexOf(table: Table, id: IndexId): AnyIndex | undefined {
  const indexes: readonly AnyIndex[] = [...table.indexes, ...table.searchIndexes, ...table.vectorIndexes];
  return indexes.find((candidate) => candidate.id === id);
}

function addToIndex(store: Store, index: AnyIndex, slice: readonly ScanRow[]): void {
  if ("fields" in index) {
    const entries = slice.map(({ document }) => ({
      key: indexKeyOf(document.value, index.fields, document.id),
      id: document.id,
    }));
    store.backfillIndex(index.id, entries);
    return;
  }
  if ("searchField" in index) {
    const documents: { id: InternalId; entry: SearchEntry }[] = [];
    for (const { document } of slice) {
      const entry = searchEntryOf(index, document);
      if (entry !== null) documents.push({ id: document.id, entry });
    }
    store.backfillSearchIndex(index.id, documents);
    return;
  }
  const documents: { id: InternalId; entry: VectorEntry }[] = [];
  for (const { document } of slice) {
    const entry = vectorEntryOf(index, document);
    if (entry !== null) documents.push({ id: document.id, entry });
  }
  store.backfillVectorIndex(index.id, documents);
}

/**
 * Adds every document of the table to an index of any kind. For the replay of the log: a commit that moves an index
 * out of "backfilling" says that it is complete, but the entries themselves are in no record and may be lost with the
 * store's unpersisted tail (or never have been made, on a replica). So whoever replays such a commit calls this after
 * applying it.
 */
export function completeIndex(store: Store, table: Table, index: AnyIndex): void {
  let lower: IndexKey = "";
  for (;;) {
    const slice = store.scan(table.byId.id, table.tablet, lower, null, "asc", backfillSliceDocumentsMax);
    addToIndex(store, index, slice);
    const last = slice.at(-1);
    if (last === undefined || slice.length < backfillSliceDocumentsMax) return;
    lower = `${last.document.id}\0`;
  }
}
