/**
 * Cuts values out of a JSON text without building them, so that function arguments reach the engine as the
 * bytes the client sent. On valid JSON the spans are exact; on any other text every function still ends,
 * in linear time, with some span or undefined (callers parse the text first where it matters).
 */

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;

/** Raw text of the last member called `name`, as JSON.parse would choose it; undefined if there is none. */
export function memberText(object: string, name: string): string | undefined {
  return findMember(object, name, true);
}

/** As memberText for the first such member; looks no further than needed. */
export function firstMemberText(object: string, name: string): string | undefined {
  return findMember(object, name, false);
}

function findMember(text: string, name: string, wantLast: boolean): string | undefined {
  let found: string | undefined;
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== openBrace) return undefined;
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) === quote) {
    const keyEnd = skipString(text, at);
    const isWanted = keyEquals(text, at, keyEnd, name);
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    if (isWanted) {
      found = text.slice(start, end);
      if (!wantLast) return found;
    }
    at = skipSpace(text, end);
    if (text.charCodeAt(at) !== comma) break;
    at = skipSpace(text, at + 1);
  }
  return found;
}

/** Raw texts of an array's elements. */
export function elementTexts(array: string): string[] {
  const elements: string[] = [];
  let at = skipSpace(array, 0);
  if (array.charCodeAt(at) !== openBracket) return elements;
  at = skipSpace(array, at + 1);
  while (at < array.length && array.charCodeAt(at) !== closeBracket) {
    const end = skipValue(array, at);
    if (end === at) break;
    elements.push(array.slice(at, end));
    at = skipSpace(array, end);
    if (array.charCodeAt(at) !== comma) break;
    at = skipSpace(array, at + 1);
  }
  return elements;
}

function keyEquals(text: string, start: number, end: number, name: string): boolean {
  if (end - start - 2 === name.length && text.startsWith(name, start + 1)) return true;
  const raw = text.slice(start, end);
  if (!raw.includes("\\")) return false;
  try {
    return JSON.parse(raw) === name;
  } catch {
    return false;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) at++;
    else return at;
  }
}

/** `from` is the opening quote; returns the index after the closing one. */
function skipString(text: string, from: number): number {
  let at = from + 1;
  for (;;) {
    const end = text.indexOf('"', at);
    if (end < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return end + 1;
    at = end + 1;
  }
}

function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === quote) return skipString(text, from);
  if (first === openBrace || first === openBracket) return skipNested(text, from);
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === comma || code === closeBrace || code === closeBracket || code <= 0x20) break;
    at++;
  }
  return at;
}

function skipNested(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = skipString(text, at);
      continue;
    }
    at++;
    if (code === openBrace || code === openBracket) depth++;
    else if (code === closeBrace || code === closeBracket) {
      depth--;
      if (depth === 0) return at;
    }
  }
  return at;
}
