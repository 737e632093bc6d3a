/** Words that say nothing about what a text is about. */
const common = new Set(
  "a an and are as at be by can could do does for from have how i if in is it me my of on or our please so that the their there they this to was we what when where which who will with would you your".split(
    " ",
  ),
);

/** The telling words of a text, lower-cased, without their most usual endings. */
export function wordsOf(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => !common.has(word)).map(stemOf);
}

function stemOf(word: string): string {
  for (const ending of ["ing", "ies", "ed", "es", "s"])
    if (word.length > ending.length + 3 && word.endsWith(ending))
      return ending === "ies" ? `${word.slice(0, -3)}y` : word.slice(0, -ending.length);
  return word;
}

/**
 * A vector of unit length that counts words: texts with words in common are alike. Each word has two places in it,
 * so that two words hardly ever share both.
 */
export function embeddingOf(text: string, dimensions: number): number[] {
  const vector = Array.from({ length: dimensions }, () => 0);
  const counts = new Map<string, number>();
  for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  for (const [word, count] of counts) {
    const weight = 1 + Math.log(count);
    for (const salt of [17, 131]) {
      const hash = hashOf(word, salt);
      const place = hash % dimensions;
      vector[place] = (vector[place] ?? 0) + ((hash >>> 16) % 2 === 0 ? weight : -weight);
    }
  }
  const length = Math.hypot(...vector);
  if (length === 0) vector[0] = 1;
  return length === 0 ? vector : vector.map((value) => value / length);
}

function hashOf(word: string, salt: number): number {
  let hash = 2166136261 ^ salt;
  for (let position = 0; position < word.length; position++)
    hash = Math.imul(hash ^ word.charCodeAt(position), 16777619);
  // The last characters would otherwise hardly reach the lower bits.
  hash ^= hash >>> 13;
  return Math.imul(hash, 2654435761) >>> 0;
}
