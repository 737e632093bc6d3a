import { assert } from "../base/assert.ts";
import type { InternalId } from "../values/id.ts";
import type { Validator } from "../values/validator.ts";
import type { Catalog, DatabaseIndex, EnforcedSchema, SearchIndex, Table, VectorIndex } from "./catalog.ts";
import {
  decodeIndexRow,
  decodeSchemaRow,
  decodeStagedValidatorRow,
  decodeTableRow,
  type DatabaseIndexRow,
  type IndexRow,
  type SchemaRow,
  type SearchIndexRow,
  type StagedValidatorRow,
  type VectorIndexRow,
} from "./catalogRows.ts";
import type {
  DocumentWrite,
  IndexId,
  Namespace,
  Store,
  StoredDocument,
  TabletId,
  VectorIndexShape,
} from "./store.ts";
import {
  firstUserPhysicalId,
  indexesTable,
  schemasTable,
  stagedValidatorsTable,
  type SystemTableDefinition,
  systemTables,
  tablesTable,
} from "./systemTables.ts";

/** What a commit to `_tables` and `_indexes` asks of the store, before the commit itself is applied. */
export type CatalogEffect =
  | { readonly kind: "createTablet"; readonly tablet: TabletId; readonly byId: IndexId }
  | { readonly kind: "dropTablet"; readonly tablet: TabletId }
  | { readonly kind: "createIndex"; readonly index: IndexId; readonly tablet: TabletId }
  | { readonly kind: "createSearchIndex"; readonly index: IndexId; readonly tablet: TabletId }
  | {
      readonly kind: "createVectorIndex";
      readonly index: IndexId;
      readonly tablet: TabletId;
      readonly shape: VectorIndexShape;
    }
  | { readonly kind: "dropIndex"; readonly index: IndexId };

/** Carries out effects in order. */
export function applyEffects(store: Store, effects: readonly CatalogEffect[]): void {
  for (const effect of effects) {
    switch (effect.kind) {
      case "createTablet":
        store.createTablet(effect.tablet, effect.byId);
        break;
      case "dropTablet":
        store.dropTablet(effect.tablet);
        break;
      case "createIndex":
        store.createIndex(effect.index, effect.tablet);
        break;
      case "createSearchIndex":
        store.createSearchIndex(effect.index, effect.tablet);
        break;
      case "createVectorIndex":
        store.createVectorIndex(effect.index, effect.tablet, effect.shape);
        break;
      case "dropIndex":
        store.dropIndex(effect.index);
        break;
    }
  }
}

interface NamespaceTables {
  readonly byName: ReadonlyMap<string, Table>;
  readonly byNumber: ReadonlyMap<number, Table>;
}

interface Parts {
  readonly tables: ReadonlyMap<TabletId, Table>;
  readonly namespaces: ReadonlyMap<Namespace, NamespaceTables>;
  readonly indexes: ReadonlyMap<IndexId, DatabaseIndex>;
  readonly searchIndexes: ReadonlyMap<IndexId, SearchIndex>;
  readonly vectorIndexes: ReadonlyMap<IndexId, VectorIndex>;
  /** User indexes of each tablet, keyed by their `_indexes` document; also those whose table is gone. */
  readonly indexRows: ReadonlyMap<TabletId, ReadonlyMap<InternalId, IndexRow>>;
  /** `_schemas` documents that are active, pending or validated. */
  readonly schemaRows: ReadonlyMap<InternalId, SchemaRow>;
  /** `_staged_validators` documents that every document may match. */
  readonly stagedRows: ReadonlyMap<InternalId, StagedValidatorRow>;
  readonly nextPhysicalId: number;
}

/** The catalog of one moment. A commit that touches metadata makes a new one, which shares every table it left alone. */
export class CatalogState implements Catalog {
  readonly #parts: Parts;
  readonly #active = new Map<Namespace, EnforcedSchema>();
  readonly #pending = new Map<Namespace, EnforcedSchema>();
  readonly #staged = new Map<Namespace, Map<string, Validator>>();

