import {
  actionGeneric,
  componentsGeneric,
  createFunctionHandle,
  defineSchema,
  defineTable,
  type FunctionReference,
  httpActionGeneric,
  httpRouter,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
} from "convex/server";
import { ConvexError, type GenericId, v } from "convex/values";
import { afterEach, describe, expect, test, vi } from "vitest";
import { convexTest } from "./index.ts";
import type { ModuleGlob } from "./types.ts";

const schema = defineSchema({
  messages: defineTable({ body: v.string(), channel: v.string() })
    .index("by_channel", ["channel"])
    .searchIndex("by_body", { searchField: "body", filterFields: ["channel"] }),
});
const counterSchema = defineSchema({ counters: defineTable({ name: v.string(), value: v.number() }) });

type Message = { body: string; channel: string };
const api = {
  send: makeFunctionReference<"mutation", Message, GenericId<"messages">>("messages:send"),
  list: makeFunctionReference<"query", { channel: string }, string[]>("messages:list"),
  search: makeFunctionReference<"query", { text: string }, string[]>("messages:search"),
  failAfterWrite: makeFunctionReference<"mutation", Record<string, never>>("messages:failAfterWrite"),
  sendBesideFailure: makeFunctionReference<"mutation", Record<string, never>>("messages:sendBesideFailure"),
  whoami: makeFunctionReference<"query", Record<string, never>>("messages:whoami"),
  sendLater: makeFunctionReference<
    "mutation",
    { delayMs: number; fn: string },
    GenericId<"_scheduled_functions">
  >("messages:sendLater"),
  nothing: makeFunctionReference<"query", Record<string, never>>("messages:nothing"),
};

const messages = {
  send: mutationGeneric({
    args: { body: v.string(), channel: v.string() },
    returns: v.id("messages"),
    handler: (ctx, args) => ctx.db.insert("messages", args),
  }),
  list: queryGeneric({
    args: { channel: v.string() },
    handler: async (ctx, { channel }) => {
      const rows = await ctx.db
        .query("messages")
        .withIndex("by_channel", (q) => q.eq("channel", channel))
        .collect();
      return rows.map(({ body }) => body as string);
    },
  }),
  search: queryGeneric({
    args: { text: v.string() },
    handler: async (ctx, { text }) => {
      const found = await ctx.db
        .query("messages")
        .withSearchIndex("by_body", (q) => q.search("body", text))
        .take(10);
      return found.map(({ body }) => body as string);
    },
  }),
  failAfterWrite: mutationGeneric({
    handler: async (ctx) => {
      await ctx.db.insert("messages", { body: "lost", channel: "c" });
      throw new ConvexError({ code: 7n });
    },
  }),
  sendBesideFailure: mutationGeneric({
    handler: async (ctx) => {
      await ctx.db.insert("messages", { body: "kept", channel: "c" });
      try {
        await ctx.runMutation(api.failAfterWrite, {});
      } catch (error) {
        return [(error as Error).message, (error as ConvexError<{ code: bigint }>).data.code];
      }
      return null;
    },
  }),
  whoami: queryGeneric({ handler: async (ctx) => (await ctx.auth.getUserIdentity())?.name ?? null }),
  sendLater: mutationGeneric({
    args: { delayMs: v.number(), fn: v.string() },
    handler: (ctx, { delayMs, fn }) =>
      ctx.scheduler.runAfter(delayMs, makeFunctionReference<"mutation">(`messages:${fn}`), {
        body: "later",
        channel: "c",
      }),
  }),
  sendFromAction: actionGeneric({
    args: { body: v.string(), channel: v.string() },
    handler: (ctx, args) => ctx.runMutation(api.send, args),
  }),
};

const generated = { "./_generated/api.ts": async () => ({}) };
const modules: ModuleGlob = { ...generated, "./messages.ts": async () => messages };

const counterModules: ModuleGlob = {
  ...generated,
  "./lib.ts": async () => ({
    add: mutationGeneric({
      args: { name: v.string() },
      handler: async (ctx, { name }) => {
        await ctx.db.insert("counters", { name, value: 1 });
        return (await ctx.db.query("counters").collect()).length;
      },
    }),
    whoami: queryGeneric({ handler: async (ctx) => await ctx.auth.getUserIdentity() }),
    addThenCall: mutationGeneric({
      args: { name: v.string(), handle: v.string() },
      handler: async (ctx, { name, handle }) => {
        await ctx.db.insert("counters", { name, value: 1 });
        return ctx.runMutation(handle as unknown as typeof api.send, {
          body: `${name} counted`,
          channel: "c",
        });
      },
    }),
  }),
};
const components = componentsGeneric() as unknown as {
  counter: {
    lib: {
      add: FunctionReference<"mutation", "internal", { name: string }, number>;
      whoami: FunctionReference<"query", "internal", Record<string, never>>;
      addThenCall: FunctionReference<"mutation", "internal", { name: string; handle: string }>;
    };
  };
};

