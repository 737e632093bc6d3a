import stringWidth from "string-width";

/** The characters a terminal can show. */
export interface Glyphs {
  readonly up: string;
  readonly down: string;
  readonly flat: string;
  readonly dot: string;
  readonly hollow: string;
  readonly rule: string;
  readonly ellipsis: string;
  readonly bar: string;
  /** From low to high. */
  readonly levels: readonly string[];
}

export const unicodeGlyphs: Glyphs = {
  up: "▲",
  down: "▼",
  flat: "·",
  dot: "●",
  hollow: "○",
  rule: "─",
  ellipsis: "…",
  bar: "▪",
  levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
};

export const asciiGlyphs: Glyphs = {
  up: "+",
  down: "-",
  flat: " ",
  dot: "*",
  hollow: "o",
  rule: "-",
  ellipsis: "~",
  bar: "#",
  levels: [".", ":", "-", "=", "+", "*", "#", "@"],
};

/** ASCII for a terminal whose locale says that it knows nothing else. */
export function glyphsFor(env: Readonly<Record<string, string | undefined>>): Glyphs {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return locale === "" || /utf-?8/i.test(locale) ? unicodeGlyphs : asciiGlyphs;
}

/** $950, $12.3K, $4.56M: at most seven characters up to a billion. */
export function shortUsd(usd: number): string {
  if (usd >= 999_950_000) return `$${(usd / 1e9).toFixed(2)}B`;
  if (usd >= 999_950) return `$${(usd / 1e6).toFixed(2)}M`;
  if (usd >= 9_999.5) return `$${(usd / 1e3).toFixed(1)}K`;
  return `$${grouped(usd.toFixed(0))}`;
}

/** $12,345.67 */
export function fullUsd(usd: number): string {
  return `$${grouped(usd.toFixed(2))}`;
}

/** At least two decimals, and enough of them to see a price like 0.0000204. */
export function priceText(usd: number): string {
  const decimals = usd <= 0 ? 2 : Math.min(10, Math.max(2, 3 - Math.floor(Math.log10(usd))));
  return grouped(usd.toFixed(decimals));
}

export function changeText(percent: number): string {
  return `${percent >= 0 ? "+" : ""}${percent.toFixed(2)}%`;
}

/** An amount given as text, with five digits that matter. */
export function amountText(amount: string): string {
  const value = Number(amount);
  if (!Number.isFinite(value)) return amount;
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)}B`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e4) return grouped(value.toFixed(0));
  return value <= 0 ? "0" : value.toFixed(Math.min(8, Math.max(0, 4 - Math.floor(Math.log10(value)))));
}

export function shortHex(hex: string, glyphs: Glyphs): string {
  return hex.length <= 11 ? hex : `${hex.slice(0, 6)}${glyphs.ellipsis}${hex.slice(-4)}`;
}

/** 18:04:59, local time. */
export function clockText(timeMs: number): string {
  const date = new Date(timeMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

export function countText(count: number): string {
  return grouped(count.toFixed(0));
}

function grouped(digits: string): string {
  const [whole, decimals] = digits.split(".") as [string, string?];
  const withCommas = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return decimals === undefined ? withCommas : `${withCommas}.${decimals}`;
}

/** Exactly `width` cells: cut where too long, filled up where too short. */
export function fit(text: string, width: number, align: "left" | "right" = "left"): string {
  const cut = cutTo(text, width);
  const space = " ".repeat(Math.max(0, width - stringWidth(cut)));
  return align === "left" ? cut + space : space + cut;
}

function cutTo(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let cut = "";
  for (const { segment } of graphemes.segment(text)) {
    if (stringWidth(cut + segment) > width) break;
    cut += segment;
  }
  return cut;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Breaks a text into lines of at most `width` cells, at spaces where there are any. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const joined = line === "" ? word : `${line} ${word}`;
    if (stringWidth(joined) <= width) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    let rest = word;
    while (stringWidth(rest) > width) {
      // A cell that is too narrow for a wide character still takes it: else there would be no end.
      const part = cutTo(rest, width) || (Array.from(rest)[0] as string);
      lines.push(part);
      rest = rest.slice(part.length);
    }
    line = rest;
  }
  if (line !== "" || lines.length === 0) lines.push(line);
  return lines;
}

/** One character per value, the newest right; the highest value is the highest bar, zero is a space. */
export function sparkline(values: readonly number[], width: number, glyphs: Glyphs): string {
  const shown = values.slice(-width);
  const highest = Math.max(...shown, 0);
  const text = shown
    .map((value) => {
      if (value <= 0 || highest === 0) return " ";
      return glyphs.levels[levelOf(value / highest, glyphs)] as string;
    })
    .join("");
  return text.padStart(width);
}

/** As `sparkline`, between the lowest and the highest value: for prices. */
export function trendline(values: readonly number[], width: number, glyphs: Glyphs): string {
  const shown = values.slice(-width);
  const lowest = Math.min(...shown);
  const span = Math.max(...shown) - lowest;
  return shown
    .map((value) => glyphs.levels[span === 0 ? 3 : levelOf((value - lowest) / span, glyphs)] as string)
    .join("")
    .padStart(width);
}

function levelOf(share: number, glyphs: Glyphs): number {
  return Math.min(glyphs.levels.length - 1, Math.floor(share * glyphs.levels.length));
}
