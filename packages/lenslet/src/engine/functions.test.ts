import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Value } from "../values/value.ts";
import { admin, callOf, failureOf, TestEngine, user, valueOf } from "./testEngine.ts";

const files = {
  "m.ts": `
    import { query, mutation, action, internalQuery, internalMutation, httpAction } from "./_generated/server";
    import { v, ConvexError } from "convex/values";
    export const open = query({ args: {}, handler: () => "open" });
    export const hidden = internalQuery({ args: {}, handler: () => "hidden" });
    export const hiddenWrite = internalMutation({ args: {}, handler: () => "hidden" });
    export const act = action({ args: { n: v.number() }, returns: v.string(), handler: () => "acted" });
    export const http = httpAction(async () => new Response("x"));
    export const plain = () => 1;
    export default query({ args: {}, handler: () => "default" });
    export const typed = query({ args: { n: v.number(), s: v.optional(v.string()) }, handler: (_, { n }) => n });
    export const ofId = query({ args: { id: v.id("rows") }, handler: (_, { id }) => id });
    export const untyped = query((_, args) => args);
    export const returns = query({ args: { x: v.any() }, returns: v.object({ n: v.number() }), handler: (_, { x }) => x });
    export const returnsWrite = mutation({ args: {}, returns: v.string(), handler: async ({ db }) => { await db.insert("rows", { n: 1 }); return 1; } });
    export const huge = query({ args: {}, handler: () => Array.from({ length: 20 }, () => "x".repeat(1_000_000)) });
    export const odd = query({ args: {}, handler: () => new Date(0) });
    export const boom = query({ args: {}, handler: () => { throw new Error("boom"); } });
    export const convexBoom = mutation({ args: {}, handler: async ({ db }) => { await db.insert("rows", { n: 2 }); throw new ConvexError({ code: 7n }); } });
    export const who = query({ args: {}, handler: async ({ auth }) => (await auth.getUserIdentity())?.name ?? null });
    export const countRows = query({ args: {}, handler: async ({ db }) => (await db.query("rows").collect()).length });
    export const stamp = mutation({ args: {}, handler: async ({ db }) => {
      const id = await db.insert("stamps", { at: db.vars.commitTs, n: 1 });
      return { at: db.vars.commitTs, list: [db.vars.commitTs], id };
    } });
    export const stamps = query({ args: {}, handler: async ({ db }) => (await db.query("stamps").collect()).map((d) => d.at) });
    export const log = mutation({ args: {}, handler: () => { console.log("a", 1); console.warn({ b: 2 }); } });
    export const many = mutation({ args: { n: v.number() }, handler: async ({ db }, { n }) => { for (let i = 0; i < n; i++) await db.insert("many", { i }); } });
    export const large = mutation({ args: {}, handler: async ({ db }) => { const id = await db.insert("big", { t: "x".repeat(900_000) }); console.log("wrote"); return id; } });
    export const metrics = mutation({ args: {}, handler: async ({ db, meta }) => {
      await db.insert("counted", { n: 1 });
      await db.query("counted").collect();
      return await meta.getTransactionMetrics();
    } });
    export const time = query({ args: {}, handler: async ({ db }) => { const a = Date.now(); await db.query("rows").first(); return [a, Date.now()]; } });
    export const meta = mutation({ args: {}, handler: async ({ meta }) => [
      await meta.getFunctionMetadata(), await meta.getDeploymentMetadata(), await meta.getRequestMetadata() ] });
    export const raw = query({ args: { op: v.string() }, handler: (_, { op }) => Convex.asyncSyscall(op, "{}") });
    export const rawSync = query({ args: { op: v.string() }, handler: (_, { op }) => Convex.syscall(op, "{}") });
    export const env = query({ args: {}, handler: () => [process.env.MINE ?? null, process.env.CONVEX_CLOUD_URL ?? null] });
    export const scheduled = mutation({ args: {}, handler: async ({ scheduler }) => { await scheduler.runAfter(0, "m:open", {}); } });
    export const insertRow = mutation({ args: {}, handler: ({ db }) => db.insert("rows", { n: 3 }) });
    export const unawaited = mutation({ args: {}, handler: ({ db }) => { void db.insert("unawaited", {}); return "done"; } });
    export const writesInQuery = query({ args: {}, handler: async ({ db }) => { await db.insert("rows", {}); } });
  `,
  "dir/sub.ts": `
    import { query } from "../_generated/server";
    export const open = query({ args: {}, handler: () => "in dir" });
  `,
};

