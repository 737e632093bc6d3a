import { afterEach, describe, expect, it } from "vitest";
import type { CommitTs } from "../log/log.ts";
import { readAll } from "../log/logContract.ts";
import { MemoryLog } from "../log/memory.ts";
import type { Value } from "../values/value.ts";
import { progressShownMs } from "./calls.ts";
import { decodeCommitRecord } from "./commitRecord.ts";
import { persistIntervalMaxMs } from "./committer.ts";
import { historyAgeMaxMs } from "./history.ts";
import {
  admin,
  callOf,
  failureOf,
  noHandover,
  openEngine,
  TestEngine,
  type TestEngineOptions,
  valueOf,
} from "./testEngine.ts";

const app = {
  "m.ts": `
    import { query, mutation } from "./_generated/server";
    export const add = mutation(async ({ db }, { n }) => { await db.insert("t", { n }); return await db.query("t").collect().then((all) => all.length); });
    export const list = query(async ({ db }) => (await db.query("t").collect()).map((d) => d.n));
    export const count = query(async ({ db }) => (await db.query("t").collect()).length);
    export const set = mutation(async ({ db }, { n }) => { const d = await db.query("t").first(); await db.patch(d._id, { n }); return "set"; });
    export const insertAndDelete = mutation(async ({ db }) => { await db.delete(await db.insert("t", { n: 0 })); return "nothing"; });
    export const look = mutation(async ({ db }) => (await db.query("t").collect()).length);
    export const fail = mutation(async ({ db }) => { await db.insert("t", { n: -1 }); throw new Error("no"); });
    export const env = query(() => process.env.MINE ?? null);
    export const other = query(async ({ db }) => (await db.query("nowhere").collect()).length);
    export const addOther = mutation(async ({ db }) => { await db.insert("nowhere", {}); });
    export const page = query(async ({ db }, { opts }) => (await db.query("t").paginate(opts)).page.map((d) => d.n));
    export const remove = mutation(async ({ db }, { n }) => { const d = (await db.query("t").collect()).find((d) => d.n === n); await db.delete(d._id); });
    export const clock = query(() => Date.now());
    export const fill = mutation(async ({ db }, { n }) => { for (let i = 0; i < n; i++) await db.insert("t", { n: i }); });
  `,
};
const version2 = {
  "m.ts": app["m.ts"].replace('"nothing"', '"version 2"').replace("(d) => d.n)", "(d) => [d.n])"),
};

function withSchema(table: string): Record<string, string> {
  return {
    ...app,
    "schema.ts": `
      import { defineSchema, defineTable } from "convex/server";
      import { v } from "convex/values";
      export default defineSchema({ t: ${table} }, { strictTableNameTypes: false });`,
  };
}

let server: TestEngine;
async function start(files: Record<string, string> | null = app, options: TestEngineOptions = {}) {
  server = await TestEngine.start(files, options);
}
afterEach(() => {
  expect(server.defects).toEqual([]);
  server.dispose();
});

const query = async (path: string, args: Value = {}) => valueOf(await server.query(`m:${path}`, args));
const mutation = async (path: string, args: Value = {}) => valueOf(await server.mutation(`m:${path}`, args));
async function records() {
  return (await readAll(server.log)).map(decodeCommitRecord);
}

describe("an empty deployment", () => {
  it("knows no functions", async () => {
    await start(null);
    expect(failureOf(await server.query("m:list"))).toBe("Could not find public function for 'm:list'.\n");
    expect(server.client.latestTs()).toBe(0n);
  });
});

