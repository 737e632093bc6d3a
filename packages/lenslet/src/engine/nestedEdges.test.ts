import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Value, ValueObject } from "../values/value.ts";
import { failureOf, TestEngine, user, valueOf } from "./testEngine.ts";

/** What nested calls may not do, and what is left of those that fail (reference database.md §5.2). */

const files = {
  "inner.ts": `
    import { internalAction, internalMutation, internalQuery } from "./_generated/server";
    export const list = internalQuery(async ({ db }) => (await db.query("t").collect()).map((d) => d.n));
    export const add = internalMutation(async ({ db }, { n }) => { await db.insert("t", { n }); return n; });
    export const everything = internalQuery(async (ctx, { fileId }) => ({
      rows: await ctx.db.query("t").count(),
      jobs: (await ctx.db.system.query("_scheduled_functions").collect()).length,
      files: (await ctx.db.system.query("_storage").collect()).length,
      url: (await ctx.storage.getUrl(fileId)) !== null,
    }));
    /** Does one of everything that can be undone, and may throw then. */
    export const doAll = internalMutation(async (ctx, { fileId, fail }) => {
      await ctx.db.insert("t", { n: "inner" });
      await ctx.db.insert("created", {});
      await ctx.scheduler.runAfter(1e6, "inner:add", { n: "job" });
      await ctx.storage.store(new Blob(["inner"]));
      await ctx.storage.delete(fileId);
      await ctx.runMutation("inner:add", { n: "deeper" });
      if (fail) throw new Error("all undone");
    });
    export const slow = internalQuery(() => { console.log("time goes by"); return "done"; });
    export const slowWrite = internalMutation(async (ctx) => { await ctx.db.insert("t", { n: "slow" }); console.log("time goes by"); });
    export const dive = internalMutation(async (ctx, { depth }) => {
      await ctx.db.insert("t", { n: depth });
      try { return await ctx.runMutation("inner:dive", { depth: depth + 1 }); }
      catch (error) { return [depth, error.message]; }
    });
    export const measure = internalQuery(async (ctx) => {
      await ctx.db.query("t").collect();
      return await ctx.meta.getTransactionMetrics();
    });
    export const narrower = internalQuery(async (ctx, { outer, inner }) => {
      const limits = async (transactionLimits) => (await ctx.runQuery("inner:measure", {}, { transactionLimits })).documentsRead;
      return [await limits(outer), await limits(inner)];
    });
    export const snapshotTs = internalQuery((ctx) => ctx.meta.getSnapshotTs());
    export const metadata = internalMutation((ctx) => ctx.meta.getRequestMetadata());
    export const act = internalAction(() => null);
  `,
  "m.ts": `
    import { mutation, query } from "./_generated/server";
    import { createFunctionHandle } from "convex/server";
    import { CommitTsPlaceholder } from "convex/values";
    const caught = async (promise) => { try { return { value: await promise }; } catch (error) { return { message: error.message }; } };
    export const clear = mutation(async ({ db }) => { for (const t of ["t", "created"]) for (const d of await db.query(t).collect()) await db.delete(d._id); });
    export const list = query(async ({ db }) => (await db.query("t").collect()).map((d) => d.n));
    export const store = mutation((ctx) => ctx.storage.store(new Blob(["kept"])));
    export const fill = mutation(async ({ db }, { n }) => { for (let i = 0; i < n; i++) await db.insert("t", { n: i }); });
    export const doAll = mutation(async (ctx, { fileId, fail }) => {
      const outcome = await caught(ctx.runMutation("inner:doAll", { fileId, fail }));
      const { documentsWritten, functionsScheduled, filesWritten, fileWriteBytes } = await ctx.meta.getTransactionMetrics();
      const used = [documentsWritten, functionsScheduled, filesWritten, fileWriteBytes].map(({ used }) => used);
      return { outcome, used, seen: await ctx.runQuery("inner:everything", { fileId }) };
    });
    export const stale = mutation(async (ctx, { fileId }) => {
      await ctx.runMutation("inner:doAll", { fileId });
      return [
        await ctx.runQuery("inner:everything", { fileId }, { useStaleSnapshot: true }),
        await ctx.runQuery("inner:everything", { fileId }),
      ];
    });
    export const everything = query((ctx, { fileId }) => ctx.runQuery("inner:everything", { fileId }));
    export const slow = mutation(async (ctx, { path }) => {
      await ctx.db.insert("t", { n: "outer" });
      return await caught(path === "inner:slow" ? ctx.runQuery(path, {}) : ctx.runMutation(path, {}));
    });
    export const slowInQuery = query((ctx) => caught(ctx.runQuery("inner:slow", {})));
    export const dive = mutation((ctx) => ctx.runMutation("inner:dive", { depth: 1 }));
    export const limited = query((ctx, { options }) => caught(ctx.runQuery("inner:measure", {}, options)));
    export const narrower = query((ctx, { limit, outer, inner }) => ctx.runQuery("inner:narrower", { outer, inner }, { transactionLimits: { documentsRead: limit } }));
    export const staleLimited = mutation((ctx) => caught(ctx.runQuery("inner:list", {}, { useStaleSnapshot: true, transactionLimits: { documentsRead: 1 } })));
    export const raw = mutation((ctx, { op, args }) => caught(Convex.asyncSyscall(op, JSON.stringify(args))));
    export const rawQuery = query((ctx, { op, args }) => caught(Convex.asyncSyscall(op, JSON.stringify(args))));
    export const handleOf = query((ctx, { path }) => caught(createFunctionHandle(path)));
    export const run = query((ctx, { path }) => caught(ctx.runQuery(path, {})));
    export const placeholder = query(() => ({ at: new CommitTsPlaceholder() }));
    export const scheduleStamp = mutation((ctx) => caught(ctx.scheduler.runAfter(0, "inner:add", { n: ctx.db.vars.commitTs })));
    export const stamp = mutation(async (ctx) => {
      const before = ctx.meta.getSnapshotTs();
      await ctx.db.insert("t", { n: ctx.db.vars.commitTs });
      const own = await ctx.db.query("t").filter((q) => q.eq(q.field("n"), ctx.db.vars.commitTs)).collect();
      return { before, nested: await ctx.runQuery("inner:snapshotTs", {}), stale: await ctx.runQuery("inner:snapshotTs", {}, { useStaleSnapshot: true }), after: ctx.meta.getSnapshotTs(), own: own.length, text: String(ctx.db.vars.commitTs) };
    });
    export const snapshotTs = query((ctx) => ctx.meta.getSnapshotTs());
    export const metadata = mutation(async (ctx) => [await ctx.meta.getRequestMetadata(), await ctx.runMutation("inner:metadata", {})]);
  `,
};