let server: TestEngine;
beforeAll(async () => {
  server = await TestEngine.start(files);
});
afterEach(() => {
  expect(server.defects).toEqual([]);
});
afterAll(() => server.dispose());

const query = (path: string, args: Value = {}, identity = callOf("").identity) =>
  server.query(path, args, { identity });
const mutation = (path: string, args: Value = {}, identity = callOf("").identity) =>
  server.mutation(path, args, { identity });

describe("who may call what", () => {
  it("runs public functions by any of their names", async () => {
    for (const path of ["m:open", "m.js:open"]) expect(valueOf(await query(path))).toBe("open");
    for (const path of ["m", "m:default", "m.js"]) expect(valueOf(await query(path))).toBe("default");
    expect(valueOf(await query("dir/sub:open"))).toBe("in dir");
  });

  it("says the same of what is missing, internal, an HTTP action or no function", async () => {
    for (const [path, name] of [
      ["m:missing", "m:missing"],
      ["nowhere:open", "nowhere:open"],
      ["nowhere.js", "nowhere"],
      ["m:hidden", "m:hidden"],
      ["m:http", "m:http"],
      ["m:plain", "m:plain"],
      ["_system/cli/tables", "_system/cli/tables"],
    ] as const) {
      expect(failureOf(await query(path))).toBe(`Could not find public function for '${name}'.\n`);
      expect(failureOf(await query(path, {}, user("u")))).toBe(
        `Could not find public function for '${name}'.\n`,
      );
    }
    expect(failureOf(await mutation("m:hiddenWrite"))).toBe(
      "Could not find public function for 'm:hiddenWrite'.\n",
    );
  });

  it("lets admins call internal functions, and keeps what they got from others", async () => {
    expect(valueOf(await query("m:hidden", {}, admin))).toBe("hidden");
    const call = callOf("m:hidden");
    for (const componentPath of ["!", "true", "", "x"]) {
      const target = { kind: "path" as const, path: "m:hidden", componentPath };
      const where = componentPath === "" ? "" : ` in '${componentPath}'`;
      const result = await server.settled(server.client.query({ ...call, target }));
      expect(failureOf(result)).toBe(`Could not find public function for 'm:hidden'${where}.\n`);
    }
  });

  it("refuses other kinds", async () => {
    expect(failureOf(await mutation("m:open"))).toBe(
      "Trying to execute m.js:open as Mutation, but it is defined as Query.\n",
    );
    expect(failureOf(await query("m:act"))).toBe(
      "Trying to execute m.js:act as Query, but it is defined as Action.\n",
    );
    expect(failureOf(await query("m:stamp"))).toBe(
      "Trying to execute m.js:stamp as Query, but it is defined as Mutation.\n",
    );
  });

  it("refuses malformed paths and unknown components with a code", async () => {
    await expect(query("m:not-a-name")).rejects.toMatchObject({ code: "BadConvexFunctionIdentifier" });
    const target = { kind: "path" as const, path: "m:open", componentPath: "nowhere" };
    const call = { ...callOf("m:open", {}, admin), target };
    await expect(server.settled(server.client.query(call))).rejects.toMatchObject({
      code: "ComponentPathNotFound",
    });
  });

  it("looks functions up for those who may know of them", async () => {
    const lookup = (path: string, identity = callOf("").identity) =>
      server.settled(server.client.lookup(callOf(path).target, identity));
    expect(await lookup("m:open")).toBe("Query");
    expect(await lookup("m:stamp")).toBe("Mutation");
    expect(await lookup("m:act")).toBe("Action");
    expect(await lookup("m:hidden")).toBeNull();
    expect(await lookup("m:hidden", admin)).toBe("Query");
    expect(await lookup("m:missing", admin)).toBeNull();
  });

  it("prepares actions: visibility, kind and arguments", async () => {
    const prepare = (path: string, args: Value = {}) =>
      server.settled(server.client.prepareAction(callOf(path, args)));
    expect(await prepare("m:act", { n: 1 })).toMatchObject({
      ok: true,
      functionPath: "m.js:act",
      componentPath: "",
      environment: "isolate",
      returnsJson: '{"type":"string"}',
    });
    expect(await prepare("m:act", { n: "1" })).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/^ArgumentValidationError: /) as string },
    });
    expect(await prepare("m:open")).toMatchObject({
      ok: false,
      error: { message: "Trying to execute m.js:open as Action, but it is defined as Query.\n" },
    });
  });

  it("resolves references as seen by actions, whatever their visibility", async () => {
    const call = (reference: object) =>
      server.settled(
        server.client.query({
          ...callOf("m:open"),
          target: { kind: "reference", fromComponentPath: "", ...reference },
        }),
      );
    expect(valueOf(await call({ name: "m:hidden" }))).toBe("hidden");
    expect(valueOf(await call({ reference: "_reference/function/m.js:hidden" }))).toBe("hidden");
    expect(failureOf(await call({ name: "m:missing" }))).toBe(`Couldn't find "missing" in module "m.js".\n`);
    expect(failureOf(await call({ name: "gone:missing" }))).toBe(
      "Couldn't find JavaScript module 'gone.js'. Did you forget to run `npx convex dev`?\n",
    );
    expect(failureOf(await call({ functionHandle: "function://nothing" }))).toBe(
      "Function handle not found\n",
    );
    expect(failureOf(await call({}))).toBe("Missing required argument 'name'\n");
  });
});