describe("mutations", () => {
  it("commit one after another, each at its own timestamp", async () => {
    await start();
    const results = await server.settled(
      Promise.all([1, 2, 3].map((n) => server.client.mutation(callOf("m:add", { n })))),
    );
    expect(results.map(valueOf)).toEqual([1, 2, 3]);
    const ts = results.map((result) => result.ts as CommitTs);
    expect(ts).toEqual(ts.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(ts).size).toBe(3);
    // A client that reads them into doubles gives them back as they were.
    expect(ts.map((exact) => BigInt(JSON.parse(String(exact)) as number))).toEqual(ts);
    expect(await query("list")).toEqual([1, 2, 3]);
    expect((await records()).slice(-3).map((record) => record.ts)).toEqual(ts);
  });

  it("that fail or change nothing leave no record", async () => {
    await start();
    await mutation("add", { n: 1 });
    const before = (await records()).length;
    expect(failureOf(await server.mutation("m:fail"))).toContain("Uncaught Error: no");
    expect(await mutation("insertAndDelete")).toBe("nothing");
    const set = await server.mutation("m:set", { n: 1 });
    expect(valueOf(set)).toBe("set");
    expect(set.ts).toBe(server.client.latestTs());
    expect(await mutation("look")).toBe(1);
    expect(await records()).toHaveLength(before);
  });

  it("are told before the publication that shows them", async () => {
    await start();
    await server.open("m:list");
    server.published.length = 0;
    const order: string[] = [];
    server.client.subscribe({
      published: (ts) => order.push(`published ${ts}`),
      deploymentChanged: () => {},
      executed: () => {},
    });
    // The answer and the publication cross in one batch; the promise was resolved first.
    const { ts } = await server.settled(server.client.mutation(callOf("m:add", { n: 1 })));
    expect(order).toEqual([`published ${ts}`]);
    expect(server.published.map((each) => each.ts)).toEqual([ts]);
  });

  it("of one tick are shown together, each query run once", async () => {
    await start();
    const { id } = await server.open("m:list");
    server.published.length = 0;
    server.executed.length = 0;
    await server.settled(Promise.all([1, 2, 3].map((n) => server.client.mutation(callOf("m:add", { n })))));
    expect(server.published.map(({ changed }) => changed.length)).toEqual([1]);
    expect(server.valueOf({ id })).toEqual([1, 2, 3]);
    expect(server.executed.filter((entry) => entry["udfType"] === "Query")).toHaveLength(1);
  });

  it("are logged with who asked, and answers from the cache as such", async () => {
    await start();
    await server.open("m:list");
    server.executed.length = 0;
    const asked = { ...callOf("m:list"), caller: "HttpApi" as const, requestId: "00000000000000aa" };
    await server.settled(server.client.query(asked));
    await server.settled(server.client.mutation(callOf("m:add", { n: 1 })));
    await server.settled(server.client.query({ ...callOf("m:count"), caller: "HttpApi", requestId: "bb" }));
    expect(
      server.executed
        .filter((entry) => entry["udfType"] === "Query")
        .map(({ identifier, caller, cachedResult, requestId }) =>
          [identifier, caller, cachedResult, requestId === "00000000000000aa"].join(" "),
        ),
    ).toEqual(["m:list HttpApi true true", "m:list SyncWorker false false", "m:count HttpApi false false"]);
  });

  it("that an action makes are logged as its children, each by itself", async () => {
    await start();
    server.executed.length = 0;
    const parentExecutionId = "00112233445566778899aabbccddeeff";
    for (const n of [1, 2])
      await server.settled(
        server.client.mutation({ ...callOf("m:add", { n }), caller: "Action", parentExecutionId }),
      );
    const ids = server.executed.map((entry) => entry["executionId"]);
    expect(new Set(ids).size).toBe(2);
    expect(server.executed).toMatchObject([{ parentExecutionId }, { parentExecutionId }]);
  });

  it("keep the order of creation while the clock stands still or jumps back", async () => {
    await start();
    for (let n = 0; n < 20; n++) {
      if (n % 5 === 4) server.clock.advance(-500);
      await mutation("add", { n });
    }
    expect(await query("list")).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });
});

