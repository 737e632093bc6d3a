import { badRequest } from "../base/errors.ts";
import type { DatabaseIndex, Table } from "../store/catalog.ts";
import type { StoredDocument } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { encodeKeyPart, type IndexKey, prefixEnd } from "../values/key.ts";
import { getField, parseFieldPath } from "../values/names.ts";
import type { ValueObject } from "../values/value.ts";
import { indexFieldsMax } from "./indexRules.ts";
import { deleteRow, indexRows, insertRow, rootNamespace, rowsOf } from "./systemRows.ts";

/**
 * The index by which a streaming import finds the document that a record replaces. No schema declares it and no function
 * can query it; it stays until the table is deleted or another key is asked for.
 */
export const primaryKeyIndexName = "_primary_key";

/** Creates the table if there is none. Nothing happens when the index is there. Throws InvalidPrimaryKey. */
export function addPrimaryKeyIndex(
  tx: Transaction,
  tableName: string,
  key: readonly (readonly string[])[],
): void {
  if (key.length === 0 || key.length >= indexFieldsMax)
    throw badRequest("InvalidPrimaryKey", `A primary key has 1 to ${indexFieldsMax - 1} fields.`);
  const fields = key.map((path) => parseFieldPath(path.join(".")).join("."));
  const table = tx.ensureTable(rootNamespace, tableName);
  const existing = rowsOf(tx, indexRows).filter(
    ({ value }) => value.tablet === table.tablet && value.name === primaryKeyIndexName,
  );
  if (existing.some(({ value }) => value.fields.join() === fields.join())) return;
  for (const row of existing) deleteRow(tx, indexRows, row.id);
  insertRow(tx, indexRows, {
    namespace: rootNamespace,
    table: tableName,
    tablet: table.tablet,
    name: primaryKeyIndexName,
    index: tx.nextPhysicalId(),
    fields,
    state: tx.count(table) === 0 ? "backfilled" : "backfilling",
    staged: true,
  });
}

/** Throws PrimaryKeyIndexNotFound when it was never asked for. */
export function isPrimaryKeyReady(tx: Transaction, tableName: string): boolean {
  return primaryKeyOf(tx, tableName).index.state !== "backfilling";
}

/**
 * The document that has the primary key of `value`. Throws PrimaryKeyIndexNotFound, PrimaryKeyIndexNotReady, and
 * InvalidPrimaryKey when the index is of other fields or `value` has not all of them.
 */
export function documentWithKeyOf(
  tx: Transaction,
  tableName: string,
  key: readonly (readonly string[])[],
  value: ValueObject,
): { readonly table: Table; readonly document: StoredDocument | null } {
  const { table, index } = primaryKeyOf(tx, tableName);
  if (index.state === "backfilling")
    throw badRequest("PrimaryKeyIndexNotReady", `The primary key index of ${tableName} is not ready yet.`);
  // The last field is the creation time.
  const fields = index.fields.slice(0, -1);
  if (fields.map((path) => path.join(".")).join() !== key.map((path) => path.join(".")).join())
    throw badRequest("InvalidPrimaryKey", `The primary key index of ${tableName} is of other fields.`);
  let prefix: IndexKey = "";
  for (const path of fields) {
    const part = getField(value, path);
    if (part === undefined)
      throw badRequest("InvalidPrimaryKey", `A record of ${tableName} has no ${path.join(".")}.`);
    prefix += encodeKeyPart(part);
  }
  const [document = null] = tx.scan(index, prefix, prefixEnd(prefix), "asc");
  return { table, document };
}

function primaryKeyOf(tx: Transaction, tableName: string): { table: Table; index: DatabaseIndex } {
  const table = tx.table(rootNamespace, tableName);
  const index = table?.indexes.find(({ name }) => name === primaryKeyIndexName);
  if (table !== null && index !== undefined) return { table, index };
  throw badRequest("PrimaryKeyIndexNotFound", `The table ${tableName} has no primary key index.`);
}
