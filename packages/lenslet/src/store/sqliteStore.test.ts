import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { openSqliteStore, type SqliteStore } from "./sqliteStore.ts";
import { storeContract } from "./storeContract.ts";
import { byCreation, byId, byTag, keyOf, tablet, versionOf } from "./storeModel.ts";
import { bufferedChangesMax } from "./writeBuffer.ts";

storeContract("SQLite in memory", false, () => ({
  open: () => openSqliteStore(":memory:"),
  remove: () => undefined,
}));

storeContract("SQLite file", true, () => {
  const folder = mkdtempSync(join(tmpdir(), "lenslet-store-"));
  return {
    open: () => openSqliteStore(join(folder, "store.db")),
    remove: () => rmSync(folder, { recursive: true }),
  };
});

storeContract("SQLite file, hardly any cache", true, () => {
  const folder = mkdtempSync(join(tmpdir(), "lenslet-store-"));
  return {
    open: () => openSqliteStore(join(folder, "store.db"), { cacheBytesMax: 1500 }),
    remove: () => rmSync(folder, { recursive: true }),
  };
});

describe("openSqliteStore", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lenslet-store-"));
    path = join(folder, "store.db");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const openError = (): LensletError => {
    try {
      openSqliteStore(path, { lockWaitMs: 0 }).close();
    } catch (error) {
      if (error instanceof LensletError) return error;
      throw error;
    }
    throw new Error("it opened");
  };

  it("refuses a newer format, and says what to do", () => {
    const store = openSqliteStore(path);
    store.setMeta("formatVersion", "2");
    store.persist();
    store.close();
    const error = openError();
    expect(error.code).toBe("DataFormatTooNew");
    expect(error.message).toContain("data format 2");
    expect(error.message).toContain("Update Lenslet");
  });

  it("refuses a database that is not a store, and leaves it as it is", () => {
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE invoices (id INTEGER); INSERT INTO invoices VALUES (7)");
    other.close();
    expect(openError().code).toBe("DataFileUnknown");
    const again = new DatabaseSync(path);
    expect(again.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "invoices" }]);
    again.close();
  });

  it("refuses a damaged file", () => {
    writeFileSync(path, "no database ".repeat(1000));
    expect(openError().code).toBe("DataFileDamaged");
  });

  it("keeps metadata with the commits it was written with", () => {
    let store = openSqliteStore(path);
    expect(store.getMeta("instance")).toBeNull();
    store.setMeta("instance", "first");
    store.persist();
    store.setMeta("instance", "second");
    expect(store.getMeta("instance")).toBe("second");
    store.close();
    store = openSqliteStore(path);
    expect(store.getMeta("instance")).toBe("first");
    store.close();
  });

  it("has everything in the main file after a checkpoint", () => {
    const store = openSqliteStore(path);
    createTable(store);
    put(store, 7n, "0".repeat(16), "a");
    expect(store.checkpoint()).toBe(7n);
    expect(statSync(`${path}-wal`).size).toBe(0);
    put(store, 8n, "0".repeat(16), "b");
    store.close();
    const reopened = openSqliteStore(path);
    expect(reopened.appliedTs()).toBe(7n);
    expect(reopened.get(tablet, "0".repeat(16))?.value["tag"]).toBe("a");
    reopened.close();
  });

  it("leaves the file alone while it is held, and it is the store as it was", () => {
    const store = openSqliteStore(path);
    createTable(store);
    put(store, 1n, "0".repeat(16), "held");
    expect(store.holdFile()).toBe(1n);
    const held = readFileSync(path);
    // More than SQLite would leave in the WAL by itself, in many transactions.
    const text = "x".repeat(40_000);
    for (let ts = 2; ts <= 2500; ts++) {
      put(store, BigInt(ts), String(ts).padStart(16, "0"), `${text}${ts}`);
      if (ts % 10 === 0) store.persist();
    }
    expect(store.holdFile()).toBe(1n);
    expect(store.checkpoint()).toBe(1n);
    store.releaseFile();
    expect(readFileSync(path).equals(held)).toBe(true);
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(64 * 1024 * 1024);
    store.releaseFile();
    expect(store.checkpoint()).toBe(2500n);
    expect(statSync(`${path}-wal`).size).toBe(0);
    store.close();

    const copy = `${path}.copy`;
    writeFileSync(copy, held);
    const restored = openSqliteStore(copy);
    expect(restored.appliedTs()).toBe(1n);
    expect(restored.get(tablet, "0".repeat(16))?.value["tag"]).toBe("held");
    restored.close();
  });

  it("hands over a buffer that is full, and updates, removes and counts across it", () => {
    const store = openSqliteStore(path);
    createTable(store);
    const ids = Array.from({ length: bufferedChangesMax }, (_, n) => String(n).padStart(16, "0"));
    for (const [n, id] of ids.entries()) put(store, BigInt(n + 1), id, `t${n % 10}`);
    for (const [n, id] of ids.entries()) put(store, BigInt(ids.length + n + 1), id, n % 2 === 0 ? null : "u");
    store.persist();
    store.close();
    const reopened = openSqliteStore(path);
    expect(reopened.count(tablet)).toBe(ids.length / 2);
    for (const index of [byId, byCreation, byTag]) {
      const found = reopened
        .scan(index, tablet, "", null, "asc", ids.length)
        .map(({ document }) => document.id);
      expect(found).toEqual(ids.filter((_, n) => n % 2 === 1));
    }
    reopened.close();
  });

  it("is refused while another process has it, and found as persisted when that was killed", async () => {
    const child = holdInChild(path);
    await firstLine(child);
    const error = openError();
    expect(error.code).toBe("DataFolderLocked");
    expect(error.message).toContain("another process");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    const store = openSqliteStore(path);
    expect(store.appliedTs()).toBe(1n);
    expect(store.scan(byTag, tablet, "", null, "asc", 9).map((row) => row.document.value["tag"])).toEqual([
      "a",
    ]);
    store.close();
  });

  it("can be taken over from a thread that was terminated", async () => {
    const worker = new Worker(
      `${holderSource(path)}require("node:worker_threads").parentPort.postMessage("ready")})`,
      {
        eval: true,
      },
    );
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    expect(openError().code).toBe("DataFolderLocked");
    await worker.terminate();
    const store = openSqliteStore(path);
    expect(store.appliedTs()).toBe(1n);
    store.close();
  });
});

