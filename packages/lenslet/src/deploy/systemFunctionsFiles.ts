import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import { storageTable } from "../store/systemTables.ts";
import { uploadToken } from "../protocol/uploadToken.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { isValueArray, isValueObject, type Value, type ValueObject } from "../values/value.ts";
import { deleteFileById, fileUrl, findFile } from "./fileRows.ts";
import type { SystemContext, SystemFunction } from "./systemFunction.ts";
import { namespaceOfArgument, pageOfQuery, stringArgument } from "./systemFunctionArguments.ts";

/** Rows that one call of clearTablePage deletes (reference dashboard.md §3). */
const clearedRowsMax = 4000;

/** The dashboard's page of files (reference dashboard.md §6). */
export const fileFunctions: Readonly<Record<string, SystemFunction>> = {
  "fileStorageV2:numFiles": (tx, _context, args) => {
    const table = tx.table(namespaceOfArgument(tx, args), storageTable.name);
    return table === null ? 0 : tx.count(table);
  },
  "fileStorageV2:fileMetadata": (tx, context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const filters = isObject(args["filters"]) ? args["filters"] : {};
    const { minCreationTime, maxCreationTime, order } = filters;
    const bound = (type: "Gte" | "Lte", value: Value | undefined) =>
      typeof value === "number" ? [{ type, fieldPath: "_creationTime", value }] : [];
    const query = {
      source: {
        type: "IndexRange",
        indexName: `${storageTable.name}.by_creation_time`,
        range: [...bound("Gte", minCreationTime), ...bound("Lte", maxCreationTime)],
        order: order === "asc" ? "asc" : "desc",
      },
      operators: [],
    };
    const result = pageOfQuery(tx, context, namespace, query, args["paginationOpts"]);
    if (!isValueObject(result) || !isValueArray(result["page"])) return result;
    return { ...result, page: result["page"].map((document) => withUrl(tx, context, namespace, document)) };
  },
  "fileStorageV2:getFile": (tx, context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const file = findFile(tx, namespace, stringArgument(args, "storageId"), "getFile");
    return file === null ? null : withUrl(tx, context, namespace, file.document.value);
  },
};

/** The dashboard's mutations of files, and the one that empties a table. */
export const fileMutations: Readonly<Record<string, SystemFunction>> = {
  "fileStorageV2:deleteFile": (tx, _context, args) => {
    deleteFileById(tx, namespaceOfArgument(tx, args), stringArgument(args, "storageId"), "deleteFile");
    return null;
  },
  "fileStorageV2:deleteFiles": (tx, _context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const { storageIds } = args;
    if (storageIds === undefined || !isValueArray(storageIds))
      throw badRequest("InvalidArguments", 'The argument "storageIds" must be an array.');
    for (const storageId of storageIds) {
      if (typeof storageId !== "string")
        throw badRequest("InvalidArguments", 'The argument "storageIds" must be an array of strings.');
      deleteFileById(tx, namespace, storageId, "deleteFiles");
    }
    return null;
  },
  "fileStorageV2:generateUploadUrl": (tx, context, args) => {
    const component = namespaceOfArgument(tx, args);
    const token = uploadToken(context.cursorSecret, { component, issuedMs: context.nowMs });
    return `${context.cloudUrl}/api/storage/upload?token=${token}`;
  },
  "clearTablePage:default": (tx, _context, args) => {
    const name = stringArgument(args, "tableName");
    const table = name.startsWith("_") ? null : tx.table(namespaceOfArgument(tx, args), name);
    let deleted = 0;
    if (table !== null) {
      for (const { id } of tx.scan(table.byCreationTime, "", null, "asc")) {
        tx.delete(table, id);
        deleted += 1;
        if (deleted >= clearedRowsMax) break;
      }
    }
    const hasMore = table !== null && deleted >= clearedRowsMax && tx.count(table) > 0;
    return { deleted, hasMore, continueCursor: "" };
  },
};

function withUrl(tx: Transaction, context: SystemContext, namespace: Namespace, document: Value): Value {
  if (!isValueObject(document)) return document;
  const { _id } = document;
  const file = typeof _id === "string" ? findFile(tx, namespace, _id, "fileMetadata") : null;
  return { ...document, url: file === null ? null : fileUrl(context.cloudUrl, file.row.value) };
}

function isObject(value: Value | undefined): value is ValueObject {
  return value !== undefined && isValueObject(value);
}
