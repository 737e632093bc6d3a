import type { Validator } from "../values/validator.ts";

/** The JSON of `schema.export()` (reference http-api.md §6.2, database.md §8.1), normalised by `parseSchemaJson`. */
export interface SchemaJson {
  readonly tables: readonly TableJson[];
  readonly schemaValidation: boolean;
}

export interface TableJson {
  readonly tableName: string;
  readonly indexes: readonly IndexJson[];
  readonly stagedDbIndexes: readonly IndexJson[];
  readonly searchIndexes: readonly SearchIndexJson[];
  readonly stagedSearchIndexes: readonly SearchIndexJson[];
  readonly vectorIndexes: readonly VectorIndexJson[];
  readonly stagedVectorIndexes: readonly VectorIndexJson[];
  /** Without the fields that start with "_", which a schema cannot constrain. */
  readonly documentType: Validator;
  readonly stagedDocumentType?: Validator;
}

export interface IndexJson {
  readonly indexDescriptor: string;
  /** As written by the user: without the implicit `_creationTime` at the end. */
  readonly fields: readonly string[];
}
export interface SearchIndexJson {
  readonly indexDescriptor: string;
  readonly searchField: string;
  readonly filterFields: readonly string[];
}
export interface VectorIndexJson {
  readonly indexDescriptor: string;
  readonly vectorField: string;
  readonly dimensions: number;
  readonly filterFields: readonly string[];
}
