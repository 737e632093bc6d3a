import { describe, expect, it } from "vitest";
import type { DocumentWrite } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { encodeValue } from "../values/json.ts";
import type { Value, ValueObject } from "../values/value.ts";
import type { AnalyzedModule } from "./analysisTypes.ts";
import { updateEnvironmentVariables } from "./configuration.ts";
import { insertRow, moduleRows, rootNamespace, setDeploymentValue } from "./systemRows.ts";
import { systemFunctions } from "./systemFunctions.ts";
import { finish, start } from "./testing/pushSteps.ts";
import { TestDeployment } from "./testing/testDeployment.ts";

function call(
  deployment: TestDeployment,
  path: string,
  args: ValueObject = {},
  journal: string | null = null,
) {
  return deployment.commit((tx) => run(tx, deployment, path, args, journal));
}
function run(
  tx: Transaction,
  deployment: TestDeployment,
  path: string,
  args: ValueObject,
  journal: string | null,
) {
  const found = systemFunctions.get(path);
  if (found === undefined) throw new Error(`no ${path}`);
  let outgoing: string | null = null;
  const result = found(
    tx,
    {
      componentPath: "",
      cloudUrl: "http://cloud",
      siteUrl: "http://site",
      cursorSecret: new Uint8Array(32),
      uploadSecret: new Uint8Array(32),
      client: null,
      random: deployment.random,
      nowMs: 1_700_000_000_000,
      journal,
      setJournal: (text) => {
        outgoing = text;
      },
      progress: () => deployment.backfiller,
    },
    args,
  );
  return { result, outgoing: outgoing as string | null };
}
const bodies = (page: Value) =>
  (page as unknown as { page: readonly { readonly body: string }[] }).page.map(({ body }) => body);

function insert(deployment: TestDeployment, table: string, ...contents: string[]): void {
  deployment.commit((tx) => {
    for (const body of contents) tx.insert("", table, { body });
  });
}

/** Whether a commit changes what this query read. */
function isAffected(
  deployment: TestDeployment,
  path: string,
  args: ValueObject,
  change: (tx: Transaction) => void,
): boolean {
  const reader = deployment.begin();
  run(reader, deployment, path, args, null);
  const writer = deployment.begin();
  change(writer);
  const writes: readonly DocumentWrite[] = writer.finish(2_000_000_000_000_000_000n);
  const read = reader.reads.intervals();
  return writes.some(({ keys }) =>
    keys.some(({ index, before, after }) =>
      [before, after].some((key) =>
        (read.get(index) ?? []).some(
          ({ lower, upper }) => key !== null && key >= lower && (upper === null || key < upper),
        ),
      ),
    ),
  );
}

