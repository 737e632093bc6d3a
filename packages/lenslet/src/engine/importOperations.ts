import { z } from "zod";
import { badRequest, LensletError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { deleteFile, fileIdOf, findFile, isFileId } from "../deploy/fileRows.ts";
import {
  checkImportName,
  checkNewRow,
  clearTable,
  createStagedTable,
  dropStagedTables,
  importRow,
  importRowTo,
  publishStagedTable,
  type ImportNames,
} from "../deploy/importTables.ts";
import {
  fileRows,
  importRows,
  type ImportRow,
  type ImportState,
  insertRow,
  replaceRow,
  rowsOf,
  type SystemRow,
} from "../deploy/systemRows.ts";
import { recordEvent } from "../deploy/deploymentEvents.ts";
import type { Namespace } from "../store/store.ts";
import { storageTable } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeId } from "../values/id.ts";
import type { JsonValue } from "../values/json.ts";
import type { ValueObject } from "../values/value.ts";
import type { LoadedDeployment } from "./deployment.ts";

interface Scope {
  readonly tx: Transaction;
  readonly deployment: LoadedDeployment;
  readonly clock: Clock;
  readonly random: Random;
}
type Operation = (args: JsonValue, scope: Scope) => unknown;

const modes = {
  requireEmpty: "RequireEmpty",
  append: "Append",
  replace: "Replace",
  replaceAll: "ReplaceAll",
};
const formats = { csv: "csv", jsonLines: "jsonl", jsonArray: "json_array", zip: "zip" };

const creation = z.object({
  import: z.object({
    tableName: z.string().nullish(),
    componentPath: z.string().nullish(),
    mode: z.enum(["requireEmpty", "append", "replace", "replaceAll"]).default("requireEmpty"),
    format: z.enum(["csv", "jsonLines", "jsonArray", "zip"]),
  }),
  key: z.string(),
});

const names = z.object({
  /** Tables of the import by component path: `[name, number]`. */
  tables: z.record(z.string(), z.array(z.tuple([z.string(), z.number()]))),
});

/** What the importer (transfer/importer.ts) asks for. */
export interface ImportTarget {
  readonly namespace: string;
  readonly name: string;
  readonly number: number;
  /** Documents there are now. */
  readonly existing: number;
  /** In the active schema. */
  readonly isDeclared: boolean;
}

function checkedCreation(args: JsonValue, deployment: LoadedDeployment) {
  const { import: wanted, key } = creation.parse(args);
  const { tableName = null, componentPath = null, mode, format } = wanted;
  checkImportName(format, tableName);
  namespaceOf(deployment, componentPath ?? "");
  return { key, tableName, componentPath, mode, format };
}

