import { assert } from "../../base/assert.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

/**
 * Documents of a search index are numbered as they come (ordinals), and numbers are cut into windows of this many.
 * A query works through one window at a time, so everything it keeps per document fits in a few small arrays.
 */
export const windowDocuments = 4096;

/** More bounds than this are merged into one that is at least as good as each of them. */
const boundsMax = 8;

/** Where a term occurs within one window. A window's documents may be spread over several chunks. */
export interface PostingChunk {
  readonly window: number;
  readonly count: number;
  /**
   * Pairs frequency, length code: for each posting there is a pair with at least its frequency and at most its length
   * code. So any score that grows with frequency and falls with length is at most the best score of these pairs.
   */
  readonly bounds: readonly number[];
  /** The postings are `data` from `start` to `end`; the chunk with its header begins at `head`. */
  readonly data: Uint8Array;
  readonly head: number;
  readonly start: number;
  readonly end: number;
}

/** Postings of one window, decoded. Offsets ascend. */
export class PostingBuffer {
  readonly offsets = new Uint16Array(windowDocuments);
  readonly frequencies = new Uint32Array(windowDocuments);
  readonly lengthCodes = new Uint8Array(windowDocuments);
  count = 0;

  add(offset: number, frequency: number, lengthCode: number): void {
    const i = this.count++;
    this.offsets[i] = offset;
    this.frequencies[i] = frequency;
    this.lengthCodes[i] = lengthCode;
  }
}

const body = new ByteWriter();

/**
 * Appends a chunk:
 *   window, count, number of bounds, (frequency, length code byte)*, bytes of the postings, postings
 * Each posting is `2 * (offset - previous - 1) + (frequency > 1)`, the length code byte, and the frequency if above 1.
 */
export function writeChunk(writer: ByteWriter, window: number, postings: PostingBuffer): void {
  const { offsets, frequencies, lengthCodes, count } = postings;
  body.clear();
  let previous = -1;
  for (let i = 0; i < count; i++) {
    const offset = offsets[i] as number;
    const frequency = frequencies[i] as number;
    assert(offset > previous, "postings of a chunk ascend");
    body.varint(2 * (offset - previous - 1) + (frequency > 1 ? 1 : 0));
    body.byte(lengthCodes[i] as number);
    if (frequency > 1) body.varint(frequency);
    previous = offset;
  }
  const bounds = boundsOf(postings);
  writer.varint(window);
  writer.varint(count);
  writer.varint(bounds.length / 2);
  for (let i = 0; i < bounds.length; i += 2) {
    writer.varint(bounds[i] as number);
    writer.byte(bounds[i + 1] as number);
  }
  writer.varint(body.length);
  writer.copy(body.bytes, 0, body.length);
}

/** Appends the chunks in `data` from `start` to `end` to `chunks`. */
export function readChunks(data: Uint8Array, start: number, end: number, chunks: PostingChunk[]): void {
  const reader = new ByteReader(data, start);
  while (reader.position < end) {
    const head = reader.position;
    const window = reader.varint();
    const count = reader.varint();
    const bounds: number[] = [];
    for (let left = reader.varint(); left > 0; left--) {
      const frequency = reader.varint();
      bounds.push(frequency, reader.byte());
    }
    const bytes = reader.varint();
    const from = reader.position;
    reader.position += bytes;
    chunks.push({ window, count, bounds, data, head, start: from, end: from + bytes });
  }
}

/** Fills `buffer` with the postings of a chunk. The innermost loop of every search. */
export function decodeChunk(chunk: PostingChunk, buffer: PostingBuffer): void {
  buffer.count = 0;
  appendChunk(chunk, buffer);
}

/** Appends the postings of a chunk to `buffer`. */
export function appendChunk({ data, start, end }: PostingChunk, buffer: PostingBuffer): void {
  const { offsets, frequencies, lengthCodes } = buffer;
  let position = start;
  let offset = -1;
  let i = buffer.count;
  while (position < end) {
    let head = data[position++] as number;
    if (head > 0x7f) {
      // An offset has twelve bits and the flag one more: two bytes at most.
      head = (head & 0x7f) | ((data[position++] as number) << 7);
    }
    offset += (head >>> 1) + 1;
    offsets[i] = offset;
    lengthCodes[i] = data[position++] as number;
    let frequency = 1;
    if ((head & 1) === 1) {
      frequency = data[position++] as number;
      if (frequency > 0x7f) {
        frequency &= 0x7f;
        for (let shift = 7; ; shift += 7) {
          const next = data[position++] as number;
          frequency |= (next & 0x7f) << shift;
          if (next < 0x80) break;
        }
      }
    }
    frequencies[i] = frequency;
    i += 1;
  }
  buffer.count = i;
}

/** Whether a bit map of removed documents (ordinals.ts) has the one at this offset of its window. */
export function isRemoved(removed: Uint8Array | null, offset: number): boolean {
  return removed !== null && ((removed[offset >> 3] as number) & (1 << (offset & 7))) !== 0;
}

export function dropRemoved(buffer: PostingBuffer, removed: Uint8Array): void {
  const { offsets, frequencies, lengthCodes, count } = buffer;
  buffer.count = 0;
  for (let i = 0; i < count; i++) {
    const offset = offsets[i] as number;
    if (!isRemoved(removed, offset)) buffer.add(offset, frequencies[i] as number, lengthCodes[i] as number);
  }
}

/** The pairs that no other pair beats in both frequency and length. */
function boundsOf({ frequencies, lengthCodes, count }: PostingBuffer): number[] {
  if (count === 1) return [frequencies[0] as number, lengthCodes[0] as number];
  /** Shortest length code by frequency. */
  const shortest = new Map<number, number>();
  let shortestOfOne = 256;
  for (let i = 0; i < count; i++) {
    const code = lengthCodes[i] as number;
    const frequency = frequencies[i] as number;
    if (frequency === 1) {
      if (code < shortestOfOne) shortestOfOne = code;
    } else if (code < (shortest.get(frequency) ?? 256)) shortest.set(frequency, code);
  }
  if (shortest.size === 0) return [1, shortestOfOne];
  if (shortestOfOne < 256) shortest.set(1, shortestOfOne);
  const bounds: number[] = [];
  let best = 256;
  for (const [frequency, code] of [...shortest].toSorted(([a], [b]) => b - a)) {
    if (code >= best) continue;
    best = code;
    bounds.push(frequency, code);
  }
  if (bounds.length <= 2 * boundsMax) return bounds;
  // Frequencies fall and codes fall: one pair with the first frequency and the last code covers all between.
  const kept = 2 * (boundsMax - 1);
  return [bounds[0] as number, bounds[bounds.length - kept - 1] as number, ...bounds.slice(-kept)];
}
