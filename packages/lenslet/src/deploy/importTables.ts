import { assert } from "../base/assert.ts";
import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import { documentOfImport, type ImportedDocument } from "../transaction/importedDocument.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { tryDecodeId } from "../values/id.ts";
import { type JsonValue, parseValue } from "../values/json.ts";
import { checkTableName } from "../values/names.ts";
import { isValueObject } from "../values/value.ts";
import { pendingSchemaRow } from "./schemaState.ts";
import {
  deleteRow,
  type IndexRow,
  indexRows,
  insertRow,
  replaceRow,
  rowsOf,
  type SystemRow,
  type TableRow,
  tableRows,
} from "./systemRows.ts";
import { recordTableBreak } from "./tableBreaks.ts";

/*
 * An import that replaces a table fills another one, which nobody sees, and in its last commit gives it the name and
 * number of the first. Such tables have names that no user can choose and numbers that no id has.
 */
const stagedPrefix = "_import_";
const firstStagedNumber = 2 ** 31;

/** The tables of an import with the numbers they will have. */
export type ImportNames = ReadonlyMap<string, number>;

/** Throws InvalidName. */
export function checkImportName(format: string, tableName: string | null): void {
  if (format === "zip") {
    if (tableName !== null) throw badRequest("InvalidName", "ZIP import cannot have table name");
    return;
  }
  const names: Record<string, string> = { csv: "CSV", jsonLines: "JSON lines", jsonArray: "JSON array" };
  if (tableName === null) throw badRequest("InvalidName", `${names[format]} import requires table name`);
  const problem =
    tableName === "_storage" ? "_storage is imported from ZIP files only" : checkTableName(tableName);
  if (problem !== null) throw badRequest("ImportInvalidName", problem);
}

/** A row as the document it will be. Throws what is wrong with it. */
export function importRow(
  tx: Transaction,
  namespace: Namespace,
  name: string,
  row: JsonValue,
  names: ImportNames,
  nowMs: number,
): ImportedDocument {
  const value = parseValue(row);
  if (!isValueObject(value)) throw badRequest("NotAnObject", "A document must be an object.");
  const number = names.get(name);
  assert(number !== undefined, "every table of an import has a number");
  return documentOfImport(tx, namespace, { name, number }, value, names, nowMs);
}

/** Rows that are appended must not be there: afterwards some of them would be. Throws DuplicateId. */
export function checkNewRow(
  tx: Transaction,
  namespace: Namespace,
  name: string,
  mode: string,
  { id, idText }: ImportedDocument,
): void {
  const table = mode === "Append" ? tx.table(namespace, name) : null;
  if (table === null || tx.get(table, id) === null) return;
  // database.md §5.1
  throw badRequest(
    "DuplicateId",
    `Cannot create document with _id ${idText} that already exists. Try to update it with \`db.patch\` or \`db.replace\`.`,
  );
}

export function importRowTo(
  tx: Transaction,
  into: "staged" | "table",
  namespace: Namespace,
  name: string,
  { id, idText, value }: ImportedDocument,
): void {
  const table = tx.table(namespace, into === "staged" ? stagedPrefix + name : name);
  if (table === null)
    throw badRequest("ImportInterrupted", `The table ${name} is gone. Start the import again.`);
  tx.insertAs(table, id, idText, value);
}

/** With the indexes of the table it will replace. */
export function createStagedTable(tx: Transaction, namespace: Namespace, name: string): void {
  const [tablet, byId, byCreationTime] = [tx.nextPhysicalId(), tx.nextPhysicalId(), tx.nextPhysicalId()];
  const table = stagedPrefix + name;
  // As unique as the tablet: several are created in one transaction.
  const number = firstStagedNumber + tablet;
  insertRow(tx, tableRows, { namespace, name: table, number, tablet, byId, byCreationTime });
  for (const { value } of indexesOf(tx, namespace, name)) {
    const state = value.state === "backfilling" ? "backfilled" : value.state;
    insertRow(tx, indexRows, { ...fieldsOf(value), table, tablet, state, index: tx.nextPhysicalId() });
  }
}

