import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Value } from "../values/value.ts";
import { failureOf, TestEngine, user, valueOf } from "./testEngine.ts";

const files = {
  "inner.ts": `
    import { query, mutation, action, internalQuery, internalMutation } from "./_generated/server";
    import { v, ConvexError } from "convex/values";
    let calls = 0;
    export const list = internalQuery({ args: {}, handler: async ({ db }) => (await db.query("t").collect()).map((d) => d.n) });
    export const add = internalMutation({ args: { n: v.any() }, handler: async ({ db }, { n }) => { console.log("add", n); await db.insert("t", { n }); return n; } });
    export const addAndThrow = internalMutation({ args: { n: v.number(), data: v.optional(v.any()) }, handler: async ({ db }, { n, data }) => {
      await db.insert("t", { n });
      await db.insert("created", { n });
      console.log("about to throw");
      throw data === undefined ? new Error("inner boom") : new ConvexError(data);
    } });
    export const addAndReturnWrong = internalMutation({ args: { n: v.number() }, returns: v.string(), handler: async ({ db }, { n }) => { await db.insert("t", { n }); return n; } });
    export const queryThatThrows = internalQuery({ args: {}, handler: () => { throw new Error("query boom"); } });
    export const throwsText = internalQuery({ args: {}, handler: () => { throw "just text"; } });
    export const act = action({ args: {}, handler: () => "no" });
    export const countCalls = internalQuery({ args: {}, handler: () => ++calls });
    export const now = internalQuery({ args: {}, handler: () => Date.now() });
    export const draw = internalQuery({ args: {}, handler: () => Math.random() });
    export const who = internalQuery({ args: {}, handler: async ({ auth }) => (await auth.getUserIdentity())?.name ?? null });
    export const deeper = internalQuery({ args: { n: v.number() }, handler: async (ctx, { n }) => n === 0 ? "bottom" : await ctx.runQuery("inner:deeper" as any, { n: n - 1 }) });
    export const fromClock = internalQuery({ args: {}, handler: () => Date.now() });
    export const page = internalQuery({ args: { paginationOpts: v.any() }, handler: ({ db }, { paginationOpts }) => db.query("t").paginate(paginationOpts) });
    export const echo = internalQuery({ args: { at: v.any() }, handler: (_, { at }) => at });
  `,
  "m.ts": `
    import { query, mutation } from "./_generated/server";
    import { internal, api } from "./_generated/api";
    import { createFunctionHandle } from "convex/server";
    const inner = internal.inner;
    const caught = async (promise) => { try { return { value: await promise }; } catch (error) { return { message: error.message, name: error.name, data: error.data ?? null }; } };
    export const clear = mutation(async ({ db }) => { for (const t of ["t", "created"]) for (const d of await db.query(t).collect()) await db.delete(d._id); });
    export const list = query(async ({ db }) => (await db.query("t").collect()).map((d) => d.n));
    export const created = query(async ({ db }) => (await db.query("created").collect()).length);
    export const call = query(async (ctx, { path, args }) => ctx.runQuery(path, args ?? {}));
    export const callCaught = query(async (ctx, { path, args }) => caught(ctx.runQuery(path, args ?? {})));
    export const write = mutation(async (ctx, { path, args }) => ctx.runMutation(path, args ?? {}));
    export const writeCaught = mutation(async (ctx, { path, args, options, first }) => {
      if (first !== undefined) await ctx.runMutation(inner.add, { n: first });
      const outcome = await caught(ctx.runMutation(path, args ?? {}, options));
      await ctx.runMutation(inner.add, { n: "after" });
      return outcome;
    });
    export const readInMutation = mutation(async (ctx, { path, args, options }) => caught(ctx.runQuery(path, args ?? {}, options)));
    export const seesOwnWrites = mutation(async (ctx) => {
      await ctx.db.insert("t", { n: "mine" });
      return [await ctx.runQuery(inner.list, {}), await ctx.runQuery(inner.list, {}, { useStaleSnapshot: true }), await ctx.runQuery(inner.list, {})];
    });
    export const staleInQuery = query(async (ctx) => caught(ctx.runQuery(inner.list, {}, { useStaleSnapshot: true })));
    export const mutationFromQuery = query(async (ctx) => Convex.asyncSyscall("1.0/runUdf", JSON.stringify({ udfType: "mutation", name: "inner:add", args: {} })));
    export const rawKind = mutation(async (ctx, { udfType }) => Convex.asyncSyscall("1.0/runUdf", JSON.stringify({ udfType, name: "inner:list", args: {} })));
    export const logs = mutation(async (ctx) => {
      console.log("one");
      await ctx.runMutation(inner.add, { n: 1 });
      console.log("two");
      await caught(ctx.runMutation(inner.addAndThrow, { n: 1 }));
      console.log("three");
    });
    export const manyLogs = mutation(async (ctx) => {
      for (let i = 0; i < 200; i++) { console.log(i); await ctx.runMutation(inner.add, { n: i }); }
    });
    export const inOrder = mutation(async (ctx) => Promise.all([1, 2, 3].map((n) => ctx.runMutation(inner.add, { n }))));
    export const sameClock = query(async (ctx) => [Date.now(), await ctx.runQuery(inner.now, {})]);
    export const draws = query(async (ctx) => [Math.random(), await ctx.runQuery(inner.draw, {}), await ctx.runQuery(inner.draw, {})]);
    export const globals = query(async (ctx) => [await ctx.runQuery(inner.countCalls, {}), await ctx.runQuery(inner.countCalls, {})]);
    export const limited = mutation(async (ctx, { options }) => {
      await ctx.db.insert("t", { n: 0 });
      const outcome = await caught(ctx.runMutation(inner.add, { n: 1 }, options));
      await ctx.db.insert("t", { n: 2 });
      const metrics = await ctx.meta.getTransactionMetrics();
      return [outcome, metrics.documentsWritten];
    });
    export const counters = mutation(async (ctx) => {
      await ctx.db.insert("t", { n: 0 });
      await caught(ctx.runMutation(inner.addAndThrow, { n: 1 }));
      await ctx.runQuery(inner.list, {});
      const { documentsWritten, documentsRead } = await ctx.meta.getTransactionMetrics();
      return [documentsWritten.used, documentsRead.used];
    });
    export const handle = query(async () => createFunctionHandle(internal.inner.list));
    export const handleOfHandle = query(async (_, { handle }) => Convex.asyncSyscall("1.0/createFunctionHandle", JSON.stringify({ functionHandle: handle })).then(JSON.parse));
    export const commitTs = mutation(async (ctx) => {
      const at = ctx.db.vars.commitTs;
      const [echoed, stale] = [await ctx.runQuery(inner.echo, { at }), await ctx.runQuery(inner.echo, { at }, { useStaleSnapshot: true })];
      await ctx.runMutation(inner.add, { n: at });
      return [echoed, stale, await ctx.runMutation(inner.add, { n: { at } })];
    });
    export const whoNested = query(async (ctx) => ctx.runQuery(inner.who, {}));
    export const staleAndWatch = query(async (ctx) => ctx.runQuery(inner.list, {}));
    export const clockNested = query(async (ctx) => ctx.runQuery(inner.fromClock, {}));
  `,
};

