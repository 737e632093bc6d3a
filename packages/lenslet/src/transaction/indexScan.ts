import type { ScanRow } from "../store/store.ts";
import type { IndexKey } from "../values/key.ts";
import type { RowSource, ScanOrder } from "./overlay.ts";
import { type KeyInterval, keyAfter } from "./readSet.ts";

/** Rows fetched ahead at a time (limits.md #51). */
export const prefetchRowsDefault = 100;
/** No fetch asks for more. */
export const prefetchRowsMax = 1024;

/** Rows of a query, one after the other. */
export interface RowScan {
  /** The next row, or null at the end. Throws the limit errors of `TransactionUsage`. */
  next(): ScanRow | null;
}

export interface ScanRecorder {
  /** Called for each row as it is handed out; counts it. May throw a limit error: then the row is not handed out. */
  row(row: ScanRow): void;
  /** The interval read so far; each one contains those before it. */
  interval(interval: KeyInterval): void;
}

/**
 * A scan of one index, forwards or backwards. Rows are fetched in batches and handed out as they were when fetched;
 * what is recorded as read grows row by row, to the whole interval once the end was reached.
 */
export class IndexScan implements RowScan {
  readonly #lower: IndexKey;
  readonly #upper: IndexKey | null;
  readonly #order: ScanOrder;
  readonly #source: () => RowSource;
  readonly #recorder: ScanRecorder;
  readonly #batchRows: number;
  /** What has not been fetched yet; null when everything has. */
  #remaining: KeyInterval | null;
  #buffer: readonly ScanRow[] = [];
  #next = 0;

  /** `source` is asked for anew at every fetch, so that each fetch sees the writes made meanwhile. */
  constructor(
    interval: KeyInterval,
    order: ScanOrder,
    source: () => RowSource,
    recorder: ScanRecorder,
    batchRows: number = prefetchRowsDefault,
  ) {
    this.#lower = interval.lower;
    this.#upper = interval.upper;
    this.#order = order;
    this.#source = source;
    this.#recorder = recorder;
    this.#batchRows = Math.max(1, Math.min(batchRows, prefetchRowsMax));
    this.#remaining = interval;
  }

  next(): ScanRow | null {
    if (this.#next === this.#buffer.length && this.#remaining !== null) this.#fetch(this.#remaining);
    const row = this.#buffer[this.#next];
    if (row === undefined) {
      this.#recorder.interval({ lower: this.#lower, upper: this.#upper });
      return null;
    }
    this.#next += 1;
    this.#recorder.row(row);
    this.#recorder.interval(
      this.#order === "asc"
        ? { lower: this.#lower, upper: keyAfter(row.key) }
        : { lower: row.key, upper: this.#upper },
    );
    return row;
  }

  #fetch({ lower, upper }: KeyInterval): void {
    const rows = this.#source()(lower, upper, this.#order, this.#batchRows);
    this.#buffer = rows;
    this.#next = 0;
    const last = rows[rows.length - 1];
    if (last === undefined || rows.length < this.#batchRows) this.#remaining = null;
    else if (this.#order === "asc") this.#remaining = { lower: keyAfter(last.key), upper };
    else this.#remaining = { lower, upper: last.key };
  }
}