describe("mutations of a session", () => {
  const session = { sessionId: "s1", requestId: 4 };

  it("are applied once and answered alike, as often as they are sent", async () => {
    await start();
    const first = await server.mutation("m:add", { n: 1 }, { session });
    await mutation("add", { n: 2 });
    expect(await server.mutation("m:add", { n: 1 }, { session })).toEqual(first);
    expect(await server.mutation("m:add", { n: 1 }, { session: { ...session, requestId: 5 } })).not.toEqual(
      first,
    );
    expect(
      await server.mutation("m:add", { n: 1 }, { session: { ...session, sessionId: "s2" } }),
    ).not.toEqual(first);
    expect(await query("list")).toEqual([1, 2, 1, 1]);
  });

  it("are answered alike after the loss of the engine, and after a restart", async () => {
    await start();
    const first = await server.mutation("m:add", { n: 1 }, { session });
    await server.replaceEngine();
    expect(await server.mutation("m:add", { n: 1 }, { session })).toEqual(first);
    const log = server.log.crash();
    server.dispose();
    await start(null, { log });
    expect(await server.mutation("m:add", { n: 1 }, { session })).toEqual(first);
    expect(await query("list")).toEqual([1]);
  });

  it("that failed may be tried again", async () => {
    await start();
    expect((await server.mutation("m:set", { n: 1 }, { session })).ok).toBe(false);
    await mutation("add", { n: 1 });
    expect(valueOf(await server.mutation("m:set", { n: 2 }, { session }))).toBe("set");
    expect(await query("list")).toEqual([2]);
  });

  it("are forgotten after two weeks", async () => {
    await start();
    await server.mutation("m:add", { n: 1 }, { session });
    const days = 24 * 3600 * 1000;
    server.clock.advance(13 * days);
    await mutation("look");
    await server.mutation("m:add", { n: 1 }, { session });
    expect(await query("count")).toBe(1);
    server.clock.advance(2 * days);
    await mutation("add", { n: 2 });
    server.clock.advance(1000);
    await server.mutation("m:add", { n: 1 }, { session });
    expect(await query("count")).toBe(3);
  });
});

describe("durability", () => {
  it("is waited for before anything is told", async () => {
    await start(app, { durability: "automatic" });
    const log = server.log.crash();
    server.dispose();
    // The same content on a disk that only writes on command.
    await start(null, { log: new MemoryLog({ durability: "manual" }, await readAll(log)) });
    const { id } = await server.open("m:list");
    server.published.length = 0;
    let answered = false;
    const promise = server.client.mutation(callOf("m:add", { n: 1 }));
    void promise.then(() => {
      answered = true;
    });
    await server.settle();
    expect([answered, server.published]).toEqual([false, []]);
    server.log.sync();
    await server.settle();
    expect(answered).toBe(true);
    expect(server.valueOf({ id })).toEqual([1]);
  });

  it("of the store follows that of the log", async () => {
    await start();
    await mutation("add", { n: 1 });
    for (let ms = 0; ms <= persistIntervalMaxMs + 250; ms += 250) server.clock.advance(250);
    const { lastTs } = server.committer;
    expect(server.log.durableTs()).toBe(lastTs);
    server.loseEngine({ guilty: null, failure: { message: "" } });
    await server.startEngine();
    expect(server.committer.lastTs).toBe(lastTs);
    await server.settle();
    expect(await query("list")).toEqual([1]);
  });

  it("refuses a store that knows more than the log", async () => {
    await start();
    await mutation("add", { n: 1 });
    await server.engine?.drain();
    const shorter = (await readAll(server.log)).slice(0, -1);
    const opening = openEngine({
      store: server.store,
      log: new MemoryLog({}, shorter),
      clock: server.clock,
      timers: server.clock,
      random: server.random,
      boot: "other",
      handover: noHandover,
      post: () => {},
      soon: () => {},
      reportDefect: () => {},
    });
    await expect(opening).rejects.toMatchObject({ code: "DataFolderInconsistent" });
  });
});

