import { assert, AssertionError } from "../base/assert.ts";
import { parseValidator, type Validator } from "../values/validator.ts";
import type { ValueObject } from "../values/value.ts";
import type { EnforcedSchema, IndexState } from "./catalog.ts";
import type { IndexId, Namespace, TabletId } from "./store.ts";

/**
 * Decoders of the documents that make up the catalog (systemTables.ts has their shapes). The server wrote them
 * itself, so a document of another shape is a defect and throws.
 */
export interface TableRow {
  readonly name: string;
  readonly namespace: Namespace;
  readonly number: number;
  readonly tablet: TabletId;
  readonly byId: IndexId;
  readonly byCreationTime: IndexId;
}

interface IndexRowBase {
  readonly tablet: TabletId;
  readonly name: string;
  readonly index: IndexId;
  readonly state: IndexState;
  readonly staged: boolean;
}

export interface DatabaseIndexRow extends IndexRowBase {
  readonly kind: "database";
  readonly fields: readonly string[];
}

export interface SearchIndexRow extends IndexRowBase {
  readonly kind: "search";
  readonly searchField: string;
  readonly filterFields: readonly string[];
}

export interface VectorIndexRow extends IndexRowBase {
  readonly kind: "vector";
  readonly vectorField: string;
  readonly filterFields: readonly string[];
  readonly dimensions: number;
}

export type IndexRow = DatabaseIndexRow | SearchIndexRow | VectorIndexRow;

export interface SchemaRow {
  readonly namespace: Namespace;
  readonly state: "active" | "pending";
  readonly enforced: EnforcedSchema;
}

export interface StagedValidatorRow {
  readonly namespace: Namespace;
  readonly table: string;
  readonly validator: Validator;
}

export function decodeTableRow(value: ValueObject): TableRow {
  return {
    name: stringField(value, "name"),
    namespace: stringField(value, "namespace"),
    number: integerField(value, "number"),
    tablet: integerField(value, "tablet"),
    byId: integerField(value, "byId"),
    byCreationTime: integerField(value, "byCreationTime"),
  };
}

/** A row without `kind` is a database index: there were no others when it was written. */
export function decodeIndexRow(value: ValueObject): IndexRow {
  const state = stringField(value, "state");
  assert(isIndexState(state), "an _indexes document has a known state");
  const fields = pathsField(value, "fields");
  const base = {
    tablet: integerField(value, "tablet"),
    name: stringField(value, "name"),
    index: integerField(value, "index"),
    state,
    staged: value["staged"] === true,
  };
  switch (value["kind"]) {
    case undefined:
      return { ...base, kind: "database", fields };
    case "search":
    case "vector": {
      const [field, ...others] = fields;
      assert(field !== undefined && others.length === 0, "an index for searches has one field");
      const filterFields = pathsField(value, "filterFields");
      if (value["kind"] === "search") return { ...base, kind: "search", searchField: field, filterFields };
      const dimensions = integerField(value, "dimensions");
      return { ...base, kind: "vector", vectorField: field, filterFields, dimensions };
    }
    default:
      throw new AssertionError("an _indexes document is of a known kind");
  }
}

/** Null for a schema that is no longer, or never became, of any effect. */
export function decodeSchemaRow(value: ValueObject): SchemaRow | null {
  const state = stringField(value, "state");
  switch (state) {
    case "active":
    case "pending":
    case "validated":
      break;
    default:
      return null;
  }
  return {
    namespace: stringField(value, "namespace"),
    state: state === "active" ? "active" : "pending",
    enforced: decodeSchema(stringField(value, "schema")),
  };
}

/** Null for a staged validator that a document does not match: it is not looked at any more. */
export function decodeStagedValidatorRow(value: ValueObject): StagedValidatorRow | null {
  if (stringField(value, "state") === "failed") return null;
  return {
    namespace: stringField(value, "namespace"),
    table: stringField(value, "table"),
    validator: parseValidator(JSON.parse(stringField(value, "validator"))),
  };
}

/** SchemaJson of reference http-api.md §6.2; a table without a `documentType` is free-form. */
function decodeSchema(text: string): EnforcedSchema {
  const schema = JSON.parse(text) as {
    schemaValidation?: boolean;
    tables: { tableName: string; documentType?: unknown }[];
  };
  const tables = new Map<string, Validator>();
  for (const { tableName, documentType } of schema.tables) {
    if (documentType !== null && documentType !== undefined)
      tables.set(tableName, withoutReservedFields(parseValidator(documentType)));
  }
  return { schemaValidation: schema.schemaValidation ?? false, tables };
}

/** Top-level fields that start with "_" in a document's validator are ignored (reference database.md §8.1). */
function withoutReservedFields(validator: Validator): Validator {
  switch (validator.type) {
    case "object": {
      const fields = Object.entries(validator.value).filter(([name]) => !name.startsWith("_"));
      return { ...validator, value: Object.fromEntries(fields) };
    }
    case "union":
      return { ...validator, value: validator.value.map(withoutReservedFields) };
    default:
      return validator;
  }
}

function isIndexState(text: string): text is IndexState {
  return text === "backfilling" || text === "backfilled" || text === "enabled";
}

function stringField(value: ValueObject, name: string): string {
  const field = value[name];
  assert(typeof field === "string", `a metadata document has the string field ${name}`);
  return field;
}

function pathsField(value: ValueObject, name: string): readonly string[] {
  const paths: unknown = value[name];
  assert(
    Array.isArray(paths) && paths.every((path) => typeof path === "string"),
    `a metadata document has the paths ${name}`,
  );
  return paths;
}

function integerField(value: ValueObject, name: string): number {
  const field = value[name];
  assert(Number.isSafeInteger(field), `a metadata document has the integer field ${name}`);
  return field as number;
}
