import { z } from "zod";
import type { SelectedTable, SelectedTables, SnapshotPosition, StreamEngine } from "./streamRows.ts";

const pageRowsMin = 1024;
const pageBytesMin = 1024 * 1024;

export interface ListedRow {
  readonly table: SelectedTable;
  /** Canonical text. */
  readonly json: string;
}

/**
 * Reads on in a snapshot, table by table in the order of their tablets, from `position` on. While the snapshot is open it
 * shows the moment of its timestamp. It closes when the server or its engine is started again or too much has changed;
 * what is read after that is what there is by then, and the log from the snapshot's timestamp on brings all rows to one
 * state again.
 */
export async function readSnapshotPage(
  engine: StreamEngine,
  tables: SelectedTables,
  position: SnapshotPosition,
): Promise<{ rows: readonly ListedRow[]; next: SnapshotPosition | null }> {
  const rows: ListedRow[] = [];
  let bytes = 0;
  for (const table of tables.list) {
    const { tablet } = table;
    if (tablet < position.tablet) continue;
    let from: string | null = tablet === position.tablet ? position.from : "";
    while (from !== null) {
      if (rows.length >= pageRowsMin || bytes >= pageBytesMin)
        return { rows, next: { ...position, tablet, from } };
      const page = await engine.page({ ...position, tablet, from }, pageBytesMin - bytes);
      for (const json of page.documents) {
        rows.push({ table, json });
        bytes += json.length;
      }
      from = page.next;
    }
  }
  if (position.snapshot !== null) await engine.close(position.snapshot);
  return { rows, next: null };
}

const positionShape = z.object({
  snapshot: z.number().int().nullable(),
  ts: z.string().regex(/^\d{1,19}$/),
  tablet: z.number().int(),
  /** Bytes as latin-1, in base64url. */
  from: z.string(),
});

/** A position as it travels in a cursor. */
export const snapshotPositionShape = positionShape.transform((json): SnapshotPosition => ({
  snapshot: json.snapshot,
  ts: BigInt(json.ts),
  tablet: json.tablet,
  from: Buffer.from(json.from, "base64url").toString("latin1"),
}));

export function positionJson({
  snapshot,
  ts,
  tablet,
  from,
}: SnapshotPosition): z.input<typeof positionShape> {
  return { snapshot, ts: String(ts), tablet, from: Buffer.from(from, "latin1").toString("base64url") };
}

/** An opaque text for clients. */
export function encodeCursor(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString("base64url");
}

/** Null: not one of ours. */
export function decodeCursor<Shape extends z.ZodType>(shape: Shape, text: string): z.output<Shape> | null {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(text, "base64url").toString()) as unknown;
  } catch {
    return null;
  }
  const parsed = shape.safeParse(json);
  return parsed.success ? parsed.data : null;
}
