import { createHash } from "node:crypto";
import { z } from "zod";
import { badRequest, LensletError } from "../base/errors.ts";
import { type Random, randomHex } from "../base/random.ts";
import type { EngineApi } from "../engine/api.ts";
import type { StreamTable } from "../engine/streamOperations.ts";
import type { Log } from "../log/log.ts";
import type { StreamSelection } from "../protocol/streamSelection.ts";
import { readLogPage } from "./logPages.ts";
import {
  decodeCursor,
  encodeCursor,
  positionJson,
  readSnapshotPage,
  snapshotPositionShape,
} from "./snapshotPages.ts";
import { formatDocument, formatWrite, SelectedTables, StreamEngine } from "./streamRows.ts";

const cursorShape = z.object({
  syncId: z.string(),
  /** Digest of the selection. */
  selection: z.string(),
  /** Where in the log to go on, after what is still to be listed. */
  ts: z.string().regex(/^\d{1,19}$/),
  listing: z.object({ position: snapshotPositionShape, tablets: z.array(z.number().int()) }).nullable(),
});
type Cursor = z.output<typeof cursorShape>;
type TableName = Pick<StreamTable, "component" | "name">;

interface Answer {
  readonly status: string;
  readonly truncates: readonly TableName[];
  /** JSON texts. */
  readonly values: readonly string[];
  readonly next: Cursor;
}

/**
 * `POST /api/v1/data/sync` (http-api.md §10.4): the selected tables as they are, then every change, by one cursor. A
 * table that is deleted, emptied or replaced on the way is truncated at the destination, and listed anew.
 */
export class DataSync {
  readonly #stream: StreamEngine;
  readonly #log: Log;
  readonly #random: Random;

  constructor({ engine, log, random }: { engine: EngineApi; log: Log; random: Random }) {
    this.#stream = new StreamEngine(engine);
    this.#log = log;
    this.#random = random;
  }

  /** Throws InvalidDataSyncCursor, DataSyncCursorExpired. */
  async sync(cursorText: string | null, selection: StreamSelection): Promise<string> {
    const digest = createHash("sha256").update(selection.text).digest("base64url");
    let answer: Answer;
    if (cursorText === null) answer = await this.#begin(selection, digest);
    else {
      const cursor = decodeCursor(cursorShape, cursorText);
      if (cursor === null) throw badCursor("The cursor is not one that this deployment has given.");
      if (cursor.selection !== digest) throw badCursor("The cursor belongs to another selection.");
      answer = await this.#goOn(cursor, selection);
    }
    const { status, truncates, values, next } = answer;
    const tables = JSON.stringify(truncates.map(({ component, name }) => ({ component, table: name })));
    const position = next.listing && positionJson(next.listing.position);
    const nextCursor = encodeCursor({ ...next, listing: next.listing && { ...next.listing, position } });
    return `{"status":${status},"truncates":${tables},"values":[${values.join(",")}],"syncId":"${next.syncId}","pagination":{"hasMore":true,"nextCursor":"${nextCursor}"}}`;
  }

  async #begin(selection: StreamSelection, digest: string): Promise<Answer> {
    const { list } = new SelectedTables(await this.#stream.tables(), selection);
    const syncId = randomHex(this.#random, 16);
    const { ts, listing } = await this.#openListing(list);
    return await this.#list({ syncId, selection: digest, ts, listing }, listing, selection, list);
  }

  async #goOn(cursor: Cursor, selection: StreamSelection): Promise<Answer> {
    // Also while it lists: the changes since then, which come after the listing, are gone.
    if (BigInt(cursor.ts) < this.#log.trimmedTs()) throw expired();
    if (cursor.listing !== null) return await this.#list(cursor, cursor.listing, selection, []);
    const page = await readLogPage(
      this.#stream,
      this.#log,
      BigInt(cursor.ts),
      selection,
      "InvalidDataSyncCursor",
    ).catch((error: unknown) => {
      throw error instanceof LensletError && error.category === "OutOfRetention" ? expired() : error;
    });
    const next = { ...cursor, ts: String(page.cursor) };
    if (page.broken.length > 0) {
      const { list } = new SelectedTables(await this.#stream.tables(), selection);
      const isBroken = ({ component, name }: StreamTable) =>
        page.broken.some((table) => table.component === component && table.name === name);
      const { listing } = await this.#openListing(list.filter(isBroken));
      return await this.#list({ ...next, listing }, listing, selection, page.broken);
    }
    const values = page.rows.map(({ ts, table, write }) =>
      valueText(table, ts, write.json === null, formatWrite(write, table, "export")),
    );
    const type = page.hasMore ? "stale" : "upToDate";
    return { status: `{"type":"${type}","snapshotTs":${page.cursor}}`, truncates: [], values, next };
  }

  async #openListing(tables: readonly StreamTable[]): Promise<{
    ts: string;
    listing: NonNullable<Cursor["listing"]>;
  }> {
    const { ts, snapshot } = await this.#stream.open(tables);
    const position = { snapshot, ts: BigInt(ts), tablet: 0, from: "" };
    return { ts, listing: { position, tablets: tables.map(({ tablet }) => tablet) } };
  }

  async #list(
    cursor: Cursor,
    { position, tablets }: NonNullable<Cursor["listing"]>,
    selection: StreamSelection,
    truncates: readonly TableName[],
  ): Promise<Answer> {
    const all = await this.#stream.tables();
    const listed = { ...all, tables: all.tables.filter(({ tablet }) => tablets.includes(tablet)) };
    const page = await readSnapshotPage(this.#stream, new SelectedTables(listed, selection), position);
    const values = page.rows.map(({ table, json }) =>
      valueText(table, position.ts, false, formatDocument(json, table.columns, "export")),
    );
    const listing = page.next && { position: page.next, tablets };
    return { status: '{"type":"snapshotting"}', truncates, values, next: { ...cursor, listing } };
  }
}

function valueText({ component, name }: StreamTable, ts: bigint, deleted: boolean, value: string): string {
  const table = `"component":${JSON.stringify(component)},"table":${JSON.stringify(name)}`;
  return `{${table},"ts":${ts},"deleted":${deleted},"value":${value}}`;
}

function badCursor(message: string): LensletError {
  return badRequest("InvalidDataSyncCursor", `${message} Start again without one.`);
}

function expired(): LensletError {
  return badRequest("DataSyncCursorExpired", "The cursor is too old. Start again without one.");
}
