import type { InternalId } from "../values/id.ts";

/** What a vector index keeps of one document. */
export interface VectorEntry {
  /** As many components as the index has dimensions, all of them finite. */
  readonly vector: Float32Array;
  /** A key for each filter field of the index, in its order; equal values have equal keys of at most 32 bytes. */
  readonly filters: readonly string[];
}

/** What a write does to a vector index; indexes that it leaves as they are, are not listed. */
export interface VectorEntryChange {
  readonly index: number;
  /** Whether the document had an entry, if the index has come to it yet. */
  readonly existed: boolean;
  readonly after: VectorEntry | null;
}

/** The filter field at `position` of the index's list has this key. */
export interface VectorCondition {
  readonly position: number;
  readonly key: string;
}

/** A query as a scan needs it; null conditions: no filter, else one of them has to hold. */
export interface VectorScan {
  readonly conditions: readonly VectorCondition[] | null;
  readonly encoded: unknown;
}

/** Gathers what a scan finds. */
export interface VectorCandidates {
  /** Only scores above this are of interest. */
  readonly scoreMin: number;
  add(slot: number, score: number): void;
}

export interface StoredVector extends VectorEntry {
  readonly id: InternalId;
}

/**
 * A vector index as the store holds it. A document keeps its slot as long as it has an entry; slots are numbered from 0
 * and cut into segments, which are read one by one. So a search may be made in steps with writes between them, and
 * passes every document that was there all the time.
 */
export interface VectorReader {
  /** Grows at most. */
  readonly segments: number;
  /** Scores of a scan are farther than this from the cosine for less than one vector in ten thousand. */
  readonly errorMax: number;
  prepareScan(vector: Float32Array, conditions: readonly VectorCondition[] | null): VectorScan;
  /** Scores the documents of a segment; of those that fail the filter, hardly any. Returns how many it looked at. */
  scanSegment(segment: number, scan: VectorScan, candidates: VectorCandidates): number;
  /** What a slot holds now; null if nothing. */
  at(slot: number): StoredVector | null;
}
