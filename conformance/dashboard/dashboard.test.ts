import { fileURLToPath } from "node:url";
import { ConvexError } from "convex/values";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { pushApp, TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { DashboardClient, type Page, systemFunction } from "./dashboardClient.ts";

const folder = fileURLToPath(new URL("./app", import.meta.url));
const api = anyApi as unknown as Record<string, Record<string, never>>;

let server: TestServer;
let dashboard: DashboardClient;
let app: ConvexHttpClient;
/** The id of the component `notes`. */
let notes: string;
beforeAll(async () => {
  server = await TestServer.start();
  await pushApp(server, TestProject.create(folder).folder);
  dashboard = new DashboardClient(server);
  app = new ConvexHttpClient(server.url, { logger: false });
  const components = await dashboard.query<{ id: string; path: string }[]>("components:list");
  notes = components.find(({ path }) => path === "notes")!.id;
}, 120_000);
afterAll(async () => {
  await server.dispose();
});

const people = [
  { name: "Ada Lovelace", age: 36, city: "London" },
  { name: "Alan Turing", age: 41, city: "London" },
  { name: "Grace Hopper", age: 85, city: "New York" },
  { name: "Nobody", age: 0 },
];
beforeEach(async () => {
  await dashboard.mutation("clearTablePage:default", { tableName: "people", cursor: null });
  const added = await dashboard.mutation("addDocument:default", { table: "people", documents: people });
  expect(added).toEqual({ success: true });
});
const names = async (filters: object | null) =>
  (await dashboard.documents("people", filters)).map(({ name }) => name);

describe("the page of data", () => {
  it("shows tables, documents in pages, and single ones", async () => {
    expect(Object.keys(await dashboard.get<object>("/api/shapes2"))).toEqual(["people"]);
    expect(await names(null)).toEqual(people.map(({ name }) => name).toReversed());
    const [document] = await dashboard.documents("people");
    expect(await dashboard.query("getById:default", { id: document!._id })).toEqual(document);
    expect(await dashboard.documents("no_such_table")).toEqual([]);
  });

  const clause = (op: string, field: string, value?: unknown) => ({
    id: "x",
    enabled: true,
    op,
    field,
    value,
  });
  const unset =
    "__CONVEX_PLACEHOLDER_undefined_I23atX0jcndVbFgXoQZffsih7eAqktCyFjgUuAeNBtfr3ySOljPSPSEOPFgprkdBO3zXNiGEJxmJ5ZFPc5C5qKesG80QRPvlJe8vgSxAt9feLTwxTg4PHfVwUaTEJU67FDwldWmTxp1guMPwxQ2jOuhEryTBf3mQ";
  it.each<[string, object, string[]]>([
    ["eq", { clauses: [clause("eq", "city", "London")] }, ["Alan Turing", "Ada Lovelace"]],
    ["neq", { clauses: [clause("neq", "city", "London")] }, ["Nobody", "Grace Hopper"]],
    ["order", { order: "asc", clauses: [clause("gt", "age", 36)] }, ["Alan Turing", "Grace Hopper"]],
    [
      "gte and lt",
      { clauses: [clause("gte", "age", 36), clause("lt", "age", 85)] },
      ["Alan Turing", "Ada Lovelace"],
    ],
    ["anyOf", { clauses: [clause("anyOf", "age", [0, 85])] }, ["Nobody", "Grace Hopper"]],
    ["noneOf", { clauses: [clause("noneOf", "age", [0, 85])] }, ["Alan Turing", "Ada Lovelace"]],
    ["type", { clauses: [clause("type", "city", "unset")] }, ["Nobody"]],
    ["notype", { clauses: [clause("notype", "city", "unset"), clause("lte", "age", 36)] }, ["Ada Lovelace"]],
    ["an unset value", { clauses: [clause("eq", "city", unset)] }, ["Nobody"]],
    [
      "a clause that is off",
      {
        clauses: [
          { ...clause("eq", "age", 1), enabled: false },
          { op: "eq", value: 1 },
        ],
      },
      ["Nobody", "Grace Hopper", "Alan Turing", "Ada Lovelace"],
    ],
    [
      "an index",
      {
        index: {
          name: "by_city",
          clauses: [
            { type: "indexEq", enabled: true, value: "London" },
            { type: "indexRange", enabled: true, lowerOp: "gt", lowerValue: 36 },
          ],
        },
        clauses: [],
      },
      ["Alan Turing"],
    ],
    [
      "an index with clauses that are off",
      {
        order: "asc",
        index: {
          name: "by_city",
          clauses: [
            { type: "indexEq", enabled: true, value: "London" },
            { type: "indexEq", enabled: false, value: 1 },
          ],
        },
        clauses: [],
      },
      ["Ada Lovelace", "Alan Turing"],
    ],
    [
      "by_creation_time",
      {
        index: {
          name: "by_creation_time",
          clauses: [{ type: "indexRange", enabled: true, upperOp: "lt", upperValue: 1 }],
        },
        clauses: [],
      },
      [],
    ],
    [
      "a search",
      { index: { name: "search_name", search: "ada", clauses: [] }, clauses: [] },
      ["Ada Lovelace"],
    ],
    [
      "a search with a filter",
      {
        index: {
          name: "search_name",
          search: "a",
          clauses: [{ field: "city", enabled: true, value: "New York" }],
        },
        clauses: [],
      },
      [],
    ],
  ])("filters: %s", async (_what, filters, found) => {
    expect(await names(filters)).toEqual(found);
  });

  it.each<[string, object, number, RegExp]>([
    ["an unknown operator", { clauses: [clause("eq", "age", 1), clause("like", "age", 1)] }, 1, /like/],
    ["a value that is none", { clauses: [clause("eq", "age", { $integer: "no" })] }, 0, /value/i],
    [
      "an unknown index",
      { clauses: [], index: { name: "by_age", clauses: [] } },
      -1,
      /people\.by_age not found/,
    ],
    [
      "a gap in the index",
      {
        clauses: [],
        index: {
          name: "by_city",
          clauses: [
            { type: "indexEq", enabled: false },
            { type: "indexEq", enabled: true, value: 1 },
          ],
        },
      },
      -1,
      /order/,
    ],
    ["no filters at all", [1], -1, /filter/i],
  ])("says what is wrong with the filters: %s", async (_what, filters, position, error) => {
    const page = await dashboard.query<Page>("paginatedTableDocuments:default", {
      table: "people",
      filters: Buffer.from(JSON.stringify(filters)).toString("base64url"),
      paginationOpts: { numItems: 10, cursor: null, id: 1 },
    });
    expect(page).toEqual({
      page: [{ filter: position, error: expect.stringMatching(error) }],
      isDone: true,
      continueCursor: "",
    });
  });

  it("replaces, patches and deletes documents", async () => {
    const [nobody, grace] = await dashboard.documents("people");
    const { _id: id } = nobody!;
    expect(
      await dashboard.mutation("replaceDocument:default", { id, document: { name: "Somebody", age: 1 } }),
    ).toEqual({ success: true });
    expect(await dashboard.query("getById:default", { id })).toMatchObject({ name: "Somebody", age: 1 });
    const patch = { table: "people", fields: { city: unset, age: 7 } };
    expect(await dashboard.mutation("patchDocumentsFields:default", { ...patch, ids: [grace!._id] })).toEqual(
      {
        success: true,
      },
    );
    expect(await dashboard.query("getById:default", { id: grace!._id })).toEqual({
      _id: grace!._id,
      _creationTime: grace!["_creationTime"],
      name: "Grace Hopper",
      age: 7,
    });
    expect(await dashboard.mutation("patchDocumentsFields:default", patch)).toEqual({ success: true });
    expect((await dashboard.documents("people")).map(({ age }) => age)).toEqual([7, 7, 7, 7]);
    const toDelete = [{ id, tableName: "people" }];
    expect(await dashboard.mutation("deleteDocuments:default", { toDelete })).toEqual({ success: true });
    expect(await dashboard.query("tableSize:default", { tableName: "people" })).toBe(3);
    expect(await dashboard.mutation("deleteDocuments:default", { toDelete })).toEqual({
      success: false,
      error: "Document does not exist.",
    });
  });

  it("writes nothing of what the schema refuses, and says so", async () => {
    const documents = [
      { name: "fits", age: 1 },
      { name: "does not", age: "one" },
    ];
    const added = await dashboard.mutation("addDocument:default", { table: "people", documents });
    expect(added).toMatchObject({
      success: false,
      error: expect.stringContaining("does not match the schema"),
    });
    expect(await app.query(api["people"]!["count"]!, {})).toBe(people.length);
    const many = Array.from({ length: 4097 }, () => ({ name: "x", age: 1 }));
    expect(
      await dashboard.mutation("addDocument:default", { table: "people", documents: many }),
    ).toMatchObject({
      success: false,
    });
  });

  it("creates and deletes tables", async () => {
    expect(await dashboard.mutation("createTable:default", { table: "extra" })).toBeNull();
    expect(await dashboard.get("/api/shapes2")).toMatchObject({ extra: { type: "Never" } });
    await expect(dashboard.mutation("createTable:default", { table: "_extra" })).rejects.toMatchObject({
      data: "_extra is a reserved table name.",
    });
    await expect(dashboard.mutation("createTable:default", { table: "extra" })).rejects.toThrow(ConvexError);
    await dashboard.post("/api/delete_tables", { tableNames: ["extra"], componentId: null });
    expect(await dashboard.get("/api/shapes2")).not.toHaveProperty("extra");
  });

  it("infers shapes", async () => {
    expect(await dashboard.get("/api/shapes2")).toEqual({
      people: {
        type: "Object",
        fields: [
          {
            fieldName: "_creationTime",
            optional: false,
            shape: { type: "Float64", float64Range: { hasSpecialValues: false } },
          },
          { fieldName: "_id", optional: false, shape: { type: "Id", tableName: "people" } },
          {
            fieldName: "age",
            optional: false,
            shape: { type: "Float64", float64Range: { hasSpecialValues: false } },
          },
          { fieldName: "city", optional: true, shape: { type: "String" } },
          { fieldName: "name", optional: false, shape: { type: "String" } },
        ],
      },
    });
  });

  it("does all of it in a component", async () => {
    const of = { componentId: notes };
    await dashboard.mutation("addDocument:default", {
      table: "notes",
      documents: [{ text: "a" }, { text: "b" }],
      ...of,
    });
    expect((await dashboard.documents("notes", null, notes)).map(({ text }) => text)).toEqual(["b", "a"]);
    expect(await dashboard.documents("notes")).toEqual([]);
    expect(Object.keys(await dashboard.get<object>(`/api/shapes2?component=${notes}`))).toEqual(["notes"]);
    const source = `import { query } from "convex:/_system/repl/wrappers.js";
export default query({ handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text) });`;
    const ran = await dashboard.request("POST", "/api/run_test_function", {
      adminKey: server.adminKey,
      bundle: { path: "testQuery.js", source },
      args: {},
      format: "convex_encoded_json",
      componentId: notes,
    });
    expect(await ran.json()).toMatchObject({ status: "success", value: ["a", "b"] });
    expect(
      await dashboard.mutation("clearTablePage:default", { tableName: "notes", cursor: null, ...of }),
    ).toEqual({ deleted: 2, hasMore: false, continueCursor: "" });
  });

  it("is for admins only", async () => {
    const remove = systemFunction<"mutation">("clearTablePage:default");
    await expect(app.mutation(remove, { tableName: "people", cursor: null })).rejects.toThrow(
      "Could not find public function for '_system/frontend/clearTablePage'",
    );
    expect((await fetch(`${server.url}/api/shapes2`)).status).toBe(403);
  });
});

describe("history", () => {
  const actions = async () => (await dashboard.history()).map(({ action }) => action);

  it("tells who pushed what", async () => {
    const push = await dashboard.query<{ action: string; metadata: object }>(
      "deploymentEvents:lastPushEvent",
    );
    expect(push).toMatchObject({
      action: "push_config_with_components",
      member_id: null,
      metadata: {
        component_diffs: [
          { component_path: null, component_diff: { diffType: { type: "create" } } },
          { component_path: "notes", component_diff: { diffType: { type: "create" } } },
        ],
      },
    });
  });

  it("tells of documents, tables, variables, files, jobs and pauses", async () => {
    const [document] = await dashboard.documents("people");
    await dashboard.mutation("deleteDocuments:default", {
      toDelete: [{ id: document!._id, tableName: "people" }],
    });
    expect((await dashboard.history())[0]).toMatchObject({
      action: "delete_documents",
      client_user_agent: expect.any(String),
      metadata: { component_id: null, component: null, table: "people", document_ids: [document!._id] },
    });
    await dashboard.post("/api/update_environment_variables", { changes: [{ name: "OLD", value: "1" }] });
    await dashboard.post("/api/update_environment_variables", {
      changes: [
        { name: "OLD", value: null },
        { name: "NEW", value: "1" },
      ],
    });
    expect(await dashboard.query("listEnvironmentVariables:default")).toMatchObject([
      { name: "NEW", value: "1" },
    ]);
    await dashboard.post("/api/update_environment_variables", { changes: [{ name: "NEW", value: null }] });
    expect(await actions()).toEqual(
      expect.arrayContaining([
        "create_environment_variable",
        "replace_environment_variable",
        "delete_environment_variable",
      ]),
    );
    const url = await dashboard.mutation<string>("fileStorageV2:generateUploadUrl");
    const uploaded = await fetch(url, { method: "POST", body: "x" });
    const { storageId } = (await uploaded.json()) as { storageId: string };
    expect(await dashboard.query("fileStorageV2:getFile", { storageId })).toMatchObject({
      _id: storageId,
      size: 1,
    });
    await dashboard.mutation("fileStorageV2:deleteFiles", { storageIds: [storageId] });
    await expect(dashboard.mutation("fileStorageV2:deleteFile", { storageId })).rejects.toThrow(ConvexError);
    await dashboard.post("/api/cancel_all_jobs", {});
    await dashboard.post("/api/delete_scheduled_functions_table", {});
    expect((await actions()).slice(0, 4)).toEqual([
      "delete_scheduled_jobs_table",
      "cancel_all_scheduled_functions",
      "delete_files",
      "generate_upload_url",
    ]);
    const only = await dashboard.history({ actions: ["delete_files"] });
    expect(only.map(({ metadata }) => metadata)).toEqual([
      { component_id: null, component: null, storage_ids: [storageId] },
    ]);
    expect(await dashboard.history({ maxDate: 1 })).toEqual([]);
  });

  it("is there for the platform API too", async () => {
    const first = await dashboard.get<{
      items: { action: string }[];
      pagination: { hasMore: boolean; nextCursor: string };
    }>("/api/v1/list_audit_log_events?from=0&limit=2");
    expect(first.items).toHaveLength(2);
    expect(first.items[0]).toMatchObject({ actor: { kind: "system" }, createTime: expect.any(Number) });
    expect(first.pagination.hasMore).toBe(true);
    const next = await dashboard.get<{ items: { action: string }[] }>(
      `/api/v1/list_audit_log_events?from=0&limit=1000&cursor=${first.pagination.nextCursor}`,
    );
    expect([...first.items, ...next.items].map(({ action }) => action)).toEqual(
      (await actions()).toReversed(),
    );
  });
});

it("pauses functions and what is scheduled, and goes on", async () => {
  await dashboard.post("/api/v1/pause_deployment");
  expect(await dashboard.query("deploymentState:deploymentState")).toMatchObject({ state: "paused" });
  const paused =
    /Cannot run functions while this deployment is paused\. Resume the deployment in the dashboard settings/;
  await expect(app.query(api["people"]!["count"]!, {})).rejects.toThrow(paused);
  await expect(app.mutation(api["people"]!["addLater"]!, { name: "late" } as never)).rejects.toThrow(paused);
  expect(await dashboard.query("tableSize:default", { tableName: "people" })).toBe(people.length);
  expect((await dashboard.request("POST", "/api/v1/pause_deployment", {})).status).toBe(400);
  await dashboard.post("/api/v1/unpause_deployment");
  expect(await app.query(api["people"]!["count"]!, {})).toBe(people.length);
  expect((await dashboard.history()).slice(0, 2).map(({ action }) => action)).toEqual([
    "unpause_deployment",
    "pause_deployment",
  ]);
});

it("measures rows, and which mutation made which queries run again", async () => {
  const watcher = new ConvexClient(server.url, { logger: false } as never);
  const seen: unknown[] = [];
  watcher.onUpdate(api["people"]!["count"]!, {} as never, (count) => seen.push(count));
  await until("the count is there", () => seen.length === 1);
  await app.mutation(api["people"]!["add"]!, { name: "new", age: 1 } as never);
  await until("it has changed", () => seen.length === 2);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const time = (seconds: number) => ({ secs_since_epoch: seconds, nanos_since_epoch: 0 });
  const window = encodeURIComponent(
    JSON.stringify({ start: time(nowSeconds - 3600), end: time(nowSeconds + 60), num_buckets: 1 }),
  );
  const chart = async (path: string) =>
    await dashboard.get<unknown>(`/api/app_metrics/${path}window=${window}`);
  const value = async (path: string) => ((await chart(path)) as [unknown, number | null][])[0]![1] ?? 0;
  // The engine tells of them once a second, when it has anything to do.
  await until(
    "rows have been counted",
    async () => (await value("table_rate?name=people&metric=rowsWritten&")) > 0,
  );
  expect(await value("table_rate?name=people&metric=rowsRead&")).toBeGreaterThan(0);
  await until("invalidations have been counted", async () => {
    await dashboard.query("tableSize:default", { tableName: "people" });
    const top = (await chart("subscription_invalidations_top_k?")) as [string, unknown][];
    return top.some(([name]) => name === "people:add:people");
  });
  expect(await value("udf_rate?path=people:count&metric=subscriptionInvalidations&")).toBeGreaterThan(0);
  expect(await chart("function_concurrency?")).toMatchObject({ Query: [[{}, expect.any(Number)]] });
  await watcher.close();
});
