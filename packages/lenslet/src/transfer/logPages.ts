import { badRequest, LensletError } from "../base/errors.ts";
import { type CommitRecord, decodeCommitRecord, type RecordedWrite } from "../engine/commitRecord.ts";
import type { Log, LogRecord } from "../log/log.ts";
import type { StreamSelection } from "../protocol/streamSelection.ts";
import type { TabletId } from "../store/store.ts";
import { firstUserPhysicalId } from "../store/systemTables.ts";
import { type SelectedTable, SelectedTables, type StreamEngine } from "./streamRows.ts";

/** A page ends with the commit that fills it: all rows of a timestamp come together. */
const pageRowsMin = 128;
const pageBytesMin = 2 * 1024 * 1024;
/** Of the log, read for one page, whatever of it is shown. */
const scannedBytesMin = 8 * 1024 * 1024;
/** Timestamps of clients that count in doubles may be off by this much where the log was written by an early version. */
const roundingMax = 512n;

export interface LoggedRow {
  readonly ts: bigint;
  readonly table: SelectedTable;
  readonly write: RecordedWrite;
}

export interface LogPage {
  readonly rows: readonly LoggedRow[];
  /** Everything up to here has been read. */
  readonly cursor: bigint;
  readonly hasMore: boolean;
  /** Tables that were deleted, emptied or replaced by the commit at `cursor`, which is then the only one of the page. */
  readonly broken: readonly { readonly component: string; readonly name: string }[];
}

/**
 * What the log says of the selected tables after a timestamp. Throws OutOfRetention when it does not reach back so far,
 * and BadRequest with `badCursorCode` when it has not come so far yet.
 */
export async function readLogPage(
  engine: StreamEngine,
  log: Log,
  after: bigint,
  selection: StreamSelection,
  badCursorCode: string,
): Promise<LogPage> {
  if (after < 0n || after > log.durableTs() + roundingMax) {
    throw badRequest(badCursorCode, `The cursor ${after} is not one that this deployment has given.`);
  }
  let tables = new SelectedTables(await engine.tables(), selection);
  const isUnknown = (tablet: TabletId) =>
    tablet >= firstUserPhysicalId && !tables.knows(tablet) && !gone.has(tablet);
  const gone = new Set<TabletId>();
  const rows: LoggedRow[] = [];
  let [cursor, shownBytes, scannedBytes] = [after, 0, 0];
  const page = (broken: LogPage["broken"] = []): LogPage => ({
    rows,
    cursor,
    hasMore: log.durableTs() > cursor,
    broken,
  });
  for await (const records of readKept(log, after)) {
    for (const logged of records) {
      const record = decodeCommitRecord(logged);
      if (record.writes.some(({ tablet }) => isUnknown(tablet))) {
        // Created after the tables were asked for, or deleted since, or one that nobody sees.
        tables = new SelectedTables(await engine.tables(), selection);
        for (const { tablet } of record.writes) if (isUnknown(tablet)) gone.add(tablet);
      }
      const broken = brokenTables(record, tables, selection);
      if (broken.length > 0) {
        if (cursor > after) return page();
        cursor = record.ts;
        return page(broken);
      }
      for (const write of record.writes) {
        const table = tables.find(write.tablet);
        if (table === null) continue;
        rows.push({ ts: record.ts, table, write });
        shownBytes += write.json?.length ?? 0;
      }
      cursor = record.ts;
      scannedBytes += logged.payload.length;
      const isFull = rows.length >= pageRowsMin || shownBytes >= pageBytesMin;
      if (isFull || scannedBytes >= scannedBytesMin) return page();
    }
  }
  return page();
}

/** The log after a cursor. Its own words about what has been trimmed are not for clients. */
async function* readKept(log: Log, after: bigint): AsyncGenerator<readonly LogRecord[], void, undefined> {
  try {
    yield* log.readAfter(after);
  } catch (error) {
    if (!(error instanceof LensletError) || error.category !== "OutOfRetention") throw error;
    throw new LensletError(
      "OutOfRetention",
      "OutOfRetention",
      `The cursor ${after} is older than the changes that are kept. Start again with list_snapshot.`,
    );
  }
}

function brokenTables(
  { writes }: CommitRecord,
  { breaks }: SelectedTables,
  selection: StreamSelection,
): LogPage["broken"] {
  return writes.flatMap(({ tablet, json }) => {
    if (tablet !== breaks || json === null) return [];
    const { componentPath, table } = JSON.parse(json) as { componentPath: string; table: string };
    const isShown = selection.columnsOf(componentPath, table) !== null;
    return isShown ? [{ component: componentPath, name: table }] : [];
  });
}
