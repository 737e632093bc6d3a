/**
 * A fixed orthogonal map for each number of dimensions that spreads every vector evenly over its components: random
 * signs and a fast Walsh-Hadamard transform, over the first and then over the last 2^n components (which overlap, or are
 * the same if the number of dimensions is itself a power of two). Rounding the result loses the same little whatever
 * the vector was, which is what the error bound of encoding.ts rests on.
 */
export class Rotation {
  readonly #dimensions: number;
  readonly #width: number;
  readonly #signs: readonly [Float64Array, Float64Array];

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
    this.#width = 2 ** Math.floor(Math.log2(dimensions));
    const next = bits(dimensions);
    // The transform multiplies lengths by the root of its width: dividing here makes it orthogonal.
    const scale = 1 / Math.sqrt(this.#width);
    const signs = () => Float64Array.from({ length: this.#width }, () => (next() ? scale : -scale));
    this.#signs = [signs(), signs()];
  }

  /** In place. */
  apply(vector: Float64Array): void {
    const [first, last] = this.#signs;
    transform(vector, 0, first);
    const rest = this.#dimensions - this.#width;
    if (rest > 0) transform(vector, rest, last);
  }
}

function transform(vector: Float64Array, from: number, signs: Float64Array): void {
  const width = signs.length;
  const to = from + width;
  for (let i = 0; i < width; i++) vector[from + i] = (vector[from + i] as number) * (signs[i] as number);
  for (let half = 1; half < width; half *= 2) {
    for (let block = from; block < to; block += 2 * half) {
      for (let i = block; i < block + half; i++) {
        const a = vector[i] as number;
        const b = vector[i + half] as number;
        vector[i] = a + b;
        vector[i + half] = a - b;
      }
    }
  }
}

/** Bits that are the same for ever: codes in data folders depend on them (xorshift32). */
function bits(seed: number): () => boolean {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state & 0x10000) !== 0;
  };
}
