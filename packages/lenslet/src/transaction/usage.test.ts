import { describe, expect, it } from "vitest";
import { TestDatabase, fullScan } from "./testDatabase.ts";
import { TransactionUsage } from "./usage.ts";

const help =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";

function withDocuments(count: number): { db: TestDatabase; ids: string[] } {
  const db = new TestDatabase();
  const ids = db.run((tx) => Array.from({ length: count }, (_, n) => tx.insert("", "t", { n })));
  return { db, ids };
}

it("counts files, and takes those back that were not stored after all", () => {
  const usage = new TransactionUsage({ filesWritten: 2, fileReadBytes: 10 });
  usage.countFileWrite(5);
  const before = usage.writeCounters();
  usage.countFileWrite(7);
  expect(usage.metrics().fileWriteBytes.used).toBe(12);
  expect(() => usage.countFileWrite(1)).toThrow(
    "Too many files written in a single function execution (limit: 2)",
  );
  usage.restoreWriteCounters(before);
  expect(usage.metrics()).toMatchObject({
    filesWritten: { used: 1, remaining: 1 },
    fileWriteBytes: { used: 5 },
  });
  usage.countFileRead(10);
  expect(() => usage.countFileRead(1)).toThrow(expect.objectContaining({ code: "TooManyFileBytesRead" }));
});

describe("limits", () => {
  it("on documents read count repeats and filtered-out rows", () => {
    const { db, ids } = withDocuments(3);
    const tx = db.begin({ limits: { documentsRead: 4 } });
    const syscalls = db.syscalls(tx);
    const none = { filter: { $literal: false } };
    expect(syscalls.collect(fullScan("t", null, [none]))).toEqual([]);
    syscalls.get(ids[0]!);
    expect(() => syscalls.get(ids[0]!)).toThrowError(
      expect.objectContaining({
        code: "TooManyDocumentsRead",
        message: `Too many documents read in a single function execution (limit: 4). ${help}`,
      }),
    );
  });

  it("on bytes read are exact", () => {
    const { db, ids } = withDocuments(1);
    const size = db.store.get(
      db.table("t").tablet,
      db.store.scan(db.table("t").byId.id, db.table("t").tablet, "", null, "asc", 1)[0]!.document.id,
    )!.size;
    const syscalls = db.syscalls(db.begin({ limits: { bytesRead: 2 * size } }));
    syscalls.get(ids[0]!);
    syscalls.get(ids[0]!);
    expect(() => syscalls.get(ids[0]!)).toThrowError(
      expect.objectContaining({
        code: "TooManyBytesRead",
        message: `Too many bytes read in a single function execution (limit: ${2 * size} bytes). ${help}`,
      }),
    );
  });

  it("on reads count disjoint intervals", () => {
    const { db, ids } = withDocuments(3);
    const tx = db.begin({ limits: { databaseQueries: 2 } });
    const syscalls = db.syscalls(tx);
    syscalls.get(ids[0]!);
    syscalls.get(ids[0]!);
    syscalls.get(ids[1]!);
    expect(tx.usage.databaseQueries).toBe(2);
    expect(() => syscalls.get(ids[2]!)).toThrowError(
      expect.objectContaining({
        code: "TooManyReads",
        message: `Too many reads in a single function execution (limit: 2). ${help}`,
      }),
    );
  });

  it("on writes are checked before anything is written", () => {
    const db = new TestDatabase();
    const tx = db.begin({ limits: { documentsWritten: 2 } });
    tx.insert("", "t", {});
    tx.insert("", "t", {});
    expect(() => tx.insert("", "t", {})).toThrowError(
      expect.objectContaining({
        code: "TooManyWrites",
        message: "Too many writes in a single function execution (limit: 2)",
      }),
    );
    expect(tx.count(tx.table("", "t")!)).toBe(2);
  });

  it("on bytes written print a size with its unit", () => {
    const tx = new TestDatabase().begin({ limits: { bytesWritten: 1024 } });
    expect(() => tx.insert("", "t", { s: "x".repeat(1024) })).toThrowError(
      expect.objectContaining({
        code: "TooManyBytesWritten",
        message: "Too many bytes written in a single function execution (limit: 1 KiB)",
      }),
    );
    expect(() => new TransactionUsage().countWrite(2 ** 24 + 1)).toThrow("(limit: 16 MiB)");
  });

  it("on scheduled functions", () => {
    const usage = new TransactionUsage({ functionsScheduled: 1 });
    usage.countScheduled(1);
    expect(() => usage.countScheduled(1)).toThrowError(
      expect.objectContaining({
        code: "TooManyFunctionsScheduled",
        message: "Too many functions scheduled by this mutation (limit: 1)",
      }),
    );
    expect(() => new TransactionUsage().countScheduled(2 ** 24 + 1)).toThrowError(
      expect.objectContaining({
        code: "ScheduledFunctionsArgumentsTooLarge",
        message:
          "Too large total size of the arguments of scheduled functions from this mutation (limit: 16777216 bytes)",
      }),
    );
  });

  it("on system tables are the server's own fault", () => {
    const usage = new TransactionUsage();
    expect(() => usage.countSystemWrite(2 ** 27 + 1)).toThrowError(
      expect.objectContaining({ category: "Internal" }),
    );
  });

  it("can be narrowed on top of what is used, never widened, and come back", () => {
    const usage = new TransactionUsage({ documentsWritten: 10 });
    usage.countWrite(5);
    const restore = usage.narrow({ documentsWritten: 1, bytesWritten: 2 ** 40, unknown: 0 });
    expect(usage.limits).toMatchObject({ documentsWritten: 2, bytesWritten: 2 ** 24 });
    const restoreInner = usage.narrow({ documentsWritten: 100 });
    usage.countWrite(5);
    expect(() => usage.countWrite(5)).toThrow("Too many writes in a single function execution (limit: 2)");
    restoreInner();
    restore();
    usage.countWrite(5);
    expect(usage.metrics().documentsWritten).toEqual({ used: 3, remaining: 7 });
  });
});

