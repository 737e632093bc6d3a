import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import type { GenericId } from "convex/values";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { api } from "./api.ts";

interface Deployment {
  readonly server: TestServer;
  readonly project: TestProject;
  readonly client: ConvexHttpClient;
}

async function deploy(): Promise<Deployment> {
  const server = await TestServer.start();
  const project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(`the push failed: ${pushed.output}`);
  return { server, project, client: new ConvexHttpClient(server.url, { logger: false }) };
}

let from: Deployment;
let to: Deployment;
beforeAll(async () => {
  from = await deploy();
  to = await deploy();
}, 180_000);
afterAll(async () => {
  await from?.server.dispose();
  await to?.server.dispose();
});

const documents = async ({ client }: Deployment, table: string) =>
  (await client.query(api.data.all, { table })) as { _id: string; [field: string]: unknown }[];

async function importText(
  { project }: Deployment,
  file: string,
  text: string,
  ...args: string[]
): Promise<{ code: number | null; output: string }> {
  project.write(file, text);
  return await project.convex(["import", file, ...args]);
}

describe("convex export and convex import", () => {
  it("carry everything from one deployment to another", { timeout: 180_000 }, async () => {
    for (let i = 0; i < 5; i++) await from.client.mutation(api.data.seed, { count: 300 });
    const storageId = (await from.client.action(api.files.storeText, {
      text: "a file",
      type: "text/plain",
    })) as GenericId<"_storage">;
    const untyped = await from.client.action(api.files.storeText, { text: "another file" });
    const exported = await from.project.convex(["export", "--path", "all.zip", "--include-file-storage"]);
    expect(exported.output).toContain("Created snapshot export at timestamp");
    expect(exported.code).toBe(0);

    to.project.write("all.zip", "");
    fs.copyFileSync(`${from.project.folder}/all.zip`, `${to.project.folder}/all.zip`);
    const imported = await to.project.convex(["import", "all.zip"]);
    expect(imported.output).toContain("Added 1504 documents");
    expect(imported.code).toBe(0);

    for (const table of ["things", "attachments"])
      expect(await documents(to, table)).toEqual(await documents(from, table));
    expect(await to.client.query(api.files.list, {})).toEqual(await from.client.query(api.files.list, {}));
    expect(await to.client.query(api.data.attachments, { name: "a file" })).toHaveLength(1);
    const urlOf = async ({ client }: Deployment, id: string) =>
      (await client.query(api.files.url, { storageId: id })) as string;
    const url = await urlOf(to, storageId);
    expect(url.replace(to.server.url, from.server.url)).toBe(await urlOf(from, storageId));
    const response = await fetch(url);
    expect([response.headers.get("content-type"), await response.text()]).toEqual(["text/plain", "a file"]);
    expect(await (await fetch(await urlOf(to, untyped as string))).text()).toBe("another file");

    // All of it is there already.
    const again = await to.project.convex(["import", "all.zip"]);
    expect(again.code).toBe(1);
    expect(again.output).toContain(
      "already exists. Please choose a new table name or use replace/append modes.",
    );
    const replaced = await to.project.convex(["import", "--replace", "-y", "all.zip"]);
    expect(replaced.output).toContain("Added 1504 documents");
    expect(await documents(to, "things")).toEqual(await documents(from, "things"));
    // What replaced it is no less a table: indexed, live, to be written to.
    const attached = await to.client.mutation(api.files.attach, { storageId, name: "later" });
    expect(await to.client.query(api.data.attachments, { name: "later" })).toMatchObject([{ _id: attached }]);
    await to.server.kill9();
    await to.server.start();
    expect(await documents(to, "things")).toEqual(await documents(from, "things"));
    expect(await to.client.query(api.data.attachments, { name: "later" })).toHaveLength(1);
    expect(await (await fetch(url)).text()).toBe("a file");
  });

  it("fail when the server cannot write them, and work when it can again", { timeout: 120_000 }, async () => {
    // More than what fits into the buffers on the way.
    const uploadUrl = (await from.client.mutation(api.files.uploadUrl, {})) as string;
    const uploaded = await fetch(uploadUrl, { method: "POST", body: randomBytes(4_000_000) });
    const { storageId } = (await uploaded.json()) as { storageId: GenericId<"_storage"> };
    const folder = path.join(from.server.dataFolder, "exports");
    fs.renameSync(folder, `${folder}.kept`);
    fs.writeFileSync(folder, "no folder");
    try {
      const failed = await from.project.convex(["export", "--path", "none.zip", "--include-file-storage"]);
      expect(failed.code).toBe(1);
      expect(failed.output).toContain("Export failed.");
    } finally {
      fs.rmSync(folder);
      fs.renameSync(`${folder}.kept`, folder);
    }
    const again = await from.project.convex(["export", "--path", "again.zip", "--include-file-storage"]);
    expect(again.code, again.output).toBe(0);
    await from.client.mutation(api.files.remove, { storageId });
  });

  it("shows one moment, whatever is written meanwhile", { timeout: 120_000 }, async () => {
    const first = new Set((await documents(from, "things")).map(({ _id }) => _id));
    const exporting = from.project.startConvex(["export", "--path", "moment.zip"]);
    for (let i = 0; i < 20; i++) {
      const rows = (await documents(from, "things")).length;
      if (rows < 4000) await from.client.mutation(api.data.seed, { count: 200 });
      if (i === 10) await from.client.mutation(api.data.touchAll, {});
    }
    const exit = await exporting.exit();
    expect(exit.code).toBe(0);
    fs.copyFileSync(`${from.project.folder}/moment.zip`, `${to.project.folder}/moment.zip`);
    const imported = await to.project.convex(["import", "--replace-all", "-y", "moment.zip"]);
    expect(imported.code).toBe(0);
    // One mutation changes or deletes all there are: an export shows either nothing or all of it.
    const things = await documents(to, "things");
    const isChanged = things.some(({ text }) => text === "changed");
    const old = things.filter(({ _id }) => first.has(_id));
    if (isChanged) expect(old.filter(({ text }) => text !== "changed")).toEqual([]);
    else expect(old).toHaveLength(first.size);
  });
});