export const importOperations: Readonly<Record<string, Operation>> = {
  /** Throws what `import.create` would. */
  "import.check": (args, { deployment }) => {
    checkedCreation(args, deployment);
  },
  "import.create": (args, { tx, deployment }) => {
    const { key, tableName, componentPath, mode, format } = checkedCreation(args, deployment);
    return insertRow(tx, importRows, {
      state: { state: "uploaded" },
      format: { format: formats[format], ...(tableName ? { table: tableName } : {}) },
      mode: modes[mode],
      component_path: componentPath,
      object_key: key,
      checkpoints: [],
      requestor: "snapshotImport",
    });
  },
  /** After a start of the server: nothing is staged any more. Answers the keys of uploads that are still wanted. */
  "import.restart": (_args, { tx }): readonly string[] => {
    dropStagedTables(tx);
    return rowsOf(tx, importRows).flatMap(({ value }) =>
      value.state.state === "completed" || value.state.state === "failed" ? [] : [value.object_key],
    );
  },
  "import.state": (args, { tx }) => {
    const { id, state, from } = z
      .object({ id: z.string(), state: z.json(), from: z.array(z.string()) })
      .parse(args);
    const row = importOf(tx, id);
    // Whoever cancels it does so at any moment.
    if (!from.includes(row.value.state.state)) return false;
    const next = state as unknown as ImportState;
    replaceRow(tx, importRows, row.id, { ...row.value, state: next });
    return true;
  },
  "import.perform": (args, { tx }) => {
    const row = importOf(tx, z.object({ importId: z.string() }).parse(args).importId);
    if (row.value.state.state !== "waiting_for_confirmation") {
      throw badRequest(
        "ImportNotWaiting",
        `The import is not waiting for confirmation; it is ${row.value.state.state}.`,
      );
    }
    replaceRow(tx, importRows, row.id, {
      ...row.value,
      state: { state: "in_progress", progress_message: "Importing", checkpoint_messages: [] },
    });
  },
  "import.cancel": (args, { tx }) => {
    const row = importOf(tx, z.object({ importId: z.string() }).parse(args).importId);
    const { state } = row.value.state;
    if (state === "completed" || state === "failed") return;
    replaceRow(tx, importRows, row.id, {
      ...row.value,
      state: { state: "failed", error_message: "Import was canceled" },
    });
  },
  /** What there is under the names of an import. Throws what is wrong with them. */
  "import.targets": (args, { tx, deployment }): Record<string, ImportTarget[]> => {
    const { tables, mode, root } = names
      .extend({ mode: z.string(), root: z.string().nullable() })
      .parse(args);
    const components =
      root === null
        ? Object.keys(tables)
        : [...deployment.components.keys()].filter((path) => isBelow(path, root));
    for (const path of Object.keys(tables)) namespaceOf(deployment, path);
    return Object.fromEntries(
      [...new Set([...Object.keys(tables), ...(mode === "ReplaceAll" ? components : [])])].map((path) => [
        path,
        targetsOf(tx, namespaceOf(deployment, path), tables[path] ?? [], mode),
      ]),
    );
  },
  /** Checks rows without writing them, or writes them into a staged or an existing table. Answers how many. */
  "import.rows": (args, { tx, deployment, clock }) => {
    const { id, componentPath, name, mode, rows, into, tables } = names
      .extend({
        id: z.string(),
        componentPath: z.string(),
        name: z.string(),
        mode: z.string(),
        // Not looked into: what is wrong with a row is told below, and zod would leave a field "__proto__" out.
        rows: z.array(z.custom<JsonValue>(() => true)),
        into: z.enum(["nowhere", "staged", "table"]),
      })
      .parse(args);
    const namespace = namespaceOf(deployment, componentPath);
    const known: ImportNames = new Map(tables[componentPath] ?? []);
    for (const row of rows) {
      const document = importRow(tx, namespace, name, row, known, clock.nowMs());
      if (into === "nowhere") checkNewRow(tx, namespace, name, mode, document);
      else importRowTo(tx, into, namespace, name, document);
    }
    if (into === "table") {
      const row = importOf(tx, id);
      const written = (row.value.rows_written ?? 0) + rows.length;
      replaceRow(tx, importRows, row.id, { ...row.value, rows_written: written });
    }
    return rows.length;
  },
  "import.stage": (args, { tx, deployment }) => {
    const { tables } = names.parse(args);
    for (const [path, list] of Object.entries(tables)) {
      for (const [name] of list) createStagedTable(tx, namespaceOf(deployment, path), name);
    }
  },
  "import.abandon": (_args, { tx }) => dropStagedTables(tx),
  /** Makes everything that was staged what there is, in one commit. */
  "import.finish": (args, { tx, deployment, clock }) => {
    const { id, tables, cleared, storage, mode, rowsWritten } = names
      .extend({
        id: z.string(),
        mode: z.string(),
        cleared: z.record(z.string(), z.array(z.string())),
        storage: z.record(z.string(), z.array(storedFile)),
        rowsWritten: z.number(),
      })
      .parse(args);
    const row = importOf(tx, id);
    if (row.value.state.state !== "in_progress") return false;
    for (const [path, list] of Object.entries(cleared)) {
      for (const name of list) clearTable(tx, namespaceOf(deployment, path), name);
    }
    for (const [path, list] of Object.entries(tables)) {
      const namespace = namespaceOf(deployment, path);
      publishStagedTables(tx, namespace, list, mode);
    }
    for (const [path, files] of Object.entries(storage)) {
      importFiles(tx, namespaceOf(deployment, path), files, mode, clock.nowMs());
    }
    replaceRow(tx, importRows, row.id, {
      ...row.value,
      state: {
        state: "completed",
        timestamp: tx.snapshotTs,
        num_rows_written: BigInt(rowsWritten),
      },
    });
    recordEvent(tx, "snapshot_import", importMetadata(row.value, tables, cleared), null);
    return true;
  },
  "import.newFileId": (_args, { random }) => fileIdOf(random.bytes(16)),
};

