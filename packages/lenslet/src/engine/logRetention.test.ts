import { afterEach, describe, expect, it } from "vitest";
import { codeOf, readAll } from "../log/logContract.ts";
import { MemoryLog } from "../log/memory.ts";
import { openSqliteStore } from "../store/sqliteStore.ts";
import { CatalogState } from "../store/catalogState.ts";
import { Committer } from "./committer.ts";
import { LogRetention } from "./logRetention.ts";
import { TestClock, TestEngine, valueOf } from "./testEngine.ts";

const app = {
  "m.ts": `
    import { query, mutation } from "./_generated/server";
    export const add = mutation(async ({ db }, { n }) => { await db.insert("t", { n }); });
    export const list = query(async ({ db }) => (await db.query("t").collect()).map((d) => d.n));
  `,
};
const dayMs = 24 * 3600 * 1000;
const retentionMs = 14 * dayMs;

let server: TestEngine;
afterEach(() => {
  expect(server.defects).toEqual([]);
  server.dispose();
});

/** A number a day from 1 on; the log is trimmed only when a test says so. */
async function start(days: number): Promise<{ retention: LogRetention; reports: string[] }> {
  server = await TestEngine.start(app);
  const reports: string[] = [];
  const retention = new LogRetention({
    engine: { system: (operation, argsJson) => server.settled(server.client.system(operation, argsJson)) },
    log: server.log,
    clock: server.clock,
    timers: server.clock,
    retentionMs,
    report: (_level, message) => reports.push(message),
  });
  for (let n = 1; n <= days; n++) {
    await server.mutation("m:add", { n });
    server.clock.advance(dayMs);
  }
  return { retention, reports };
}

async function list(): Promise<unknown> {
  return valueOf(await server.query("m:list"));
}

function oldestAgeDays(): number {
  return (server.clock.nowMs() - Number(server.log.firstTs() / 1_000_000n)) / dayMs;
}

describe("the log", () => {
  it("forgets what is older than the retention, and the store does not", async () => {
    const { retention } = await start(20);
    expect(oldestAgeDays()).toBeGreaterThanOrEqual(20);
    await retention.trim();
    expect(oldestAgeDays()).toBeLessThanOrEqual(14);
    expect(oldestAgeDays()).toBeGreaterThan(13);
    const all = Array.from({ length: 20 }, (_, i) => i + 1);
    expect(await list()).toEqual(all);
    // The store that a lost engine leaves has all that the log has forgotten.
    await server.replaceEngine();
    expect(await list()).toEqual(all);
  });

  it("keeps everything while it is younger", async () => {
    const { retention } = await start(13);
    const before = await readAll(server.log);
    await retention.trim();
    expect(await readAll(server.log)).toEqual(before);
  });

  it("keeps everything while somebody copies its files", async () => {
    const { retention } = await start(20);
    const release = await retention.hold();
    await retention.trim();
    expect(oldestAgeDays()).toBeGreaterThanOrEqual(20);
    release();
    await retention.trim();
    expect(oldestAgeDays()).toBeLessThanOrEqual(14);
  });

  it("is trimmed by itself after a while, and again", async () => {
    const { retention } = await start(20);
    retention.start();
    server.clock.advance(3600 * 1000);
    await server.settle();
    expect(oldestAgeDays()).toBeLessThanOrEqual(14.1);
    for (let day = 0; day < 3; day++) {
      for (let hour = 0; hour < 24; hour++) {
        server.clock.advance(3600 * 1000);
        await server.settle();
      }
      expect(oldestAgeDays()).toBeLessThanOrEqual(14.1);
    }
    await retention.close();
  });

  it("never forgets what the store's disk does not have", async () => {
    server = await TestEngine.start(app);
    for (let n = 1; n <= 20; n++) {
      await server.mutation("m:add", { n });
      server.clock.advance(dayMs);
    }
    const records = await readAll(server.log);
    const checkpointTs = records[10]?.ts ?? 0n;
    const retention = new LogRetention({
      engine: { system: () => Promise.resolve(JSON.stringify(String(checkpointTs))) },
      log: server.log,
      clock: server.clock,
      timers: server.clock,
      retentionMs: dayMs,
      report: () => undefined,
    });
    await retention.trim();
    expect(server.log.trimmedTs()).toBe(checkpointTs);
    expect(await codeOf(readAll(server.log, checkpointTs - 1n))).toBe("LogTrimmed");
  });

  it("says so when it cannot be trimmed, and is tried again", async () => {
    server = await TestEngine.start(app);
    await server.mutation("m:add", { n: 1 });
    server.clock.advance(20 * dayMs);
    const reports: string[] = [];
    const clock = new TestClock();
    clock.advance(server.clock.nowMs() - clock.nowMs());
    const retention = new LogRetention({
      engine: { system: () => Promise.reject(new Error("no engine")) },
      log: server.log,
      clock,
      timers: clock,
      retentionMs,
      report: (level, message) => reports.push(`${level}: ${message}`),
    });
    retention.start();
    for (let hours = 1; hours <= 3; hours++) {
      clock.advance(3600 * 1000);
      await new Promise((resolve) => setImmediate(resolve));
      expect(reports.length).toBe(hours);
    }
    expect(reports[0]).toBe("warn: old commits could not be removed from the log: no engine");
    await retention.close();
  });
});

describe("an engine on a trimmed log", () => {
  it("refuses a store that is missing what the log has forgotten", async () => {
    const { retention } = await start(20);
    await retention.trim();
    const store = openSqliteStore(":memory:");
    const opened = Committer.open(
      { store, log: server.log, clock: server.clock, boot: "other" },
      CatalogState.load(store),
    );
    await expect(opened).rejects.toMatchObject({ code: "DataFolderInconsistent" });
    await expect(opened).rejects.toThrow(/lenslet restore/);
    store.close();
  });

  it("opens also when calls from before are still unanswered", async () => {
    const { retention } = await start(20);
    await retention.trim();
    const { committer, store } = server;
    expect(store.appliedTs()).toBe(committer.lastTs);
    const reopened = await Committer.open(
      { store, log: server.log, clock: server.clock, boot: "other", answeredTs: 512n },
      CatalogState.load(store),
    );
    expect(reopened.lastTs).toBe(committer.lastTs);
  });
});

it("a log without records is nothing to trim", async () => {
  server = await TestEngine.start(null);
  const log = new MemoryLog();
  const retention = new LogRetention({
    engine: { system: () => Promise.reject(new Error("nobody is asked")) },
    log,
    clock: server.clock,
    timers: server.clock,
    retentionMs,
    report: () => undefined,
  });
  await retention.trim();
  expect(log.firstTs()).toBe(0n);
});
