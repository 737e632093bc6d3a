import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import type { SchemaViolation, Transaction } from "../transaction/transaction.ts";
import { isSubset } from "../values/validator.ts";
import { decodeSchema, stringifySchema } from "./schemaJson.ts";
import type { SchemaJson, TableJson } from "./schemaTypes.ts";
import { settleIndexes, unfinishedIndexes } from "./schemaIndexes.ts";
import { failStagedValidators, isValidatedForNext, settleStagedValidators } from "./stagedValidators.ts";
import {
  deleteRow,
  insertRow,
  replaceRow,
  rowsOf,
  schemaRows,
  type SchemaRow,
  type SystemRow,
} from "./systemRows.ts";

/** Where a push's schema stands, for wait_for_schema (reference http-api.md §6.4). */
export type SchemaStatus =
  | { readonly type: "inProgress"; readonly components: Readonly<Record<string, ComponentSchemaStatus>> }
  | {
      readonly type: "failed";
      readonly error: string;
      readonly componentPath: string;
      readonly tableName: string | null;
    }
  | { readonly type: "raceDetected" }
  | { readonly type: "complete" };

export interface ComponentSchemaStatus {
  readonly schemaValidationComplete: boolean;
  readonly indexesComplete: number;
  readonly indexesTotal: number;
}

function rowsIn(tx: Transaction, namespace: Namespace): readonly SystemRow<SchemaRow>[] {
  return rowsOf(tx, schemaRows).filter((row) => row.value.namespace === namespace);
}

export function activeSchemaRow(tx: Transaction, namespace: Namespace): SystemRow<SchemaRow> | null {
  return rowsIn(tx, namespace).find((row) => row.value.state === "active") ?? null;
}

export function activeSchema(tx: Transaction, namespace: Namespace): SchemaJson | null {
  const row = activeSchemaRow(tx, namespace);
  return row === null ? null : decodeSchema(row.value.schema);
}

/** The schema of a push in progress; at most one exists. */
export function pendingSchemaRow(tx: Transaction, namespace: Namespace): SystemRow<SchemaRow> | null {
  return rowsIn(tx, namespace).find((row) => isPending(row.value)) ?? null;
}

function isPending(row: SchemaRow): boolean {
  return row.state === "pending" || row.state === "validated";
}

/**
 * Makes `schema` the one pending schema and returns its id: of the active schema if they are equal, null if there is
 * none to push. A different pending schema is overwritten, whoever waits for it learns of the race.
 */
export function writePendingSchema(
  tx: Transaction,
  namespace: Namespace,
  schema: SchemaJson | null,
): string | null {
  const text = schema === null ? null : stringifySchema(schema);
  const active = activeSchemaRow(tx, namespace);
  const equalsActive = text !== null && active?.value.schema === text;
  let kept: string | null = equalsActive ? active.idText : null;
  for (const row of rowsIn(tx, namespace)) {
    if (isPending(row.value)) {
      if (!equalsActive && row.value.schema === text) kept = row.idText;
      else replaceRow(tx, schemaRows, row.id, { ...row.value, state: "overwritten" });
    } else if (row.value.state === "overwritten" || row.value.state === "failed") {
      // Its push has had a whole further push's time to ask for the outcome.
      deleteRow(tx, schemaRows, row.id);
    }
  }
  if (schema === null || text === null || kept !== null) return kept;
  const before = active === null ? null : decodeSchema(active.value.schema);
  const state = tablesToValidate(tx, namespace, schema, before).length > 0 ? "pending" : "validated";
  return insertRow(tx, schemaRows, { namespace, state, schema: text });
}

export type TableOutcome =
  "notValidated" | "supersetOfEnforced" | "supersetOfStagedValidated" | "supersetOfShape" | "mustWalk";

