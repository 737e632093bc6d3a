import { lengthOfCode } from "./lengthCode.ts";

const k1 = 1.2;
const b = 0.75;

/** What a term counts that matched only because the last token is a prefix of it. */
export const prefixWeight = 0.5;

/**
 * Scores are whole multiples of 2^-40, so that their sums are exact and do not depend on the order of the terms: equal
 * documents get equal scores, and the ties are decided by their age. A sum of 64 scores is far below 2^53.
 */
const scoreUnitsPerOne = 2 ** 40;

/** Counts of the whole index that ranking depends on. */
export interface CorpusCounts {
  readonly documents: number;
  readonly tokens: number;
}

/** The part of BM25 that depends on the length of a document, by length code. */
function lengthFactors({ documents, tokens }: CorpusCounts): Float64Array {
  const average = Math.max(tokens / Math.max(documents, 1), Number.MIN_VALUE);
  const factors = new Float64Array(256);
  for (let code = 0; code < 256; code++) {
    factors[code] = k1 * (1 - b + (b * lengthOfCode(code)) / average);
  }
  return factors;
}

/** Scores of one term. They grow with frequency and fall with length. */
export class TermScore {
  /** Score of a single occurrence, by length code. */
  readonly single = new Float64Array(256);
  readonly #weight: number;
  readonly #factors: Float64Array;

  constructor(factors: Float64Array, weight: number) {
    this.#factors = factors;
    this.#weight = weight;
    for (let code = 0; code < 256; code++) this.single[code] = this.of(1, code);
  }

  /** In units; at least 1, so that a document that has the term is told from one that has not. */
  of(frequency: number, lengthCode: number): number {
    const saturation = ((k1 + 1) * frequency) / (frequency + (this.#factors[lengthCode] as number));
    return Math.max(1, Math.round(this.#weight * saturation));
  }
}

/** BM25 with the corpus of one moment (functions.md §16). */
export class Bm25 {
  readonly #counts: CorpusCounts;
  readonly #factors: Float64Array;

  constructor(counts: CorpusCounts) {
    this.#counts = counts;
    this.#factors = lengthFactors(counts);
  }

  /** `documents`: how many have the term. `weight`: 1, or `prefixWeight`. */
  term(documents: number, weight: number): TermScore {
    const having = Math.min(Math.max(documents, 1), Math.max(this.#counts.documents, 1));
    const rarity = Math.log(1 + (this.#counts.documents - having + 0.5) / (having + 0.5));
    return new TermScore(this.#factors, weight * rarity * scoreUnitsPerOne);
  }
}
