import type { InternalId } from "../values/id.ts";

/** A document that a search has found. Order: greater score, then later creation, then greater id. */
export interface Hit {
  readonly score: number;
  readonly creationTime: number;
  readonly id: InternalId;
}

/** Negative if `a` comes before `b` in the results. */
export function compareHits(a: Hit, b: Hit): number {
  if (a.score !== b.score) return b.score - a.score;
  if (a.creationTime !== b.creationTime) return b.creationTime - a.creationTime;
  return a.id > b.id ? -1 : a.id < b.id ? 1 : 0;
}

/** The best hits of those offered: a heap whose root is the worst of them. */
export class TopHits {
  readonly #limit: number;
  readonly #heap: Hit[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Null as long as every hit is taken; then only better ones than this are. */
  get worst(): Hit | null {
    return this.#heap.length < this.#limit ? null : (this.#heap[0] as Hit);
  }

  offer(hit: Hit): void {
    const heap = this.#heap;
    if (heap.length < this.#limit) {
      heap.push(hit);
      this.#raise(heap.length - 1);
    } else if (heap.length > 0 && compareHits(hit, heap[0] as Hit) < 0) {
      heap[0] = hit;
      this.#sink();
    }
  }

  /** Best first. */
  sorted(): Hit[] {
    return this.#heap.toSorted(compareHits);
  }

  #raise(from: number): void {
    const heap = this.#heap;
    for (let i = from; i > 0;) {
      const parent = (i - 1) >> 1;
      if (compareHits(heap[i] as Hit, heap[parent] as Hit) <= 0) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const worse =
        right < heap.length && compareHits(heap[right] as Hit, heap[left] as Hit) > 0 ? right : left;
      if (compareHits(heap[worse] as Hit, heap[i] as Hit) <= 0) return;
      this.#swap(i, worse);
      i = worse;
    }
  }

  #swap(i: number, j: number): void {
    const heap = this.#heap;
    const moved = heap[i] as Hit;
    heap[i] = heap[j] as Hit;
    heap[j] = moved;
  }
}
