import type { SearchReader } from "../store/searchReader.ts";
import {
  decodeChunk,
  isRemoved,
  PostingBuffer,
  type PostingChunk,
  windowDocuments,
} from "../store/text/postings.ts";
import type { TermScore } from "./scoring.ts";
import type { TopHits } from "./topHits.ts";

/** The chunks of one key, windows descending, with a place in them. */
class ChunkList {
  readonly chunks: readonly PostingChunk[];
  #next = 0;

  constructor(chunks: readonly PostingChunk[]) {
    this.chunks = chunks;
  }

  /** Window of the next chunk; -1 at the end. */
  get window(): number {
    return this.chunks[this.#next]?.window ?? -1;
  }

  /** Passes over all windows above this one. */
  skipTo(window: number): void {
    while (this.window > window) this.#next += 1;
  }

  /** The chunks of a window that `skipTo` has come to; none if the list has none there. */
  in(window: number): readonly PostingChunk[] {
    let end = this.#next;
    while (this.chunks[end]?.window === window) end += 1;
    return this.chunks.slice(this.#next, end);
  }
}

/** One term of a query with its occurrences. */
export class ScoredTerm extends ChunkList {
  readonly score: TermScore;

  constructor(chunks: readonly PostingChunk[], score: TermScore) {
    super(chunks);
    this.score = score;
  }

  /** The most that the term can bring a document of these chunks. */
  boundOf(chunks: readonly PostingChunk[]): number {
    let best = 0;
    for (const { bounds } of chunks) {
      for (let i = 0; i < bounds.length; i += 2) {
        const score = this.score.of(bounds[i] as number, bounds[i + 1] as number);
        if (score > best) best = score;
      }
    }
    return best;
  }
}

interface ActiveTerm {
  readonly term: ScoredTerm;
  readonly chunks: readonly PostingChunk[];
  readonly bound: number;
}

const postings = new PostingBuffer();
/** Score of each document of the window so far; all 0 between windows. */
const scores = new Float64Array(windowDocuments);
/** Offsets whose score is not 0, in the order in which they were found. */
const found = new Uint16Array(windowDocuments);
/** How many filters in a row each document of the window has passed. */
const passed = new Uint8Array(windowDocuments);

/**
 * Offers every document that has one of the terms and passes the filters to `top`, as far as it can be among the best.
 *
 * Windows are taken from the newest to the oldest. One whose documents could reach at most the score of the worst hit
 * kept so far, and are all older than it, is passed over without decoding anything. Within a window the terms that even
 * together cannot lift a document into the top (frequent words, mostly) are only looked up for documents that other
 * terms have found.
 */
export function scanWindows(
  reader: SearchReader,
  terms: readonly ScoredTerm[],
  filterChunks: readonly (readonly PostingChunk[])[],
  hidden: ReadonlySet<number>,
  top: TopHits,
): void {
  const filters = filterChunks.map((chunks) => new ChunkList(chunks));
  for (let window = newestWindow(terms, filters); window >= 0; window = newestWindow(terms, filters)) {
    for (const list of [...terms, ...filters]) list.skipTo(window);
    if (filters.every((filter) => filter.window === window)) {
      scanWindow(reader, window, activeTerms(terms, window), filters, hidden, top);
    }
    for (const list of [...terms, ...filters]) list.skipTo(window - 1);
  }
}

/** The newest window that any term and every filter may have documents in; -1 if there is none. */
function newestWindow(terms: readonly ScoredTerm[], filters: readonly ChunkList[]): number {
  let window = -1;
  for (const term of terms) if (term.window > window) window = term.window;
  for (const filter of filters) if (filter.window < window) window = filter.window;
  return window;
}

/** The terms that occur in the window, those that can bring least first. */
function activeTerms(terms: readonly ScoredTerm[], window: number): ActiveTerm[] {
  const active: ActiveTerm[] = [];
  for (const term of terms) {
    if (term.window !== window) continue;
    const chunks = term.in(window);
    active.push({ term, chunks, bound: term.boundOf(chunks) });
  }
  return active.toSorted((a, b) => a.bound - b.bound);
}

function scanWindow(
  reader: SearchReader,
  window: number,
  active: readonly ActiveTerm[],
  filters: readonly ChunkList[],
  hidden: ReadonlySet<number>,
  top: TopHits,
): void {
  const { worst } = top;
  const threshold = worst?.score ?? 0;
  let most = 0;
  for (const { bound } of active) most += bound;
  if (worst !== null) {
    if (most < threshold) return;
    if (most === threshold && reader.newestIn(window) < worst.creationTime) return;
  }
  // Terms before `first` bring less than the threshold together, so a document that has only these is not wanted.
  let first = 0;
  let rest = 0;
  while (rest + (active[first]?.bound ?? Infinity) < threshold) rest += active[first++]?.bound ?? 0;
  if (filters.length > 0 && !markPassed(filters, window)) return;
  let count = 0;
  for (let i = first; i < active.length; i++) {
    count = addScores(active[i] as ActiveTerm, filters.length, count);
  }
  for (let i = first - 1; i >= 0; i--) {
    count = dropBelow(threshold - rest, count);
    const term = active[i] as ActiveTerm;
    if (count > 0) addToFound(term);
    rest -= term.bound;
  }
  offerFound(reader, window, count, hidden, top);
}

/** Fills `passed`; false if no document of the window passes all filters. */
function markPassed(filters: readonly ChunkList[], window: number): boolean {
  passed.fill(0);
  for (const [i, filter] of filters.entries()) {
    let any = false;
    for (const chunk of filter.in(window)) {
      decodeChunk(chunk, postings);
      for (let n = 0; n < postings.count; n++) {
        const offset = postings.offsets[n] as number;
        if (passed[offset] !== i) continue;
        passed[offset] = i + 1;
        any = true;
      }
    }
    if (!any) return false;
  }
  return true;
}

/** Adds a term to the scores of the documents that have it and pass the filters. Returns the new length of `found`. */
function addScores({ term, chunks }: ActiveTerm, filterCount: number, before: number): number {
  const { offsets, frequencies, lengthCodes } = postings;
  const { score } = term;
  const { single } = score;
  let count = before;
  for (const chunk of chunks) {
    decodeChunk(chunk, postings);
    for (let n = 0; n < postings.count; n++) {
      const offset = offsets[n] as number;
      if (filterCount > 0 && passed[offset] !== filterCount) continue;
      const code = lengthCodes[n] as number;
      const frequency = frequencies[n] as number;
      const old = scores[offset] as number;
      if (old === 0) found[count++] = offset;
      scores[offset] = old + (frequency === 1 ? (single[code] as number) : score.of(frequency, code));
    }
  }
  return count;
}

/** Adds a term to the scores of documents found already. */
function addToFound({ term, chunks }: ActiveTerm): void {
  for (const chunk of chunks) {
    decodeChunk(chunk, postings);
    for (let n = 0; n < postings.count; n++) {
      const offset = postings.offsets[n] as number;
      const old = scores[offset] as number;
      if (old === 0) continue;
      scores[offset] =
        old + term.score.of(postings.frequencies[n] as number, postings.lengthCodes[n] as number);
    }
  }
}

/** Forgets the documents whose score is below `least`. Returns how many are left. */
function dropBelow(least: number, count: number): number {
  let kept = 0;
  for (let n = 0; n < count; n++) {
    const offset = found[n] as number;
    if ((scores[offset] as number) < least) scores[offset] = 0;
    else found[kept++] = offset;
  }
  return kept;
}

/** Offers the documents found and sets their scores back to 0. */
function offerFound(
  reader: SearchReader,
  window: number,
  count: number,
  hidden: ReadonlySet<number>,
  top: TopHits,
): void {
  const removed = reader.removedIn(window);
  for (let n = 0; n < count; n++) {
    const offset = found[n] as number;
    const score = scores[offset] as number;
    scores[offset] = 0;
    const worst = top.worst;
    if (worst !== null && score < worst.score) continue;
    if (isRemoved(removed, offset)) continue;
    const ordinal = window * windowDocuments + offset;
    if (hidden.has(ordinal)) continue;
    const creationTime = reader.creationTimeAt(ordinal);
    if (worst !== null && score === worst.score && creationTime < worst.creationTime) continue;
    top.offer({ score, creationTime, id: reader.idAt(ordinal) });
  }
}
