import { assert } from "../base/assert.ts";
import { type LensletError, badRequest } from "../base/errors.ts";
import type { SearchQuery } from "../search/searchRead.ts";
import type { DatabaseIndex, IndexState, SearchIndex, Table, VectorIndex } from "../store/catalog.ts";
import type { Namespace } from "../store/store.ts";
import { publicSystemTables } from "../store/systemTables.ts";
import { isSystemTableName } from "../values/names.ts";
import { rangeInterval } from "./indexRange.ts";
import type { RowScan } from "./indexScan.ts";
import type { ScanOrder } from "./overlay.ts";
import type { QueryOperator, QuerySource } from "./queryJson.ts";
import type { KeyInterval } from "./readSet.ts";
import { resolveSearch } from "./searchSource.ts";
import type { Transaction } from "./transaction.ts";

/** An interval of an index to be read. */
interface IndexSource {
  readonly kind: "index";
  readonly table: Table;
  readonly index: DatabaseIndex;
  readonly interval: KeyInterval;
  readonly order: ScanOrder;
}

/** A text search; the interval is one of keys of hits, which ascend. */
interface SearchSource {
  readonly kind: "search";
  readonly table: Table;
  readonly index: SearchIndex;
  readonly query: SearchQuery;
  readonly interval: KeyInterval;
  readonly order: "asc";
}

export type ResolvedSource = IndexSource | SearchSource;

const everything: KeyInterval = { lower: "", upper: null };

/** A table as functions see it: private system tables do not exist for them. */
export function visibleTable(tx: Transaction, namespace: Namespace, name: string): Table | null {
  return isSystemTableName(name) && !isVirtualTable(name) ? null : tx.table(namespace, name);
}

/** What a query reads; null when the table is missing and counts as empty. Throws index errors of database.md §3.1. */
export function resolveSource(
  tx: Transaction,
  namespace: Namespace,
  source: QuerySource,
): ResolvedSource | null {
  const table = visibleTable(tx, namespace, source.table);
  switch (source.type) {
    case "FullTableScan": {
      if (table === null) return null;
      const index = table.byCreationTime;
      return { kind: "index", table, index, interval: everything, order: source.order };
    }
    case "IndexRange": {
      // The public system tables have their two indexes in every namespace.
      if (
        table === null &&
        isVirtualTable(source.table) &&
        (source.index === "by_id" || source.index === "by_creation_time")
      )
        return null;
      const index = resolveIndex(table, source);
      assert(table !== null, "an index that was found belongs to a table");
      const interval = rangeInterval(table, index, source.range);
      return { kind: "index", table, index, interval, order: source.order };
    }
    case "Search": {
      const index = resolveSearchIndex(table, source);
      assert(table !== null, "an index that was found belongs to a table");
      const query = resolveSearch(labelOf(source), index, source.filters);
      return { kind: "search", table, index, query, interval: everything, order: "asc" };
    }
  }
}

export function isVirtualTable(name: string): boolean {
  return virtualNames.has(name);
}

const virtualNames: ReadonlySet<string> = new Set(publicSystemTables.values());

/** The scan of a source; `maxRows`: no more rows than this are wanted for sure. */
export function openSource(tx: Transaction, source: ResolvedSource, maxRows: number): RowScan {
  return source.kind === "index"
    ? tx.openScan(source.table, source.index, source.interval, source.order, maxRows)
    : tx.openSearch(source.table, source.index, source.query, source.interval, maxRows);
}

/** The definition of a source's index, for fingerprints of cursors. */
export function indexFieldsOf(source: ResolvedSource): readonly (readonly string[])[] {
  const { index } = source;
  return "fields" in index ? index.fields : [index.searchField, ...index.filterFields];
}

/** Rows that are enough for the first limit, unless a filter stands before it. */
export function rowsWanted(operators: readonly QueryOperator[], otherwise: number): number {
  let wanted = otherwise;
  for (const operator of operators) {
    if ("filter" in operator) break;
    wanted = Math.min(wanted, operator.limit);
  }
  return wanted;
}

interface IndexName {
  readonly table: string;
  readonly index: string;
}

function labelOf({ table, index }: IndexName): string {
  return `${table}.${index}`;
}

function resolveIndex(table: Table | null, name: IndexName): DatabaseIndex {
  const label = labelOf(name);
  const index = available(label, table?.indexes ?? [], name.index);
  if (index !== null) return index;
  if (hasIndex(table, name.index)) {
    throw badRequest("IndexNotADatabaseIndex", `Index ${label} is not a database index`);
  }
  throw indexNotFound(label);
}

function resolveSearchIndex(table: Table | null, name: IndexName): SearchIndex {
  const label = labelOf(name);
  const index = available(label, table?.searchIndexes ?? [], name.index);
  if (index !== null) return index;
  if (hasIndex(table, name.index)) {
    throw badRequest("IndexNotASearchIndexError", `Index ${label} is not a search index`);
  }
  throw indexNotFound(label);
}

/** The index of a vector search and its table. */
export function resolveVectorIndex(
  tx: Transaction,
  namespace: Namespace,
  name: IndexName,
): { readonly table: Table; readonly index: VectorIndex } {
  const label = labelOf(name);
  const table = visibleTable(tx, namespace, name.table);
  const index = available(label, table?.vectorIndexes ?? [], name.index);
  if (table !== null && index !== null) return { table, index };
  if (hasIndex(table, name.index)) {
    throw badRequest("IndexNotAVectorIndexError", `Index ${label} is not a vector index`);
  }
  throw indexNotFound(label);
}

/** Of any kind. */
function hasIndex(table: Table | null, name: string): boolean {
  if (table === null) return false;
  const indexes = [...table.indexes, ...table.searchIndexes, ...table.vectorIndexes];
  return indexes.some((index) => index.name === name);
}

interface NamedIndex {
  readonly name: string;
  readonly state: IndexState;
  readonly staged: boolean;
}

/** The index of this name that may be queried; null if there is none of the name. */
function available<T extends NamedIndex>(label: string, indexes: readonly T[], name: string): T | null {
  const candidates = indexes.filter((index) => index.name === name);
  const enabled = candidates.find((index) => index.state === "enabled" && !index.staged);
  if (enabled !== undefined) return enabled;
  if (candidates.some((index) => index.staged)) throw indexStaged(label);
  if (candidates.length === 0) return null;
  throw badRequest(
    "IndexBackfillingError",
    `Index ${label} is currently backfilling and not available to query yet.`,
  );
}

export function indexNotFound(label: string): LensletError {
  return badRequest("IndexNotFoundError", `Index ${label} not found.`);
}

function indexStaged(label: string): LensletError {
  return badRequest(
    "IndexStagedError",
    `Index ${label} is currently staged and not available to query until it is enabled.`,
  );
}
