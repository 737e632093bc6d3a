import { assert } from "../base/assert.ts";
import type { DocumentWrite, IndexId } from "../store/store.ts";
import { type KeyInterval, type ReadSet, isPointInterval } from "../transaction/readSet.ts";
import type { IndexKey } from "../values/key.ts";
import { IntervalTree } from "./intervalTree.ts";

/** Who reads what in one index. */
interface IndexReaders<T> {
  /** Readers of exactly one key: `db.get`, mostly. */
  readonly points: Map<IndexKey, Set<T>>;
  readonly ranges: IntervalTree<T>;
}

type Subscription = readonly (readonly [IndexId, KeyInterval])[];

/**
 * Finds the subscriptions whose read sets a commit touches. The cost of a commit grows with the keys it writes and
 * the subscriptions it hits, and only logarithmically with those it does not hit.
 */
export class SubscriptionIndex<T> {
  readonly #indexes = new Map<IndexId, IndexReaders<T>>();
  readonly #subscriptions = new Map<T, Subscription>();

  /** Number of subscriptions. */
  get size(): number {
    return this.#subscriptions.size;
  }

  /** Registers what `token` has read. A token can be registered once; later changes of `reads` are not seen. */
  add(token: T, reads: ReadSet): void {
    assert(!this.#subscriptions.has(token), "a token is subscribed at most once");
    const subscription: (readonly [IndexId, KeyInterval])[] = [];
    for (const [index, intervals] of reads.intervals()) {
      for (const interval of intervals) {
        subscription.push([index, interval]);
        this.#addInterval(index, interval, token);
      }
    }
    this.#subscriptions.set(token, subscription);
  }

  /** Forgets a token; one that is not registered is ignored. */
  remove(token: T): void {
    const subscription = this.#subscriptions.get(token);
    if (subscription === undefined) return;
    this.#subscriptions.delete(token);
    for (const [index, interval] of subscription) this.#removeInterval(index, interval, token);
  }

  /** The tokens that read a key which one of the writes had before or has now. */
  affected(writes: readonly DocumentWrite[]): Set<T> {
    const found = new Set<T>();
    for (const { keys } of writes) {
      for (const { index, before, after } of keys) {
        const readers = this.#indexes.get(index);
        if (readers === undefined) continue;
        if (before !== null) collect(readers, before, found);
        if (after !== null && after !== before) collect(readers, after, found);
      }
    }
    return found;
  }

  #addInterval(index: IndexId, interval: KeyInterval, token: T): void {
    let readers = this.#indexes.get(index);
    if (readers === undefined) {
      readers = { points: new Map(), ranges: new IntervalTree() };
      this.#indexes.set(index, readers);
    }
    if (!isPointInterval(interval)) {
      readers.ranges.add(interval.lower, interval.upper, token);
      return;
    }
    const tokens = readers.points.get(interval.lower);
    if (tokens === undefined) readers.points.set(interval.lower, new Set([token]));
    else tokens.add(token);
  }

  #removeInterval(index: IndexId, interval: KeyInterval, token: T): void {
    const readers = this.#indexes.get(index);
    assert(readers !== undefined, "the intervals of a subscription are registered");
    if (isPointInterval(interval)) {
      const tokens = readers.points.get(interval.lower);
      tokens?.delete(token);
      if (tokens?.size === 0) readers.points.delete(interval.lower);
    } else {
      readers.ranges.remove(interval.lower, interval.upper, token);
    }
    if (readers.points.size === 0 && readers.ranges.isEmpty()) this.#indexes.delete(index);
  }
}

function collect<T>(readers: IndexReaders<T>, key: IndexKey, found: Set<T>): void {
  const tokens = readers.points.get(key);
  if (tokens !== undefined) for (const token of tokens) found.add(token);
  readers.ranges.stab(key, found);
}
