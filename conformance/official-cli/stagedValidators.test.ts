import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Exit } from "../support/childRun.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { stagedStatus } from "../support/stagedStatus.ts";
import { noTypecheck } from "./sample.ts";

// `.staged()` of convex/schema, as `convex dev` and `convex deploy` report it. The tests follow one table's life.

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let server: TestServer;
let project: TestProject;

const loose = "{ n: v.union(v.number(), v.string()) }";
const strict = "{ n: v.number() }";
const staging = `(${loose}).staged(${strict})`;

function writeSchema(definition: string): void {
  project.write(
    "convex/schema.ts",
    `import { defineSchema, defineTable } from "convex/server";
     import { v } from "convex/values";
     export default defineSchema({ items: defineTable${definition} });`,
  );
}
const push = (): Promise<Exit> => project.convex(["dev", "--once", ...noTypecheck]);
const deploy = (...args: string[]): Promise<Exit> =>
  project.convex(["deploy", ...noTypecheck, ...args], { env: { NO_COLOR: "1" } });

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create().connect(server);
  writeSchema(`(${loose})`);
  project.write(
    "convex/items.ts",
    `import { v } from "convex/values";
     import { mutation } from "./_generated/server";
     export const fill = mutation({ args: { count: v.number() }, handler: async (ctx, { count }) => {
       for (let n = 0; n < count; n++) await ctx.db.insert("items", { n });
     } });
     export const add = mutation({ args: { n: v.any() }, handler: (ctx, { n }) => ctx.db.insert("items", { n }) });
     export const set = mutation({ args: { id: v.id("items"), n: v.any() }, handler: (ctx, { id, n }) =>
       ctx.db.patch(id, { n }) });`,
  );
  const { code, output } = await push();
  expect(code, output).toBe(0);
  await server.call("items:fill", { count: 3000 });
});
afterAll(() => server.dispose());

const mismatch = (id: string): string =>
  `Document with ID "${id}" in table "items" does not match the schema: Value does not match validator.\n` +
  `Path: .n\nValue: "four"\nValidator: v.float64()`;

let wrong: string;
let alsoWrong: string;

it("is staged without being enforced, and is validated behind the push", async () => {
  writeSchema(staging);
  const first = await push();
  expect(first.code, first.output).toBe(0);
  expect(await stagedStatus(project)).toContain(
    "  items: validated. Safe to apply the staged schema changes and deploy.\n",
  );
  // The same is said by `dev`, of whose schema it is a part.
  expect((await push()).stderr).toContain(
    "Staged schema validation status:\n  items: validated. Safe to apply the staged schema changes",
  );
});

it("names the document that a mutation writes against it", async () => {
  wrong = (await server.call("items:add", { n: "four" })) as string;
  const failed = `  items: failed: ${mismatch(wrong)} (fix the offending documents and redeploy to revalidate)\n`;
  expect(await stagedStatus(project)).toContain(failed);
  // A push tries it again, and finds the document that is still there.
  const again = await deploy();
  expect(again.code, again.output).toBe(0);
  expect(again.stderr).toContain(failed);
});

it("cannot be promoted then: the push fails as if it had not been staged", async () => {
  writeSchema(`(${strict})`);
  const { code, stderr } = await push();
  expect(code).toBe(1);
  expect(stderr).toContain(`Schema validation failed.\n${mismatch(wrong)}`);
  // What runs goes on as before.
  alsoWrong = (await server.call("items:add", { n: "five" })) as string;
});

it("is validated again by the push after the repair", async () => {
  writeSchema(staging);
  for (const id of [wrong, alsoWrong]) await server.call("items:set", { id, n: 4 });
  const { code, output } = await deploy();
  expect(code, output).toBe(0);
  expect(await stagedStatus(project)).toContain("  items: validated. Safe to apply");
});

it("is not thrown away unasked", async () => {
  writeSchema(`(${loose}).staged({ n: v.literal(1) })`);
  const warning = (what: string) => `This push ${what} staged schema validation for the following table:\n`;
  const dry = await deploy("--dry-run");
  expect(dry.code, dry.output).toBe(0);
  expect(dry.stderr).toContain(warning("would discard"));
  expect(dry.stderr).toContain("⛔ items: validated; the push stages a different validator\n");
  writeSchema(`(${loose})`);
  const refused = await deploy();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(warning("discards"));
  expect(refused.stderr).toContain("⛔ items: validated; the push removes the staged validator\n");
  expect(refused.stderr).toContain("--allow-unstaging-schema");
  const allowed = await deploy("--allow-unstaging-schema");
  expect(allowed.code, allowed.output).toBe(0);
});

it("is promoted without a look at the documents once it is valid, and enforced from then on", async () => {
  writeSchema(staging);
  const staged = await deploy();
  expect(staged.code, staged.output).toBe(0);
  expect(await stagedStatus(project)).toContain("  items: validated. Safe to apply");
  writeSchema(`(${strict})`);
  const promoted = await deploy();
  expect(promoted.code, promoted.output).toBe(0);
  expect(promoted.stderr).toContain(
    "  items: validated. This deploy applies the staged schema without scanning the table.\n",
  );
  await expect(server.call("items:add", { n: "six" })).rejects.toThrow("does not match the schema");
});
