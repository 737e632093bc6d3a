/**
 * Lengths of texts in 256 steps, as ranking uses them: exact below 40, above that with four significant bits over 24.
 * So a posting carries its document's length in one byte.
 */
const exactBelow = 24;
const significantBits = 4;

const lengths = new Float64Array(256);
for (let code = 0; code < 256; code++) {
  const rest = code - exactBelow;
  lengths[code] = rest < 0 ? code : exactBelow + decodeFloat(rest);
}

/** 0 to 255, growing with `tokens`. */
export function lengthCodeOf(tokens: number): number {
  if (tokens < exactBelow) return tokens;
  return Math.min(255, exactBelow + encodeFloat(tokens - exactBelow));
}

/** The length a code stands for: the greatest that is not above any length with this code. */
export function lengthOfCode(code: number): number {
  return lengths[code] as number;
}

/** Below 16 the number itself; above, exponent and the three bits after the first. */
function encodeFloat(value: number): number {
  const bits = 32 - Math.clz32(value);
  if (bits < significantBits) return value;
  const shift = bits - significantBits;
  return ((shift + 1) << 3) | ((value >>> shift) & 7);
}

function decodeFloat(code: number): number {
  const exponent = code >>> 3;
  return exponent === 0 ? code : (8 | (code & 7)) * 2 ** (exponent - 1);
}
