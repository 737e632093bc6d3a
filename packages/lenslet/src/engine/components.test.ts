import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { appConfig, componentConfig, componentPushBody } from "../deploy/testing/componentModules.ts";
import { bundleApp } from "../deploy/testing/testBundle.ts";
import type { FunctionTarget } from "./api.ts";
import { failureOf, TestEngine, user, valueOf } from "./testEngine.ts";

const notes = "../node_modules/notes";
const inner = "../node_modules/inner";

const functions = `import { query, mutation, action, internalQuery, internalMutation } from "../_generated/server";
  import { v } from "convex/values"; import { componentsGeneric, createFunctionHandle } from "convex/server";
  const components = componentsGeneric();
  const caught = async (promise) => { try { return { value: await promise }; } catch (error) { return { message: error.message }; } };`;

const notesFiles = {
  "lib/items.ts": `${functions}
    export const add = mutation({ args: { body: v.string(), fail: v.optional(v.boolean()) }, handler: async (ctx, { body, fail }) => {
      const id = await ctx.db.insert("items", { body });
      await ctx.runMutation(components.inner.lib.log.write, { line: body });
      if (fail) throw new Error("no");
      return id;
    } });
    export const list = query(async (ctx) => (await ctx.db.query("items").collect()).map(({ body }) => body));
    export const lines = query((ctx) => ctx.runQuery(components.inner.lib.log.read, {}));
    export const get = query({ args: { id: v.id("items") }, handler: async (ctx, { id }) => (await ctx.db.get(id)).body });
    export const page = query((ctx) => ctx.db.query("items").paginate({ numItems: 1, cursor: null }));
    export const who = query(async (ctx) => (await ctx.auth.getUserIdentity())?.name ?? null);
    export const meta = query((ctx) => ctx.meta.getFunctionMetadata());
    export const token = mutation(async (ctx) => (await ctx.meta.getRequestMetadata()).authToken);
    export const env = query(() => [process.env.TOKEN, process.env.SECRET ?? null]);
    export const secret = internalQuery(() => "hidden");
    export const callBack = mutation({ args: { handle: v.string() }, handler: (ctx, { handle }) => ctx.runMutation(handle, {}) });
    export const file = mutation((ctx) => ctx.storage.generateUploadUrl());
    export const later = mutation(async (ctx) => { const id = await ctx.scheduler.runAfter(1e6, "lib/items:add", { body: "later" }); return (await ctx.db.system.get(id)).name; });
    export const keep = mutation((ctx) => ctx.storage.store(new Blob(["kept"])));
    export const drop = mutation({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.storage.delete(id) });
    export const laterId = mutation((ctx) => ctx.scheduler.runAfter(1e6, "lib/items:add", { body: "later" }));
    export const cancel = mutation({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.scheduler.cancel(id) });
    export const counts = query(async (ctx) => [(await ctx.db.system.query("_storage").collect()).length, (await ctx.db.system.query("_scheduled_functions").collect()).map(({ state }) => state.kind)]);
    export default query(() => "default");
  `,
};
const innerFiles = {
  "lib/log.ts": `${functions}
    export const write = mutation({ args: { line: v.string() }, handler: async (ctx, { line }) => { await ctx.db.insert("lines", { line }); } });
    export const read = query(async (ctx) => (await ctx.db.query("lines").collect()).map(({ line }) => line));
  `,
};
const appFiles = {
  "m.ts": `${functions.replace("../_gen", "./_gen")}
    const { a, b } = components;
    export const add = mutation((ctx, args) => ctx.runMutation(a.lib.items.add, args));
    export const addCaught = mutation(async (ctx) => {
      await ctx.db.insert("mine", {});
      await ctx.runMutation(a.lib.items.add, { body: "kept" });
      return caught(ctx.runMutation(a.lib.items.add, { body: "undone", fail: true }));
    });
    export const lists = query(async (ctx) => [await ctx.runQuery(a.lib.items.list, {}), await ctx.runQuery(b.lib.items.list, {}), await ctx.runQuery(a.lib.items.lines, {})]);
    export const call = query((ctx, { name, args }) => caught(ctx.runQuery(a.lib.items[name], args ?? {})));
    export const missing = query((ctx) => Promise.all([caught(ctx.runQuery(components.nowhere.lib.items.list, {})), caught(ctx.runQuery(a.lib.items.absent, {})), caught(ctx.runQuery(a.lib.items.secret, {}))]));
    export const who = query(async (ctx) => [(await ctx.auth.getUserIdentity())?.name ?? null, await ctx.runQuery(a.lib.items.who, {})]);
    export const whoAmI = internalMutation(async (ctx) => [(await ctx.auth.getUserIdentity())?.name ?? null, (await ctx.db.query("mine").collect()).length]);
    export const throughHandle = mutation(async (ctx) => ctx.runMutation(a.lib.items.callBack, { handle: await createFunctionHandle("m:whoAmI") }));
    export const handleOf = mutation(() => createFunctionHandle(a.lib.items.list));
    export const byHandle = query((ctx, { handle }) => caught(ctx.runQuery(handle, {})));
    export const mutate = mutation((ctx, { name, args }) => caught(ctx.runMutation(a.lib.items[name], args ?? {})));
  `,
};

