import { afterEach, describe, expect, it } from "vitest";
import { stringifyValue } from "../values/json.ts";
import { TestEngine, valueOf } from "./testEngine.ts";

const functions = `
  import { query, mutation } from "./_generated/server";
  export const add = mutation(async ({ db }, doc) => await db.insert("notes", doc));
  export const change = mutation(async ({ db }, { id, fields }) => { await db.patch(id, fields); });
  export const remove = mutation(async ({ db }, { id }) => { await db.delete(id); });
  export const misuse = query(async ({ db }) => {
    try { await db.query("notes").withIndex("by_vector").first(); } catch (error) { return error.message; }
  });`;

function withIndexes(definition: string): Record<string, string> {
  return {
    "n.ts": functions,
    "schema.ts": `
      import { defineSchema, defineTable } from "convex/server";
      import { v } from "convex/values";
      export default defineSchema({ notes: defineTable(v.any())${definition} });`,
  };
}
const options = '{ vectorField: "at", dimensions: 2, filterFields: ["kind", "meta.owner"] }';
const indexed = withIndexes(`.vectorIndex("by_vector", ${options}).index("by_kind", ["kind"])`);

let server: TestEngine;
afterEach(() => {
  expect(server.defects).toEqual([]);
  server.dispose();
});

interface Search {
  readonly vector?: unknown;
  readonly limit?: unknown;
  readonly expressions?: unknown;
  readonly indexName?: string;
}

/** As npm's `ctx.vectorSearch` asks. */
async function search({ vector = [1, 0], ...rest }: Search = {}): Promise<{ _id: string; _score: number }[]> {
  const query = { indexName: "notes.by_vector", vector, expressions: null, ...rest };
  const args = JSON.stringify({ requestId: "", version: "1.48.0", query });
  const { results } = JSON.parse(await server.settled(server.client.vectorSearch("", args))) as {
    results: { _id: string; _score: number }[];
  };
  return results;
}
const eq = (field: string, value?: unknown) => ({
  $eq: [{ $field: field }, { $literal: value === undefined ? { $undefined: null } : value }],
});
const add = async (doc: Parameters<typeof stringifyValue>[0]) =>
  valueOf(await server.mutation("n:add", doc)) as string;

