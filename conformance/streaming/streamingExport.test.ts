import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../support/seededRandom.ts";
import { TestServer } from "../support/server.ts";
import { allRows, ask, Consumer, deployStreamingApp, type Row, runFunction } from "./consumer.ts";

const places = ["items", "notes", "shelf", "second"] as const;
let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start();
  await deployStreamingApp(server);
}, 180_000);
afterAll(() => server?.dispose());

const run = (path: string, args: object) => runFunction(server, path, args);
const queried = () => allRows(server);

/** Random writes, one after another, until it is stopped; a server that is gone is waited for. */
function writeAllTheTime(seed: number): { stop: () => Promise<number> } {
  const random = seededRandom(seed);
  const stopping = new AbortController();
  let written = 0;
  const work = async () => {
    while (!stopping.signal.aborted) {
      const changes = Array.from({ length: 1 + random(5) }, () => ({
        place: places[random(places.length)],
        key: random(60),
        text: random(3) === 0 ? null : `text ${random(1000)}`,
      }));
      try {
        await run("data:set", { changes });
        written += 1;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const working = work();
  return {
    stop: async () => {
      stopping.abort();
      await working;
      return written;
    },
  };
}

describe("list_snapshot and document_deltas", () => {
  it("end with what a query shows, through writes and kill -9", { timeout: 180_000 }, async () => {
    for (let from = 1000; from < 5000; from += 1000) await run("data:fill", { from, count: 1000 });
    const writer = writeAllTheTime(1);
    const consumer = new Consumer(server);
    await consumer.step();
    await consumer.step();
    expect(consumer.isListing).toBe(true);
    await server.kill9();
    await server.start();
    // The cursors of before the crash are as good as ever.
    while (consumer.isListing) await consumer.step();
    for (let i = 0; i < 20; i++) await consumer.step();
    await server.kill9();
    await server.start();
    await consumer.catchUp();
    for (let i = 0; i < 20; i++) await consumer.step();
    expect(await writer.stop()).toBeGreaterThan(20);
    await consumer.catchUp();
    const expected = await queried();
    expect(new Set(consumer.rows.keys())).toEqual(new Set(expected.keys()));
    expect(consumer.rows).toEqual(expected);
    expect([...expected.keys()].filter((key) => key.startsWith("shelf/drawer/pens/")).length).toBeGreaterThan(
      0,
    );
  });

  it("lists one moment while the server runs", { timeout: 120_000 }, async () => {
    const before = await queried();
    const consumer = new Consumer(server);
    await consumer.step();
    for (let key = 1000; key < 1400; key += 5) {
      await run("data:set", { changes: [{ place: "items", key, text: key % 2 === 0 ? "later" : null }] });
    }
    while (consumer.isListing) await consumer.step();
    expect(consumer.rows).toEqual(before);
    await consumer.catchUp();
    expect(consumer.rows).toEqual(await queried());
  });

  it("shows what was asked for", { timeout: 60_000 }, async () => {
    const ofTable = new Consumer(server, { tableName: "pens" });
    await ofTable.catchUp();
    expect(new Set([...ofTable.rows.keys()].map((key) => key.split("/pens/")[0]))).toEqual(
      new Set(["shelf/drawer", "second/drawer"]),
    );
    const ofApp = new Consumer(server, { component: "", tableName: "notes" });
    await ofApp.catchUp();
    expect(ofApp.rows.size).toBe(((await run("data:all", { table: "notes" })) as Row[]).length);
    const selection = {
      _other: "excluded",
      "": { _other: "excluded", notes: { _other: "excluded", text: "included" } },
    };
    const chosen = new Consumer(server, { selection });
    await chosen.catchUp();
    expect([...chosen.rows.keys()]).toEqual([...ofApp.rows.keys()]);
    for (const row of chosen.rows.values()) expect(Object.keys(row).toSorted()).toEqual(["_id", "text"]);
  });

  it("writes the formats of the function API", { timeout: 60_000 }, async () => {
    await run("data:set", { changes: [{ place: "notes", key: 7, text: "seven" }] });
    const first = async (format: string) => {
      const response = await fetch(
        `${server.url}/api/list_snapshot?format=${format}&component=&tableName=notes`,
        { headers: { authorization: `Convex ${server.adminKey}` } },
      );
      return await response.text();
    };
    expect(await first("json")).toMatch(/"big":"\d+","bytes":"[\w=]+","key":\d+,/);
    expect(await first("convex_encoded_json")).toMatch(/"big":\{"\$integer":"[\w=]+"\},"bytes":\{"\$bytes":/);
    expect(await first("export_json")).toMatch(/"big":\d+,"bytes":\{"\$bytes":"[\w=]+"\},"key":\d+\.0,/);
    expect(await first("json")).toMatch(/^\{"values":\[\{"_component":"","_table":"notes","_ts":\d{19},/);
  });

  it.each([
    ["list_snapshot", { cursor: "nonsense" }, 400, "InvalidListSnapshotCursor"],
    ["list_snapshot", { cursor: Buffer.from("{}").toString("base64url") }, 400, "InvalidListSnapshotCursor"],
    ["list_snapshot", { snapshot: -1 }, 400, "InvalidListSnapshotCursor"],
    ["list_snapshot", { snapshot: 2 ** 62 }, 400, "InvalidListSnapshotCursor"],
    ["list_snapshot", { format: "xml" }, 400, "BadFormat"],
    ["list_snapshot", { selection: { "": "included" } }, 400, "InvalidSelection"],
    ["list_snapshot", { tableName: 5 }, 400, "BadJsonBody"],
    ["document_deltas", {}, 400, "DocumentDeltasCursorRequired"],
    ["document_deltas", { cursor: "soon" }, 400, "InvalidDocumentDeltasCursor"],
    ["document_deltas", { cursor: 1.5 }, 400, "InvalidDocumentDeltasCursor"],
    ["document_deltas", { cursor: 2 ** 62 }, 400, "InvalidDocumentDeltasCursor"],
  ])("%s refuses %j", async (route, body, status, code) => {
    const answer = await ask(server, route, body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  it("are for admins only", async () => {
    for (const route of [
      "list_snapshot",
      "document_deltas?cursor=0",
      "json_schemas",
      "get_table_column_names",
    ]) {
      const response = await fetch(`${server.url}/api/${route}`);
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
        403,
        "BadDeployKey",
      ]);
    }
    expect((await ask(server, "test_streaming_export_connection")).json).toBeNull();
  });

  it("refuse a cursor from before a table was deleted, and nobody else's", { timeout: 60_000 }, async () => {
    const all = new Consumer(server);
    const shelves = new Consumer(server, { component: "shelf" });
    await all.catchUp();
    await shelves.catchUp();
    expect((await ask(server, "delete_tables", { tableNames: ["notes"], componentId: null })).status).toBe(
      200,
    );
    await run("data:set", { changes: [{ place: "notes", key: 1, text: "anew" }] });
    await expect(all.catchUp()).rejects.toThrow(/InvalidDocumentDeltasCursor.*\\"notes\\" was deleted/);
    await shelves.catchUp();
    const anew = new Consumer(server);
    await anew.catchUp();
    expect(anew.rows).toEqual(await queried());
  });
});

describe("json_schemas and get_table_column_names", () => {
  it("describe declared tables by their validators", async () => {
    const { json } = await ask(server, "json_schemas?deltaSchema=true");
    expect(json["items"]).toMatchObject({
      type: "object",
      properties: {
        _id: { type: "string" },
        _ts: { type: "integer" },
        _deleted: { type: "boolean" },
        key: { type: "number" },
        big: { type: "string" },
        kind: { anyOf: [{ const: "a" }, { const: "b" }] },
        tags: { type: "array", items: { type: "string" } },
      },
      additionalProperties: false,
    });
    const exported = (await ask(server, "json_schemas?format=export_json&byComponent=true")).json;
    expect(exported[""]).toMatchObject({ items: { properties: { big: { type: "integer" } } } });
    expect(exported["shelf/drawer"]).toMatchObject({ pens: { additionalProperties: true } });
  });

  it("name the columns of every table", async () => {
    const { json } = await ask(server, "get_table_column_names");
    const { byComponent } = json as unknown as { byComponent: Record<string, object[]> };
    expect(byComponent[""]).toContainEqual({
      name: "items",
      columns: ["_creationTime", "_id", "big", "bytes", "key", "kind", "tags", "text"],
    });
    expect(byComponent["shelf"]).toContainEqual({
      name: "books",
      columns: ["_creationTime", "_id", "key", "text"],
    });
  });
});
