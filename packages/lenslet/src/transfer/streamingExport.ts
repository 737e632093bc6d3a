import { badRequest } from "../base/errors.ts";
import type { EngineApi } from "../engine/api.ts";
import type { TableColumns } from "../engine/streamOperations.ts";
import type { Log } from "../log/log.ts";
import type { OutputFormat } from "../protocol/http.ts";
import { StreamSelection } from "../protocol/streamSelection.ts";
import { readLogPage } from "./logPages.ts";
import {
  decodeCursor,
  encodeCursor,
  positionJson,
  readSnapshotPage,
  snapshotPositionShape,
} from "./snapshotPages.ts";
import {
  formatDocument,
  formatWrite,
  type SelectedTable,
  SelectedTables,
  type SnapshotPosition,
  StreamEngine,
} from "./streamRows.ts";

export interface StreamingExportOptions {
  readonly engine: EngineApi;
  readonly log: Log;
}

/**
 * The data of a deployment as a snapshot and the changes after it, for destinations that follow it (http-api.md §10.3).
 * It keeps nothing between two requests but the versions that open snapshots still need (engine/snapshots.ts): cursors
 * say all, and are good after a restart. Answers are JSON texts.
 */
export class StreamingExport {
  readonly #engine: EngineApi;
  readonly #stream: StreamEngine;
  readonly #log: Log;

  constructor({ engine, log }: StreamingExportOptions) {
    this.#engine = engine;
    this.#stream = new StreamEngine(engine);
    this.#log = log;
  }

  /** Throws InvalidListSnapshotCursor. */
  async listSnapshot(
    request: { readonly snapshot: bigint | null; readonly cursor: string | null },
    selection: StreamSelection,
    format: OutputFormat,
  ): Promise<string> {
    const tables = new SelectedTables(await this.#stream.tables(), selection);
    const position = await this.#position(request, tables);
    const { rows, next } = await readSnapshotPage(this.#stream, tables, position);
    const values = rows.map(({ table, json }) => {
      return withHead(table, position.ts, "", formatDocument(json, table.columns, format));
    });
    const cursor = next === null ? "null" : `"${encodeCursor(positionJson(next))}"`;
    return `{"values":[${values.join(",")}],"snapshot":${position.ts},"cursor":${cursor},"hasMore":${next !== null}}`;
  }

  /** Throws InvalidDocumentDeltasCursor, and OutOfRetention when the log does not reach back so far. */
  async documentDeltas(cursor: bigint, selection: StreamSelection, format: OutputFormat): Promise<string> {
    const page = await readLogPage(this.#stream, this.#log, cursor, selection, "InvalidDocumentDeltasCursor");
    const [broken] = page.broken;
    if (broken !== undefined) {
      const where = broken.component === "" ? "" : ` of component "${broken.component}"`;
      throw badRequest(
        "InvalidDocumentDeltasCursor",
        `The table "${broken.name}"${where} was deleted, cleared or replaced by an import after this cursor. Start again with list_snapshot.`,
      );
    }
    const values = page.rows.map(({ ts, table, write }) => {
      const deleted = `"_deleted":${write.json === null},`;
      return withHead(table, ts, deleted, formatWrite(write, table, format));
    });
    return `{"values":[${values.join(",")}],"cursor":${page.cursor},"hasMore":${page.hasMore}}`;
  }

  async columns(): Promise<readonly TableColumns[]> {
    return JSON.parse(await this.#engine.system("stream.columns", "{}")) as readonly TableColumns[];
  }

  async #position(
    { snapshot, cursor }: { readonly snapshot: bigint | null; readonly cursor: string | null },
    tables: SelectedTables,
  ): Promise<SnapshotPosition> {
    if (cursor !== null) {
      const position = decodeCursor(snapshotPositionShape, cursor);
      if (position === null || (snapshot !== null && snapshot !== position.ts)) throw badCursor();
      // What is listed from here on would lack the changes since then, which nobody could tell any more.
      if (position.ts < this.#log.trimmedTs()) throw badCursor();
      return position;
    }
    if (snapshot === null) {
      const { ts, snapshot: id } = await this.#stream.open(tables.list);
      return { snapshot: id, ts: BigInt(ts), tablet: 0, from: "" };
    }
    // One that is not open: what there is now, which the log from then on completes.
    if (snapshot > this.#log.durableTs() || snapshot < this.#log.trimmedTs()) throw badCursor();
    return { snapshot: null, ts: snapshot, tablet: 0, from: "" };
  }
}

function badCursor(): Error {
  return badRequest(
    "InvalidListSnapshotCursor",
    "The cursor, or the snapshot, is not one that this deployment has given. Start again without both.",
  );
}

/** A document with where it stands in front of its fields; it has one at least, its id. */
function withHead({ component, name }: SelectedTable, ts: bigint, more: string, document: string): string {
  const head = `{"_component":${JSON.stringify(component)},"_table":${JSON.stringify(name)}`;
  return `${head},"_ts":${ts},${more}${document.slice(1)}`;
}
