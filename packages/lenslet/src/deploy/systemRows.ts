import { assert } from "../base/assert.ts";
import type { Table } from "../store/catalog.ts";
import type { Namespace, StoredDocument } from "../store/store.ts";
import {
  authTable,
  componentDefinitionsTable,
  deploymentEventsTable,
  deploymentTable,
  environmentVariablesTable,
  exportsTable,
  fileContentsTable,
  fileRemovalsTable,
  filesTable,
  importsTable,
  indexesTable,
  modulesTable,
  schemasTable,
  stagedValidatorsTable,
  tablesTable,
  udfConfigTable,
  type SystemTableDefinition,
} from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { InternalId } from "../values/id.ts";
import { encodeKeyPart, type IndexKey, prefixEnd } from "../values/key.ts";
import type { Value, ValueObject } from "../values/value.ts";

/** System tables live in the root namespace, which is also the app's. */
export const rootNamespace = "" satisfies Namespace;

/**
 * Whose code a row of `_modules` or `_udf_config` is: the app's ("", as in its namespace), or that of a component's
 * definition, which all its instances share.
 */
export type CodeOwner = "" | `definition:${string}`;

export function codeOwnerOf(definitionPath: string): CodeOwner {
  return definitionPath === "" ? "" : `definition:${definitionPath}`;
}

/** A system document: its id and its fields, whose types the server itself guarantees by being the only writer. */
export interface SystemRow<T> {
  readonly id: InternalId;
  readonly idText: string;
  readonly creationTime: number;
  readonly value: T;
}

export type SchemaRowState = "pending" | "validated" | "active" | "failed" | "overwritten";
export interface SchemaRow {
  readonly namespace: string;
  readonly state: SchemaRowState;
  /** SchemaJson text. */
  readonly schema: string;
  /** Only when failed. */
  readonly error?: string;
  readonly tableName?: string;
}
export interface StagedValidatorRow {
  readonly namespace: string;
  readonly table: string;
  /** JSON text of a Validator. */
  readonly validator: string;
  readonly state: "pending" | "valid" | "failed";
  /** Only when failed. */
  readonly error?: string;
}
export interface IndexRow {
  readonly namespace: string;
  readonly table: string;
  readonly tablet: number;
  readonly name: string;
  readonly index: number;
  /** Of a text search or vector index: the searched field alone. */
  readonly fields: readonly string[];
  /** Absent for database indexes. */
  readonly kind?: "search" | "vector";
  /** Of a text search or vector index. */
  readonly filterFields?: readonly string[];
  /** Of a vector index. */
  readonly dimensions?: number;
  readonly state: "backfilling" | "backfilled" | "enabled";
  readonly staged: boolean;
}
export interface TableRow {
  readonly namespace: string;
  readonly name: string;
  readonly number: number;
  readonly tablet: number;
  readonly byId: number;
  readonly byCreationTime: number;
}
export interface ModuleRow {
  /** A `CodeOwner`. */
  readonly namespace: string;
  readonly path: string;
  readonly environment: "isolate" | "node";
  readonly source: string;
  readonly sourceMap: string | null;
  readonly sha256: string;
  /** JSON text of an AnalyzedModule. */
  readonly analysis: string;
}
export interface EnvironmentVariableRow {
  readonly name: string;
  readonly value: string;
}
export interface AuthRow {
  /** JSON text of an AuthInfo. */
  readonly provider: string;
}
export interface UdfConfigRow {
  /** A `CodeOwner`. */
  readonly namespace: string;
  readonly serverVersion: string;
  readonly importSeed: ArrayBuffer;
  readonly importTimestampMs: number;
  readonly nodeVersion: string | null;
}
export interface FileRow {
  readonly namespace: string;
  /** Id of the `_storage` document. */
  readonly storageId: string;
  /** The UUID in the file's URL. */
  readonly fileId: string;
  /** Of the contents in the file store. */
  readonly key: string;
}
export interface FileContentsRow {
  readonly key: string;
  readonly part: number;
  readonly bytes: ArrayBuffer;
}
export interface FileRemovalRow {
  readonly key: string;
}
export interface ComponentDefinitionRow {
  readonly path: string;
  /** JSON text of a DefinitionMetadata. */
  readonly definition: string;
}
export interface ExportRow {
  readonly state: "requested" | "in_progress" | "completed" | "failed" | "canceled";
  readonly requestor: "snapshotExport";
  readonly format: { readonly format: "zip"; readonly include_storage: boolean };
  /** Of this namespace and what is mounted in it; absent: of everything. */
  readonly component?: string;
  /** These three in nanoseconds since the epoch. */
  readonly expiration_ts: bigint;
  /** The snapshot that it shows. */
  readonly start_ts?: bigint;
  readonly complete_ts?: bigint;
  /** Name of the file that holds it. */
  readonly zip_object_key?: string;
}
/** Reference http-api.md §10.2. */
export type ImportState =
  | { readonly state: "uploaded" }
  | {
      readonly state: "waiting_for_confirmation";
      readonly message_to_confirm: string;
      readonly require_manual_confirmation: boolean;
    }
  | {
      readonly state: "in_progress";
      readonly progress_message: string;
      readonly checkpoint_messages: readonly string[];
    }
  | { readonly state: "completed"; readonly timestamp: bigint; readonly num_rows_written: bigint }
  | { readonly state: "failed"; readonly error_message: string };
