import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { badRequest, LensletError } from "../base/errors.ts";
import type { ExecutionLogEntry, FunctionResult, Identity } from "../engine/api.ts";
import type { ModuleSource } from "../runner/types.ts";
import { type ActionRunner, createActionRunner } from "./actions.ts";
import { createRealRandom, realClock, realTimers } from "./realOs.ts";
import { ActionEngine, bundleProject } from "./testActionEngine.ts";

const files = {
  "basics.ts": `
import { actionGeneric as action, anyApi, makeFunctionReference, createFunctionHandle } from "convex/server";
import { ConvexError } from "convex/values";
let count = 0;
const loadedAt = [Date.now(), Math.random()];
export const hello = action(async (_ctx, args) => {
  console.log("hello", args);
  count++;
  return { count, args, name: process.env.NAME ?? null, bytes: new TextEncoder().encode("é").buffer };
});
export const loaded = action(async () => loadedAt);
export const moving = action(async () => {
  const start = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { clock: Date.now() > start, chance: Math.random() !== Math.random() };
});
export const boom = action({
  handler: async () => {
    await null;
    throw new Error("boom");
  },
});
export const convexError = action(async () => { throw new ConvexError({ code: 7n }) });
export const string = action(async () => { throw "just text" });
export const rejected = action(async () => {
  Promise.reject(new TypeError("nobody waits"));
  await new Promise((resolve) => setTimeout(resolve, 1000));
});
export const thrownLater = action(async () => {
  setTimeout(() => { throw new RangeError("later") }, 1);
  await new Promise((resolve) => setTimeout(resolve, 1000));
});
export const calls = action(async (ctx) => ({
  me: await ctx.auth.getUserIdentity(),
  query: await ctx.runQuery(anyApi.data.list, { n: 1n }),
  mutation: await ctx.runMutation(makeFunctionReference<"mutation">("data:add"), {}),
  meta: await ctx.meta.getFunctionMetadata(),
  deployment: await ctx.meta.getDeploymentMetadata(),
  request: await ctx.meta.getRequestMetadata(),
  handle: await createFunctionHandle(anyApi.data.list),
}));
export const calleeFails = action(async (ctx) => {
  try {
    await ctx.runQuery(anyApi.data.list, {});
  } catch (error) {
    return { isError: error instanceof Error, isConvex: error instanceof ConvexError, message: error.message, data: error.data };
  }
});
export const calleeFailsUncaught = action(async (ctx) => await ctx.runQuery(anyApi.data.list, {}));
export const callAction = action(async (ctx, { path }) => await ctx.runAction(makeFunctionReference<"action">(path), { deep: true }));
export const unawaited = action(async (ctx) => {
  void ctx.runMutation(anyApi.data.add, {});
  void ctx.runQuery(anyApi.data.list, {});
  return "done";
});
export const many = action(async (ctx) => {
  await Promise.all(Array.from({ length: 30 }, () => ctx.runQuery(anyApi.data.list, {})));
  return null;
});
export const raw = action(async (_ctx, { op, args }) => JSON.parse(await Convex.asyncSyscall(op, args ?? "{}")));
export const fetching = action(async (_ctx, { url }) => {
  const json = await (await fetch(url, { method: "POST", body: new URLSearchParams({ a: "b" }) })).json();
  const buffer = await (await fetch(url)).arrayBuffer();
  return {
    json,
    plain: Object.getPrototypeOf(json) === Object.prototype && json.list instanceof Array,
    buffer: buffer instanceof ArrayBuffer,
    hash: new Uint8Array(await crypto.subtle.digest("SHA-256", buffer)).length,
  };
});
export const fetchFails = action(async (_ctx, { url }) => {
  try {
    await fetch(url);
  } catch (error) {
    return { isError: error instanceof Error, isTypeError: error instanceof TypeError, message: error.message };
  }
});
export const features = action(async () => ({
  absent: [typeof window, typeof document, typeof Buffer, typeof process.versions, typeof WebSocket],
  present: [typeof fetch, typeof WebAssembly, typeof AsyncLocalStorage, typeof ReadableStream, typeof structuredClone],
}));
export const dynamic = action(async () => (await import("./other.js")).answer);
export const noisy = action(async () => { for (let i = 0; i < 300; i++) console.log(i) });
export const sleep = action(async (_ctx, { ms }) => { await new Promise((resolve) => setTimeout(resolve, ms)); return "slept" });
export const undefinedResult = action(async () => undefined);
export const notAFunction = 5;
export const leak = action(async () => { globalThis.leaked = (globalThis.leaked ?? 0) + 1; Array.prototype.odd = true; return globalThis.leaked });
`,
  "other.ts": `export const answer = 42;`,
  "broken.ts": `
import { actionGeneric as action } from "convex/server";
if (Date.now() > 0) throw new Error("at import");
export const never = action(async () => null);
`,
  "native.ts": `"use node";
import { actionGeneric as action, anyApi } from "convex/server";
import { createHash } from "node:crypto";
let count = 0;
export const hello = action(async (ctx, args) => {
  console.log("hello", args);
  count++;
  return { count, sha: createHash("sha1").update("a").digest("hex"), name: process.env.NAME ?? null, secret: process.env.HOME ?? null, typed: typeof Buffer };
});
export const boom = action(async () => { await null; throw new Error("boom") });
export const query = action(async (ctx) => await ctx.runQuery(anyApi.data.list, {}));
export const unawaited = action(async (ctx) => {
  void ctx.runMutation(anyApi.data.add, {});
  void ctx.runMutation(anyApi.data.add, {});
  return "done";
});
let kept;
export const keep = action(async (ctx) => { kept = () => ctx.auth.getUserIdentity(); return null });
export const useKept = action(async () => await kept());
export const database = action(async () => await Convex.asyncSyscall("1.0/get", "{}"));
export const flood = action(async (ctx) => {
  const results = await Promise.allSettled(Array.from({ length: 1010 }, () => ctx.runQuery(anyApi.data.list, {})));
  return results.filter((result) => result.status === "rejected").map((result) => result.reason.message);
});
export const notAnAction = 5;
`,
};

