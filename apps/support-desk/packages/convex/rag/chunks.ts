import { limits } from "../model/limits.ts";

/** Text of a document as it is indexed: Markdown and plain text as they are, HTML without its markup. */
export function plainText(format: "markdown" | "text" | "html", content: string): string {
  const text = format === "html" ? textOfHtml(content) : content;
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/[ \t]+\n/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/**
 * Passages of about `limits.chunkLengthMax` characters. They break between paragraphs where they can, else between
 * sentences, and repeat the end of the one before, so that what stands at a break is found too. Headings go with what
 * follows them.
 */
export function chunksOf(text: string): string[] {
  const chunks: string[] = [];
  let current = "";
  for (const piece of pieces(text)) {
    if (current !== "" && current.length + piece.length + 2 > limits.chunkLengthMax) {
      chunks.push(current);
      current = overlapOf(current);
    }
    current = current === "" ? piece : `${current}\n\n${piece}`;
  }
  if (current.trim() !== "") chunks.push(current);
  return chunks;
}

/** Paragraphs, each short enough for a chunk; a heading is not a paragraph of its own. */
function pieces(text: string): string[] {
  const found: string[] = [];
  let heading = "";
  for (const paragraph of text.split(/\n{2,}/)) {
    const trimmed = paragraph.trim();
    if (trimmed === "") continue;
    if (/^#{1,6} [^\n]*$/.test(trimmed)) {
      heading = heading === "" ? trimmed : `${heading}\n${trimmed}`;
      continue;
    }
    found.push(...split(heading === "" ? trimmed : `${heading}\n${trimmed}`));
    heading = "";
  }
  if (heading !== "") found.push(heading);
  return found;
}

function split(paragraph: string): string[] {
  const lengthMax = limits.chunkLengthMax - limits.chunkOverlap - 2;
  const parts: string[] = [];
  let rest = paragraph;
  while (rest.length > lengthMax) {
    const window = rest.slice(0, lengthMax);
    // The last end of a sentence in the window, else the last blank, else anywhere.
    const sentence = Math.max(window.lastIndexOf(". "), window.lastIndexOf("! "), window.lastIndexOf("? "));
    const blank = window.lastIndexOf(" ");
    const at = sentence > lengthMax / 2 ? sentence + 1 : blank > 0 ? blank : lengthMax;
    parts.push(rest.slice(0, at).trim());
    rest = rest.slice(at).trim();
  }
  if (rest !== "") parts.push(rest);
  return parts;
}

function overlapOf(chunk: string): string {
  const end = chunk.slice(-limits.chunkOverlap);
  const start = end.indexOf(" ");
  return chunk.length <= limits.chunkOverlap || start < 0 ? "" : end.slice(start + 1);
}

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};

function textOfHtml(html: string): string {
  return html
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/<(script|style|head|noscript|svg)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<h([1-6])\b[^>]*>/gi, (_tag, level: string) => `\n\n${"#".repeat(Number(level))} `)
    .replace(/<li\b[^>]*>/gi, "\n- ")
    .replace(/<(br|tr)\b[^>]*>/gi, "\n")
    .replace(/<\/?(p|div|section|article|ul|ol|table|blockquote|pre|h[1-6])\b[^>]*>/gi, "\n\n")
    .replace(/<[^>]+>/g, " ")
    .replace(/&(#x?[0-9a-f]+|[a-z]+);/gi, (whole, name: string) => decodeEntity(name) ?? whole)
    .replace(/[ \t]+/g, " ")
    .replace(/ ?\n ?/g, "\n");
}

function decodeEntity(name: string): string | undefined {
  if (!name.startsWith("#")) return entities[name.toLowerCase()];
  const isHex = name[1] === "x" || name[1] === "X";
  const code = Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10);
  return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
    ? String.fromCodePoint(code)
    : undefined;
}