function newTest() {
  return convexTest(schema, modules);
}

afterEach(() => void vi.useRealTimers());

describe("functions", () => {
  test("a mutation's writes are seen by later queries, and by no other test", async () => {
    const [t, other] = [newTest(), newTest()];
    const id = await t.mutation(api.send, { body: "hello", channel: "c" });
    expect(await t.query(api.list, { channel: "c" })).toEqual(["hello"]);
    expect(await other.query(api.list, { channel: "c" })).toEqual([]);
    expect(await t.run((ctx) => ctx.db.get("messages", id))).toMatchObject({ body: "hello" });
  });

  test("tests that run at once do not meet", async () => {
    const counts = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const t = newTest();
        for (let i = 0; i < n; i++) await t.mutation(api.send, { body: `${i}`, channel: "c" });
        return ((await t.query(api.list, { channel: "c" })) as unknown[]).length;
      }),
    );
    expect(counts).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test("arguments, returned values and documents are checked with the platform's texts", async () => {
    const t = newTest();
    await expect(t.mutation(api.send, { body: 1, channel: "c" } as never)).rejects.toThrow(
      "ArgumentValidationError: Value does not match validator.\nPath: .body\nValue: 1.0\nValidator: v.string()",
    );
    await expect(t.run((ctx) => ctx.db.insert("messages", { body: 1 } as never))).rejects.toThrow(
      'Failed to insert or update a document in table "messages" because it does not match the schema',
    );
  });

  test("what a test sees of a failure is the error itself", async () => {
    const t = newTest();
    const failure = await t.mutation(api.failAfterWrite).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConvexError);
    expect((failure as ConvexError<{ code: bigint }>).data).toEqual({ code: 7n });
    expect(await t.query(api.list, { channel: "c" })).toEqual([]);
  });

  test("a nested mutation that fails leaves nothing and rejects with the platform's text", async () => {
    const t = newTest();
    expect(await t.mutation(api.sendBesideFailure)).toEqual(['Uncaught ConvexError: {"code":"7n"}', 7n]);
    expect(await t.query(api.list, { channel: "c" })).toEqual(["kept"]);
  });

  test("writes that nobody awaits belong to the mutation", async () => {
    const t = newTest();
    await t.run(async (ctx) => {
      const write = async () => {
        await ctx.db.query("messages").collect();
        await ctx.db.insert("messages", { body: "late", channel: "c" });
      };
      void write();
    });
    expect(await t.query(api.list, { channel: "c" })).toEqual(["late"]);
  });

  test("mutations run one after another, and a query keeps its snapshot while one commits", async () => {
    const t = newTest();
    const gate = Promise.withResolvers<void>();
    const first = t.query(async (ctx) => {
      const before = await ctx.db.query("messages").collect();
      await gate.promise;
      return [before.length, (await ctx.db.query("messages").collect()).length];
    });
    await t.mutation(api.send, { body: "1", channel: "c" });
    await t.mutation(api.send, { body: "2", channel: "c" });
    gate.resolve();
    expect(await first).toEqual([0, 0]);
    const increments = Array.from({ length: 10 }, () =>
      t.run(async (ctx) => {
        const all = await ctx.db.query("messages").collect();
        await ctx.db.insert("messages", { body: `${all.length}`, channel: "n" });
      }),
    );
    await Promise.all(increments);
    expect(await t.query(api.list, { channel: "n" })).toEqual(
      Array.from({ length: 10 }, (_, n) => `${n + 2}`),
    );
  });

  test("text search ranks by relevance", async () => {
    const t = newTest();
    for (const body of ["one fish in a long line of words", "fish fish", "no match"])
      await t.mutation(api.send, { body, channel: "c" });
    expect(await t.query(api.search, { text: "fish" })).toEqual([
      "fish fish",
      "one fish in a long line of words",
    ]);
  });

  test("the platform's limits hold, unless the test lifts them", async () => {
    const body = async (ctx: { db: { insert(table: "messages", row: object): Promise<unknown> } }) => {
      for (let i = 0; i < 20; i++) await ctx.db.insert("messages", { body: "x", channel: "c" });
    };
    const limited = convexTest({ schema, modules, transactionLimits: { documentsWritten: 10 } });
    await expect(limited.run(body as never)).rejects.toThrow(
      "Too many writes in a single function execution (limit: 10)",
    );
    await convexTest({ schema, modules, transactionLimits: false }).run(body as never);
  });

  test("a function that is missing is told with what there is", async () => {
    await expect(newTest().query(api.nothing)).rejects.toThrow(
      /Couldn't find "nothing" in module "messages.js": it is not exported\. Functions of this module: send, list/,
    );
  });
});

