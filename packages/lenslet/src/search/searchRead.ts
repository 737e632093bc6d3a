import type { IndexId } from "../store/store.ts";

/** limits.md #60. */
const queryTokensMax = 16;

/** What a search looks for. Filters are by position in the index's list of filter fields. */
export interface SearchQuery {
  /** Tokens that must occur exactly as they are, without repetitions. */
  readonly terms: readonly string[];
  /** The last token, which is also among `terms`; null when there are no tokens. */
  readonly prefix: string | null;
  readonly filters: ReadonlyMap<number, string>;
}

/** A search as part of a read set: a write matters if its document matches before or after. */
export interface SearchRead extends SearchQuery {
  readonly index: IndexId;
}

/** A search for the first tokens of a text. */
export function searchQueryOf(tokens: readonly string[], filters: ReadonlyMap<number, string>): SearchQuery {
  const used = tokens.slice(0, queryTokensMax);
  return { terms: [...new Set(used)], prefix: used.at(-1) ?? null, filters };
}

/** Text that is equal for equal reads. */
export function searchReadKey({ index, terms, prefix, filters }: SearchRead): string {
  return JSON.stringify([index, terms.toSorted(), prefix, [...filters].toSorted(([a], [b]) => a - b)]);
}
