import { assert } from "../../base/assert.ts";
import { createKernels, type Kernels } from "./kernels.ts";

/** What all vector indexes together may keep in memory; what they cannot is read from SQLite for every search. */
export const defaultVectorMemoryBytesMax = 512 * 1024 * 1024;
/** One allocation: a segment of an index. */
export const blockBytes = 128 * 1024;

const pageBytes = 65_536;
/** Blocks by which the memory grows at once. */
const growthBlocks = 64;
const growthMax = 0.25;

/** Holds the codes of segments. Whoever allocates is told when a block is taken away. */
export interface BlockOwner {
  evicted(segment: number): void;
}

interface Holding {
  readonly owner: BlockOwner;
  readonly segment: number;
  /** Since the hand of the clock passed. */
  used: boolean;
}

/**
 * The memory that the kernels work on: a block for their arguments and results, then those of segments, the least recently used of which are
 * taken away when there are too many (by a clock hand). It starts with nothing: most stores have no vectors.
 */
export class VectorMemory {
  readonly #blocksMax: number;
  /** Made on first use: it reserves gigabytes of addresses. */
  #memory: WebAssembly.Memory | null = null;
  #kernels: Kernels | null = null;
  #holdings: (Holding | null)[] = [];
  #free: number[] = [];
  #hand = 0;
  #views: { bytes: Uint8Array; floats: Float32Array; ints: Int32Array; words: Uint32Array } | null = null;

  constructor(bytesMax: number) {
    this.#blocksMax = Math.max(2, Math.floor(bytesMax / blockBytes));
  }

  get kernels(): Kernels {
    this.#kernels ??= createKernels(this.#opened());
    return this.#kernels;
  }

  get bytes(): Uint8Array {
    return this.#view().bytes;
  }
  get floats(): Float32Array {
    return this.#view().floats;
  }
  get ints(): Int32Array {
    return this.#view().ints;
  }
  get words(): Uint32Array {
    return this.#view().words;
  }

  /** Address of a block for a segment, with whatever it held before in it. */
  allocate(owner: BlockOwner, segment: number): number {
    const block = this.#free.pop() ?? this.#grow() ?? this.#evict();
    this.#holdings[block] = { owner, segment, used: true };
    return this.#addressOf(block);
  }

  touch(address: number): void {
    const holding = this.#holdings[address / blockBytes - 1];
    assert(holding !== null && holding !== undefined, "a block in use is allocated");
    holding.used = true;
  }

  release(address: number): void {
    const block = address / blockBytes - 1;
    assert(this.#holdings[block] !== null, "a block is released once");
    this.#holdings[block] = null;
    this.#free.push(block);
  }

  #addressOf(block: number): number {
    return (block + 1) * blockBytes;
  }

  #grow(): number | null {
    const have = this.#holdings.length;
    if (have >= this.#blocksMax) return null;
    const more = Math.min(this.#blocksMax - have, Math.max(growthBlocks, Math.floor(have * growthMax)));
    this.#opened().grow((more * blockBytes) / pageBytes);
    for (let block = have + more - 1; block >= have; block--) {
      this.#holdings[block] = null;
      this.#free.push(block);
    }
    return this.#free.pop() ?? null;
  }

  #evict(): number {
    for (;;) {
      const block = this.#hand;
      this.#hand = (this.#hand + 1) % this.#holdings.length;
      const holding = this.#holdings[block] as Holding;
      if (holding.used) holding.used = false;
      else {
        holding.owner.evicted(holding.segment);
        return block;
      }
    }
  }

  #opened(): WebAssembly.Memory {
    this.#memory ??= new WebAssembly.Memory({
      initial: blockBytes / pageBytes,
      maximum: ((this.#blocksMax + 1) * blockBytes) / pageBytes,
    });
    return this.#memory;
  }

  #view() {
    const { buffer } = this.#opened();
    if (this.#views === null || this.#views.bytes.buffer !== buffer) {
      this.#views = {
        bytes: new Uint8Array(buffer),
        floats: new Float32Array(buffer),
        ints: new Int32Array(buffer),
        words: new Uint32Array(buffer),
      };
    }
    return this.#views;
  }
}
