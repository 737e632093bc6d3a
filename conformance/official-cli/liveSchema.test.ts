import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { noTypecheck } from "./sample.ts";

// Schema changes on a table that is large and being written to all the time. LENSLET_LIVE_ROWS=1000000 makes it a soak.

const documents = Number(process.env["LENSLET_LIVE_ROWS"] ?? 50_000);
const perMutation = 500;
const timeoutMs = 60_000 + documents;

let server: TestServer;
let project: TestProject;
let client: ConvexHttpClient;

vi.setConfig({ testTimeout: timeoutMs, hookTimeout: timeoutMs });

const mutation = (name: string) => makeFunctionReference<"mutation", Record<string, unknown>, unknown>(name);
const query = (name: string) => makeFunctionReference<"query", Record<string, unknown>, unknown>(name);

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create().connect(server);
  project.write("convex/schema.ts", schemaWith("{ rank: v.number(), text: v.string() }", ""));
  project.write(
    "convex/items.ts",
    `import { v } from "convex/values";
     import { mutation, query } from "./_generated/server";
     export const fill = mutation({
       args: { from: v.number(), count: v.number() },
       handler: async (ctx, { from, count }) => {
         for (let n = from; n < from + count; n++)
           await ctx.db.insert("items", { rank: (n * 7919) % 10007, text: "word" + (n % 1000) });
       },
     });
     /** Changes the newest document and adds one; \`rank\` may be of another type than the schema of the moment has. */
     export const bump = mutation({
       args: { n: v.number(), rank: v.optional(v.any()) },
       handler: async (ctx, { n, rank }) => {
         const last = await ctx.db.query("items").order("desc").first();
         if (last !== null) await ctx.db.patch(last._id, { text: "bumped" });
         await ctx.db.insert("items", { rank: rank ?? -n, text: "live" });
       },
     });`,
  );
  project.write(
    "convex/reads.ts",
    `import { v } from "convex/values";
     import { query } from "./_generated/server";
     export const byRank = query({ args: { rank: v.number() }, handler: async (ctx, { rank }) =>
       (await ctx.db.query("items").withIndex("by_rank" as any, (q: any) => q.eq("rank", rank)).collect()).length });
     export const below = query({ args: {}, handler: async (ctx) =>
       (await ctx.db.query("items").withIndex("by_rank" as any, (q: any) => q.lt("rank", 0)).collect()).length });
     export const byText = query({ args: { word: v.string() }, handler: async (ctx, { word }) =>
       (await ctx.db.query("items").withSearchIndex("by_text" as any, (q: any) => q.search("text", word)).take(1024)).length });
     export const staged = query({ args: {}, handler: async (ctx) =>
       await ctx.db.query("items").withIndex("by_staged" as any).first() });`,
  );
  expect(await push()).toMatchObject({ code: 0 });
  client = new ConvexHttpClient(server.url);
  for (let from = 0; from < documents; from += perMutation)
    await client.mutation(mutation("items:fill"), { from, count: Math.min(perMutation, documents - from) });
});
afterAll(() => server.dispose());

const push = () => project.convex(["dev", "--once", ...noTypecheck]);

function schemaWith(fields: string, indexes: string): string {
  return `import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({ items: defineTable(${fields})${indexes} });`;
}

let bumps = 0;

/** Writes, one mutation after another, until `work` has ended; says how long they took. */
async function writingDuring<T>(what: string, work: Promise<T>): Promise<T> {
  const pushed = { ended: false };
  const done = work.finally(() => {
    pushed.ended = true;
  });
  const latencies: number[] = [];
  while (!pushed.ended) {
    const began = performance.now();
    await client.mutation(mutation("items:bump"), { n: ++bumps });
    latencies.push(performance.now() - began);
  }
  latencies.sort((a, b) => a - b);
  const rank = (share: number): string =>
    (latencies[Math.ceil(share * latencies.length) - 1] ?? 0).toFixed(1);
  process.stdout.write(
    `${what}: ${latencies.length} mutations meanwhile, p50 ${rank(0.5)} ms, p99 ${rank(0.99)} ms, longest ${rank(1)} ms\n`,
  );
  expect(latencies.length).toBeGreaterThan(5);
  return done;
}

const rankedAlike = Array.from({ length: documents }, (_, n) => (n * 7919) % 10007).filter(
  (rank) => rank === 4711,
).length;
const fields = "{ rank: v.number(), text: v.string() }";

