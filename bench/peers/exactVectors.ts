import { dimensions, groupOf, vectorOf } from "../app/convex/vectorData.ts";

/** All vectors in memory at length 1, and the plainest search: the reference for recall, and a limit of W9. */
export class ExactVectors {
  readonly #vectors: Float32Array;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    this.#vectors = new Float32Array(count * dimensions);
    for (let number = 0; number < count; number++) {
      const vector = vectorOf(number);
      const length = Math.hypot(...vector);
      for (let i = 0; i < dimensions; i++)
        this.#vectors[number * dimensions + i] = (vector[i] as number) / length;
    }
  }

  /** The numbers of the ten nearest, best first. */
  search(vector: Float32Array, group: string | null): number[] {
    const best: { number: number; score: number }[] = [];
    for (let number = 0; number < this.#count; number++) {
      if (group !== null && groupOf(number) !== group) continue;
      const score = this.#product(number, vector);
      if (best.length === 10 && score <= (best[9] as { score: number }).score) continue;
      const at = best.findIndex((other) => other.score < score);
      best.splice(at === -1 ? best.length : at, 0, { number, score });
      if (best.length > 10) best.pop();
    }
    return best.map(({ number }) => number);
  }

  /** Four sums at a time: the processor adds them side by side. */
  #product(number: number, vector: Float32Array): number {
    const vectors = this.#vectors;
    const from = number * dimensions;
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let i = 0; i < dimensions; i += 4) {
      a += (vectors[from + i] as number) * (vector[i] as number);
      b += (vectors[from + i + 1] as number) * (vector[i + 1] as number);
      c += (vectors[from + i + 2] as number) * (vector[i + 2] as number);
      d += (vectors[from + i + 3] as number) * (vector[i + 3] as number);
    }
    return a + b + c + d;
  }
}
