/** Bound on buffered changes: a full flush takes about 10 ms at worst, which is the longest pause it causes. */
export const bufferedChangesMax = 4096;
export const bufferedBytesMax = 16 * 1024 * 1024;

export interface Buffered {
  flush(): void;
}

/** Knows which tables hold changes that SQLite has not seen, and when there are too many of them. */
export class WriteBuffer {
  readonly #dirty = new Set<Buffered>();
  #changes = 0;
  #bytes = 0;

  /** `source` has buffered `changes` more changes of `bytes` together. */
  note(source: Buffered, changes: number, bytes: number): void {
    this.#dirty.add(source);
    this.#changes += changes;
    this.#bytes += bytes;
  }

  get isFull(): boolean {
    return this.#changes >= bufferedChangesMax || this.#bytes >= bufferedBytesMax;
  }

  forget(source: Buffered): void {
    this.#dirty.delete(source);
  }

  flush(): void {
    for (const source of this.#dirty) source.flush();
    this.#dirty.clear();
    this.#changes = 0;
    this.#bytes = 0;
  }
}
