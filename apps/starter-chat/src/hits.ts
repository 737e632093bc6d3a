/** A piece of a text, and whether the search has found it. */
export interface Piece {
  readonly text: string;
  readonly isHit: boolean;
}

/** Cuts a text where a word of the query begins a word in it: search matches whole words, and the last one's beginning. */
export function splitAtHits(text: string, query: string): Piece[] {
  const words = query.match(/[\p{L}\p{N}_]+/gu) ?? [];
  if (words.length === 0) return text === "" ? [] : [{ text, isHit: false }];
  const escaped = words.toSorted((a, b) => b.length - a.length).join("|");
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${escaped})[\\p{L}\\p{N}_]*`, "giu");
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), isHit: false });
    pieces.push({ text: match[0], isHit: true });
    at = match.index + match[0].length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), isHit: false });
  return pieces;
}
