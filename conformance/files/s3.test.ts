import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import type { GenericId } from "convex/values";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type S3, startS3 } from "../../packages/stand-ins/src/s3.ts";
import { pushApp, TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { tempFolder } from "../support/tempFolder.ts";
import { api } from "./api.ts";

/** A server whose files are in a store that speaks S3, from upload to export and import. */

type StorageId = GenericId<"_storage">;

const bucketFolder = tempFolder("s3");
let s3: S3;
let server: TestServer;
let project: TestProject;
let client: ConvexHttpClient;

async function deploy(prefix: string): Promise<[TestServer, TestProject, ConvexHttpClient]> {
  const started = await TestServer.start({
    args: ["--files-s3", `${s3.url}/${s3.bucket}/${prefix}`],
    env: { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey },
  });
  const app = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(started);
  await pushApp(started, app.folder);
  return [started, app, new ConvexHttpClient(started.url, { logger: false })];
}

beforeAll(async () => {
  s3 = await startS3({ folder: bucketFolder });
  [server, project, client] = await deploy("one");
}, 120_000);
afterAll(async () => {
  await server?.dispose();
  await s3?.close();
});

/** Names of the objects below a prefix. */
function objects(prefix: string): string[] {
  const folder = path.join(bucketFolder, s3.bucket, prefix);
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith("._S3rver_object"));
}

async function upload(bytes: Uint8Array<ArrayBuffer>): Promise<StorageId> {
  const url = (await client.mutation(api.files.uploadUrl, {})) as string;
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "image/png" },
    body: bytes,
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { storageId: StorageId }).storageId;
}

const urlOf = async (storageId: StorageId) => (await client.query(api.files.url, { storageId })) as string;
// More than one part of a multipart upload.
const contents = Uint8Array.from(randomBytes(20 * 1024 * 1024 + 17));
let storageId: StorageId;

it("takes uploads and serves them, whole and in ranges", { timeout: 60_000 }, async () => {
  storageId = await upload(contents);
  expect(objects("one")).toHaveLength(1);
  expect(fs.existsSync(path.join(server.dataFolder, "files"))).toBe(false);
  const url = await urlOf(storageId);
  const whole = await fetch(url);
  expect(whole.headers.get("content-type")).toBe("image/png");
  expect(Buffer.from(await whole.arrayBuffer()).equals(contents)).toBe(true);
  const part = await fetch(url, { headers: { range: "bytes=9000000-9000099" } });
  expect([part.status, part.headers.get("content-range")]).toEqual([
    206,
    `bytes 9000000-9000099/${contents.length}`,
  ]);
  expect(Buffer.from(await part.arrayBuffer()).equals(contents.subarray(9_000_000, 9_000_100))).toBe(true);
  expect((await fetch(url, { headers: { range: "bytes=99999999-" } })).status).toBe(416);
});

it("stores from actions and mutations, and reads in actions", { timeout: 60_000 }, async () => {
  const fromAction = (await client.action(api.files.storeText, { text: "by an action" })) as StorageId;
  expect(await client.action(api.files.readText, { storageId: fromAction })).toMatchObject({
    text: "by an action",
  });
  const text = "by a mutation";
  const fromMutation = (await client.mutation(api.files.storeInMutation, { text })) as StorageId;
  expect(await (await fetch(await urlOf(fromMutation))).text()).toBe(text);
  await expect.poll(() => objects("one").length, { timeout: 10_000 }).toBe(3);
  // From the store, which mutations wait for (s3Mutations.test.ts).
  expect(await client.mutation(api.files.readInMutation, { storageId: fromMutation })).toEqual({
    type: "",
    text,
  });
  expect(await (await fetch(await urlOf(fromMutation))).text()).toBe(text);
});

it("keeps them through kill -9 and removes what is deleted", { timeout: 60_000 }, async () => {
  const gone = await upload(Uint8Array.from(Buffer.from("short-lived")));
  const url = await urlOf(gone);
  const count = objects("one").length;
  await client.mutation(api.files.remove, { storageId: gone });
  expect((await fetch(url)).status).toBe(404);
  await expect.poll(() => objects("one").length, { timeout: 20_000 }).toBe(count - 1);
  await server.kill9();
  await server.start();
  const whole = await fetch(await urlOf(storageId));
  expect(Buffer.from(await whole.arrayBuffer()).equals(contents)).toBe(true);
});

it("exports and imports them", { timeout: 120_000 }, async () => {
  const exported = await project.convex(["export", "--path", "s3.zip", "--include-file-storage"]);
  expect(exported.code).toBe(0);
  const [other, otherProject, otherClient] = await deploy("two");
  try {
    fs.copyFileSync(path.join(project.folder, "s3.zip"), path.join(otherProject.folder, "s3.zip"));
    const imported = await otherProject.convex(["import", "s3.zip"]);
    expect(imported.output).toMatch(/Added \d+ documents/);
    expect(await otherClient.query(api.files.list, {})).toEqual(await client.query(api.files.list, {}));
    expect(objects("two")).toHaveLength(objects("one").length);
    const url = (await otherClient.query(api.files.url, { storageId })) as string;
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(contents)).toBe(true);
  } finally {
    await other.dispose();
  }
});
