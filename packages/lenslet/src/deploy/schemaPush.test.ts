import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { evaluateSchema } from "./evaluateSchema.ts";
import { importRow, importRowTo } from "./importTables.ts";
import { indexRows, rowsOf, schemaRows } from "./systemRows.ts";
import { deleteTables } from "./tableDeletion.ts";
import { completeIndex } from "./backfill.ts";
import { finish, push, start, status } from "./testing/pushSteps.ts";
import { TestDeployment, schemaOnly } from "./testing/testDeployment.ts";
import { updateEnvironmentVariables } from "./configuration.ts";

const text = { type: "string" };
const object = (fields: Record<string, unknown>) => ({
  type: "object",
  value: Object.fromEntries(
    Object.entries(fields).map(([name, fieldType]) => [name, { fieldType, optional: false }]),
  ),
});
const anyMessages = { type: "any" };
function messages(
  documentType: unknown,
  indexes: Record<string, string[]> = {},
  staged: Record<string, string[]> = {},
) {
  const listed = (from: Record<string, string[]>) =>
    Object.entries(from).map(([indexDescriptor, fields]) => ({ indexDescriptor, fields }));
  const table = {
    tableName: "messages",
    documentType,
    indexes: listed(indexes),
    stagedDbIndexes: listed(staged),
  };
  return { tables: [table], schemaValidation: true };
}

function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof LensletError) return error.code;
    throw error;
  }
  return "accepted";
}
const indexStates = (deployment: TestDeployment) =>
  deployment.commit((tx) =>
    rowsOf(tx, indexRows).map(
      ({ value }) => `${value.name}(${value.fields.join()}) ${value.state}${value.staged ? " staged" : ""}`,
    ),
  );
function insertMessages(deployment: TestDeployment, bodies: readonly (string | number)[]): void {
  deployment.commit((tx) => {
    for (const body of bodies) tx.insert("", "messages", { body });
  });
}
function bodiesBy(deployment: TestDeployment, indexName: string): unknown[] {
  return deployment.commit((tx: Transaction) => {
    const table = tx.table("", "messages");
    const index = table?.indexes.find((candidate) => candidate.name === indexName);
    if (index === undefined) throw new Error("no such index");
    return [...tx.scan(index, "", null, "asc")].map((document) => document.value["body"]);
  });
}