describe("measuring", () => {
  it("happens only when the bound on bytes read comes near the limit", () => {
    let measured = 0;
    const document = {
      id: "i".repeat(16),
      idText: "i",
      json: "x".repeat(100),
      value: {},
      get size() {
        measured += 1;
        return 60;
      },
    };
    const usage = new TransactionUsage({ bytesRead: 1200 });
    for (let i = 0; i < 2; i++) usage.countRead(document);
    expect(measured).toBe(0);
    for (let i = 0; i < 18; i++) usage.countRead(document);
    expect(usage.bytesRead).toBe(1200);
    expect(() => usage.countRead(document)).toThrow("Too many bytes read");
    expect(usage.metrics().bytesRead).toEqual({ used: 1260, remaining: -60 });
  });
});

describe("warnings", () => {
  it("tell what came above 80 % of a limit, 75 % for reads", () => {
    const usage = new TransactionUsage({
      documentsRead: 10,
      bytesRead: 1000,
      documentsWritten: 10,
      bytesWritten: 100,
    });
    const document = { id: "i".repeat(16), idText: "i", json: "x".repeat(90), value: {}, size: 100 };
    for (let i = 0; i < 9; i++) {
      usage.countRead(document);
      usage.countWrite(10);
    }
    usage.countIntervals(3073);
    for (let i = 0; i < 801; i++) usage.countScheduled(17_000);
    expect(usage.warnings().map(({ message }) => message)).toEqual([
      `Many documents read in a single function execution (actual: 9, limit: 10). ${help}`,
      `Many reads in a single function execution (actual: 3073, limit: 4096). ${help}`,
      `Many bytes read in a single function execution (actual: 900 bytes, limit: 1000 bytes). ${help}`,
      "Many writes in a single function execution (actual: 9, limit: 10).",
      "Many bytes written in a single function execution (actual: 90 bytes, limit: 100 bytes).",
      "Many functions scheduled by this mutation (actual: 801, limit: 1000).",
      "Large total size of the arguments of scheduled functions from this mutation (actual: 13617000 bytes, limit: 16777216 bytes).",
    ]);
  });

  it("are silent below that", () => {
    const usage = new TransactionUsage();
    usage.countIntervals(3072);
    usage.countWrite(13_421_772);
    expect(usage.warnings()).toEqual([]);
  });

  it("tell of large arguments of one scheduled function", () => {
    const usage = new TransactionUsage();
    usage.countScheduled(4_000_000);
    usage.countScheduled(5_000_000);
    expect(usage.warnings().map(({ message }) => message)).toEqual([
      "Large arguments for a single scheduled function from this mutation (actual: 4000000 bytes, limit: 4194304 bytes).",
      "Large arguments for a single scheduled function from this mutation. This will become a hard error in the future (actual: 5000000 bytes, limit: 4194304 bytes).",
    ]);
  });
});
