import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { noTypecheck } from "./sample.ts";

const schema = (indexes: string): string => `
  import { defineSchema, defineTable } from "convex/server";
  import { v } from "convex/values";
  export default defineSchema({
    foods: defineTable({
      name: v.string(),
      cuisine: v.optional(v.array(v.string())),
      embedding: v.array(v.float64()),
    })${indexes},
  });`;

const vectorIndex =
  '.vectorIndex("by_embedding", { vectorField: "embedding", dimensions: 3, filterFields: ["cuisine", "name"] })';

const action = `
  import { v } from "convex/values";
  import { action } from "./_generated/server";
  export const similar = action({
    args: { vector: v.array(v.float64()), limit: v.optional(v.number()), cuisines: v.optional(v.any()), name: v.optional(v.string()) },
    handler: async (ctx, { vector, limit, cuisines, name }) => {
      const options: any = { vector };
      if (limit !== undefined) options.limit = limit;
      if (cuisines !== undefined) options.filter = (q: any) =>
        q.or(...cuisines.map((cuisine: string[] | null) => q.eq("cuisine", cuisine ?? undefined)),
             ...(name === undefined ? [] : [q.eq("name", name)]));
      return await ctx.vectorSearch("foods", "by_embedding", options);
    },
  });`;

let server: TestServer;
let project: TestProject;
let client: ConvexHttpClient;

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create().connect(server);
  project.write("convex/schema.ts", schema(""));
  project.write("convex/foods.ts", action);
  project.write("convex/nodeFoods.ts", `"use node";\n${action}`);
  project.write(
    "convex/data.ts",
    `import { v } from "convex/values";
     import { mutation } from "./_generated/server";
     export const add = mutation({ args: { food: v.any() }, handler: async (ctx, { food }) => await ctx.db.insert("foods", food) });`,
  );
  expect(await push()).toMatchObject({ code: 0 });
  client = new ConvexHttpClient(server.url);
});
afterAll(() => server.dispose());

const push = () => project.convex(["dev", "--once", ...noTypecheck]);
const add = (food: Record<string, unknown>) =>
  client.mutation(makeFunctionReference<"mutation", { food: unknown }, string>("data:add"), { food });

interface Question {
  readonly vector: readonly number[];
  readonly limit?: number;
  readonly cuisines?: readonly (readonly string[] | null)[];
  readonly name?: string;
}
const ask = (module: string, question: Question) =>
  client.action(
    makeFunctionReference<"action", Record<string, unknown>, { _id: string; _score: number }[]>(
      `${module}:similar`,
    ),
    { ...question },
  );

describe("ctx.vectorSearch, pushed by the official CLI", () => {
  it("finds documents of before and after the push of the index, from both runtimes", async () => {
    const pizza = await add({ name: "pizza", cuisine: ["it", "us"], embedding: [1, 0, 0] });
    project.write("convex/schema.ts", schema(vectorIndex));
    const { code, stderr } = await push();
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("[+] foods.by_embedding");
    const pasta = await add({ name: "pasta", cuisine: ["it"], embedding: [4, 3, 0] });
    const soup = await add({ name: "soup", embedding: [0, 0, 2] });
    for (const module of ["foods", "nodeFoods"]) {
      expect(await ask(module, { vector: [1, 0, 0] })).toEqual([
        { _id: pizza, _score: 1 },
        { _id: pasta, _score: Math.fround(0.8) },
        { _id: soup, _score: 0 },
      ]);
      const ids = async (question: Question) => (await ask(module, question)).map(({ _id }) => _id);
      expect(await ids({ vector: [1, 0, 0], limit: 1 })).toEqual([pizza]);
      expect(await ids({ vector: [1, 0, 0], cuisines: [["it"]] })).toEqual([pasta]);
      expect(await ids({ vector: [1, 0, 0], cuisines: [["it"], null] })).toEqual([pasta, soup]);
      expect(await ids({ vector: [1, 0, 0], cuisines: [["us", "it"]], name: "pizza" })).toEqual([pizza]);
    }
  });

  it("tells what is wrong with a search", async () => {
    for (const module of ["foods", "nodeFoods"]) {
      await expect(ask(module, { vector: [1, 0] })).rejects.toThrow(
        "Expected a vector with dimensions 3, received 2.",
      );
      await expect(ask(module, { vector: [1, 0, 0], limit: 300 })).rejects.toThrow(
        "Vector queries can fetch at most 256 results, requested 300.",
      );
      await expect(ask(module, { vector: [] })).rejects.toThrow(
        "`vector` must be a non-empty Array in vectorSearch",
      );
    }
  });

  it("drops the index with the push that does", async () => {
    project.write("convex/schema.ts", schema(""));
    const { code, stderr } = await push();
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("[-] foods.by_embedding");
    await expect(ask("foods", { vector: [1, 0, 0] })).rejects.toThrow("Index foods.by_embedding not found.");
  });
});
