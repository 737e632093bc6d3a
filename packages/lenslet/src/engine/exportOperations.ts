import { z } from "zod";
import { badRequest, LensletError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { namespaceOfId } from "../deploy/componentRows.ts";
import {
  exportRows,
  type ExportRow,
  insertRow,
  replaceRow,
  rowsOf,
  type SystemRow,
} from "../deploy/systemRows.ts";
import type { Table } from "../store/catalog.ts";
import type { Namespace, TabletId } from "../store/store.ts";
import { filesTable, storageTable } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { tryDecodeId } from "../values/id.ts";
import type { JsonValue } from "../values/json.ts";
import type { LoadedDeployment } from "./deployment.ts";
import { isBelow } from "./importOperations.ts";
import type { Snapshots } from "./snapshots.ts";

/** http-api.md §10.1 */
const exportAgeMaxMs = 14 * 24 * 3600 * 1000;

export interface ExportTable {
  readonly name: string;
  readonly number: number;
  readonly tablet: TabletId;
}

/** Answer of "export.begin": what to read of which snapshot. */
export interface ExportPlan {
  readonly snapshot: number;
  readonly files: ExportTable;
  readonly components: readonly {
    readonly path: string;
    readonly namespace: Namespace;
    readonly tables: readonly ExportTable[];
    readonly storage: ExportTable | null;
  }[];
}

/** Answer of "export.find". */
export interface FoundExport {
  readonly key: string;
  readonly startTs: string;
}

interface Scope {
  readonly tx: Transaction;
  readonly deployment: LoadedDeployment;
  readonly snapshots: Snapshots;
  readonly clock: Clock;
}
type Operation = (args: JsonValue, scope: Scope) => unknown;

const byId = z.object({ id: z.string() });

export const exportOperations: Readonly<Record<string, Operation>> = {
  "export.request": (args, { tx, clock }) => {
    const { includeStorage, componentId } = z
      .object({ includeStorage: z.boolean(), componentId: z.string().nullable() })
      .parse(args);
    const namespace = namespaceOfId(tx, componentId);
    const isRunning = ({ value: { state } }: SystemRow<ExportRow>) =>
      state === "requested" || state === "in_progress";
    if (rowsOf(tx, exportRows).some(isRunning)) {
      throw badRequest("ExportInProgress", "There is already an export requested or in progress.");
    }
    return insertRow(tx, exportRows, {
      state: "requested",
      requestor: "snapshotExport",
      format: { format: "zip", include_storage: includeStorage },
      ...(namespace === "" ? {} : { component: namespace }),
      expiration_ts: BigInt(Math.floor(clock.nowMs() + exportAgeMaxMs)) * 1_000_000n,
    });
  },
  /** After a start of the server: what was not finished begins anew. Answers the keys of the exports to be kept. */
  "export.restart": (_args, { tx, clock }): readonly string[] => {
    const nowNs = BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
    return rowsOf(tx, exportRows).flatMap((row) => {
      const { value } = row;
      if (value.state === "in_progress") replaceRow(tx, exportRows, row.id, { ...value, state: "requested" });
      return value.zip_object_key === undefined || value.expiration_ts < nowNs ? [] : [value.zip_object_key];
    });
  },
  "export.begin": (args, { tx, deployment, snapshots }): ExportPlan => {
    const row = exportOf(tx, byId.parse(args).id);
    const catalog = tx.catalog();
    const exported = [...deployment.components.values()];
    const root = exported.find(({ namespace }) => namespace === row.value.component)?.componentPath ?? "";
    const shown = exported.filter(({ componentPath }) => isBelow(componentPath, root));
    const components = shown.map(({ componentPath, namespace }) => {
      const all = catalog.tables(namespace);
      return {
        // The component that is exported is the root of the ZIP file.
        path: root === "" ? componentPath : componentPath.slice(root.length + 1),
        namespace,
        tables: all.filter((table) => !table.system),
        storage: all.find(({ name }) => name === storageTable.name) ?? null,
      };
    });
    const files = tableNamed(tx, filesTable.name);
    const tables = components.flatMap((component) => [
      ...component.tables,
      ...(component.storage === null ? [] : [component.storage]),
    ]);
    const snapshot = snapshots.open(tx.snapshotTs, catalog, [...tables, files]);
    replaceRow(tx, exportRows, row.id, { ...row.value, state: "in_progress", start_ts: tx.snapshotTs });
    return {
      snapshot,
      files: brief(files),
      components: components.map((component) => ({
        ...component,
        tables: component.tables.map(brief),
        storage: component.storage === null ? null : brief(component.storage),
      })),
    };
  },
  /** False: it has been cancelled. */
  "export.complete": (args, { tx, clock }): boolean => {
    const { id, key } = z.object({ id: z.string(), key: z.string() }).parse(args);
    const row = exportOf(tx, id);
    if (row.value.state !== "in_progress") return false;
    replaceRow(tx, exportRows, row.id, {
      ...row.value,
      state: "completed",
      complete_ts: BigInt(Math.floor(clock.nowMs())) * 1_000_000n,
      zip_object_key: key,
    });
    return true;
  },
  "export.fail": (args, { tx }) => {
    const row = exportOf(tx, byId.parse(args).id);
    if (row.value.state === "in_progress" || row.value.state === "requested")
      replaceRow(tx, exportRows, row.id, { ...row.value, state: "failed" });
  },
  "export.cancel": (args, { tx }) => {
    const row = exportOf(tx, byId.parse(args).id);
    if (row.value.state === "in_progress" || row.value.state === "requested")
      replaceRow(tx, exportRows, row.id, { ...row.value, state: "canceled" });
  },
  "export.find": (args, { tx, clock }): FoundExport => {
    const { reference } = z.object({ reference: z.string() }).parse(args);
    const isTs = /^\d+$/.test(reference);
    if (!isTs && tryDecodeId(reference) === null) {
      throw badRequest("BadSnapshotId", `${reference} is neither the timestamp nor the id of an export.`);
    }
    const row = rowsOf(tx, exportRows).find(({ idText, value }) =>
      isTs ? value.start_ts === BigInt(reference) : idText === reference,
    );
    const nowNs = BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
    if (row === undefined || row.value.expiration_ts < nowNs) throw exportNotFound();
    const { zip_object_key: key, start_ts: startTs } = row.value;
    if (key === undefined || startTs === undefined) {
      throw badRequest("ExportNotComplete", "The requested export has not completed.");
    }
    return { key, startTs: String(startTs) };
  },
  "export.setExpiration": (args, { tx, clock }) => {
    const { id, expirationTsNs } = z.object({ id: z.string(), expirationTsNs: z.number() }).parse(args);
    const inMs = expirationTsNs / 1_000_000 - clock.nowMs();
    if (inMs < 0) throw badRequest("ExpirationInPast", "An export cannot expire in the past.");
    if (inMs > 60 * 24 * 3600 * 1000) {
      throw badRequest("ExpirationTooLate", "An export can be kept for 60 days at most.");
    }
    const row = exportOf(tx, id);
    replaceRow(tx, exportRows, row.id, { ...row.value, expiration_ts: BigInt(Math.floor(expirationTsNs)) });
  },
  "snapshot.page": (args, { snapshots }) => {
    const { snapshot, tablet, bytesMax } = z
      .object({ snapshot: z.number(), tablet: z.number(), bytesMax: z.number() })
      .parse(args);
    const { documents, isDone } = snapshots.page(snapshot, tablet, bytesMax);
    return { documents: documents.map(({ json }) => json), isDone };
  },
  "snapshot.close": (args, { snapshots }) => {
    snapshots.close(z.object({ snapshot: z.number() }).parse(args).snapshot);
  },
};

function brief({ name, number, tablet }: Table): ExportTable {
  return { name, number, tablet };
}

function tableNamed(tx: Transaction, name: string): Table {
  const table = tx.table("" as Namespace, name);
  if (table === null) throw new Error(`the system table ${name} is missing`);
  return table;
}

function exportOf(tx: Transaction, id: string): SystemRow<ExportRow> {
  const row = rowsOf(tx, exportRows).find(({ idText }) => idText === id);
  if (row === undefined) throw exportNotFound();
  return row;
}

function exportNotFound(): LensletError {
  return new LensletError("NotFound", "ExportNotFound", "The requested export was not found.");
}
