import type { InternalId } from "../values/id.ts";
import type { IndexKey } from "../values/key.ts";

/** An entry of an index; `id` is the end of `key`, as a string of its own. */
export interface IndexEntry {
  readonly key: IndexKey;
  readonly id: InternalId;
}

/** Every key but those of by_id ends with the part of `_creationTime` (9 bytes) and the id (16 bytes). */
export const keyTailBytes = 25;
/** Longer answers are not kept: a scan of many rows costs little per row. */
export const lookupEntriesMax = 16;
/** Measured: a Map entry with its array, and per index entry an object with two strings. */
const heapBytesPerLookup = 150;
const heapBytesPerEntry = 160;
const usualPrefixLength = 10;

function prefixOf({ key }: IndexEntry): IndexKey {
  return key.slice(0, -keyTailBytes);
}

/** What all indexes of a store may keep together. */
export class LookupBudget {
  readonly #generationBytesMax: number;
  readonly #caches = new Set<LookupCache>();
  #youngBytes = 0;

  constructor(bytesMax: number) {
    this.#generationBytesMax = bytesMax / 2;
  }

  add(cache: LookupCache): void {
    this.#caches.add(cache);
  }

  remove(cache: LookupCache): void {
    this.#caches.delete(cache);
  }

  /** Whether the answers for an index of `rows` entries with fields of their own would all stay. */
  holds(rows: number): boolean {
    return (
      rows * (heapBytesPerLookup + heapBytesPerEntry + 2 * usualPrefixLength) <= this.#generationBytesMax
    );
  }

  /** False: too large. May age all caches, which makes room. */
  take(bytes: number): boolean {
    if (bytes > this.#generationBytesMax) return false;
    if (this.#youngBytes + bytes > this.#generationBytesMax) {
      for (const cache of this.#caches) cache.age();
      this.#youngBytes = 0;
    }
    this.#youngBytes += bytes;
    return true;
  }
}

/**
 * Answers to "all entries whose indexed fields are these", found without SQL. Only complete answers of at least one entry
 * are kept, and only those whose keys are the prefix and its tail: the prefix then names all fields of the index,
 * and a new key can belong to one answer only, the one under the key without its tail. As in the document cache,
 * two generations stand in for a list in order of use.
 */
export class LookupCache {
  readonly #budget: LookupBudget;
  #young = new Map<IndexKey, readonly IndexEntry[]>();
  #old = new Map<IndexKey, readonly IndexEntry[]>();

  constructor(budget: LookupBudget) {
    this.#budget = budget;
    budget.add(this);
  }

  /** In key order. */
  get(prefix: IndexKey): readonly IndexEntry[] | undefined {
    const hit = this.#young.get(prefix);
    if (hit !== undefined) return hit;
    const aged = this.#old.get(prefix);
    if (aged !== undefined) {
      this.#old.delete(prefix);
      this.#put(prefix, aged);
    }
    return aged;
  }

  /** `entries`: all there are, in key order. */
  offer(prefix: IndexKey, entries: readonly IndexEntry[]): void {
    if (entries.length === 0 || entries.length > lookupEntriesMax) return;
    for (const { key } of entries) if (key.length !== prefix.length + keyTailBytes) return;
    if (!this.#young.has(prefix)) this.#put(prefix, entries);
  }

  /** `run`: entries that follow each other, from the first of its kind on; of the last kind there may be more. */
  offerRun(run: readonly IndexEntry[]): void {
    let begin = 0;
    for (let i = 1; i < run.length; i++) {
      const prefix = prefixOf(run[begin] as IndexEntry);
      if (prefixOf(run[i] as IndexEntry) === prefix) continue;
      this.offer(prefix, run.slice(begin, i));
      begin = i;
    }
  }

  /** An entry with this key has come or gone. */
  changed(key: IndexKey): void {
    if (this.#young.size === 0 && this.#old.size === 0) return;
    const prefix = key.slice(0, -keyTailBytes);
    this.#young.delete(prefix);
    this.#old.delete(prefix);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }

  close(): void {
    this.clear();
    this.#budget.remove(this);
  }

  /** Of `LookupBudget`. */
  age(): void {
    const emptied = this.#old;
    emptied.clear();
    this.#old = this.#young;
    this.#young = emptied;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  #put(prefix: IndexKey, entries: readonly IndexEntry[]): void {
    const bytes =
      heapBytesPerLookup + prefix.length * (1 + entries.length) + heapBytesPerEntry * entries.length;
    if (this.#budget.take(bytes)) this.#young.set(prefix, entries);
  }
}