describe("live queries", () => {
  it("follow data, tables that are created, environment variables and code", async () => {
    await start();
    const list = await server.open("m:list");
    const other = await server.open("m:other");
    const env = await server.open("m:env");
    const clock = await server.open("m:clock");
    const firstClock = server.valueOf(clock);
    server.clock.advance(5);
    await mutation("add", { n: 1 });
    expect([server.valueOf(list), server.valueOf(other)]).toEqual([[1], 0]);
    await mutation("addOther");
    expect(server.valueOf(other)).toBe(1);
    expect(server.valueOf(clock)).toBe(firstClock);
    await server.system("env.commit", { changes: [{ name: "MINE", value: "mine" }], evaluated: null });
    expect(server.valueOf(env)).toBe("mine");
    expect(server.client.deployment().environmentVariables).toEqual({ MINE: "mine" });
    await server.push(version2);
    expect(server.valueOf(list)).toEqual([[1]]);
    server.client.closeQuery(list.id);
    await mutation("add", { n: 2 });
    expect(server.valueOf(list)).toEqual([[1]]);
  });

  it("see failures and recover from them", async () => {
    await start();
    const { id } = await server.open("m:list");
    await server.push({ "other.ts": "export const x = 1;" });
    expect(() => server.valueOf({ id })).toThrow("Could not find public function for 'm:list'.");
    await server.push(app);
    expect(server.valueOf({ id })).toEqual([]);
  });

  it("keep the end of a page where it was", async () => {
    await start();
    for (const n of [1, 2, 3, 4]) await mutation("add", { n });
    const opts = { numItems: 2, cursor: null };
    const page = await server.open("m:page", { opts });
    expect(server.valueOf(page)).toEqual([1, 2]);
    await mutation("remove", { n: 1 });
    expect(server.valueOf(page)).toEqual([2]);
    await server.replaceEngine();
    expect(server.valueOf(page)).toEqual([2]);
    await mutation("remove", { n: 2 });
    expect(server.valueOf(page)).toEqual([]);
    const journal = server.live.get(page.id)?.journal ?? null;
    const again = await server.open("m:page", { opts }, { journal });
    expect(server.valueOf(again)).toEqual([]);
    expect(await query("page", { opts })).toEqual([3, 4]);
  });
});

describe("queries at an older timestamp", () => {
  it("see what was there then", async () => {
    await start();
    const ts: CommitTs[] = [server.client.latestTs()];
    for (const n of [1, 2, 3]) {
      await mutation("add", { n });
      ts.push(server.client.latestTs());
    }
    await mutation("set", { n: 9 });
    await mutation("remove", { n: 2 });
    const at = async (atTs: CommitTs) => {
      const result = await server.query("m:list", {}, { atTs });
      expect(result.ts).toBe(atTs);
      return valueOf(result);
    };
    expect(await at(ts[0] as CommitTs)).toEqual([]);
    expect(await at(ts[1] as CommitTs)).toEqual([1]);
    expect(await at(ts[3] as CommitTs)).toEqual([1, 2, 3]);
    expect(await at(server.client.latestTs())).toEqual([9, 3]);
    await server.replaceEngine();
    expect(await at(ts[3] as CommitTs)).toEqual([1, 2, 3]);
    expect(await at(server.client.latestTs())).toEqual([9, 3]);
  });

  it("are refused for the future and what is too long past", async () => {
    await start();
    await mutation("add", { n: 1 });
    const atTs = server.client.latestTs();
    const outOfRetention = { code: "OutOfRetention", category: "OutOfRetention" };
    await expect(server.query("m:list", {}, { atTs: atTs + 1n })).rejects.toMatchObject(outOfRetention);
    await mutation("add", { n: 2 });
    expect(valueOf(await server.query("m:list", {}, { atTs }))).toEqual([1]);
    server.clock.advance(historyAgeMaxMs + 1);
    await mutation("add", { n: 3 });
    await mutation("add", { n: 4 });
    await expect(server.query("m:list", {}, { atTs })).rejects.toMatchObject(outOfRetention);
  });

  it("are refused when an index has been added since: the past has no keys for it", async () => {
    await start();
    await mutation("add", { n: 1 });
    const atTs = server.client.latestTs();
    await mutation("set", { n: 2 });
    await server.push(withSchema(`defineTable({ n: v.number() }).index("by_n", ["n"])`));
    await expect(server.query("m:list", {}, { atTs })).rejects.toMatchObject({ code: "OutOfRetention" });
  });
});

