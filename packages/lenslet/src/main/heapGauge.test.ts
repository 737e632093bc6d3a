import { afterEach, beforeEach, expect, it } from "vitest";
import { type HeapGauge, lookIntervalMs } from "../engine/memoryWatch.ts";
import { failureOf, TestEngine, valueOf } from "../engine/testEngine.ts";
import { createHeapGauge } from "./heapGauge.ts";

const app = {
  "m.ts": `
    import { query, mutation } from "./_generated/server";
    import { api } from "./_generated/api";
    const pieces = {
      numbers: (i) => new Array(2 ** 20).fill(i + 0.5),
      buffers: (i) => new Uint8Array(8 * 2 ** 20).fill(i),
    };
    // 8 MiB at a time, with a syscall after each.
    async function take(db, { what = "numbers", mib, keeps = true }) {
      let kept = [];
      for (let i = 0; i < mib / 8; i++) {
        kept.push(pieces[what](i));
        if (!keeps) kept = [];
        await db.query("none").first();
      }
      return kept.length;
    }
    export const query_ = query(({ db }, args) => take(db, args));
    export const write = mutation(async ({ db }, args) => { console.log("writes"); await db.insert("t", {}); return await take(db, args); });
    export const list = query(async ({ db }) => (await db.query("t").collect()).length);
    export const live = query(async ({ db }) => { const rows = await db.query("t").collect(); return await take(db, { mib: rows.length === 1 ? 240 : 0 }); });
    export const nested = mutation(async (ctx) => { try { await ctx.runMutation(api.m.write, { mib: 240 }); } catch { return "caught"; } });
    export const later = mutation(async (ctx) => await ctx.scheduler.runAfter(0, api.m.write, { mib: 240 }));
    export const stateOf = query(async ({ db }, { id }) => (await db.system.get(id)).state);
  `,
};
const outOfMemory = "JavaScript execution ran out of memory (maximum memory usage: 64 MB)\n";

const real = createHeapGauge();
let collected: string[];
/** What happens when the heap is read: the first time between calls, then under them. */
let reads: (() => void)[] = [];
const heap: HeapGauge = {
  read: () => {
    reads.shift()?.();
    return real.read();
  },
  collect: (extent) => {
    collected.push(extent);
    real.collect(extent);
  },
};
let server: TestEngine;

beforeEach(async () => {
  server = await TestEngine.start(app, { heap });
  // Time passes with every look at the clock, on every machine alike; no second of user code is over before the end.
  let nowMs = server.clock.monotonicMs();
  server.clock.monotonicMs = () => (nowMs += 1);
  collected = [];
  reads = [];
});
afterEach(() => {
  server.dispose();
  expect(server.defects).toEqual([]);
});

it("user code has no collector", () => {
  expect(Object.hasOwn(globalThis, "gc")).toBe(false);
});

it.each([{ mib: 240 }, { what: "buffers", mib: 240 }])(
  "a function that holds too much fails: %o",
  async (args) => {
    expect(failureOf(await server.query("m:query_", args))).toBe(outOfMemory);
    const written = await server.mutation("m:write", args);
    expect(failureOf(written)).toBe(outOfMemory);
    expect(written.logLines).toEqual(["[LOG] 'writes'"]);
    expect(valueOf(await server.query("m:list"))).toBe(0);
  },
);

it.each([
  { mib: 48 },
  { what: "buffers", mib: 48 },
  { mib: 800, keeps: false },
  { what: "buffers", mib: 800, keeps: false },
])("one that holds less succeeds, however much garbage it makes: %o", async (args) => {
  expect(await server.mutation("m:write", args)).toMatchObject({ ok: true, logLines: ["[LOG] 'writes'"] });
  expect(valueOf(await server.query("m:list"))).toBe(1);
});

it("fails the callers of the function as well, and a scheduled one", async () => {
  expect(failureOf(await server.mutation("m:nested"))).toBe(outOfMemory);
  const id = valueOf(await server.mutation("m:later")) as string;
  expect(await server.settled(server.client.runJob({ kind: "function", id }))).toEqual({ kind: "settled" });
  expect(valueOf(await server.query("m:stateOf", { id }))).toEqual({ kind: "failed", error: outOfMemory });
  expect(valueOf(await server.query("m:list"))).toBe(0);
});

it("a live query fails until what it has read changes", async () => {
  const query = await server.open("m:live");
  expect(server.valueOf(query)).toBe(0);
  await server.mutation("m:write", { mib: 0 });
  expect(failureOf(server.live.get(query.id)!.result)).toBe(outOfMemory);
  await server.mutation("m:write", { mib: 0 });
  expect(server.valueOf(query)).toBe(0);
});

it("an innocent call under which the heap grows is run again, and done once", async () => {
  const ballast: Float64Array[] = [];
  const grow = () => ballast.push(...Array.from({ length: 30 }, (_, i) => new Float64Array(2 ** 20).fill(i)));
  const before = collected.length;
  reads = [() => {}, grow];
  for (let i = 0; i < lookIntervalMs; i++) server.clock.monotonicMs();
  expect(await server.mutation("m:write", { mib: 48 })).toMatchObject({
    ok: true,
    logLines: ["[LOG] 'writes'"],
  });
  expect(valueOf(await server.query("m:list"))).toBe(1);
  expect(collected.slice(before)).toEqual(["young", "all", "all"]);
  // What is there now is what the next one is measured by.
  expect(await server.mutation("m:write", { mib: 16 })).toMatchObject({ ok: true });
  expect(collected.slice(before)).toEqual(["young", "all", "all"]);
  expect(ballast).toHaveLength(30);
});
