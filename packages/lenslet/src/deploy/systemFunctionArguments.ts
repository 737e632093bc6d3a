import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import { parseQuery } from "../transaction/queryJson.ts";
import {
  checkCursors,
  type PagedQuery,
  parsePageArguments,
  readQueryPage,
} from "../transaction/queryPage.ts";
import { resolveSource } from "../transaction/querySource.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeValue, type JsonValue } from "../values/json.ts";
import { isValueArray, isValueObject, type Value, type ValueObject } from "../values/value.ts";
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
  const { source, operators } = parseQuery(query);
  const resolved = resolveSource(tx, namespace, source);
  return pageOfSource(tx, context, { source: resolved, operators, text: query }, paginationOpts);
}

/** One page of any table, the server's own included. */
export function pageOfSource(
  tx: Transaction,
  context: SystemContext,
  query: PagedQuery,
  paginationOpts: Value | undefined,
  limits: { readonly rowsMax: number; readonly bytesMax: number } = { rowsMax: Infinity, bytesMax: Infinity },
): Value {
  if (paginationOpts === undefined || !isValueObject(paginationOpts)) {
    throw badRequest("InvalidArguments", 'The argument "paginationOpts" must be an object.');
  }
  const { numItems, cursor, endCursor } = paginationOpts;
  const bounded = (name: string, max: number) => {
    const given = paginationOpts[name];
    const bound = Math.min(typeof given === "number" ? given : Infinity, max);
    return bound === Infinity ? {} : { [name]: bound };
  };
  const args = {
    pageSize: typeof numItems === "number" ? numItems : 0,
    ...(typeof cursor === "string" ? { cursor } : {}),
    ...(typeof endCursor === "string" ? { endCursor } : {}),
    ...bounded("maximumRowsRead", limits.rowsMax),
    ...bounded("maximumBytesRead", limits.bytesMax),
  };
  const page = parsePageArguments(args, context.cursorSecret, "queryPage");
  const fingerprint = checkCursors(query, page);
  const { json, journal } = readQueryPage(tx, query, page, fingerprint, context.journal);
  context.setJournal?.(journal);
  return decodeValue(json);
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

/** An argument that is a list of objects. */
export function objectsArgument(args: ValueObject, name: string): readonly ValueObject[] {
  const list = args[name];
  if (list !== undefined && isValueArray(list) && list.every((each) => isValueObject(each))) return list;
  throw badRequest("InvalidArguments", `The argument "${name}" must be an array of objects.`);
}

export function stringsArgument(args: ValueObject, name: string): readonly string[] {
  const list = args[name];
  if (list !== undefined && isValueArray(list) && list.every((each) => typeof each === "string")) return list;
  throw badRequest("InvalidArguments", `The argument "${name}" must be an array of strings.`);
}
