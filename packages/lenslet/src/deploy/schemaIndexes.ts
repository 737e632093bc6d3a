import { assert } from "../base/assert.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { SchemaJson, SearchIndexJson, VectorIndexJson } from "./schemaTypes.ts";
import { isSystemTableName } from "../values/names.ts";
import { primaryKeyIndexName } from "./primaryKeys.ts";
import {
  deleteRow,
  indexRows,
  insertRow,
  replaceRow,
  rowsOf,
  type IndexRow,
  type SystemRow,
} from "./systemRows.ts";

/*
 * The indexes that exist (rows of `_indexes`) against those that schemas declare. A row belongs to a declaration when
 * table, name, kind and fields are equal; a changed index is a second row beside the first until the push is finished.
 */

/** The definition of an index, as far as rows have it. */
type IndexSpec = Pick<IndexRow, "table" | "name" | "fields" | "kind" | "filterFields" | "dimensions">;
type DeclaredIndex = IndexSpec & { readonly staged: boolean };

function keyOf({ table, name, fields, kind, filterFields, dimensions }: IndexSpec): string {
  const filters = filterFields?.toSorted() ?? [];
  return JSON.stringify([table, name, kind ?? "database", fields, filters, dimensions ?? null]);
}

function declared(schema: SchemaJson | null): ReadonlyMap<string, DeclaredIndex> {
  const result = new Map<string, DeclaredIndex>();
  for (const table of schema?.tables ?? []) {
    for (const staged of [false, true]) {
      for (const { indexDescriptor, fields } of staged ? table.stagedDbIndexes : table.indexes) {
        const index = { table: table.tableName, name: indexDescriptor, fields, staged };
        result.set(keyOf(index), index);
      }
      for (const search of staged ? table.stagedSearchIndexes : table.searchIndexes) {
        const index = { ...searchSpec(table.tableName, search), staged };
        result.set(keyOf(index), index);
      }
      for (const vector of staged ? table.stagedVectorIndexes : table.vectorIndexes) {
        const index = { ...vectorSpec(table.tableName, vector), staged };
        result.set(keyOf(index), index);
      }
    }
  }
  return result;
}

function searchSpec(
  table: string,
  { indexDescriptor, searchField, filterFields }: SearchIndexJson,
): IndexSpec {
  return { table, name: indexDescriptor, kind: "search", fields: [searchField], filterFields };
}

function vectorSpec(
  table: string,
  { indexDescriptor, vectorField, filterFields, dimensions }: VectorIndexJson,
): IndexSpec {
  return { table, name: indexDescriptor, kind: "vector", fields: [vectorField], filterFields, dimensions };
}

function rowsIn(tx: Transaction, namespace: Namespace): readonly SystemRow<IndexRow>[] {
  // Indexes of a component's system tables, and those of primary keys, belong to no schema.
  return rowsOf(tx, indexRows).filter(
    ({ value }) =>
      value.namespace === namespace && value.name !== primaryKeyIndexName && !isSystemTableName(value.table),
  );
}

/**
 * Creates the tables of `next` that are missing and its indexes that do not exist; those of a table with documents
 * start out backfilling. Indexes left behind by pushes that were never finished are dropped.
 */
export function prepareIndexes(
  tx: Transaction,
  namespace: Namespace,
  active: SchemaJson | null,
  next: SchemaJson | null,
): void {
  for (const { tableName } of next?.tables ?? []) tx.ensureTable(namespace, tableName);
  const wanted = declared(next);
  const inUse = declared(active);
  const existing = new Set<string>();
  for (const row of rowsIn(tx, namespace)) {
    const key = keyOf(row.value);
    existing.add(key);
    const isLeftover = !wanted.has(key) && !inUse.has(key) && row.value.state !== "enabled";
    if (isLeftover) deleteRow(tx, indexRows, row.id);
  }
  for (const [key, index] of wanted) {
    if (existing.has(key)) continue;
    const table = tx.table(namespace, index.table);
    assert(table !== null, "the tables of the schema were created above");
    insertRow(tx, indexRows, {
      ...index,
      namespace,
      tablet: table.tablet,
      index: tx.nextPhysicalId(),
      state: tx.count(table) === 0 ? "backfilled" : "backfilling",
    });
  }
}

/** How many of the indexes that `next` will enable are built. Staged ones are not waited for. */
export function unfinishedIndexes(
  tx: Transaction,
  namespace: Namespace,
  next: SchemaJson,
): { readonly complete: number; readonly total: number } {
  const rows = new Map(rowsIn(tx, namespace).map((row) => [keyOf(row.value), row.value]));
  let complete = 0;
  let total = 0;
  for (const [key, index] of declared(next)) {
    const row = rows.get(key);
    if (index.staged || row?.state === "enabled") continue;
    total += 1;
    if (row?.state === "backfilled") complete += 1;
  }
  return { complete, total };
}

/** Enables what the now active schema declares, disables what it declares staged and drops the rest. */
export function settleIndexes(tx: Transaction, namespace: Namespace, schema: SchemaJson | null): void {
  const wanted = declared(schema);
  for (const row of rowsIn(tx, namespace)) {
    const index = wanted.get(keyOf(row.value));
    if (index === undefined) {
      deleteRow(tx, indexRows, row.id);
      continue;
    }
    const staged = row.value.state === "enabled" ? "backfilled" : row.value.state;
    const state = index.staged ? staged : "enabled";
    if (state === row.value.state && index.staged === row.value.staged) continue;
    replaceRow(tx, indexRows, row.id, { ...row.value, state, staged: index.staged });
  }
}

/** Whether an index like this exists and is complete, for predictions. */
export function isBuilt(tx: Transaction, namespace: Namespace, index: IndexSpec): boolean {
  const row = rowsIn(tx, namespace).find((candidate) => keyOf(candidate.value) === keyOf(index));
  return row !== undefined && row.value.state !== "backfilling";
}