export interface ImportRow {
  readonly state: ImportState;
  readonly format: { readonly format: string; readonly table?: string };
  readonly mode: string;
  readonly component_path: string | null;
  /** Name of the file that holds what was uploaded. */
  readonly object_key: string;
  readonly checkpoints: readonly never[];
  readonly requestor: "snapshotImport";
  /** Into tables that existed before, so that an import that was broken off goes on after them. */
  readonly rows_written?: number;
}
/** Reference dashboard.md §7. */
export interface DeploymentEventRow {
  readonly action: string;
  /** Nobody is known by name: the dashboard shows "Convex". */
  readonly member_id: null;
  readonly metadata: ValueObject;
  readonly client_ip?: string;
  readonly client_user_agent?: string;
}
export interface DeploymentRow {
  readonly key: string;
  readonly value: string;
}

/** Ties a system table to the type of its rows. */
export interface SystemTable<T> {
  readonly definition: SystemTableDefinition;
  readonly __row?: T;
}
export const schemaRows: SystemTable<SchemaRow> = { definition: schemasTable };
export const stagedValidatorRows: SystemTable<StagedValidatorRow> = { definition: stagedValidatorsTable };
export const indexRows: SystemTable<IndexRow> = { definition: indexesTable };
export const tableRows: SystemTable<TableRow> = { definition: tablesTable };
export const moduleRows: SystemTable<ModuleRow> = { definition: modulesTable };
export const environmentVariableRows: SystemTable<EnvironmentVariableRow> = {
  definition: environmentVariablesTable,
};
export const authRows: SystemTable<AuthRow> = { definition: authTable };
export const udfConfigRows: SystemTable<UdfConfigRow> = { definition: udfConfigTable };
export const fileRows: SystemTable<FileRow> = { definition: filesTable };
export const fileContentsRows: SystemTable<FileContentsRow> = { definition: fileContentsTable };
export const fileRemovalRows: SystemTable<FileRemovalRow> = { definition: fileRemovalsTable };
export const componentDefinitionRows: SystemTable<ComponentDefinitionRow> = {
  definition: componentDefinitionsTable,
};
export const exportRows: SystemTable<ExportRow> = { definition: exportsTable };
export const importRows: SystemTable<ImportRow> = { definition: importsTable };
export const deploymentEventRows: SystemTable<DeploymentEventRow> = { definition: deploymentEventsTable };
export const deploymentRows: SystemTable<DeploymentRow> = { definition: deploymentTable };

export function tableOf(tx: Transaction, table: SystemTable<unknown>): Table {
  const found = tx.table(rootNamespace, table.definition.name);
  assert(found !== null, `the system table ${table.definition.name} exists`);
  return found;
}

/** All rows, oldest first. */
export function rowsOf<T>(tx: Transaction, table: SystemTable<T>): readonly SystemRow<T>[] {
  return oldestRows(tx, table, Infinity);
}

/** The rows whose first index fields have these values, in index order. */
export function* rowsMatching<T>(
  tx: Transaction,
  table: SystemTable<T>,
  indexName: string,
  values: readonly Value[],
): Generator<SystemRow<T>, void, undefined> {
  const index = tableOf(tx, table).indexes.find(({ name }) => name === indexName);
  assert(index !== undefined, `the system table ${table.definition.name} has the index ${indexName}`);
  const prefix = values.map((value) => encodeKeyPart(value)).join("") as IndexKey;
  for (const document of tx.scan(index, prefix, prefixEnd(prefix), "asc")) yield rowOf(document);
}

/** The oldest rows, at most `limit`. */
export function oldestRows<T>(
  tx: Transaction,
  table: SystemTable<T>,
  limit: number,
): readonly SystemRow<T>[] {
  const rows: SystemRow<T>[] = [];
  if (limit <= 0) return rows;
  for (const document of tx.scan(tableOf(tx, table).byId, "", null, "asc")) {
    rows.push(rowOf(document));
    if (rows.length >= limit) break;
  }
  return rows;
}

function rowOf<T>(document: StoredDocument): SystemRow<T> {
  return {
    id: document.id,
    idText: document.idText,
    creationTime: document.value["_creationTime"] as number,
    value: document.value as unknown as T,
  };
}

/** Returns the new row's id text. */
export function insertRow<T extends object>(tx: Transaction, table: SystemTable<T>, value: T): string {
  return tx.insert(rootNamespace, table.definition.name, value as unknown as ValueObject);
}

export function replaceRow<T extends object>(
  tx: Transaction,
  table: SystemTable<T>,
  id: InternalId,
  value: T,
): void {
  const { _id, _creationTime, ...fields } = value as unknown as Record<string, ValueObject[string]>;
  tx.replace(tableOf(tx, table), id, fields);
}

export function deleteRow<T>(tx: Transaction, table: SystemTable<T>, id: InternalId): void {
  tx.delete(tableOf(tx, table), id);
}

/** State of the instance under a key of `_deployment`; null when never set. */
export function deploymentValue(tx: Transaction, key: string): string | null {
  return rowsOf(tx, deploymentRows).find((row) => row.value.key === key)?.value.value ?? null;
}

/** Writes nothing when the value is already there. */
export function setDeploymentValue(tx: Transaction, key: string, value: string): void {
  const row = rowsOf(tx, deploymentRows).find((candidate) => candidate.value.key === key);
  if (row === undefined) insertRow(tx, deploymentRows, { key, value });
  else if (row.value.value !== value) replaceRow(tx, deploymentRows, row.id, { key, value });
}
