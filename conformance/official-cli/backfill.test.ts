import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { noTypecheck } from "./sample.ts";

const documents = 20_000;
const perMutation = 4000;

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create().connect(server);
  project.write("convex/schema.ts", schemaWith(""));
  project.write(
    "convex/items.ts",
    `import { v } from "convex/values";
     import { mutation, query } from "./_generated/server";
     export const fill = mutation({
       args: { from: v.number(), count: v.number() },
       handler: async (ctx, { from, count }) => {
         for (let n = from; n < from + count; n++) await ctx.db.insert("items", { rank: (n * 7919) % 10007, n });
       },
     });
     export const bump = mutation({
       args: { n: v.number() },
       handler: async (ctx, { n }) => {
         const last = await ctx.db.query("items").order("desc").first();
         if (last !== null) await ctx.db.patch(last._id, { rank: -n });
         await ctx.db.insert("items", { rank: 20_000 + n, n });
       },
     });`,
  );
  expect(await project.convex(["dev", "--once", ...noTypecheck])).toMatchObject({ code: 0 });
  const client = new ConvexHttpClient(server.url);
  for (let from = 0; from < documents; from += perMutation)
    await client.mutation(makeFunctionReference<"mutation">("items:fill"), { from, count: perMutation });
});
afterAll(() => server.dispose());

function schemaWith(index: string): string {
  return `import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({ items: defineTable({ rank: v.number(), n: v.number() })${index} });`;
}

it("adds an index to a table of 20,000 documents while mutations go on", async () => {
  project.write("convex/schema.ts", schemaWith('.index("by_rank", ["rank"])'));
  project.write(
    "convex/ranks.ts",
    `import { v } from "convex/values";
     import { query } from "./_generated/server";
     /** One part of the table through the index, as small tuples. */
     export const part = query({
       args: { above: v.number(), upTo: v.number() },
       handler: async (ctx, { above, upTo }) =>
         (await ctx.db.query("items").withIndex("by_rank", (q) => q.gt("rank", above).lte("rank", upTo)).collect())
           .map(({ _id, rank }) => [rank, _id]),
     });
     export const all = query({
       args: { cursor: v.union(v.string(), v.null()) },
       handler: async (ctx, { cursor }) => {
         const { page, isDone, continueCursor } = await ctx.db.query("items").paginate({ numItems: 4000, cursor });
         return { page: page.map(({ _id, rank }) => [rank, _id]), isDone, continueCursor };
       },
     });`,
  );
  const client = new ConvexHttpClient(server.url);
  const push = { ended: false };
  const pushing = project.convex(["dev", "--once", ...noTypecheck]).finally(() => {
    push.ended = true;
  });
  let mutations = 0;
  while (!push.ended)
    await client.mutation(makeFunctionReference<"mutation">("items:bump"), { n: ++mutations });
  const { code, stderr } = await pushing;
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("[+] items.by_rank   rank");
  expect(mutations).toBeGreaterThan(10);

  const byScan: [number, string][] = [];
  for (let cursor: string | null = null, isDone = false; !isDone;) {
    const result: { page: [number, string][]; isDone: boolean; continueCursor: string } = await client.query(
      makeFunctionReference<"query">("ranks:all"),
      { cursor },
    );
    byScan.push(...result.page);
    ({ isDone, continueCursor: cursor } = result);
  }
  const byIndex: [number, string][] = [];
  const bounds = [-1e9, 2500, 5000, 7500, 1e9];
  for (let part = 1; part < bounds.length; part++)
    byIndex.push(
      ...((await client.query(makeFunctionReference<"query">("ranks:part"), {
        above: bounds[part - 1],
        upTo: bounds[part],
      })) as [number, string][]),
    );
  expect(byScan).toHaveLength(documents + mutations);
  expect(byIndex.map(([rank]) => rank)).toEqual(byScan.map(([rank]) => rank).toSorted((a, b) => a - b));
  expect(new Set(byIndex.map(String))).toEqual(new Set(byScan.map(String)));
});
