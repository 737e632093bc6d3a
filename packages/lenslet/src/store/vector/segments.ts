import { assert } from "../../base/assert.ts";
import type { VectorCandidates, VectorCondition, VectorScan } from "../vectorReader.ts";
import type { EncodedQuery, VectorEncoding } from "./encoding.ts";
import { type BlockOwner, blockBytes, type VectorMemory } from "./memory.ts";

/** Of vectors so short that more would fit: reading a segment from SQLite should not take long. */
const segmentSlotsMax = 2048;

const notLoaded = -1;

interface CodeSource {
  /** Slots given out so far. */
  slots(): number;
  /** What lies in the slots of a range. */
  load(from: number, to: number, found: (slot: number, code: Uint8Array) => void): void;
}

/**
 * The codes of an index in memory, a block for each segment, loaded when a scan needs it. A code is its vector's factor
 * (f32, NaN where there is no vector: no comparison with a score made of it is true), a hash for each filter field and
 * the bytes of encoding.ts; a segment has all codes' bytes first, then the factors, then each field's hashes.
 */
export class Segments implements BlockOwner {
  readonly #memory: VectorMemory;
  readonly #encoding: VectorEncoding;
  readonly #filterFields: number;
  readonly #source: CodeSource;
  readonly #slotsPerSegment: number;
  /** Addresses of the blocks. */
  readonly #blocks: number[] = [];
  readonly #factorsAt: number;
  readonly #headerBytes: number;
  // Addresses within the scratch block.
  readonly #listAt: number;
  readonly #outAt: number;

  constructor(memory: VectorMemory, encoding: VectorEncoding, filterFields: number, source: CodeSource) {
    this.#memory = memory;
    this.#encoding = encoding;
    this.#filterFields = filterFields;
    this.#source = source;
    this.#headerBytes = 4 * (1 + filterFields);
    const fitting = Math.floor(blockBytes / (encoding.codeBytes + this.#headerBytes));
    this.#slotsPerSegment = Math.min(segmentSlotsMax, fitting);
    this.#factorsAt = this.#slotsPerSegment * encoding.codeBytes;
    this.#listAt = encoding.queryBytes;
    this.#outAt = this.#listAt + 4 * this.#slotsPerSegment;
    assert(this.#outAt + 4 * this.#slotsPerSegment <= blockBytes, "the scratch block is large enough");
  }

  get count(): number {
    return Math.ceil(this.#source.slots() / this.#slotsPerSegment);
  }

  encode(vector: Float32Array, filters: readonly string[]): Uint8Array {
    const code = new Uint8Array(this.#headerBytes + this.#encoding.codeBytes);
    const view = new DataView(code.buffer);
    view.setFloat32(0, this.#encoding.encode(vector, code.subarray(this.#headerBytes)), true);
    for (const [i, key] of filters.entries()) view.setUint32(4 * (1 + i), hashOf(key), true);
    return code;
  }

  /** Null empties the slot. */
  write(slot: number, code: Uint8Array | null): void {
    const segment = Math.floor(slot / this.#slotsPerSegment);
    const block = this.#blocks[segment] ?? notLoaded;
    if (block !== notLoaded) this.#writeTo(block, slot % this.#slotsPerSegment, code);
  }

  /** Offers the candidates of a segment; returns how many vectors it scored. */
  scan(segment: number, { conditions, encoded }: VectorScan, candidates: VectorCandidates): number {
    const { bytes, scale, bias } = encoded as EncodedQuery;
    const block = this.#loaded(segment);
    const first = segment * this.#slotsPerSegment;
    const slots = Math.min(this.#slotsPerSegment, this.#source.slots() - first);
    const count = conditions === null ? this.#listAll(slots) : this.#listMatching(block, slots, conditions);
    if (count === 0) return 0;
    const memory = this.#memory;
    memory.bytes.set(bytes, 0);
    const { kernel, codeBytes } = this.#encoding;
    memory.kernels[kernel](block, codeBytes, this.#listAt, count, 0, this.#outAt);
    const products = kernel === "floats" ? memory.floats : memory.ints;
    const { floats, words } = memory;
    const list = this.#listAt / 4;
    const out = this.#outAt / 4;
    const factors = (block + this.#factorsAt) / 4;
    let { scoreMin } = candidates;
    for (let i = 0; i < count; i++) {
      const at = words[list + i] as number;
      const score = ((products[out + i] as number) * scale - bias) * (floats[factors + at] as number);
      if (!(score > scoreMin)) continue;
      candidates.add(first + at, score);
      ({ scoreMin } = candidates);
    }
    return count;
  }

  evicted(segment: number): void {
    this.#blocks[segment] = notLoaded;
  }

  close(): void {
    for (const block of this.#blocks)
      if (block !== notLoaded && block !== undefined) this.#memory.release(block);
    this.#blocks.length = 0;
  }

  #loaded(segment: number): number {
    while (this.#blocks.length <= segment) this.#blocks.push(notLoaded);
    const existing = this.#blocks[segment] as number;
    if (existing !== notLoaded) {
      this.#memory.touch(existing);
      return existing;
    }
    const block = this.#memory.allocate(this, segment);
    const factors = (block + this.#factorsAt) / 4;
    this.#memory.floats.fill(Number.NaN, factors, factors + this.#slotsPerSegment);
    const first = segment * this.#slotsPerSegment;
    this.#source.load(first, first + this.#slotsPerSegment, (slot, code) =>
      this.#writeTo(block, slot - first, code),
    );
    this.#blocks[segment] = block;
    return block;
  }

  #writeTo(block: number, at: number, code: Uint8Array | null): void {
    const { bytes, floats, words } = this.#memory;
    const factors = (block + this.#factorsAt) / 4;
    if (code === null) {
      floats[factors + at] = Number.NaN;
      return;
    }
    const view = new DataView(code.buffer, code.byteOffset);
    floats[factors + at] = view.getFloat32(0, true);
    for (let field = 0; field < this.#filterFields; field++) {
      words[this.#hashesOf(factors, field) + at] = view.getUint32(4 * (1 + field), true);
    }
    bytes.set(code.subarray(this.#headerBytes), block + at * this.#encoding.codeBytes);
  }

  #hashesOf(factors: number, field: number): number {
    return factors + this.#slotsPerSegment * (1 + field);
  }

  #listAll(slots: number): number {
    const { words } = this.#memory;
    const list = this.#listAt / 4;
    for (let at = 0; at < slots; at++) words[list + at] = at;
    return slots;
  }

  /** Lists the slots of which at least one condition seems to hold, by the hash of its key. */
  #listMatching(block: number, slots: number, conditions: readonly VectorCondition[]): number {
    const { words } = this.#memory;
    const list = this.#listAt / 4;
    const factors = (block + this.#factorsAt) / 4;
    const wanted = conditions.map(({ position, key }) => ({
      hashes: this.#hashesOf(factors, position),
      hash: hashOf(key),
    }));
    let count = 0;
    for (let at = 0; at < slots; at++) {
      for (const { hashes, hash } of wanted) {
        if (words[hashes + at] !== hash) continue;
        words[list + count++] = at;
        break;
      }
    }
    return count;
  }
}

/** FNV-1a of a string of bytes. It decides what is looked at, and is in data folders; the key itself decides what is found. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
