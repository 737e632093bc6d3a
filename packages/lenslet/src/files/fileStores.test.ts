import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startS3, type S3 } from "../../../stand-ins/src/s3.ts";
import { fileStoreContract } from "./fileStoreContract.ts";
import { LocalFileStore } from "./localFileStore.ts";
import { S3FileStore } from "./s3FileStore.ts";

const folder = mkdtempSync(path.join(tmpdir(), "lenslet-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("on disk", () => {
  const files = path.join(folder, "local");
  fileStoreContract("LocalFileStore", () => LocalFileStore.open(files));

  it("leaves nothing in its folder for what is being written once it has cleaned up", async () => {
    const store = await LocalFileStore.open(files);
    await store.removeUnfinished();
    expect(readdirSync(path.join(files, "incoming"))).toEqual([]);
  });
});

describe("in S3", () => {
  const bucket = "lenslet-test";
  let server: S3;
  beforeAll(async () => {
    server = await startS3({ bucket });
  });
  afterAll(() => server.close());
  const credentials = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
  const location = (name: string) => ({
    bucketUrl: `${server.url}/${name}`,
    prefix: "some/prefix/",
    region: "us-east-1",
  });

  fileStoreContract("S3FileStore", async () => new S3FileStore(location(bucket), credentials));

  it("says what is wrong with a bucket or with credentials", async () => {
    const key = "0".repeat(32);
    const bytes = async function* () {
      yield Buffer.from("x");
    };
    const elsewhere = new S3FileStore(location("no-such-bucket"), credentials);
    await expect(elsewhere.write(key, bytes())).rejects.toThrow(
      /cannot be used: it answered 404 NoSuchBucket/,
    );
    const stranger = new S3FileStore(location(bucket), { ...credentials, accessKeyId: "wrong" });
    await expect(stranger.write(key, bytes())).rejects.toThrow(/it answered 403 InvalidAccessKeyId/);
  });
});
