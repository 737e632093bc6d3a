/** The ChaCha20 key stream as a random generator: equal seeds give equal draws, and draws do not reveal each other. */
export class SeededRandom {
  readonly #state = new Uint32Array(16);
  readonly #block = new Uint32Array(16);
  /** Next unused word of the block; 16 when a new block is needed. */
  #next = 16;

  /** Up to 32 bytes of `seed` are used; `stream` separates generators of one seed. */
  constructor(seed: Uint8Array, stream = 0) {
    const key = new Uint8Array(32);
    key.set(seed.subarray(0, 32));
    const view = new DataView(key.buffer);
    this.#state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
    for (let i = 0; i < 8; i++) this.#state[4 + i] = view.getUint32(i * 4, true);
    this.#state[14] = stream;
  }

  uint32(): number {
    if (this.#next === 16) this.#refill();
    return this.#block[this.#next++]!;
  }

  /** Uniform in [0, 1) with 53 bits. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.uint32();
      bytes[i] = word;
      if (i + 1 < bytes.length) bytes[i + 1] = word >>> 8;
      if (i + 2 < bytes.length) bytes[i + 2] = word >>> 16;
      if (i + 3 < bytes.length) bytes[i + 3] = word >>> 24;
    }
  }

  #refill(): void {
    const x = this.#block;
    x.set(this.#state);
    for (let round = 0; round < 10; round++) {
      quarter(x, 0, 4, 8, 12);
      quarter(x, 1, 5, 9, 13);
      quarter(x, 2, 6, 10, 14);
      quarter(x, 3, 7, 11, 15);
      quarter(x, 0, 5, 10, 15);
      quarter(x, 1, 6, 11, 12);
      quarter(x, 2, 7, 8, 13);
      quarter(x, 3, 4, 9, 14);
    }
    for (let i = 0; i < 16; i++) x[i] = x[i]! + this.#state[i]!;
    this.#state[12] = this.#state[12]! + 1;
    if (this.#state[12] === 0) this.#state[13] = this.#state[13]! + 1;
    this.#next = 0;
  }
}

function quarter(x: Uint32Array, a: number, b: number, c: number, d: number): void {
  let va = x[a]!;
  let vb = x[b]!;
  let vc = x[c]!;
  let vd = x[d]!;
  va = (va + vb) | 0;
  vd = rotate(vd ^ va, 16);
  vc = (vc + vd) | 0;
  vb = rotate(vb ^ vc, 12);
  va = (va + vb) | 0;
  vd = rotate(vd ^ va, 8);
  vc = (vc + vd) | 0;
  vb = rotate(vb ^ vc, 7);
  x[a] = va;
  x[b] = vb;
  x[c] = vc;
  x[d] = vd;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