describe("a paused deployment", () => {
  it("refuses functions in their own words until it is resumed", async () => {
    await start();
    const { id } = await server.open("m:list");
    await server.system("deployment.pause");
    const text =
      "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow functions to run.\n";
    expect(failureOf(await server.query("m:list"))).toBe(text);
    expect(failureOf(await server.mutation("m:add", { n: 1 }))).toBe(text);
    expect(() => server.valueOf({ id })).toThrow(text);
    expect(failureOf(await server.query("m:missing"))).toContain("Could not find public function");
    expect(await server.settled(server.client.lookup(callOf("m:list").target, admin))).toBe("Query");
    await expect(server.system("deployment.pause")).rejects.toMatchObject({ code: "PauseDeploymentFailed" });
    await server.system("deployment.unpause");
    expect(server.valueOf({ id })).toEqual([]);
    expect(await mutation("add", { n: 1 })).toBe(1);
  });
});

describe("a push in progress", () => {
  const strict = withSchema(`defineTable({ n: v.number() })`);

  it("fails with the first write that its schema forbids, and the write stays", async () => {
    await start();
    await mutation("add", { n: 1 });
    const { startPush } = await server.startPush(strict);
    expect(await server.pushState(startPush)).toMatchObject({ type: "complete" });
    expect(await mutation("add", { n: "text" })).toBe(2);
    expect(await server.pushState(startPush)).toMatchObject({
      type: "failed",
      tableName: "t",
      error: expect.stringContaining('New document in table "t" does not match the schema: ') as string,
    });
    await expect(server.finishPush(startPush)).rejects.toThrow("Schema has already been failed with error: ");
    expect(await query("list")).toEqual([1, "text"]);
  });

  it("does not fail by a write that was rolled back or not committed", async () => {
    await start();
    const { startPush } = await server.startPush(strict);
    await server.settle();
    await server.mutation("m:set", { n: "text" });
    await server.finishPush(startPush);
    expect(failureOf(await server.mutation("m:add", { n: "text" }))).toContain(
      'Failed to insert or update a document in table "t" because it does not match the schema: ',
    );
  });

  it("finds what does not match already", async () => {
    await start();
    await mutation("add", { n: "text" });
    const { startPush } = await server.startPush(strict);
    expect(await server.pushState(startPush)).toMatchObject({
      type: "failed",
      error: expect.stringMatching(
        /^Document with ID "\w+" in table "t" does not match the schema: /,
      ) as string,
    });
  });

  it("is seen to go on by those who watch it, though nothing is committed meanwhile", async () => {
    await start();
    await mutation("fill", { n: 1100 });
    const path = "_system/frontend/getSchemas:schemaValidationProgress";
    const { id } = await server.open(path, {}, { identity: admin });
    expect(server.valueOf({ id })).toBeNull();
    const seen: Value[] = [];
    server.client.subscribe({
      published: (_, changed) => {
        for (const { state } of changed.filter((change) => change.id === id))
          seen.push(valueOf(state.result));
        server.clock.advance(progressShownMs);
      },
      deploymentChanged: () => {},
      executed: () => {},
    });
    await server.startPush(strict);
    // The first slice is done in the tick of the commit that begins the push; the others write nothing.
    const progress = (numDocsValidated: number) => ({ numDocsValidated, totalDocs: 1100 });
    expect(seen).toEqual([progress(16), progress(516), progress(1016), progress(1100), null]);
    // Whoever asks once is not answered with what was true before.
    expect(valueOf(await server.query(path, {}, { identity: admin }))).toBeNull();
  });

  it("builds its indexes, and an engine that takes over builds them again", async () => {
    const indexed = {
      ...withSchema(`defineTable({ n: v.any() }).index("by_n", ["n"])`),
      "byN.ts": `
        import { query } from "./_generated/server";
        export const list = query(async ({ db }) => (await db.query("t").withIndex("by_n").order("desc").collect()).map((d) => d.n));`,
    };
    await start();
    for (const n of [2, 3, 1]) await mutation("add", { n });
    await server.push(indexed);
    expect(valueOf(await server.query("byN:list"))).toEqual([3, 2, 1]);
    await mutation("set", { n: 7 });
    await server.replaceEngine();
    expect(valueOf(await server.query("byN:list"))).toEqual([7, 3, 1]);
    const log = server.log.crash();
    server.dispose();
    await start(null, { log });
    expect(valueOf(await server.query("byN:list"))).toEqual([7, 3, 1]);
  });
});