describe("pushing a schema (reference database.md §8.4)", () => {
  it("creates tables, builds indexes in slices and enables them together with the schema", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 10 });
    const bodies = Array.from({ length: 35 }, (_, i) => `m${(i * 17) % 35}`);
    insertMessages(deployment, bodies);
    const started = start(deployment, messages(object({ body: text }), { by_body: ["body"] }));
    expect(started.schemaChange.indexDiffs[""]?.added_indexes).toEqual([
      { name: "messages.by_body", type: "database", fields: ["body"] },
    ]);
    expect(status(deployment, started)).toEqual({
      type: "inProgress",
      components: { "": { schemaValidationComplete: false, indexesComplete: 0, indexesTotal: 1 } },
    });
    // Four slices of documents for the schema and one to say so, then four for the index.
    expect(deployment.backfill()).toBe(9);
    expect(indexStates(deployment)).toEqual(["by_body(body) backfilled"]);
    expect(status(deployment, started)).toEqual({ type: "complete" });
    const diff = finish(deployment, started).componentDiffs[""];
    expect(diff?.diffType).toEqual({ type: "create" });
    expect(diff?.indexDiff.added_indexes).toHaveLength(1);
    expect(diff?.schemaDiff?.previous_schema).toBeNull();
    expect(indexStates(deployment)).toEqual(["by_body(body) enabled"]);
    expect(deployment.catalog.activeSchema("")?.tables.has("messages")).toBe(true);
    expect(deployment.catalog.pendingSchema("")).toBeNull();
    expect(bodiesBy(deployment, "by_body")).toEqual([...bodies].toSorted());
  });

  it("keeps writes made between the slices of a backfill", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 5 });
    insertMessages(
      deployment,
      Array.from({ length: 20 }, (_, i) => `a${i}`),
    );
    start(deployment, messages(anyMessages, { by_body: ["body"] }));
    deployment.commit((tx) => deployment.backfiller.step(tx));
    deployment.commit((tx) => {
      const table = tx.table("", "messages");
      if (table === null) throw new Error("no table");
      const documents = [...tx.scan(table.byId, "", null, "asc")];
      // One document behind the cursor and one ahead of it each change and go.
      const [first, second] = documents;
      const [almostLast, last] = documents.slice(-2);
      if (!first || !second || !almostLast || !last) throw new Error("too few documents");
      for (const changed of [first, last]) tx.replace(table, changed.id, { body: `z${changed.json}` });
      for (const gone of [second, almostLast]) tx.delete(table, gone.id);
      tx.insert("", "messages", { body: "new" });
    });
    deployment.backfill();
    const inOrder = deployment.commit((tx) => {
      const table = tx.table("", "messages");
      return table === null
        ? []
        : [...tx.scan(table.byId, "", null, "asc")].map(({ value }) => value["body"] as string);
    });
    expect(bodiesBy(deployment, "by_body")).toEqual(inOrder.toSorted());
  });

  it("fails on an existing document that does not match and names it", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 2 });
    insertMessages(deployment, ["a", "b", "c", 7, "e"]);
    const started = start(deployment, messages(object({ body: text })));
    deployment.backfill();
    const failed = status(deployment, started);
    expect(failed).toMatchObject({ type: "failed", componentPath: "", tableName: "messages" });
    expect((failed as { error: string }).error).toMatch(
      /^Document with ID "[a-z0-9]+" in table "messages" does not match the schema: Value does not match validator\.\nPath: \.body\nValue: 7\.0\nValidator: v\.string\(\)$/,
    );
    expect(() => finish(deployment, started)).toThrow(
      /^Schema has already been failed with error: Document with ID/,
    );
    expect(deployment.catalog.activeSchema("")).toBeNull();
  });

  it("fails when a write breaks the pushed schema, and can be pushed again after the repair", () => {
    const deployment = new TestDeployment();
    insertMessages(deployment, ["a"]);
    const schema = messages(object({ body: text }));
    const first = start(deployment, schema);
    insertMessages(deployment, [1]);
    expect(status(deployment, first)).toMatchObject({
      type: "failed",
      error: expect.stringMatching(/^New document in table "messages" does not match the schema: /) as string,
    });
    deployment.commit((tx) => {
      const table = tx.table("", "messages");
      if (table === null) return;
      for (const { id, value } of Array.from(tx.scan(table.byId, "", null, "asc")))
        if (value["body"] === 1) tx.delete(table, id);
    });
    push(deployment, schema);
    expect(deployment.catalog.activeSchema("")).not.toBeNull();
  });

  it("fails when an import adds rows that break the pushed schema", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 1 });
    insertMessages(deployment, ["a", "b"]);
    const started = start(deployment, messages(object({ body: text })));
    deployment.backfill();
    // Behind the cursor: the walk will not pass it.
    deployment.commit((tx) => {
      const table = tx.table("", "messages");
      const number = table?.number ?? 0;
      const row = importRow(tx, "", "messages", { body: 1 }, new Map([["messages", number]]), 1);
      importRowTo(tx, "table", "", "messages", row);
    });
    expect(status(deployment, started)).toMatchObject({ type: "failed", tableName: "messages" });
  });

  it("does not look at documents again when the new validator takes everything the old one took", () => {
    const deployment = new TestDeployment();
    insertMessages(deployment, ["a"]);
    push(deployment, messages(object({ body: text })));
    const wider = messages(object({ body: { type: "union", value: [text, { type: "null" }] } }));
    const evaluation = deployment.commit((tx) => evaluateSchema(tx, schemaOnly(wider)));
    expect(evaluation.componentSchemaEvaluations[""]?.tables).toMatchObject([
      { name: "messages", outcome: "supersetOfEnforced", numDocs: 1 },
    ]);
    const started = start(deployment, wider);
    expect(status(deployment, started)).toEqual({ type: "complete" });
    expect(deployment.backfill()).toBe(0);
  });

  it("overwrites unfinished pushes, whose waiters learn of the race, and drops their indexes", () => {
    const deployment = new TestDeployment();
    insertMessages(deployment, ["a"]);
    const first = start(deployment, messages(anyMessages, { by_body: ["body"] }));
    const second = start(deployment, messages(anyMessages, { by_other: ["other"] }));
    expect(status(deployment, first)).toEqual({ type: "raceDetected" });
    expect(codeOf(() => finish(deployment, first))).toBe("RaceDetected");
    expect(indexStates(deployment)).toEqual(["by_other(other) backfilling"]);
    for (let i = 0; i < 5; i++) start(deployment, messages(anyMessages, { [`by_${i}`]: ["x"] }));
    expect(status(deployment, second)).toEqual({ type: "raceDetected" });
    const schemas = deployment.commit((tx) => rowsOf(tx, schemaRows).length);
    expect(schemas).toBeLessThanOrEqual(2);
  });

  it("lets two pushes of one schema share the pending schema; the second to finish is stale only if code changed", () => {
    const deployment = new TestDeployment();
    const schema = messages(anyMessages, { by_body: ["body"] });
    const first = start(deployment, schema);
    const second = start(deployment, schema);
    expect(second.schemaChange.schemaIds).toEqual(first.schemaChange.schemaIds);
    finish(deployment, first);
    expect(finish(deployment, second).componentDiffs[""]?.schemaDiff).toBeNull();
  });

  it("is a no-op for the schema that is active", () => {
    const deployment = new TestDeployment();
    const schema = messages(object({ body: text }), { by_body: ["body"] });
    push(deployment, schema);
    const { commits } = deployment;
    const diff = push(deployment, schema).componentDiffs[""];
    expect(deployment.commits).toBe(commits);
    expect(diff).toMatchObject({ diffType: { type: "modify" }, schemaDiff: null });
  });

  it("builds a changed index beside the old one and swaps them at finish", () => {
    const deployment = new TestDeployment();
    push(deployment, messages(anyMessages, { by_x: ["a"] }));
    insertMessages(deployment, ["m"]);
    const started = start(deployment, messages(anyMessages, { by_x: ["b"] }));
    expect(indexStates(deployment)).toEqual(["by_x(a) enabled", "by_x(b) backfilling"]);
    expect(started.schemaChange.indexDiffs[""]).toMatchObject({
      added_indexes: [{ name: "messages.by_x", fields: ["b"] }],
      removed_indexes: [{ name: "messages.by_x", fields: ["a"] }],
    });
    deployment.backfill();
    finish(deployment, started);
    expect(indexStates(deployment)).toEqual(["by_x(b) enabled"]);
  });

  it("does not wait for staged indexes, enables them later and can stage them again", () => {
    const deployment = new TestDeployment();
    insertMessages(deployment, ["m"]);
    const staged = start(deployment, messages(anyMessages, {}, { by_x: ["x"] }));
    expect(staged.schemaChange.indexDiffs[""]?.added_indexes).toEqual([
      { name: "messages.by_x", type: "database", fields: ["x"], staged: true },
    ]);
    expect(status(deployment, staged)).toEqual({ type: "complete" });
    finish(deployment, staged);
    expect(indexStates(deployment)).toEqual(["by_x(x) backfilling staged"]);

    const plain = start(deployment, messages(anyMessages, { by_x: ["x"] }));
    expect(plain.schemaChange.indexDiffs[""]?.enabled_indexes).toHaveLength(1);
    expect(status(deployment, plain).type).toBe("inProgress");
    expect(codeOf(() => finish(deployment, plain))).toBe("RaceDetected");
    deployment.backfill();
    finish(deployment, plain);
    expect(indexStates(deployment)).toEqual(["by_x(x) enabled"]);

    const diff = push(deployment, messages(anyMessages, {}, { by_x: ["x"] })).componentDiffs[""];
    expect(diff?.indexDiff.disabled_indexes).toHaveLength(1);
    expect(indexStates(deployment)).toEqual(["by_x(x) backfilled staged"]);
  });

  it("drops schema and indexes when schema.ts is gone", () => {
    const deployment = new TestDeployment();
    push(deployment, messages(anyMessages, { by_x: ["x"] }));
    const diff = push(deployment, null).componentDiffs[""];
    expect(diff?.indexDiff.removed_indexes).toHaveLength(1);
    expect(indexStates(deployment)).toEqual([]);
    expect(deployment.catalog.activeSchema("")).toBeNull();
  });

  it.each(["dryRun", "forCodegen"])("with %s writes the schema but neither tables nor indexes", (option) => {
    const deployment = new TestDeployment();
    const started = start(deployment, messages(object({ body: text }), { by_x: ["body"] }), {
      [option]: true,
    });
    expect(indexStates(deployment)).toEqual([]);
    expect(deployment.catalog.tableByName("", "messages")).toBeNull();
    expect(deployment.catalog.pendingSchema("")).not.toBeNull();
    expect(status(deployment, started, true)).toEqual({ type: "complete" });
    finish(deployment, started, true);
    expect(deployment.catalog.activeSchema("")).toBeNull();
  });

  it("predicts backfills and dropped indexes", () => {
    const deployment = new TestDeployment();
    insertMessages(deployment, ["a", "b"]);
    push(deployment, messages(anyMessages, { by_old: ["x"], by_kept: ["y"] }));
    const next = schemaOnly(
      messages(object({ body: text, y: text, z: text }), { by_kept: ["y"], by_new: ["z"] }),
    );
    const evaluation = deployment.commit((tx) => evaluateSchema(tx, next)).componentSchemaEvaluations[""];
    expect(evaluation?.tables).toEqual([
      { name: "messages", outcome: "mustWalk", numDocs: 2, sizeBytes: expect.any(Number) as number },
    ]);
    expect(evaluation?.indexes).toEqual([
      {
        name: "messages.by_kept",
        type: "database",
        fields: ["y"],
        change: "identical",
        needsBackfill: false,
        numDocs: 2,
      },
      {
        name: "messages.by_new",
        type: "database",
        fields: ["z"],
        change: "added",
        needsBackfill: true,
        numDocs: 2,
      },
      {
        name: "messages.by_old",
        type: "database",
        fields: ["x"],
        change: "dropped",
        needsBackfill: false,
        numDocs: 2,
      },
    ]);
  });

  it("refuses to finish after a change of environment variables or after many other pushes", () => {
    const deployment = new TestDeployment();
    const started = start(deployment, null);
    deployment.commit((tx) => updateEnvironmentVariables(tx, [{ name: "A", value: "1" }]));
    expect(() => finish(deployment, started)).toThrow("Environment variables have changed during push");
    expect(codeOf(() => finish(deployment, started))).toBe("RaceDetected");
    for (let i = 0; i < 8; i++) start(deployment, null);
    expect(codeOf(() => finish(deployment, started))).toBe("RaceDetected");
  });

  it("completes an index in one go for the replay of the log", () => {
    const deployment = new TestDeployment();
    insertMessages(deployment, ["b", "a"]);
    start(deployment, messages(anyMessages, { by_body: ["body"] }));
    const table = deployment.catalog.tableByName("", "messages");
    const index = table?.indexes.find(({ name }) => name === "by_body");
    if (!table || !index) throw new Error("no index");
    expect(bodiesBy(deployment, "by_body")).toEqual([]);
    completeIndex(deployment.store, table, index);
    expect(bodiesBy(deployment, "by_body")).toEqual(["a", "b"]);
  });
});

describe("deleting tables (reference database.md §8.4)", () => {
  it("refuses tables that the schema has or refers to", () => {
    const deployment = new TestDeployment();
    deployment.commit((tx) => tx.insert("", "users", {}));
    push(
      deployment,
      messages(object({ author: { type: "array", value: { type: "id", tableName: "users" } } })),
    );
    expect(() => deployment.commit((tx) => deleteTables(tx, "", ["messages"]))).toThrow(
      'Failed to delete table "messages" because it appears in the schema',
    );
    expect(() => deployment.commit((tx) => deleteTables(tx, "", ["users"]))).toThrow(
      'Failed to delete table "users" because `v.id("users")` appears in the schema of table "messages"',
    );
    push(deployment, null);
    deployment.commit((tx) => deleteTables(tx, "", ["users", "messages", "absent"]));
    expect(deployment.catalog.tableByName("", "users")).toBeNull();
  });
});