describe("vector search (reference functions.md §17)", () => {
  it("finds what is committed, nearest first, whatever happened before and after the push of its index", async () => {
    server = await TestEngine.start({ "n.ts": functions });
    const early = await add({ at: [3, 4] });
    await expect(search()).rejects.toThrow("Index notes.by_vector not found.");
    await server.push(indexed);
    const [right, left, gone] = [
      await add({ at: [2, 0] }),
      await add({ at: [-1, 0] }),
      await add({ at: [9, 1] }),
    ];
    await server.mutation("n:remove", { id: gone });
    const found = [
      { _id: right, _score: 1 },
      { _id: early, _score: Math.fround(0.6) },
      { _id: left, _score: -1 },
    ];
    expect(await search()).toEqual(found);
    expect(await search({ limit: 1 })).toEqual(found.slice(0, 1));
    expect(await search({ limit: 0 })).toEqual([]);
    await server.mutation("n:change", { id: early, fields: { at: [1, 0, 0] } });
    expect(await search()).toEqual([found[0], found[2]]);
    expect(valueOf(await server.query("n:misuse"))).toContain(
      "Index notes.by_vector is not a database index",
    );
  });

  it("breaks ties by id and leaves out what is no vector of its dimensions", async () => {
    server = await TestEngine.start(indexed);
    const ids = [await add({ at: [1, 1] }), await add({ at: [2, 2] }), await add({ at: [0.5, 0.5] })];
    for (const at of [
      undefined,
      null,
      "x",
      [1],
      [1, 2, 3],
      [1, "2"],
      [1, 2n],
      [1, Infinity],
      [1, 1e300],
      [NaN, 1],
    ])
      await add(at === undefined ? {} : { at });
    expect((await search()).map(({ _id }) => _id)).toEqual(ids.toSorted());
  });

  it("filters by equality on any value, and by alternatives over fields", async () => {
    server = await TestEngine.start(indexed);
    const a = await add({ at: [4, 1], kind: "a", meta: { owner: 1n } });
    const b = await add({ at: [4, 2], kind: ["b", null, { c: 1 }], meta: { owner: "me" } });
    const none = await add({ at: [4, 3] });
    const nothing = await add({ at: [4, 4], kind: null });
    const ids = async (expressions: unknown) => (await search({ expressions })).map(({ _id }) => _id);
    expect(await ids(eq("kind", "a"))).toEqual([a]);
    expect(await ids(eq("kind", ["b", null, { c: 1 }]))).toEqual([b]);
    expect(await ids(eq("kind", ["b", null]))).toEqual([]);
    expect(await ids(eq("kind"))).toEqual([none]);
    expect(await ids(eq("kind", null))).toEqual([nothing]);
    expect(
      await ids({ $or: [eq("kind", "a"), { $or: [eq("meta.owner", "me"), eq("kind", null)] }] }),
    ).toEqual([a, b, nothing]);
    expect(await ids({ $or: [] })).toEqual([]);
    await server.mutation("n:change", { id: a, fields: { kind: null } });
    expect(await ids(eq("kind", null))).toEqual([a, nothing]);
  });

  it("gives the reference's errors", async () => {
    server = await TestEngine.start(indexed);
    const label = "Vector query against notes.by_vector";
    const many = (n: number) => ({ $or: Array.from({ length: n }, (_, i) => eq("kind", i)) });
    const cases: [Search, string][] = [
      [{ vector: [1, 2, 3] }, "Expected a vector with dimensions 2, received 3."],
      [{ limit: 257 }, "Vector queries can fetch at most 256 results, requested 257."],
      [{ limit: -1 }, "Invalid arguments for `1.0/actions/vectorSearch`"],
      [{ vector: [1, null] }, "Invalid arguments for `1.0/actions/vectorSearch`"],
      [{ expressions: { $and: [] } }, "Filters should be a combination of `q.eq` and `q.or`."],
      [
        { expressions: { $or: [{ $literal: true }] } },
        "Filters should be a combination of `q.eq` and `q.or`.",
      ],
      [
        { expressions: { $eq: [{ $literal: 1 }, { $field: "kind" }] } },
        "`q.eq` must take a field path as its first argument and a value as its second",
      ],
      [
        { expressions: eq("other", 1) },
        `${label} contains a filter on "other" but that field isn't indexed for filtering in \`filterFields\`.`,
      ],
      [{ expressions: many(65) }, `${label} has too many conditions. Max: 64 Actual: 65`],
      [{ indexName: "notes.by_kind" }, "Index notes.by_kind is not a vector index"],
      [{ indexName: "notes.nothing" }, "Index notes.nothing not found."],
      [{ indexName: "nothing.by_vector" }, "Index nothing.by_vector not found."],
      [{ indexName: "_tables.by_id" }, "Index _tables.by_id not found."],
      [{ indexName: "nothing" }, "Insufficient components in index name nothing"],
      [{ indexName: "notes.by_vector.x" }, "Too many components in index name notes.by_vector.x"],
    ];
    for (const [options_, message] of cases) await expect(search(options_)).rejects.toThrow(message);
    // The same condition twice counts once.
    expect(await search({ expressions: { $or: [many(64), eq("kind", 3)] } })).toEqual([]);
    await server.push(withIndexes(`.vectorIndex("by_vector", { staged: true, ...${options} })`));
    await expect(search()).rejects.toThrow(
      "Index notes.by_vector is currently staged and not available to query until it is enabled.",
    );
  });

  it("gives the same answers after an engine has been lost", async () => {
    server = await TestEngine.start(indexed);
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.push(await add({ at: [i, 1], kind: i % 3 }));
    await server.mutation("n:remove", { id: ids[4] as string });
    const before = await search({ limit: 20, expressions: eq("kind", 1) });
    expect(before).toHaveLength(6);
    await server.replaceEngine();
    expect(await search({ limit: 20, expressions: eq("kind", 1) })).toEqual(before);
    server.store.persist();
    await server.replaceEngine();
    expect(await search({ limit: 20, expressions: eq("kind", 1) })).toEqual(before);
    const asked = search();
    await server.replaceEngine();
    expect((await asked)[0]?._id).toBe(ids[19]);
  });
});
