import { assert } from "../base/assert.ts";
import { LensletError, badRequest } from "../base/errors.ts";
import type { DatabaseIndex, Table } from "../store/catalog.ts";
import type { Namespace } from "../store/store.ts";
import { isSystemTableName } from "../values/names.ts";
import { rangeInterval } from "./indexRange.ts";
import type { IndexScan } from "./indexScan.ts";
import type { ScanOrder } from "./overlay.ts";
import type { QueryOperator, QuerySource } from "./queryJson.ts";
import type { KeyInterval } from "./readSet.ts";
import type { Transaction } from "./transaction.ts";

/** An interval of an index to be read. */
export interface ResolvedSource {
  readonly table: Table;
  readonly index: DatabaseIndex;
  readonly interval: KeyInterval;
  readonly order: ScanOrder;
}

/** A user table as functions see it: private system tables do not exist for them. */
export function visibleTable(tx: Transaction, namespace: Namespace, name: string): Table | null {
  return isSystemTableName(name) ? null : tx.table(namespace, name);
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
      return {
        table,
        index: table.byCreationTime,
        interval: { lower: "", upper: null },
        order: source.order,
      };
    }
    case "IndexRange": {
      // Virtual tables have their two indexes even while nothing stands behind them.
      if (isVirtualTable(source.table) && (source.index === "by_id" || source.index === "by_creation_time"))
        return null;
      const index = resolveIndex(tx, namespace, table, source);
      assert(table !== null, "an index that was found belongs to a table");
      return { table, index, interval: rangeInterval(table, index, source.range), order: source.order };
    }
    case "Search":
      throw searchError(tx, namespace, table, source);
  }
}

export function isVirtualTable(name: string): boolean {
  return virtualNames.has(name);
}

const virtualNames: ReadonlySet<string> = new Set(["_storage", "_scheduled_functions"]);

/** The scan of a source; `maxRows`: no more rows than this are wanted for sure. */
export function openSource(tx: Transaction, source: ResolvedSource, maxRows: number): IndexScan {
  return tx.openScan(source.table, source.index, source.interval, source.order, maxRows);
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

function resolveIndex(
  tx: Transaction,
  namespace: Namespace,
  table: Table | null,
  name: IndexName,
): DatabaseIndex {
  const label = `${name.table}.${name.index}`;
  const candidates = table?.indexes.filter((index) => index.name === name.index) ?? [];
  const enabled = candidates.find((index) => index.state === "enabled" && !index.staged);
  if (enabled !== undefined) return enabled;
  if (candidates.some((index) => index.staged)) throw indexStaged(label);
  if (candidates.length > 0) {
    throw badRequest(
      "IndexBackfillingError",
      `Index ${label} is currently backfilling and not available to query yet.`,
    );
  }
  if (table !== null && otherIndexKind(tx, namespace, name) !== null) {
    throw badRequest("IndexNotADatabaseIndex", `Index ${label} is not a database index`);
  }
  throw indexNotFound(label);
}

/** Text search is not built yet: says so for an index that exists, and what is wrong with any other. */
function searchError(
  tx: Transaction,
  namespace: Namespace,
  table: Table | null,
  name: IndexName,
): LensletError {
  const label = `${name.table}.${name.index}`;
  const kind = table === null ? null : otherIndexKind(tx, namespace, name);
  if (kind === "search") {
    return badRequest(
      "SearchNotAvailable",
      `Index ${label} is a text search index: text search is not available in this version of Lenslet yet. See docs/compatibility.md for what is.`,
    );
  }
  if (kind === "stagedSearch") return indexStaged(label);
  if (kind === "vector" || table?.indexes.some((index) => index.name === name.index)) {
    return badRequest("IndexNotASearchIndexError", `Index ${label} is not a search index`);
  }
  return indexNotFound(label);
}

function indexNotFound(label: string): LensletError {
  return badRequest("IndexNotFoundError", `Index ${label} not found.`);
}

function indexStaged(label: string): LensletError {
  return badRequest(
    "IndexStagedError",
    `Index ${label} is currently staged and not available to query until it is enabled.`,
  );
}

type OtherIndexKind = "search" | "stagedSearch" | "vector";

const otherIndexLists: readonly (readonly [string, OtherIndexKind])[] = [
  ["searchIndexes", "search"],
  ["stagedSearchIndexes", "stagedSearch"],
  ["vectorIndexes", "vector"],
  ["stagedVectorIndexes", "vector"],
];

interface ExportedTable {
  readonly tableName?: unknown;
  readonly [indexList: string]: unknown;
}

/** Text and vector indexes are listed only in the active schema, which is read when a name is not found elsewhere. */
function otherIndexKind(tx: Transaction, namespace: Namespace, name: IndexName): OtherIndexKind | null {
  const schemas = tx.table("", "_schemas");
  if (schemas === null) return null;
  for (const { value } of tx.scan(schemas.byId, "", null, "asc")) {
    const { schema } = value;
    if (value["namespace"] !== namespace || value["state"] !== "active" || typeof schema !== "string")
      continue;
    const { tables } = JSON.parse(schema) as { tables: readonly ExportedTable[] };
    const table = tables.find((candidate) => candidate.tableName === name.table);
    if (table === undefined) return null;
    for (const [list, kind] of otherIndexLists) {
      const indexes = (table[list] ?? []) as readonly { readonly indexDescriptor: string }[];
      if (indexes.some((index) => index.indexDescriptor === name.index)) return kind;
    }
  }
  return null;
}