let modules: ModuleSource[];
let engine: ActionEngine;
let runner: ActionRunner;
let site: Server;
let url: string;
let entries: ExecutionLogEntry[] = [];
const reports: string[] = [];

beforeAll(async () => {
  modules = await bundleProject(files);
  engine = new ActionEngine();
  runner = createActionRunner({
    engine: engine.api,
    clock: realClock,
    timers: realTimers,
    random: createRealRandom(),
    localOrigin: "http://127.0.0.1:1",
    instanceName: "test-instance",
    executed: (added) => entries.push(...added),
    report: (_level, message) => reports.push(message),
  });
  site = createServer((request, response) => {
    if (request.url === "/round") response.writeHead(302, { location: "/round" }).end();
    else {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ list: [1], type: request.headers["content-type"] ?? null }));
    }
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  await runner.close();
  site.closeAllConnections();
  await new Promise((resolve) => site.close(resolve));
});
beforeEach(() => {
  entries = [];
  engine.calls.length = 0;
  engine.deploy(modules, { NAME: "value" });
  engine.onQuery = () => Promise.resolve({ value: null });
  engine.onMutation = () => Promise.resolve({ value: null });
});

const requestId = "00112233aabbccdd";
function run(
  path: string,
  args: object = {},
  identity: Identity = { kind: "anonymous" },
): Promise<FunctionResult> {
  return runner.run({
    target: { kind: "path", path, componentPath: "" },
    argsJson: JSON.stringify([args]),
    identity,
    caller: "HttpApi",
    requestId,
    client: { ip: "1.2.3.4", userAgent: "agent" },
  });
}
async function valueOf(path: string, args: object = {}, identity?: Identity): Promise<unknown> {
  const result = await run(path, args, identity);
  if (!result.ok) throw new Error(result.error.message);
  return JSON.parse(result.valueJson) as unknown;
}
async function errorOf(path: string, args: object = {}): Promise<string> {
  const result = await run(path, args);
  if (result.ok) throw new Error(`unexpected success: ${result.valueJson}`);
  return result.error.message;
}

