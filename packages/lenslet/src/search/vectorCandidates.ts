import type { VectorCandidates } from "../store/vectorReader.ts";

/** The best of the slots that were added: a heap whose root is the worst of them. */
export class CandidateHeap implements VectorCandidates {
  scoreMin = Number.NEGATIVE_INFINITY;
  readonly #slots: Int32Array;
  readonly #scores: Float64Array;
  #count = 0;

  constructor(countMax: number) {
    this.#slots = new Int32Array(countMax);
    this.#scores = new Float64Array(countMax);
  }

  add(slot: number, score: number): void {
    if (this.#count < this.#slots.length) this.#raise(this.#count++, slot, score);
    else if (score > this.scoreMin) this.#sink(slot, score);
    if (this.#count === this.#slots.length) this.scoreMin = this.#scores[0] as number;
  }

  /** Best first. */
  sorted(): { readonly slot: number; readonly score: number }[] {
    const candidates = Array.from({ length: this.#count }, (_, i) => ({
      slot: this.#slots[i] as number,
      score: this.#scores[i] as number,
    }));
    return candidates.sort((a, b) => b.score - a.score || a.slot - b.slot);
  }

  #raise(from: number, slot: number, score: number): void {
    let at = from;
    for (; at > 0;) {
      const parent = (at - 1) >> 1;
      if ((this.#scores[parent] as number) <= score) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#slots[at] = slot;
    this.#scores[at] = score;
  }

  #sink(slot: number, score: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#count) break;
      const right = child + 1;
      if (right < this.#count && (this.#scores[right] as number) < (this.#scores[child] as number))
        child = right;
      if ((this.#scores[child] as number) >= score) break;
      this.#move(child, at);
      at = child;
    }
    this.#slots[at] = slot;
    this.#scores[at] = score;
  }

  #move(from: number, to: number): void {
    this.#slots[to] = this.#slots[from] as number;
    this.#scores[to] = this.#scores[from] as number;
  }
}
