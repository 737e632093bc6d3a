import type { EngineApi } from "../engine/api.ts";
import type { RecordedWrite } from "../engine/commitRecord.ts";
import type { StreamPage, StreamSnapshot, StreamTable, StreamTables } from "../engine/streamOperations.ts";
import type { OutputFormat } from "../protocol/http.ts";
import { formatEncoded } from "../protocol/outputFormat.ts";
import type { ColumnChoice, StreamSelection } from "../protocol/streamSelection.ts";
import type { TabletId } from "../store/store.ts";
import { decodeValue, stringifyValue } from "../values/json.ts";
import type { ValueObject } from "../values/value.ts";

/** What the engine is asked for by streaming exports. */
export class StreamEngine {
  readonly #engine: EngineApi;
  constructor(engine: EngineApi) {
    this.#engine = engine;
  }

  async tables(): Promise<StreamTables> {
    return (await this.#ask("stream.tables", {})) as StreamTables;
  }
  async open(tables: readonly StreamTable[]): Promise<StreamSnapshot> {
    const tablets = tables.map(({ tablet }) => tablet);
    return (await this.#ask("stream.open", { tablets })) as StreamSnapshot;
  }
  async page(position: SnapshotPosition, bytesMax: number): Promise<StreamPage> {
    return (await this.#ask("stream.page", { ...position, ts: String(position.ts), bytesMax })) as StreamPage;
  }
  async close(snapshot: number): Promise<void> {
    await this.#ask("stream.close", { snapshot });
  }

  async #ask(operation: string, args: object): Promise<unknown> {
    return JSON.parse(await this.#engine.system(operation, JSON.stringify(args))) as unknown;
  }
}

export interface SnapshotPosition {
  /** Null: of what there is now. */
  readonly snapshot: number | null;
  readonly ts: bigint;
  readonly tablet: TabletId;
  readonly from: string;
}

export interface SelectedTable extends StreamTable {
  readonly columns: ColumnChoice | "all";
}

/** The tables that a selection shows, with the columns of each. */
export class SelectedTables {
  readonly breaks: TabletId;
  /** In the order of their tablets. */
  readonly list: readonly SelectedTable[];
  readonly #byTablet: ReadonlyMap<TabletId, SelectedTable>;
  readonly #all: ReadonlySet<TabletId>;

  constructor({ tables, breaks }: StreamTables, selection: StreamSelection) {
    this.breaks = breaks;
    this.list = tables.flatMap((table) => {
      const columns = selection.columnsOf(table.component, table.name);
      return columns === null ? [] : [{ ...table, columns }];
    });
    this.#byTablet = new Map(this.list.map((table) => [table.tablet, table]));
    this.#all = new Set(tables.map(({ tablet }) => tablet));
  }

  /** Whether there is such a table, selected or not. */
  knows(tablet: TabletId): boolean {
    return this.#all.has(tablet);
  }
  find(tablet: TabletId): SelectedTable | null {
    return this.#byTablet.get(tablet) ?? null;
  }
}

/** JSON text of a document in a format of the HTTP API, with the chosen columns. */
export function formatDocument(json: string, columns: ColumnChoice | "all", format: OutputFormat): string {
  if (columns === "all") return formatEncoded(json, format);
  const chosen = Object.entries(decodeValue(json) as ValueObject).filter(([name]) => columns(name));
  return formatEncoded(stringifyValue(Object.fromEntries(chosen)), format);
}

/** JSON text of the document that a write has left, or of its id alone. */
export function formatWrite(
  { json, idText }: RecordedWrite,
  { columns }: SelectedTable,
  format: OutputFormat,
): string {
  return json === null ? `{"_id":${JSON.stringify(idText)}}` : formatDocument(json, columns, format);
}
