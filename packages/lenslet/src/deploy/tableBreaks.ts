import type { Namespace } from "../store/store.ts";
import { tableBreaksTable } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { isSystemTableName } from "../values/names.ts";
import { readComponents } from "./componentRows.ts";
import { restartStagedValidators } from "./stagedValidators.ts";
import { deleteRow, insertRow, oldestRows, rootNamespace, type SystemTable } from "./systemRows.ts";

/** The row is of use in the log only: how many are kept in the table does not matter. */
export interface TableBreakRow {
  readonly componentPath: string;
  readonly table: string;
}

const tableBreakRows: SystemTable<TableBreakRow> = { definition: tableBreaksTable };
const rowsKept = 100;

/**
 * To be told of a table that is deleted, emptied or replaced as a whole, before its component is deleted: by none of
 * its documents can anybody see it.
 */
export function recordTableBreak(tx: Transaction, namespace: Namespace, table: string): void {
  if (isSystemTableName(table)) return;
  restartStagedValidators(tx, namespace, table);
  const component = readComponents(tx).find(({ idText }) => idText === namespace);
  const componentPath = namespace === rootNamespace ? "" : component?.value.path;
  if (componentPath === undefined) return;
  const [oldest, ...others] = oldestRows(tx, tableBreakRows, rowsKept);
  if (oldest !== undefined && others.length === rowsKept - 1) deleteRow(tx, tableBreakRows, oldest.id);
  insertTableBreak(tx, componentPath, table);
}

/** No more than that; of many tables at once no row may take the place of another. */
export function insertTableBreak(tx: Transaction, componentPath: string, table: string): void {
  insertRow(tx, tableBreakRows, { componentPath, table });
}