describe("arguments", () => {
  it("are validated where a validator was declared", async () => {
    expect(valueOf(await query("m:typed", { n: 1 }))).toBe(1);
    expect(failureOf(await query("m:typed", {}))).toBe(
      "ArgumentValidationError: Object is missing the required field `n`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {}\nValidator: v.object({n: v.float64(), s: v.optional(v.string())})\n\n",
    );
    expect(failureOf(await query("m:typed", { n: 1, extra: 2 }))).toContain(
      "ArgumentValidationError: Object contains extra field `extra` that is not in the validator.",
    );
    expect(failureOf(await query("m:typed", { n: 1n }))).toContain("ArgumentValidationError: ");
  });

  it("reach functions without a validator as they are, positional ones too", async () => {
    expect(valueOf(await query("m:untyped", { a: 1n, b: [null] }))).toEqual({ a: 1n, b: [null] });
    const call = { ...callOf("m:untyped"), argsJson: '["first",2]' };
    expect(valueOf(await server.settled(server.client.query(call)))).toBe("first");
  });

  it.each([
    ["{}", /^Invalid arguments for m\.js:typed: Arguments must be an array\n$/],
    ["[{", /^Invalid arguments for m\.js:typed: /],
    ['[{"n":{"$integer":"x"}}]', /^Invalid arguments for m\.js:typed: /],
    ['[{"n":{"$commitTs":null}}]', /^Invalid arguments for m\.js:typed: .*\$commitTs/],
    ["[1,2]", /^ArgumentValidationError: /],
  ])("that are %s are refused", async (argsJson, text) => {
    const call = { ...callOf("m:typed"), argsJson };
    expect(failureOf(await server.settled(server.client.query(call)))).toMatch(text);
  });

  it("may not be an unresolved commit timestamp when a client makes them", async () => {
    const argsJson = '[{"n":{"$commitTs":null}}]';
    const result = await server.settled(server.client.mutation({ ...callOf("m:many"), argsJson }));
    expect(failureOf(result)).toMatch(/^Invalid arguments for m\.js:many: /);
  });

  it("may have 16 MiB", async () => {
    const text = "x".repeat(1024 * 1024);
    const fitting = Array.from({ length: 15 }, () => text);
    expect(valueOf(await query("m:untyped", { a: fitting }))).toEqual({ a: fitting });
    expect(failureOf(await query("m:untyped", { a: [...fitting, text] }))).toMatch(
      /^Arguments for m\.js:untyped are too large \(actual: 16(\.\d+)? MiB, limit: 16 MiB\)\n$/,
    );
  });

  it("check ids against the tables there are", async () => {
    const id = valueOf(await mutation("m:insertRow")) as string;
    expect(valueOf(await query("m:ofId", { id }))).toBe(id);
    const other = valueOf(await mutation("m:large")) as string;
    expect(failureOf(await query("m:ofId", { id: other }))).toContain(
      `Found ID "${other}" from table \`big\`, which does not match the table name in validator \`v.id("rows")\`.`,
    );
  });
});

describe("results", () => {
  it("are validated where a validator was declared", async () => {
    expect(valueOf(await query("m:returns", { x: { n: 1 } }))).toEqual({ n: 1 });
    expect(failureOf(await query("m:returns", { x: { n: "1" } }))).toContain("ReturnsValidationError: ");
  });

  it("that are refused undo the mutation", async () => {
    const before = valueOf(await query("m:countRows"));
    expect(failureOf(await mutation("m:returnsWrite"))).toMatch(/^ReturnsValidationError: /);
    expect(valueOf(await query("m:countRows"))).toBe(before);
  });

  it("may have 16 MiB and must be values", async () => {
    expect(failureOf(await query("m:huge"))).toMatch(
      /^Function m\.js:huge return value is too large \(actual: 19\.07 MiB, limit: 16 MiB\)\n$/,
    );
    expect(failureOf(await query("m:odd"))).toContain("is not a supported Convex type");
  });
});

