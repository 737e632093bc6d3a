import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestProject } from "../../../conformance/support/project.ts";
import { TestServer } from "../../../conformance/support/server.ts";
import { stagedStatus } from "../../../conformance/support/stagedStatus.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { callHttp, push, queryHttp } from "./rig.ts";

const documents = 6000;
const pushArgs = ["dev", "--once", "--typecheck", "disable", "--codegen", "disable"];

let server: TestServer;
let project: TestProject;

function writeSchema(staged: string): void {
  project.write(
    "convex/schema.ts",
    `import { defineSchema, defineTable } from "convex/server";
     import { v } from "convex/values";
     export default defineSchema({
       items: defineTable({ n: v.union(v.number(), v.string()) }).index("by_n", ["n"])${staged},
     });`,
  );
}

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create();
  writeSchema("");
  project.write(
    "convex/items.ts",
    `import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
     export const fill = mutation({ handler: async (ctx, { count }) => {
       for (let n = 0; n < count; n++) await ctx.db.insert("items", { n });
     } });
     export const add = mutation({ handler: (ctx, { n }) => ctx.db.insert("items", { n }) });
     export const texts = query({ handler: async (ctx) =>
       (await ctx.db.query("items").withIndex("by_n", (q) => q.gte("n", "")).collect()).map(({ _id }) => _id) });
     export const repair = mutation({ handler: async (ctx) => {
       for (const { _id } of await ctx.db.query("items").withIndex("by_n", (q) => q.gte("n", "")).collect())
         await ctx.db.patch(_id, { n: 0 });
     } });`,
  );
  await push(server, project);
  await callHttp(server.url, "mutation", "items:fill", { count: documents });
}, 120_000);
afterAll(() => server.dispose());

describe("a staged validator under kill -9", () => {
  it(
    "is validated from the start again when the server dies in the middle",
    { timeout: 180_000 },
    async () => {
      writeSchema(".staged({ n: v.number() })");
      await server.stop();
      // The push that stages it is durable, and its work in the background has begun at most.
      await server.start({ env: { LENSLET_FAILPOINT: "push.finished" } });
      const pushing = project.startConvex(pushArgs);
      expect(await server.ended(60_000)).toMatchObject({ signal: "SIGKILL" });
      await pushing.dispose();
      await server.start();
      await server.kill9();
      await server.start();
      expect(await stagedStatus(project)).toContain("items: validated.");
    },
  );

  it.each(["engine.appended", "net.durable"])(
    "and a write against it are both there after a death at %s, or neither",
    { timeout: 180_000 },
    async (failpoint) => {
      await server.stop();
      await server.start({ env: { LENSLET_FAILPOINT: failpoint } });
      // It dies before it has answered; at `net.durable` the write is there all the same.
      await expect(callHttp(server.url, "mutation", "items:add", { n: "four" })).rejects.toThrow();
      expect(await server.ended(60_000)).toMatchObject({ signal: "SIGKILL" });
      await server.start();
      const [id] = await queryHttp<string[]>(server.url, "items:texts");
      if (failpoint === "net.durable") expect(id).toEqual(expect.any(String));
      const status = await stagedStatus(project);
      expect(status).toContain(
        id === undefined
          ? "items: validated."
          : `items: failed: Document with ID "${id}" in table "items" does not match the schema:`,
      );
      await callHttp(server.url, "mutation", "items:repair", {});
      await push(server, project);
      expect(await stagedStatus(project)).toContain("items: validated.");
    },
  );

  it("leaves a sound data folder", { timeout: 60_000 }, async () => {
    await server.stop();
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
  });
});