describe("system functions of the CLI (reference cli-flows.md §1)", () => {
  it("answers all thirteen names", () => {
    const names = [
      "convexUrl.js:cloudUrl",
      "queryEnvironmentVariables.js:default",
      "queryEnvironmentVariables.js:get",
      "tables.js:default",
      "tableData.js:default",
      "tableSize.js:default",
      "queryTable.js:default",
      "exports.js:getLatest",
      "queryImport.js:default",
      "queryImport.js:list",
      "modules.js:apiSpec",
    ];
    for (const name of names) expect(systemFunctions.has(`_system/cli/${name}`)).toBe(true);
    expect(systemFunctions.has("_system/frontend/components.js:list")).toBe(true);
    expect(systemFunctions.has("_system/frontend/getSchemas.js:default")).toBe(true);
  });

  it("lists environment variables by name", () => {
    const deployment = new TestDeployment();
    deployment.commit((tx) => {
      updateEnvironmentVariables(tx, [
        { name: "B", value: "2" },
        { name: "A", value: "1" },
      ]);
    });
    const path = "_system/cli/queryEnvironmentVariables.js";
    expect(call(deployment, `${path}:default`).result).toMatchObject([
      { name: "A", value: "1" },
      { name: "B", value: "2" },
    ]);
    expect(call(deployment, `${path}:get`, { name: "B" }).result).toEqual({ name: "B", value: "2" });
    expect(call(deployment, `${path}:get`, { name: "C" }).result).toBeNull();
    const setting = (tx: Transaction) => {
      updateEnvironmentVariables(tx, [{ name: "C", value: "3" }]);
    };
    expect(isAffected(deployment, `${path}:default`, {}, setting)).toBe(true);
  });

  it("pages through a table with cursors, newest first unless told otherwise", () => {
    const deployment = new TestDeployment();
    insert(deployment, "messages", "a", "b", "c");
    const path = "_system/cli/tableData.js:default";
    const args = (order: string, cursor: string | null) => ({
      table: "messages",
      order,
      paginationOpts: { numItems: 2, cursor },
    });
    const first = call(deployment, path, args("desc", null));
    expect(bodies(first.result)).toEqual(["c", "b"]);
    const { continueCursor, isDone } = first.result as unknown as { continueCursor: string; isDone: boolean };
    expect(isDone).toBe(false);
    expect(bodies(call(deployment, path, args("desc", continueCursor)).result)).toEqual(["a"]);
    expect(bodies(call(deployment, path, args("asc", null)).result)).toEqual(["a", "b"]);
    // With the journal of the last run the page keeps its end when documents are added in front.
    insert(deployment, "messages", "d");
    expect(bodies(call(deployment, path, args("desc", null), first.outgoing).result)).toEqual([
      "d",
      "c",
      "b",
    ]);
    expect(bodies(call(deployment, path, { ...args("asc", null), table: "absent" }).result)).toEqual([]);
    expect(bodies(call(deployment, path, { ...args("asc", null), table: "_modules" }).result)).toEqual([]);
  });

  it("lists, counts and watches tables", () => {
    const deployment = new TestDeployment();
    insert(deployment, "b", "x", "y");
    insert(deployment, "a", "x");
    expect(
      call(deployment, "_system/cli/tables.js:default", { paginationOpts: { numItems: 1, cursor: null } })
        .result,
    ).toEqual({ page: [{ name: "a" }, { name: "b" }], isDone: true, continueCursor: "" });
    expect(call(deployment, "_system/cli/tableSize.js:default", { tableName: "b" }).result).toBe(2);
    expect(call(deployment, "_system/cli/tableSize.js:default", { tableName: "c" }).result).toBe(0);
    const watch = "_system/cli/queryTable.js:default";
    const once = call(deployment, watch, { tableName: "b" }).result;
    expect(call(deployment, watch, { tableName: "b" }).result).not.toBe(once);
    const inserting = (table: string) => (tx: Transaction) => void tx.insert("", table, {});
    expect(isAffected(deployment, watch, { tableName: "b" }, inserting("b"))).toBe(true);
    expect(isAffected(deployment, watch, { tableName: "b" }, inserting("a"))).toBe(false);
    expect(isAffected(deployment, watch, { tableName: "new" }, inserting("new"))).toBe(true);
    expect(isAffected(deployment, "_system/cli/tables.js:default", {}, inserting("new"))).toBe(true);
    expect(isAffected(deployment, "_system/cli/tables.js:default", {}, inserting("a"))).toBe(false);
  });

  it("describes the pushed functions", () => {
    const deployment = new TestDeployment();
    const analysis: AnalyzedModule = {
      functions: [
        {
          name: "list",
          pos: { path: "m.js", start_lineno: 4, start_col: 2 },
          udfType: "Query",
          visibility: { kind: "public" },
          args: '{"type":"object","value":{"n":{"fieldType":{"type":"literal","value":{"$integer":"AQAAAAAAAAA="}},"optional":true}}}',
          returns: "null",
        },
      ],
      httpRoutes: [{ route: { path: "/x", method: "GET" }, pos: null }],
      cronSpecs: [
        {
          identifier: "tick",
          spec: { udfPath: "m.js:run", udfArgs: [91, 93], cronSchedule: { type: "hourly", minuteUTC: null } },
        },
      ],
      sourceMapped: null,
    };
    deployment.commit((tx) => {
      insertRow(tx, moduleRows, {
        namespace: rootNamespace,
        path: "m.js",
        environment: "isolate",
        source: "",
        sourceMap: null,
        sha256: "",
        analysis: JSON.stringify(analysis),
      });
    });
    const args = {
      type: "object",
      value: { n: { fieldType: { type: "literal", value: 1n }, optional: true } },
    };
    expect(call(deployment, "_system/cli/modules.js:apiSpec").result).toEqual([
      {
        identifier: "m.js:list",
        functionType: "Query",
        visibility: { kind: "public" },
        args,
        returns: { type: "any" },
      },
      { functionType: "HttpAction", method: "GET", path: "/x" },
    ]);
    const all = call(deployment, "_system/frontend/modules.js:listForAllComponents").result;
    expect(encodeValue(all)).toMatchObject([
      [
        null,
        [
          [
            "m.js",
            {
              functions: [
                { name: "list", lineno: 4, udfType: "Query", visibility: { kind: "public" } },
                { name: "GET /x", udfType: "HttpAction" },
              ],
              cronSpecs: [["tick", { udfPath: "m.js:run", cronSchedule: { type: "hourly" } }]],
            },
          ],
        ],
      ],
    ]);
    expect(call(deployment, "_system/frontend/modules.js:argsValidator", { function: "m:list" }).result).toBe(
      analysis.functions[0]?.args,
    );
  });
});

