import type { IndexId, Store } from "../store/store.ts";
import type { StoredVector, VectorCondition, VectorReader, VectorScan } from "../store/vectorReader.ts";
import type { InternalId } from "../values/id.ts";
import { CandidateHeap } from "./vectorCandidates.ts";

/** limits.md #65. */
export const vectorResultsMax = 256;

/** Of these the exact scores may be computed. Four for each result that a query may ask for. */
const candidatesMax = 4 * vectorResultsMax;

export interface VectorQuery {
  readonly index: IndexId;
  /** As many components as the index has dimensions. */
  readonly vector: Float32Array;
  /** One of them must hold; null: no filter. */
  readonly conditions: readonly VectorCondition[] | null;
  readonly limit: number;
}

export interface VectorHit {
  readonly id: InternalId;
  /** The cosine, rounded to f32. */
  readonly score: number;
}

type Stage =
  | { readonly kind: "scan"; readonly scan: VectorScan; segment: number }
  | {
      readonly kind: "rank";
      readonly candidates: readonly { readonly slot: number; readonly score: number }[];
      next: number;
    };

/**
 * A vector search, made in steps so that it never keeps others waiting for long (functions.md §17). It scans the codes
 * of all documents for candidates, and computes the exact scores of the best ones until what is left cannot have
 * enough. What is written between two steps may be seen or not.
 */
export class VectorSearch {
  readonly #store: Store;
  readonly #query: VectorQuery;
  readonly #lengthSquared: number;
  readonly #found = new CandidateHeap(candidatesMax);
  readonly #hits = new Map<InternalId, number>();
  /** Scores of the best `limit` hits, the worst first. */
  readonly #best: number[] = [];
  #stage: Stage | null = null;

  constructor(store: Store, query: VectorQuery) {
    this.#store = store;
    this.#query = query;
    this.#lengthSquared = dot(query.vector, query.vector);
  }

  /** Works until it is done or `isDue`, and does a little in any case. Null: not done yet; "gone": the index was dropped meanwhile. */
  step(isDue: () => boolean): readonly VectorHit[] | "gone" | null {
    const { index, vector, conditions, limit } = this.#query;
    const reader = this.#store.vectorReader(index);
    if (reader === null) return "gone";
    if (limit === 0) return [];
    this.#stage ??= { kind: "scan", scan: reader.prepareScan(vector, conditions), segment: 0 };
    if (this.#stage.kind === "scan") {
      const stage = this.#stage;
      while (stage.segment < reader.segments) {
        reader.scanSegment(stage.segment, stage.scan, this.#found);
        stage.segment += 1;
        if (isDue()) return null;
      }
      this.#stage = { kind: "rank", candidates: this.#found.sorted(), next: 0 };
    }
    return this.#rank(this.#stage, reader, isDue) ? this.#sorted() : null;
  }

  #rank(stage: Stage & { readonly kind: "rank" }, reader: VectorReader, isDue: () => boolean): boolean {
    const { limit } = this.#query;
    while (stage.next < stage.candidates.length) {
      const candidate = stage.candidates[stage.next];
      const worst = this.#best.length < limit ? undefined : this.#best[0];
      if (candidate === undefined || (worst !== undefined && candidate.score + reader.errorMax < worst))
        break;
      const stored = reader.at(candidate.slot);
      if (stored !== null && this.#passes(stored)) this.#add(stored);
      stage.next += 1;
      if (isDue()) return false;
    }
    return true;
  }

  #passes({ filters }: StoredVector): boolean {
    const { conditions } = this.#query;
    return conditions === null || conditions.some(({ position, key }) => filters[position] === key);
  }

  #add({ id, vector }: StoredVector): void {
    const score = this.#scoreOf(vector);
    this.#hits.set(id, score);
    const at = this.#best.findIndex((other) => other > score);
    this.#best.splice(at === -1 ? this.#best.length : at, 0, score);
    if (this.#best.length > this.#query.limit) this.#best.shift();
  }

  #scoreOf(vector: Float32Array): number {
    const length = Math.sqrt(this.#lengthSquared * dot(vector, vector));
    if (length === 0) return 0;
    return Math.fround(Math.min(1, Math.max(-1, dot(this.#query.vector, vector) / length)));
  }

  #sorted(): readonly VectorHit[] {
    const hits = [...this.#hits].map(([id, score]) => ({ id, score }));
    hits.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    return hits.slice(0, this.#query.limit);
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
