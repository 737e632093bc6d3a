import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { isSystemTableName } from "../values/names.ts";
import { activeSchema } from "./schemaState.ts";
import { deleteRow, indexRows, rowsOf, tableRows } from "./systemRows.ts";
import { recordTableBreak } from "./tableBreaks.ts";
import { refersToTable } from "./tableReferences.ts";

/** Throws BadRequest if the active schema needs one of the tables (reference database.md §8.4). */
export function checkTableDeletion(tx: Transaction, namespace: Namespace, names: readonly string[]): void {
  const tables = activeSchema(tx, namespace)?.tables ?? [];
  for (const name of names) {
    if (tables.some((table) => table.tableName === name)) {
      throw badRequest(
        "TableDeletionFailed",
        `Failed to delete table "${name}" because it appears in the schema`,
      );
    }
    const user = tables.find((table) => refersToTable(table.documentType, name));
    if (user !== undefined) {
      throw badRequest(
        "TableDeletionFailed",
        `Failed to delete table "${name}" because \`v.id("${name}")\` appears in the schema of table "${user.tableName}"`,
      );
    }
  }
}

/** Deletes whole tables with their documents and indexes; names that do not exist are skipped. Checks first. */
export function deleteTables(tx: Transaction, namespace: Namespace, names: readonly string[]): void {
  checkTableDeletion(tx, namespace, names);
  const isOf = (row: { readonly namespace: string }, name: string) =>
    row.namespace === namespace && names.includes(name) && !isSystemTableName(name);
  for (const row of rowsOf(tx, indexRows)) {
    if (isOf(row.value, row.value.table)) deleteRow(tx, indexRows, row.id);
  }
  for (const row of rowsOf(tx, tableRows)) {
    if (!isOf(row.value, row.value.name)) continue;
    deleteRow(tx, tableRows, row.id);
    recordTableBreak(tx, namespace, row.value.name);
  }
}
