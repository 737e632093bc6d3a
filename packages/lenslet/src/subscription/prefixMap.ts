import { assert } from "../base/assert.ts";
import { prefixEnd } from "../values/key.ts";
import type { IndexKey } from "../values/key.ts";
import type { KeyInterval } from "../transaction/readSet.ts";

/** Prefixes of more different lengths than this are not taken: each length costs a look-up per written key. */
const lengthsMax = 8;

/** True for the interval of all keys whose leading parts are exactly `lower`, as `eq` on some fields gives. */
export function isPrefixInterval({ lower, upper }: KeyInterval): boolean {
  return upper !== null && upper === prefixEnd(lower);
}

/**
 * Prefix intervals (values/key.ts `prefixEnd`) by hash. Most live queries of an app read "all rows where field = x" of
 * a few indexes, so their prefixes have few lengths, and a key finds its readers in as many steps.
 */
export class PrefixMap<T> {
  readonly #byLength = new Map<number, Map<IndexKey, Set<T>>>();

  isEmpty(): boolean {
    return this.#byLength.size === 0;
  }

  /** False if the prefix has one length too many; then nothing was added. */
  add(prefix: IndexKey, token: T): boolean {
    let prefixes = this.#byLength.get(prefix.length);
    if (prefixes === undefined) {
      if (this.#byLength.size >= lengthsMax) return false;
      prefixes = new Map();
      this.#byLength.set(prefix.length, prefixes);
    }
    const tokens = prefixes.get(prefix);
    if (tokens === undefined) prefixes.set(prefix, new Set([token]));
    else tokens.add(token);
    return true;
  }

  remove(prefix: IndexKey, token: T): void {
    const prefixes = this.#byLength.get(prefix.length);
    const tokens = prefixes?.get(prefix);
    assert(prefixes !== undefined && tokens?.delete(token) === true, "a prefix that was added is there");
    if (tokens.size === 0) prefixes.delete(prefix);
    if (prefixes.size === 0) this.#byLength.delete(prefix.length);
  }

  /** Adds the tokens of every interval that contains `key` to `found`. */
  stab(key: IndexKey, found: Set<T>): void {
    for (const [length, prefixes] of this.#byLength) {
      // After the prefix, a 0xff is the escape of a longer string: that key has other leading parts.
      if (length > key.length || key.charCodeAt(length) === 0xff) continue;
      const tokens = prefixes.get(key.slice(0, length));
      if (tokens !== undefined) for (const token of tokens) found.add(token);
    }
  }
}
