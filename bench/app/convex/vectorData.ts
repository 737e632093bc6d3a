// The vectors of W9, the same on both sides of the wire, so that they need not be sent. They lie around centres, as
// embeddings of texts do around topics; the spread is such that the nearest are of one centre, and hard to tell apart.

export const dimensions = 1536;
const centres = 1000;
const spread = 1.2;
const groups = 100;

/** A row of the table; queries have numbers of their own, below zero. */
export function vectorOf(number: number): Float32Array {
  const own = normals(number * 2 + 1);
  const centre = normals((Math.imul(number, 0x9e3779b1) >>> 0) % centres);
  return Float32Array.from({ length: dimensions }, () => centre() + spread * own());
}

/** One in a hundred rows belongs to a group. */
export function groupOf(number: number): string {
  return `group${((number % groups) + groups) % groups}`;
}

/** Normally distributed numbers, two at a time (xorshift32, Box-Muller). */
function normals(seed: number): () => number {
  let state = Math.imul(seed ^ 0x2545f491, 0x85ebca6b) | 1;
  let spare: number | null = null;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 4_294_967_297;
  };
  for (let i = 0; i < 8; i++) next();
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(next()));
    const angle = 2 * Math.PI * next();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