describe("what queries and mutations may not do", () => {
  test("fetch and timers, real or fake, are refused with the platform's text", async () => {
    const t = newTest();
    const wait = () => t.run(() => new Promise<null>((resolve) => void setTimeout(() => resolve(null), 1)));
    await expect(t.query(() => fetch("https://example.com"))).rejects.toThrow(
      "Can't use fetch() in queries and mutations. Please consider using an action.",
    );
    await expect(wait()).rejects.toThrow("Can't use setTimeout in queries and mutations.");
    vi.useFakeTimers();
    await expect(wait()).rejects.toThrow("Can't use setTimeout in queries and mutations.");
    const fired = vi.fn();
    setTimeout(fired, 10);
    vi.runAllTimers();
    expect(fired).toHaveBeenCalledOnce();
    vi.useRealTimers();
    vi.stubGlobal("fetch", async () => new Response("stub"));
    await expect(t.query(() => fetch("https://example.com"))).rejects.toThrow("Can't use fetch()");
    const inAction = t.action(async () => (await fetch("https://example.com")).text());
    expect(await inAction).toBe("stub");
    vi.unstubAllGlobals();
    await t.action(() => new Promise<null>((resolve) => void setTimeout(() => resolve(null), 1)));
  });
});

describe("HTTP actions", () => {
  const http = httpRouter();
  http.route({
    path: "/messages",
    method: "POST",
    handler: httpActionGeneric(async (ctx, request) => {
      await ctx.runMutation(api.send, { body: await request.text(), channel: "http" });
      return new Response((await ctx.auth.getUserIdentity())?.name ?? "nobody", { status: 201 });
    }),
  });
  http.route({
    pathPrefix: "/echo/",
    method: "GET",
    handler: httpActionGeneric(async (_, { url }) => new Response(url)),
  });
  const withHttp = { ...modules, "./http.ts": async () => ({ default: http }) };

  test("are found by path, prefix and method", async () => {
    const t = convexTest(schema, withHttp);
    const response = await t.withIdentity({ name: "Ada" }).fetch("/messages", { method: "POST", body: "hi" });
    expect([response.status, await response.text()]).toEqual([201, "Ada"]);
    expect(await t.query(api.list, { channel: "http" })).toEqual(["hi"]);
    const echo = await t.fetch("/echo/a/b?c=d");
    expect(await echo.text()).toBe("https://test.convex.site/echo/a/b?c=d");
    const missing = await t.fetch("/messages");
    expect([missing.status, await missing.text()]).toEqual([404, "No HttpAction routed for /messages"]);
    const none = await newTest().fetch("/messages");
    expect([none.status, await none.text()]).toEqual([
      404,
      "This Convex deployment does not have HTTP actions enabled.",
    ]);
  });
});

describe("files", () => {
  test("are stored and read by transactions and actions, and gone with their document", async () => {
    const t = newTest();
    const id = await t.action((ctx) => ctx.storage.store(new Blob(["abc"], { type: "text/plain" })));
    expect(await t.run((ctx) => ctx.db.system.get("_storage", id))).toMatchObject({
      size: 3,
      contentType: "text/plain",
      sha256: "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
    });
    expect(await t.action(async (ctx) => (await ctx.storage.get(id))?.text() ?? null)).toBe("abc");
    expect(await t.run((ctx) => ctx.storage.getUrl(id))).toMatch(
      /^https:\/\/test.convex.cloud\/api\/storage\//,
    );
    await t.run((ctx) => ctx.storage.delete(id));
    expect(await t.run((ctx) => ctx.storage.getUrl(id))).toBeNull();
    expect(await t.action((ctx) => ctx.storage.get(id))).toBeNull();
  });
});

