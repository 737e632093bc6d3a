export interface Column<Row> {
  readonly title: string;
  readonly align: "left" | "right";
  readonly cell: (row: Row) => string;
}

/** A Markdown table whose columns also line up in a terminal. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, 3, ...cells.map((line) => line[at]?.length ?? 0)),
  );
  const line = (texts: readonly string[]) =>
    `| ${texts.map((text, at) => pad(text, widths[at] ?? 0, columns[at]?.align ?? "left")).join(" | ")} |`;
  const rule = `|${columns.map((column, at) => rulePart(widths[at] ?? 3, column.align)).join("|")}|`;
  return [line(columns.map((column) => column.title)), rule, ...cells.map(line)].join("\n");
}

function pad(text: string, width: number, align: "left" | "right"): string {
  return align === "left" ? text.padEnd(width) : text.padStart(width);
}

function rulePart(width: number, align: "left" | "right"): string {
  return align === "left" ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`;
}

export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return "-";
  if (perSecond >= 100) return Math.round(perSecond).toLocaleString("en-US");
  return perSecond.toFixed(perSecond >= 10 ? 1 : 2);
}

export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return "-";
  if (ms >= 100) return ms.toFixed(0);
  return ms.toFixed(ms >= 10 ? 1 : 2);
}

export function formatRatio(ratio: number): string {
  if (!Number.isFinite(ratio)) return "-";
  return `${ratio.toFixed(ratio >= 10 ? 1 : 2)}x`;
}

export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return "-";
  return share >= 0.1 ? share.toFixed(2) : share.toFixed(3);
}
