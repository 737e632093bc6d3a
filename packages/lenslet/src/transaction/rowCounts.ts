import type { TabletId } from "../store/store.ts";

/** Rows of one table that were read and written, to be added to. */
export interface RowCount {
  read: number;
  written: number;
}

/** Rows by table, over many transactions. */
export class RowCounts {
  readonly #byTablet = new Map<TabletId, RowCount>();

  /** A scan asks once and counts for itself: a look-up for every row would be felt. */
  of(tablet: TabletId): RowCount {
    let count = this.#byTablet.get(tablet);
    if (count === undefined) this.#byTablet.set(tablet, (count = { read: 0, written: 0 }));
    return count;
  }

  get isEmpty(): boolean {
    return this.#byTablet.size === 0;
  }

  take(): readonly (readonly [TabletId, RowCount])[] {
    const counts = [...this.#byTablet];
    this.#byTablet.clear();
    return counts;
  }
}
