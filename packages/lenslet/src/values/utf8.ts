/** Length in bytes of the UTF-8 form. Short strings are counted without leaving JavaScript. */
export function utf8Length(text: string): number {
  const length = text.length;
  if (length > 48) return Buffer.byteLength(text);
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text);
  }
  return length;
}

/** Order of the UTF-8 forms, which is code point order and differs from `<` where surrogates meet U+E000..U+FFFF. */
export function compareUtf8(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return codePointRank(x) < codePointRank(y) ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}

/** Moves surrogates above the other code units: a surrogate begins a code point beyond U+FFFF. */
function codePointRank(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit < 0xe000 ? codeUnit + 0x10000 : codeUnit;
}
