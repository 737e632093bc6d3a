/** Everything but letters, marks, numbers, punctuation, symbols and the ASCII space. */
const nonPrintable = /[\p{C}\p{Z}]/u;

/** A double-quoted string as messages show it: `"a\n\u{7f}"`. */
export function quoteString(text: string): string {
  let quoted = '"';
  for (const char of text) quoted += char === "'" ? char : escapeChar(char);
  return quoted + '"';
}

/** A character (code point) in single quotes: `'a'`, `'\n'`, `'\u{7f}'`. */
export function quoteChar(char: string): string {
  return `'${char === '"' ? char : escapeChar(char)}'`;
}

function escapeChar(char: string): string {
  switch (char) {
    case "\0":
      return "\\0";
    case "\t":
      return "\\t";
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case '"':
      return '\\"';
    case "'":
      return "\\'";
    case "\\":
      return "\\\\";
    case " ":
      return char;
    default:
      return nonPrintable.test(char) ? `\\u{${char.codePointAt(0)!.toString(16)}}` : char;
  }
}
