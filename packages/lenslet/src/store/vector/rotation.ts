/**
 * A fixed orthogonal map for each number of dimensions that spreads every vector evenly over its components: random
 * signs and a fast Walsh-Hadamard transform, over the first and the last 2^n components (which overlap, or are the same if
 * the number of dimensions is itself a power of two), all of it twice: once leaves patterns of the greatest components
 * where there are only a few great ones. Rounding the result loses the same little whatever
 * the vector was, which is what the error bound of encoding.ts rests on.
 */
export class Rotation {
  readonly #passes: readonly { readonly from: number; readonly signs: Float64Array }[];

  constructor(dimensions: number) {
    const width = 2 ** Math.floor(Math.log2(dimensions));
    const next = bits(dimensions);
    // The transform multiplies lengths by the root of its width: dividing here makes it orthogonal.
    const scale = 1 / Math.sqrt(width);
    const starts = width === dimensions ? [0, 0] : [0, dimensions - width, 0, dimensions - width];
    this.#passes = starts.map((from) => ({
      from,
      signs: Float64Array.from({ length: width }, () => (next() ? scale : -scale)),
    }));
  }

  /** In place. */
  apply(vector: Float64Array): void {
    for (const { from, signs } of this.#passes) transform(vector, from, signs);
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
