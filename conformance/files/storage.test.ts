import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import type { GenericId } from "convex/values";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { api } from "./api.ts";
import { downloadLargeFile, ResidentMemory, uploadLargeFile } from "./largeFile.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

type Id = GenericId<"_storage">;

let server: TestServer;
let client: ConvexHttpClient;
beforeAll(async () => {
  server = await TestServer.start();
  const project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(`the push failed: ${pushed.output}`);
  client = new ConvexHttpClient(server.url, { logger: false });
}, 120_000);
afterAll(async () => {
  await server.dispose();
});

async function upload(body: BodyInit, headers: Record<string, string> = {}): Promise<Id> {
  const url = (await client.mutation(api.files.uploadUrl, {})) as string;
  const response = await fetch(url, { method: "POST", body, headers, duplex: "half" } as RequestInit);
  expect(response.status).toBe(200);
  return ((await response.json()) as { storageId: Id }).storageId;
}

function sha256(bytes: Uint8Array | string): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** Sizes of the contents in the data folder. */
function filesOnDisk(): number[] {
  const objects = path.join(server.dataFolder, "files/objects");
  return fs.readdirSync(objects).flatMap((shard) =>
    fs.readdirSync(path.join(objects, shard)).map((name) => {
      return fs.statSync(path.join(objects, shard, name), { throwIfNoEntry: false })?.size ?? 0;
    }),
  );
}

describe("uploading and serving", () => {
  it("goes from an upload URL to a file that everyone can fetch", async () => {
    const storageId = await upload("hello files", { "content-type": "text/plain" });
    const url = (await client.query(api.files.url, { storageId })) as string;
    expect(url).toMatch(new RegExp(`^${server.url}/api/storage/[0-9a-f-]{36}$`));
    const response = await fetch(url, { headers: { origin: "https://app.example" } });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/plain",
      "content-length": "11",
      "cache-control": "private, max-age=2592000",
      "accept-ranges": "bytes",
      digest: `sha-256=${sha256("hello files").toString("base64")}`,
      "access-control-allow-origin": "https://app.example",
    });
    expect(await response.text()).toBe("hello files");
    expect(await client.query(api.files.get, { storageId })).toEqual({
      _id: storageId,
      _creationTime: expect.any(Number),
      sha256: sha256("hello files").toString("base64"),
      size: 11,
      contentType: "text/plain",
    });
    const fileId = url.split("/").at(-1) as string;
    const metadata = {
      storageId: fileId,
      sha256: sha256("hello files").toString("hex"),
      size: 11,
      contentType: "text/plain",
    };
    expect(await client.query(api.files.metadata, { storageId })).toEqual(metadata);
    // The form of ids that old clients stored.
    expect(await client.query(api.files.metadata, { storageId: fileId })).toEqual(metadata);
    expect(await client.query(api.files.url, { storageId: fileId })).toBe(url);
  });

  it("knows no type of what was sent without one, and stores nothing as a file of no bytes", async () => {
    const storageId = await upload(new Blob([]));
    expect(await client.query(api.files.get, { storageId })).toMatchObject({ size: 0, contentType: null });
    const response = await fetch((await client.query(api.files.url, { storageId })) as string, {
      headers: { range: "bytes=0-3" },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBeNull();
    expect(await response.text()).toBe("");
  });
});

