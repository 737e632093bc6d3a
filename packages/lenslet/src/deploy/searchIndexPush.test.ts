import { describe, expect, it } from "vitest";
import { searchDocuments } from "../search/searchDocuments.ts";
import { searchQueryOf } from "../search/searchRead.ts";
import { completeIndex } from "./backfill.ts";
import { evaluateSchema } from "./evaluateSchema.ts";
import { systemFunctions } from "./systemFunctions.ts";
import { indexRows, rowsOf } from "./systemRows.ts";
import { deleteTables } from "./tableDeletion.ts";
import { finish, push, start, status } from "./testing/pushSteps.ts";
import { schemaOnly, TestDeployment } from "./testing/testDeployment.ts";

interface Declared {
  readonly field?: string;
  readonly filters?: readonly string[];
  readonly staged?: boolean;
}

/** A schema with the search index `by_text` of `messages`. */
function withSearch({ field = "body", filters = ["channel"], staged = false }: Declared = {}) {
  const index = { indexDescriptor: "by_text", searchField: field, filterFields: filters };
  const table = {
    tableName: "messages",
    documentType: { type: "any" },
    indexes: [],
    [staged ? "stagedSearchIndexes" : "searchIndexes"]: [index],
  };
  return { tables: [table], schemaValidation: true };
}

function insert(deployment: TestDeployment, bodies: readonly string[]): void {
  deployment.commit((tx) => {
    for (const body of bodies) tx.insert("", "messages", { body, title: `title of ${body}` });
  });
}

const states = (deployment: TestDeployment) =>
  deployment.commit((tx) =>
    rowsOf(tx, indexRows).map(
      ({ value }) =>
        `${value.kind} ${value.fields.join()}(${value.filterFields?.join()}) ${value.state}${value.staged ? " staged" : ""}`,
    ),
  );

function searchIndexes(deployment: TestDeployment) {
  return deployment.catalog.tableByName("", "messages")?.searchIndexes ?? [];
}

/** Bodies of the documents that the newest index by this name finds, in alphabetical order. */
function found(deployment: TestDeployment, word: string): string[] {
  const index = searchIndexes(deployment).at(-1);
  if (index === undefined) throw new Error("no search index");
  const hits = searchDocuments(
    deployment.store.searchReader(index.id),
    null,
    searchQueryOf([word], new Map()),
    1000,
  );
  return hits.map(({ id }) => deployment.store.get(index.tablet, id)?.value["body"] as string).toSorted();
}

