import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Table } from "./catalog.ts";
import { applyEffects, type CatalogEffect, CatalogState } from "./catalogState.ts";
import { makeDocument } from "./document.ts";
import { openSqliteStore } from "./sqliteStore.ts";
import type { DocumentWrite, Store, StoredDocument } from "./store.ts";
import {
  firstUserPhysicalId,
  indexesTable,
  schemasTable,
  type SystemTableDefinition,
  systemTables,
  tablesTable,
} from "./systemTables.ts";
import { encodeId } from "../values/id.ts";
import { indexKeyOf } from "../values/key.ts";
import { stringifyValue } from "../values/json.ts";
import type { ValueObject } from "../values/value.ts";

/** A store with its catalog, committed to as the engine does. */
class Deployment {
  readonly store: Store = openSqliteStore(":memory:");
  catalog = CatalogState.load(this.store);
  effects: readonly CatalogEffect[] = [];
  #ts = 0n;
  #rows = 0;

  write(table: SystemTableDefinition, id: string | null, fields: ValueObject | null): DocumentWrite {
    const own = id ?? String(++this.#rows).padStart(16, "\0");
    const idText = encodeId(table.number, own);
    const before = this.store.get(table.tablet, own);
    const after: StoredDocument | null =
      fields === null
        ? null
        : makeDocument(own, idText, stringifyValue({ _creationTime: this.#rows, _id: idText, ...fields }));
    const indexes = this.catalog.tableByTablet(table.tablet)?.indexes ?? [];
    const keys = indexes.map((index) => ({
      index: index.id,
      before: before === null ? null : indexKeyOf(before.value, index.fields, own),
      after: after === null ? null : indexKeyOf(after.value, index.fields, own),
    }));
    return { tablet: table.tablet, id: own, idText, before, after, keys };
  }

  commit(...writes: readonly DocumentWrite[]): void {
    const { catalog, effects } = this.catalog.apply(writes);
    applyEffects(this.store, effects);
    this.store.applyCommit(++this.#ts, writes, null);
    this.catalog = catalog;
    this.effects = effects;
  }

  /** Adds a table and returns the id of its document. */
  addTable(name: string, number: number, namespace = ""): string {
    const tablet = this.catalog.nextPhysicalId();
    const write = this.write(tablesTable, null, tableFields(name, number, tablet, namespace));
    this.commit(write);
    return write.id;
  }

  addIndex(table: Table, name: string, fields: readonly string[], state: string, staged = false): string {
    const index = this.catalog.nextPhysicalId();
    const write = this.write(indexesTable, null, indexFields(table, name, fields, index, state, staged));
    this.commit(write);
    return write.id;
  }
}

function tableFields(name: string, number: number, tablet: number, namespace: string): ValueObject {
  return { name, namespace, number, tablet, byId: tablet + 1, byCreationTime: tablet + 2 };
}

function indexFields(
  table: Table,
  name: string,
  fields: readonly string[],
  index: number,
  state: string,
  staged = false,
): ValueObject {
  return {
    namespace: table.namespace,
    table: table.name,
    tablet: table.tablet,
    name,
    index,
    fields,
    state,
    staged,
  };
}

function searchFields(table: Table, name: string, index: number, state: string): ValueObject {
  const fields = indexFields(table, name, ["body.text"], index, state);
  return { ...fields, kind: "search", filterFields: ["channel", "author.name"] };
}

function existing(table: Table | null): Table {
  if (table === null) throw new Error("the table exists");
  return table;
}

describe("system tables", () => {
  it("have numbers and physical ids of their own", () => {
    const numbers = systemTables.map(({ number }) => number);
    const physicalIds = systemTables.flatMap(({ tablet, byId, byCreationTime, indexes }) => [
      tablet,
      byId,
      byCreationTime,
      ...indexes.map(({ id }) => id),
    ]);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(new Set(physicalIds).size).toBe(physicalIds.length);
    expect(Math.max(...physicalIds)).toBeLessThan(firstUserPhysicalId);
  });

  it("keep the numbers that are in data folders", () => {
    expect(systemTables.map(({ name, number, tablet }) => [name, number, tablet])).toEqual([
      ["_tables", 513, 10],
      ["_indexes", 514, 20],
      ["_schemas", 515, 30],
      ["_modules", 516, 40],
      ["_environment_variables", 517, 50],
      ["_auth", 518, 60],
      ["_components", 519, 70],
      ["_udf_config", 520, 80],
      ["_deployment", 521, 90],
      ["_storage", 530, 180],
      ["_scheduled_functions", 531, 190],
      ["_cron_jobs", 532, 200],
      ["_cron_job_logs", 533, 210],
      ["_scheduled_jobs", 534, 220],
      ["_files", 537, 250],
      ["_file_removals", 538, 260],
      ["_file_contents", 539, 270],
      ["_component_definitions", 540, 280],
      ["_exports", 545, 330],
      ["_snapshot_imports", 546, 340],
      ["_deployment_audit_log", 548, 360],
      ["_table_breaks", 549, 370],
      ["_staged_validators", 550, 380],
    ]);
  });
});

describe("CatalogState", () => {
  it("starts with the system tables, in the root namespace only", () => {
    const catalog = CatalogState.bootstrap();
    expect(catalog.tables("").map(({ name }) => name)).toEqual(systemTables.map(({ name }) => name));
    const modules = existing(catalog.tableByName("", "_modules"));
    expect(modules.system).toBe(true);
    expect(modules.indexes.map(({ name, fields }) => [name, fields])).toEqual([
      ["by_id", []],
      ["by_creation_time", [["_creationTime"]]],
      ["by_path", [["namespace"], ["path"], ["_creationTime"]]],
    ]);
    expect(catalog.tableByName("component", "_modules")).toBeNull();
    expect(catalog.nextPhysicalId()).toBe(firstUserPhysicalId);
  });

  it("creates a table with its two indexes, usable in the same commit", () => {
    const deployment = new Deployment();
    deployment.addTable("messages", 10001);
    const table = existing(deployment.catalog.tableByName("", "messages"));
    expect(deployment.effects).toEqual([
      { kind: "createTablet", tablet: 1000, byId: 1001 },
      { kind: "createIndex", index: 1002, tablet: 1000 },
    ]);
    expect(deployment.catalog.tableByNumber("", 10001)).toBe(table);
    expect(deployment.catalog.tableByTablet(1000)).toBe(table);
    expect(table.indexes).toEqual([table.byId, table.byCreationTime]);
    expect(deployment.catalog.nextPhysicalId()).toBe(1003);
    expect(deployment.store.count(1000)).toBe(0);
  });

  it("is unchanged by a commit without metadata, and does not change by one with", () => {
    const deployment = new Deployment();
    deployment.addTable("messages", 10001);
    const before = deployment.catalog;
    const variables = systemTables.find(({ name }) => name === "_environment_variables");
    if (variables === undefined) throw new Error("no such system table");
    deployment.commit(deployment.write(variables, null, { name: "A", value: "1" }));
    expect(deployment.catalog).toBe(before);
    const messages = before.tableByName("", "messages");
    deployment.addTable("users", 10002);
    expect(before.tableByName("", "users")).toBeNull();
    expect(deployment.catalog.tableByName("", "messages")).toBe(messages);
  });

  it("adds the creation time to an index, follows its state, and drops it", () => {
    const deployment = new Deployment();
    deployment.addTable("messages", 10001);
    const table = existing(deployment.catalog.tableByName("", "messages"));
    const row = deployment.addIndex(table, "by_author", ["author.name", "n"], "backfilling", true);
    const state = () => existing(deployment.catalog.tableByName("", "messages")).indexes[2];
    expect(state()).toEqual({
      id: 1003,
      name: "by_author",
      tablet: 1000,
      fields: [["author", "name"], ["n"], ["_creationTime"]],
      state: "backfilling",
      staged: true,
    });
    expect(deployment.effects).toEqual([{ kind: "createIndex", index: 1003, tablet: 1000 }]);
    deployment.commit(
      deployment.write(
        indexesTable,
        row,
        indexFields(table, "by_author", ["author.name", "n"], 1003, "enabled"),
      ),
    );
    expect(state()?.state).toBe("enabled");
    expect(state()?.staged).toBe(false);
    expect(deployment.effects).toEqual([]);
    expect(deployment.catalog.indexById(1003)).toBe(state());
    deployment.commit(deployment.write(indexesTable, row, null));
    expect(state()).toBeUndefined();
    expect(deployment.catalog.indexById(1003)).toBeNull();
    expect(deployment.effects).toEqual([{ kind: "dropIndex", index: 1003 }]);
    expect(deployment.catalog.nextPhysicalId()).toBe(1004);
  });

  it("keeps text search indexes apart, follows their state, and drops them", () => {
    const deployment = new Deployment();
    deployment.addTable("messages", 10001);
    const table = existing(deployment.catalog.tableByName("", "messages"));
    deployment.commit(
      deployment.write(indexesTable, "s".repeat(16), searchFields(table, "by_text", 1003, "backfilling")),
    );
    const state = () => existing(deployment.catalog.tableByName("", "messages"));
    expect(state().indexes.map(({ name }) => name)).toEqual(["by_id", "by_creation_time"]);
    expect(state().searchIndexes).toEqual([
      {
        id: 1003,
        name: "by_text",
        tablet: 1000,
        searchField: ["body", "text"],
        filterFields: [["channel"], ["author", "name"]],
        state: "backfilling",
        staged: false,
      },
    ]);
    expect(deployment.effects).toEqual([{ kind: "createSearchIndex", index: 1003, tablet: 1000 }]);
    expect(deployment.store.searchReader(1003).documents).toBe(0);
    deployment.commit(
      deployment.write(indexesTable, "s".repeat(16), searchFields(table, "by_text", 1003, "enabled")),
    );
    expect(deployment.effects).toEqual([]);
    expect(deployment.catalog.searchIndexById(1003)).toMatchObject({ state: "enabled" });
    expect(deployment.catalog.indexById(1003)).toBeNull();
    deployment.addIndex(table, "by_other", ["a"], "enabled");
    expect(state().searchIndexes).toHaveLength(1);
    deployment.commit(deployment.write(indexesTable, "s".repeat(16), null));
    expect(deployment.effects).toEqual([{ kind: "dropIndex", index: 1003 }]);
    expect(state().searchIndexes).toEqual([]);
    expect(() => deployment.store.searchReader(1003)).toThrow("a search index is created");
    expect(deployment.catalog.nextPhysicalId()).toBe(1005);
  });

  it("refuses rows of kinds it does not know", () => {
    const deployment = new Deployment();
    deployment.addTable("messages", 10001);
    const table = existing(deployment.catalog.tableByName("", "messages"));
    const row = { ...searchFields(table, "i", 1003, "enabled"), kind: "spatial" };
    expect(() => deployment.commit(deployment.write(indexesTable, null, row))).toThrow("known kind");
  });

  it("creates a table and its indexes in one commit, whatever the order of the writes", () => {
    const deployment = new Deployment();
    const tableWrite = deployment.write(tablesTable, null, tableFields("messages", 10001, 1000, ""));
    const table = { namespace: "", name: "messages", tablet: 1000 } as Table;
    const indexWrite = deployment.write(
      indexesTable,
      null,
      indexFields(table, "by_n", ["n"], 1003, "backfilled"),
    );
    deployment.commit(indexWrite, tableWrite);
    expect(existing(deployment.catalog.tableByName("", "messages")).indexes.map(({ id }) => id)).toEqual([
      1001, 1002, 1003,
    ]);
    expect(deployment.effects.map(({ kind }) => kind)).toEqual([
      "createTablet",
      "createIndex",
      "createIndex",
    ]);
  });

  it("passes a name and a number from a dropped table to a new one in one commit", () => {
    const deployment = new Deployment();
    const old = deployment.addTable("messages", 10001);
    deployment.commit(
      deployment.write(tablesTable, null, tableFields("messages", 10001, 1010, "")),
      deployment.write(tablesTable, old, null),
    );
    expect(deployment.catalog.tableByName("", "messages")?.tablet).toBe(1010);
    expect(deployment.catalog.tableByTablet(1000)).toBeNull();
    expect(deployment.effects[0]).toEqual({ kind: "dropTablet", tablet: 1000 });
  });

  it("keeps namespaces apart", () => {
    const deployment = new Deployment();
    deployment.addTable("messages", 10001, "");
    deployment.addTable("messages", 10001, "component");
    expect(deployment.catalog.tableByName("", "messages")?.tablet).toBe(1000);
    expect(deployment.catalog.tableByName("component", "messages")?.tablet).toBe(1003);
    expect(deployment.catalog.tables("component")).toHaveLength(1);
  });

  it("never gives out a physical id again after a restart", () => {
    const deployment = new Deployment();
    const row = deployment.addTable("messages", 10001);
    deployment.commit(deployment.write(tablesTable, row, null));
    expect(CatalogState.load(deployment.store).nextPhysicalId()).toBe(1003);
  });

  it("shows the active schema and the one being pushed", () => {
    const deployment = new Deployment();
    const schema = (field: string, schemaValidation: boolean) =>
      JSON.stringify({
        schemaValidation,
        tables: [
          {
            tableName: "messages",
            indexes: [],
            documentType: {
              type: "object",
              value: { [field]: { fieldType: { type: "string" }, optional: false } },
            },
          },
          { tableName: "free", indexes: [], documentType: null },
        ],
      });
    const row = (state: string, field: string, validation = true): ValueObject => ({
      namespace: "",
      state,
      schema: schema(field, validation),
    });
    const first = deployment.write(schemasTable, null, row("active", "a"));
    deployment.commit(first);
    const second = deployment.write(schemasTable, null, row("pending", "b", false));
    deployment.commit(second);
    const fieldOf = (enforced: ReturnType<CatalogState["activeSchema"]>) => {
      const validator = enforced?.tables.get("messages");
      return validator?.type === "object" ? Object.keys(validator.value) : null;
    };
    expect(fieldOf(deployment.catalog.activeSchema(""))).toEqual(["a"]);
    expect(deployment.catalog.activeSchema("")?.schemaValidation).toBe(true);
    expect(deployment.catalog.activeSchema("")?.tables.has("free")).toBe(false);
    expect(fieldOf(deployment.catalog.pendingSchema(""))).toEqual(["b"]);
    expect(deployment.catalog.pendingSchema("")?.schemaValidation).toBe(false);
    expect(deployment.catalog.pendingSchema("component")).toBeNull();
    deployment.commit(deployment.write(schemasTable, second.id, row("validated", "b")));
    expect(fieldOf(deployment.catalog.pendingSchema(""))).toEqual(["b"]);
    deployment.commit(
      deployment.write(schemasTable, second.id, row("active", "b")),
      deployment.write(schemasTable, first.id, row("overwritten", "a")),
    );
    expect(fieldOf(deployment.catalog.activeSchema(""))).toEqual(["b"]);
    expect(deployment.catalog.pendingSchema("")).toBeNull();
    expect(fieldOf(CatalogState.load(deployment.store).activeSchema(""))).toEqual(["b"]);
  });

  it("is the same when it is loaded as when it was built commit by commit", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("addTable"), namespace: fc.constantFrom("", "c"), pick: fc.nat(20) }),
      fc.record({ kind: fc.constant("dropTable"), namespace: fc.constant(""), pick: fc.nat(20) }),
      fc.record({ kind: fc.constant("addIndex"), namespace: fc.constant(""), pick: fc.nat(20) }),
      fc.record({ kind: fc.constant("addSearchIndex"), namespace: fc.constant(""), pick: fc.nat(20) }),
      fc.record({ kind: fc.constant("dropIndex"), namespace: fc.constant(""), pick: fc.nat(20) }),
      fc.record({ kind: fc.constant("enableIndex"), namespace: fc.constant(""), pick: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30, size: "max" }), (steps) => {
        const deployment = new Deployment();
        for (const [n, { kind, namespace, pick }] of steps.entries())
          randomStep(deployment, n, kind, namespace, pick);
        const loaded = CatalogState.load(deployment.store);
        expect(description(loaded)).toEqual(description(deployment.catalog));
        for (const { id, tablet } of loaded.databaseIndexes()) {
          expect(() => deployment.store.scan(id, tablet, "", null, "asc", 1)).not.toThrow();
        }
        for (const { id } of loaded.searchIndexes()) {
          expect(() => deployment.store.searchReader(id)).not.toThrow();
        }
        deployment.store.close();
      }),
      { numRuns: 40 },
    );
  });
});

