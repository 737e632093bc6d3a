import type { Clock } from "../base/clock.ts";
import { VectorSearch } from "../search/vectorSearch.ts";
import type { Store } from "../store/store.ts";
import { indexNotFound } from "../transaction/querySource.ts";
import { resolveVectorSearch } from "../transaction/vectorSource.ts";
import type { JsonObject } from "../transaction/syscallArguments.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { Namespace } from "../store/store.ts";
import { encodeId } from "../values/id.ts";

/** How long searches may hold up other calls at a time; a search of 100,000 vectors takes a few of these. */
export const searchSliceMs = 2;

interface RunningSearch {
  readonly seq: number;
  readonly label: string;
  readonly tableNumber: number;
  readonly search: VectorSearch;
}

export type SearchOutcome = { readonly seq: number } & (
  { readonly resultJson: string } | { readonly error: Error }
);

/** Vector searches under way: in the order of their arrival, a slice at a time between other calls. */
export class VectorSearches {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #running: RunningSearch[] = [];

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  get hasWork(): boolean {
    return this.#running.length > 0;
  }

  /** Throws the errors of functions.md §17. */
  start(seq: number, tx: Transaction, namespace: Namespace, args: JsonObject): void {
    const { table, label, query } = resolveVectorSearch(tx, namespace, args);
    const search = new VectorSearch(this.#store, query);
    this.#running.push({ seq, label, tableNumber: table.number, search });
  }

  /** One slice; returns what has come to its end. `begins` is told whose turn it is. */
  step(begins: (seq: number) => void): SearchOutcome[] {
    const untilMs = this.#clock.monotonicMs() + searchSliceMs;
    const isDue = () => this.#clock.monotonicMs() >= untilMs;
    const outcomes: SearchOutcome[] = [];
    for (let first = this.#running[0]; first !== undefined; first = this.#running[0]) {
      begins(first.seq);
      const outcome = stepOf(first, isDue);
      if (outcome === null) break;
      outcomes.push(outcome);
      this.#running.shift();
      if (isDue()) break;
    }
    return outcomes;
  }
}

function stepOf(
  { seq, label, tableNumber, search }: RunningSearch,
  isDue: () => boolean,
): SearchOutcome | null {
  try {
    const hits = search.step(isDue);
    if (hits === null) return null;
    if (hits === "gone") return { seq, error: indexNotFound(label) };
    const results = hits.map(({ id, score }) => ({ _id: encodeId(tableNumber, id), _score: score }));
    return { seq, resultJson: JSON.stringify({ results }) };
  } catch (error) {
    return { seq, error: error as Error };
  }
}