describe("system functions of the dashboard (reference dashboard.md)", () => {
  it("shows state, tables and documents", () => {
    const deployment = new TestDeployment();
    insert(deployment, "messages", "a");
    const frontend = (name: string, args: ValueObject = {}) =>
      call(deployment, `_system/frontend/${name}`, args).result;
    expect(frontend("deploymentState.js:deploymentState")).toEqual({ state: "running" });
    expect(frontend("getVersion.js:default")).toBeNull();
    expect(frontend("tableSize.js:sizeOfAllTables")).toBe(1);
    expect(frontend("getTableMapping.js:default")).toMatchObject({ "10001": "messages" });
    const [document] = frontend("listTableScan.js:default", { table: "messages", limit: 5 }) as ValueObject[];
    expect(document).toMatchObject({ body: "a" });
    const id = document?.["_id"] as string;
    expect(frontend("getById.js:default", { id })).toEqual(document);
    expect(frontend("listById.js:default", { ids: [{ id, tableName: "messages" }, { id: "no" }] })).toEqual([
      document,
      null,
    ]);
    expect(frontend("indexes.js:default", { tableName: "messages", tableNamespace: null })).toEqual([]);
    deployment.commit((tx) => {
      setDeploymentValue(tx, "paused", "true");
    });
    expect(frontend("deploymentState.js:deploymentState")).toEqual({ state: "paused" });
    expect(() => frontend("getById.js:default", { id, componentId: "other" })).toThrow(
      "There is no component other.",
    );
  });
});

describe("what the dashboard's pages ask for by a text that somebody typed", () => {
  it.each([
    ["fileStorageV2.js:getFile", { storageId: "not an id" }],
    ["fileStorageV2.js:getFile", { storageId: "00000000-0000-4000-8000-000000000000" }],
    ["scheduler.js:getArgs", { argsId: null }],
    ["scheduler.js:getArgs", { argsId: "not an id" }],
    ["getById.js:default", { id: "not an id" }],
  ])("%s %j is nothing, and no error that takes the page down", (name, args) => {
    expect(call(new TestDeployment(), `_system/frontend/${name}`, args).result).toBeNull();
  });
});

describe("_system/frontend/indexes:default (reference dashboard.md §3)", () => {
  const indexesOf = (deployment: TestDeployment, tableName: string | null) =>
    call(deployment, "_system/frontend/indexes.js:default", { tableName, tableNamespace: null }).result;
  /** Their order says nothing. */
  const byName = (indexes: Value) =>
    (indexes as unknown as readonly { readonly name: string }[]).toSorted((a, b) =>
      a.name < b.name ? -1 : 1,
    );

  it("tells how far the backfill of each index is", () => {
    const deployment = new TestDeployment({ sliceDocumentsMax: 2 });
    insert(deployment, "notes", "a", "b", "c", "d", "e");
    const index = (indexDescriptor: string, ...fields: string[]) => ({ indexDescriptor, fields });
    const started = start(deployment, {
      tables: [
        {
          tableName: "notes",
          indexes: [index("by_body", "body"), index("by_tag", "tag.name")],
          stagedDbIndexes: [index("by_rank", "rank", "body")],
          searchIndexes: [{ indexDescriptor: "search", searchField: "body", filterFields: ["tag"] }],
          vectorIndexes: [
            { indexDescriptor: "near", vectorField: "vector", dimensions: 4, filterFields: [] },
          ],
          documentType: { type: "any" },
        },
      ],
      schemaValidation: true,
    });
    const of = (name: string, staged: boolean, fields: Value, backfill: Value): Value => ({
      name,
      staged,
      fields,
      backfill,
    });
    const inOrder = (states: readonly Value[]) =>
      [
        ["by_body", false, ["body"]],
        ["by_tag", false, ["tag.name"]],
        ["by_rank", true, ["rank", "body"]],
        ["search", false, { searchField: "body", filterFields: ["tag"] }],
        ["near", false, { vectorField: "vector", dimensions: 4, filterFields: [] }],
      ].map(([name, staged, fields], i) =>
        of(name as string, staged as boolean, fields as Value, states[i] ?? null),
      );
    const all = (states: readonly Value[]) => byName(inOrder(states));
    const at = (numDocsIndexed: number, totalDocs: number): Value => ({
      state: "backfilling",
      stats: { numDocsIndexed, totalDocs },
    });
    expect(byName(indexesOf(deployment, "notes"))).toEqual(all(Array.from({ length: 5 }, () => at(0, 5))));
    deployment.commit((tx) => deployment.backfiller.step(tx));
    deployment.commit((tx) => deployment.backfiller.step(tx));
    insert(deployment, "notes", "f");
    expect(byName(indexesOf(deployment, "notes"))).toEqual(
      all([at(4, 6), at(0, 6), at(0, 6), at(0, 6), at(0, 6)]),
    );
    deployment.backfill();
    const backfilled = { state: "backfilled" };
    expect(byName(indexesOf(deployment, "notes"))).toEqual(all(Array.from({ length: 5 }, () => backfilled)));
    finish(deployment, started);
    const done = { state: "done" };
    expect(byName(indexesOf(deployment, "notes"))).toEqual(all([done, done, backfilled, done, done]));
  });

  it("has nothing to tell of a table that is not there", () => {
    const deployment = new TestDeployment();
    expect(indexesOf(deployment, "absent")).toBeNull();
    expect(indexesOf(deployment, null)).toBeNull();
  });
});