function rowsOf(deployment: Deployment, table: SystemTableDefinition): StoredDocument[] {
  return deployment.store
    .scan(table.byId, table.tablet, "", null, "asc", 1000)
    .map(({ document }) => document);
}

function randomStep(deployment: Deployment, n: number, kind: string, namespace: string, pick: number): void {
  const { catalog } = deployment;
  const tables = ["", "c"].flatMap((name) => catalog.tables(name)).filter(({ system }) => !system);
  const table = tables[pick % Math.max(1, tables.length)];
  const indexRows = rowsOf(deployment, indexesTable);
  const indexRow = indexRows[pick % Math.max(1, indexRows.length)];
  if (kind === "addTable") deployment.addTable(`t${n}`, 10001 + n, namespace);
  else if (kind === "addIndex" && table !== undefined)
    deployment.addIndex(table, `i${n}`, ["a"], "backfilling");
  else if (kind === "addSearchIndex" && table !== undefined) {
    const index = deployment.catalog.nextPhysicalId();
    const row = searchFields(table, `s${n}`, index, "backfilling");
    deployment.commit(deployment.write(indexesTable, null, row));
  } else if (kind === "dropTable" && table !== undefined) {
    const row = rowsOf(deployment, tablesTable).find(({ value }) => value["tablet"] === table.tablet);
    const own = indexRows.filter(({ value }) => value["tablet"] === table.tablet);
    deployment.commit(
      deployment.write(tablesTable, row?.id ?? "", null),
      ...own.map(({ id }) => deployment.write(indexesTable, id, null)),
    );
  } else if (kind === "dropIndex" && indexRow !== undefined) {
    deployment.commit(deployment.write(indexesTable, indexRow.id, null));
  } else if (kind === "enableIndex" && indexRow !== undefined) {
    const { _id, _creationTime, ...fields } = indexRow.value;
    deployment.commit(deployment.write(indexesTable, indexRow.id, { ...fields, state: "enabled" }));
  }
}

/** Everything a catalog says, in an order of its own. */
function description(catalog: CatalogState): unknown {
  const byTablet = (a: Table, b: Table) => a.tablet - b.tablet;
  return {
    next: catalog.nextPhysicalId(),
    tables: ["", "c"].map((namespace) =>
      [...catalog.tables(namespace)].sort(byTablet).map((table) => ({
        ...table,
        indexes: [...table.indexes].sort((a, b) => a.id - b.id),
        searchIndexes: [...table.searchIndexes].sort((a, b) => a.id - b.id),
        known: [
          catalog.tableByName(namespace, table.name) === table,
          catalog.tableByNumber(namespace, table.number) === table,
          catalog.tableByTablet(table.tablet) === table,
        ],
      })),
    ),
    indexes: [...catalog.databaseIndexes()].sort((a, b) => a.id - b.id),
    searchIndexes: [...catalog.searchIndexes()].sort((a, b) => a.id - b.id),
  };
}
