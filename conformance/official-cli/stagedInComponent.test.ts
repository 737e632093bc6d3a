import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { stagedStatus } from "../support/stagedStatus.ts";
import { noTypecheck } from "./sample.ts";

// `.staged()` in the schema of a component that is mounted twice: each mount has documents, and so a fate, of its own.

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let server: TestServer;
let project: TestProject;

const loose = "{ n: v.union(v.number(), v.string()) }";
const strict = "{ n: v.number() }";

function writeSchema(definition: string): void {
  project.write(
    "convex/stock/schema.ts",
    `import { defineSchema, defineTable } from "convex/server";
     import { v } from "convex/values";
     export default defineSchema({ items: defineTable${definition} });`,
  );
}
const deploy = () => project.convex(["deploy", ...noTypecheck], { env: { NO_COLOR: "1" } });

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create().connect(server);
  writeSchema(`(${loose})`);
  project.writeAll({
    "convex/convex.config.ts": `import { defineApp } from "convex/server";
      import stock from "./stock/convex.config.js";
      const app = defineApp();
      app.use(stock, { name: "first" });
      app.use(stock, { name: "second" });
      export default app;`,
    "convex/stock/convex.config.ts": `import { defineComponent } from "convex/server";
      export default defineComponent("stock");`,
    "convex/stock/items.ts": `import { v } from "convex/values";
      import { mutation } from "./_generated/server";
      export const add = mutation({ args: { n: v.any() }, returns: v.string(), handler: (ctx, { n }) =>
        ctx.db.insert("items", { n }) });
      export const fill = mutation({ args: {}, returns: v.null(), handler: async (ctx) => {
        for (let n = 0; n < 2000; n++) await ctx.db.insert("items", { n });
        return null;
      } });
      export const set = mutation({ args: { id: v.id("items"), n: v.any() }, returns: v.null(), handler: async (ctx, { id, n }) => {
        await ctx.db.patch(id, { n });
        return null;
      } });`,
    "convex/app.ts": `import { v } from "convex/values";
      import { components } from "./_generated/api";
      import { mutation } from "./_generated/server";
      const mounts = { first: components.first.items, second: components.second.items };
      const to = v.union(v.literal("first"), v.literal("second"));
      export const add = mutation({ args: { to, n: v.any() }, handler: (ctx, { to, n }) => ctx.runMutation(mounts[to].add, { n }) });
      export const fill = mutation({ args: { to }, handler: (ctx, { to }) => ctx.runMutation(mounts[to].fill, {}) });
      export const set = mutation({ args: { to, id: v.string(), n: v.any() }, handler: (ctx, { to, id, n }) =>
        ctx.runMutation(mounts[to].set, { id, n }) });`,
  });
  const { code, output } = await project.convex(["dev", "--once", ...noTypecheck]);
  expect(code, output).toBe(0);
  for (const to of ["first", "second"]) await server.call("app:fill", { to });
});
afterAll(() => server.dispose());

const mismatch = (id: string): string =>
  `Document with ID "${id}" in table "items" does not match the schema: Value does not match validator.\n` +
  `Path: .n\nValue: "four"\nValidator: v.float64()`;
const valid = "items: validated. Safe to apply the staged schema changes and deploy.\n";

let wrong: string;

it("is validated behind the push in each mount", async () => {
  writeSchema(`(${loose}).staged(${strict})`);
  const { code, output } = await deploy();
  expect(code, output).toBe(0);
  const status = await stagedStatus(project);
  for (const mount of ["first", "second"]) expect(status).toContain(`  ${mount}: ${valid}`);
});

it("fails in the mount in which a document is written against it, and there alone", async () => {
  wrong = (await server.call("app:add", { to: "second", n: "four" })) as string;
  const status = await stagedStatus(project);
  expect(status).toContain(`  first: ${valid}`);
  expect(status).toContain(`  second: items: failed: ${mismatch(wrong)} (fix the offending documents`);
});

it("cannot be promoted then, and the failed push leaves both mounts as they were", async () => {
  writeSchema(`(${strict})`);
  const { code, stderr } = await deploy();
  expect(code).toBe(1);
  expect(stderr).toContain(mismatch(wrong));
  for (const to of ["first", "second"]) {
    const id = await server.call("app:add", { to, n: "five" });
    await server.call("app:set", { to, id, n: 5 });
  }
});

it("is promoted in both once the document is mended, and enforced from then on", async () => {
  await server.call("app:set", { to: "second", id: wrong, n: 4 });
  writeSchema(`(${loose}).staged(${strict})`);
  const staged = await deploy();
  expect(staged.code, staged.output).toBe(0);
  const status = await stagedStatus(project);
  for (const mount of ["first", "second"]) expect(status).toContain(`  ${mount}: ${valid}`);
  writeSchema(`(${strict})`);
  const promoted = await deploy();
  expect(promoted.code, promoted.output).toBe(0);
  for (const to of ["first", "second"])
    await expect(server.call("app:add", { to, n: "six" })).rejects.toThrow(
      'Failed to insert or update a document in table "items" because it does not match the schema',
    );
});
