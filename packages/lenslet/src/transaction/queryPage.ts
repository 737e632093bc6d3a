import type { JsonObject } from "./syscallArguments.ts";
import { integerArgument, optionalInteger, optionalString } from "./syscallArguments.ts";
import { type Cursor, CursorCodec, type Position, foreignCursor, queryFingerprint } from "./cursor.ts";
import { type PageBounds, checkPageBounds, readPage } from "./pagination.ts";
import type { QueryOperator } from "./queryJson.ts";
import { type ResolvedSource, indexFieldsOf } from "./querySource.ts";
import type { Transaction } from "./transaction.ts";
import type { JsonValue } from "../values/json.ts";

/** How far a page goes, with its cursors taken apart. */
export interface PageArguments extends PageBounds {
  readonly codec: CursorCodec;
  readonly cursor: Cursor | null;
  readonly endCursor: Cursor | null;
}

/** The query of a page. `text` tells it from other queries: a cursor of one is refused by another. */
export interface PagedQuery {
  readonly source: ResolvedSource | null;
  readonly operators: readonly QueryOperator[];
  readonly text: JsonValue;
}

/** Throws what database.md §4 says of numbers, and InvalidCursor. */
export function parsePageArguments(args: JsonObject, cursorSecret: Uint8Array, op: string): PageArguments {
  const bounds = {
    pageSize: integerArgument(args, "pageSize", op),
    maximumRowsRead: optionalInteger(args, "maximumRowsRead", op),
    maximumBytesRead: optionalInteger(args, "maximumBytesRead", op),
  };
  checkPageBounds(bounds);
  const codec = CursorCodec.of(cursorSecret);
  const parse = (text: string | null) => (text === null ? null : codec.parse(text));
  const cursor = parse(optionalString(args, "cursor", op));
  return { ...bounds, codec, cursor, endCursor: parse(optionalString(args, "endCursor", op)) };
}

/** The fingerprint of the query. Throws InvalidCursor for a cursor that belongs to another one. */
export function checkCursors({ source, text }: PagedQuery, { cursor, endCursor }: PageArguments): Buffer {
  const indexFields = source === null ? null : indexFieldsOf(source);
  const fingerprint = queryFingerprint(JSON.stringify([text, indexFields]));
  for (const given of [cursor, endCursor]) {
    if (given !== null && !given.fingerprint.equals(fingerprint)) throw foreignCursor();
  }
  return fingerprint;
}

/** Answer of `1.0/queryPage` as JSON text, and the journal: where the page ended. */
export function readQueryPage(
  tx: Transaction,
  { source, operators }: PagedQuery,
  { codec, cursor, endCursor, ...bounds }: PageArguments,
  fingerprint: Buffer,
  journal: string | null,
): { readonly json: string; readonly journal: string } {
  const start = cursor?.position ?? null;
  const end = endCursor?.position ?? journalEnd(codec, fingerprint, journal);
  const page = readPage(tx, { ...bounds, source, operators, start, end });
  const text = (position: Position) => codec.encode({ position, fingerprint });
  const continueCursor = text(page.next);
  const json =
    `{"page":[${page.documents.join(",")}],"isDone":${page.next.kind === "end"},` +
    `"continueCursor":"${continueCursor}","splitCursor":${page.split === null ? "null" : `"${text(page.split)}"`},` +
    `"pageStatus":${JSON.stringify(page.status)}}`;
  return { json, journal: continueCursor };
}

/**
 * A journal comes back from the client, so it may be garbage; and the function may paginate another query than it
 * did last time. Then there is no place to end at, and the page is read afresh.
 */
function journalEnd(codec: CursorCodec, fingerprint: Buffer, journal: string | null): Position | null {
  if (journal === null) return null;
  try {
    const cursor = codec.parse(journal);
    return cursor.fingerprint.equals(fingerprint) ? cursor.position : null;
  } catch {
    return null;
  }
}
