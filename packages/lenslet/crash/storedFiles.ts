import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { expect } from "vitest";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { queryHttp } from "./rig.ts";

interface StorageDocument {
  readonly _id: string;
  readonly sha256: string;
  readonly size: number;
}

/**
 * Every file that is listed is there, whole, and nothing else is on the disk; returns their ids. The app has the queries
 * `files:list` and `files:url`.
 */
export async function checkFiles(server: TestServer): Promise<Set<string>> {
  const list = await queryHttp<StorageDocument[]>(server.url, "files:list");
  for (const { _id, sha256, size } of list) {
    const url = await queryHttp<string>(server.url, "files:url", { storageId: _id });
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
    expect(bytes.length).toBe(size);
    expect(createHash("sha256").update(bytes).digest("base64")).toBe(sha256);
  }
  await until(
    "only contents of files are on the disk",
    () => objects(server) === list.length && unfinished(server) === 0,
  );
  return new Set(list.map(({ _id }) => _id));
}

function objects({ dataFolder }: TestServer): number {
  const folder = path.join(dataFolder, "files/objects");
  return fs.readdirSync(folder).flatMap((shard) => fs.readdirSync(path.join(folder, shard))).length;
}

function unfinished({ dataFolder }: TestServer): number {
  return fs.readdirSync(path.join(dataFolder, "files/incoming")).length;
}
