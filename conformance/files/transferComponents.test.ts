import fs from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import yauzl, { type Entry, type ZipFile } from "yauzl";
import { ZipFile as NewZip } from "yazl";
import { allRows, ask, deployStreamingApp, runFunction } from "../streaming/consumer.ts";
import type { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

interface Deployment {
  readonly server: TestServer;
  readonly project: TestProject;
}

async function deploy(): Promise<Deployment> {
  const server = await TestServer.start();
  return { server, project: await deployStreamingApp(server) };
}

let from: Deployment;
let to: Deployment;
beforeAll(async () => {
  from = await deploy();
  to = await deploy();
  const changes = ["items", "notes", "shelf", "second"].flatMap((place) =>
    [1, 2, 3].map((key) => ({ place, key, text: `${place} ${key}` })),
  );
  await runFunction(from.server, "data:set", { changes });
  await runFunction(from.server, "rows:store", { text: "on the shelf" }, "shelf");
}, 180_000);
afterAll(async () => {
  await from?.server.dispose();
  await to?.server.dispose();
});

function carry(file: string): void {
  fs.copyFileSync(`${from.project.folder}/${file}`, `${to.project.folder}/${file}`);
}

async function exported(file: string): Promise<Map<string, Buffer>> {
  const run = await from.project.convex(["export", "--path", file, "--include-file-storage"]);
  expect(run.output).toContain("Created snapshot export at timestamp");
  return await entriesOf(`${from.project.folder}/${file}`);
}

async function entriesOf(file: string): Promise<Map<string, Buffer>> {
  const open = promisify<string, yauzl.Options, ZipFile>(yauzl.open);
  const zip = await open(file, { lazyEntries: true });
  const read = promisify(zip.openReadStream.bind(zip)) as (entry: Entry) => Promise<NodeJS.ReadableStream>;
  const entries = new Map<string, Buffer>();
  return await new Promise((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", () => resolve(entries));
    zip.on("entry", (entry: Entry) => {
      read(entry)
        .then(buffer)
        .then((bytes) => {
          entries.set(entry.fileName, bytes);
          zip.readEntry();
        }, reject);
    });
    zip.readEntry();
  });
}

async function writeZip(file: string, entries: Iterable<readonly [string, Buffer | string]>): Promise<void> {
  const zip = new NewZip();
  for (const [name, content] of entries) zip.addBuffer(Buffer.from(content), name);
  zip.end();
  fs.writeFileSync(`${to.project.folder}/${file}`, await buffer(zip.outputStream));
}

const importZip = (file: string, ...args: string[]) => to.project.convex(["import", ...args, "-y", file]);

describe("convex export and import of components", () => {
  it("carry the whole tree with its files", { timeout: 120_000 }, async () => {
    const entries = await exported("tree.zip");
    const names = [...entries.keys()];
    for (const name of [
      "README.md",
      "_tables/documents.jsonl",
      "items/documents.jsonl",
      "items/generated_schema.jsonl",
      "_components/shelf/_tables/documents.jsonl",
      "_components/shelf/books/documents.jsonl",
      "_components/shelf/_storage/documents.jsonl",
      "_components/shelf/_components/drawer/pens/documents.jsonl",
      "_components/second/_components/drawer/pens/documents.jsonl",
    ]) {
      expect(names).toContain(name);
    }
    carry("tree.zip");
    const imported = await importZip("tree.zip", "--replace");
    expect(imported.output).toMatch(/Added \d+ documents/);
    expect(await allRows(to.server)).toEqual(await allRows(from.server));
    const [url] = (await runFunction(to.server, "rows:urls", {}, "shelf")) as string[];
    expect(await (await fetch(url as string)).text()).toBe("on the shelf");
    // What was imported is what the components work with.
    const changes = [{ place: "second", key: 2, text: null }];
    for (const { server } of [from, to]) await runFunction(server, "data:set", { changes });
    expect(await allRows(to.server)).toEqual(await allRows(from.server));
  });

  it("import one table, or a ZIP file, into a component", { timeout: 120_000 }, async () => {
    const lines = '{"key":50,"text":"a"}\n{"key":51,"text":"b"}\n';
    to.project.write("books.jsonl", lines);
    const table = ["--component", "shelf", "--table", "books"];
    const replaced = await importZip("books.jsonl", ...table, "--replace");
    expect(replaced.output).toContain("shelf/books | 2");
    const rows = await allRows(to.server);
    const keys = [...rows].flatMap(([place, { key }]) => (place.startsWith("shelf/books/") ? [key] : []));
    expect(keys).toEqual([50, 51]);

    const entries = [["pens/documents.jsonl", '{"key":60,"text":"c"}\n']] as const;
    await writeZip("drawer.zip", [
      ["books/documents.jsonl", '{"key":70,"text":"d"}\n'],
      ...entries.map(([name, text]) => [`_components/drawer/${name}`, text] as const),
    ]);
    const before = [...(await allRows(to.server)).keys()].filter((key) => !key.startsWith("second"));
    expect((await importZip("drawer.zip", "--component", "second", "--replace-all")).code).toBe(0);
    const after = await allRows(to.server);
    expect([...after.keys()].filter((key) => !key.startsWith("second"))).toEqual(before);
    const second = [...after].filter(([key]) => key.startsWith("second"));
    expect(second.map(([place, { text }]) => `${place.replace(/\/[^/]*$/, "")} ${String(text)}`)).toEqual([
      "second/books d",
      "second/drawer/pens c",
    ]);
  });

  it("export one component as a tree of its own", { timeout: 60_000 }, async () => {
    const { json } = await ask(from.server, "query", { path: "_system/frontend/components:list", args: {} });
    const components = json["value"] as { id: string; path: string }[];
    const shelf = components.find(({ path }) => path === "shelf");
    const requested = await ask(
      from.server,
      `export/request/zip?includeStorage=true&component=${shelf?.id}`,
      {},
    );
    expect(requested.status).toBe(200);
    const latest = async () => {
      const found = await ask(from.server, "query", { path: "_system/cli/exports:getLatest", args: {} });
      return found.json["value"] as { state: string; _id: string };
    };
    await expect.poll(async () => (await latest()).state, { timeout: 20_000 }).toBe("completed");
    const response = await fetch(`${from.server.url}/api/export/zip/${(await latest())._id}`, {
      headers: { authorization: `Convex ${from.server.adminKey}` },
    });
    fs.writeFileSync(`${from.project.folder}/shelf.zip`, Buffer.from(await response.arrayBuffer()));
    const names = [...(await entriesOf(`${from.project.folder}/shelf.zip`)).keys()];
    expect(names).toContain("books/documents.jsonl");
    expect(names).toContain("_components/drawer/pens/documents.jsonl");
    expect(names.filter((name) => name.includes("second") || name.startsWith("items"))).toEqual([]);
    const unknown = await ask(from.server, "export/request/zip?includeStorage=false&component=nobody", {});
    expect([unknown.status, unknown.json.code]).toEqual([400, "ComponentNotFound"]);
  });
});

describe("convex import of a damaged ZIP file", () => {
  it("says what is wrong and changes nothing", { timeout: 240_000 }, async () => {
    const entries = await exported("good.zip");
    const good = fs.readFileSync(`${from.project.folder}/good.zip`);
    const filePath = [...entries.keys()].find((name) => /_storage\/[^/]+\.txt$/.test(name)) as string;
    const books = "_components/shelf/books/documents.jsonl";
    const lines = (entries.get(books) as Buffer).toString().trim().split("\n");
    const [first, second] = lines as [string, string];
    const changed = (name: string, content: string | null) => {
      const all = new Map<string, Buffer | string>(entries);
      if (content === null) all.delete(name);
      else all.set(name, content);
      return all;
    };
    const flipped = Buffer.from(good);
    const at = good.indexOf(Buffer.from(books)) + books.length + 2;
    flipped[at] = (flipped[at] as number) ^ 0xff;
    const idOf = (line: string) => (JSON.parse(line) as { _id: string })._id;
    const foreign = (entries.get("notes/documents.jsonl") as Buffer).toString().split("\n")[0] as string;

    const cases: [string, Iterable<readonly [string, Buffer | string]> | Buffer, RegExp][] = [
      ["cut.zip", good.subarray(0, good.length - 40), /not a ZIP file/],
      ["half.zip", good.subarray(0, good.length / 2), /not a ZIP file/],
      ["flipped.zip", flipped, /The entry _components\/shelf\/books\/documents.jsonl is damaged/],
      ["line.zip", changed(books, `${first}\n{"_id":`), /table "books".*line 2 is not valid JSON/],
      ["object.zip", changed(books, `${first}\n"text"\n`), /line 2 is not an object/],
      ["twice.zip", changed(books, `${first}\n${first}\n`), /There are two documents with the _id/],
      [
        "wrongId.zip",
        changed(books, `${first}\n${second.replace(idOf(second), "nonsense")}\n`),
        /The '_id' field "nonsense" must be an Id/,
      ],
      ["foreign.zip", changed(books, `${first}\n${foreign}\n`), /is of another table than books/],
      ["type.zip", changed(books, '{"_id":5,"key":1.0}\n'), /_id/],
      ["value.zip", changed(books, '{"a":{"$integer":"?"}}\n'), /./],
      ["nofile.zip", changed(filePath, null), /there is no file/],
      ["otherfile.zip", changed(filePath, "changed"), /not those of its sha256/],
      [
        "nobody.zip",
        new Map([["_components/nobody/t/documents.jsonl", "{}\n"]]),
        /Component nobody not found/,
      ],
    ];
    const before = await allRows(to.server);
    const urls = await runFunction(to.server, "rows:urls", {}, "shelf");
    for (const [file, content, message] of cases) {
      if (Buffer.isBuffer(content)) fs.writeFileSync(`${to.project.folder}/${file}`, content);
      else await writeZip(file, content);
      const refused = await importZip(file, "--replace");
      expect(refused.output, file).toContain("Hit an error while importing:");
      expect(refused.output, file).toMatch(message);
      expect(refused.output, file).not.toContain("couldn't be completed");
      expect(refused.code, file).toBe(1);
    }
    expect(await allRows(to.server)).toEqual(before);
    expect(await runFunction(to.server, "rows:urls", {}, "shelf")).toEqual(urls);
    // Nothing of them is in the way of the next one.
    await writeZip("good.zip", entries);
    expect((await importZip("good.zip", "--replace")).code).toBe(0);
    expect(await allRows(to.server)).toEqual(await allRows(from.server));
  });
});
