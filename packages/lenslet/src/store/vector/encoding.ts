import type { Kernels } from "./kernels.ts";
import { Rotation } from "./rotation.ts";

/** With more dimensions than this, scans look at codes of four bits a component; below, at the vectors themselves. */
export const exactDimensionsMax = 192;

/**
 * How the vectors of an index lie in memory to be scanned. A score is
 * `(product * query.scale - query.bias) * factor`, where `product` is what the kernel says of code and query.
 */
export interface VectorEncoding {
  readonly kernel: keyof Kernels;
  readonly codeBytes: number;
  readonly queryBytes: number;
  /**
   * Writes the code of a vector and returns its factor, 0 for a vector of zeros.
   */
  encode(vector: Float32Array, code: Uint8Array): number;
  encodeQuery(vector: Float32Array): EncodedQuery;
  /** Scores are farther than this from the cosine for less than one vector in ten thousand. */
  readonly errorMax: number;
}

export interface EncodedQuery {
  readonly bytes: Uint8Array;
  readonly scale: number;
  readonly bias: number;
}

export function encodingOf(dimensions: number): VectorEncoding {
  return dimensions <= exactDimensionsMax ? new FloatEncoding(dimensions) : new NibbleEncoding(dimensions);
}

/** The vector itself, at length 1. */
class FloatEncoding implements VectorEncoding {
  readonly kernel = "floats";
  readonly codeBytes: number;
  readonly queryBytes: number;
  /** f32 sums of products that are below 1 together. */
  readonly errorMax = 1e-4;

  constructor(dimensions: number) {
    this.codeBytes = roundUp(dimensions * 4, 16);
    this.queryBytes = this.codeBytes;
  }

  encode(vector: Float32Array, code: Uint8Array): number {
    const scale = inverseLength(vector);
    const floats = new Float32Array(this.codeBytes / 4);
    for (let i = 0; i < vector.length; i++) floats[i] = (vector[i] as number) * scale;
    code.set(new Uint8Array(floats.buffer));
    return scale === 0 ? 0 : 1;
  }

  encodeQuery(vector: Float32Array): EncodedQuery {
    const bytes = new Uint8Array(this.codeBytes);
    const factor = this.encode(vector, bytes);
    return { bytes, scale: factor, bias: 0 };
  }
}

/** Components of rotated vectors are spread like a normal distribution: 16 steps of this width lose least (1.2 %). */
const stepsPerDeviation = 1 / 0.3352;
const middle = 7.5;
const queryStepsMax = 127;
/** Four times the deviation of a score, at one dimension. Measured: 0.11, queries of eight bits included. */
const errorMaxAtOneDimension = 4 * 0.115;

/**
 * Four bits for each component of the rotated vector. The factor makes the product with the vector's own code exact, and
 * so the one with any query right on average (as in RaBitQ, Gao and others 2024).
 */
class NibbleEncoding implements VectorEncoding {
  readonly kernel = "nibbles";
  readonly codeBytes: number;
  readonly queryBytes: number;
  readonly errorMax: number;
  readonly #dimensions: number;
  readonly #rotation: Rotation;
  readonly #rotated: Float64Array;

  constructor(dimensions: number) {
    const padded = roundUp(dimensions, 128);
    this.#dimensions = dimensions;
    this.codeBytes = padded / 2;
    this.queryBytes = padded;
    this.errorMax = errorMaxAtOneDimension / Math.sqrt(dimensions);
    this.#rotation = new Rotation(dimensions);
    this.#rotated = new Float64Array(dimensions);
  }

  encode(vector: Float32Array, code: Uint8Array): number {
    code.fill(0);
    if (!this.#rotate(vector)) return 0;
    const rotated = this.#rotated;
    const steps = stepsPerDeviation * Math.sqrt(this.#dimensions);
    let product = 0;
    for (let i = 0; i < rotated.length; i++) {
      const component = rotated[i] as number;
      const step = Math.min(15, Math.max(0, Math.floor(component * steps) + 8));
      product += component * (step - middle);
      const at = (i >> 5) * 16 + (i & 15);
      code[at] = (code[at] as number) | (step << ((i & 16) >> 2));
    }
    return 1 / product;
  }

  encodeQuery(vector: Float32Array): EncodedQuery {
    const bytes = new Int8Array(this.queryBytes);
    if (!this.#rotate(vector)) return { bytes: new Uint8Array(bytes.buffer), scale: 0, bias: 0 };
    let greatest = 0;
    for (const component of this.#rotated) greatest = Math.max(greatest, Math.abs(component));
    const scale = greatest / queryStepsMax;
    let sum = 0;
    for (let i = 0; i < this.#rotated.length; i++) {
      const step = Math.round((this.#rotated[i] as number) / scale);
      bytes[i] = step;
      sum += step;
    }
    return { bytes: new Uint8Array(bytes.buffer), scale, bias: middle * scale * sum };
  }

  /** Sets `#rotated` to the vector at length 1, rotated; false for a vector of zeros. */
  #rotate(vector: Float32Array): boolean {
    const scale = inverseLength(vector);
    if (scale === 0) return false;
    for (let i = 0; i < vector.length; i++) this.#rotated[i] = (vector[i] as number) * scale;
    this.#rotation.apply(this.#rotated);
    return true;
  }
}

/** 0 for a vector of zeros. */
function inverseLength(vector: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) {
    const component = vector[i] as number;
    sum += component * component;
  }
  return sum === 0 ? 0 : 1 / Math.sqrt(sum);
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
