import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import type { GenericId } from "convex/values";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "./api.ts";
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
  const response = await fetch(url, { method: "POST", body, headers });
  expect(response.status).toBe(200);
  return ((await response.json()) as { storageId: Id }).storageId;
}

function sha256(bytes: Uint8Array | string): Buffer {
  return createHash("sha256").update(bytes).digest();
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
