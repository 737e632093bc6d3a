import type { ScanRow, StoredDocument } from "../store/store.ts";
import type { IndexKey } from "../values/key.ts";

export type ScanOrder = "asc" | "desc";

/** Up to `limit` rows with lower <= key < upper, in order; fewer only when there are no more. */
export type RowSource = (
  lower: IndexKey,
  upper: IndexKey | null,
  order: ScanOrder,
  limit: number,
) => readonly ScanRow[];

/** New keys up to this many are put in place one by one; more are sorted together. */
const insertSingly = 32;

/**
 * Changes to one index, sorted by key. A key names its document, so each key either has a row now or must be hidden.
 */
export class IndexOverlay {
  readonly #rows = new Map<IndexKey, StoredDocument | null>();
  #sorted: IndexKey[] = [];
  /** Keys in `#rows` that are not in `#sorted` yet. */
  #unsorted: IndexKey[] = [];

  /** Shows `document` at `key`, or hides the key when null. */
  set(key: IndexKey, document: StoredDocument | null): void {
    if (!this.#rows.has(key)) this.#unsorted.push(key);
    this.#rows.set(key, document);
  }

  isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** Entries with lower <= key < upper in the given order; null documents are hidden keys. To be consumed before the next `set`. */
  *entries(
    lower: IndexKey,
    upper: IndexKey | null,
    order: ScanOrder,
  ): Generator<[IndexKey, StoredDocument | null]> {
    this.#sort();
    const keys = this.#sorted;
    const from = lowerBound(keys, lower);
    const to = upper === null ? keys.length : lowerBound(keys, upper);
    for (let step = 0; step < to - from; step++) {
      const key = keys[order === "asc" ? from + step : to - 1 - step] as IndexKey;
      yield [key, this.#rows.get(key) ?? null];
    }
  }

  #sort(): void {
    if (this.#unsorted.length === 0) return;
    if (this.#unsorted.length <= insertSingly) {
      for (const key of this.#unsorted) this.#sorted.splice(lowerBound(this.#sorted, key), 0, key);
    } else {
      this.#sorted = [...this.#sorted, ...this.#unsorted].sort(compareKeys);
    }
    this.#unsorted = [];
  }
}

function compareKeys(a: IndexKey, b: IndexKey): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Position of the first key at or after `key`. */
function lowerBound(keys: readonly IndexKey[], key: IndexKey): number {
  let low = 0;
  let high = keys.length;
  if (high > 0 && (keys[high - 1] as IndexKey) < key) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as IndexKey) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The rows of `source` with the overlay's changes applied. */
export function overlaid(source: RowSource, overlay: IndexOverlay): RowSource {
  if (overlay.isEmpty()) return source;
  return (lower, upper, order, limit) => {
    const rows: ScanRow[] = [];
    let from = lower;
    let to = upper;
    while (rows.length < limit && (to === null || from < to)) {
      const batch = source(from, to, order, limit);
      const last = batch[batch.length - 1];
      if (last === undefined || batch.length < limit) {
        mergeInto(rows, batch, overlay.entries(from, to, order), order, limit);
        break;
      }
      // The batch says nothing about what lies beyond its last row, so the overlay is merged only up to there.
      const beyond: IndexKey = order === "asc" ? `${last.key}\0` : last.key;
      const entries =
        order === "asc" ? overlay.entries(from, beyond, order) : overlay.entries(beyond, to, order);
      mergeInto(rows, batch, entries, order, limit);
      if (order === "asc") from = beyond;
      else to = beyond;
    }
    return rows;
  };
}

/** Appends the merge of two sorted sequences until `rows` holds `limit`; an overlay entry replaces the row of its key. */
function mergeInto(
  rows: ScanRow[],
  batch: readonly ScanRow[],
  entries: Iterable<[IndexKey, StoredDocument | null]>,
  order: ScanOrder,
  limit: number,
): void {
  let next = 0;
  const isBefore = (a: IndexKey, b: IndexKey) => (order === "asc" ? a < b : a > b);
  for (const [key, document] of entries) {
    for (let row = batch[next]; row !== undefined && isBefore(row.key, key); row = batch[++next]) {
      if (rows.length >= limit) return;
      rows.push(row);
    }
    if (batch[next]?.key === key) next += 1;
    if (document === null) continue;
    if (rows.length >= limit) return;
    rows.push({ key, document });
  }
  for (; next < batch.length && rows.length < limit; next++) rows.push(batch[next] as ScanRow);
}