describe(`a table of ${documents} documents, written to all the time`, () => {
  it("gets indexes of every kind at once", async () => {
    const indexes = `.index("by_rank", ["rank"]).searchIndex("by_text", { searchField: "text" })
      .index("by_staged", { fields: ["text"], staged: true })`;
    project.write("convex/schema.ts", schemaWith(fields, indexes));
    const { code, stderr } = await writingDuring("index backfills", push());
    expect(code, stderr).toBe(0);
    expect(await client.query(query("reads:byRank"), { rank: 4711 })).toBe(rankedAlike);
    expect(await client.query(query("reads:below"), {})).toBe(bumps);
    expect(await client.query(query("reads:byText"), { word: "word77" })).toBeGreaterThanOrEqual(
      Math.min(1024, Math.floor(documents / 1000)),
    );
    await expect(client.query(query("reads:staged"), {})).rejects.toThrow(
      "Index items.by_staged is currently staged and not available to query until it is enabled.",
    );
  });

  it("enables a staged index, and drops others, without a new backfill", async () => {
    project.write(
      "convex/schema.ts",
      schemaWith(fields, '.index("by_rank", ["rank"]).index("by_staged", ["text"])'),
    );
    // The staged index may still be on its way: it was not waited for.
    const { code, stderr } = await writingDuring("enabling and dropping", push());
    expect(code, stderr).toBe(0);
    expect(await client.query(query("reads:staged"), {})).toMatchObject({
      text: expect.any(String) as string,
    });
    await expect(client.query(query("reads:byText"), { word: "live" })).rejects.toThrow(
      "Index items.by_text not found.",
    );
  });

  it("is checked against a new schema, which is refused for one document of another kind and leaves all as it was", async () => {
    project.write("convex/schema.ts", schemaWith("v.any()", '.index("by_rank", ["rank"])'));
    expect(await writingDuring("a schema that takes anything", push())).toMatchObject({ code: 0 });
    await client.mutation(mutation("items:bump"), { n: 0, rank: "not a number" });
    project.write(
      "convex/schema.ts",
      schemaWith(fields, '.index("by_rank", ["rank"]).index("by_text", ["text"])'),
    );
    const refused = await writingDuring("a schema that is refused", push());
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("does not match the schema");
    expect(await client.query(query("reads:below"), {})).toBe(bumps);
    project.write(
      "convex/schema.ts",
      schemaWith(
        "{ rank: v.union(v.number(), v.string()), text: v.string() }",
        '.index("by_rank", ["rank"])',
      ),
    );
    const { code, stderr } = await writingDuring("a schema that fits", push());
    expect(code, stderr).toBe(0);
    await expect(client.mutation(mutation("items:bump"), { n: 0, rank: true })).rejects.toThrow(
      "Server Error",
    );
    expect(await client.query(query("reads:below"), {})).toBe(bumps);
  });

  it("is cleared, filled again by an import, and deleted, while another one is written", async () => {
    project.write(
      "convex/schema.ts",
      `import { defineSchema, defineTable } from "convex/server";
       import { v } from "convex/values";
       export default defineSchema({ others: defineTable({ n: v.number() }) }, { schemaValidation: false });`,
    );
    project.write(
      "convex/items.ts",
      `import { v } from "convex/values";
       import { mutation, query } from "./_generated/server";
       export const bump = mutation({ args: { n: v.number() }, handler: async (ctx, { n }) =>
         await ctx.db.insert("others", { n }) });
       export const first = query({ args: {}, handler: async (ctx) => await ctx.db.query("items" as any).first() });`,
    );
    const pushed = await writingDuring("a schema without the table", push());
    expect(pushed.code, pushed.stderr).toBe(0);
    const rows = await server.call("_system/cli/tableSize", { tableName: "items" });
    expect(rows).toBeGreaterThanOrEqual(documents);
    const exported = await writingDuring(
      "export",
      project.convex(["export", "--path", "all.zip"], { timeoutMs }),
    );
    expect(exported.code, exported.output).toBe(0);

    const cleared = await writingDuring("clearing it page by page", clearByPages("items"));
    expect(cleared).toBe(rows);
    expect(await client.query(query("items:first"), {})).toBeNull();

    const others = bumps;
    const imported = await writingDuring(
      "import",
      project.convex(["import", "--replace", "-y", "all.zip"], { timeoutMs }),
    );
    expect(imported.code, imported.output).toBe(0);
    expect(await server.call("_system/cli/tableSize", { tableName: "items" })).toBe(rows);
    expect(bumps).toBeGreaterThan(others);
    const deletion = fetch(`${server.url}/api/delete_tables`, {
      method: "POST",
      headers: { authorization: `Convex ${server.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ tableNames: ["items"], componentId: null }),
    });
    const settled = Promise.all([deletion, new Promise((resolve) => setTimeout(resolve, 1000))]);
    expect((await writingDuring("deleting it", settled))[0].status).toBe(200);
    expect(await client.query(query("items:first"), {})).toBeNull();
    await server.kill9();
    await server.start();
    expect(await client.query(query("items:first"), {})).toBeNull();
  });
});

/** As the dashboard does it; how many documents there were. */
async function clearByPages(tableName: string): Promise<number> {
  let cursor: string | null = null;
  let deleted = 0;
  for (;;) {
    const response = await fetch(`${server.url}/api/mutation`, {
      method: "POST",
      headers: { authorization: `Convex ${server.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({
        path: "_system/frontend/clearTablePage",
        args: { tableName, cursor },
        format: "json",
      }),
    });
    const { value } = (await response.json()) as {
      value: { deleted: number; hasMore: boolean; continueCursor: string };
    };
    deleted += value.deleted;
    cursor = value.continueCursor;
    if (!value.hasMore) return deleted;
  }
}