export function dropStagedTables(tx: Transaction): void {
  for (const row of rowsOf(tx, indexRows))
    if (row.value.table.startsWith(stagedPrefix)) deleteRow(tx, indexRows, row.id);
  for (const row of rowsOf(tx, tableRows))
    if (row.value.name.startsWith(stagedPrefix)) deleteRow(tx, tableRows, row.id);
}

/** Gives a staged table the name of the one it replaces, which goes. */
export function publishStagedTable(
  tx: Transaction,
  namespace: Namespace,
  name: string,
  number: number,
): void {
  if (pendingSchemaRow(tx, namespace) !== null) {
    throw badRequest(
      "SchemaPushInProgress",
      "A push is changing the schema. Import again when it is finished.",
    );
  }
  const staged = tableRowOf(tx, namespace, stagedPrefix + name);
  const stagedIndexes = indexesOf(tx, namespace, stagedPrefix + name);
  const oldIndexes = indexesOf(tx, namespace, name);
  const isSame = JSON.stringify(specsOf(stagedIndexes)) === JSON.stringify(specsOf(oldIndexes));
  if (staged === null || !isSame) {
    throw badRequest("SchemaChanged", `The indexes of ${name} have changed during the import. Import again.`);
  }
  const old = tableRowOf(tx, namespace, name);
  for (const row of oldIndexes) deleteRow(tx, indexRows, row.id);
  if (old !== null) deleteRow(tx, tableRows, old.id);
  replaceRow(tx, tableRows, staged.id, { ...staged.value, name, number });
  for (const row of stagedIndexes) replaceRow(tx, indexRows, row.id, { ...row.value, table: name });
  recordTableBreak(tx, namespace, name);
}

/** Empties a table that the schema declares and deletes any other. */
export function clearTable(tx: Transaction, namespace: Namespace, name: string): void {
  if (tx.catalog().activeSchema(namespace)?.tables.has(name) === true) {
    emptyTable(tx, namespace, name);
    return;
  }
  const row = tableRowOf(tx, namespace, name);
  if (row === null) return;
  for (const index of indexesOf(tx, namespace, name)) deleteRow(tx, indexRows, index.id);
  deleteRow(tx, tableRows, row.id);
  recordTableBreak(tx, namespace, name);
}

/** Takes all documents of a table, if there is one; its number and its indexes stay. Throws SchemaPushInProgress. */
export function emptyTable(tx: Transaction, namespace: Namespace, name: string): void {
  const table = tx.table(namespace, name);
  if (table === null) return;
  createStagedTable(tx, namespace, name);
  publishStagedTable(tx, namespace, name, table.number);
}

/** The number that the ids of a document's table have; null when it has no id. */
export function numberOfId(idText: unknown): number | null {
  return typeof idText === "string" ? (tryDecodeId(idText)?.tableNumber ?? null) : null;
}

function indexesOf(tx: Transaction, namespace: Namespace, table: string): readonly SystemRow<IndexRow>[] {
  return rowsOf(tx, indexRows).filter(({ value }) => value.namespace === namespace && value.table === table);
}

function tableRowOf(tx: Transaction, namespace: Namespace, name: string): SystemRow<TableRow> | null {
  const rows = rowsOf(tx, tableRows);
  return rows.find(({ value }) => value.namespace === namespace && value.name === name) ?? null;
}

function fieldsOf(row: IndexRow): IndexRow {
  const { _id, _creationTime, ...fields } = row as IndexRow & { _id?: unknown; _creationTime?: unknown };
  return fields;
}

function specsOf(rows: readonly SystemRow<IndexRow>[]): readonly string[] {
  return rows
    .map(({ value }) => {
      const { name, fields, kind, filterFields, dimensions, staged } = value;
      return JSON.stringify([name, fields, kind ?? null, filterFields ?? null, dimensions ?? null, staged]);
    })
    .toSorted();
}
