import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestProject } from "../support/project.ts";
import { pushApp } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { type Answer, ask, deployStreamingApp, type Row, runFunction } from "./consumer.ts";

let server: TestServer;
let project: TestProject;
beforeAll(async () => {
  server = await TestServer.start();
  project = await deployStreamingApp(server);
}, 180_000);
afterAll(() => server?.dispose());

const to = (name: string, body: object, method = "POST") =>
  ask(server, `streaming_import/${name}`, body, method);
const all = (table: string) => runFunction(server, "data:all", { table }) as Promise<Row[]>;
const fields = (rows: readonly Row[]) => rows.map(({ _id, _creationTime, ...rest }) => rest);

/** A GET with a body, as Airbyte sends it; `fetch` refuses to. */
async function isReady(tables: readonly string[]): Promise<Answer> {
  const body = JSON.stringify({ tables });
  const headers = {
    authorization: `Convex ${server.adminKey}`,
    "content-type": "application/json",
    "content-length": String(body.length),
  };
  return await new Promise((resolve, reject) => {
    const sent = request(`${server.url}/api/streaming_import/primary_key_indexes_ready`, { headers });
    sent.on("error", reject);
    sent.on("response", (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) as Answer["json"] }),
      );
    });
    sent.end(body);
  });
}

const stream = (primaryKey?: string[][]) => ({ primaryKey, jsonSchema: { type: "object" } });

describe("a streaming import", () => {
  it("appends records to tables without a primary key", async () => {
    const tables = { events: stream() };
    const messages = [1, 2].map((n) => ({
      tableName: "events",
      data: { n, text: "é", list: [null, { a: 1.5 }] },
    }));
    expect((await to("import_airbyte_records", { tables, messages })).status).toBe(200);
    expect((await to("import_airbyte_records", { tables, messages })).status).toBe(200);
    expect(fields(await all("events"))).toEqual(
      [1, 2, 1, 2].map((n) => ({ n, text: "é", list: [null, { a: 1.5 }] })),
    );
  });

  it(
    "replaces documents with the same primary key, through a push and kill -9",
    { timeout: 120_000 },
    async () => {
      const key = [["org", "id"], ["name"]];
      const record = (id: number, name: string, value: number) => ({
        tableName: "people",
        data: { org: { id }, name, value },
      });
      const tables = { people: stream(key) };
      // There are documents already: the index has to be built.
      for (let id = 0; id < 300; id++) {
        await runFunction(server, "data:insertInto", { table: "people", value: record(id, "a", 0).data });
      }
      const early = await to("import_airbyte_records", { tables, messages: [record(1, "a", 1)] });
      expect([early.status, early.json.code]).toEqual([400, "PrimaryKeyIndexNotFound"]);
      expect((await to("add_primary_key_indexes", { indexes: { people: key } }, "PUT")).status).toBe(200);
      await expect
        .poll(async () => (await isReady(["people"])).json, { timeout: 20_000 })
        .toEqual({
          indexesReady: true,
        });
      const before = await all("people");
      const messages = [record(5, "a", 1), record(5, "b", 2), record(900, "a", 3), record(5, "b", 4)];
      expect((await to("import_airbyte_records", { tables, messages })).status).toBe(200);
      const after = await all("people");
      expect(after).toHaveLength(302);
      expect(after[5]).toMatchObject({ _id: before[5]?._id, value: 1 });
      expect(fields(after.slice(300))).toEqual([
        { org: { id: 5 }, name: "b", value: 4 },
        { org: { id: 900 }, name: "a", value: 3 },
      ]);
      // A push knows nothing of the index, and leaves it.
      project.write("convex/more.ts", "export {};\n");
      await pushApp(server, project.folder);
      await server.kill9();
      await server.start();
      expect((await isReady(["people"])).json).toEqual({ indexesReady: true });
      await to("import_airbyte_records", { tables, messages: [record(900, "a", 5)] });
      expect(fields((await all("people")).slice(301))).toEqual([{ org: { id: 900 }, name: "a", value: 5 }]);
      // Emptied, it keeps its key.
      expect((await to("clear_tables", { tableNames: ["people", "nowhere"] }, "PUT")).status).toBe(200);
      expect(await all("people")).toEqual([]);
      await to("import_airbyte_records", { tables, messages: [record(1, "a", 1), record(1, "a", 2)] });
      expect(fields(await all("people"))).toEqual([{ org: { id: 1 }, name: "a", value: 2 }]);
    },
  );

  it("writes all of a request or nothing", async () => {
    const before = await all("events");
    const tables = { events: stream(), items: stream() };
    const good = { tableName: "events", data: { n: 3 } };
    const refused = async (bad: object) => {
      const { status, json } = await to("import_airbyte_records", { tables, messages: [good, bad] });
      return [status, json.code];
    };
    expect(await refused({ tableName: "others", data: {} })).toEqual([400, "UnknownTable"]);
    expect(await refused({ tableName: "events", data: { $x: 1 } })).toEqual([400, "InvalidConvexValue"]);
    expect(await refused({ tableName: "events", data: [] })).toEqual([400, "BadJsonBody"]);
    expect(await refused({ tableName: "items", data: { key: "no number" } })).toEqual([
      400,
      "SchemaEnforcementError",
    ]);
    expect(await all("events")).toEqual(before);
  });

  it("says what is wrong", async () => {
    const codeOf = async (answer: Promise<Answer>) => {
      const { status, json } = await answer;
      return [status, json.code];
    };
    expect(await codeOf(to("replace_tables", { tableNames: {} }))).toEqual([400, "OverwriteNotSupported"]);
    expect(await codeOf(to("clear_tables", { tableNames: ["_files"] }, "PUT"))).toEqual([
      400,
      "InvalidTableName",
    ]);
    expect(await codeOf(to("clear_tables", { tableNames: "events" }, "PUT"))).toEqual([400, "BadJsonBody"]);
    expect(await codeOf(to("add_primary_key_indexes", { indexes: { events: [] } }, "PUT"))).toEqual([
      400,
      "InvalidPrimaryKey",
    ]);
    expect(await codeOf(to("add_primary_key_indexes", { indexes: { "a b": [["id"]] } }, "PUT"))).toEqual([
      400,
      "InvalidTableName",
    ]);
    expect(await codeOf(isReady(["events"]))).toEqual([400, "PrimaryKeyIndexNotFound"]);
    for (const name of ["apply_fivetran_operations", "fivetran_create_table", "fivetran_truncate_table"])
      expect(await codeOf(to(name, [])), name).toEqual([400, "FeatureNotAvailable"]);
    for (const [method, name] of [
      ["POST", "apply_fivetran_operations"],
      ["POST", "import_airbyte_records"],
      ["PUT", "clear_tables"],
      ["GET", "get_schema"],
      ["POST", "replace_tables"],
    ] as const) {
      const response = await fetch(`${server.url}/api/streaming_import/${name}`, { method });
      expect(response.status, name).toBe(403);
    }
  });

  it("shows the schema", async () => {
    const { json } = await ask(server, "streaming_import/get_schema");
    expect(json).toMatchObject({ tables: [{ tableName: "items" }], schemaValidation: true });
  });
});