describe("vector search", () => {
  test("finds the nearest documents that pass the filter", async () => {
    const t = convexTest(
      defineSchema({
        points: defineTable({ at: v.array(v.number()), kind: v.string() }).vectorIndex("by_at", {
          vectorField: "at",
          dimensions: 2,
          filterFields: ["kind"],
        }),
      }),
      generated,
    );
    const ids = await t.run(async (ctx) => [
      await ctx.db.insert("points", { at: [1, 0], kind: "a" }),
      await ctx.db.insert("points", { at: [0.8, 0.6], kind: "b" }),
      await ctx.db.insert("points", { at: [0, 1], kind: "a" }),
    ]);
    const search = (kind: string | null) =>
      t.action((ctx) =>
        ctx.vectorSearch("points", "by_at", {
          vector: [1, 0],
          limit: 2,
          ...(kind === null ? {} : { filter: (q) => q.eq("kind", kind) }),
        }),
      );
    expect((await search(null)).map(({ _id }) => _id)).toEqual([ids[0], ids[1]]);
    expect((await search("a")).map(({ _id, _score }) => [_id, _score])).toEqual([
      [ids[0], 1],
      [ids[2], 0],
    ]);
  });
});

describe("components", () => {
  test("have their own tables and no identity, and take part in the caller's transaction", async () => {
    const t = newTest();
    t.registerComponent("counter", counterSchema, counterModules);
    const asUser = t.withIdentity({ name: "Ada" });
    expect(await asUser.query(api.whoami)).toBe("Ada");
    expect(await asUser.query((ctx) => ctx.runQuery(components.counter.lib.whoami))).toBeNull();
    await expect(
      t.run(async (ctx) => {
        await ctx.runMutation(components.counter.lib.add, { name: "a" });
        throw new Error("stop");
      }),
    ).rejects.toThrow("stop");
    expect(await t.run((ctx) => ctx.runMutation(components.counter.lib.add, { name: "a" }))).toBe(1);
  });

  test("call back by function handles", async () => {
    const t = newTest();
    t.registerComponent("counter", counterSchema, counterModules);
    await t.run(async (ctx) => {
      const handle = await createFunctionHandle(api.send);
      await ctx.runMutation(components.counter.lib.addThenCall, { name: "x", handle });
    });
    expect(await t.query(api.list, { channel: "c" })).toEqual(["x counted"]);
  });

  test("a component that is not registered is told with how to", async () => {
    await expect(
      newTest().run((ctx) => ctx.runMutation(components.counter.lib.add, { name: "a" })),
    ).rejects.toThrow(
      'Component "counter" is not registered. Call t.registerComponent("counter", schema, modules)',
    );
  });
});

describe("scheduled functions", () => {
  const rows = (t: ReturnType<typeof newTest>) =>
    t.run((ctx) => ctx.db.system.query("_scheduled_functions").collect());

  test("run when fake timers reach them", async () => {
    vi.useFakeTimers();
    const t = newTest();
    await t.mutation(api.sendLater, { delayMs: 5000, fn: "send" });
    vi.advanceTimersByTime(4999);
    await t.finishInProgressScheduledFunctions();
    expect(await t.query(api.list, { channel: "c" })).toEqual([]);
    expect(await rows(t)).toMatchObject([{ name: "messages.js:send", state: { kind: "pending" } }]);
    vi.advanceTimersByTime(1);
    await t.finishInProgressScheduledFunctions();
    expect(await t.query(api.list, { channel: "c" })).toEqual(["later"]);
    expect(await rows(t)).toMatchObject([{ state: { kind: "success" } }]);
  });

  test("actions too, with what they schedule themselves", async () => {
    vi.useFakeTimers();
    const t = newTest();
    await t.mutation(api.sendLater, { delayMs: 5000, fn: "sendFromAction" });
    await t.finishAllScheduledFunctions(vi.runAllTimers);
    expect(await t.query(api.list, { channel: "c" })).toEqual(["later"]);
  });

  test("are not scheduled by a mutation that fails, and can be canceled", async () => {
    vi.useFakeTimers();
    const t = newTest();
    await t
      .run(async (ctx) => {
        await ctx.scheduler.runAfter(0, api.send, { body: "x", channel: "c" });
        throw new Error("no");
      })
      .catch(() => {});
    expect(await rows(t)).toEqual([]);
    const id = await t.mutation(api.sendLater, { delayMs: 10, fn: "send" });
    await t.run((ctx) => ctx.scheduler.cancel(id));
    await t.finishAllScheduledFunctions(vi.runAllTimers);
    expect(await rows(t)).toMatchObject([{ state: { kind: "canceled" } }]);
    expect(await t.query(api.list, { channel: "c" })).toEqual([]);
  });
});