describe("the default runtime", () => {
  it("runs an action with arguments, environment and console, with modules of its own", async () => {
    const value = { count: 1, args: { a: 1 }, name: "value", bytes: { $bytes: "w6k=" } };
    expect(await valueOf("basics:hello", { a: 1 })).toEqual(value);
    const again = await run("basics:hello", { a: 1 });
    expect(again).toEqual({
      ok: true,
      valueJson: JSON.stringify({ args: { a: 1 }, bytes: { $bytes: "w6k=" }, count: 1, name: "value" }),
      logLines: ["[LOG] 'hello' { a: 1 }"],
    });
    expect(await valueOf("basics:undefinedResult")).toBeNull();
  });

  it("freezes time and chance while modules are imported, and lets them go afterwards", async () => {
    const first = await valueOf("basics:loaded");
    expect(first).toEqual([1_600_000_000_000, expect.any(Number)]);
    expect(await valueOf("basics:loaded")).toEqual(first);
    expect(await valueOf("basics:moving")).toEqual({ clock: true, chance: true });
  });

  it("has the globals of functions.md §5.1 and none that betray another platform", async () => {
    expect(await valueOf("basics:features")).toEqual({
      absent: Array(5).fill("undefined"),
      present: ["function", "object", "function", "function", "function"],
    });
  });

  it("keeps globals and prototypes of one call from the next", async () => {
    expect(await valueOf("basics:leak")).toBe(1);
    expect(await valueOf("basics:leak")).toBe(1);
  });

  it("imports dynamically", async () => {
    expect(await valueOf("basics:dynamic")).toBe(42);
  });

  it("builds errors with source-mapped frames", async () => {
    expect(await errorOf("basics:boom")).toMatch(
      /^Uncaught Error: boom\n {4}at handler \(\.\.\/convex\/basics\.ts:20:\d+\)\n$/,
    );
    expect(await errorOf("basics:string")).toBe("Uncaught just text\n");
    expect(await run("basics:convexError")).toMatchObject({
      ok: false,
      error: {
        message: expect.stringMatching(/^Uncaught ConvexError: \{"code":"7n"\}\n {4}at /) as string,
        dataJson: '{"code":{"$integer":"BwAAAAAAAAA="}}',
      },
    });
    expect(await errorOf("broken:never")).toMatch(
      /^Uncaught Error: at import\n {4}at \.\.\/convex\/broken\.ts:3:\d+\n$/,
    );
  });

  it("fails an action whose promise or timer fails behind its back", async () => {
    expect(await errorOf("basics:rejected")).toMatch(
      /^Uncaught TypeError: nobody waits\n {4}at \.\.\/convex\/basics\.ts:/,
    );
    expect(await errorOf("basics:thrownLater")).toMatch(/^Uncaught RangeError: later\n {4}at \S*/);
  });

  it("says what is missing", async () => {
    expect(await errorOf("basics:nowhere")).toBe('Couldn\'t find "nowhere" in module "basics.js".\n');
    expect(await errorOf("basics:notAFunction")).toBe(
      "`notAFunction` wasn't registered as a Convex action in `basics.js`\n",
    );
    expect(await errorOf("nowhere:x")).toBe("Could not find public function for 'nowhere:x'.\n");
  });

  it("fetches, with bodies that belong to the action's realm", async () => {
    expect(await valueOf("basics:fetching", { url })).toEqual({
      json: { list: [1], type: "application/x-www-form-urlencoded;charset=UTF-8" },
      plain: true,
      buffer: true,
      hash: 32,
    });
  });

  it("refuses other schemes and endless redirects", async () => {
    const failure = { isError: true, isTypeError: true };
    expect(await valueOf("basics:fetchFails", { url: "file:///etc/passwd" })).toEqual({
      ...failure,
      message: "Unsupported URL scheme -- http and https are supported (scheme was file)",
    });
    expect(await valueOf("basics:fetchFails", { url: `${url}round` })).toEqual({
      ...failure,
      message: "fetch too many redirects",
    });
  });

  it("cuts the log at 256 lines", async () => {
    const { logLines } = await run("basics:noisy");
    expect(logLines).toHaveLength(256);
    expect(logLines[254]).toBe("[LOG] 254");
    expect(logLines[255]).toBe("[ERROR] Log overflow (maximum 256). Remaining log lines omitted.");
  });

  it("loads new code and new environment variables", async () => {
    engine.deploy(modules, { NAME: "other" });
    expect(await valueOf("basics:hello")).toMatchObject({ name: "other" });
  });

  it("runs hundreds at once", async () => {
    const results = await Promise.all(
      Array.from({ length: 400 }, () => valueOf("basics:sleep", { ms: 300 })),
    );
    expect(results).toEqual(Array(400).fill("slept"));
  });
});