let server: TestEngine;
beforeAll(async () => {
  server = await TestEngine.start(files);
});
afterEach(async () => {
  await server.mutation("m:clear");
  expect(server.defects).toEqual([]);
});
afterAll(() => server.dispose());

const query = async (path: string, args: Value = {}) => valueOf(await server.query(`m:${path}`, args));
const mutation = async (path: string, args: Value = {}) => valueOf(await server.mutation(`m:${path}`, args));
const list = () => query("list");

describe("nested calls", () => {
  it("share the transaction", async () => {
    expect(await mutation("write", { path: "inner:add", args: { n: 1 } })).toBe(1);
    expect(await query("call", { path: "inner:list" })).toEqual([1]);
    expect(await mutation("seesOwnWrites")).toEqual([[1, "mine"], [1], [1, "mine"]]);
  });

  it("run one after another in the order they were made", async () => {
    expect(await mutation("inOrder")).toEqual([1, 2, 3]);
    expect(await list()).toEqual([1, 2, 3]);
  });

  it("see the caller's time, draw numbers of their own, and no globals of each other", async () => {
    const [a, b] = (await query("sameClock")) as number[];
    expect(a).toBe(b);
    expect(new Set((await query("draws")) as number[]).size).toBe(3);
    expect(await query("globals")).toEqual([1, 1]);
  });

  it("write their lines in place, those of failed ones too", async () => {
    expect((await server.mutation("m:logs")).logLines).toEqual([
      "[LOG] 'one'",
      "[LOG] 'add' 1",
      "[LOG] 'two'",
      "[LOG] 'about to throw'",
      "[LOG] 'three'",
    ]);
    // The log of executions says whose lines they are.
    const entry = server.executed.findLast(({ identifier }) => identifier === "m:logs");
    expect(entry?.["logLines"]).toEqual([
      expect.not.objectContaining({ udfPath: expect.anything() }),
      expect.objectContaining({ udfPath: expect.stringMatching(/:add$/) }),
      expect.not.objectContaining({ udfPath: expect.anything() }),
      expect.objectContaining({ udfPath: expect.stringMatching(/:addAndThrow$/) }),
      expect.not.objectContaining({ udfPath: expect.anything() }),
    ]);
    const { logLines } = await server.mutation("m:manyLogs");
    expect(logLines).toHaveLength(256);
    expect(logLines[255]).toBe("[ERROR] Log overflow (maximum 256). Remaining log lines omitted.");
    expect(logLines.slice(0, 3)).toEqual(["[LOG] 0", "[LOG] 'add' 0", "[LOG] 1"]);
  });

  it("pass commit timestamps in both directions", async () => {
    const result = await server.mutation("m:commitTs");
    expect(valueOf(result)).toEqual([result.ts, result.ts, { at: result.ts }]);
    expect(await list()).toEqual([result.ts, { at: result.ts }]);
  });

  it("are eight levels deep at most", async () => {
    expect(await query("call", { path: "inner:deeper", args: { n: 7 } })).toBe("bottom");
    expect(failureOf(await server.query("m:call", { path: "inner:deeper", args: { n: 8 } }))).toContain(
      "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
    );
  });

  it("are refused for what cannot be nested", async () => {
    expect(failureOf(await server.query("m:mutationFromQuery"))).toContain(
      "Uncaught Error: Cannot call a Mutation function from a Query function",
    );
    expect(failureOf(await server.mutation("m:rawKind", { udfType: "action" }))).toContain(
      'Uncaught Error: Only queries and mutations can be called as nested UDFs, got "action"',
    );
    expect(failureOf(await server.query("m:staleInQuery"))).toContain(
      "`useStaleSnapshot` is only supported in mutations, not queries.",
    );
    expect(await query("callCaught", { path: "inner:act" })).toMatchObject({
      message: "Trying to execute inner.js:act as Query, but it is defined as Action.",
    });
    expect(await query("callCaught", { path: "inner:missing" })).toMatchObject({
      message: `Couldn't find "missing" in module "inner.js".`,
    });
    expect(await query("callCaught", { path: "gone:missing" })).toMatchObject({
      message: "Couldn't find JavaScript module 'gone.js'. Did you forget to run `npx convex dev`?",
    });
  });
});

