import { assert } from "../base/assert.ts";
import type { SearchRead } from "../search/searchRead.ts";
import type { SearchEntry } from "../store/searchReader.ts";

/** Who searches with the same filter values, by what they search for. */
interface TermReaders<T> {
  readonly terms: Map<string, Set<T>>;
  readonly prefixes: Map<string, Set<T>>;
  /** How many different prefixes have each length: a term is looked up by as many of its beginnings. */
  readonly prefixLengths: Map<number, number>;
}

/** The searches that filter by the same fields. */
interface FilterShape<T> {
  readonly positions: readonly number[];
  readonly byValues: Map<string, TermReaders<T>>;
}

/**
 * Searches of one text search index. A written document finds its readers by its filter values first (one look-up for
 * each set of fields that anybody filters by, of which an app has a few), then by its terms and their beginnings. So
 * searches that would not find the document cost nothing, whether for its words or for its filters.
 */
export class SearchReaders<T> {
  readonly #shapes = new Map<string, FilterShape<T>>();

  isEmpty(): boolean {
    return this.#shapes.size === 0;
  }

  add(read: SearchRead, token: T): void {
    const positions = positionsOf(read);
    const shapeKey = positions.join();
    let shape = this.#shapes.get(shapeKey);
    if (shape === undefined) {
      shape = { positions, byValues: new Map() };
      this.#shapes.set(shapeKey, shape);
    }
    const values = valuesKey(positions, (position) => read.filters.get(position));
    let readers = shape.byValues.get(values);
    if (readers === undefined) {
      readers = { terms: new Map(), prefixes: new Map(), prefixLengths: new Map() };
      shape.byValues.set(values, readers);
    }
    for (const term of read.terms) put(readers.terms, term, token);
    const { prefix } = read;
    if (prefix === null) return;
    if (!readers.prefixes.has(prefix)) count(readers.prefixLengths, prefix.length, 1);
    put(readers.prefixes, prefix, token);
  }

  /**
   * Takes back an `add`. All searches of a token are removed together, and those that share terms were entered as one:
   * so what is not there any more went with one removed before.
   */
  remove(read: SearchRead, token: T): void {
    const positions = positionsOf(read);
    const shapeKey = positions.join();
    const values = valuesKey(positions, (position) => read.filters.get(position));
    const shape = this.#shapes.get(shapeKey);
    const readers = shape?.byValues.get(values);
    if (shape === undefined || readers === undefined) return;
    for (const term of read.terms) take(readers.terms, term, token);
    const { prefix } = read;
    if (prefix !== null && readers.prefixes.has(prefix)) {
      take(readers.prefixes, prefix, token);
      if (!readers.prefixes.has(prefix)) count(readers.prefixLengths, prefix.length, -1);
    }
    if (readers.terms.size === 0 && readers.prefixes.size === 0) shape.byValues.delete(values);
    if (shape.byValues.size === 0) this.#shapes.delete(shapeKey);
  }

  /** Adds the tokens whose search could show the document to `found`. */
  stab(entry: SearchEntry, found: Set<T>): void {
    let terms: ReadonlyMap<string, number> | null = null;
    for (const { positions, byValues } of this.#shapes.values()) {
      const readers = byValues.get(valuesKey(positions, (position) => entry.filters[position]));
      if (readers === undefined) continue;
      terms ??= entry.terms().counts;
      for (const term of terms.keys()) collect(readers, term, found);
    }
  }
}

function collect<T>({ terms, prefixes, prefixLengths }: TermReaders<T>, term: string, found: Set<T>): void {
  for (const token of terms.get(term) ?? []) found.add(token);
  for (const length of prefixLengths.keys()) {
    if (length > term.length) continue;
    for (const token of prefixes.get(term.slice(0, length)) ?? []) found.add(token);
  }
}

function positionsOf({ filters }: SearchRead): number[] {
  return [...filters.keys()].toSorted((a, b) => a - b);
}

/** Each key with its length before it, so that no two lists of keys look alike. */
function valuesKey(positions: readonly number[], keyAt: (position: number) => string | undefined): string {
  let values = "";
  for (const position of positions) {
    const key = keyAt(position);
    assert(key !== undefined, "an entry has a key for each filter field");
    values += `${key.length}:${key}`;
  }
  return values;
}

function put<T>(map: Map<string, Set<T>>, name: string, token: T): void {
  const tokens = map.get(name);
  if (tokens === undefined) map.set(name, new Set([token]));
  else tokens.add(token);
}

function take<T>(map: Map<string, Set<T>>, name: string, token: T): void {
  const tokens = map.get(name);
  tokens?.delete(token);
  if (tokens?.size === 0) map.delete(name);
}

function count(counts: Map<number, number>, length: number, by: 1 | -1): void {
  const now = (counts.get(length) ?? 0) + by;
  if (now === 0) counts.delete(length);
  else counts.set(length, now);
}
