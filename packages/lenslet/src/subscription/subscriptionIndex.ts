import { assert } from "../base/assert.ts";
import type { SearchRead } from "../search/searchRead.ts";
import type { SearchEntryChange } from "../store/searchReader.ts";
import type { DocumentWrite, IndexId } from "../store/store.ts";
import { type KeyInterval, type ReadSet, isPointInterval } from "../transaction/readSet.ts";
import type { IndexKey } from "../values/key.ts";
import { IntervalTree } from "./intervalTree.ts";
import { PrefixMap, isPrefixInterval } from "./prefixMap.ts";
import { SearchReaders } from "./searchReaders.ts";

/** Who reads what in one index, by the shape of the interval. */
interface IndexReaders<T> {
  /** Exactly one key: `db.get`, mostly. */
  readonly points: Map<IndexKey, Set<T>>;
  /** All keys with some leading parts: `eq` read to its end. */
  readonly prefixes: PrefixMap<T>;
  readonly ranges: IntervalTree<T>;
}

type Shape = "point" | "prefix" | "range";

interface Registration {
  readonly index: IndexId;
  readonly interval: KeyInterval;
  readonly shape: Shape;
}

interface Subscription {
  readonly intervals: readonly Registration[];
  readonly searches: readonly SearchRead[];
}

/**
 * Finds the subscriptions whose read sets a commit touches. The cost of a commit grows with the keys it writes and
 * the subscriptions it hits, and only logarithmically with those it does not hit.
 */
export class SubscriptionIndex<T> {
  readonly #indexes = new Map<IndexId, IndexReaders<T>>();
  readonly #searches = new Map<IndexId, SearchReaders<T>>();
  readonly #subscriptions = new Map<T, Subscription>();

  /** Number of subscriptions. */
  get size(): number {
    return this.#subscriptions.size;
  }

  /** Registers what `token` has read. A token can be registered once; later changes of `reads` are not seen. */
  add(token: T, reads: ReadSet): void {
    assert(!this.#subscriptions.has(token), "a token is subscribed at most once");
    const registrations: Registration[] = [];
    for (const [index, intervals] of reads.intervals()) {
      for (const interval of intervals) {
        registrations.push({ index, interval, shape: this.#register(index, interval, token) });
      }
    }
    const searches = [...reads.searches()];
    for (const search of searches) this.#registerSearch(search, token);
    this.#subscriptions.set(token, { intervals: registrations, searches });
  }

  /** Forgets a token; one that is not registered is ignored. */
  remove(token: T): void {
    const subscription = this.#subscriptions.get(token);
    if (subscription === undefined) return;
    this.#subscriptions.delete(token);
    for (const registration of subscription.intervals) this.#unregister(registration, token);
    for (const search of subscription.searches) this.#unregisterSearch(search, token);
  }

  /** The tokens that read a key, or made a search, which one of the written documents fitted before or fits now. */
  affected(writes: readonly DocumentWrite[]): Set<T> {
    const found = new Set<T>();
    for (const { keys, search } of writes) {
      if (search !== undefined) this.#stabSearches(search, found);
      for (const { index, before, after } of keys) {
        const readers = this.#indexes.get(index);
        if (readers === undefined) continue;
        if (before !== null) collect(readers, before, found);
        if (after !== null && after !== before) collect(readers, after, found);
      }
    }
    return found;
  }

  #stabSearches(changes: readonly SearchEntryChange[], found: Set<T>): void {
    for (const { index, before, after } of changes) {
      const readers = this.#searches.get(index);
      if (readers === undefined) continue;
      if (before !== null) readers.stab(before, found);
      if (after !== null) readers.stab(after, found);
    }
  }

  #registerSearch(search: SearchRead, token: T): void {
    let readers = this.#searches.get(search.index);
    if (readers === undefined) {
      readers = new SearchReaders();
      this.#searches.set(search.index, readers);
    }
    readers.add(search, token);
  }

  #unregisterSearch(search: SearchRead, token: T): void {
    const readers = this.#searches.get(search.index);
    readers?.remove(search, token);
    if (readers?.isEmpty() === true) this.#searches.delete(search.index);
  }

  #register(index: IndexId, interval: KeyInterval, token: T): Shape {
    let readers = this.#indexes.get(index);
    if (readers === undefined) {
      readers = { points: new Map(), prefixes: new PrefixMap(), ranges: new IntervalTree() };
      this.#indexes.set(index, readers);
    }
    if (isPointInterval(interval)) {
      const tokens = readers.points.get(interval.lower);
      if (tokens === undefined) readers.points.set(interval.lower, new Set([token]));
      else tokens.add(token);
      return "point";
    }
    if (isPrefixInterval(interval) && readers.prefixes.add(interval.lower, token)) return "prefix";
    readers.ranges.add(interval.lower, interval.upper, token);
    return "range";
  }

  #unregister({ index, interval, shape }: Registration, token: T): void {
    const readers = this.#indexes.get(index);
    assert(readers !== undefined, "the intervals of a subscription are registered");
    const { points, prefixes, ranges } = readers;
    switch (shape) {
      case "point": {
        const tokens = points.get(interval.lower);
        tokens?.delete(token);
        if (tokens?.size === 0) points.delete(interval.lower);
        break;
      }
      case "prefix":
        prefixes.remove(interval.lower, token);
        break;
      case "range":
        ranges.remove(interval.lower, interval.upper, token);
        break;
    }
    if (points.size === 0 && prefixes.isEmpty() && ranges.isEmpty()) this.#indexes.delete(index);
  }
}

function collect<T>(readers: IndexReaders<T>, key: IndexKey, found: Set<T>): void {
  const tokens = readers.points.get(key);
  if (tokens !== undefined) for (const token of tokens) found.add(token);
  readers.prefixes.stab(key, found);
  readers.ranges.stab(key, found);
}
