import type { Namespace, StoredDocument } from "../store/store.ts";
import type { Table } from "../store/catalog.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { encodeId } from "../values/id.ts";
import { checkValue, isSubset, type Validator } from "../values/validator.ts";
import type { Value } from "../values/value.ts";
import type { SchemaJson, TableJson } from "./schemaTypes.ts";
import { refersToTable } from "./tableReferences.ts";
import {
  deleteRow,
  insertRow,
  replaceRow,
  rowsOf,
  stagedValidatorRows,
  type StagedValidatorRow,
  type SystemRow,
} from "./systemRows.ts";

/*
 * Staged validators (`.staged()`, reference database.md §8.4): what a table's next validator is to be. They are not
 * enforced, but it is known of each whether every document matches it. A row of `_staged_validators` belongs to each
 * one of the active schema: "pending" until the Backfiller has passed all documents, then "valid". Every commit checks
 * what it writes against those that are pending or valid, and fails them in the same commit; so one that is valid is
 * true of every document there is, and a push that makes it the enforced one need not look at them.
 */

/** What evaluate_schema says of a staged validator (reference http-api.md §6.5). */
export type StagedState =
  | { readonly state: "pending"; readonly numDocsValidated: number; readonly totalDocs: number }
  | { readonly state: "valid" }
  | { readonly state: "failed"; readonly error: string };

/** A staged validator whose state a push throws away. */
export interface DiscardedStagedValidator {
  readonly tableName: string;
  readonly state: Exclude<StagedState, { readonly state: "failed" }>;
  readonly replaced: boolean;
}

/** Documents that the Backfiller has passed for the row with this id, or null. */
export type StagedProgress = (rowId: string) => number | null;

function rowsIn(tx: Transaction, namespace: Namespace): readonly SystemRow<StagedValidatorRow>[] {
  return rowsOf(tx, stagedValidatorRows).filter(({ value }) => value.namespace === namespace);
}

function rowOf(tx: Transaction, namespace: Namespace, table: string): SystemRow<StagedValidatorRow> | null {
  return rowsIn(tx, namespace).find(({ value }) => value.table === table) ?? null;
}

export function nextPendingRow(tx: Transaction): SystemRow<StagedValidatorRow> | undefined {
  return rowsOf(tx, stagedValidatorRows).find(({ value }) => value.state === "pending");
}

export function validatorOf({ value }: SystemRow<StagedValidatorRow>): Validator {
  return JSON.parse(value.validator) as Validator;
}

/** The validators that a schema stages. Without schema validation nothing is validated. */
function stagedTables(schema: SchemaJson | null): ReadonlyMap<string, TableJson> {
  const tables = schema?.schemaValidation === true ? schema.tables : [];
  return new Map(
    tables.flatMap((table) => (table.stagedDocumentType === undefined ? [] : [[table.tableName, table]])),
  );
}

/** To be called when `schema` becomes, or stays, the active one: a failed validator that is pushed again is tried again. */
export function settleStagedValidators(
  tx: Transaction,
  namespace: Namespace,
  schema: SchemaJson | null,
): void {
  const wanted = new Map(stagedTables(schema));
  for (const row of rowsIn(tx, namespace)) {
    const staged = wanted.get(row.value.table)?.stagedDocumentType;
    const isKept = staged !== undefined && row.value.state !== "failed" && isSame(validatorOf(row), staged);
    if (isKept) wanted.delete(row.value.table);
    else deleteRow(tx, stagedValidatorRows, row.id);
  }
  for (const [table, { documentType, stagedDocumentType }] of wanted) {
    if (stagedDocumentType === undefined) continue;
    const existing = tx.table(namespace, table);
    const isEmpty = existing === null || tx.count(existing) === 0;
    const state = isEmpty || isSubset(documentType, stagedDocumentType) ? "valid" : "pending";
    const validator = JSON.stringify(stagedDocumentType);
    insertRow(tx, stagedValidatorRows, { namespace, table, validator, state });
  }
}

/** The order in which fields were written makes no difference. */
function isSame(a: Validator, b: Validator): boolean {
  return JSON.stringify(a) === JSON.stringify(b) || (isSubset(a, b) && isSubset(b, a));
}

/** Fails, in the caller's transaction, every staged validator that one of the documents it has written does not match. */
export function failStagedValidators(tx: Transaction): void {
  if (!tx.catalog().hasStagedValidators) return;
  const found = new Map<string, { row: SystemRow<StagedValidatorRow>; error: string }>();
  for (const { table, document } of tx.written()) {
    const validator = tx.catalog().stagedValidators(table.namespace)?.get(table.name);
    if (validator === undefined) continue;
    const error = mismatch(tx, table, validator, document);
    const row = error === null ? null : rowOf(tx, table.namespace, table.name);
    // The first one is named, as the walk of the Backfiller would.
    if (error !== null && row !== null && !found.has(row.idText)) found.set(row.idText, { row, error });
  }
  for (const { row, error } of found.values()) failStagedValidator(tx, row, error);
}