describe("deleting", () => {
  const contents = () => filesOnDisk();

  it("takes the file from everyone, and its bytes from the disk", async () => {
    const before = contents().length;
    const storageId = await upload("short-lived");
    const url = (await client.query(api.files.url, { storageId })) as string;
    expect(contents()).toHaveLength(before + 1);
    await client.mutation(api.files.remove, { storageId });
    expect((await fetch(url)).status).toBe(404);
    expect(await client.query(api.files.url, { storageId })).toBeNull();
    expect(await client.query(api.files.get, { storageId })).toBeNull();
    expect(await client.query(api.files.metadata, { storageId })).toBeNull();
    await expect(client.mutation(api.files.remove, { storageId })).rejects.toThrow(
      `storage id ${storageId} not found`,
    );
    await until("the contents are gone", () => contents().length === before);
  });

  it("is undone with the mutation", async () => {
    const storageId = await upload("stays");
    await expect(client.mutation(api.files.removeThenFail, { storageId })).rejects.toThrow("rolled back");
    const url = (await client.query(api.files.url, { storageId })) as string;
    expect(await (await fetch(url)).text()).toBe("stays");
  });

  it("works from actions too, and is seen by those who watch", async () => {
    const live = new ConvexClient(server.url, { logger: false });
    try {
      const storageId = await upload("watched");
      const seen: (string | null)[] = [];
      live.onUpdate(api.files.url, { storageId }, (url) => seen.push(url));
      await until("the URL is there", () => seen.length === 1 && seen[0] !== null);
      await client.action(api.files.removeFromAction, { storageId });
      await until("the URL is gone", () => seen.at(-1) === null);
    } finally {
      await live.close();
    }
  });

  it("says what is no storage id", async () => {
    await expect(client.query(api.files.url, { storageId: "nonsense" })).rejects.toThrow(
      'Invalid argument `storageId` for `storage.getUrl`: Invalid storage ID: "nonsense". Storage ID should be an ',
    );
    const attachment = await client.mutation(api.files.attach, {
      storageId: await upload("x"),
      name: "x",
    });
    await expect(client.query(api.files.metadata, { storageId: attachment })).rejects.toThrow(
      `Invalid storage ID: "${attachment}"`,
    );
    await expect(
      client.mutation(api.files.attach, { storageId: attachment as never, name: "x" }),
    ).rejects.toThrow(/ArgumentValidationError/);
  });
});

describe("_storage", () => {
  it("is a table to read: in order, by pages, never to write", async () => {
    const list = (await client.query(api.files.list, {})) as { _id: Id; _creationTime: number }[];
    expect(list.length).toBeGreaterThan(2);
    expect(list.map(({ _creationTime }) => _creationTime)).toEqual(
      list.map(({ _creationTime }) => _creationTime).toSorted((a, b) => a - b),
    );
    const ids: Id[] = [];
    for (let cursor: string | null = null; ;) {
      const page = (await client.query(api.files.page, { paginationOpts: { numItems: 2, cursor } })) as {
        page: { _id: Id }[];
        isDone: boolean;
        continueCursor: string;
      };
      ids.push(...page.page.map(({ _id }) => _id));
      if (page.isDone) break;
      cursor = page.continueCursor;
    }
    expect(ids).toEqual(list.map(({ _id }) => _id).toReversed());
  });
});

