import { badRequest } from "../base/errors.ts";
import { rootTable, scanPrefix } from "../jobs/systemScan.ts";
import {
  cronJobLogsTable,
  cronJobsTable,
  jobQueueTable,
  publicSystemTables,
  systemTables,
} from "../store/systemTables.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { componentRows, readComponents, type ComponentRow } from "./componentRows.ts";
import type { ComponentInstance } from "./componentTree.ts";
import { recordTableBreak } from "./tableBreaks.ts";
import {
  deleteRow,
  fileRemovalRows,
  fileRows,
  indexRows,
  insertRow,
  replaceRow,
  rootNamespace,
  rowsMatching,
  rowsOf,
  schemaRows,
  stagedValidatorRows,
  tableRows,
  type SystemRow,
  type SystemTable,
} from "./systemRows.ts";

/*
 * The life of component instances: allocated when a push starts, mounted when it is finished, unmounted by a push that
 * does not have them, deleted on demand.
 */

/** What a finished push did to an instance. */
export type MountChange = "create" | "modify" | "remount" | "unmount";

function rowOf(instance: ComponentInstance, state: ComponentRow["state"]): ComponentRow {
  return {
    path: instance.path,
    state,
    definitionPath: instance.definitionPath,
    args: JSON.stringify(instance.args),
    env: JSON.stringify(instance.env),
    httpPrefix: instance.httpPrefix,
  };
}

/**
 * Gives every instance of a push its namespace, with the system tables that functions see. What earlier pushes allocated
 * and never finished is removed unless it is wanted again.
 */
export function allocateNamespaces(
  tx: Transaction,
  instances: readonly ComponentInstance[],
): ReadonlyMap<string, Namespace> {
  const namespaces = new Map<string, Namespace>([["", rootNamespace]]);
  const wanted = new Map(instances.map((instance) => [instance.path, instance]));
  for (const row of readComponents(tx)) {
    if (wanted.has(row.value.path)) namespaces.set(row.value.path, row.idText);
    else if (row.value.state === "pending") deleteInstance(tx, row);
  }
  for (const instance of instances) {
    if (namespaces.has(instance.path)) continue;
    const namespace = insertRow(tx, componentRows, rowOf(instance, "pending"));
    createSystemTables(tx, namespace);
    namespaces.set(instance.path, namespace);
  }
  return namespaces;
}

/** The namespaces that exist, without allocating any: for dry runs. */
export function existingNamespaces(tx: Transaction): ReadonlyMap<string, Namespace> {
  const rows = readComponents(tx).map((row): [string, Namespace] => [row.value.path, row.idText]);
  return new Map([["", rootNamespace], ...rows]);
}

function createSystemTables(tx: Transaction, namespace: Namespace): void {
  for (const definition of systemTables) {
    if (!publicSystemTables.has(definition.number)) continue;
    const table = tx.createSystemTable(namespace, definition.name, definition.number);
    for (const { name, fields } of definition.indexes) {
      insertRow(tx, indexRows, {
        namespace,
        table: definition.name,
        tablet: table.tablet,
        name,
        index: tx.nextPhysicalId(),
        fields,
        state: "enabled",
        staged: false,
      });
    }
  }
}

/** Makes these instances, and no others, the mounted ones. Returns what became of each, by component path. */
export function mountInstances(
  tx: Transaction,
  instances: readonly ComponentInstance[],
  namespaces: ReadonlyMap<string, Namespace>,
): ReadonlyMap<string, MountChange> {
  const changes = new Map<string, MountChange>();
  const rows = new Map(readComponents(tx).map((row) => [row.value.path, row]));
  for (const instance of instances) {
    const row = rows.get(instance.path);
    rows.delete(instance.path);
    if (row === undefined || row.idText !== namespaces.get(instance.path)) {
      throw badRequest(
        "RaceDetected",
        `The component ${instance.path} was removed by another push or deleted while this push was going on.`,
      );
    }
    const { state } = row.value;
    changes.set(instance.path, state === "pending" ? "create" : state === "unmounted" ? "remount" : "modify");
    const next = rowOf(instance, "active");
    if (!isSame(row.value, next)) replaceRow(tx, componentRows, row.id, next);
  }
  for (const row of rows.values()) {
    if (row.value.state !== "active") continue;
    changes.set(row.value.path, "unmount");
    replaceRow(tx, componentRows, row.id, { ...row.value, state: "unmounted" });
  }
  return changes;
}

function isSame(before: ComponentRow, after: ComponentRow): boolean {
  return (Object.keys(after) as (keyof ComponentRow)[]).every((key) => before[key] === after[key]);
}

/** Deletes an unmounted component with all its data. Throws BadRequest for one that is mounted or not there. */
export function deleteComponent(tx: Transaction, componentId: string): void {
  const row = readComponents(tx).find(({ idText }) => idText === componentId);
  if (row === undefined || row.value.state === "pending")
    throw badRequest("ComponentNotFound", `There is no component ${componentId}.`);
  if (row.value.state === "active") {
    throw badRequest(
      "CannotDeleteActiveComponent",
      `The component ${row.value.path} is mounted. Remove it from convex.config.ts and push, then delete it.`,
    );
  }
  deleteInstance(tx, row);
}

/** The server's tables about jobs and crons, each with an index that starts with the namespace. */
const tablesOfJobs = [
  [jobQueueTable, "by_namespace"],
  [cronJobsTable, "by_name"],
  [cronJobLogsTable, "by_name"],
] as const;

interface NamespacedRow {
  readonly namespace: string;
}

function deleteInstance(tx: Transaction, row: SystemRow<ComponentRow>): void {
  const namespace = row.idText;
  // Read first, then delete: nothing is removed under a scan.
  const files = [...rowsMatching(tx, fileRows, "by_storage_id", [namespace])];
  for (const file of files) {
    deleteRow(tx, fileRows, file.id);
    insertRow(tx, fileRemovalRows, { key: file.value.key });
  }
  for (const [definition, indexName] of tablesOfJobs) {
    const table = rootTable(tx, definition);
    const documents = [...scanPrefix(tx, definition, indexName, [namespace])];
    for (const { id } of documents) tx.delete(table, id);
  }
  for (const { value } of rowsOf(tx, tableRows))
    if (value.namespace === namespace) recordTableBreak(tx, namespace, value.name);
  const owned: readonly SystemTable<NamespacedRow>[] = [
    indexRows,
    tableRows,
    schemaRows,
    stagedValidatorRows,
  ];
  for (const table of owned) {
    for (const { id, value } of rowsOf(tx, table))
      if (value.namespace === namespace) deleteRow(tx, table, id);
  }
  deleteRow(tx, componentRows, row.id);
}
