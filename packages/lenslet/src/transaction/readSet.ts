import { assert } from "../base/assert.ts";
import type { IndexId } from "../store/store.ts";
import { type SearchRead, searchReadKey } from "../search/searchRead.ts";
import type { IndexKey } from "../values/key.ts";

/** lower <= key < upper; `upper` null: to the end of the index. */
export interface KeyInterval {
  readonly lower: IndexKey;
  readonly upper: IndexKey | null;
}

/** The smallest key after `key`. */
export function keyAfter(key: IndexKey): IndexKey {
  return `${key}\0`;
}

/** The interval that holds exactly one key. */
export function pointInterval(key: IndexKey): KeyInterval {
  return { lower: key, upper: keyAfter(key) };
}

export function isPointInterval(interval: KeyInterval): boolean {
  const { lower, upper } = interval;
  return (
    upper !== null &&
    upper.length === lower.length + 1 &&
    upper.charCodeAt(lower.length) === 0 &&
    upper.startsWith(lower)
  );
}

export function isEmptyInterval(interval: KeyInterval): boolean {
  return interval.upper !== null && interval.lower >= interval.upper;
}

/** The greater of two upper bounds, null being the greatest. */
function maxUpper(a: IndexKey | null, b: IndexKey | null): IndexKey | null {
  if (a === null || b === null) return null;
  return a > b ? a : b;
}

/**
 * What a transaction has read: for each index, disjoint intervals in ascending order that do not touch each other, and
 * the text searches it has made.
 */
export class ReadSet {
  readonly #intervals = new Map<IndexId, KeyInterval[]>();
  readonly #searches = new Map<string, SearchRead>();
  #count = 0;

  /** Number of disjoint intervals over all indexes; each different search counts as one. */
  get intervalCount(): number {
    return this.#count + this.#searches.size;
  }

  searches(): Iterable<SearchRead> {
    return this.#searches.values();
  }

  addSearch(read: SearchRead): void {
    this.#searches.set(searchReadKey(read), read);
  }

  intervals(): ReadonlyMap<IndexId, readonly KeyInterval[]> {
    return this.#intervals;
  }

  /** Adds an interval, merging it with those it overlaps or touches. An empty interval changes nothing. */
  add(index: IndexId, interval: KeyInterval): void {
    const { lower, upper } = interval;
    if (isEmptyInterval(interval)) return;
    let list = this.#intervals.get(index);
    if (list === undefined) {
      list = [];
      this.#intervals.set(index, list);
    }
    const from = firstTouching(list, lower);
    const to = upper === null ? list.length : firstBeyond(list, from, upper);
    const first = list[from];
    const last = list[to - 1];
    const isMerging = to > from && first !== undefined && last !== undefined;
    const mergedLower = isMerging && first.lower < lower ? first.lower : lower;
    const mergedUpper = isMerging ? maxUpper(last.upper, upper) : upper;
    const merged = { lower: mergedLower, upper: mergedUpper };
    if (to === from + 1) {
      list[from] = merged;
      return;
    }
    list.splice(from, to - from, merged);
    this.#count += 1 - (to - from);
    assert(this.#count > 0, "a read set with an interval counts it");
  }

  /** True when a write of `key` would have changed what was read. */
  contains(index: IndexId, key: IndexKey): boolean {
    const list = this.#intervals.get(index);
    if (list === undefined) return false;
    const candidate = list[firstTouching(list, key)];
    if (candidate === undefined) return false;
    // The candidate may end exactly at the key; then the next one may begin there only if they were merged.
    return candidate.lower <= key && (candidate.upper === null || key < candidate.upper);
  }
}

/** Position of the first interval, from `from` on, that begins after `upper`. Merged intervals are few: a plain search. */
function firstBeyond(list: readonly KeyInterval[], from: number, upper: IndexKey): number {
  for (let i = from; i < list.length; i++) if ((list[i] as KeyInterval).lower > upper) return i;
  return list.length;
}

/** Position of the first interval whose upper bound is at or after `lower`. */
function firstTouching(list: readonly KeyInterval[], lower: IndexKey): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { upper } = list[middle] as KeyInterval;
    if (upper !== null && upper < lower) low = middle + 1;
    else high = middle;
  }
  return low;
}
