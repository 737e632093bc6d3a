import type { Namespace } from "../store/store.ts";
import { storageTable } from "../store/systemTables.ts";
import { uploadToken } from "../protocol/uploadToken.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { isValueArray, isValueObject, type Value, type ValueObject } from "../values/value.ts";
import { componentMetadata, recordEvent } from "./deploymentEvents.ts";
import { deleteFileById, fileUrl, findFile, isStorageId } from "./fileRows.ts";
import type { SystemContext, SystemFunction } from "./systemFunction.ts";
import {
  namespaceOfArgument,
  pageOfQuery,
  stringArgument,
  stringsArgument,
} from "./systemFunctionArguments.ts";

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
    const storageId = stringArgument(args, "storageId");
    // Whatever somebody types into the page's search: a query that throws takes the page down (dashboard.md §1.4).
    const file = isStorageId(storageId) ? findFile(tx, namespace, storageId, "getFile") : null;
    return file === null ? null : withUrl(tx, context, namespace, file.document.value);
  },
};

/** The dashboard's mutations of files. */
export const fileMutations: Readonly<Record<string, SystemFunction>> = {
  "fileStorageV2:deleteFile": (tx, context, args) => {
    deleteFiles(tx, context, args, [stringArgument(args, "storageId")]);
    return null;
  },
  "fileStorageV2:deleteFiles": (tx, context, args) => {
    deleteFiles(tx, context, args, stringsArgument(args, "storageIds"));
    return null;
  },
  "fileStorageV2:generateUploadUrl": (tx, context, args) => {
    const component = namespaceOfArgument(tx, args);
    recordEvent(tx, "generate_upload_url", componentMetadata(tx, component), context.client);
    const token = uploadToken(context.uploadSecret, { component, issuedMs: context.nowMs });
    return `${context.cloudUrl}/api/storage/upload?token=${token}`;
  },
};

function deleteFiles(
  tx: Transaction,
  context: SystemContext,
  args: ValueObject,
  storageIds: readonly string[],
): void {
  const namespace = namespaceOfArgument(tx, args);
  for (const storageId of storageIds) deleteFileById(tx, namespace, storageId, "deleteFiles");
  if (storageIds.length === 0) return;
  const metadata = { ...componentMetadata(tx, namespace), storage_ids: storageIds };
  recordEvent(tx, "delete_files", metadata, context.client);
}

function withUrl(tx: Transaction, context: SystemContext, namespace: Namespace, document: Value): Value {
  if (!isValueObject(document)) return document;
  const { _id } = document;
  const file = typeof _id === "string" ? findFile(tx, namespace, _id, "fileMetadata") : null;
  return { ...document, url: file === null ? null : fileUrl(context.cloudUrl, file.row.value) };
}

function isObject(value: Value | undefined): value is ValueObject {
  return value !== undefined && isValueObject(value);
}
