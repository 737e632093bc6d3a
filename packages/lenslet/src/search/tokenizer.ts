import { utf8Length } from "../values/utf8.ts";

/** limits.md #61: longer tokens are left out of indexes and queries alike. */
const tokenBytesMax = 31;

const nonAscii = /[^\0-\x7f]/;
const word = /[\p{Alphabetic}\p{N}]+/gu;

/**
 * The tokens of a text, in order (functions.md §16): it is split at every character that is neither a letter nor a
 * number, tokens of 32 bytes or more are dropped, the rest is put in lower case. No stemming, no stop words.
 */
export function tokenize(text: string): string[] {
  return nonAscii.test(text) ? tokenizeUnicode(text) : tokenizeAscii(text);
}

function tokenizeUnicode(text: string): string[] {
  const tokens: string[] = [];
  for (const [token] of text.matchAll(word)) {
    if (utf8Length(token) <= tokenBytesMax) tokens.push(lowerCase(token));
  }
  return tokens;
}

/** Each character by itself: a sigma must not depend on whether it is the last letter, or prefixes would miss it. */
function lowerCase(token: string): string {
  if (!nonAscii.test(token)) return token.toLowerCase();
  let lower = "";
  for (const character of token) lower += character.toLowerCase();
  return lower;
}

/** 1 for the ASCII letters and digits. */
const alphanumeric = new Uint8Array(128);
for (const character of "0123456789abcdefghijklmnopqrstuvwxyz") alphanumeric[character.charCodeAt(0)] = 1;

function tokenizeAscii(text: string): string[] {
  const lower = text.toLowerCase();
  const tokens: string[] = [];
  let start = 0;
  for (let i = 0; i <= lower.length; i++) {
    if (i < lower.length && alphanumeric[lower.charCodeAt(i)] === 1) continue;
    if (i > start && i - start <= tokenBytesMax) tokens.push(lower.slice(start, i));
    start = i + 1;
  }
  return tokens;
}