describe("the loss of the engine", () => {
  it("leaves data, live queries and deployment as they were", async () => {
    await start();
    const { id } = await server.open("m:list");
    await mutation("add", { n: 1 });
    const [changes, version] = [server.deploymentChanges, server.client.deployment().version];
    await server.replaceEngine();
    expect(server.valueOf({ id })).toEqual([1]);
    expect([server.deploymentChanges, server.client.deployment().version]).toEqual([changes, version]);
    await mutation("add", { n: 2 });
    expect(server.valueOf({ id })).toEqual([1, 2]);
    expect(server.live.get(id)?.version).toBe(3);
    server.client.closeQuery(id);
    await server.settle();
    expect(await query("list")).toEqual([1, 2]);
  });

  it("answers calls from the log that were committed and not told, once", async () => {
    await start();
    for (const stop of [1, 2, 3, 4]) {
      const promise = server.client.mutation(callOf("m:add", { n: stop }));
      for (let i = 0; i < stop; i++) await server.step();
      await server.replaceEngine();
      expect(valueOf(await server.settled(promise))).toBe(stop);
    }
    expect(await query("list")).toEqual([1, 2, 3, 4]);
  });

  it("does so also for commits that were persistent already", async () => {
    await start();
    await mutation("add", { n: 1 });
    server.clock.advance(persistIntervalMaxMs * 2);
    const promise = server.client.mutation(callOf("m:add", { n: 2 }));
    // Send, receive, run: its record is in the log and its tick has persisted the store.
    for (let i = 0; i < 3; i++) await server.step();
    const persistedTs = server.store.appliedTs();
    await server.replaceEngine();
    expect(server.store.appliedTs()).toBe(persistedTs);
    expect(valueOf(await server.settled(promise))).toBe(2);
    expect(await query("list")).toEqual([1, 2]);
  });

  it("makes neither system operations nor tables twice", async () => {
    await start();
    const promise = server.client.system(
      "env.commit",
      JSON.stringify({ changes: [{ name: "MINE", value: "1" }], evaluated: null }),
    );
    for (let i = 0; i < 3; i++) await server.step();
    await server.replaceEngine();
    await server.settled(promise);
    expect(await query("env")).toBe("1");
  });

  it("does not give ids of closed queries to others", async () => {
    await start();
    const first = await server.open("m:list");
    const second = await server.open("m:count");
    server.client.closeQuery(second.id);
    server.client.closeQuery(first.id);
    await server.replaceEngine();
    const { id } = await server.open("m:env");
    expect(Number(id)).toBeGreaterThan(Number(second.id));
  });
});

describe("a clean end", () => {
  it("finishes what was received and persists everything", async () => {
    await start();
    const promises = [1, 2, 3].map((n) => server.client.mutation(callOf("m:add", { n })));
    await server.step();
    await server.step();
    await server.engine?.drain();
    expect((await server.settled(Promise.all(promises))).map(valueOf)).toEqual([1, 2, 3]);
    expect(server.store.appliedTs()).toBe(server.log.durableTs());
    await server.replaceEngine();
    expect(await query("list")).toEqual([1, 2, 3]);
  });
});