describe("convex import", () => {
  it("reads JSON lines, JSON arrays and CSV", { timeout: 120_000 }, async () => {
    const lines = '{"name":"a","n":1}\n{"name":"b","n":2.5,"list":[1,null]}\n';
    expect((await importText(to, "lines.jsonl", lines, "--table", "lines")).output).toContain(
      "Added 2 documents",
    );
    expect(await documents(to, "lines")).toMatchObject([
      { name: "a", n: 1 },
      { name: "b", n: 2.5, list: [1, null] },
    ]);
    await importText(to, "array.json", '[{"x": 1}, {"x": "two"}]', "--table", "arrays");
    expect(await documents(to, "arrays")).toMatchObject([{ x: 1 }, { x: "two" }]);
    await importText(to, "rows.csv", 'name,count\n"quoted, text",3\nplain,-0.5\n', "--table", "rows");
    expect(await documents(to, "rows")).toMatchObject([
      { name: "quoted, text", count: 3 },
      { name: "plain", count: -0.5 },
    ]);
    // A byte order mark is the CLI's business.
    await importText(to, "bom.jsonl", '\uFEFF{"a":1}\n', "--table", "boms");
    expect(await documents(to, "boms")).toMatchObject([{ a: 1 }]);
  });

  it("appends, replaces and keeps ids", { timeout: 120_000 }, async () => {
    const appended = await importText(to, "more.jsonl", '{"name":"c"}\n', "--table", "lines", "--append");
    expect(appended.output).toContain("Added 1 documents");
    expect((await documents(to, "lines")).map(({ name }) => name)).toEqual(["a", "b", "c"]);
    const [first] = await documents(to, "lines");
    const row = JSON.stringify({ _id: first!._id, _creationTime: 1234.5, name: "kept" });
    const again = await importText(to, "same.jsonl", `${row}\n`, "--table", "lines", "--append");
    expect(again.output).toContain(
      `Cannot create document with _id ${first!._id} that already exists. Try to update it with`,
    );
    expect(await documents(to, "lines")).toHaveLength(3);
    const replaced = await importText(to, "same.jsonl", `${row}\n`, "--table", "lines", "--replace", "-y");
    expect(replaced.output).toContain("lines | 1          | 3          |");
    expect(await documents(to, "lines")).toEqual([{ _id: first!._id, _creationTime: 1234.5, name: "kept" }]);
  });

  it.each([
    ["broken.jsonl", '{"a":1}\n{"a":', /line 2 is not valid JSON/],
    ["list.jsonl", '{"a":1}\n[1]\n', /line 2 is not an object\./],
    ["value.jsonl", '{"a":{"$bytes":"?"}}\n', /./],
    ["field.jsonl", '{"_mine":1}\n', /Field '_mine' starts with an underscore/],
    ["id.jsonl", '{"_id":"nonsense"}\n', /isn't a valid document: The '_id' field "nonsense" must be an Id/],
    [
      "early.jsonl",
      '{"_creationTime":0}\n',
      /The '_creationTime' field should be a timestamp in milliseconds, is 0\.0/,
    ],
    ["text.jsonl", '{"_creationTime":"x"}\n', /The '_creationTime' field should be a float, is "x"/],
    ["broken.json", '[{"a":1},', /is not valid JSON/],
    ["object.json", '{"a":1}', /not an array of objects/],
    ["short.csv", "a,b\n1\n", /missing the field "b"/],
    ["long.csv", "a,b\n1,2,3\n", /has 3 fields, but the header has 2/],
    ["header.csv", "a,$b\n1,2\n", /cannot be the name of a field/],
    ["empty.csv", "", /has no header line/],
    ["no.zip", "this is no zip", /not a ZIP file/],
  ])("says what is wrong with %s and changes nothing", { timeout: 60_000 }, async (file, text, message) => {
    const table = file.endsWith(".zip") ? [] : ["--table", "broken"];
    const refused = await importText(to, file, text, ...table);
    expect(refused.output).toContain("Hit an error while importing:");
    expect(refused.output).toMatch(message);
    expect(refused.code).toBe(1);
    expect(await documents(to, "broken")).toEqual([]);
  });

  it("minds the schema", { timeout: 60_000 }, async () => {
    const before = await documents(to, "attachments");
    const rows = '{"name":"x","storageId":"nothing"}\n';
    const refused = await importText(to, "bad.jsonl", rows, "--table", "attachments", "--replace", "-y");
    expect(refused.output).toContain('in table "attachments" because it does not match the schema');
    expect(await documents(to, "attachments")).toEqual(before);
  });
});

describe("an import in one request (POST /api/import)", () => {
  const post = async (query: Readonly<Record<string, string>>, body: string) => {
    const response = await fetch(`${to.server.url}/api/import?${new URLSearchParams(query)}`, {
      method: "POST",
      headers: { authorization: `Convex ${to.server.adminKey}` },
      body,
    });
    const answer = (await response.json()) as { code?: string; message?: string; numWritten?: number };
    return { status: response.status, ...answer };
  };

  it("writes its rows, and says how many", async () => {
    const query = { tableName: "atOnce", format: "csv" };
    expect(await post(query, "name,size\na,1\nb,2\n")).toEqual({ status: 200, numWritten: 2 });
    expect(await documents(to, "atOnce")).toMatchObject([
      { name: "a", size: 1 },
      { name: "b", size: 2 },
    ]);
    expect(await post({ ...query, mode: "append" }, "name,size\nc,3\n")).toEqual({
      status: 200,
      numWritten: 1,
    });
  });

  it("tells what is wrong with it by its code, and writes nothing then", async () => {
    const before = await documents(to, "atOnce");
    const refused = async (query: Readonly<Record<string, string>>, body: string) => {
      const { status, code, message } = await post({ tableName: "atOnce", ...query }, body);
      expect(status).toBe(400);
      expect(message).toMatch(/^Hit an error while importing:\n./);
      return code;
    };
    expect(await refused({ format: "csv" }, "name\nx\n")).toBe("TableExists");
    const append = { mode: "append" };
    expect(await refused({ ...append, format: "csv" }, "")).toBe("CsvMissingHeaders");
    expect(await refused({ ...append, format: "csv" }, "name,size\nx\n")).toBe("CsvRowMissingFields");
    expect(await refused({ ...append, format: "jsonLines" }, '{"name":"x"}\n{"name":\n')).toBe(
      "JsonInvalidRow",
    );
    expect(await refused({ ...append, format: "jsonArray" }, '{"name":"x"}')).toBe("NotJsonArray");
    expect(await refused({ ...append, format: "jsonLines" }, "[1]\n")).toBe("NotAnObject");
    expect(await documents(to, "atOnce")).toEqual(before);
  });
});
