import type { Validator } from "../values/validator.ts";
import type { IndexId, Namespace, TabletId } from "./store.ts";

/** State of a user index: only `enabled` ones may be queried; all are kept up to date by every write. */
export type IndexState = "backfilling" | "backfilled" | "enabled";

export interface DatabaseIndex {
  readonly id: IndexId;
  /** Name without the table, e.g. "by_author". */
  readonly name: string;
  readonly tablet: TabletId;
  /**
   * Field paths as arrays of segments, with the implicit `_creationTime` at the end (the `_id` that ends every key is not listed).
   * by_creation_time: [["_creationTime"]]; by_id: [].
   */
  readonly fields: readonly (readonly string[])[];
  readonly state: IndexState;
  /** Declared `staged: true`: backfilled but not to be queried. */
  readonly staged: boolean;
}

/** A text search index. Its `id` is of the same sequence as those of database indexes. */
export interface SearchIndex {
  readonly id: IndexId;
  readonly name: string;
  readonly tablet: TabletId;
  /** Field paths as arrays of segments. */
  readonly searchField: readonly string[];
  readonly filterFields: readonly (readonly string[])[];
  readonly state: IndexState;
  readonly staged: boolean;
}

/** A vector index. Its `id` is of the same sequence as those of database indexes. */
export interface VectorIndex {
  readonly id: IndexId;
  readonly name: string;
  readonly tablet: TabletId;
  /** Field paths as arrays of segments. */
  readonly vectorField: readonly string[];
  readonly filterFields: readonly (readonly string[])[];
  readonly dimensions: number;
  readonly state: IndexState;
  readonly staged: boolean;
}

export interface Table {
  readonly namespace: Namespace;
  readonly name: string;
  readonly number: number;
  readonly tablet: TabletId;
  readonly byId: DatabaseIndex;
  readonly byCreationTime: DatabaseIndex;
  /** Every database index of the table, by_id and by_creation_time first. The same name may occur twice while a changed index is rebuilt. */
  readonly indexes: readonly DatabaseIndex[];
  /** Here too a name may occur twice. */
  readonly searchIndexes: readonly SearchIndex[];
  readonly vectorIndexes: readonly VectorIndex[];
  /** System tables (names start with "_"): hidden from user code, not schema-checked, counted apart. */
  readonly system: boolean;
}

/** The active schema of a namespace, as enforced on writes. */
export interface EnforcedSchema {
  readonly schemaValidation: boolean;
  /** Table name → document validator; a table that is not listed is free-form. */
  readonly tables: ReadonlyMap<string, Validator>;
}

/**
 * What exists, decoded from the system tables `_tables`, `_indexes` and `_schemas`. Immutable: a commit that touches
 * those tables yields a new catalog.
 */
export interface Catalog {
  tableByName(namespace: Namespace, name: string): Table | null;
  tableByNumber(namespace: Namespace, number: number): Table | null;
  tableByTablet(tablet: TabletId): Table | null;
  tables(namespace: Namespace): readonly Table[];
  activeSchema(namespace: Namespace): EnforcedSchema | null;
  /** The schema of a push in progress; writes that violate it make the push fail, not the write. */
  pendingSchema(namespace: Namespace): EnforcedSchema | null;
  /** Whether there is any, in any namespace. */
  readonly hasStagedValidators: boolean;
  /**
   * By table: validators that are not enforced, but of which it is to be known whether every document matches them. Null
   * for none; one that has been found not to match is not among them.
   */
  stagedValidators(namespace: Namespace): ReadonlyMap<string, Validator> | null;
}