describe("a nested mutation that throws", () => {
  it("leaves nothing, and its caller may go on", async () => {
    const outcome = await mutation("writeCaught", { path: "inner:addAndThrow", args: { n: 1 }, first: 0 });
    expect(outcome).toEqual({
      name: "Error",
      data: null,
      message: expect.stringMatching(
        /^Uncaught Error: inner boom\n {4}at handler \(\S+inner\.ts:\d+:\d+\)\n$/,
      ) as string,
    });
    expect(await list()).toEqual([0, "after"]);
    expect(await query("created")).toBe(0);
  });

  it("takes its caller with it when nobody catches the error", async () => {
    const result = await server.mutation("m:write", { path: "inner:addAndThrow", args: { n: 1 } });
    expect(failureOf(result)).toMatch(
      /^Uncaught Error: Uncaught Error: inner boom\n {4}at handler \(\S+inner\.ts:\d+:\d+\)\n\n/,
    );
    expect(await list()).toEqual([]);
  });

  it("hands on the data of a ConvexError over any number of hops", async () => {
    const data = { code: 7n };
    const outcome = await mutation("writeCaught", { path: "inner:addAndThrow", args: { n: 1, data } });
    expect(outcome).toMatchObject({ name: "ConvexError", data });
    const uncaught = await server.mutation("m:write", { path: "inner:addAndThrow", args: { n: 1, data } });
    expect(uncaught).toMatchObject({
      ok: false,
      error: { dataJson: '{"code":{"$integer":"BwAAAAAAAAA="}}' },
    });
    const hops = { path: "inner:addAndThrow", args: { n: 1, data } };
    expect(await mutation("writeCaught", { path: "m:write", args: hops })).toMatchObject({ data });
  });

  it("gives back what it has written in the counters, not what was read", async () => {
    await mutation("write", { path: "inner:add", args: { n: 5 } });
    expect(await mutation("counters")).toEqual([1, 2]);
  });
});

