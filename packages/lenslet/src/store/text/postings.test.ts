import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter, unzigzag, zigzag } from "./bytes.ts";
import {
  appendChunk,
  decodeChunk,
  dropRemoved,
  PostingBuffer,
  type PostingChunk,
  readChunks,
  windowDocuments,
  writeChunk,
} from "./postings.ts";

interface Posting {
  readonly offset: number;
  readonly frequency: number;
  readonly lengthCode: number;
}

const postingArbitrary: fc.Arbitrary<Posting> = fc.record({
  offset: fc.nat({ max: windowDocuments - 1 }),
  frequency: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 30 })),
  lengthCode: fc.nat({ max: 255 }),
});
const chunkArbitrary = fc
  .uniqueArray(postingArbitrary, {
    selector: ({ offset }) => offset,
    minLength: 1,
    maxLength: 400,
    size: "max",
  })
  .map((postings) => postings.toSorted((a, b) => a.offset - b.offset));

function bufferOf(postings: readonly Posting[]): PostingBuffer {
  const buffer = new PostingBuffer();
  for (const { offset, frequency, lengthCode } of postings) buffer.add(offset, frequency, lengthCode);
  return buffer;
}

function postingsOf({ offsets, frequencies, lengthCodes, count }: PostingBuffer): Posting[] {
  return Array.from({ length: count }, (_, i) => ({
    offset: offsets[i] ?? -1,
    frequency: frequencies[i] ?? -1,
    lengthCode: lengthCodes[i] ?? -1,
  }));
}

function chunksOf(writer: ByteWriter): PostingChunk[] {
  const chunks: PostingChunk[] = [];
  readChunks(writer.finish(), 0, writer.length, chunks);
  return chunks;
}

describe("numbers", () => {
  it("come back as they were written", () => {
    const numbers = fc.array(fc.nat({ max: 2 ** 32 - 1 }), { maxLength: 2000, size: "max" });
    fc.assert(
      fc.property(numbers, (values) => {
        const writer = new ByteWriter();
        for (const value of values) writer.varint(value);
        const reader = new ByteReader(writer.finish());
        expect(values.map(() => reader.varint())).toEqual(values);
        expect(reader.position).toBe(writer.length);
      }),
      { numRuns: 50 },
    );
    for (const value of [0, 1, -1, 77, -77, 2 ** 30, -(2 ** 30)]) expect(unzigzag(zigzag(value))).toBe(value);
  });
});

describe("chunks of postings", () => {
  it("come back as they were written, one after the other", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 2 ** 30 }), chunkArbitrary), { maxLength: 4 }),
        (inputs) => {
          const writer = new ByteWriter();
          for (const [window, postings] of inputs) writeChunk(writer, window, bufferOf(postings));
          const chunks = chunksOf(writer);
          expect(chunks.map(({ window, count }) => [window, count])).toEqual(
            inputs.map(([window, postings]) => [window, postings.length]),
          );
          const buffer = new PostingBuffer();
          for (const [i, chunk] of chunks.entries()) {
            decodeChunk(chunk, buffer);
            expect(postingsOf(buffer)).toEqual(inputs[i]?.[1]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("have for each posting a bound of no lower frequency and no greater length, and few of them", () => {
    fc.assert(
      fc.property(chunkArbitrary, (postings) => {
        const writer = new ByteWriter();
        writeChunk(writer, 3, bufferOf(postings));
        const bounds = chunksOf(writer)[0]?.bounds ?? [];
        expect(bounds.length).toBeLessThanOrEqual(16);
        for (const { frequency, lengthCode } of postings) {
          const covered = bounds.some(
            (bound, i) => i % 2 === 0 && bound >= frequency && (bounds[i + 1] ?? 256) <= lengthCode,
          );
          expect(covered).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("have no bound that another one makes needless", () => {
    const writer = new ByteWriter();
    const postings = [
      [5, 9],
      [1, 3],
      [2, 3],
      [5, 7],
      [4, 8],
    ].map(([frequency = 0, lengthCode = 0], offset) => ({ offset, frequency, lengthCode }));
    writeChunk(writer, 0, bufferOf(postings));
    expect(chunksOf(writer)[0]?.bounds).toEqual([5, 7, 2, 3]);
  });

  it("can be appended, and lose what was removed", () => {
    const writer = new ByteWriter();
    const at = (offset: number) => ({ offset, frequency: offset, lengthCode: 1 });
    writeChunk(writer, 7, bufferOf([at(1), at(8)]));
    writeChunk(writer, 7, bufferOf([at(9), at(4095)]));
    const buffer = new PostingBuffer();
    for (const chunk of chunksOf(writer)) appendChunk(chunk, buffer);
    expect(postingsOf(buffer)).toEqual([1, 8, 9, 4095].map(at));
    const removed = new Uint8Array(windowDocuments / 8);
    removed[1] = 0b11;
    dropRemoved(buffer, removed);
    expect(postingsOf(buffer)).toEqual([1, 4095].map(at));
  });
});