describe("actions", () => {
  it("store and get blobs in the default runtime", async () => {
    const storageId = await client.action(api.files.storeText, {
      text: "from an action",
      type: "text/x-own",
    });
    expect(await client.query(api.files.get, { storageId })).toMatchObject({
      size: 14,
      contentType: "text/x-own",
    });
    expect(await client.action(api.files.readText, { storageId })).toEqual({
      isBlob: true,
      type: "text/x-own",
      size: 14,
      text: "from an action",
    });
    const untyped = await client.action(api.files.storeText, { text: "no type" });
    expect(await client.query(api.files.get, { storageId: untyped })).toMatchObject({ contentType: null });
    await client.mutation(api.files.remove, { storageId });
    expect(await client.action(api.files.readText, { storageId })).toBeNull();
  });

  it("check a digest, in either writing", async () => {
    const digest = sha256("checked");
    for (const text of [digest.toString("hex"), digest.toString("base64")])
      await client.action(api.files.storeText, { text: "checked", sha256: text });
    await expect(
      client.action(api.files.storeText, { text: "other", sha256: digest.toString("base64") }),
    ).rejects.toThrow(
      `Sha256 mismatch. Expected: ${digest.toString("base64")} Actual: ${sha256("other").toString("base64")}`,
    );
  });

  it("store and get in Node", async () => {
    const storageId = await client.action(api.nodeFiles.storeZipped, { text: "zip ".repeat(100_000) });
    expect(await client.action(api.nodeFiles.readZipped, { storageId })).toEqual({
      type: "application/gzip",
      text: "zip ".repeat(100_000),
    });
  });

  it("keep what they have stored when they fail, and take nothing but blobs", async () => {
    const count = ((await client.query(api.files.list, {})) as unknown[]).length;
    await expect(client.action(api.files.storeThenFail, {})).rejects.toThrow("the action fails");
    expect(await client.query(api.files.list, {})).toHaveLength(count + 1);
    await expect(client.action(api.files.storeNothing, {})).rejects.toThrow("store() expects a Blob.");
  });

  it("are told what is no storage id, and of which file there is none", async () => {
    const misused = async (storageId: unknown) =>
      (await client.action(api.files.misused, { storageId })) as Record<string, string | null>;
    expect(await misused(7)).toMatchObject({
      get: "storage.get requires a string storageId but received 7",
      getUrl: expect.stringContaining("storageId"),
      delete: expect.stringContaining("storageId"),
    });
    expect(await misused("nonsense")).toEqual({
      get: expect.stringContaining(
        'Invalid argument `storageId` for `storage.get`: Invalid storage ID: "nonsense".',
      ),
      getUrl: expect.stringContaining(
        'Invalid argument `storageId` for `storage.getUrl`: Invalid storage ID: "nonsense".',
      ),
      delete: expect.stringContaining(
        'Invalid argument `storageId` for `storage.delete`: Invalid storage ID: "nonsense".',
      ),
    });
    const gone = await upload("gone");
    await client.mutation(api.files.remove, { storageId: gone });
    expect(await misused(gone)).toEqual({
      get: null,
      getUrl: null,
      delete: expect.stringContaining(`storage id ${gone} not found`),
    });
  });

  it("make upload URLs", async () => {
    const url = (await client.action(api.files.uploadUrlFromAction, {})) as string;
    expect((await fetch(url, { method: "POST", body: "x" })).status).toBe(200);
  });
});

describe("mutations", () => {
  it("store and read files, all or nothing", async () => {
    const text = "kept with the commit ".repeat(50_000);
    const storageId = (await client.mutation(api.files.storeInMutation, { text, type: "text/plain" })) as Id;
    const url = (await client.query(api.files.url, { storageId })) as string;
    const response = await fetch(url);
    expect(response.headers.get("content-type")).toBe("text/plain");
    expect(await response.text()).toBe(text);
    expect(await client.query(api.files.get, { storageId })).toMatchObject({
      size: text.length,
      sha256: sha256(text).toString("base64"),
    });
    // From the database at first, from the disk in the end.
    expect(await client.mutation(api.files.readInMutation, { storageId })).toEqual({
      type: "text/plain",
      text,
    });
    await until("it is on the disk", () => filesOnDisk().some((size) => size === text.length));
    expect(await client.mutation(api.files.readInMutation, { storageId })).toEqual({
      type: "text/plain",
      text,
    });
    expect(await (await fetch(url, { headers: { range: "bytes=0-3" } })).text()).toBe("kept");
    await client.mutation(api.files.remove, { storageId });
    await until("it is gone", () => !filesOnDisk().some((size) => size === text.length));

    const count = ((await client.query(api.files.list, {})) as unknown[]).length;
    await expect(client.mutation(api.files.storeInMutation, { text: "x", fail: true })).rejects.toThrow(
      "rolled back",
    );
    expect(await client.query(api.files.list, {})).toHaveLength(count);
  });
});