describe("pushing a text search index (reference database.md §8.4)", () => {
  it("builds it in slices and enables it with the schema", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 10 });
    const bodies = Array.from({ length: 25 }, (_, i) => `word number${i}`);
    insert(deployment, bodies);
    const started = start(deployment, withSearch());
    expect(started.schemaChange.indexDiffs[""]?.added_indexes).toEqual([
      { name: "messages.by_text", type: "search", searchField: "body", filterFields: ["channel"] },
    ]);
    expect(status(deployment, started)).toEqual({
      type: "inProgress",
      components: { "": { schemaValidationComplete: true, indexesComplete: 0, indexesTotal: 1 } },
    });
    deployment.commit((tx) => deployment.backfiller.step(tx));
    expect(deployment.backfiller.indexProgress(searchIndexes(deployment)[0]?.id ?? 0)).toBe(10);
    expect(deployment.backfill()).toBe(2);
    expect(states(deployment)).toEqual(["search body(channel) backfilled"]);
    expect(status(deployment, started)).toEqual({ type: "complete" });
    finish(deployment, started);
    expect(states(deployment)).toEqual(["search body(channel) enabled"]);
    expect(found(deployment, "word")).toEqual(bodies.toSorted());
  });

  it("needs no building on an empty table, and nothing at all a second time", () => {
    const deployment = new TestDeployment();
    push(deployment, withSearch({ filters: ["a", "b"] }));
    expect(states(deployment)).toEqual(["search body(a,b) enabled"]);
    const { commits } = deployment;
    push(deployment, withSearch({ filters: ["a", "b"] }));
    expect(deployment.commits).toBe(commits);
    insert(deployment, ["hello"]);
    expect(found(deployment, "hello")).toEqual(["hello"]);
  });

  it("keeps writes made between the slices", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 5 });
    insert(
      deployment,
      Array.from({ length: 20 }, (_, i) => `word a${i}`),
    );
    start(deployment, withSearch());
    deployment.commit((tx) => deployment.backfiller.step(tx));
    deployment.commit((tx) => {
      const table = tx.table("", "messages");
      if (table === null) throw new Error("no table");
      const documents = [...tx.scan(table.byId, "", null, "asc")];
      const [first, second] = documents;
      const [almostLast, last] = documents.slice(-2);
      if (!first || !second || !almostLast || !last) throw new Error("too few documents");
      for (const changed of [first, last]) tx.replace(table, changed.id, { body: "word changed" });
      for (const gone of [second, almostLast]) tx.delete(table, gone.id);
      tx.insert("", "messages", { body: "word new" });
      tx.insert("", "messages", { body: 7 });
    });
    deployment.backfill();
    const bodies = deployment.commit((tx) => {
      const table = tx.table("", "messages");
      return table === null
        ? []
        : [...tx.scan(table.byId, "", null, "asc")].map(({ value }) => value["body"]);
    });
    expect(found(deployment, "word")).toEqual(bodies.filter((body) => typeof body === "string").sort());
    expect(found(deployment, "changed")).toHaveLength(2);
  });

  it("builds a changed index beside the old one and swaps them at finish", () => {
    const deployment = new TestDeployment();
    push(deployment, withSearch());
    insert(deployment, ["one"]);
    const started = start(deployment, withSearch({ field: "title" }));
    expect(states(deployment)).toEqual(["search body(channel) enabled", "search title(channel) backfilling"]);
    expect(started.schemaChange.indexDiffs[""]).toMatchObject({
      added_indexes: [{ name: "messages.by_text", searchField: "title" }],
      removed_indexes: [{ name: "messages.by_text", searchField: "body" }],
    });
    insert(deployment, ["two"]);
    deployment.backfill();
    const old = searchIndexes(deployment)[0]?.id ?? 0;
    finish(deployment, started);
    expect(states(deployment)).toEqual(["search title(channel) enabled"]);
    expect(found(deployment, "title")).toEqual(["one", "two"]);
    expect(() => deployment.store.searchReader(old)).toThrow("is created before");
    // Other filter fields are another index; the same ones in another order are not.
    push(deployment, withSearch({ field: "title", filters: ["channel", "n"] }));
    const { commits } = deployment;
    start(deployment, withSearch({ field: "title", filters: ["n", "channel"] }));
    expect(states(deployment)).toEqual(["search title(channel,n) enabled"]);
    expect(deployment.commits).toBe(commits + 1);
  });

  it("does not wait for staged ones, enables them later and can stage them again", () => {
    const deployment = new TestDeployment();
    insert(deployment, ["m"]);
    const staged = start(deployment, withSearch({ staged: true }));
    expect(status(deployment, staged)).toEqual({ type: "complete" });
    finish(deployment, staged);
    expect(states(deployment)).toEqual(["search body(channel) backfilling staged"]);
    const plain = start(deployment, withSearch());
    expect(plain.schemaChange.indexDiffs[""]?.enabled_indexes).toHaveLength(1);
    expect(status(deployment, plain).type).toBe("inProgress");
    deployment.backfill();
    finish(deployment, plain);
    expect(states(deployment)).toEqual(["search body(channel) enabled"]);
    push(deployment, withSearch({ staged: true }));
    expect(states(deployment)).toEqual(["search body(channel) backfilled staged"]);
  });

  it("drops it when the schema or the table goes", () => {
    const deployment = new TestDeployment();
    push(deployment, withSearch());
    const id = searchIndexes(deployment)[0]?.id ?? 0;
    push(deployment, null);
    expect(states(deployment)).toEqual([]);
    expect(() => deployment.store.searchReader(id)).toThrow("is created before");
    const unfinished = start(deployment, withSearch());
    expect(unfinished).toBeDefined();
    deployment.commit((tx) => deleteTables(tx, "", ["messages"]));
    expect(states(deployment)).toEqual([]);
  });

  it("gets its row by the next push where the schema was active before there were such rows", () => {
    const deployment = new TestDeployment();
    push(deployment, withSearch());
    insert(deployment, ["before"]);
    // As an older Lenslet has left it.
    deployment.commit((tx) => {
      const indexes = tx.table("", "_indexes");
      if (indexes === null) throw new Error("no _indexes");
      for (const { id } of tx.scan(indexes.byId, "", null, "asc")) tx.delete(indexes, id);
    });
    expect(searchIndexes(deployment)).toEqual([]);
    push(deployment, withSearch());
    expect(states(deployment)).toEqual(["search body(channel) enabled"]);
    expect(found(deployment, "before")).toEqual(["before"]);
  });

  it("is predicted and described", () => {
    const deployment = new TestDeployment();
    insert(deployment, ["a"]);
    const predict = (declared: Declared) =>
      deployment.commit((tx) => evaluateSchema(tx, schemaOnly(withSearch(declared))))
        .componentSchemaEvaluations[""]?.indexes;
    expect(predict({})).toMatchObject([{ name: "messages.by_text", change: "added", needsBackfill: true }]);
    push(deployment, withSearch());
    expect(predict({})).toMatchObject([{ change: "identical", needsBackfill: false }]);
    const listed = deployment.commit((tx) =>
      systemFunctions.get("_system/frontend/indexes.js:default")?.(tx, {} as never, {
        tableName: "messages",
        tableNamespace: null,
      }),
    );
    expect(listed).toEqual([
      {
        name: "by_text",
        staged: false,
        fields: { searchField: "body", filterFields: ["channel"] },
        backfill: { state: "done" },
      },
    ]);
  });

  it("is completed in one go for the replay of the log", () => {
    const deployment = new TestDeployment();
    insert(deployment, ["word b", "word a"]);
    start(deployment, withSearch());
    const table = deployment.catalog.tableByName("", "messages");
    const [index] = table?.searchIndexes ?? [];
    if (!table || !index) throw new Error("no index");
    expect(found(deployment, "word")).toEqual([]);
    completeIndex(deployment.store, table, index);
    completeIndex(deployment.store, table, index);
    expect(found(deployment, "word")).toEqual(["word a", "word b"]);
  });
});
