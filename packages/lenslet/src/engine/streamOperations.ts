import { z } from "zod";
import { insertTableBreak } from "../deploy/tableBreaks.ts";
import { tableBreaksTable } from "../store/systemTables.ts";
import type { Namespace, StoredDocument, TabletId } from "../store/store.ts";
import type { Table } from "../store/catalog.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { JsonValue } from "../values/json.ts";
import type { Validator } from "../values/validator.ts";
import type { LoadedDeployment } from "./deployment.ts";
import type { Snapshots } from "./snapshots.ts";

/** A table that streams may show. */
export interface StreamTable {
  readonly tablet: TabletId;
  /** Path; "" is the app. */
  readonly component: string;
  readonly name: string;
}

/** Answer of "stream.tables", in the order of their tablets. */
export interface StreamTables {
  readonly tables: readonly StreamTable[];
  /** Where a record says that a table was deleted, emptied or replaced. */
  readonly breaks: TabletId;
}

/** Answer of "stream.open". */
export interface StreamSnapshot {
  readonly ts: string;
  readonly snapshot: number;
}

/** Answer of "stream.page". */
export interface StreamPage {
  /** Canonical texts. */
  readonly documents: readonly string[];
  /** Null: the table has been read to its end. */
  readonly next: string | null;
}

/** Answer of "stream.columns". */
export interface TableColumns extends StreamTable {
  /** Of the active schema; null: it does not name the table, or is not enforced. */
  readonly validator: Validator | null;
  /** Fields of the validator, and of the documents that were looked at. */
  readonly columns: readonly string[];
}

interface Scope {
  readonly tx: Transaction;
  readonly deployment: LoadedDeployment;
  readonly streamSnapshots: Snapshots;
}
type Operation = (args: JsonValue, scope: Scope) => unknown;

const pageRowsMax = 512;
/** Documents looked at for their columns, where no schema names them: so many of the oldest and of the newest. */
const sampleRowsMax = 200;
const sampleBytesMax = 8 * 1024 * 1024;

const pageArguments = z.object({
  /** Of "stream.open"; null: none. */
  snapshot: z.number().nullable(),
  ts: z.string(),
  tablet: z.number(),
  from: z.string(),
  bytesMax: z.number(),
});

/** What a streaming export asks for (transfer/streamingExport.ts). */
export const streamOperations: Readonly<Record<string, Operation>> = {
  "stream.tables": (_args, scope): StreamTables => ({
    tables: shownTables(scope).map(brief),
    breaks: tableBreaksTable.tablet,
  }),
  "stream.open": (args, { tx, streamSnapshots }): StreamSnapshot => {
    const { tablets } = z.object({ tablets: z.array(z.number()) }).parse(args);
    const catalog = tx.catalog();
    // What has gone since it was asked for is not shown.
    const tables = tablets.flatMap((tablet) => catalog.tableByTablet(tablet) ?? []);
    return { ts: String(tx.snapshotTs), snapshot: streamSnapshots.open(tx.snapshotTs, catalog, tables) };
  },
  /** A page of the snapshot if it is still open and stands there, else of what there is now. */
  "stream.page": (args, { tx, streamSnapshots }): StreamPage => {
    const { snapshot, ts, tablet, from, bytesMax } = pageArguments.parse(args);
    const table = tx.catalog().tableByTablet(tablet);
    if (table === null) return { documents: [], next: null };
    if (snapshot !== null && streamSnapshots.isAt(snapshot, BigInt(ts), tablet, from)) {
      const page = streamSnapshots.page(snapshot, tablet, bytesMax);
      return { documents: page.documents.map(({ json }) => json), next: page.next };
    }
    return currentPage(tx, table, from, bytesMax);
  },
  "stream.close": (args, { streamSnapshots }) => {
    streamSnapshots.close(z.object({ snapshot: z.number() }).parse(args).snapshot);
  },
  /** All tables are something else now (a restored backup): whoever follows them begins anew. */
  "stream.breakAll": (_args, scope) => {
    for (const { component, table } of shownTables(scope)) insertTableBreak(scope.tx, component, table.name);
  },
  "stream.columns": (_args, scope): readonly TableColumns[] => {
    const budget = { bytes: sampleBytesMax };
    return shownTables(scope).map((shown) => {
      const { table } = shown;
      const schema = scope.tx.catalog().activeSchema(table.namespace);
      const validator = schema?.schemaValidation === true ? (schema.tables.get(table.name) ?? null) : null;
      const declared = validator === null ? null : fieldsOf(validator);
      const columns = new Set([
        "_id",
        "_creationTime",
        ...(declared ?? sampledFields(scope.tx, table, budget)),
      ]);
      return { ...brief(shown), validator, columns: [...columns].toSorted() };
    });
  },
};

interface ShownTable {
  readonly component: string;
  readonly table: Table;
}

function shownTables({ tx, deployment }: Scope): readonly ShownTable[] {
  const components = [...deployment.components.values()].toSorted((a, b) =>
    a.componentPath < b.componentPath ? -1 : 1,
  );
  const seen = new Set<Namespace>();
  return components
    .flatMap(({ componentPath, namespace }) => {
      if (seen.has(namespace)) return [];
      seen.add(namespace);
      const tables = tx.catalog().tables(namespace);
      return tables.filter(({ system }) => !system).map((table) => ({ component: componentPath, table }));
    })
    .toSorted((a, b) => a.table.tablet - b.table.tablet);
}

function brief({ component, table }: ShownTable): StreamTable {
  return { tablet: table.tablet, component, name: table.name };
}

function currentPage(tx: Transaction, table: Table, from: string, bytesMax: number): StreamPage {
  const { documents, isEnd } = take(tx.scan(table.byId, from, null, "asc"), pageRowsMax, bytesMax);
  const last = documents.at(-1);
  return {
    documents: documents.map(({ json }) => json),
    next: isEnd || last === undefined ? null : `${last.id}\0`,
  };
}

/** At most so many, and no further one when they have so many bytes together. */
function take(
  scan: Iterable<StoredDocument>,
  rowsMax: number,
  bytesMax: number,
): { documents: readonly StoredDocument[]; isEnd: boolean; bytes: number } {
  const documents: StoredDocument[] = [];
  let bytes = 0;
  for (const document of scan) {
    documents.push(document);
    bytes += document.json.length;
    if (documents.length >= rowsMax || bytes >= bytesMax) return { documents, isEnd: false, bytes };
  }
  return { documents, isEnd: true, bytes };
}

/** Null: any. */
function fieldsOf(validator: Validator): readonly string[] | null {
  if (validator.type === "object") return Object.keys(validator.value);
  if (validator.type !== "union") return null;
  const members = validator.value.map(fieldsOf);
  return members.includes(null) ? null : members.flatMap((fields) => fields ?? []);
}

/** Takes what it reads out of the budget. */
function sampledFields(tx: Transaction, table: Table, budget: { bytes: number }): readonly string[] {
  const names = new Set<string>();
  for (const order of ["asc", "desc"] as const) {
    if (budget.bytes <= 0) break;
    const { documents, bytes } = take(tx.scan(table.byId, "", null, order), sampleRowsMax, budget.bytes);
    budget.bytes -= bytes;
    for (const { value } of documents) for (const name of Object.keys(value)) names.add(name);
  }
  return [...names];
}
