import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bundleApp, pushBody } from "../deploy/testing/testBundle.ts";
import type { LiveQueryId, LiveQueryState } from "../engine/api.ts";
import { callOf, failureOf, valueOf } from "../engine/testEngine.ts";
import { LocalLogThread } from "../log/local/logThread.ts";
import { EngineSupervisor } from "./engineSupervisor.ts";
import { createPushService } from "./pushService.ts";
import { realTimers } from "./realOs.ts";

const app = (loop: string) => ({
  "m.ts": `
    import { query, mutation } from "./_generated/server";
    import { api } from "./_generated/api";
    export const maySpin = query(async ({ db }, { who }) => { if ((await db.query("flags").first()) !== null) ${loop} return who; });
    export const raise = mutation(async ({ db }) => { await db.insert("flags", {}); return "raised"; });
    export const add = mutation(async ({ db }, { n }) => { await db.insert("t", { n }); return n; });
    export const list = query(async ({ db }) => (await db.query("t").collect()).map((d) => d.n));
    export const spin = mutation(async ({ db }) => { await db.insert("t", { n: -1 }); for (;;); });
    const fill = () => { const all = []; for (let i = 0; i < 16; i++) all.push(new ArrayBuffer(16 * 2 ** 20)); for (;;) all.at(0); };
    export const fills = query(() => fill());
    export const fillsNested = query(async (ctx) => await ctx.runQuery(api.m.fills, {}));
    export const hoard = query(() => { const all = []; for (;;) all.push(new Array(10000).fill(all.length)); });
  `,
});
const timeout = "Function execution timed out (maximum duration: 1s)\n";

let folder: string;
let logThread: LocalLogThread;
let supervisor: EngineSupervisor;
let fatal: Error[];
const live = new Map<LiveQueryId, LiveQueryState>();

async function push(loop = "for (;;);"): Promise<void> {
  const service = createPushService(supervisor.client, realTimers);
  const startPush = await service.startPush(pushBody(await bundleApp(app(loop))) as never);
  await service.finishPush({ startPush, dryRun: false } as never);
}
async function open(functionPath: string, args = {}): Promise<LiveQueryId> {
  const { id, state } = await supervisor.client.openQuery({ ...callOf(functionPath, args), journal: null });
  live.set(id, state);
  return id;
}
function shown(id: LiveQueryId): unknown {
  const result = live.get(id)?.result;
  return result?.ok === true ? JSON.parse(result.valueJson) : result?.error.message;
}
const query = (functionPath: string) => supervisor.client.query(callOf(functionPath));
const mutation = (functionPath: string, args = {}) => supervisor.client.mutation(callOf(functionPath, args));

function start(report: (message: string) => void = () => {}): Promise<EngineSupervisor> {
  return EngineSupervisor.start({
    logThread,
    dataFolder: folder,
    instanceName: "test-instance-1",
    cursorSecret: new Uint8Array(32),
    uploadSecret: new Uint8Array(32),
    jwtSecret: new Uint8Array(32),
    cloudUrl: "http://127.0.0.1:1",
    siteUrl: "http://127.0.0.1:2",
    boot: "boot",
    heapMaxMib: 512,
    report: (_level, message) => report(message),
    fatal: (error) => fatal.push(error),
  });
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "lenslet-supervisor-"));
  logThread = await LocalLogThread.start({ folder: path.join(folder, "log") });
  fatal = [];
  live.clear();
  supervisor = await start();
  supervisor.client.subscribe({
    published: (_ts, changed) => {
      for (const { id, state } of changed) live.set(id, state);
    },
    deploymentChanged: () => {},
    executed: () => {},
  });
  await push();
});
afterEach(async () => {
  await supervisor.close();
  await logThread.close();
  rmSync(folder, { recursive: true, force: true });
  expect(fatal).toEqual([]);
});

