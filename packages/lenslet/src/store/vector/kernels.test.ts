import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normals } from "./testNumbers.ts";
import { encodingOf, exactDimensionsMax } from "./encoding.ts";
import { createKernels } from "./kernels.ts";
import { Rotation } from "./rotation.ts";

const memory = new WebAssembly.Memory({ initial: 16, maximum: 16 });
const kernels = createKernels(memory);
const bytes = new Uint8Array(memory.buffer);
const signedBytes = new Int8Array(memory.buffer);
const words = new Uint32Array(memory.buffer);
const [queryAt, listAt, outAt, codesAt] = [0, 16_384, 32_768, 65_536];

describe("kernels", () => {
  it("multiply vectors of four-bit numbers with a query of bytes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        (groups, count, seed) => {
          const codeBytes = groups * 64;
          const list = Array.from({ length: count }, (_, i) => (i * 7 + seed) % 11);
          const normal = normals(seed);
          // With all the greatest numbers too, where sums come closest to their limits.
          const random = (max: number) =>
            seed % 3 === 0 ? max : Math.abs(Math.round(normal() * max)) % (max + 1);
          for (let i = 0; i < 11 * codeBytes; i++) bytes[codesAt + i] = random(255);
          for (let i = 0; i < 2 * codeBytes; i++)
            signedBytes[queryAt + i] = random(127) * (normal() < 0 && seed % 3 ? -1 : 1);
          words.set(list, listAt / 4);
          kernels.nibbles(codesAt, codeBytes, listAt, count, queryAt, outAt);
          const expected = list.map((at) => {
            let sum = 0;
            for (let i = 0; i < codeBytes; i++) {
              const code = bytes[codesAt + at * codeBytes + i] as number;
              const query = queryAt + Math.floor(i / 16) * 32 + (i % 16);
              sum +=
                (code & 15) * (signedBytes[query] as number) +
                (code >> 4) * (signedBytes[query + 16] as number);
            }
            return sum;
          });
          expect([...new Int32Array(memory.buffer, outAt, count)]).toEqual(expected);
        },
      ),
    );
  });

  it("multiply vectors of floats", () => {
    const floats = new Float32Array(memory.buffer);
    const [dimensions, count] = [12, 5];
    // Whole numbers, whose products and sums are exact.
    for (let i = 0; i < dimensions * count; i++) floats[codesAt / 4 + i] = (i % 13) - 6;
    for (let i = 0; i < dimensions; i++) floats[queryAt / 4 + i] = i - 4;
    words.set([4, 0, 2], listAt / 4);
    kernels.floats(codesAt, dimensions * 4, listAt, 3, queryAt, outAt);
    const expected = [4, 0, 2].map((at) => {
      let sum = 0;
      for (let i = 0; i < dimensions; i++) sum += (((at * dimensions + i) % 13) - 6) * (i - 4);
      return sum;
    });
    expect([...floats.subarray(outAt / 4, outAt / 4 + 3)]).toEqual(expected);
  });
});

describe("rotation", () => {
  it.each([2, 3, 8, 200, 1536])("of %i dimensions keeps lengths and angles", (dimensions) => {
    const normal = normals(dimensions);
    const [a, b] = [0, 1].map(() => Float64Array.from({ length: dimensions }, normal)) as [
      Float64Array,
      Float64Array,
    ];
    const dot = (x: Float64Array, y: Float64Array) =>
      x.reduce((sum, component, i) => sum + component * (y[i] as number), 0);
    const before = [dot(a, a), dot(a, b), dot(b, b)];
    const rotation = new Rotation(dimensions);
    for (const vector of [a, b]) rotation.apply(vector);
    for (const [i, product] of [dot(a, a), dot(a, b), dot(b, b)].entries())
      expect(product).toBeCloseTo(before[i] as number, 8);
  });

  it("is the same for ever", () => {
    const vector = Float64Array.from([1, 2, 3]);
    new Rotation(3).apply(vector);
    expect([...vector].map((component) => component.toFixed(6))).toMatchInlineSnapshot(`
      [
        "-0.939340",
        "2.517767",
        "-2.603553",
      ]
    `);
  });
});

describe("encodings", () => {
  const shapes: Readonly<Record<string, (normal: () => number, i: number) => number>> = {
    even: (normal) => normal(),
    "a few great components": (normal, i) => (i % 97 === 5 ? 40 * normal() : 0.1 * normal()),
    "far from the origin": (normal) => 5 + normal(),
  };
  const dimensions = [2, 16, exactDimensionsMax, exactDimensionsMax + 1, 384, 1536, 4096];
  const cases = dimensions.flatMap((n) => Object.keys(shapes).map((shape) => [n, shape] as const));

  it.each(cases)("of %i dimensions (%s) score within their bound", (n, shape) => {
    const encoding = encodingOf(n);
    const normal = normals(n);
    const vectorOf = () =>
      Float32Array.from({ length: n }, (_, i) => (shapes[shape] as (typeof shapes)[string])(normal, i));
    const query = vectorOf();
    const encoded = encoding.encodeQuery(query);
    bytes.set(encoded.bytes, queryAt);
    words[listAt / 4] = 0;
    let outside = 0;
    for (let i = 0; i < 200; i++) {
      const vector = vectorOf();
      const code = new Uint8Array(encoding.codeBytes);
      const factor = encoding.encode(vector, code);
      bytes.set(code, codesAt);
      kernels[encoding.kernel](codesAt, encoding.codeBytes, listAt, 1, queryAt, outAt);
      const products =
        encoding.kernel === "floats" ? new Float32Array(memory.buffer) : new Int32Array(memory.buffer);
      const score = ((products[outAt / 4] as number) * encoded.scale - encoded.bias) * factor;
      if (Math.abs(score - cosine(query, vector)) > encoding.errorMax) outside += 1;
    }
    expect(outside).toBeLessThanOrEqual(1);
  });

  it.each(dimensions)("of %i dimensions take zeros for vectors without a direction", (n) => {
    const encoding = encodingOf(n);
    const zeros = new Float32Array(n);
    const { scale, bias } = encoding.encodeQuery(zeros);
    expect([encoding.encode(zeros, new Uint8Array(encoding.codeBytes)), scale, bias]).toEqual([0, 0, 0]);
  });
});

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) =>
    x.reduce((sum, component, i) => sum + component * (y[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