  private constructor(parts: Parts) {
    this.#parts = parts;
    for (const { namespace, state, enforced } of parts.schemaRows.values()) {
      (state === "active" ? this.#active : this.#pending).set(namespace, enforced);
    }
    for (const { namespace, table, validator } of parts.stagedRows.values()) {
      const own = this.#staged.get(namespace) ?? new Map<string, Validator>();
      this.#staged.set(namespace, own.set(table, validator));
    }
  }

  /** Of an empty deployment: the system tables and nothing else. */
  static bootstrap(): CatalogState {
    const draft = new Draft({
      tables: new Map(),
      namespaces: new Map(),
      indexes: new Map(),
      searchIndexes: new Map(),
      vectorIndexes: new Map(),
      indexRows: new Map(),
      schemaRows: new Map(),
      stagedRows: new Map(),
      nextPhysicalId: firstUserPhysicalId,
    });
    for (const definition of systemTables) draft.addTable(systemTable(definition));
    return new CatalogState(draft.finish());
  }

  /** Reads the catalog of a store, and creates the system tables that the store does not have yet. */
  static load(store: Store): CatalogState {
    const bootstrap = CatalogState.bootstrap();
    for (const table of bootstrap.tables("")) applyEffects(store, creationOf(table));
    const writes = [tablesTable, indexesTable, schemasTable, stagedValidatorsTable].flatMap((definition) =>
      readAll(store, definition).map((document) => insertion(definition.tablet, document)),
    );
    const { catalog } = bootstrap.apply(writes);
    const next = Math.max(catalog.nextPhysicalId(), store.greatestPhysicalId() + 1);
    return new CatalogState({ ...catalog.#parts, nextPhysicalId: next });
  }

  tableByName(namespace: Namespace, name: string): Table | null {
    return this.#parts.namespaces.get(namespace)?.byName.get(name) ?? null;
  }

  tableByNumber(namespace: Namespace, number: number): Table | null {
    return this.#parts.namespaces.get(namespace)?.byNumber.get(number) ?? null;
  }

  tableByTablet(tablet: TabletId): Table | null {
    return this.#parts.tables.get(tablet) ?? null;
  }

  tables(namespace: Namespace): readonly Table[] {
    return [...(this.#parts.namespaces.get(namespace)?.byName.values() ?? [])];
  }

  activeSchema(namespace: Namespace): EnforcedSchema | null {
    return this.#active.get(namespace) ?? null;
  }

  pendingSchema(namespace: Namespace): EnforcedSchema | null {
    return this.#pending.get(namespace) ?? null;
  }

  get hasStagedValidators(): boolean {
    return this.#staged.size > 0;
  }

  stagedValidators(namespace: Namespace): ReadonlyMap<string, Validator> | null {
    return this.#staged.get(namespace) ?? null;
  }

  /** Any index by its physical id, by_id and by_creation_time included. */
  indexById(index: IndexId): DatabaseIndex | null {
    return this.#parts.indexes.get(index) ?? null;
  }

  /** Every index of every table, by_id and by_creation_time included. */
  databaseIndexes(): Iterable<DatabaseIndex> {
    return this.#parts.indexes.values();
  }

  searchIndexById(index: IndexId): SearchIndex | null {
    return this.#parts.searchIndexes.get(index) ?? null;
  }

  /** Every text search index of every table. */
  searchIndexes(): Iterable<SearchIndex> {
    return this.#parts.searchIndexes.values();
  }

  vectorIndexById(index: IndexId): VectorIndex | null {
    return this.#parts.vectorIndexes.get(index) ?? null;
  }

  /** Every vector index of every table. */
  vectorIndexes(): Iterable<VectorIndex> {
    return this.#parts.vectorIndexes.values();
  }

  /**
   * Lowest physical id that was never used; tables and indexes draw from one sequence. Asking does not take it: who
   * needs several counts on from here, and they are taken by the commit whose documents name them.
   */
  nextPhysicalId(): number {
    return this.#parts.nextPhysicalId;
  }

  /**
   * The catalog after a commit and what the store has to create or drop for it, in this order; `this` and no effects if
   * the commit touches no metadata. Changes nothing.
   */
  apply(writes: readonly DocumentWrite[]): { catalog: CatalogState; effects: readonly CatalogEffect[] } {
    const metadata = writes.filter(({ tablet }) => isMetadata(tablet));
    if (metadata.length === 0) return { catalog: this, effects: [] };
    const draft = new Draft(this.#parts);
    // Leavers first: a name or number may pass from one document to another in one commit.
    for (const write of metadata) if (write.before !== null) draft.remove(write, write.before);
    // Tables before their indexes.
    for (const write of metadata) if (write.tablet === tablesTable.tablet) draft.insert(write);
    for (const write of metadata) if (write.tablet !== tablesTable.tablet) draft.insert(write);
    const parts = draft.finish();
    return { catalog: new CatalogState(parts), effects: effectsBetween(this.#parts, parts) };
  }
}

function isMetadata(tablet: TabletId): boolean {
  return (
    tablet === tablesTable.tablet ||
    tablet === indexesTable.tablet ||
    tablet === schemasTable.tablet ||
    tablet === stagedValidatorsTable.tablet
  );
}

/** A copy of the catalog's parts that can still be changed. Maps are copied when they are first changed. */
class Draft {
  readonly #tables: Map<TabletId, Table>;
  readonly #namespaces: Map<Namespace, NamespaceTables>;
  readonly #indexRows: Map<TabletId, ReadonlyMap<InternalId, IndexRow>>;
  readonly #schemaRows: Map<InternalId, SchemaRow>;
  readonly #stagedRows: Map<InternalId, StagedValidatorRow>;
  readonly #indexes: Map<IndexId, DatabaseIndex>;
  readonly #searchIndexes: Map<IndexId, SearchIndex>;
  readonly #vectorIndexes: Map<IndexId, VectorIndex>;
  /** Tables as they are to be, without their final list of indexes. */
  readonly #changed = new Map<TabletId, Table>();
  readonly #removed = new Map<TabletId, Table>();
  readonly #reindexed = new Set<TabletId>();
  #nextPhysicalId: number;

  constructor(parts: Parts) {
    this.#tables = new Map(parts.tables);
    this.#namespaces = new Map(parts.namespaces);
    this.#indexes = new Map(parts.indexes);
    this.#searchIndexes = new Map(parts.searchIndexes);
    this.#vectorIndexes = new Map(parts.vectorIndexes);
    this.#indexRows = new Map(parts.indexRows);
    this.#schemaRows = new Map(parts.schemaRows);
    this.#stagedRows = new Map(parts.stagedRows);
    this.#nextPhysicalId = parts.nextPhysicalId;
  }

  remove({ tablet, id }: DocumentWrite, before: StoredDocument): void {
    if (tablet === tablesTable.tablet) {
      const table = this.#tables.get(decodeTableRow(before.value).tablet);
      assert(table !== undefined, "a _tables document has its table");
      this.#removed.set(table.tablet, table);
    } else if (tablet === indexesTable.tablet) {
      const row = decodeIndexRow(before.value);
      this.#changeIndexRows(row.tablet, (rows) => rows.delete(id));
    } else if (tablet === schemasTable.tablet) this.#schemaRows.delete(id);
    else this.#stagedRows.delete(id);
  }

  insert({ tablet, id, after }: DocumentWrite): void {
    if (after === null) return;
    if (tablet === tablesTable.tablet) {
      const row = decodeTableRow(after.value);
      this.addTable(userTable(row));
    } else if (tablet === indexesTable.tablet) {
      const row = decodeIndexRow(after.value);
      this.#raisePhysicalId(row.index);
      this.#changeIndexRows(row.tablet, (rows) => rows.set(id, row));
    } else if (tablet === schemasTable.tablet) {
      const row = decodeSchemaRow(after.value);
      if (row !== null) this.#schemaRows.set(id, row);
    } else {
      const row = decodeStagedValidatorRow(after.value);
      if (row !== null) this.#stagedRows.set(id, row);
    }
  }

  addTable(table: Table): void {
    assert(!this.#changed.has(table.tablet), "a tablet belongs to one table");
    this.#changed.set(table.tablet, table);
    // The ids of the server's own tables lie below the first; those of a component's system tables do not.
    for (const id of [table.tablet, table.byId.id, table.byCreationTime.id]) this.#raisePhysicalId(id);
  }

  finish(): Parts {
    for (const tablet of this.#reindexed) {
      const table = this.#tables.get(tablet);
      if (table !== undefined && !this.#removed.has(tablet) && !this.#changed.has(tablet)) {
        this.#removed.set(tablet, table);
        const indexes = [table.byId, table.byCreationTime];
        this.#changed.set(tablet, { ...table, indexes, searchIndexes: [], vectorIndexes: [] });
      }
    }
    const byNamespace = this.#openNamespaces();
    for (const table of this.#removed.values()) {
      this.#tables.delete(table.tablet);
      for (const index of table.indexes) this.#indexes.delete(index.id);
      for (const index of table.searchIndexes) this.#searchIndexes.delete(index.id);
      for (const index of table.vectorIndexes) this.#vectorIndexes.delete(index.id);
      byNamespace(table.namespace).byName.delete(table.name);
      byNamespace(table.namespace).byNumber.delete(table.number);
    }
    for (const base of this.#changed.values()) {
      const table = withIndexes(base, this.#indexRows.get(base.tablet)?.values() ?? []);
      const { byName, byNumber } = byNamespace(table.namespace);
      assert(!this.#tables.has(table.tablet), "a tablet belongs to one table");
      assert(!byName.has(table.name), "a table name occurs once in a namespace");
      assert(!byNumber.has(table.number), "a table number occurs once in a namespace");
      this.#tables.set(table.tablet, table);
      for (const index of table.indexes) this.#indexes.set(index.id, index);
      for (const index of table.searchIndexes) this.#searchIndexes.set(index.id, index);
      for (const index of table.vectorIndexes) this.#vectorIndexes.set(index.id, index);
      byName.set(table.name, table);
      byNumber.set(table.number, table);
    }
    return {
      tables: this.#tables,
      namespaces: this.#namespaces,
      indexes: this.#indexes,
      searchIndexes: this.#searchIndexes,
      vectorIndexes: this.#vectorIndexes,
      indexRows: this.#indexRows,
      schemaRows: this.#schemaRows,
      stagedRows: this.#stagedRows,
      nextPhysicalId: this.#nextPhysicalId,
    };
  }

  /** Yields maps of a namespace that may be written to; each namespace is copied once. */
  #openNamespaces(): (namespace: Namespace) => { byName: Map<string, Table>; byNumber: Map<number, Table> } {
    const opened = new Map<Namespace, { byName: Map<string, Table>; byNumber: Map<number, Table> }>();
    return (namespace) => {
      const existing = opened.get(namespace);
      if (existing !== undefined) return existing;
      const tables = this.#namespaces.get(namespace);
      const copy = { byName: new Map(tables?.byName), byNumber: new Map(tables?.byNumber) };
      opened.set(namespace, copy);
      this.#namespaces.set(namespace, copy);
      return copy;
    };
  }

  #changeIndexRows(tablet: TabletId, change: (rows: Map<InternalId, IndexRow>) => void): void {
    const rows = new Map(this.#indexRows.get(tablet));
    change(rows);
    if (rows.size === 0) this.#indexRows.delete(tablet);
    else this.#indexRows.set(tablet, rows);
    this.#reindexed.add(tablet);
  }

  #raisePhysicalId(id: number): void {
    this.#nextPhysicalId = Math.max(this.#nextPhysicalId, id + 1);
  }
}

function effectsBetween(before: Parts, after: Parts): CatalogEffect[] {
  const effects: CatalogEffect[] = [];
  for (const table of before.tables.values()) {
    const next = after.tables.get(table.tablet);
    if (next === table) continue;
    if (next === undefined) effects.push({ kind: "dropTablet", tablet: table.tablet });
    else {
      for (const { id } of table.indexes) {
        if (after.indexes.get(id)?.tablet !== table.tablet) effects.push({ kind: "dropIndex", index: id });
      }
      for (const { id } of table.searchIndexes) {
        if (!after.searchIndexes.has(id)) effects.push({ kind: "dropIndex", index: id });
      }
      for (const { id } of table.vectorIndexes) {
        if (!after.vectorIndexes.has(id)) effects.push({ kind: "dropIndex", index: id });
      }
    }
  }
  for (const table of after.tables.values()) {
    const previous = before.tables.get(table.tablet);
    if (previous === table) continue;
    if (previous === undefined) effects.push(...creationOf(table));
    else {
      assert(previous.byId.id === table.byId.id, "a tablet keeps its by_id index");
      for (const { id } of table.indexes) {
        if (!before.indexes.has(id)) effects.push({ kind: "createIndex", index: id, tablet: table.tablet });
      }
      for (const { id } of table.searchIndexes) {
        if (!before.searchIndexes.has(id))
          effects.push({ kind: "createSearchIndex", index: id, tablet: table.tablet });
      }
      for (const index of table.vectorIndexes) {
        if (!before.vectorIndexes.has(index.id)) effects.push(vectorIndexCreation(index));
      }
    }
  }
  return effects;
}

function vectorIndexCreation({ id, tablet, dimensions, filterFields }: VectorIndex): CatalogEffect {
  const shape = { dimensions, filterFields: filterFields.length };
  return { kind: "createVectorIndex", index: id, tablet, shape };
}

function creationOf({ tablet, byId, indexes, searchIndexes, vectorIndexes }: Table): CatalogEffect[] {
  const stored = indexes.filter(({ id }) => id !== byId.id);
  return [
    { kind: "createTablet", tablet, byId: byId.id },
    ...stored.map(({ id }): CatalogEffect => ({ kind: "createIndex", index: id, tablet })),
    ...searchIndexes.map(({ id }): CatalogEffect => ({ kind: "createSearchIndex", index: id, tablet })),
    ...vectorIndexes.map(vectorIndexCreation),
  ];
}

function systemTable(definition: SystemTableDefinition): Table {
  const { name, number, tablet } = definition;
  const { byId, byCreationTime } = ownIndexes(tablet, definition.byId, definition.byCreationTime);
  const others = definition.indexes.map((index) =>
    databaseIndex({ ...index, kind: "database", index: index.id, tablet, state: "enabled", staged: false }),
  );
  const indexes = [byId, byCreationTime, ...others];
  return {
    namespace: "",
    name,
    number,
    tablet,
    byId,
    byCreationTime,
    indexes,
    searchIndexes: [],
    vectorIndexes: [],
    system: true,
  };
}

function userTable(row: ReturnType<typeof decodeTableRow>): Table {
  const { byId, byCreationTime } = ownIndexes(row.tablet, row.byId, row.byCreationTime);
  const system = row.name.startsWith("_");
  const indexes = [byId, byCreationTime];
  return { ...row, byId, byCreationTime, indexes, searchIndexes: [], vectorIndexes: [], system };
}

function ownIndexes(tablet: TabletId, byId: IndexId, byCreationTime: IndexId) {
  const base = { tablet, state: "enabled", staged: false } as const;
  return {
    byId: { ...base, id: byId, name: "by_id", fields: [] } satisfies DatabaseIndex,
    byCreationTime: {
      ...base,
      id: byCreationTime,
      name: "by_creation_time",
      fields: [["_creationTime"]],
    } satisfies DatabaseIndex,
  };
}

/** A table that has only its own two indexes, with those that `_indexes` lists for it. */
function withIndexes(table: Table, rows: Iterable<IndexRow>): Table {
  const indexes = [...table.indexes];
  const searchIndexes: SearchIndex[] = [];
  const vectorIndexes: VectorIndex[] = [];
  for (const row of rows) {
    if (row.kind === "database") indexes.push(databaseIndex(row));
    else if (row.kind === "search") searchIndexes.push(searchIndex(row));
    else vectorIndexes.push(vectorIndex(row));
  }
  return { ...table, indexes, searchIndexes, vectorIndexes };
}

function searchIndex(row: SearchIndexRow): SearchIndex {
  const { index, name, tablet, state, staged } = row;
  const filterFields = row.filterFields.map((path) => path.split("."));
  return { id: index, name, tablet, searchField: row.searchField.split("."), filterFields, state, staged };
}

function vectorIndex(row: VectorIndexRow): VectorIndex {
  const { index, name, tablet, dimensions, state, staged } = row;
  const vectorField = row.vectorField.split(".");
  const filterFields = row.filterFields.map((path) => path.split("."));
  return { id: index, name, tablet, vectorField, filterFields, dimensions, state, staged };
}

function databaseIndex(row: DatabaseIndexRow): DatabaseIndex {
  const fields = [...row.fields.map((path) => path.split(".")), ["_creationTime"]];
  return { id: row.index, name: row.name, tablet: row.tablet, fields, state: row.state, staged: row.staged };
}

function insertion(tablet: TabletId, document: StoredDocument): DocumentWrite {
  return { tablet, id: document.id, idText: document.idText, before: null, after: document, keys: [] };
}

const rowsPerRead = 1000;

function readAll(store: Store, { tablet, byId }: SystemTableDefinition): StoredDocument[] {
  const documents: StoredDocument[] = [];
  for (let lower = ""; ;) {
    const rows = store.scan(byId, tablet, lower, null, "asc", rowsPerRead);
    for (const { document } of rows) documents.push(document);
    const last = rows.at(-1);
    if (last === undefined || rows.length < rowsPerRead) return documents;
    lower = `${last.key}\0`;
  }
}