/** Whether activating `next` needs a look at every document of the table (reference database.md §8.4). */
export function tableOutcome(
  tx: Transaction,
  namespace: Namespace,
  next: SchemaJson,
  tableJson: TableJson,
  active: SchemaJson | null,
): TableOutcome {
  if (!next.schemaValidation) return "notValidated";
  if (active !== null && active.schemaValidation) {
    const enforced = active.tables.find((candidate) => candidate.tableName === tableJson.tableName);
    if (enforced !== undefined && isSubset(enforced.documentType, tableJson.documentType))
      return "supersetOfEnforced";
  }
  if (isValidatedForNext(tx, namespace, tableJson)) return "supersetOfStagedValidated";
  if (tableJson.documentType.type === "any") return "supersetOfShape";
  const table = tx.table(namespace, tableJson.tableName);
  if (table === null || tx.count(table) === 0) return "supersetOfShape";
  return "mustWalk";
}

export function tablesToValidate(
  tx: Transaction,
  namespace: Namespace,
  next: SchemaJson,
  active: SchemaJson | null,
): readonly TableJson[] {
  return next.tables.filter((table) => tableOutcome(tx, namespace, next, table, active) === "mustWalk");
}

/**
 * What is written goes through even if the schema being pushed, or a staged validator, does not allow it; these fail. To
 * be called before each commit, and part of it: no crash comes between a document and what is known of it.
 */
export function noteMismatches(tx: Transaction): void {
  const violation = tx.pendingSchemaViolation();
  if (violation !== null) failPendingSchema(tx, violation);
  failStagedValidators(tx);
}

/** Ends a push whose schema a document does not match. Does nothing if the schema is not pending any more. */
export function failPendingSchema(tx: Transaction, { namespace, tableName, error }: SchemaViolation): void {
  const row = pendingSchemaRow(tx, namespace);
  if (row === null) return;
  replaceRow(tx, schemaRows, row.id, { ...row.value, state: "failed", error, tableName });
}

export function markSchemaValidated(tx: Transaction, row: SystemRow<SchemaRow>): void {
  replaceRow(tx, schemaRows, row.id, { ...row.value, state: "validated" });
}

function schemaRowById(tx: Transaction, namespace: Namespace, id: string): SystemRow<SchemaRow> | null {
  return rowsIn(tx, namespace).find((row) => row.idText === id) ?? null;
}

/** State of the schema a start_push answered with. A dry run builds no indexes, so it waits for none. */
export function schemaStatus(
  tx: Transaction,
  namespace: Namespace,
  schemaId: string | null,
  dryRun: boolean,
  componentPath = "",
): SchemaStatus {
  if (schemaId === null) return { type: "complete" };
  const row = schemaRowById(tx, namespace, schemaId);
  if (row === null || row.value.state === "overwritten") return { type: "raceDetected" };
  if (row.value.state === "failed") {
    return {
      type: "failed",
      error: row.value.error ?? "",
      componentPath,
      tableName: row.value.tableName ?? null,
    };
  }
  const { complete, total } = dryRun
    ? { complete: 0, total: 0 }
    : unfinishedIndexes(tx, namespace, decodeSchema(row.value.schema));
  const schemaValidationComplete = row.value.state !== "pending";
  if (schemaValidationComplete && complete === total) return { type: "complete" };
  const status = { schemaValidationComplete, indexesComplete: complete, indexesTotal: total };
  return { type: "inProgress", components: { [componentPath]: status } };
}

/**
 * Makes a completed pending schema the active one, enables its indexes and drops all others, in the caller's
 * transaction. Throws RaceDetected if it was overwritten or is not complete.
 */
export function activateSchema(tx: Transaction, namespace: Namespace, schemaId: string | null): void {
  const status = schemaStatus(tx, namespace, schemaId, false);
  if (status.type === "raceDetected")
    throw badRequest("RaceDetected", "Schema was overwritten by another push.");
  if (status.type === "failed") {
    throw badRequest("SchemaFailed", `Schema has already been failed with error: ${status.error}`);
  }
  if (status.type === "inProgress")
    throw badRequest("RaceDetected", "The schema of this push is not ready yet.");
  let schema: SchemaJson | null = null;
  for (const row of rowsIn(tx, namespace)) {
    if (row.idText === schemaId) {
      schema = decodeSchema(row.value.schema);
      if (row.value.state !== "active") replaceRow(tx, schemaRows, row.id, { ...row.value, state: "active" });
    } else {
      deleteRow(tx, schemaRows, row.id);
    }
  }
  settleIndexes(tx, namespace, schema);
  settleStagedValidators(tx, namespace, schema);
}