function importMetadata(
  { mode, format, requestor }: ImportRow,
  tables: Readonly<Record<string, readonly (readonly [string, number])[]>>,
  cleared: Readonly<Record<string, readonly string[]>>,
): ValueObject {
  const byComponent = (names: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(names).map(([path, list]) => ({
      component: path === "" ? null : path,
      table_names: list,
    }));
  const written = Object.fromEntries(
    Object.entries(tables).map(([path, list]) => [path, list.map(([name]) => name)]),
  );
  const count = (names: Readonly<Record<string, readonly string[]>>) =>
    BigInt(Object.values(names).reduce((sum, list) => sum + list.length, 0));
  return {
    table_names: byComponent(written),
    table_count: count(written),
    import_mode: mode,
    import_format: { ...format },
    requestor,
    table_names_deleted: byComponent(cleared),
    table_count_deleted: count(cleared),
  };
}

const storedFile = z.object({
  id: z.string().nullable(),
  creationTime: z.number().nullable(),
  fileId: z.string().nullable(),
  sha256: z.string(),
  size: z.number(),
  contentType: z.string().nullable(),
  key: z.string(),
});
type StoredFileRow = z.infer<typeof storedFile>;

function publishStagedTables(
  tx: Transaction,
  namespace: Namespace,
  tables: readonly (readonly [string, number])[],
  mode: string,
): void {
  for (const [name, number] of tables) {
    const existing = tx.table(namespace, name);
    // Append too: rows that came since would be lost.
    const mustBeEmpty = mode === "RequireEmpty" || mode === "Append";
    if (mustBeEmpty && existing !== null && tx.count(existing) > 0) throw tableExists(name);
    publishStagedTable(tx, namespace, name, number);
  }
}

function importFiles(
  tx: Transaction,
  namespace: Namespace,
  files: readonly StoredFileRow[],
  mode: string,
  nowMs: number,
): void {
  const table = tx.table(namespace, storageTable.name);
  if (table === null) throw badRequest("ComponentNotFound", `There is no component ${namespace}.`);
  if (mode === "Replace" || mode === "ReplaceAll") {
    for (const document of tx.scan(table.byId, "", null, "asc")) {
      const file = findFile(tx, namespace, document.idText, "import");
      if (file !== null) deleteFile(tx, file);
    }
  } else if (mode === "RequireEmpty" && tx.count(table) > 0 && files.length > 0) {
    throw tableExists(storageTable.name);
  }
  const taken = new Set<string>();
  for (const file of files) {
    const { sha256, size, contentType, key } = file;
    const metadata = { sha256, size, contentType };
    let storageId = file.id;
    if (storageId === null) storageId = tx.insert(namespace, storageTable.name, metadata);
    else {
      const value = { ...metadata, _id: storageId, _creationTime: file.creationTime ?? nowMs };
      tx.insertAs(table, decodeId(storageId).id, storageId, value);
    }
    const fileId = file.fileId ?? storageId;
    if (!isFileId(fileId) || taken.has(fileId)) throw badRequest("InvalidImport", `Bad internalId ${fileId}`);
    taken.add(fileId);
    insertRow(tx, fileRows, { namespace, storageId, fileId, key });
  }
}

function targetsOf(
  tx: Transaction,
  namespace: Namespace,
  wanted: readonly (readonly [string, number])[],
  mode: string,
): ImportTarget[] {
  const declared = tx.catalog().activeSchema(namespace)?.tables ?? new Map<string, unknown>();
  const targets = wanted.map(([name, number]): ImportTarget => {
    const table = tx.table(namespace, name);
    const existing = table === null ? 0 : tx.count(table);
    if (mode === "RequireEmpty" && existing > 0) throw tableExists(name);
    return {
      namespace,
      name,
      number: numberOf(tx, namespace, name, number, wanted, mode),
      existing,
      isDeclared: declared.has(name),
    };
  });
  if (mode !== "ReplaceAll") return targets;
  const others = tx
    .catalog()
    .tables(namespace)
    .filter((table) => !table.system && !wanted.some(([name]) => name === table.name))
    .map((table): ImportTarget => ({
      namespace,
      name: table.name,
      number: 0,
      existing: tx.count(table),
      isDeclared: declared.has(table.name),
    }));
  return [...targets, ...others];
}

/** The number a table will have: the one its ids have, if they say; `given` 0: they do not. */
function numberOf(
  tx: Transaction,
  namespace: Namespace,
  name: string,
  given: number,
  wanted: readonly (readonly [string, number])[],
  mode: string,
): number {
  const own = tx.table(namespace, name);
  const isKept = own !== null && (mode === "Append" || given === 0);
  if (isKept && given !== 0 && given !== own.number) throw numberConflict(name, given);
  if (isKept) return own.number;
  const isTaken = (number: number) => {
    const other = tx.tableByNumber(namespace, number);
    const isReplaced = other !== null && wanted.some(([otherName]) => otherName === other.name);
    return other !== null && other.name !== name && !isReplaced && mode !== "ReplaceAll";
  };
  if (given !== 0) {
    if (given < 10_001 || isTaken(given)) throw numberConflict(name, given);
    return given;
  }
  const numbers = new Set([
    ...tx
      .catalog()
      .tables(namespace)
      .map((table) => table.number),
    ...wanted.map(([, number]) => number),
  ]);
  let number = 10_001;
  while (numbers.has(number)) number += 1;
  return number;
}

function numberConflict(name: string, number: number): LensletError {
  return badRequest(
    "TableNumberConflict",
    `Table ${name} cannot have the number ${number}: it belongs to another table, or the table has another one.`,
  );
}

function tableExists(name: string): LensletError {
  return badRequest(
    "TableExists",
    `Table ${name} already exists. Please choose a new table name or use replace/append modes.`,
  );
}

/** Whether a component is the one at `root` or mounted somewhere in it. */
export function isBelow(path: string, root: string): boolean {
  return root === "" || path === root || path.startsWith(`${root}/`);
}

function namespaceOf(deployment: LoadedDeployment, componentPath: string): Namespace {
  const component = deployment.components.get(componentPath);
  if (component === undefined) {
    throw badRequest("ComponentPathNotFound", `Component ${componentPath} not found`);
  }
  return component.namespace;
}

function importOf(tx: Transaction, id: string): SystemRow<ImportRow> {
  const row = rowsOf(tx, importRows).find(({ idText }) => idText === id);
  if (row === undefined) throw new LensletError("NotFound", "ImportNotFound", `There is no import ${id}.`);
  return row;
}
