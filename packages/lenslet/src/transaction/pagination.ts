import { LensletError, badRequest, internalErrorMessage } from "../base/errors.ts";
import { searchResultsMax } from "../search/searchDocuments.ts";
import type { ScanRow } from "../store/store.ts";
import type { Position } from "./cursor.ts";
import type { ScanOrder } from "./overlay.ts";
import type { QueryOperator } from "./queryJson.ts";
import { type ResolvedSource, openSource, rowsWanted } from "./querySource.ts";
import { Pipeline } from "./queryStream.ts";
import { type KeyInterval, isEmptyInterval, keyAfter } from "./readSet.ts";
import type { Transaction } from "./transaction.ts";
import { isReadLimitError } from "./usage.ts";

/** limits.md #47, #49. */
const pageSizeMax = 32_000;
const splitShare = 0.75;
const splitRowsMax = 32_000;
const splitBytesMax = 16 * 1024 * 1024;
const splitPageDocumentsMax = 8192;
/** A page of a text search with more results than this should be split. */
const splitSearchRowsMax = splitShare * searchResultsMax;

export interface PageBounds {
  readonly pageSize: number;
  readonly maximumRowsRead: number | null;
  readonly maximumBytesRead: number | null;
}

export interface PageRequest extends PageBounds {
  /** Null: the table is missing. */
  readonly source: ResolvedSource | null;
  readonly operators: readonly QueryOperator[];
  /** Null: from the beginning. */
  readonly start: Position | null;
  /** Read exactly up to here, whatever the bounds say. */
  readonly end: Position | null;
}

export interface Page {
  /** JSON texts of the documents. */
  readonly documents: readonly string[];
  readonly next: Position;
  readonly split: Position | null;
  readonly status: "SplitRecommended" | "SplitRequired" | null;
}

/** The checks of database.md §4 that concern numbers only. */
export function checkPageBounds({ pageSize, maximumRowsRead, maximumBytesRead }: PageBounds): void {
  if (pageSize === 0) {
    throw badRequest("NoDocumentsForPagination", "Must request at least 1 document while paginating");
  }
  if (pageSize > pageSizeMax) throw badRequest("PageSizeTooLarge", `Requested too many items: ${pageSize}`);
  if (maximumRowsRead === 0 || maximumBytesRead === 0) {
    throw badRequest("InvalidPaginationLimit", "maximumRowsRead and maximumBytesRead must be greater than 0");
  }
}

/** Reads one page (database.md §4). A transaction's read limit ends the page instead of failing it. */
export function readPage(tx: Transaction, request: PageRequest): Page {
  const { start, end } = request;
  const endPosition: Position = { kind: "end" };
  const source = request.source === null ? null : between(request.source, start, end);
  if (source === null) return { documents: [], next: end ?? endPosition, split: null, status: null };

  const reading = readRows(tx, source, request);
  const { rows, documents } = reading;
  const last = rows[rows.length - 1];
  let next: Position;
  if (reading.ending === "cut" || (reading.ending === "full" && end === null)) {
    // A page that is full or cut has read a row: readRows throws otherwise.
    next = positionOf(last as ScanRow);
  } else {
    next = end ?? endPosition;
  }
  const splitRow = source.kind === "index" && rows.length > 2 ? rows[Math.floor(rows.length / 2)] : undefined;
  const split = splitRow === undefined ? null : positionOf(splitRow);
  const status =
    reading.ending === "cut"
      ? "SplitRequired"
      : isLarge(reading, source, request)
        ? "SplitRecommended"
        : null;
  return { documents, next, split, status };
}

function positionOf(row: ScanRow): Position {
  return { kind: "after", key: row.key };
}

interface Reading {
  readonly rows: ScanRow[];
  readonly documents: string[];
  /** `full`: has as many documents as asked for. `cut`: a limit was reached. */
  readonly ending: "exhausted" | "full" | "cut";
}

function readRows(tx: Transaction, source: ResolvedSource, request: PageRequest): Reading {
  const { end, pageSize, operators } = request;
  const isBounded = end === null && source.kind === "index";
  const maximumRowsRead = isBounded ? request.maximumRowsRead : null;
  const maximumBytesRead = isBounded ? request.maximumBytesRead : null;
  const scan = openSource(tx, source, rowsWanted(operators, Math.min(pageSize, maximumRowsRead ?? Infinity)));
  const pipeline = new Pipeline(operators);
  const rows: ScanRow[] = [];
  const documents: string[] = [];
  let bytesRead = 0;
  for (;;) {
    if (end === null && documents.length >= pageSize) return { rows, documents, ending: "full" };
    const isOver =
      (maximumRowsRead !== null && rows.length >= maximumRowsRead) ||
      (maximumBytesRead !== null && bytesRead >= maximumBytesRead);
    if (isOver) return { rows, documents, ending: "cut" };
    if (pipeline.isFinished()) return { rows, documents, ending: "exhausted" };
    let row: ScanRow | null;
    try {
      row = scan.next();
    } catch (error) {
      if (!isReadLimitError(error)) throw error;
      if (rows.length === 0) throw new LensletError("Internal", "NothingReadForPage", internalErrorMessage);
      return { rows, documents, ending: "cut" };
    }
    if (row === null) return { rows, documents, ending: "exhausted" };
    rows.push(row);
    if (maximumBytesRead !== null) bytesRead += row.document.size;
    if (pipeline.accepts(row.document)) documents.push(row.document.json);
  }
}

/** Whether the page should be split in two by the client. */
function isLarge({ rows, documents }: Reading, source: ResolvedSource, request: PageRequest): boolean {
  const isSearch = source.kind === "search";
  const rowsMax = Math.min((isSearch ? null : request.maximumRowsRead) ?? splitRowsMax, splitRowsMax);
  if (rows.length > (isSearch ? splitSearchRowsMax : splitShare * rowsMax)) return true;
  if (documents.length > splitShare * splitPageDocumentsMax) return true;
  const maximumBytesRead = isSearch ? null : request.maximumBytesRead;
  const bytesMax = splitShare * Math.min(maximumBytesRead ?? splitBytesMax, splitBytesMax);
  let bytes = 0;
  for (const row of rows) {
    bytes += row.document.size;
    if (bytes > bytesMax) return true;
  }
  return false;
}

/** The part of a source after `start` and up to `end` (included); null when nothing is left. */
function between(
  source: ResolvedSource,
  start: Position | null,
  end: Position | null,
): ResolvedSource | null {
  if (start?.kind === "end") return null;
  let { interval } = source;
  if (start !== null) interval = after(interval, source.order, start.key);
  if (end?.kind === "after") interval = upTo(interval, source.order, end.key);
  return isEmptyInterval(interval) ? null : { ...source, interval };
}

function after({ lower, upper }: KeyInterval, order: ScanOrder, key: string): KeyInterval {
  if (order === "asc") return { lower: keyAfter(key) > lower ? keyAfter(key) : lower, upper };
  return { lower, upper: upper === null || key < upper ? key : upper };
}

function upTo({ lower, upper }: KeyInterval, order: ScanOrder, key: string): KeyInterval {
  if (order === "desc") return { lower: key > lower ? key : lower, upper };
  const end = keyAfter(key);
  return { lower, upper: upper === null || end < upper ? end : upper };
}