function createTable(store: SqliteStore): void {
  store.createTablet(tablet, byId);
  store.createIndex(byCreation, tablet);
  store.createIndex(byTag, tablet);
}

function put(store: SqliteStore, ts: bigint, id: string, tag: string | null): void {
  const before = store.get(tablet, id);
  const after = tag === null ? null : versionOf(id, tag);
  const keys = [byId, byCreation, byTag].map((index) => ({
    index,
    before: before === null ? null : keyOf(index, before),
    after: after === null ? null : keyOf(index, after),
  }));
  store.applyCommit(ts, [{ tablet, id, idText: `id-${id}`, before, after, keys }], null);
}

/**
 * A script (CommonJS, ends open) that persists one commit and applies another one, and then holds the store until it is
 * ended from outside: with nothing left to wait for, a thread would end by itself and let go.
 */
function holderSource(path: string): string {
  const room = JSON.stringify(new URL("./", import.meta.url).href);
  return `
    Promise.all([import(${room} + "sqliteStore.ts"), import(${room} + "storeModel.ts")]).then(([s, m]) => {
      const store = (globalThis.store = s.openSqliteStore(${JSON.stringify(path)}));
      store.createTablet(m.tablet, m.byId);
      store.createIndex(m.byTag, m.tablet);
      const write = (id, tag) => {
        const after = m.versionOf(id, tag);
        return { tablet: m.tablet, id, idText: "id-" + id, before: null, after,
          keys: [{ index: m.byTag, before: null, after: m.keyOf(m.byTag, after) }] };
      };
      store.applyCommit(1n, [write("0".repeat(16), "a")], null);
      store.persist();
      store.applyCommit(2n, [write("1".repeat(16), "b")], null);
      store.scan(m.byTag, m.tablet, "", null, "asc", 9);
      setInterval(() => {}, 1000);
      `;
}

function holdInChild(path: string): ChildProcess {
  return spawn(process.execPath, ["-e", `${holderSource(path)}console.log("ready")})`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function firstLine(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the child ended with ${code}`)));
  });
}