let engine: TestEngine;

async function body(mounts: readonly string[] = ["a", "b"], files: Record<string, string> = notesFiles) {
  const [app, component, nested] = await Promise.all([
    bundleApp(appFiles),
    bundleApp(files),
    bundleApp(innerFiles),
  ]);
  const uses = mounts.map((name) => ({ name, path: notes, env: { TOKEN: `token of ${name}` } }));
  return componentPushBody(
    { config: appConfig(uses), uses: [notes], modules: app.modules },
    {
      [notes]: {
        config: componentConfig("notes", [{ name: "inner", path: inner }], {
          env: { TOKEN: { type: "string" } },
        }),
        uses: [inner],
        modules: component.modules,
      },
      [inner]: { config: componentConfig("inner"), modules: nested.modules },
    },
  );
}

const inNotes = (path: string, componentPath = "a"): { target: FunctionTarget } => ({
  target: { kind: "path", path, componentPath },
});
const admin = { identity: { kind: "admin", actingAs: null } } as const;

beforeAll(async () => {
  engine = await TestEngine.start(appFiles);
  await engine.system("env.commit", { changes: [{ name: "SECRET", value: "of the app" }], evaluated: null });
  await engine.pushBody(await body());
});
afterAll(() => engine.dispose());

describe("calls across components", () => {
  it("share the caller's transaction, each instance with its own data, and are live", async () => {
    const live = await engine.open("m:lists");
    expect(engine.valueOf(live)).toEqual([[], [], []]);
    await engine.mutation("m:add", { body: "one" });
    expect(engine.valueOf(live)).toEqual([["one"], [], ["one"]]);
  });

  it("undo what a callee wrote in all its components when it throws, and nothing else", async () => {
    const outcome = valueOf(await engine.mutation("m:addCaught")) as { message: string };
    expect(outcome.message).toContain("Uncaught Error: no");
    expect(valueOf(await engine.query("m:lists"))).toEqual([["one", "kept"], [], ["one", "kept"]]);
    expect(failureOf(await engine.mutation("m:add", { body: "never", fail: true }))).toContain("no");
    expect(valueOf(await engine.query("m:lists"))).toEqual([["one", "kept"], [], ["one", "kept"]]);
  });

  it("name what they cannot reach", async () => {
    expect(valueOf(await engine.query("m:missing"))).toEqual([
      { message: 'Child component "nowhere" not found' },
      { message: 'Child component "a" does not export lib.items.absent' },
      { message: 'Child component "a" does not export lib.items.secret' },
    ]);
    const target = (reference: string): { target: FunctionTarget } => ({
      target: { kind: "reference", fromComponentPath: "", reference },
    });
    const fromAction = await engine.query("", {}, target("_reference/childComponent/a/lib/items/absent"));
    expect(failureOf(fromAction)).toBe("Couldn't resolve a.lib.items.absent\n");
    const byDefault = await engine.query("", {}, target("_reference/childComponent/a/lib/items/default"));
    expect(valueOf(byDefault)).toBe("default");
  });

  it("leave identity on its side of the border, in both directions", async () => {
    const identity = { ...user("me"), token: "a.b.c" };
    expect(valueOf(await engine.mutation("m:mutate", { name: "token" }, { identity }))).toEqual({
      value: null,
    });
    expect(valueOf(await engine.query("m:who", {}, { identity }))).toEqual(["me", null]);
    expect(valueOf(await engine.mutation("m:throughHandle", {}, { identity }))).toEqual([null, 1]);
    const reference = "_reference/childComponent/a/lib/items/who";
    const target: FunctionTarget = { kind: "reference", fromComponentPath: "", reference };
    expect(valueOf(await engine.query("", {}, { identity, target }))).toBeNull();
  });

  it("take ids, pages, metadata, variables and jobs from the callee's component", async () => {
    const appId = valueOf(await engine.mutation("m:add", { body: "two" }));
    const call = async (name: string, args = {}) => valueOf(await engine.query("m:call", { name, args }));
    expect(await call("get", { id: appId })).toEqual({ value: "two" });
    expect((await call("page")) as { message: string }).toHaveProperty(
      "message",
      expect.stringContaining(
        "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination",
      ),
    );
    expect(await call("meta")).toMatchObject({ value: { name: "lib/items:meta", componentPath: "a" } });
    expect(await call("env")).toEqual({ value: ["token of a", null] });
    expect(valueOf(await engine.mutation("m:mutate", { name: "later" }))).toEqual({
      value: "lib/items.js:add",
    });
  });
});

