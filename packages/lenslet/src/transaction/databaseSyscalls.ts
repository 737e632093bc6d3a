import { badRequest } from "../base/errors.ts";
import type { Table } from "../store/catalog.ts";
import type { Namespace, StoredDocument } from "../store/store.ts";
import {
  type DecodedId,
  type InternalId,
  decodeId,
  encodeId,
  legacyInternalId,
  tryDecodeId,
} from "../values/id.ts";
import { type JsonValue, parseValue } from "../values/json.ts";
import { checkFieldName, checkIdentifier, isSystemTableName } from "../values/names.ts";
import { type Value, type ValueObject, isValueObject, setField } from "../values/value.ts";
import { type ParsedQuery, parseQuery } from "./queryJson.ts";
import { checkCursors, parsePageArguments, readQueryPage } from "./queryPage.ts";
import { prefetchRowsDefault } from "./indexScan.ts";
import { isVirtualTable, openSource, resolveSource, rowsWanted, visibleTable } from "./querySource.ts";
import { QueryStream } from "./queryStream.ts";
import {
  type JsonObject,
  integerArgument,
  invalidArgument,
  isJsonObject,
  jsonArgument,
  optionalString,
  parsingArgument,
  stringArgument,
} from "./syscallArguments.ts";
import { type Transaction, virtualTableName } from "./transaction.ts";

export interface DatabaseSyscallOptions {
  /** The journal of the query's last run, as the client sent it; null for none. */
  readonly journal: string | null;
  readonly cursorSecret: Uint8Array;
  readonly isComponent: boolean;
  /** The component is not mounted any more: it may read but not write. */
  readonly isUnmounted?: boolean;
}

type Handler = (syscalls: DatabaseSyscalls, args: JsonObject, isAlone: boolean) => string;

/**
 * The database syscalls of one function execution (database.md §2-§4): arguments as parsed JSON in, result as JSON
 * text out. Documents are spliced into results as the text they are stored as. Throws LensletError only.
 */
export class DatabaseSyscalls {
  readonly #tx: Transaction;
  readonly #namespace: Namespace;
  readonly #options: DatabaseSyscallOptions;
  readonly #streams = new Map<number, QueryStream>();
  #nextQueryId = 0;
  #hasPaginated = false;
  #outgoingJournal: string | null = null;

  constructor(tx: Transaction, namespace: Namespace, options: DatabaseSyscallOptions) {
    this.#tx = tx;
    this.#namespace = namespace;
    this.#options = options;
  }

  handles(op: string): boolean {
    return handlers.has(op);
  }

  /** `op` must be one that `handles` knows. `isAlone`: see `RunHost.fastSyscall`. */
  call(op: string, args: JsonObject, isAlone = false): string {
    const handler = handlers.get(op);
    if (handler === undefined) throw badRequest("UnknownOperation", `Unknown operation ${op}`);
    return handler(this, args, isAlone);
  }

  /** What the next run of this query has to be given so that its page ends at the same place; null without paginate. */
  outgoingJournal(): string | null {
    return this.#outgoingJournal;
  }

