import type { SearchReader, TermCount } from "../store/searchReader.ts";
import { compareUtf8 } from "../values/utf8.ts";
import type { OverlaidDocument, SearchOverlay } from "./overlay.ts";
import { Bm25, prefixWeight, type TermScore } from "./scoring.ts";
import type { SearchQuery } from "./searchRead.ts";
import { type Hit, TopHits } from "./topHits.ts";
import { ScoredTerm, scanWindows } from "./windowScan.ts";

/** limits.md #64: index terms that one token of a query may stand for, itself included. */
const termsPerTokenMax = 16;
/** limits.md #63. */
export const searchResultsMax = 1024;

const noOrdinals: ReadonlySet<number> = new Set();

/**
 * The best documents for a query, at most `limit` of them, best first (functions.md §16). `overlay` null: as the index
 * is; otherwise with the overlay's changes.
 */
export function searchDocuments(
  reader: SearchReader,
  overlay: SearchOverlay | null,
  query: SearchQuery,
  limit: number,
): readonly Hit[] {
  const corpus = {
    documents: reader.documents + (overlay?.documents ?? 0),
    tokens: reader.tokens + (overlay?.tokens ?? 0),
  };
  if (corpus.documents <= 0 || limit <= 0) return [];
  const bm25 = new Bm25(corpus);
  const scores = new Map<string, TermScore>();
  for (const { term, documents } of expand(reader, overlay, query)) {
    scores.set(term, bm25.term(documents, query.terms.includes(term) ? 1 : prefixWeight));
  }
  const top = new TopHits(limit);
  const terms = [...scores].map(([term, score]) => new ScoredTerm(reader.termPostings(term), score));
  const filters = [...query.filters].map(([position, key]) => reader.filterPostings(position, key));
  scanWindows(reader, terms, filters, overlay?.hiddenOrdinals(reader) ?? noOrdinals, top);
  for (const shown of overlay?.visible() ?? []) offerOverlaid(shown, query, scores, top);
  return top.sorted();
}

/** The terms of the index that the query stands for, with the number of documents that have each. */
function expand(reader: SearchReader, overlay: SearchOverlay | null, query: SearchQuery): TermCount[] {
  const terms: TermCount[] = [];
  for (const term of query.terms) {
    const documents = reader.documentsWith(term) + (overlay?.documentsWith(term) ?? 0);
    if (documents > 0) terms.push({ term, documents });
  }
  const { prefix } = query;
  if (prefix === null) return terms;
  let left = termsPerTokenMax - (terms.some(({ term }) => term === prefix) ? 1 : 0);
  for (const found of termsFrom(reader, overlay, prefix)) {
    if (found.term === prefix) continue;
    if (left-- === 0) break;
    if (!query.terms.includes(found.term)) terms.push(found);
  }
  return terms;
}

/** Terms with a prefix, in byte order, as the overlay changes them. */
function* termsFrom(
  reader: SearchReader,
  overlay: SearchOverlay | null,
  prefix: string,
): Generator<TermCount> {
  const added = overlay?.addedTerms(prefix) ?? [];
  let next = 0;
  for (const { term, documents } of reader.termsFrom(prefix)) {
    for (; next < added.length && compareUtf8(added[next] as string, term) < 0; next++) {
      yield { term: added[next] as string, documents: overlay?.documentsWith(added[next] as string) ?? 0 };
    }
    if (added[next] === term) next += 1;
    const all = documents + (overlay?.documentsWith(term) ?? 0);
    if (all > 0) yield { term, documents: all };
  }
  for (const term of added.slice(next)) yield { term, documents: overlay?.documentsWith(term) ?? 0 };
}

function offerOverlaid(
  { document, entry, terms }: OverlaidDocument,
  query: SearchQuery,
  scores: ReadonlyMap<string, TermScore>,
  top: TopHits,
): void {
  for (const [position, key] of query.filters) if (entry.filters[position] !== key) return;
  let score = 0;
  for (const [term, termScore] of scores) {
    const frequency = terms.counts.get(term);
    if (frequency !== undefined) score += termScore.of(frequency, terms.lengthCode);
  }
  if (score > 0) top.offer({ score, creationTime: entry.creationTime, id: document.id });
}