export function failStagedValidator(
  tx: Transaction,
  row: SystemRow<StagedValidatorRow>,
  error: string,
): void {
  replaceRow(tx, stagedValidatorRows, row.id, { ...row.value, state: "failed", error });
}

export function markStagedValidatorValid(tx: Transaction, row: SystemRow<StagedValidatorRow>): void {
  replaceRow(tx, stagedValidatorRows, row.id, { ...row.value, state: "valid" });
}

/** What is wrong with an existing document under a validator that is not enforced yet (reference database.md §8.4). */
export function mismatch(
  tx: Transaction,
  table: Table,
  validator: Validator,
  document: StoredDocument,
): string | null {
  const { _id, _creationTime, ...fields } = document.value as Record<string, Value>;
  const error = checkValue(validator, fields, tx.idContext(table.namespace));
  if (error === null) return null;
  const id = encodeId(table.number, document.id);
  return `Document with ID "${id}" in table "${table.name}" does not match the schema: ${error}`;
}

/**
 * All documents of a table have been exchanged at once, or its ids mean something else from now on: what was known of
 * them is not known any more. A new row, so that the Backfiller begins anew.
 */
export function restartStagedValidators(tx: Transaction, namespace: Namespace, table: string): void {
  for (const row of rowsIn(tx, namespace)) {
    const { value } = row;
    const isConcerned = value.table === table || refersToTable(validatorOf(row), table);
    if (!isConcerned || value.state === "failed") continue;
    deleteRow(tx, stagedValidatorRows, row.id);
    const { validator } = value;
    insertRow(tx, stagedValidatorRows, { namespace, table: value.table, validator, state: "pending" });
  }
}

/** Whether every document of the table is known to match what the active schema stages, and so `next`. */
export function isValidatedForNext(
  tx: Transaction,
  namespace: Namespace,
  next: TableJson,
  state: "pending" | "valid" = "valid",
): boolean {
  const row = rowOf(tx, namespace, next.tableName);
  return row?.value.state === state && isSubset(validatorOf(row), next.documentType);
}

/** Null for a table without a staged validator in the active schema. */
export function stagedState(
  tx: Transaction,
  namespace: Namespace,
  table: string,
  progress: StagedProgress,
): StagedState | null {
  const row = rowOf(tx, namespace, table);
  return row === null ? null : stateOf(tx, row, progress);
}

function stateOf(
  tx: Transaction,
  { idText, value }: SystemRow<StagedValidatorRow>,
  progress: StagedProgress,
): StagedState {
  switch (value.state) {
    case "valid":
      return { state: "valid" };
    case "failed":
      return { state: "failed", error: value.error ?? "" };
    case "pending": {
      const table = tx.table(value.namespace, value.table);
      const totalDocs = table === null ? 0 : tx.count(table);
      return { state: "pending", numDocsValidated: progress(idText) ?? 0, totalDocs };
    }
  }
}

/**
 * The staged validators of `active` whose state is lost when `next` takes its place: it has another one or none, and
 * does not promote it either. Failed ones are not among them: a push tries them again anyway.
 */
export function discardedStagedValidators(
  tx: Transaction,
  namespace: Namespace,
  { active, next }: { readonly active: SchemaJson | null; readonly next: SchemaJson | null },
  progress: StagedProgress,
): readonly DiscardedStagedValidator[] {
  const staged = stagedTables(next);
  return rowsIn(tx, namespace).flatMap((row): DiscardedStagedValidator[] => {
    const tableName = row.value.table;
    const state = stateOf(tx, row, progress);
    if (state.state === "failed") return [];
    const validator = validatorOf(row);
    const other = staged.get(tableName)?.stagedDocumentType;
    if (other !== undefined && isSame(other, validator)) return [];
    const before = enforcedType(active, tableName);
    const after = enforcedType(next, tableName);
    if (after !== null && isPromotion(validator, before, after)) return [];
    return [{ tableName, state, replaced: other !== undefined }];
  });
}

function enforcedType(schema: SchemaJson | null, tableName: string): Validator | null {
  if (schema?.schemaValidation !== true) return null;
  return schema.tables.find((table) => table.tableName === tableName)?.documentType ?? null;
}

/** Whether a change of what is enforced makes use of the staged validator: the one before would not have been enough. */
function isPromotion(staged: Validator, before: Validator | null, after: Validator): boolean {
  if (isSame(staged, after)) return true;
  return isSubset(staged, after) && (before === null || !isSubset(before, after));
}
