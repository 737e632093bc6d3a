import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeId } from "../values/id.ts";
import type { ValueObject } from "../values/value.ts";
import { evaluateSchema } from "./evaluateSchema.ts";
import { clearTable, emptyTable } from "./importTables.ts";
import { mismatch } from "./stagedValidators.ts";
import { rowsOf, stagedValidatorRows } from "./systemRows.ts";
import { deleteTables } from "./tableDeletion.ts";
import { cliSchemas, throughCli } from "./testing/cliShapes.ts";
import { finish, push, start, status } from "./testing/pushSteps.ts";
import { TestDeployment, schemaOnly } from "./testing/testDeployment.ts";

const evaluateShapes = await cliSchemas("evaluateSchema");

type Json = Readonly<Record<string, unknown>>;
const text: Json = { type: "string" };
const number: Json = { type: "number" };
const textOrNumber: Json = { type: "union", value: [text, number] };
const object = (fields: Record<string, Json>, optional = false): Json => ({
  type: "object",
  value: Object.fromEntries(
    Object.entries(fields).map(([name, fieldType]) => [name, { fieldType, optional }]),
  ),
});
/** A schema with one table of this enforced type, and a staged one. */
const notes = (documentType: Json, stagedDocumentType?: Json, schemaValidation = true): Json => ({
  tables: [
    {
      tableName: "notes",
      documentType,
      ...(stagedDocumentType === undefined ? {} : { stagedDocumentType }),
    },
  ],
  schemaValidation,
});
const loose = object({ body: textOrNumber });
const strict = object({ body: text });
const staging = notes(loose, strict);

function insert(deployment: TestDeployment, ...bodies: (string | number)[]): string[] {
  return deployment.commit((tx) => bodies.map((body) => tx.insert("", "notes", { body })));
}

function deploymentWith(...bodies: (string | number)[]): TestDeployment {
  const deployment = new TestDeployment({ sliceDocumentsMax: 2 });
  push(deployment, notes(loose));
  insert(deployment, ...bodies);
  return deployment;
}

/** A push that does not let the background work, where `push` waits until all of it is done. */
function stage(deployment: TestDeployment, schema: Json = staging): void {
  const started = start(deployment, schema);
  expect(status(deployment, started)).toEqual({ type: "complete" });
  finish(deployment, started);
}

function stageAndWalk(deployment: TestDeployment, schema: Json = staging): void {
  stage(deployment, schema);
  deployment.backfill();
}

const states = (deployment: TestDeployment) =>
  deployment.commit((tx) => rowsOf(tx, stagedValidatorRows).map(({ value }) => value.state));
const errorOf = (deployment: TestDeployment) =>
  deployment.commit((tx) => rowsOf(tx, stagedValidatorRows)[0]?.value.error);
const evaluate = (deployment: TestDeployment, schema: Json | null) =>
  throughCli(
    evaluateShapes["evaluateSchemaResponse"],
    deployment.commit((tx) => evaluateSchema(tx, schemaOnly(schema), deployment.backfiller)),
  ).componentSchemaEvaluations[""];
const mismatchText = (id: string | undefined, value: string) =>
  `Document with ID "${id}" in table "notes" does not match the schema: ` +
  `Value does not match validator.\nPath: .body\nValue: ${value}\nValidator: v.string()`;