let server: TestEngine;
beforeAll(async () => {
  server = await TestEngine.start(files);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.mutation("m:clear");
  expect(server.defects).toEqual([]);
});
afterAll(() => server.dispose());

const query = async (path: string, args: Value = {}) => valueOf(await server.query(`m:${path}`, args));
const mutation = async (path: string, args: Value = {}) => valueOf(await server.mutation(`m:${path}`, args));
const list = () => query("list");

describe("a nested mutation with everything in it", () => {
  it("that throws leaves rows, tables, jobs and files as they were; what it scheduled stays counted", async () => {
    const fileId = await mutation("store");
    const before = await query("everything", { fileId });
    const { outcome, used, seen } = (await mutation("doAll", { fileId, fail: true })) as ValueObject;
    expect(outcome).toEqual({ message: expect.stringMatching(/^Uncaught Error: all undone\n/) as string });
    expect(used).toEqual([0, 1, 0, 0]);
    expect(seen).toEqual(before);
    expect(await query("everything", { fileId })).toEqual(before);
    expect(Object.keys((await server.system("admin.shapes", { componentId: null })) as object)).not.toContain(
      "created",
    );
  });

  it("that succeeds is seen by all but the stale snapshot", async () => {
    const fileId = await mutation("store");
    const before = (await query("everything", { fileId })) as Record<string, number>;
    const { rows = 0, jobs = 0, files: stored } = before;
    const after = { rows: rows + 2, jobs: jobs + 1, files: stored, url: false };
    expect(await mutation("stale", { fileId })).toEqual([before, after]);
    expect(await query("everything", { fileId })).toEqual(after);
  });
});

describe("a nested function that takes too long", () => {
  /** Every line that is printed takes a second and a bit. */
  const printSlowly = () =>
    vi.spyOn(server.clock, "nowMs").mockImplementation(() => {
      server.clock.advance(1001);
      return server.clock.monotonicMs();
    });

  it.each(["inner:slow", "inner:slowWrite"])("ends its callers, who cannot catch it: %s", async (path) => {
    printSlowly();
    const result = await server.mutation("m:slow", { path });
    vi.restoreAllMocks();
    expect(failureOf(result)).toBe("Function execution timed out (maximum duration: 1s)\n");
    expect(await list()).toEqual([]);
  });

  it("ends a query too, and nobody else", async () => {
    printSlowly();
    const result = await server.query("m:slowInQuery");
    vi.restoreAllMocks();
    expect(failureOf(result)).toBe("Function execution timed out (maximum duration: 1s)\n");
    expect(await query("slowInQuery", { again: true })).toEqual({ value: "done" });
  });
});

