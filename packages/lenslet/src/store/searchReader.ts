import type { InternalId } from "../values/id.ts";
import type { PostingChunk } from "./text/postings.ts";

/** What a text search index keeps of one document. */
export interface SearchEntry {
  /** Value of the search field. */
  readonly text: string;
  /** `_creationTime` of the document. */
  readonly creationTime: number;
  /** A key for each filter field of the index, in its order; equal values have equal keys of at most 32 bytes. */
  readonly filters: readonly string[];
  /** Computed by each call: entries outlive the use of their terms, in the history of commits for one. */
  terms(): EntryTerms;
}

export interface EntryTerms {
  /** How many times each term occurs. Terms have less than 64 bytes in UTF-8. */
  readonly counts: ReadonlyMap<string, number>;
  /** Tokens of the text, repetitions included. */
  readonly tokens: number;
  /** 0 to 255, growing with `tokens`: what ranking knows of the length of one document. */
  readonly lengthCode: number;
}

/** What a write does to a text search index; null where the document has no text in it. Both are given even if equal. */
export interface SearchEntryChange {
  readonly index: number;
  readonly before: SearchEntry | null;
  readonly after: SearchEntry | null;
}

/** Documents that have a term, found in all of a search index. */
export interface TermCount {
  readonly term: string;
  readonly documents: number;
}

/**
 * A text search index as the store holds it, to be read before the next change of the store. Documents are named by
 * ordinals, which mostly ascend with creation times and are cut into windows (text/postings.ts).
 */
export interface SearchReader {
  /** Documents that have a text. */
  readonly documents: number;
  /** Tokens of all these texts. */
  readonly tokens: number;
  documentsWith(term: string): number;
  /** Terms that begin with `prefix` and that some document has, in the order of their UTF-8 bytes. */
  termsFrom(prefix: string): Iterable<TermCount>;
  /** Windows descend. Removed documents may be among the postings. */
  termPostings(term: string): readonly PostingChunk[];
  /** Documents whose filter field at `position` of the index's list has this key. */
  filterPostings(position: number, key: string): readonly PostingChunk[];
  /** Bit map of the documents of a window that are gone (`isRemoved`); null if there are none. */
  removedIn(window: number): Uint8Array | null;
  /** No document of the window was created later. */
  newestIn(window: number): number;
  creationTimeAt(ordinal: number): number;
  idAt(ordinal: number): InternalId;
  /** Null if the document has no text here. */
  ordinalOf(id: InternalId): number | null;
}
