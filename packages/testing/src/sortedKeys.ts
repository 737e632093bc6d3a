/** A set of strings in the order of their UTF-16 units. Additions at the end, as ids and times make them, cost nothing. */
export class SortedKeys {
  #keys: string[] = [];

  add(key: string): void {
    const last = this.#keys.at(-1);
    if (last === undefined || last < key) {
      this.#keys.push(key);
      return;
    }
    const at = this.#positionOf(key);
    if (this.#keys[at] !== key) this.#keys.splice(at, 0, key);
  }

  copy(): SortedKeys {
    const copy = new SortedKeys();
    copy.#keys = [...this.#keys];
    return copy;
  }

  delete(key: string): void {
    const at = this.#positionOf(key);
    if (this.#keys[at] === key) this.#keys.splice(at, 1);
  }

  /** Up to `limit` keys with lower <= key < upper (null: to the end). */
  range(lower: string, upper: string | null, order: "asc" | "desc", limit: number): string[] {
    const start = lower === "" ? 0 : this.#positionOf(lower);
    const end = upper === null ? this.#keys.length : this.#positionOf(upper);
    if (order === "asc") return this.#keys.slice(start, Math.min(end, start + limit));
    return this.#keys.slice(Math.max(start, end - limit), Math.max(start, end)).reverse();
  }

  /** Of the first key that is not before `key`. */
  #positionOf(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