describe("a function that does not end", () => {
  it("fails alone; what was asked with it is done once", async () => {
    const list = await open("m:list");
    const [first, spinning, second, read] = await Promise.all([
      mutation("m:add", { n: 1 }),
      mutation("m:spin"),
      mutation("m:add", { n: 2 }),
      query("m:list"),
    ]);
    expect([valueOf(first), valueOf(second)]).toEqual([1, 2]);
    expect(failureOf(spinning)).toBe(timeout);
    expect(read.ok).toBe(true);
    expect(valueOf(await query("m:list"))).toEqual([1, 2]);
    await mutation("m:add", { n: 3 });
    expect(shown(list)).toEqual([1, 2, 3]);
  });

  it("fails as a live query, each in its turn, until there is new code", async () => {
    const [one, two] = [await open("m:maySpin", { who: 1 }), await open("m:maySpin", { who: 2 })];
    const list = await open("m:list");
    // The second runs away while the engine that follows is starting.
    expect(valueOf(await mutation("m:raise"))).toBe("raised");
    expect(valueOf(await mutation("m:add", { n: 1 }))).toBe(1);
    await expect.poll(() => [shown(one), shown(two), shown(list)]).toEqual([timeout, timeout, [1]]);
    await push("{}");
    await expect.poll(() => [shown(one), shown(two)]).toEqual([1, 2]);
  });

  it("is told of its memory when it has filled that before its time was up, also as a nested one", async () => {
    const outOfMemory = "JavaScript execution ran out of memory (maximum memory usage: 64 MB)\n";
    expect(failureOf(await query("m:fills"))).toBe(outOfMemory);
    expect(failureOf(await query("m:fillsNested"))).toBe(outOfMemory);
    expect(failureOf(await mutation("m:spin"))).toBe(timeout);
  });

  it("does not keep the server from ending", async () => {
    void mutation("m:spin");
    // It has begun by then, or begins when the engine finishes what it has received.
    await new Promise((resolve) => realTimers.setTimeout(() => resolve(null), 50));
    await supervisor.close();
    await supervisor.close();
  });

  it("may be in the middle of being replaced when the server ends", async () => {
    const spinning = mutation("m:spin");
    // About when the watchdog ends the thread.
    await new Promise((resolve) => realTimers.setTimeout(() => resolve(null), 1100));
    await supervisor.close();
    void spinning;
  });
});

describe("a disk that is full", () => {
  it("ends the engine, and everything goes on when there is room", async () => {
    await supervisor.close();
    const list = async () => valueOf(await query("m:list"));
    // Less than there is already: no page can be added.
    process.env["LENSLET_STORE_PAGES_MAX"] = "1";
    let losses = 0;
    supervisor = await start((message) => {
      if (!message.startsWith("the engine thread failed")) return;
      losses += 1;
      // Somebody makes room.
      delete process.env["LENSLET_STORE_PAGES_MAX"];
    });
    try {
      const adding = Array.from({ length: 3000 }, (_, n) => mutation("m:add", { n }));
      // A scan writes down first what the store holds back of the index: there is no room for that.
      const reading = query("m:list");
      expect((await Promise.all(adding)).map((result) => result.ok)).not.toContain(false);
      expect((await reading).ok).toBe(true);
      expect(losses).toBe(1);
      expect(await list()).toHaveLength(3000);
    } finally {
      delete process.env["LENSLET_STORE_PAGES_MAX"];
    }
    await supervisor.close();
    supervisor = await start();
    expect(await list()).toHaveLength(3000);
  });
});

it("a push that was started before the engine was replaced is started again by the CLI", async () => {
  const service = createPushService(supervisor.client, realTimers);
  const body = pushBody(await bundleApp(app("{}"))) as never;
  const startPush = await service.startPush(body);
  expect(failureOf(await mutation("m:spin"))).toBe(timeout);
  const finish = (started: unknown) => service.finishPush({ startPush: started, dryRun: false } as never);
  // What the CLI takes for something that passes (reference http-api.md §6.6).
  await expect(finish(startPush)).rejects.toMatchObject({ code: "RaceDetected" });
  await finish(await service.startPush(body));
});

describe("a function that uses up the memory", () => {
  it("fails alone", async () => {
    await mutation("m:add", { n: 1 });
    expect(failureOf(await query("m:hoard"))).toMatch(
      /^(JavaScript execution ran out of memory|Function execution timed out)/,
    );
    expect(valueOf(await query("m:list"))).toEqual([1]);
  });
});