describe("the ninth level", () => {
  it("is refused to the eighth, which may go on; all that was written before stays", async () => {
    expect(await mutation("dive")).toEqual([
      8,
      "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
    ]);
    expect(await list()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe("transactionLimits", () => {
  const used = async (options: Value) =>
    ((await query("limited", { options })) as { value: Record<string, unknown> }).value;

  it("show in the callee's metrics, and only those that are given", async () => {
    await mutation("fill", { n: 3 });
    const metrics = await used({ transactionLimits: { documentsRead: 5 } });
    expect(metrics["documentsRead"]).toEqual({ used: 3, remaining: 2 });
    expect(metrics["documentsWritten"]).toEqual({ used: 0, remaining: 16_000 });
  });

  it("cannot be wider than those in force, of the platform or of the caller", async () => {
    await mutation("fill", { n: 3 });
    const metrics = await used({ transactionLimits: { documentsRead: 1_000_000 } });
    expect(metrics["documentsRead"]).toEqual({ used: 3, remaining: 31_997 });
    const [outer, inner] = (await query("narrower", {
      limit: 10,
      outer: { documentsRead: 5 },
      inner: { documentsRead: 100 },
    })) as ValueObject[];
    expect([outer, inner]).toEqual([
      { used: 3, remaining: 2 },
      { used: 6, remaining: 4 },
    ]);
  });

  it.each<[string, number, string]>([
    [
      "documentsRead",
      1,
      "Too many documents read in a single function execution (limit: 1). Consider using smaller limits",
    ],
    ["bytesRead", 10, "Too many bytes read in a single function execution (limit: 10 bytes). Consider"],
    ["databaseQueries", 0, "Too many reads in a single function execution (limit: 0). Consider"],
  ])("of %s are told with their number", async (name, limit, text) => {
    await mutation("fill", { n: 3 });
    expect(await query("limited", { options: { transactionLimits: { [name]: limit } } })).toEqual({
      message: expect.stringContaining(`Uncaught Error: ${text}`) as string,
    });
  });

  it("hold for stale snapshots too", async () => {
    await mutation("fill", { n: 2 });
    expect(await mutation("staleLimited")).toEqual({
      message: expect.stringContaining("(limit: 1)") as string,
    });
  });

  it.each<[Value, string]>([
    ["many", "field `transactionLimits` must be an object"],
    [[1], "field `transactionLimits` must be an object"],
    [{ documentsRead: "many" }, "field `documentsRead` must be a non-negative integer"],
    [{ documentsRead: -1 }, "field `documentsRead` must be a non-negative integer"],
    [{ bytesRead: 0.5 }, "field `bytesRead` must be a non-negative integer"],
    [{ filesRead: true }, "field `filesRead` must be a non-negative integer"],
  ])("that are no numbers are refused: %j", async (transactionLimits, cause) => {
    expect(await query("limited", { options: { transactionLimits } })).toEqual({
      message: `Invalid arguments for \`runUdf\`: ${cause}`,
    });
  });

  it("that are null, as JSON has it for Infinity, or unknown limit nothing", async () => {
    const metrics = await used({ transactionLimits: { documentsRead: null, toString: 1 } });
    expect(metrics["documentsRead"]).toEqual({ used: 0, remaining: 32_000 });
  });
});

describe("function handles", () => {
  it("that are malformed, or of nothing, are refused", async () => {
    for (const handle of ["function://", "function://#inner:list", "function:///"])
      expect(await query("run", { path: handle })).toEqual({
        message: expect.stringMatching(/^(Invalid function handle |Function handle not found$)/) as string,
      });
    expect(await query("run", { path: "function://#inner:list" })).toEqual({
      message: "Invalid function handle function://#inner:list",
    });
    for (const path of ["inner:absent", "nowhere:list"])
      expect(await query("handleOf", { path })).toEqual({
        message: expect.stringMatching(/^Couldn't find /) as string,
      });
  });

  it("say nothing of the kind of function, which is asked when it is called", async () => {
    const handle = async (path: string) => ((await query("handleOf", { path })) as { value: string }).value;
    for (const [path, kind] of [
      ["inner:add", "Mutation"],
      ["inner:act", "Action"],
    ] as const)
      expect(await query("run", { path: await handle(path) })).toEqual({
        message: `Trying to execute ${path.replace(":", ".js:")} as Query, but it is defined as ${kind}.`,
      });
  });

  it("survive the deletion of their function, and count again with it", async () => {
    const { value } = (await query("handleOf", { path: "inner:list" })) as { value: string };
    const without = files["inner.ts"].replace("export const list", "const list");
    await server.push({ ...files, "inner.ts": without });
    expect(await query("run", { path: value })).toEqual({ message: "Function handle not found" });
    await server.push(files);
    expect(await query("run", { path: value })).toEqual({ value: [] });
  });
});

describe("raw calls", () => {
  it.each<[ValueObject, string]>([
    [{ udfType: "query" }, "Missing required argument 'name'"],
    [{ udfType: "query", name: 7 }, "Missing required argument 'name'"],
    [{ name: "inner:list" }, "Only queries and mutations can be called as nested UDFs, got "],
    [
      { udfType: "query", reference: "_reference/function/inner.js:absent" },
      `Couldn't find "absent" in module`,
    ],
    [{ udfType: "query", reference: "_reference/childComponent/x/y/z" }, 'Child component "x" not found'],
    [{ udfType: "query", reference: "_reference/what/x" }, "Couldn't resolve _reference/what/x"],
    [{ udfType: "query", functionHandle: "x" }, "Invalid function handle x"],
    [{ udfType: "mutation", name: "inner:list" }, "Trying to execute inner.js:list as Mutation, but it is"],
    [{ udfType: "snapshotQuery", name: "inner:add" }, "Trying to execute inner.js:add as Query, but it is"],
  ])("of %j are refused", async (args, text) => {
    const { message } = (await mutation("raw", { op: "1.0/runUdf", args })) as { message: string };
    expect(message.startsWith(text)).toBe(true);
  });

  it.each([
    ["mutation", "Mutation"],
    ["snapshotQuery", "SnapshotQuery"],
  ])("of a query as %s are refused", async (udfType, kind) => {
    const args = { udfType, name: "inner:list", args: {} };
    expect(await query("rawQuery", { op: "1.0/runUdf", args })).toEqual({
      message: `Cannot call a ${kind} function from a Query function`,
    });
  });
});

describe("commit timestamps", () => {
  it("lie after the snapshot of their mutation and not after any later one", async () => {
    const first = await server.mutation("m:stamp");
    const { before, nested, stale, after, own, text } = valueOf(first) as Record<string, bigint>;
    expect(new Set([before, nested, stale, after]).size).toBe(1);
    expect([own, text]).toEqual([1, "[unresolved commit timestamp]"]);
    const [ts] = (await list()) as bigint[];
    expect(ts).toBe(first.ts);
    expect(ts! > before!).toBe(true);
    expect(((await query("snapshotTs")) as bigint) >= ts!).toBe(true);
  });

  it("cannot leave a query, nor be scheduled", async () => {
    expect(failureOf(await server.query("m:placeholder"))).toBe(
      "Function m.js:placeholder return value invalid: queries cannot return an unresolved commit timestamp\n",
    );
    expect(await mutation("scheduleStamp")).toEqual({
      message: expect.stringMatching(/^Invalid argument `args` for `scheduler`: .*\$commitTs/) as string,
    });
  });
});

describe("request metadata", () => {
  it("is the same for those that are called, with the token of who asks", async () => {
    const client = { ip: "1.2.3.4", userAgent: "test" };
    const metadata = { ...client, requestId: "0123456789abcdef", scheduledFunctionId: null };
    const asked = async (identity: ReturnType<typeof user>) =>
      valueOf(await server.mutation("m:metadata", {}, { client, identity }));
    const withToken = { ...user("ada"), token: "a.b.c" } as const;
    expect(await asked(withToken)).toEqual([
      { ...metadata, authToken: "a.b.c" },
      { ...metadata, authToken: "a.b.c" },
    ]);
    expect(await asked(user("bob"))).toEqual([
      { ...metadata, authToken: null },
      { ...metadata, authToken: null },
    ]);
    const admin = { kind: "admin", actingAs: { tokenIdentifier: "x" } } as const;
    expect(await asked(admin)).toMatchObject([{ authToken: null }, { authToken: null }]);
  });
});
