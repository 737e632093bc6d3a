// @vitest-environment edge-runtime
import {
  componentsGeneric,
  defineSchema,
  defineTable,
  internalMutationGeneric,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
  type RegisteredMutation,
} from "convex/server";
import { v } from "convex/values";
import { afterEach, describe, expect, test, vi } from "vitest";
import { convexTest } from "./index.ts";

/* What `convex-test` has besides calls of functions, in the environment that its users give their tests. */

const schema = defineSchema({
  rows: defineTable({ n: v.number() }),
});
const components = componentsGeneric() as unknown as {
  parent: Record<string, Record<string, ReturnType<typeof makeFunctionReference<"mutation">>>>;
};
const again = makeFunctionReference<"mutation">("rows:again");
const add = mutationGeneric({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    await ctx.db.insert("rows", { n });
    return (await ctx.db.query("rows").collect()).length;
  },
});
const addOne = mutationGeneric({
  handler: (ctx) => ctx.runMutation(makeFunctionReference<"mutation">("rows:add"), { n: 1 }),
});
const rows = {
  add,
  addOne,
  count: queryGeneric({ handler: async (ctx) => (await ctx.db.query("rows").collect()).length }),
  again: internalMutationGeneric({ handler: (ctx) => ctx.scheduler.runAfter(1000, again, {}) }),
  twoPages: queryGeneric({
    handler: async (ctx) => {
      const page = { numItems: 1, cursor: null };
      await ctx.db.query("rows").paginate(page);
      await ctx.db.query("rows").paginate(page);
    },
  }),
  from: mutationGeneric({
    handler: async (ctx) => {
      const { ip, userAgent } = await ctx.meta.getRequestMetadata();
      return [ip, userAgent];
    },
  }),
};
const modules = { "./_generated/api.ts": async () => ({}), "./rows.ts": async () => rows };
const count = makeFunctionReference<"query", Record<string, never>, number>("rows:count");

afterEach(() => void vi.useRealTimers());

describe("ways to call a function", () => {
  test("by path, and as an object that no module exports", async () => {
    const t = convexTest(schema, modules) as unknown as {
      mutationFromPath(path: unknown, args?: object): Promise<unknown>;
      queryFromPath(path: unknown, args?: object): Promise<unknown>;
      fun(fn: RegisteredMutation<"public", { n: number }, Promise<number>>, args: object): Promise<unknown>;
      registerComponent(path: string, schema: object, modules: object): void;
    };
    t.registerComponent("parent/child", schema, modules);
    expect(await t.mutationFromPath("rows:add", { n: 1 })).toBe(1);
    expect(await t.fun(add, { n: 2 })).toBe(2);
    const inChild = { componentPath: "parent/child", udfPath: "rows:add" };
    expect(await t.mutationFromPath(inChild, { n: 3 })).toBe(1);
    await expect(t.queryFromPath("rows:add", { n: 1 })).rejects.toThrow(
      'Expected a query function, but `add` of module "rows.js" is defined as Mutation.',
    );
  });

  test("with the address and user agent of a request", async () => {
    const t = convexTest(schema, modules).withRequestMetadata({ ip: "10.0.0.1", userAgent: "test/1" });
    const from = makeFunctionReference<"mutation">("rows:from");
    expect(await t.mutation(from)).toEqual(["10.0.0.1", "test/1"]);
    expect(await convexTest(schema, modules).mutation(from)).toEqual([null, null]);
  });

  test("as a user of whom the test says nothing but a name", async () => {
    const whoami = (name: string) =>
      convexTest(schema, modules)
        .withIdentity({ name })
        .query((ctx) => ctx.auth.getUserIdentity());
    const [ada, ben] = [await whoami("Ada"), await whoami("Ben")];
    expect(ada).toMatchObject({ name: "Ada", issuer: "https://convex.test" });
    expect(ada?.tokenIdentifier).toBe(`https://convex.test|${ada?.subject}`);
    expect(ben?.subject).not.toBe(ada?.subject);
  });

  test("a second paginate in one function is refused", async () => {
    await expect(
      convexTest(schema, modules).query(makeFunctionReference<"query">("rows:twoPages")),
    ).rejects.toThrow("Convex only supports a single paginated query in each function.");
  });
});

describe("components", () => {
  test("that are registered after the first call begin empty and leave the data alone", async () => {
    for (const isLate of [false, true, true]) {
      const t = convexTest(schema, modules);
      if (!isLate) t.registerComponent("parent", schema, modules);
      await t.run((ctx) => ctx.db.insert("rows", { n: 1 }));
      if (isLate) t.registerComponent("parent", schema, modules);
      expect(await t.run((ctx) => ctx.runMutation(components.parent["rows"]!["addOne"]!, {}))).toBe(1);
      expect(await t.query(count)).toBe(1);
    }
  });
});

describe("time and chance", () => {
  test("creation times are those of the fake clock, and ids spend no Math.random", async () => {
    vi.useFakeTimers({ now: Date.UTC(2020, 0, 1) });
    // The test runner may call it as well.
    const callers: string[] = [];
    const random = vi.spyOn(Math, "random").mockImplementation(() => {
      callers.push(new Error("called").stack ?? "");
      return 0.5;
    });
    const t = convexTest(schema, modules);
    const first = await t.run(async (ctx) => ctx.db.get(await ctx.db.insert("rows", { n: 1 })));
    vi.setSystemTime(Date.UTC(2021, 0, 1));
    const second = await t.run(async (ctx) => ctx.db.get(await ctx.db.insert("rows", { n: 2 })));
    expect([first, second].map((row) => Math.floor(row?._creationTime ?? 0))).toEqual([
      Date.UTC(2020, 0, 1),
      Date.UTC(2021, 0, 1),
    ]);
    random.mockRestore();
    expect(callers.filter((stack) => /(lenslet|testing)\/src\/(?!surface)/.test(stack))).toEqual([]);
  });

  test("a function that schedules itself without end is named", async () => {
    vi.useFakeTimers();
    const t = convexTest(schema, modules);
    await t.mutation(again);
    await expect(t.finishAllScheduledFunctions(() => vi.advanceTimersToNextTimer(), 3)).rejects.toThrow(
      "finishAllScheduledFunctions: functions are still scheduled after 3 iterations: rows.js:again.",
    );
  });
});