describe("operations", () => {
  it("reaches queries, mutations and what is known of the call", async () => {
    engine.onQuery = () => Promise.resolve({ value: "from query" });
    engine.onMutation = () => Promise.resolve({ value: "from mutation" });
    engine.onSystem = (operation, args) => {
      expect(operation).toBe("action.functionHandle");
      expect(args).toEqual({ componentPath: "", address: { name: "data:list" } });
      return JSON.stringify("function://abc#data:list");
    };
    const attributes = { tokenIdentifier: "issuer|subject", name: "Ann" };
    const identity: Identity = { kind: "user", attributes, expiresAtMs: null };
    expect(await valueOf("basics:calls", {}, identity)).toEqual({
      me: attributes,
      query: "from query",
      mutation: "from mutation",
      meta: { name: "basics:calls", componentPath: "", type: "action", visibility: "public" },
      deployment: { name: "test-instance", region: null, class: "s16" },
      request: { ip: "1.2.3.4", userAgent: "agent", requestId, scheduledFunctionId: null, authToken: null },
      handle: "function://abc#data:list",
    });
    const shared = { identity, caller: "Action", requestId };
    expect(engine.calls).toEqual([
      {
        kind: "query",
        call: expect.objectContaining({
          ...shared,
          target: { kind: "reference", fromComponentPath: "", name: "data:list" },
          argsJson: '[{"n":{"$integer":"AQAAAAAAAAA="}}]',
        }) as unknown,
      },
      { kind: "mutation", call: expect.objectContaining({ ...shared, argsJson: "[{}]" }) as unknown },
    ]);
  });

  it("lets the callee's errors be caught, data included", async () => {
    engine.onQuery = () => Promise.resolve({ error: "Uncaught Error: inner\n    at x\n" });
    const caught = { isError: true, message: "Uncaught Error: inner\n    at x\n" };
    expect(await valueOf("basics:calleeFails")).toEqual({ ...caught, isConvex: false });
    expect(await errorOf("basics:calleeFailsUncaught")).toMatch(
      /^Uncaught Error: Uncaught Error: inner\n {4}at x\n\n {4}at async \.\.\/convex\/basics\.ts:/,
    );
    engine.onQuery = () =>
      Promise.resolve({ error: "Uncaught ConvexError: x\n", data: { a: { $integer: "AQAAAAAAAAA=" } } });
    expect(await run("basics:calleeFailsUncaught")).toMatchObject({
      error: { dataJson: '{"a":{"$integer":"AQAAAAAAAAA="}}' },
    });
    expect(await valueOf("basics:calleeFails")).toMatchObject({ isConvex: true });
  });

  it("tells user code of refusals, but not of what is broken in the server", async () => {
    engine.onQuery = () => Promise.reject(badRequest("X", "refused"));
    expect(await valueOf("basics:calleeFails")).toMatchObject({ message: "refused" });
    engine.onQuery = () => Promise.reject(new LensletError("Internal", "X", "secret"));
    const message = "Your request couldn't be completed. Try again later.";
    expect(await valueOf("basics:calleeFails")).toMatchObject({ isError: true, message });
    engine.onQuery = () => Promise.reject(new Error("a defect"));
    expect(await valueOf("basics:calleeFails")).toMatchObject({ message });
    expect(reports.join("\n")).toContain("a defect");
  });

  it("answers at most eight operations of an action at a time", async () => {
    let running = 0;
    let most = 0;
    engine.onQuery = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running--;
      return { value: null };
    };
    expect(await valueOf("basics:many")).toBeNull();
    expect(most).toBe(8);
    expect(engine.calls).toHaveLength(30);
  });

  it("refuses what there is not, by name", async () => {
    const raw = (op: string, args?: string) => errorOf("basics:raw", { op, args });
    expect(await raw("1.0/nonsense")).toContain("Uncaught Error: Unknown async operation 1.0/nonsense\n");
    expect(await raw("1.0/getTransactionMetrics")).toContain(
      "Unknown async operation 1.0/getTransactionMetrics",
    );
    expect(await raw("1.0/auditLog")).toContain("Audit logging is not yet supported in actions");
    expect(await raw("1.0/actions/query", "not json")).toContain(
      "Uncaught Error: Invalid 1.0/actions/query request with args not json\n",
    );
  });

  it("warns of operations that nobody awaits, and drops them", async () => {
    let answer: () => void = () => undefined;
    engine.onMutation = () => new Promise((resolve) => (answer = () => resolve({ value: null })));
    engine.onQuery = () => new Promise(() => undefined);
    expect((await run("basics:unawaited")).logLines).toEqual([
      "[WARN] 2 unawaited operations: [runMutation, runQuery]. Async operations should be awaited or they might not run. See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
    ]);
    answer();
    expect(await valueOf("basics:hello")).toMatchObject({ count: 1 });
  });

  it("runs actions from actions, also in the other runtime", async () => {
    expect(await valueOf("basics:callAction", { path: "basics:hello" })).toMatchObject({
      args: { deep: true },
    });
    expect(await valueOf("basics:callAction", { path: "native:hello" })).toMatchObject({ typed: "function" });
    expect(await errorOf("basics:callAction", { path: "native:boom" })).toMatch(
      /^Uncaught Error: Uncaught Error: boom\n {4}at \.\.\/convex\/native\.ts:/,
    );
  });
});