describe("nested failures", () => {
  it("of queries can be caught", async () => {
    expect(await query("callCaught", { path: "inner:queryThatThrows" })).toMatchObject({
      message: expect.stringMatching(/^Uncaught Error: query boom\n/) as string,
    });
    expect(await query("callCaught", { path: "inner:throwsText" })).toMatchObject({
      message: expect.stringMatching(/^Uncaught just text/) as string,
    });
  });

  it("of arguments and results are told as such", async () => {
    expect(await mutation("writeCaught", { path: "inner:addAndThrow", args: { n: "1" } })).toMatchObject({
      message: expect.stringMatching(/^ArgumentValidationError: /) as string,
    });
    const args = { path: "inner:addAndReturnWrong", args: { n: 1 } };
    expect(await mutation("writeCaught", args)).toMatchObject({
      message: expect.stringMatching(/^ReturnsValidationError: /) as string,
    });
  });

  it("of results leave what was written, when the caller goes on", async () => {
    const args = { path: "inner:addAndReturnWrong", args: { n: 1 } };
    await mutation("writeCaught", args);
    expect(await list()).toEqual([1, "after"]);
    expect(failureOf(await server.mutation("m:write", args))).toMatch(/ReturnsValidationError: /);
    expect(await list()).toEqual([1, "after"]);
  });
});

describe("narrower limits", () => {
  it("hold for the callee, on top of what was used, and end with it", async () => {
    const allowed = { transactionLimits: { documentsWritten: 1 } };
    expect(await mutation("limited", { options: allowed })).toEqual([
      { value: 1 },
      { used: 3, remaining: 15_997 },
    ]);
    const refused = { transactionLimits: { documentsWritten: 0 } };
    expect(await mutation("limited", { options: refused })).toEqual([
      {
        name: "Error",
        data: null,
        message: expect.stringContaining(
          "Too many writes in a single function execution (limit: 1)",
        ) as string,
      },
      { used: 2, remaining: 15_998 },
    ]);
  });
});

describe("function handles", () => {
  it("name a function for good", async () => {
    const handle = (await query("handle")) as string;
    expect(handle).toMatch(/^function:\/\/[0-9a-f]+#inner:list$/);
    expect(await query("call", { path: handle })).toEqual([]);
    expect(await query("call", { path: handle.split("#")[0] as string })).toEqual([]);
    expect(await query("handleOfHandle", { handle })).toBe(handle);
    await server.replaceEngine();
    expect(await query("handle")).toBe(handle);
    expect(await query("call", { path: handle })).toEqual([]);
  });

  it("are refused when they name nothing", async () => {
    expect(await query("callCaught", { path: "function://0123" })).toMatchObject({
      message: "Function handle not found",
    });
    expect(await query("callCaught", { path: "function://" })).toMatchObject({
      message: "Invalid function handle function://",
    });
  });
});

describe("a live query that nests another", () => {
  it("runs again for what that has read", async () => {
    const { id } = await server.open("m:staleAndWatch");
    await mutation("write", { path: "inner:add", args: { n: 1 } });
    expect(server.valueOf({ id })).toEqual([1]);
  });

  it("is shared or not by what that has looked at", async () => {
    const one = await server.open("m:whoNested", {}, { identity: user("one") });
    const two = await server.open("m:whoNested", {}, { identity: user("two") });
    expect([server.valueOf(one), server.valueOf(two)]).toEqual(["one", "two"]);
  });

  it("ages by the clock that has read", async () => {
    const first = await query("clockNested");
    server.clock.advance(17_001);
    expect(await query("clockNested")).not.toBe(first);
  });
});