describe("a staged validator (reference database.md §8.4, http-api.md §6.5)", () => {
  it("is checked against all documents in slices, behind the push, and says how far it has come", () => {
    const deployment = deploymentWith("a", "b", "c", "d", "e");
    stage(deployment);
    expect(evaluate(deployment, staging)?.tables).toMatchObject([
      { outcome: "supersetOfEnforced", staged: { state: "pending", numDocsValidated: 0, totalDocs: 5 } },
    ]);
    deployment.commit((tx) => deployment.backfiller.step(tx));
    expect(evaluate(deployment, staging)?.tables).toMatchObject([
      { staged: { state: "pending", numDocsValidated: 2, totalDocs: 5 } },
    ]);
    expect(deployment.backfill()).toBe(2);
    expect(evaluate(deployment, staging)?.tables).toMatchObject([{ staged: { state: "valid" } }]);
    expect(evaluate(deployment, staging)?.discardedStagedValidators).toEqual([]);
  });

  it("is not enforced: what it does not allow is written, and named", () => {
    const deployment = deploymentWith("a");
    stageAndWalk(deployment);
    expect(states(deployment)).toEqual(["valid"]);
    const [id] = insert(deployment, 7);
    expect(errorOf(deployment)).toBe(mismatchText(id, "7.0"));
    expect(evaluate(deployment, staging)?.tables).toMatchObject([
      { staged: { state: "failed", error: mismatchText(id, "7.0") } },
    ]);
    // The first one stays the one that is named.
    insert(deployment, 8);
    expect(errorOf(deployment)).toBe(mismatchText(id, "7.0"));
  });

  it("fails on an existing document, and is tried again with the next push once that is mended", () => {
    const deployment = deploymentWith("a", "b", "c");
    const [id] = insert(deployment, 7);
    stageAndWalk(deployment);
    expect(states(deployment)).toEqual(["failed"]);
    expect(errorOf(deployment)).toBe(mismatchText(id, "7.0"));
    deployment.commit((tx) => {
      const table = tx.table("", "notes");
      if (table !== null && id !== undefined) tx.patch(table, decodeId(id).id, { body: "seven" });
    });
    expect(states(deployment)).toEqual(["failed"]);
    // The same schema: no other change than this.
    stageAndWalk(deployment);
    expect(states(deployment)).toEqual(["valid"]);
    const { commits } = deployment;
    stageAndWalk(deployment);
    expect(deployment.commits).toBe(commits);
  });

  it("has not failed for what a transaction has not left in its documents", () => {
    const deployment = deploymentWith("a");
    stageAndWalk(deployment);
    deployment.commit((tx) => {
      const savepoint = tx.savepoint();
      tx.insert("", "notes", { body: 1 });
      tx.rollback(savepoint);
      const table = tx.table("", "notes");
      const [changed, gone] = [1, 2].map((body) => decodeId(tx.insert("", "notes", { body })).id);
      if (table === null || changed === undefined || gone === undefined)
        throw new Error("nothing was written");
      tx.replace(table, changed, { body: "text after all" });
      tx.delete(table, gone);
    });
    expect(states(deployment)).toEqual(["valid"]);
  });

  it("that is valid becomes the enforced one without a look at the documents", () => {
    const deployment = deploymentWith("a", "b", "c");
    stageAndWalk(deployment);
    const promoted = evaluate(deployment, notes(strict));
    expect(promoted?.tables).toMatchObject([
      { outcome: "supersetOfStagedValidated", staged: { state: "valid" } },
    ]);
    expect(promoted?.discardedStagedValidators).toEqual([]);
    const started = start(deployment, notes(strict));
    expect(status(deployment, started)).toEqual({ type: "complete" });
    finish(deployment, started);
    expect(states(deployment)).toEqual([]);
    expect(() => insert(deployment, 7)).toThrow("Failed to insert or update a document");
  });

  it("that is valid when its promotion begins protects it no longer: a write in between fails the push", () => {
    const deployment = deploymentWith("a");
    stageAndWalk(deployment);
    const started = start(deployment, notes(strict));
    insert(deployment, 7);
    expect(status(deployment, started)).toMatchObject({ type: "failed", tableName: "notes" });
    expect(() => finish(deployment, started)).toThrow("Schema has already been failed with error");
    expect(states(deployment)).toEqual(["failed"]);
  });

  it("that is not through yet is promoted by looking at every document after all", () => {
    const deployment = deploymentWith("a", "b", "c");
    stage(deployment);
    const promoted = evaluate(deployment, notes(strict));
    expect(promoted?.tables).toMatchObject([
      { outcome: "mustWalk", staged: { state: "pending" }, canSkipAfterStagedValidation: true },
    ]);
    expect(promoted?.discardedStagedValidators).toEqual([]);
    const started = start(deployment, notes(strict));
    expect(status(deployment, started).type).toBe("inProgress");
    deployment.backfill();
    expect(status(deployment, started)).toEqual({ type: "complete" });
  });

  it("that has failed fails the push that enforces it, as if it had not been staged", () => {
    const deployment = deploymentWith("a");
    const [id] = insert(deployment, 7);
    stageAndWalk(deployment);
    expect(evaluate(deployment, notes(strict))?.tables).toMatchObject([
      { outcome: "mustWalk", staged: { state: "failed" }, canSkipAfterStagedValidation: false },
    ]);
    const started = start(deployment, notes(strict));
    deployment.backfill();
    expect(status(deployment, started)).toEqual({
      type: "failed",
      componentPath: "",
      tableName: "notes",
      error: mismatchText(id, "7.0"),
    });
  });

  it("that is replaced or removed is reported, and starts from zero when it comes back", () => {
    const deployment = deploymentWith("a", "b", "c");
    stage(deployment);
    const other = notes(loose, object({ body: { type: "literal", value: "a" } }));
    expect(evaluate(deployment, other)?.discardedStagedValidators).toEqual([
      {
        tableName: "notes",
        state: { state: "pending", numDocsValidated: 0, totalDocs: 3 },
        replaced: true,
      },
    ]);
    deployment.backfill();
    for (const next of [
      notes(loose),
      notes(loose, strict, false),
      null,
      { tables: [], schemaValidation: true },
    ])
      expect(evaluate(deployment, next)?.discardedStagedValidators).toEqual([
        { tableName: "notes", state: { state: "valid" }, replaced: false },
      ]);
    stage(deployment, notes(loose));
    expect(states(deployment)).toEqual([]);
    // What is written now is checked by nobody.
    const [id] = insert(deployment, 7);
    stage(deployment);
    expect(states(deployment)).toEqual(["pending"]);
    deployment.backfill();
    expect(errorOf(deployment)).toBe(mismatchText(id, "7.0"));
    // A failed one is not called discarded: a push tries it again anyway.
    expect(evaluate(deployment, notes(loose))?.discardedStagedValidators).toEqual([]);
  });

  it("keeps its state when its fields are written in another order, or beside another change", () => {
    const deployment = deploymentWith();
    const two = (names: readonly string[]) =>
      notes({ type: "any" }, object(Object.fromEntries(names.map((name) => [name, text]))));
    push(deployment, notes({ type: "any" }));
    deployment.commit((tx) => tx.insert("", "notes", { a: "1", b: "2" }));
    stageAndWalk(deployment, two(["a", "b"]));
    expect(evaluate(deployment, two(["b", "a"]))?.discardedStagedValidators).toEqual([]);
    stage(deployment, two(["b", "a"]));
    expect(states(deployment)).toEqual(["valid"]);
  });

  it("needs no walk where nothing can contradict it", () => {
    const empty = deploymentWith();
    stage(empty);
    expect(states(empty)).toEqual(["valid"]);
    const wider = deploymentWith("a", 1);
    stage(wider, notes(loose, object({ body: { type: "any" } })));
    expect(states(wider)).toEqual(["valid"]);
    const off = deploymentWith("a", 1);
    stage(off, notes(loose, strict, false));
    expect(states(off)).toEqual([]);
  });

  it("is checked anew when a table is emptied, replaced or deleted, its own or one that its ids name", () => {
    const deployment = deploymentWith("a");
    deployment.commit((tx) => tx.insert("", "users", {}));
    const withUser = object({
      body: text,
      user: { type: "union", value: [text, { type: "id", tableName: "users" }] },
    });
    stage(deployment, notes({ type: "any" }, withUser));
    deployment.backfill();
    expect(states(deployment)).toEqual(["failed"]);
    deployment.commit((tx) => emptyTable(tx, "", "notes"));
    stage(deployment, notes({ type: "any" }, withUser));
    expect(states(deployment)).toEqual(["valid"]);
    deployment.commit((tx) => emptyTable(tx, "", "notes"));
    expect(states(deployment)).toEqual(["pending"]);
    deployment.backfill();
    expect(states(deployment)).toEqual(["valid"]);
    deployment.commit((tx) => deleteTables(tx, "", ["users"]));
    expect(states(deployment)).toEqual(["pending"]);
    deployment.backfill();
    deployment.commit((tx) => clearTable(tx, "", "others"));
    expect(states(deployment)).toEqual(["valid"]);
  });

  it("begins anew when its table is replaced in the middle of the walk", () => {
    const deployment = deploymentWith("a", "b", "c", "d", "e", "f");
    stage(deployment);
    deployment.commit((tx) => deployment.backfiller.step(tx));
    deployment.commit((tx) => emptyTable(tx, "", "notes"));
    insert(deployment, "g", "h", "i");
    expect(evaluate(deployment, staging)?.tables).toMatchObject([
      { staged: { state: "pending", numDocsValidated: 0, totalDocs: 3 } },
    ]);
    deployment.backfill();
    expect(states(deployment)).toEqual(["valid"]);
  });

  it("goes on after a restart", () => {
    const deployment = deploymentWith("a", "b", "c", "d", "e");
    const [id] = insert(deployment, 7);
    stage(deployment);
    deployment.commit((tx) => deployment.backfiller.step(tx));
    deployment.restart();
    expect(states(deployment)).toEqual(["pending"]);
    expect(deployment.backfill()).toBe(3);
    expect(errorOf(deployment)).toBe(mismatchText(id, "7.0"));
  });

  it("is refused where it is no validator of documents, like the enforced one", () => {
    expect(() => schemaOnly(notes(loose, text))).toThrow(
      "The document validator in a schema must be an object, a union of objects, or `v.any()`. Found v.string().",
    );
  });
});

