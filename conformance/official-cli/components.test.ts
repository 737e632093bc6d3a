import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Exit } from "../support/childRun.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { noTypecheck } from "./sample.ts";

/*
 * What is wrong with components, at push and at call: the platform's words, and nothing changed. The definitions' checks
 * have more cases in packages/lenslet/src/deploy/componentPush.test.ts.
 */

const appConfig = (uses: string, imports = 'import notes from "./notes/convex.config.js";\n') =>
  `import { defineApp } from "convex/server";\n${imports}const app = defineApp({ env: { KEY: v.optional(v.string()) } });\n${uses}\nexport default app;\n`.replace(
    '"convex/server";\n',
    '"convex/server";\nimport { v } from "convex/values";\n',
  );
const component = (body: string) =>
  `import { defineComponent } from "convex/server";\nimport { v } from "convex/values";\n${body}\n`;
const functions = (from: string) =>
  `import { internalMutation, mutation, query } from "${from}_generated/server";\nimport { v } from "convex/values";\n`;

const files = {
  "package.json": `${JSON.stringify({ name: "app", private: true, type: "module", dependencies: { convex: "1.48.0" } })}\n`,
  "convex/convex.config.ts": appConfig('app.use(notes, { env: { MODE: "fast" } });'),
  "convex/notes/convex.config.ts": component(
    'export default defineComponent("notes", { env: { MODE: v.union(v.literal("fast"), v.literal("slow")) } });',
  ),
  "convex/notes/lib.ts": `${functions("./")}
export const add = mutation({ args: { body: v.string() }, handler: (ctx, { body }) => ctx.db.insert("notes", { body }) });
export const list = query(async (ctx) => (await ctx.db.query("notes").collect()).map(({ body }) => body));
export const wipe = internalMutation(async (ctx) => {
  for (const { _id } of await ctx.db.query("notes").collect()) await ctx.db.delete(_id);
});
`,
  "convex/notes/extra.ts": `${functions("./")}
export const addTwice = mutation({
  args: { body: v.string() },
  handler: async (ctx, { body }) => {
    await ctx.db.insert("notes", { body });
    await ctx.db.insert("notes", { body });
  },
});
`,
  "convex/app.ts": `${functions("./")}import { createFunctionHandle } from "convex/server";
import { components } from "./_generated/api";

/** Writes here and in the component, then calls what is asked for there. */
export const callThere = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await ctx.db.insert("mine", {});
    await ctx.runMutation(components.notes.lib.add, { body: "before the call" });
    await ctx.runMutation((components as any)[name.split(".")[0]!].lib[name.split(".")[1]!], {});
  },
});
export const handleThere = mutation(() => createFunctionHandle(components.notes.extra.addTwice));
export const callHandle = mutation({
  args: { handle: v.string() },
  handler: async (ctx, { handle }) => {
    await ctx.db.insert("mine", {});
    await ctx.runMutation(handle as any, { body: "by handle" });
  },
});
export const all = query(async (ctx) => [
  (await ctx.db.query("mine").collect()).length,
  await ctx.runQuery(components.notes.lib.list, {}),
]);
`,
};

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create().connect(server).writeAll(files);
  expect(await push()).toMatchObject({ code: 0 });
  await server.call("app:callThere", { name: "notes.list" }).catch(() => {});
  await project.convex(["run", "--component", "notes", "lib:add", '{"body":"kept"}']);
});
afterAll(() => server?.dispose());

async function push(): Promise<Exit> {
  return await project.convex(["dev", "--once", ...noTypecheck]);
}

/** All that a push or a call could have changed, as far as it shows. */
async function state(): Promise<unknown> {
  return [
    await server.call("_system/cli/modules:apiSpec"),
    await server.call("_system/frontend/components:list"),
    await server.call("app:all"),
  ];
}

async function failedPush(edits: Readonly<Record<string, string>>): Promise<string> {
  const before = await state();
  const { code, stderr } = await project.withFiles(edits, push);
  expect(code).toBe(1);
  expect(await state()).toEqual(before);
  return stderr;
}