describe("return values", () => {
  it("are checked against the validator", async () => {
    const returns = JSON.stringify({
      type: "object",
      value: { count: { fieldType: { type: "string" }, optional: false } },
    });
    engine.returns.set("basics.js:hello", returns);
    expect(await errorOf("basics:hello")).toMatch(/^ReturnsValidationError: /);
    engine.returns.clear();
  });

  it("with ids are checked by the engine, which knows the tables", async () => {
    engine.returns.set("basics.js:sleep", JSON.stringify({ type: "id", tableName: "users" }));
    let answer: object = { ok: false, message: "ReturnsValidationError: no id" };
    engine.onSystem = (operation, args) => {
      expect(operation).toBe("action.checkReturns");
      expect(args).toMatchObject({ functionPath: "basics.js:sleep", resultJson: '"slept"' });
      return JSON.stringify(answer);
    };
    expect(await errorOf("basics:sleep", { ms: 0 })).toBe("ReturnsValidationError: no id\n");
    answer = { ok: true, valueJson: '"checked"' };
    expect(await valueOf("basics:sleep", { ms: 0 })).toBe("checked");
    engine.returns.clear();
  });
});

describe("the log stream", () => {
  it("gets lines as progress and the end without them", async () => {
    await run("basics:callAction", { path: "basics:hello" });
    const nested = entries.filter(
      ({ kind, parentExecutionId }) => kind === "Progress" || parentExecutionId !== null,
    );
    expect(nested).toMatchObject([
      {
        kind: "Progress",
        udfType: "Action",
        identifier: "basics:hello",
        logLines: [{ level: "LOG", messages: ["'hello'", "{ deep: true }"], isTruncated: false }],
        requestId,
      },
      {
        kind: "Completion",
        identifier: "basics:hello",
        caller: "Action",
        logLines: [],
        environment: "isolate",
      },
    ]);
    const root = entries.at(-1);
    expect(root).toMatchObject({
      kind: "Completion",
      identifier: "basics:callAction",
      parentExecutionId: null,
      error: null,
    });
    expect(nested[1]?.["parentExecutionId"]).toBe(root?.["executionId"]);
    expect(nested[0]?.["executionId"]).toBe(nested[1]?.["executionId"]);
  });

  it("shows lines of an action that still runs", async () => {
    let sawProgress: () => void = () => undefined;
    const seen = new Promise<void>((resolve) => (sawProgress = resolve));
    engine.onQuery = async () => {
      await seen;
      return { value: null };
    };
    const watch = setInterval(() => entries.some(({ kind }) => kind === "Progress") && sawProgress(), 5);
    await run("basics:callAction", { path: "basics:hello" });
    await seen;
    clearInterval(watch);
    expect(entries.map(({ kind }) => kind)).toContain("Progress");
  });
});