describe("functions of components by path", () => {
  it("are for admins", async () => {
    const text = "Could not find public function for 'lib/items:list' in 'a'.\n";
    expect(failureOf(await engine.query("", {}, inNotes("lib/items:list")))).toBe(text);
    expect(valueOf(await engine.query("", {}, { ...inNotes("lib/items:secret", "b"), ...admin }))).toBe(
      "hidden",
    );
    await expect(
      engine.query("", {}, { ...inNotes("lib/items:list", "nowhere"), ...admin }),
    ).rejects.toMatchObject({ code: "ComponentPathNotFound" });
  });
});

describe("handles and unmounted components", () => {
  it("keeps handles through pushes, refuses those of deleted functions, and revives them", async () => {
    const handle = valueOf(await engine.mutation("m:handleOf"));
    const { "lib/items.ts": source } = notesFiles;
    const without = { "lib/items.ts": source.replace("export const list =", "const list =") };
    await engine.pushBody(await body(["a", "b"], without));
    expect(valueOf(await engine.query("m:byHandle", { handle }))).toEqual({
      message: "Function handle not found",
    });
    await engine.pushBody(await body());
    expect(valueOf(await engine.query("m:byHandle", { handle }))).toHaveProperty("value");
  });

  it("reads an unmounted component and refuses to write to it", async () => {
    const tellA = (name: string, args = {}) =>
      engine.mutation("", args, { ...inNotes(`lib/items:${name}`), ...admin });
    const [file, job] = [valueOf(await tellA("keep")), valueOf(await tellA("laterId"))];
    const counts = async () =>
      valueOf(await engine.query("", {}, { ...inNotes("lib/items:counts"), ...admin }));
    const before = await counts();
    await engine.pushBody(await body(["b"]));
    const refusal =
      "Cannot perform write operations in an unmounted component. Make sure your component is installed in your `convex.config.ts` file.";
    for (const [name, args] of [
      ["keep", {}],
      ["drop", { id: file }],
      ["laterId", {}],
      ["cancel", { id: job }],
    ] as const)
      expect(failureOf(await tellA(name, args))).toContain(refusal);
    const uploaded = { fileId: "x", key: "y", sha256: "", size: 0, contentType: null };
    const namespace = (
      valueOf(await engine.query("_system/frontend/components:list", {}, admin)) as { id: string }[]
    )[1];
    await expect(
      engine.system("files.store", { ...uploaded, component: namespace?.id }),
    ).rejects.toMatchObject({
      code: "UnmountedComponent",
    });
    expect(await counts()).toEqual(before);
    const missing = valueOf(await engine.query("m:call", { name: "list" }));
    expect(missing).toEqual({ message: 'Child component "a" not found' });
    const list = await engine.query("", {}, { ...inNotes("lib/items:list"), ...admin });
    expect(valueOf(list)).toContain("one");
    const add = await engine.mutation("", { body: "x" }, { ...inNotes("lib/items:add"), ...admin });
    expect(failureOf(add)).toContain(refusal);
    const listed = await engine.query("_system/frontend/components:list", {}, admin);
    const [, a] = valueOf(listed) as { id: string; path: string; state: string }[];
    expect(a).toMatchObject({ path: "a", state: "unmounted" });
    await engine.system("admin.deleteComponent", { componentId: a?.id });
    await engine.pushBody(await body());
    expect(valueOf(await engine.query("m:lists"))).toEqual([[], [], ["one", "kept", "two"]]);
  });
});