async function failedCall(name: string, args: Readonly<Record<string, unknown>>): Promise<string> {
  const before = await state();
  const error = await server.call(name, args).then(
    () => "it did not fail",
    (thrown: Error) => thrown.message,
  );
  expect(await state()).toEqual(before);
  return error;
}

describe("a push is refused as a whole", () => {
  it("when a component's definition throws", async () => {
    const stderr = await failedPush({
      "convex/notes/convex.config.ts": component(
        'throw new Error("not today");\nexport default defineComponent("notes");',
      ),
    });
    expect(stderr).toContain("not today");
  });

  it("when components mount each other in a circle", async () => {
    const stderr = await failedPush({
      "convex/notes/convex.config.ts": component(
        'import inner from "./inner/convex.config.js";\nconst notes = defineComponent("notes");\nnotes.use(inner);\nexport default notes;',
      ),
      "convex/notes/inner/convex.config.ts": component(
        'import notes from "../convex.config.js";\nconst inner = defineComponent("inner");\ninner.use(notes);\nexport default inner;',
      ),
    });
    expect(stderr).toContain("in a circle");
  });

  it.each([
    ["{ MODE: 'fast', NOPE: 'x' }", "Component notes has no env var named NOPE"],
    ["{}", "Component notes is missing required env var MODE"],
    ["{ MODE: 'medium' }", "Component notes has an invalid value for env var MODE"],
    ["{ MODE: app.env.KEY }", "Component notes env var MODE is required, but parent env var KEY is optional"],
  ])("when the variables given to a component are not those it declares: %s", async (env, message) => {
    const stderr = await failedPush({
      "convex/convex.config.ts": appConfig(`app.use(notes, { env: ${env} as never });`),
    });
    expect(stderr).toContain(message);
  });

  it("when a component's module cannot be loaded", async () => {
    const stderr = await failedPush({
      "convex/notes/extra.ts": 'export const x = 1;\nthrow new Error("no such thing");\n',
    });
    expect(stderr).toContain("no such thing");
  });
});

describe("a call is undone as a whole", () => {
  it.each([
    ["notes.absent", 'Child component "notes" does not export lib.absent'],
    ["notes.wipe", 'Child component "notes" does not export lib.wipe'],
    ["elsewhere.list", 'Child component "elsewhere" not found'],
  ])("that reaches for what there is not, or is not public: %s", async (name, message) => {
    expect(await failedCall("app:callThere", { name })).toContain(`Uncaught Error: ${message}`);
  });

  it("through a handle whose function is gone, until it is there again", async () => {
    const handle = (await server.call("app:handleThere")) as string;
    const without = {
      "convex/notes/extra.ts": "export {};\n",
      "convex/app.ts": files["convex/app.ts"].replace(/^export const handleThere.*\n/m, ""),
    };
    await project.withFiles(without, async () => {
      expect(await push()).toMatchObject({ code: 0 });
      expect(await failedCall("app:callHandle", { handle })).toContain("Function handle not found");
    });
    expect(await push()).toMatchObject({ code: 0 });
    await server.call("app:callHandle", { handle });
    expect(await server.call("app:all")).toEqual([1, ["kept", "by handle", "by handle"]]);
    for (const broken of [`${handle.split("#")[0]}0`, "function://nothing", "function://"])
      expect(await failedCall("app:callHandle", { handle: broken })).toMatch(/unction handle/);
  });

  it("that writes to a component which is not mounted any more", async () => {
    await project.withFiles(
      {
        "convex/convex.config.ts": appConfig("", ""),
        "convex/app.ts": `${functions("./")}export const all = query(async (ctx) => (await ctx.db.query("mine").collect()).length);`,
      },
      async () => {
        const { stderr } = await push();
        expect(stderr).toContain("Unmounted component notes.");
        const before = await state();
        const run = await project.convex(["run", "--component", "notes", "lib:add", '{"body":"late"}']);
        expect(run.code).toBe(1);
        expect(run.stderr).toContain(
          "Cannot perform write operations in an unmounted component. Make sure your component is installed in your `convex.config.ts` file.",
        );
        expect(await state()).toEqual(before);
      },
    );
    expect((await push()).stderr).toContain("Remounted component notes.");
    expect(await server.call("app:all")).toEqual([1, ["kept", "by handle", "by handle"]]);
  });
});
