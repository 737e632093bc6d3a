import { badRequest } from "../base/errors.ts";
import { checkIdentifier, parseFieldPath } from "../values/names.ts";
import type { Validator } from "../values/validator.ts";
import type { SchemaJson, SearchIndexJson, TableJson, VectorIndexJson } from "./schemaTypes.ts";

/** Including the `_creationTime` that is appended to every index. */
export const indexFieldsMax = 16;
export const indexFilterFieldsMax = 16;
export const indexesPerTableMax = 64;
export const tablesMax = 10_000;
export const vectorDimensionsMin = 2;
export const vectorDimensionsMax = 4096;

/** Checks table names and all indexes of a schema; throws BadRequest. Source of rules and texts: reference database.md §8.2. */
export function checkIndexRules(schema: SchemaJson): void {
  if (schema.tables.length > tablesMax) {
    throw badRequest("TooManyTables", `Number of tables cannot exceed ${tablesMax}.`);
  }
  let previous: string | null = null;
  for (const table of schema.tables) {
    checkTableName(table.tableName);
    if (table.tableName === previous) {
      throw badRequest("InvalidSchema", `Table "${table.tableName}" is defined twice.`);
    }
    previous = table.tableName;
    checkTable(table);
    if (schema.schemaValidation) checkFieldsExist(table);
  }
}

export function checkTableName(name: string): void {
  if (checkIdentifier(name) !== null) {
    throw badRequest(
      "InvalidTableName",
      `Invalid table name: "${name}". Identifiers must start with a letter and can only contain letters, digits, and underscores.`,
    );
  }
  if (name.startsWith("_")) throw badRequest("TableNameReserved", `${name} is a reserved table name.`);
}

function checkTable(table: TableJson): void {
  const name = table.tableName;
  const inTable = `In table "${name}": `;
  const all = allIndexes(table);
  const seen = new Set<string>();
  for (const { indexDescriptor } of all) {
    checkIndexName(name, indexDescriptor);
    if (seen.has(indexDescriptor)) {
      throw badRequest(
        "IndexNamesNotUnique",
        `Table "${name}" has two or more definitions of index "${indexDescriptor}".`,
      );
    }
    seen.add(indexDescriptor);
  }
  for (const index of table.indexes) checkDatabaseFields(name, index.indexDescriptor, index.fields, "");
  for (const index of table.stagedDbIndexes)
    checkDatabaseFields(name, index.indexDescriptor, index.fields, "staged ");
  for (const index of searchIndexesOf(table)) {
    checkPath(inTable, index.indexDescriptor, index.searchField);
    checkFilterFields(inTable, index.indexDescriptor, index.filterFields);
  }
  for (const index of vectorIndexesOf(table)) {
    checkPath(inTable, index.indexDescriptor, index.vectorField);
    checkFilterFields(inTable, index.indexDescriptor, index.filterFields);
    const { dimensions } = index;
    if (
      !Number.isInteger(dimensions) ||
      dimensions < vectorDimensionsMin ||
      dimensions > vectorDimensionsMax
    ) {
      throw badRequest(
        "InvalidVectorDimensionError",
        `${inTable}Dimensions ${dimensions} must be between ${vectorDimensionsMin} and ${vectorDimensionsMax}.`,
      );
    }
  }
  checkUniqueSpecs(table);
  if (all.length > indexesPerTableMax) {
    throw badRequest(
      "TooManyIndexes",
      `Table "${name}" cannot have more than ${indexesPerTableMax} indexes.`,
    );
  }
}

export function searchIndexesOf(table: TableJson): readonly SearchIndexJson[] {
  return [...table.searchIndexes, ...table.stagedSearchIndexes];
}

export function vectorIndexesOf(table: TableJson): readonly VectorIndexJson[] {
  return [...table.vectorIndexes, ...table.stagedVectorIndexes];
}

function allIndexes(table: TableJson): readonly { readonly indexDescriptor: string }[] {
  return [...table.indexes, ...table.stagedDbIndexes, ...searchIndexesOf(table), ...vectorIndexesOf(table)];
}

function checkIndexName(table: string, index: string): void {
  if (index.startsWith("_") || index === "by_id" || index === "by_creation_time") {
    throw badRequest(
      "IndexNameReserved",
      `In table "${table}" cannot name an index "${index}" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".`,
    );
  }
  if (checkIdentifier(index) !== null) {
    throw badRequest(
      "InvalidIndexName",
      `In table "${table}": Invalid index name: "${index}". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.`,
    );
  }
}

function checkDatabaseFields(
  table: string,
  index: string,
  fields: readonly string[],
  staged: "" | "staged ",
): void {
  if (fields.length === 0) {
    throw badRequest(
      "EmptyIndex",
      `In table "${table}" ${staged}index "${index}" must have at least one field.`,
    );
  }
  const inTable = `In table "${table}": `;
  const inIndex = `${inTable}In index "${index}": `;
  const seen = new Set<string>();
  for (const field of fields) {
    const normalized = checkPath(inTable, index, field).join(".");
    checkNotSystemField(inIndex, normalized);
    if (seen.has(normalized)) {
      throw badRequest(
        "FieldsNotUniqueWithinIndex",
        `${inIndex}Duplicate field "${normalized}". Index fields must be unique within an index.`,
      );
    }
    seen.add(normalized);
  }
  if (fields.length + 1 > indexFieldsMax) {
    throw badRequest("IndexTooManyFields", `${inIndex}Indexes may have up to ${indexFieldsMax} fields.`);
  }
}