describe("the state of a staged validator", () => {
  type Step =
    | { readonly kind: "insert" | "patch" | "delete"; readonly pick: number; readonly body: string | number }
    | { readonly kind: "slice" | "restart" | "push" | "empty" };
  const bodies = fc.oneof({ weight: 12, arbitrary: fc.constantFrom("a", "b") }, fc.constant(7));
  const write = fc.record({
    kind: fc.constantFrom("insert" as const, "patch" as const, "delete" as const),
    pick: fc.nat(30),
    body: bodies,
  });
  const other = fc.record({
    kind: fc.constantFrom(
      "slice" as const,
      "slice" as const,
      "restart" as const,
      "push" as const,
      "empty" as const,
    ),
  });
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.oneof({ weight: 3, arbitrary: write }, { weight: 3, arbitrary: other }),
    { maxLength: 60 },
  );

  it("is what a plain walk finds, whatever is written meanwhile", () => {
    fc.assert(
      fc.property(fc.array(bodies, { maxLength: 12 }), steps, (initial, run) => {
        const deployment = deploymentWith(...initial);
        const walk = (): string[] =>
          deployment.commit((tx) => {
            const table = tx.table("", "notes");
            if (table === null) return [];
            const validator = schemaOnly(notes(strict)).schema?.tables[0]?.documentType;
            if (validator === undefined) throw new Error("the schema has the table");
            return [...tx.scan(table.byId, "", null, "asc")].flatMap(
              (document) => mismatch(tx, table, validator, document) ?? [],
            );
          });
        stage(deployment);
        /** What plain walks have found since the last push or since the table was exchanged. */
        let seen = new Set(walk());
        const check = (isDone: boolean) => {
          const found = walk();
          for (const error of found) seen.add(error);
          const [state] = states(deployment);
          if (state === "valid") expect(found).toEqual([]);
          if (state === "failed") expect([...seen]).toContain(errorOf(deployment));
          if (isDone)
            expect(state).toBe(found.length > 0 ? "failed" : state === "failed" ? "failed" : "valid");
          if (isDone && seen.size === 0) expect(state).toBe("valid");
        };
        check(false);
        for (const step of run) {
          const wasFailed = states(deployment)[0] === "failed";
          apply(deployment, step);
          if ((step.kind === "push" && wasFailed) || (step.kind === "empty" && !wasFailed)) seen = new Set();
          check(false);
        }
        deployment.backfill();
        check(true);
        // And the push that enforces it goes through exactly when no document stands against it.
        const matches = walk().length === 0;
        const started = start(deployment, notes(strict));
        deployment.backfill();
        expect(status(deployment, started).type).toBe(matches ? "complete" : "failed");
      }),
      { numRuns: 60 },
    );
  });

  function apply(deployment: TestDeployment, step: Step): void {
    switch (step.kind) {
      case "slice":
        deployment.commit((tx) => deployment.backfiller.step(tx));
        return;
      case "restart":
        deployment.restart();
        return;
      case "push":
        stage(deployment);
        return;
      case "empty":
        deployment.commit((tx) => emptyTable(tx, "", "notes"));
        return;
      case "insert":
        insert(deployment, step.body);
        return;
      case "patch":
      case "delete":
        deployment.commit((tx) => {
          const table = tx.table("", "notes");
          if (table === null) return;
          const documents = [...tx.scan(table.byId, "", null, "asc")];
          const picked = documents[step.pick % Math.max(1, documents.length)];
          if (picked === undefined) return;
          const fields: ValueObject = { body: step.body };
          if (step.kind === "patch") tx.patch(table, picked.id, fields);
          else tx.delete(table, picked.id);
        });
    }
  }
});
