import { badRequest } from "../base/errors.ts";
import type { Catalog, DatabaseIndex, EnforcedSchema, Table } from "../store/catalog.ts";
import type { Namespace, TabletId } from "../store/store.ts";
import { firstUserTableNumber } from "../store/systemTables.ts";
import type { Validator } from "../values/validator.ts";
import type { ValueObject } from "../values/value.ts";

/** A catalog that hands out physical ids; see `PendingTables.nextPhysicalId` for their use inside a transaction. */
export interface CatalogState extends Catalog {
  nextPhysicalId(): number;
}

/** limits.md #52. */
const tablesMax = 10_000;

/** The committed catalog plus the tables this transaction has created. */
export class PendingTables implements Catalog {
  readonly #base: CatalogState;
  #created: Table[] = [];
  #nextPhysicalId: number | null = null;

  constructor(base: CatalogState) {
    this.#base = base;
  }

  tableByName(namespace: Namespace, name: string): Table | null {
    return (
      this.#base.tableByName(namespace, name) ??
      this.#find((table) => table.name === name && table.namespace === namespace)
    );
  }

  tableByNumber(namespace: Namespace, number: number): Table | null {
    return (
      this.#base.tableByNumber(namespace, number) ??
      this.#find((table) => table.number === number && table.namespace === namespace)
    );
  }

  tableByTablet(tablet: TabletId): Table | null {
    return this.#base.tableByTablet(tablet) ?? this.#find((table) => table.tablet === tablet);
  }

  tables(namespace: Namespace): readonly Table[] {
    const created = this.#created.filter((table) => table.namespace === namespace);
    return created.length === 0
      ? this.#base.tables(namespace)
      : [...this.#base.tables(namespace), ...created];
  }

  activeSchema(namespace: Namespace): EnforcedSchema | null {
    return this.#base.activeSchema(namespace);
  }

  pendingSchema(namespace: Namespace): EnforcedSchema | null {
    return this.#base.pendingSchema(namespace);
  }

  get hasStagedValidators(): boolean {
    return this.#base.hasStagedValidators;
  }

  stagedValidators(namespace: Namespace): ReadonlyMap<string, Validator> | null {
    return this.#base.stagedValidators(namespace);
  }

  /** True for tables the store knows nothing of yet. */
  isCreated(tablet: TabletId): boolean {
    return this.#created.length > 0 && this.#find((table) => table.tablet === tablet) !== null;
  }

  /** A table as it would be created next; it exists only after `add`. Throws TooManyTables. */
  prepare(namespace: Namespace, name: string): Table {
    const existing = this.tables(namespace);
    if (existing.filter((table) => !table.system).length >= tablesMax) {
      throw badRequest("TooManyTables", `Number of tables cannot exceed ${tablesMax}.`);
    }
    const taken = new Set(existing.map((table) => table.number));
    let number = firstUserTableNumber;
    while (taken.has(number)) number += 1;
    return this.#table(namespace, name, number, false);
  }

  /** A namespace's own system table, with the number it has in every namespace; exists only after `add`. */
  prepareSystem(namespace: Namespace, name: string, number: number): Table {
    return this.#table(namespace, name, number, true);
  }

  #table(namespace: Namespace, name: string, number: number, system: boolean): Table {
    const tablet = this.nextPhysicalId();
    const index = (indexName: string, fields: string[][]): DatabaseIndex => ({
      id: this.nextPhysicalId(),
      name: indexName,
      tablet,
      fields,
      state: "enabled",
      staged: false,
    });
    const byId = index("by_id", []);
    const byCreationTime = index("by_creation_time", [["_creationTime"]]);
    return {
      namespace,
      name,
      number,
      tablet,
      byId,
      byCreationTime,
      indexes: [byId, byCreationTime],
      searchIndexes: [],
      vectorIndexes: [],
      system,
    };
  }

  add(table: Table): void {
    this.#created.push(table);
  }

  /**
   * Physical ids are taken by committing the documents that use them, so a transaction counts on from the first
   * free one by itself.
   */
  nextPhysicalId(): number {
    const id = this.#nextPhysicalId ?? this.#base.nextPhysicalId();
    this.#nextPhysicalId = id + 1;
    return id;
  }

  savepoint(): number {
    return this.#created.length;
  }

  rollback(savepoint: number): void {
    if (this.#created.length > savepoint) this.#created = this.#created.slice(0, savepoint);
  }

  #find(matches: (table: Table) => boolean): Table | null {
    for (const table of this.#created) if (matches(table)) return table;
    return null;
  }
}

/** The `_tables` document of a table (store/systemTables.ts). */
export function tableDocument(table: Table): ValueObject {
  const { name, namespace, number, tablet, byId, byCreationTime } = table;
  return { name, namespace, number, tablet, byId: byId.id, byCreationTime: byCreationTime.id };
}
