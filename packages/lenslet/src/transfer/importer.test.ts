import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { badRequest } from "../base/errors.ts";
import type { EngineApi } from "../engine/api.ts";
import type { FileService } from "../files/fileService.ts";
import { seededRandom } from "../log/testSupport.ts";
import { Importer } from "./importer.ts";

let folder: string;
let importer: Importer;
/** Keys of the imports that were created. */
let created: string[];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "lenslet-importer-"));
  created = [];
  const system = async (operation: string, argsJson: string): Promise<string> => {
    const { import: wanted, key } = JSON.parse(argsJson) as { import: { mode: string }; key: string };
    if (wanted.mode === "impossible") throw badRequest("BadJsonBody", "no such mode");
    if (operation === "import.create") created.push(key);
    return operation === "import.create" ? '"the import"' : "null";
  };
  importer = new Importer({
    engine: { system } as Partial<EngineApi> as EngineApi,
    files: {} as FileService,
    folder,
    random: seededRandom(1),
    report: (_level, message) => expect.fail(message),
  });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const unknownUpload = { code: "InvalidImport", message: "There is no such upload. Start a new one." };
const append = { mode: "append" };

async function* bytes(...parts: string[]) {
  for (const part of parts) yield Buffer.from(part);
}
async function* cutOff() {
  yield Buffer.from("the first half");
  throw new Error("the client is gone");
}

async function uploaded(...parts: string[]): Promise<{ token: string; parts: string[] }> {
  const token = await importer.startUpload();
  const saved: string[] = [];
  for (const [i, part] of parts.entries()) saved.push(await importer.savePart(token, i + 1, bytes(part)));
  return { token, parts: saved };
}
const dataOf = (token: string) => readFileSync(path.join(folder, token, "data"), "utf8");

describe("an upload", () => {
  it("is joined from its parts in the order of their tokens, which are gone then", async () => {
    const { token, parts } = await uploaded("one ", "two ", "three");
    expect(parts).toEqual(["1", "2", "3"]);
    expect(await importer.finishUpload(token, ["2", "1", "3"], append)).toBe("the import");
    expect(dataOf(token)).toBe("two one three");
    expect(readdirSync(path.join(folder, token))).toEqual(["data"]);
    expect(created).toEqual([token]);
  });

  it("may be empty", async () => {
    const { token } = await uploaded();
    await importer.finishUpload(token, [], append);
    expect(dataOf(token)).toBe("");
  });

  it("takes a part again, and keeps the newest whole one", async () => {
    const { token } = await uploaded("first");
    await importer.savePart(token, 1, bytes("second"));
    await expect(importer.savePart(token, 1, cutOff())).rejects.toThrow("the client is gone");
    expect(readdirSync(path.join(folder, token))).toEqual(["part1"]);
    await importer.finishUpload(token, ["1"], append);
    expect(dataOf(token)).toBe("second");
  });

  it("is not lost to a request for something impossible", async () => {
    const { token, parts } = await uploaded("one ", "two");
    await expect(importer.finishUpload(token, parts, { mode: "impossible" })).rejects.toMatchObject({
      code: "BadJsonBody",
    });
    for (const wrong of [["1", "1"], ["1", "3"], ["0"], ["1", "2x"], ["../part1"], ["10000"]])
      await expect(importer.finishUpload(token, wrong, append)).rejects.toMatchObject({
        code: "InvalidImport",
      });
    await importer.finishUpload(token, parts, append);
    expect(dataOf(token)).toBe("one two");
    expect(created).toEqual([token]);
  });

  it("that is finished cannot be finished again, and stays as it is", async () => {
    const { token, parts } = await uploaded("data");
    await importer.finishUpload(token, parts, append);
    for (const tokens of [parts, []])
      await expect(importer.finishUpload(token, tokens, append)).rejects.toMatchObject(unknownUpload);
    expect(dataOf(token)).toBe("data");
    expect(created).toEqual([token]);
  });

  it("that was never begun is unknown", async () => {
    for (const token of ["0".repeat(32), "nonsense", "../..", ""]) {
      await expect(importer.savePart(token, 1, bytes("x"))).rejects.toMatchObject(unknownUpload);
      for (const parts of [[], ["1"]])
        await expect(importer.finishUpload(token, parts, append)).rejects.toMatchObject(unknownUpload);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([0, -1, 1.5, Number.NaN, 10_000])("has no part %d", async (part) => {
    const { token } = await uploaded();
    await expect(importer.savePart(token, part, bytes("x"))).rejects.toMatchObject({
      code: "InvalidImport",
      message: "partNumber must be from 1 to 9999.",
    });
  });
});