  get(args: JsonObject): string {
    const isSystem = args["isSystem"] === true;
    const op = isSystem ? "db.system.get" : "db.get";
    const { tableNumber, id } = parseId(stringArgument(args, "id", op), op);
    const given = optionalString(args, "table", op);
    const virtual = virtualTableName(tableNumber);
    if (virtual !== null) {
      if (!isSystem) throw systemTableError();
      checkTable(given, virtual, op);
      const table = this.#tx.table(this.#namespace, virtual);
      return table === null ? "null" : (this.#tx.get(table, id)?.json ?? "null");
    }
    const table = this.#tx.tableByNumber(this.#namespace, tableNumber);
    if (table === null || table.system) return "null";
    if (isSystem) throw badRequest("SystemTableError", "User tables cannot be accessed with db.system.");
    checkTable(given, table.name, op);
    return this.#tx.get(table, id)?.json ?? "null";
  }

  count(args: JsonObject): string {
    const table = visibleTable(this.#tx, this.#namespace, stringArgument(args, "table", "db.count"));
    return table === null ? "0" : String(this.#tx.count(table));
  }

  normalizeId(args: JsonObject): string {
    const name = stringArgument(args, "table", "db.normalizeId");
    const text = stringArgument(args, "idString", "db.normalizeId");
    const table = visibleTable(this.#tx, this.#namespace, name);
    if (table === null) return '{"id":null}';
    const decoded = tryDecodeId(text);
    const isOfTable = decoded !== null && decoded.tableNumber === table.number;
    const id = isOfTable ? decoded.id : legacyInternalId(text);
    return JSON.stringify({ id: id === null ? null : encodeId(table.number, id) });
  }

  queryStream(args: JsonObject): string {
    const { source, operators } = parseQueryArgument(args, "queryStream");
    const resolved = resolveSource(this.#tx, this.#namespace, source);
    const batchRows = rowsWanted(operators, prefetchRowsDefault);
    const scan = resolved === null ? null : openSource(this.#tx, resolved, batchRows);
    const queryId = this.#nextQueryId++;
    this.#streams.set(queryId, new QueryStream(scan, operators));
    return `{"queryId":${queryId}}`;
  }

  queryStreamNext(args: JsonObject, isAlone: boolean): string {
    const queryId = integerArgument(args, "queryId", "queryStreamNext");
    const stream = this.#streams.get(queryId);
    if (stream === undefined) throw badRequest("QueryNotFound", "in-progress query not found");
    if (isAlone && args["all"] === true) return this.#allRows(queryId, stream);
    const document = stream.next();
    return document === null ? '{"value":null,"done":true}' : `{"value":${document.json},"done":false}`;
  }

  /** As if the stream had been read to its end and cleaned up. */
  #allRows(queryId: number, stream: QueryStream): string {
    let rows = "[";
    for (let row = stream.next(); row !== null; row = stream.next()) {
      rows += rows === "[" ? row.json : `,${row.json}`;
    }
    this.#streams.delete(queryId);
    return `${rows}]`;
  }

  queryCleanup(args: JsonObject): string {
    return String(this.#streams.delete(integerArgument(args, "queryId", "queryCleanup")));
  }

  queryPage(args: JsonObject): string {
    const op = "queryPage";
    const page = parsePageArguments(args, this.#options.cursorSecret, op);
    if (this.#options.isComponent) {
      throw badRequest(
        "PaginationUnsupportedInComponents",
        "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination",
      );
    }
    const { source, operators } = parseQueryArgument(args, op);
    const resolved = resolveSource(this.#tx, this.#namespace, source);
    const query = { source: resolved, operators, text: args["query"] as JsonValue };
    const fingerprint = checkCursors(query, page);
    if (this.#hasPaginated) {
      throw badRequest(
        "MultiplePaginatedDatabaseQueries",
        "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.",
      );
    }
    this.#hasPaginated = true;
    const read = readQueryPage(this.#tx, query, page, fingerprint, this.#options.journal);
    this.#outgoingJournal = read.journal;
    return read.json;
  }

  insert(args: JsonObject): string {
    const op = "db.insert";
    const table = stringArgument(args, "table", op);
    this.#checkMounted();
    checkWritableName(table);
    const problem = checkIdentifier(table);
    if (problem !== null) throw invalidArgument(op, "table", problem);
    const value = parseObject(jsonArgument(args, "value", op), op);
    const idText = this.#tx.insert(this.#namespace, table, value);
    return `{"_id":"${idText}"}`;
  }

  patch(args: JsonObject): string {
    const op = "db.patch";
    const { table, id } = this.#writtenDocument(args, op);
    const fields = parseFields(jsonArgument(args, "value", op), op);
    return this.#tx.patch(table, id, fields).json;
  }

  replace(args: JsonObject): string {
    const op = "db.replace";
    const { table, id } = this.#writtenDocument(args, op);
    const value = parseObject(jsonArgument(args, "value", op), op);
    return this.#tx.replace(table, id, value).json;
  }

  remove(args: JsonObject): string {
    const { table, id } = this.#writtenDocument(args, "db.delete");
    const removed: StoredDocument = this.#tx.delete(table, id);
    return removed.json;
  }

  /** The table and id that a write names. */
  #writtenDocument(args: JsonObject, op: string): { table: Table; id: InternalId } {
    const idText = stringArgument(args, "id", op);
    const { tableNumber, id } = parseId(idText, op);
    const given = optionalString(args, "table", op);
    this.#checkMounted();
    const virtual = virtualTableName(tableNumber);
    if (virtual !== null) throw readOnlyTable(virtual);
    const table = this.#tx.tableByNumber(this.#namespace, tableNumber);
    if (table === null) throw invalidArgument(op, "id", `Table for ID "${idText}" not found`);
    if (table.system) throw systemTableError();
    checkTable(given, table.name, op);
    return { table, id };
  }

  #checkMounted(): void {
    if (this.#options.isUnmounted !== true) return;
    throw badRequest(
      "UnmountedComponent",
      "Cannot perform write operations in an unmounted component. Make sure your component is installed in your `convex.config.ts` file.",
    );
  }
}

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ["1.0/get", (syscalls, args) => syscalls.get(args)],
  ["1.0/count", (syscalls, args) => syscalls.count(args)],
  ["1.0/db/normalizeId", (syscalls, args) => syscalls.normalizeId(args)],
  ["1.0/queryStream", (syscalls, args) => syscalls.queryStream(args)],
  ["1.0/queryStreamNext", (syscalls, args, isAlone) => syscalls.queryStreamNext(args, isAlone)],
  ["1.0/queryCleanup", (syscalls, args) => syscalls.queryCleanup(args)],
  ["1.0/queryPage", (syscalls, args) => syscalls.queryPage(args)],
  ["1.0/insert", (syscalls, args) => syscalls.insert(args)],
  ["1.0/shallowMerge", (syscalls, args) => syscalls.patch(args)],
  ["1.0/replace", (syscalls, args) => syscalls.replace(args)],
  ["1.0/remove", (syscalls, args) => syscalls.remove(args)],
]);

function parseId(text: string, op: string): DecodedId {
  return tryDecodeId(text) ?? parsingArgument(op, "id", () => decodeId(text));
}

function parseQueryArgument(args: JsonObject, op: string): ParsedQuery {
  const query = jsonArgument(args, "query", op);
  return parsingArgument(op, "query", () => parseQuery(query));
}

/** The id's table must be the one the caller named, if any. */
function checkTable(given: string | null, actual: string, op: string): void {
  if (given === null || given === actual) return;
  throw invalidArgument(op, "id", `expected to be an Id<"${given}">, got Id<"${actual}"> instead.`);
}

function checkWritableName(table: string): void {
  if (!isSystemTableName(table)) return;
  throw isVirtualTable(table) ? readOnlyTable(table) : systemTableError();
}

function systemTableError(): Error {
  return badRequest("SystemTableError", "System tables can only be accessed with db.system.");
}

function readOnlyTable(table: string): Error {
  return badRequest("ReadOnlyTable", `${table} is a read-only table`);
}

function parseObject(json: JsonValue, op: string): ValueObject {
  const value = parsingArgument(op, "value", () => parseValue(json, { commitTs: true }));
  if (!isValueObject(value)) throw invalidArgument(op, "value", "Value must be an Object");
  return value;
}

/** The value of a patch: fields that are `{"$undefined": null}` are removed, the others replaced. */
function parseFields(json: JsonValue, op: string): Record<string, Value | undefined> {
  if (!isJsonObject(json)) throw invalidArgument(op, "value", "Value must be an Object");
  const names = Object.keys(json);
  const removed = names.filter((name) => isUndefinedJson(json[name] as JsonValue));
  if (removed.length === 0) return { ...parseObject(json, op) };
  const kept: Record<string, JsonValue> = {};
  for (const name of names) {
    if (!removed.includes(name)) setField(kept, name, json[name] as JsonValue);
  }
  const fields: Record<string, Value | undefined> = { ...parseObject(kept, op) };
  for (const name of removed) {
    const problem = checkFieldName(name);
    if (problem !== null) throw invalidArgument(op, "value", problem);
    setField(fields, name, undefined);
  }
  return fields;
}

function isUndefinedJson(json: JsonValue): boolean {
  return isJsonObject(json) && json["$undefined"] === null && Object.keys(json).length === 1;
}