describe("errors", () => {
  it("have message and frames of the source", async () => {
    expect(failureOf(await query("m:boom"))).toMatch(
      /^Uncaught Error: boom\n {4}at handler \(\S+\/convex\/m\.ts:\d+:\d+\)\n$/,
    );
  });

  it("carry the data of a ConvexError, and nothing is written", async () => {
    const before = valueOf(await query("m:countRows"));
    const result = await mutation("m:convexBoom");
    expect(result).toMatchObject({
      ok: false,
      ts: null,
      error: { dataJson: '{"code":{"$integer":"BwAAAAAAAAA="}}' },
    });
    expect(failureOf(result)).toMatch(/^Uncaught ConvexError: /);
    expect(valueOf(await query("m:countRows"))).toBe(before);
  });

  it("of what is not there yet say so", async () => {
    expect(failureOf(await query("m:writesInQuery"))).toContain("is not a function");
  });

  it.each([
    ["1.0/getRequestMetadata", "Cannot get request metadata in a Query"],
    ["1.0/nonsense", "Unknown async operation 1.0/nonsense"],
    ["1.0/toString", "Unknown async operation 1.0/toString"],
    ["1.0/storageGetUrl", "Invalid arguments for `storage.getUrl`: missing field `storageId`"],
    ["1.0/createFunctionHandle", "Missing required argument 'name'"],
    ["1.0/queryStream", "Unknown async operation 1.0/queryStream"],
  ])("of the operation %s reach user code", async (op, text) => {
    expect(failureOf(await query("m:raw", { op }))).toMatch(`Uncaught Error: ${text}`);
  });

  it.each([
    ["1.0/componentArgument", "Component arguments are not available within the app"],
    ["1.0/queryStream", "Invalid arguments for `queryStream`: missing field `query`"],
    ["1.0/get", "Unknown operation 1.0/get"],
    ["1.0/nonsense", "Unknown operation 1.0/nonsense"],
  ])("of the synchronous operation %s do so too", async (op, text) => {
    expect(failureOf(await query("m:rawSync", { op }))).toMatch(`Uncaught Error: ${text}`);
  });
});