describe('"use node"', () => {
  it("has Node, the deployment's environment and globals that live on", async () => {
    const first = {
      sha: "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
      name: "value",
      secret: null,
      typed: "function",
    };
    const before = (await valueOf("native:hello")) as { count: number };
    expect(before).toMatchObject(first);
    expect(await run("native:hello", { a: "x" })).toMatchObject({ logLines: ["[LOG] 'hello' { a: 'x' }"] });
    expect(await valueOf("native:hello")).toMatchObject({ count: before.count + 2 });
    engine.deploy(modules, { NAME: "other" });
    expect(await valueOf("native:hello")).toMatchObject({ name: "other", count: 1 });
  });

  it("maps stack frames, names what is missing", async () => {
    expect(await errorOf("native:boom")).toMatch(
      /^Uncaught Error: boom\n {4}at \.\.\/convex\/native\.ts:10:\d+\n$/,
    );
    expect(await errorOf("native:nowhere")).toBe("Couldn't find action `nowhere` in `native.js`\n");
    expect(await errorOf("native:notAnAction")).toBe(
      "`notAnAction` wasn't registered as a Convex action in `native.js`\n",
    );
  });

  it("calls queries and refuses the database", async () => {
    engine.onQuery = () => Promise.resolve({ value: 3 });
    expect(await valueOf("native:query")).toBe(3);
    expect(await errorOf("native:database")).toContain(
      "Uncaught Error: The Convex database object is being used outside of a Convex query or mutation. Didyou mean",
    );
  });

  it("keeps the context of an earlier action from acting for the present caller", async () => {
    await valueOf("native:keep");
    expect(await errorOf("native:useKept")).toMatch(/^Uncaught Error: Leftover state detected\. /);
  });

  it("refuses the 1,001st operation and arguments over 5 MiB", async () => {
    const refused = (await valueOf("native:flood")) as string[];
    expect(new Set(refused)).toEqual(
      new Set([
        "Too many concurrent operations. See https://docs.convex.dev/functions/actions#limits for more information.",
      ]),
    );
    expect(refused).toHaveLength(10);
    expect(await errorOf("native:hello", { text: "x".repeat(5 * 1024 * 1024) })).toMatch(
      /^Node actions arguments size is too large\. The maximum size is 5 MiB\. /,
    );
  });

  it("warns of operations that nobody awaits, once for each kind", async () => {
    engine.onMutation = () => new Promise(() => undefined);
    expect((await run("native:unawaited")).logLines).toEqual([
      "[WARN] You have an outstanding 1.0/actions/mutation call. Operations should be awaited or they might not run. Not awaiting promises might result in unexpected failures. See https://docs.convex.dev/functions/actions#dangling-promises for more information.",
    ]);
  });
});
