import { badRequest, isDeveloperError, LensletError } from "../base/errors.ts";
import type { Table } from "../store/catalog.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { tryDecodeId } from "../values/id.ts";
import { parseTableName } from "../values/names.ts";
import { isValueObject, type Value, type ValueObject } from "../values/value.ts";
import { componentMetadata, type DeploymentAction, recordEvent } from "./deploymentEvents.ts";
import { isUnsetPlaceholder } from "./documentFilters.ts";
import type { SystemContext, SystemFunction } from "./systemFunction.ts";
import {
  namespaceOfArgument,
  objectsArgument,
  stringArgument,
  stringsArgument,
} from "./systemFunctionArguments.ts";

/** Documents that one call adds or deletes (reference dashboard.md §3). */
const documentsMax = 4096;
/** Rows that one call of clearTablePage deletes. */
const clearedRowsMax = 4000;

/** What the dashboard's data page does to documents and tables (reference dashboard.md §3). */
export const editMutations: Readonly<Record<string, SystemFunction>> = {
  "addDocument:default": edit((tx, context, namespace, args) => {
    const table = userTableName(args, "table");
    const documents = objectsArgument(args, "documents");
    checkCount(documents.length);
    const ids = documents.map((document) => tx.insert(namespace, table, document));
    record(tx, context, namespace, "add_documents", table, ids);
  }),
  "replaceDocument:default": edit((tx, context, namespace, args) => {
    const idText = stringArgument(args, "id");
    const { document } = args;
    if (document === undefined || !isValueObject(document))
      throw badRequest("InvalidArguments", 'The argument "document" must be an object.');
    const { table, id } = documentOf(tx, namespace, idText);
    tx.replace(table, id, document);
    record(tx, context, namespace, "update_documents", table.name, [idText]);
  }),
  "patchDocumentsFields:default": edit((tx, context, namespace, args) => {
    const name = userTableName(args, "table");
    const { fields, ids: given } = args;
    if (fields === undefined || !isValueObject(fields))
      throw badRequest("InvalidArguments", 'The argument "fields" must be an object.');
    const table = tx.table(namespace, name);
    const patch = patchOf(fields);
    const ids = given === undefined || given === null ? allIds(tx, table) : [...stringsArgument(args, "ids")];
    for (const idText of ids) {
      const { table: own, id } = documentOf(tx, namespace, idText);
      if (own.name !== name) throw missing();
      tx.patch(own, id, patch);
    }
    if (ids.length > 0) record(tx, context, namespace, "update_documents", name, ids);
  }),
  "deleteDocuments:default": edit((tx, context, namespace, args) => {
    const ids = objectsArgument(args, "toDelete").map((each) => stringArgument(each, "id"));
    checkCount(ids.length);
    const tables = new Map<string, string>();
    for (const idText of ids) {
      const { table, id } = documentOf(tx, namespace, idText);
      tx.delete(table, id);
      tables.set(idText, table.name);
    }
    for (const [table, deleted] of Map.groupBy(ids, (idText) => tables.get(idText) as string))
      record(tx, context, namespace, "delete_documents", table, deleted);
  }),
  "clearTablePage:default": (tx, context, args) => {
    const name = userTableName(args, "tableName");
    const namespace = namespaceOfArgument(tx, args);
    const table = tx.table(namespace, name);
    // One entry for all the pages of a table.
    if (typeof args["cursor"] !== "string") recordEvent(tx, "clear_tables", {}, context.client);
    let deleted = 0;
    if (table !== null) {
      for (const { id } of tx.scan(table.byCreationTime, "", null, "asc")) {
        tx.delete(table, id);
        deleted += 1;
        if (deleted >= clearedRowsMax) break;
      }
    }
    const hasMore = table !== null && deleted >= clearedRowsMax && tx.count(table) > 0;
    // Documents that are gone need no place to go on from: the next page begins at what is then the oldest.
    return { deleted, hasMore, continueCursor: hasMore ? name : "" };
  },
  "createTable:default": (tx, context, args) => {
    const table = userTableName(args, "table");
    const namespace = namespaceOfArgument(tx, args);
    if (tx.table(namespace, table) !== null)
      throw badRequest("TableAlreadyExists", `The table "${table}" already exists.`);
    tx.ensureTable(namespace, table);
    recordEvent(tx, "create_table", { ...componentMetadata(tx, namespace), table }, context.client);
    return null;
  },
};

type Edit = (tx: Transaction, context: SystemContext, namespace: Namespace, args: ValueObject) => void;

/**
 * `{success: true}`, or `{success: false, error}` with nothing written: a document that the schema does not allow is
 * something to tell the person at the form.
 */
function edit(change: Edit): SystemFunction {
  return (tx, context, args): Value => {
    const namespace = namespaceOfArgument(tx, args);
    const savepoint = tx.savepoint();
    try {
      change(tx, context, namespace, args);
      return { success: true };
    } catch (error) {
      if (!isDeveloperError(error)) throw error;
      tx.rollback(savepoint);
      return { success: false, error: error.message };
    }
  };
}

function record(
  tx: Transaction,
  { client }: SystemContext,
  namespace: Namespace,
  action: DeploymentAction,
  table: string,
  ids: readonly string[],
): void {
  const metadata = { ...componentMetadata(tx, namespace), table, document_ids: ids };
  recordEvent(tx, action, metadata, client);
}

function userTableName(args: ValueObject, name: string): string {
  return parseTableName(stringArgument(args, name));
}

function documentOf(tx: Transaction, namespace: Namespace, idText: string) {
  const decoded = tryDecodeId(idText);
  const table = decoded === null ? null : tx.tableByNumber(namespace, decoded.tableNumber);
  if (decoded === null || table === null || table.system || tx.get(table, decoded.id) === null)
    throw missing();
  return { table, id: decoded.id };
}

function allIds(tx: Transaction, table: Table | null): string[] {
  if (table === null) return [];
  return [...tx.scan(table.byCreationTime, "", null, "asc")].map(({ idText }) => idText);
}

/** A placeholder in place of a value removes the field. */
function patchOf(fields: ValueObject): Record<string, Value | undefined> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, isUnsetPlaceholder(value) ? undefined : value]),
  );
}

function checkCount(count: number): void {
  if (count > documentsMax)
    throw badRequest("TooManyDocuments", `At most ${documentsMax} documents at a time, not ${count}.`);
}

function missing(): LensletError {
  return badRequest("NonexistentDocument", "Document does not exist.");
}