function checkNotSystemField(inIndex: string, field: string): void {
  if (field === "_id") {
    throw badRequest(
      "IndexFieldsContainId",
      `${inIndex}\`_id\` is not a valid index field. To load documents by ID, use \`db.get(id)\`.`,
    );
  }
  if (field === "_creationTime") {
    throw badRequest(
      "IndexFieldsContainCreationTime",
      `${inIndex}\`_creationTime\` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.`,
    );
  }
  if (field.startsWith("_")) {
    throw badRequest(
      "IndexFieldNameReserved",
      `${inIndex}Reserved fields (starting with \`_\`) are not allowed in indexes.`,
    );
  }
}

function checkPath(inTable: string, index: string, field: string): readonly string[] {
  try {
    return parseFieldPath(field);
  } catch {
    throw badRequest("InvalidIndexField", `${inTable}In index "${index}": Invalid index field: "${field}"`);
  }
}

function checkFilterFields(inTable: string, index: string, fields: readonly string[]): void {
  if (fields.length > indexFilterFieldsMax) {
    throw badRequest(
      "IndexTooManyFilterFields",
      `${inTable}Search indexes may have up to ${indexFilterFieldsMax} filter fields.`,
    );
  }
  for (const field of fields) checkPath(inTable, index, field);
}

/** No two indexes of a kind may have the same definition, staged or not. */
function checkUniqueSpecs(table: TableJson): void {
  const name = table.tableName;
  findTwins(
    [...table.indexes, ...table.stagedDbIndexes],
    (index) => JSON.stringify(index.fields),
    (a, b) =>
      badRequest(
        "IndexNotUnique",
        `In table "${name}" index "${a}" and index "${b}" have the same fields. Indexes must be unique within a table.`,
      ),
  );
  findTwins(
    searchIndexesOf(table),
    (index) => JSON.stringify([index.searchField, index.filterFields.toSorted()]),
    (a, b) =>
      badRequest(
        "SearchIndexFieldNotUnique",
        `In table "${name}" search index "${a}" and search index "${b}" have the same \`searchField\`. Search index fields must be unique within a table.`,
      ),
  );
  findTwins(
    vectorIndexesOf(table),
    (index) => JSON.stringify([index.vectorField, index.dimensions]),
    (a, b) =>
      badRequest(
        "VectorIndexFieldNotUnique",
        `In table "${name}" vector index "${a}" and vector index "${b}" have the same \`vectorField\`. Vector index fields must be unique within a table.`,
      ),
  );
}

function findTwins<T extends { readonly indexDescriptor: string }>(
  indexes: readonly T[],
  specOf: (index: T) => string,
  error: (a: string, b: string) => Error,
): void {
  const firstBySpec = new Map<string, string>();
  for (const index of indexes) {
    const spec = specOf(index);
    const first = firstBySpec.get(spec);
    if (first !== undefined) throw error(first, index.indexDescriptor);
    firstBySpec.set(spec, index.indexDescriptor);
  }
}

function checkFieldsExist(table: TableJson): void {
  const name = table.tableName;
  const check = (index: string, field: string) => {
    if (validatorsAt(table.documentType, parseFieldPath(field)).length > 0) return;
    if (field === "_creationTime" || field === "_id") return;
    throw badRequest(
      "SchemaDefinitionError",
      `In table "${name}" the index "${index}" is invalid because it references the field "${field}" that does not exist.`,
    );
  };
  for (const index of [...table.indexes, ...table.stagedDbIndexes]) {
    for (const field of index.fields) check(index.indexDescriptor, field);
  }
  for (const index of searchIndexesOf(table)) {
    for (const field of [index.searchField, ...index.filterFields]) check(index.indexDescriptor, field);
  }
  for (const index of vectorIndexesOf(table)) {
    for (const field of [index.vectorField, ...index.filterFields]) check(index.indexDescriptor, field);
    if (!validatorsAt(table.documentType, parseFieldPath(index.vectorField)).some(canHoldVector)) {
      throw badRequest(
        "SchemaDefinitionError",
        `In table "${name}" the vector index "${index.indexDescriptor}" is invalid because it references the field "${index.vectorField}" that is neither an array of float64 or optional array of float64.`,
      );
    }
  }
}

/** What a value at this path may be, by every branch of the unions on the way; empty if the path cannot exist. */
function validatorsAt(validator: Validator, path: readonly string[]): readonly Validator[] {
  const [segment, ...rest] = path;
  if (validator.type === "any") return [validator];
  if (validator.type === "union") return validator.value.flatMap((member) => validatorsAt(member, path));
  if (segment === undefined) return [validator];
  if (validator.type === "object") {
    const field = Object.hasOwn(validator.value, segment) ? validator.value[segment] : undefined;
    return field === undefined ? [] : validatorsAt(field.fieldType, rest);
  }
  if (validator.type === "record") return validatorsAt(validator.values.fieldType, rest);
  return [];
}

function canHoldVector(validator: Validator): boolean {
  if (validator.type === "any") return true;
  return validator.type === "array" && (validator.value.type === "number" || validator.value.type === "any");
}
