import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { copyHashed, createWhole, filesBelow, hashOf, readManifest, writeManifest } from "./backupFolder.ts";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lenslet-backup-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const manifest = {
  instanceName: "one",
  lensletVersion: "1.2.3",
  takenAt: "2026-01-02T03:04:05.678Z",
  storeTs: 2n ** 63n - 1n,
  logTs: 2n ** 63n - 1n,
  hasFiles: true,
  entries: [{ path: "log/a", bytes: 3, sha256: "0".repeat(64) }],
};

describe("a manifest", () => {
  it("comes back as it was written", () => {
    writeManifest(folder, manifest);
    expect(readManifest(folder)).toEqual({ formatVersion: 1, ...manifest });
  });

  it.each([
    ["nothing at all", null, "BackupMissing"],
    ["half of it", '{"formatVersion":1,"instanceName":', "BackupDamaged"],
    ["another JSON", "[]", "BackupDamaged"],
    ["a newer format", '{"formatVersion":2}', "BackupTooNew"],
  ])("that is %s is refused", (_what, text, code) => {
    if (text !== null) fs.writeFileSync(path.join(folder, "manifest.json"), text);
    expect(() => readManifest(folder)).toThrow(expect.objectContaining({ code }));
  });

  it.each(["../outside", "/etc/passwd", "a/../../b", "a//b", "", ".", "..\\outside"])(
    "that names %j is refused",
    (name) => {
      writeManifest(folder, { ...manifest, entries: [{ path: name, bytes: 0, sha256: "0".repeat(64) }] });
      expect(() => readManifest(folder)).toThrow(expect.objectContaining({ code: "BackupDamaged" }));
    },
  );
});

describe("a folder that is made as a whole", () => {
  it("takes the place of an empty one", async () => {
    const target = path.join(folder, "deep", "target");
    fs.mkdirSync(target, { recursive: true });
    await createWhole(target, "partial", async (working) => {
      fs.writeFileSync(path.join(working, "a"), "1");
    });
    expect(fs.readFileSync(path.join(target, "a"), "utf8")).toBe("1");
    expect(fs.readdirSync(path.dirname(target))).toEqual(["target"]);
  });

  it("leaves nothing when it fails", async () => {
    const target = path.join(folder, "target");
    const made = createWhole(target, "partial", async (working) => {
      fs.writeFileSync(path.join(working, "a"), "1");
      throw new Error("interrupted");
    });
    await expect(made).rejects.toThrow("interrupted");
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("touches nothing that is there before, or by the time that it is done", async () => {
    const target = path.join(folder, "target");
    const inUse = { code: "FolderInUse" };
    fs.mkdirSync(target);
    const late = createWhole(target, "partial", async () => {
      fs.writeFileSync(path.join(target, "mine"), "1");
    });
    await expect(late).rejects.toMatchObject(inUse);
    await expect(createWhole(target, "partial", async () => undefined)).rejects.toMatchObject(inUse);
    const file = path.join(target, "mine");
    await expect(createWhole(file, "partial", async () => undefined)).rejects.toMatchObject(inUse);
    expect(fs.readdirSync(folder)).toEqual(["target"]);
    expect(fs.readFileSync(file, "utf8")).toBe("1");
  });
});

describe("a copied file", () => {
  it("has the hash of its contents, and a program stays one", async () => {
    const source = path.join(folder, "source");
    const bytes = Buffer.alloc(3 * 1024 * 1024 + 17, "lenslet");
    fs.writeFileSync(source, bytes, { mode: 0o755 });
    let copied = 0;
    const target = path.join(folder, "a", "b", "target");
    const entry = await copyHashed(source, target, (more) => (copied += more));
    expect(entry).toEqual(await hashOf(source));
    expect([entry.bytes, copied]).toEqual([bytes.length, bytes.length]);
    expect(fs.readFileSync(target).equals(bytes)).toBe(true);
    expect(fs.statSync(target).mode & 0o100).toBe(0o100);
    await expect(copyHashed(source, target, () => undefined)).rejects.toMatchObject({ code: "EEXIST" });
    const beginning = await copyHashed(source, path.join(folder, "beginning"), () => undefined, 10);
    expect(beginning.bytes).toBe(10);
  });

  it("is found below its folder", async () => {
    fs.mkdirSync(path.join(folder, "a", "b"), { recursive: true });
    for (const name of ["1", "a/2", "a/b/3"]) fs.writeFileSync(path.join(folder, name), "");
    const found: string[] = [];
    for await (const name of filesBelow(folder)) found.push(name);
    expect(found.toSorted()).toEqual(["1", "a/2", "a/b/3"]);
    for await (const name of filesBelow(path.join(folder, "nowhere"))) expect.fail(name);
  });
});