describe("the dashboard's page of files", () => {
  it("lists, shows, deletes and uploads", async () => {
    const call = async (kind: string, path: string, args: object) => {
      const answer = await fetch(`${server.url}/api/${kind}`, {
        method: "POST",
        headers: { authorization: `Convex ${server.adminKey}`, "content-type": "application/json" },
        body: JSON.stringify({ path: `_system/frontend/${path}`, args, format: "json" }),
      });
      const { value } = (await answer.json()) as { value: never };
      return value as never;
    };
    await upload("an older one");
    const before = await call("query", "fileStorageV2:numFiles", {});
    const url: string = await call("mutation", "fileStorageV2:generateUploadUrl", {});
    const uploaded = await fetch(url, { method: "POST", body: "from the dashboard" });
    const { storageId } = (await uploaded.json()) as { storageId: Id };
    expect(await call("query", "fileStorageV2:numFiles", {})).toBe(before + 1);
    const { page } = (await call("query", "fileStorageV2:fileMetadata", {
      paginationOpts: { numItems: 2, cursor: null, id: 1 },
    })) as { page: { _id: string; url: string; _creationTime: number }[] };
    expect(page).toHaveLength(2);
    expect(page[0]).toMatchObject({ _id: storageId, size: 18 });
    expect(await (await fetch(page[0]!.url)).text()).toBe("from the dashboard");
    const older = (await call("query", "fileStorageV2:fileMetadata", {
      paginationOpts: { numItems: 100, cursor: null },
      filters: { maxCreationTime: page[1]!._creationTime, order: "asc" },
    })) as { page: { _id: string }[] };
    expect(older.page.at(-1)?._id).toBe(page[1]!._id);
    expect(await call("query", "fileStorageV2:getFile", { storageId })).toMatchObject({ _id: storageId });
    expect(await call("mutation", "fileStorageV2:deleteFile", { storageId })).toBeNull();
    expect(await call("query", "fileStorageV2:getFile", { storageId })).toBeNull();
  });

  it("empties tables", async () => {
    for (let i = 0; i < 3; i++) await client.mutation(api.data.seed, { count: 300 });
    expect(await server.call("_system/cli/tableSize", { tableName: "things" })).toBe(900);
    const cleared = await fetch(`${server.url}/api/mutation`, {
      method: "POST",
      headers: { authorization: `Convex ${server.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({
        path: "_system/frontend/clearTablePage",
        args: { tableName: "things", cursor: null },
        format: "json",
      }),
    });
    expect(await cleared.json()).toMatchObject({
      status: "success",
      value: { deleted: 900, hasMore: false },
    });
    expect(await server.call("_system/cli/tableSize", { tableName: "things" })).toBe(0);
  });
});

describe("an upload", () => {
  it("with a digest that is not its own leaves nothing", async () => {
    const url = (await client.mutation(api.files.uploadUrl, {})) as string;
    const count = ((await client.query(api.files.list, {})) as unknown[]).length;
    const digest = `sha-256=${sha256("expected").toString("base64")}`;
    const bad = await fetch(url, { method: "POST", body: "actual", headers: { digest } });
    expect([bad.status, await bad.json()]).toEqual([
      400,
      {
        code: "Sha256Mismatch",
        message: `Sha256 mismatch. Expected: ${digest.slice(8)} Actual: ${sha256("actual").toString("base64")}`,
      },
    ]);
    expect(await client.query(api.files.list, {})).toHaveLength(count);
    const good = await fetch(url, { method: "POST", body: "expected", headers: { digest } });
    expect(good.status).toBe(200);
  });

  it("and a download of any size take a bounded amount of memory", { timeout: 180_000 }, async () => {
    const sizeBytes = 1024 * 1024 * 1024;
    const memory = new ResidentMemory(server);
    const uploadUrl = (await client.mutation(api.files.uploadUrl, {})) as string;
    const storageId = await uploadLargeFile(uploadUrl, sizeBytes, memory);
    const url = (await client.query(api.files.url, { storageId })) as string;
    expect(await downloadLargeFile(url, memory)).toBe(sizeBytes);
    expect(memory.mostMib - memory.beforeMib).toBeLessThan(256);
    const tail = await fetch(url, { headers: { range: "bytes=-8" } });
    expect(await tail.text()).toBe("lenslet ");
    await client.mutation(api.files.remove, { storageId });
  });
});
