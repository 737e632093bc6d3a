import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import { DatabaseSyscalls } from "../transaction/databaseSyscalls.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeValue, type JsonValue } from "../values/json.ts";
import { isValueObject, type Value, type ValueObject } from "../values/value.ts";
import { codeOwnerOfNamespace, namespaceOfId, namespaceOfPath } from "./componentRows.ts";
import type { SystemContext } from "./systemFunction.ts";
import type { CodeOwner } from "./systemRows.ts";

export function stringArgument(args: ValueObject, name: string): string {
  const value = args[name];
  if (typeof value === "string") return value;
  throw badRequest("InvalidArguments", `The argument "${name}" must be a string.`);
}

export function optionalStringArgument(args: ValueObject, name: string): string | null {
  const value = args[name];
  if (value === undefined || value === null) return null;
  return stringArgument(args, name);
}

/** The component of a call by path, as the CLI makes them. */
export function namespaceOfCall(tx: Transaction, context: SystemContext): Namespace {
  return namespaceOfPath(tx, context.componentPath);
}

/** The component that the argument `componentId` names, as the dashboard does; absent or null: the app. */
export function namespaceOfArgument(tx: Transaction, args: ValueObject, name = "componentId"): Namespace {
  return namespaceOfId(tx, optionalStringArgument(args, name));
}

/** Whose code the component of a call runs. */
export function codeOwnerOfCall(tx: Transaction, context: SystemContext): CodeOwner {
  return codeOwnerOfNamespace(tx, namespaceOfCall(tx, context));
}

/** Whose code the component runs that the argument `componentId` names. */
export function codeOwnerOfArgument(tx: Transaction, args: ValueObject): CodeOwner {
  return codeOwnerOfNamespace(tx, namespaceOfArgument(tx, args));
}

/** One page of a user table with the same cursors and journals as `ctx.db.query(table).order(order).paginate(opts)`. */
export function pageOf(
  tx: Transaction,
  context: SystemContext,
  namespace: Namespace,
  table: string,
  order: "asc" | "desc",
  paginationOpts: Value | undefined,
): Value {
  const query = { source: { type: "FullTableScan", tableName: table, order }, operators: [] };
  return pageOfQuery(tx, context, namespace, query, paginationOpts);
}

/** One page of a query (database.md §3). */
export function pageOfQuery(
  tx: Transaction,
  context: SystemContext,
  namespace: Namespace,
  query: JsonValue,
  paginationOpts: Value | undefined,
): Value {
  if (paginationOpts === undefined || !isValueObject(paginationOpts)) {
    throw badRequest("InvalidArguments", 'The argument "paginationOpts" must be an object.');
  }
  const { numItems, cursor, endCursor, maximumRowsRead, maximumBytesRead } = paginationOpts;
  const { journal, cursorSecret } = context;
  const database = new DatabaseSyscalls(tx, namespace, { journal, cursorSecret, isComponent: false });
  const given = Object.entries({ cursor, endCursor, maximumRowsRead, maximumBytesRead }).filter(
    (entry): entry is [string, string | number] =>
      typeof entry[1] === "string" || typeof entry[1] === "number",
  );
  const page = database.call("1.0/queryPage", {
    query,
    pageSize: typeof numItems === "number" ? numItems : 0,
    cursor: null,
    ...Object.fromEntries(given),
    version: "1.48.0",
  });
  const outgoing = database.outgoingJournal();
  if (outgoing !== null) context.setJournal?.(outgoing);
  return decodeValue(page);
}

/** A page that holds everything there is. */
export function onlyPage(page: readonly Value[]): ValueObject {
  return { page, isDone: true, continueCursor: "" };
}

/** Documents in a user table, 0 if there is none. */
export function documentsIn(tx: Transaction, namespace: Namespace, tableName: string): number {
  if (tableName === "" || tableName.startsWith("_")) return 0;
  const table = tx.table(namespace, tableName);
  return table === null ? 0 : tx.count(table);
}