describe("what functions see", () => {
  it("is the caller's identity", async () => {
    expect(valueOf(await query("m:who"))).toBeNull();
    expect(valueOf(await query("m:who", {}, user("ada")))).toBe("ada");
    expect(valueOf(await query("m:who", {}, user("bob")))).toBe("bob");
    expect(valueOf(await query("m:who", {}, admin))).toBeNull();
    const acting = { kind: "admin", actingAs: { tokenIdentifier: "x", name: "eve" } } as const;
    expect(valueOf(await query("m:who", {}, acting))).toBe("eve");
  });

  it("is a time that stands still", async () => {
    const [a, b] = valueOf(await query("m:time")) as number[];
    expect([a, b]).toEqual([Math.floor(server.clock.nowMs()), a]);
  });

  it("is metadata", async () => {
    const call = { ...callOf("m:meta"), client: { ip: "1.2.3.4", userAgent: "test" } };
    expect(valueOf(await server.settled(server.client.mutation(call)))).toEqual([
      { name: "m:meta", componentPath: "", type: "mutation", visibility: "public" },
      { name: "test-instance-1", region: null, class: "s16" },
      {
        ip: "1.2.3.4",
        userAgent: "test",
        requestId: "0123456789abcdef",
        scheduledFunctionId: null,
        authToken: null,
      },
    ]);
  });

  it("is what the transaction has used", async () => {
    const metrics = valueOf(await mutation("m:metrics")) as Record<
      string,
      { used: number; remaining: number }
    >;
    expect(metrics["documentsRead"]).toEqual({ used: 1, remaining: 31_999 });
    expect(metrics["documentsWritten"]).toEqual({ used: 1, remaining: 15_999 });
    expect(metrics["databaseQueries"]).toEqual({ used: 1, remaining: 4095 });
    expect(Object.keys(metrics).toSorted()).toEqual([
      "bytesRead",
      "bytesWritten",
      "databaseQueries",
      "documentsRead",
      "documentsWritten",
      "fileReadBytes",
      "fileWriteBytes",
      "filesRead",
      "filesWritten",
      "functionsScheduled",
      "scheduledFunctionArgsBytes",
    ]);
  });

  it("is the console, whose lines come with the result", async () => {
    expect((await mutation("m:log")).logLines).toEqual(["[LOG] 'a' 1", "[WARN] { b: 2 }"]);
  });

  it("is warned of near limits, after its own lines", async () => {
    expect((await mutation("m:many", { n: 12_800 })).logLines).toEqual([]);
    expect((await mutation("m:many", { n: 12_801 })).logLines).toEqual([
      "[WARN] Many writes in a single function execution (actual: 12801, limit: 16000).",
    ]);
    const { logLines } = await mutation("m:large");
    expect(logLines[0]).toBe("[LOG] 'wrote'");
    expect(logLines[1]).toMatch(
      /^\[WARN\] Large document written with ID "\w+" \(actual: \d+ bytes, limit: 1048576 bytes\)\.$/,
    );
  });

  it("is warned of large arguments, first of all", async () => {
    const ofBytes = (bytes: number) => ({ s: "x".repeat(bytes - 6) });
    const limit = 16 * 1024 * 1024;
    expect((await server.query("m:untyped", ofBytes(0.8 * limit - 1))).logLines).toEqual([]);
    const { logLines } = await server.query("m:untyped", ofBytes(Math.ceil(0.8 * limit)));
    expect(logLines).toEqual([
      `[WARN] Large size of the function arguments (actual: 13421773 bytes, limit: ${limit} bytes).`,
    ]);
  });

  it("is warned in lines that say what of", async () => {
    server.executed.length = 0;
    await mutation("m:large");
    const [entry] = server.executed;
    expect(entry?.["logLines"]).toMatchObject([
      { messages: ["'wrote'"], systemMetadata: null },
      { level: "WARN", systemMetadata: { code: "warning:ValueTooLargeError" } },
    ]);
  });

  it("is stopped at limits", async () => {
    expect(failureOf(await mutation("m:many", { n: 16_001 }))).toContain(
      "Uncaught Error: Too many writes in a single function execution (limit: 16000)",
    );
  });

  it("writes what it did not wait for", async () => {
    expect(valueOf(await mutation("m:unawaited"))).toBe("done");
    const tables = (await server.system("admin.shapes", { componentId: null })) as object;
    expect(Object.keys(tables)).toContain("unawaited");
  });
});

describe("commit timestamps", () => {
  it("are filled in in documents and results, and are the commit's", async () => {
    const first = await mutation("m:stamp");
    const second = await mutation("m:stamp");
    expect(valueOf(first)).toMatchObject({ at: first.ts, list: [first.ts] });
    expect(valueOf(await query("m:stamps"))).toEqual([first.ts, second.ts]);
    expect(second.ts).toBeGreaterThan(first.ts as bigint);
  });
});

describe("system functions", () => {
  it("are for admins, and live", async () => {
    const path = "_system/cli/tables";
    const args = { paginationOpts: { numItems: 100, cursor: null } };
    const { id } = await server.open(path, args, { identity: admin });
    const names = () => (server.valueOf({ id }) as { page: { name: string }[] }).page.map(({ name }) => name);
    expect(names()).not.toContain("brandNew");
    await server.push({
      ...files,
      "more.ts": `import { mutation } from "./_generated/server";
        export const create = mutation(({ db }) => db.insert("brandNew", {}));`,
    });
    await mutation("more:create");
    expect(names()).toContain("brandNew");
    expect(failureOf(await query(path, args))).toContain("Could not find public function");
  });

  it("refuse what is no object", async () => {
    const call = { ...callOf("_system/cli/tables", {}, admin), argsJson: "[1]" };
    expect(failureOf(await server.settled(server.client.query(call)))).toBe(
      "System functions take one object\n",
    );
  });
});

describe("executions", () => {
  it("are told with what they did", async () => {
    await query("m:boom", {});
    server.executed.length = 0;
    await mutation("m:log", {}, user("ada"));
    // What it printed belongs to the execution, not to its repetition.
    await query("m:boom", {});
    await query("m:untyped", { new: "arguments" });
    expect(server.executed).toMatchObject([
      {
        kind: "Completion",
        udfType: "Mutation",
        identifier: "m:log",
        error: null,
        requestId: "0123456789abcdef",
        identityType: "user",
        logLines: [
          { level: "LOG", messages: ["'a'", "1"] },
          { level: "WARN", messages: ["{ b: 2 }"] },
        ],
      },
      { udfType: "Query", identifier: "m:boom", cachedResult: true, logLines: [] },
      { udfType: "Query", identifier: "m:untyped", cachedResult: false },
    ]);
  });
});
