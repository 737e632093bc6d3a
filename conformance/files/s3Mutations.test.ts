import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import type { GenericId } from "convex/values";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type S3, startS3 } from "../../packages/stand-ins/src/s3.ts";
import { pushApp, TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { tempFolder } from "../support/tempFolder.ts";
import { until } from "../support/until.ts";
import { api } from "./api.ts";
import { S3Gate } from "./s3Gate.ts";

/** Mutations that read files of a store that speaks S3: they wait for it, and nobody else does. */

type FileId = GenericId<"_storage">;

const bucketFolder = tempFolder("s3-mutations");
let s3: S3;
let gate: S3Gate;
let server: TestServer;
let client: ConvexHttpClient;
let files: Record<"a" | "b" | "c", FileId>;

beforeAll(async () => {
  s3 = await startS3({ folder: bucketFolder });
  gate = await S3Gate.open(s3.url);
  server = await TestServer.start({
    args: ["--files-s3", `${gate.url}/${s3.bucket}/`],
    env: { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey },
  });
  const app = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  await pushApp(server, app.folder);
  client = new ConvexHttpClient(server.url, { logger: false });
  files = { a: await upload("text a"), b: await upload("text b"), c: await upload("text c") };
}, 120_000);
afterAll(async () => {
  await server?.dispose();
  await gate?.close();
  await s3?.close();
});
afterEach(async () => {
  await client.mutation(api.readers.clear, {});
});

async function upload(text: string): Promise<FileId> {
  const url = (await client.mutation(api.files.uploadUrl, {})) as string;
  const response = await fetch(url, { method: "POST", body: text });
  return ((await response.json()) as { storageId: FileId }).storageId;
}
const names = () => client.query(api.readers.names, {}) as Promise<string[]>;
/** Requests for contents since the last time. */
const reads = () => {
  const count = gate.reads;
  gate.reads = 0;
  return count;
};

it("reads several files at once, and one after another", async () => {
  const { a, b, c } = files;
  reads();
  expect(await client.mutation(api.readers.atOnce, { ids: [a, b, c, a] })).toEqual([
    "text a",
    "text b",
    "text c",
    "text a",
  ]);
  expect(reads()).toBe(3);
  expect(await names()).toEqual(["begun", "begun", "begun", "begun"]);
  expect(await client.mutation(api.readers.inTurn, { ids: [c, a] })).toBe(6);
  expect(reads()).toBe(2);
  expect((await names()).slice(4)).toEqual(["text c", "text a"]);
});

it("reads in nested mutations, and what the same mutation has stored", async () => {
  const { a, b } = files;
  expect(await client.mutation(api.readers.nested, { ids: [a, b] })).toEqual(["text a", "text b"]);
  expect(await names()).toEqual(["text a", "text b"]);
  expect(await client.mutation(api.files.storeInMutation, { text: "stored and read" })).toEqual(
    expect.any(String),
  );
});

it("finds nothing where there is no file any more, and says so when contents are lost", async () => {
  const gone = await upload("gone");
  await client.mutation(api.files.remove, { storageId: gone });
  expect(await client.mutation(api.readers.atOnce, { ids: [files.a, gone] })).toEqual(["text a", "nothing"]);
  const before = new Set(objects());
  const lost = await upload("lost");
  for (const name of objects()) if (!before.has(name)) fs.rmSync(name);
  await expect(client.mutation(api.readers.atOnce, { ids: [lost] })).rejects.toThrow(
    "The file store has lost the contents of this file.",
  );
  expect(await names()).toEqual(["begun", "begun"]);
});

function objects(): string[] {
  const folder = path.join(bucketFolder, s3.bucket);
  return fs
    .readdirSync(folder, { recursive: true })
    .map((name) => path.join(folder, String(name)))
    .filter((name) => name.endsWith("._S3rver_object"));
}

it("fails alone, with the reason, while the store is away; what is scheduled waits for it", async () => {
  gate.isShut = true;
  let job: GenericId<"_scheduled_functions">;
  try {
    await expect(client.mutation(api.readers.atOnce, { ids: [files.a] })).rejects.toThrow(
      /The file store cannot be used: it cannot be reached/,
    );
    job = (await client.mutation(api.readers.later, { id: files.b })) as typeof job;
    expect(await client.mutation(api.readers.plain, { text: "others go on" })).toBe("others go on");
    expect(await names()).toEqual([]);
    const url = (await client.query(api.files.url, { storageId: files.a })) as string;
    expect((await fetch(url)).status).toBe(503);
    await until("the job has tried", () => server.logs.includes("running the scheduled function"));
    expect(await client.query(api.readers.jobState, { id: job })).toBe("pending");
  } finally {
    gate.isShut = false;
  }
  await until("the job is done", async () => {
    return (await client.query(api.readers.jobState, { id: job })) === "success";
  });
  expect(await names()).toEqual(["text b"]);
  expect(await client.mutation(api.readers.atOnce, { ids: [files.a] })).toEqual(["text a"]);
});

it("keeps nobody else waiting, and the order of each client's mutations", async () => {
  const [one, two] = [0, 1].map(() => new ConvexClient(server.url, { logger: false })) as [
    ConvexClient,
    ConvexClient,
  ];
  const release = gate.hold();
  try {
    const answered: string[] = [];
    const follow = (name: string, answer: Promise<unknown>) => answer.then(() => void answered.push(name));
    const calls = [
      follow("one reads", one.mutation(api.readers.inTurn, { ids: [files.a] })),
      follow("one goes on", one.mutation(api.readers.plain, { text: "x" })),
    ];
    await until("the first waits", () => gate.waiting === 1);
    calls.push(follow("two reads", two.mutation(api.readers.inTurn, { ids: [files.a, files.b] })));
    await until("both wait", () => gate.waiting === 2);
    expect(await client.mutation(api.readers.plain, { text: "meanwhile" })).toBe("meanwhile");
    expect(answered).toEqual([]);
    release();
    await Promise.all(calls);
    expect(answered.filter((name) => name.startsWith("one"))).toEqual(["one reads", "one goes on"]);
    expect((await names()).toSorted()).toEqual(["text a", "text a", "text b"]);
  } finally {
    release();
    await one.close();
    await two.close();
  }
});

it("loses nothing and does nothing twice when the server is killed while a mutation waits", async () => {
  const release = gate.hold();
  const live = new ConvexClient(server.url, { logger: false });
  try {
    const answer = live.mutation(api.readers.inTurn, { ids: [files.a] });
    await until("it waits", () => gate.waiting === 1);
    await server.kill9();
    release();
    await server.start();
    // Sent again by the client.
    expect(await answer).toBe(1);
    expect(await names()).toEqual(["text a"]);
  } finally {
    release();
    await live.close();
  }
});
