import { describe, expect, it } from "vitest";
import { VectorSearch } from "../search/vectorSearch.ts";
import { backfillSliceBytesMax, completeIndex } from "./backfill.ts";
import { indexRows, rowsOf } from "./systemRows.ts";
import { finish, push, start, status } from "./testing/pushSteps.ts";
import { TestDeployment } from "./testing/testDeployment.ts";

interface Declared {
  readonly field?: string;
  readonly dimensions?: number;
  readonly filters?: readonly string[];
  readonly staged?: boolean;
}

/** A schema with the vector index `by_at` of `points`. */
function withVectors({ field = "at", dimensions = 2, filters = ["kind"], staged = false }: Declared = {}) {
  const index = { indexDescriptor: "by_at", vectorField: field, dimensions, filterFields: filters };
  const table = {
    tableName: "points",
    documentType: { type: "any" },
    indexes: [],
    [staged ? "stagedVectorIndexes" : "vectorIndexes"]: [index],
  };
  return { tables: [table], schemaValidation: true };
}

function insert(deployment: TestDeployment, names: readonly string[], extra = ""): void {
  deployment.commit((tx) => {
    for (const name of names)
      tx.insert("", "points", { name, at: [1, name.length], other: [1, 2, 3], extra });
  });
}

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `p${i}`);

const states = (deployment: TestDeployment) =>
  deployment.commit((tx) =>
    rowsOf(tx, indexRows).map(
      ({ value }) =>
        `${value.kind} ${value.fields.join()}[${value.dimensions}](${value.filterFields?.join()}) ${value.state}${value.staged ? " staged" : ""}`,
    ),
  );

function vectorIndexes(deployment: TestDeployment) {
  return deployment.catalog.tableByName("", "points")?.vectorIndexes ?? [];
}

/** Names of the documents in the newest index by this name, in alphabetical order. */
function indexed(deployment: TestDeployment): string[] {
  const index = vectorIndexes(deployment).at(-1);
  if (index === undefined) throw new Error("no vector index");
  const vector = new Float32Array(index.dimensions).fill(1);
  const query = { index: index.id, vector, conditions: null, limit: 256 };
  const hits = new VectorSearch(deployment.store, query).step(() => false);
  if (hits === null || hits === "gone") throw new Error("no answer");
  return hits.map(({ id }) => deployment.store.get(index.tablet, id)?.value["name"] as string).toSorted();
}

describe("pushing a vector index (reference database.md §8.4)", () => {
  it("builds it in slices and enables it with the schema", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 10 });
    const names = namesOf(25);
    insert(deployment, names);
    const started = start(deployment, withVectors());
    expect(started.schemaChange.indexDiffs[""]?.added_indexes).toEqual([
      { name: "points.by_at", type: "vector", dimensions: 2, vectorField: "at", filterFields: ["kind"] },
    ]);
    expect(status(deployment, started)).toEqual({
      type: "inProgress",
      components: { "": { schemaValidationComplete: true, indexesComplete: 0, indexesTotal: 1 } },
    });
    deployment.commit((tx) => deployment.backfiller.step(tx));
    expect(deployment.backfiller.indexProgress(vectorIndexes(deployment)[0]?.id ?? 0)).toBe(10);
    expect(deployment.backfill()).toBe(2);
    expect(states(deployment)).toEqual(["vector at[2](kind) backfilled"]);
    finish(deployment, started);
    expect(states(deployment)).toEqual(["vector at[2](kind) enabled"]);
    expect(indexed(deployment)).toEqual(names.toSorted());
  });

  it("reads fewer documents at a time when they are large", () => {
    const deployment = new TestDeployment();
    insert(deployment, namesOf(40), "x".repeat(backfillSliceBytesMax / 4));
    start(deployment, withVectors());
    const progress = (): number | null => {
      deployment.commit((tx) => deployment.backfiller.step(tx));
      return deployment.backfiller.indexProgress(vectorIndexes(deployment)[0]?.id ?? 0);
    };
    const first = progress() as number;
    expect(progress()).toBe(first + 3);
    expect(progress()).toBe(first + 6);
    deployment.backfill();
    expect(indexed(deployment)).toHaveLength(40);
  });

  it("keeps writes made between the slices", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 5 });
    insert(deployment, namesOf(20));
    start(deployment, withVectors());
    deployment.commit((tx) => deployment.backfiller.step(tx));
    deployment.commit((tx) => {
      const table = tx.table("", "points");
      if (table === null) throw new Error("no table");
      const documents = [...tx.scan(table.byId, "", null, "asc")];
      const [first, second, third] = documents;
      const [almostLast, last] = documents.slice(-2);
      if (!first || !second || !third || !almostLast || !last) throw new Error("too few documents");
      for (const changed of [first, last]) tx.replace(table, changed.id, { name: "changed", at: [2, 2] });
      for (const gone of [second, almostLast]) tx.delete(table, gone.id);
      tx.replace(table, third.id, { name: "no vector" });
      tx.insert("", "points", { name: "new", at: [3, 3] });
      tx.insert("", "points", { name: "none", at: [3] });
    });
    deployment.backfill();
    const names = deployment.commit((tx) => {
      const table = tx.table("", "points");
      const rows = table === null ? [] : [...tx.scan(table.byId, "", null, "asc")];
      return rows.filter(({ value }) => (value["at"] as unknown[] | undefined)?.length === 2);
    });
    expect(indexed(deployment)).toEqual(names.map(({ value }) => value["name"] as string).toSorted());
  });

  it("rebuilds it under the same name when its definition changes, and drops it with table or declaration", () => {
    const deployment = new TestDeployment();
    insert(deployment, ["a", "b"]);
    push(deployment, withVectors());
    const [before] = vectorIndexes(deployment);
    const started = start(deployment, withVectors({ field: "other", dimensions: 3 }));
    deployment.backfill();
    expect(states(deployment)).toEqual(["vector at[2](kind) enabled", "vector other[3](kind) backfilled"]);
    finish(deployment, started);
    expect(states(deployment)).toEqual(["vector other[3](kind) enabled"]);
    expect(deployment.store.vectorReader(before?.id ?? 0)).toBeNull();
    expect(indexed(deployment)).toEqual(["a", "b"]);
    push(deployment, withVectors({ field: "other", dimensions: 3, staged: true }));
    expect(states(deployment)).toEqual(["vector other[3](kind) backfilled staged"]);
    insert(deployment, ["c"]);
    expect(indexed(deployment)).toEqual(["a", "b", "c"]);
    push(deployment, withVectors());
    const [index] = vectorIndexes(deployment);
    deployment.store.dropTablet(index?.tablet ?? 0);
    expect(deployment.store.vectorReader(index?.id ?? 0)).toBeNull();
  });

  it("is complete after the replay of a commit that says so", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 3 });
    insert(deployment, namesOf(10));
    start(deployment, withVectors());
    deployment.commit((tx) => deployment.backfiller.step(tx));
    const table = deployment.catalog.tableByName("", "points");
    const [index] = vectorIndexes(deployment);
    if (table === null || index === undefined) throw new Error("no index");
    completeIndex(deployment.store, table, index);
    expect(indexed(deployment)).toHaveLength(10);
  });
});
