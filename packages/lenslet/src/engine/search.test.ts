import { afterEach, describe, expect, it } from "vitest";
import type { Value } from "../values/value.ts";
import { failureOf, TestEngine, valueOf } from "./testEngine.ts";

const functions = `
  import { query, mutation } from "./_generated/server";
  export const send = mutation(async ({ db }, { body, chat }) => { await db.insert("messages", { body, chat }); });
  export const edit = mutation(async ({ db }, { from, to }) => {
    const found = (await db.query("messages").collect()).find((m) => m.body === from);
    await db.patch(found._id, to === null ? {} : { body: to });
    if (to === null) await db.delete(found._id);
  });
  export const search = query(async ({ db }, { text, chat }) =>
    (await db.query("messages").withSearchIndex("by_body", (q) =>
      chat === undefined ? q.search("body", text) : q.search("body", text).eq("chat", chat)).take(16)).map((m) => m.body));
  export const page = query(async ({ db }, { text, opts }) => {
    const result = await db.query("messages").withSearchIndex("by_body", (q) => q.search("body", text)).paginate(opts);
    return { bodies: result.page.map((m) => m.body), isDone: result.isDone, cursor: result.continueCursor };
  });
  export const sendAndSearch = mutation(async ({ db }, { body }) => {
    await db.insert("messages", { body });
    return (await db.query("messages").withSearchIndex("by_body", (q) => q.search("body", body)).collect()).map((m) => m.body);
  });
  export const misuse = query(async ({ db }) => {
    try {
      await db.query("messages").withSearchIndex("by_body", (q) => q.search("chat", "x")).first();
    } catch (error) { return error.message; }
  });`;

function withIndex(definition: string): Record<string, string> {
  return {
    "m.ts": functions,
    "schema.ts": `
      import { defineSchema, defineTable } from "convex/server";
      import { v } from "convex/values";
      export default defineSchema({ messages: defineTable(v.any())${definition} });`,
  };
}
const indexed = withIndex('.searchIndex("by_body", { searchField: "body", filterFields: ["chat"] })');

let server: TestEngine;
afterEach(() => {
  expect(server.defects).toEqual([]);
  server.dispose();
});

const send = async (body: string, chat?: string) =>
  valueOf(await server.mutation("m:send", chat === undefined ? { body } : { body, chat }));
const edit = async (from: string, to: string | null) =>
  valueOf(await server.mutation("m:edit", { from, to }));
const search = async (text: string) => valueOf(await server.query("m:search", { text }));

describe("text search", () => {
  it("finds what was written before and after the push of its index, and by the mutation itself", async () => {
    server = await TestEngine.start({ "m.ts": functions });
    await send("hello world");
    expect(failureOf(await server.query("m:search", { text: "hello" }))).toContain(
      "Index messages.by_body not found.",
    );
    await server.push(indexed);
    expect(await search("hello")).toEqual(["hello world"]);
    expect(valueOf(await server.mutation("m:sendAndSearch", { body: "hello again" }))).toEqual([
      "hello again",
      "hello world",
    ]);
    expect(await search("wor")).toEqual(["hello world"]);
    expect(valueOf(await server.query("m:misuse"))).toBe(
      'Search query against messages.by_body contains a search filter against "chat", which doesn\'t match the indexed `searchField` "body".',
    );
  });

  it("is paged", async () => {
    server = await TestEngine.start(indexed);
    for (const body of ["x", "x y", "x y z"]) await send(body);
    const page = async (cursor: Value) =>
      valueOf(await server.query("m:page", { text: "x", opts: { cursor, numItems: 2 } })) as {
        readonly [field: string]: Value;
      };
    const first = await page(null);
    expect(first).toMatchObject({ bodies: ["x", "x y"], isDone: false });
    expect(await page(first["cursor"] ?? null)).toMatchObject({ bodies: ["x y z"], isDone: true });
  });

  it("is live: runs again for documents that match or have matched, and for no others", async () => {
    server = await TestEngine.start(indexed);
    await send("first dog", "a");
    await send("second dog", "b");
    const all = await server.open("m:search", { text: "dog" });
    const inA = await server.open("m:search", { text: "dog", chat: "a" });
    expect(server.valueOf(all)).toEqual(["second dog", "first dog"]);
    const runs = () => server.executed.filter(({ identifier }) => identifier === "m:search").length;
    const before = runs();
    await send("a cat", "a");
    expect(runs()).toBe(before);
    await send("third dog", "b");
    expect(runs()).toBe(before + 1);
    expect(server.valueOf(all)).toEqual(["third dog", "second dog", "first dog"]);
    await send("doghouse", "a");
    expect(runs()).toBe(before + 3);
    // The rarer word counts for more, although only its beginning was asked for.
    expect(server.valueOf(inA)).toEqual(["doghouse", "first dog"]);
    await edit("first dog", "first cat");
    expect(server.valueOf(inA)).toEqual(["doghouse"]);
    await edit("doghouse", null);
    expect(server.valueOf(inA)).toEqual([]);
    expect(server.valueOf(all)).toEqual(["third dog", "second dog"]);
  });

  it("sees the past as it was", async () => {
    server = await TestEngine.start(indexed);
    await send("old news");
    const atTs = server.client.latestTs();
    await edit("old news", "no news");
    await send("news");
    expect(valueOf(await server.query("m:search", { text: "news" }, { atTs }))).toEqual(["old news"]);
    expect(await search("news")).toEqual(["news", "no news"]);
  });

  it("is the same after the loss of the engine, after a restart, and when it is built again from the log", async () => {
    server = await TestEngine.start({ "m.ts": functions });
    for (let i = 0; i < 30; i++) await send(`word${i % 4} common ${"long ".repeat(i % 3)}`);
    await server.push(indexed);
    for (let i = 0; i < 10; i++) await send(`word${i % 4} late`);
    await edit("word1 late", "word1 edited");
    await edit("word2 late", null);
    const ask = async () => {
      const results: Value[] = [];
      for (const text of ["word1", "common", "late", "wor", "edited long"]) results.push(await search(text));
      return results;
    };
    const expected = await ask();
    expect(expected.every((result) => (result as Value[]).length > 0)).toBe(true);
    await server.replaceEngine();
    expect(await ask()).toEqual(expected);
    await send("word1 after");
    expect(await search("after")).toEqual(["word1 after"]);
    await edit("word1 after", null);
    expect(await ask()).toEqual(expected);
    const log = server.log.crash();
    server.dispose();
    server = await TestEngine.start(null, { log });
    expect(await ask()).toEqual(expected);
  });

  it("ends with its index, and begins anew with a changed one", async () => {
    server = await TestEngine.start(indexed);
    await send("body text", "chat text");
    const live = await server.open("m:search", { text: "body" });
    expect(server.valueOf(live)).toEqual(["body text"]);
    await server.push(withIndex(""));
    expect(() => server.valueOf(live)).toThrow("Index messages.by_body not found.");
    await server.push(withIndex('.index("by_body", ["body"])'));
    expect(() => server.valueOf(live)).toThrow("Index messages.by_body is not a search index");
    await server.push(withIndex('.searchIndex("by_body", { searchField: "body", staged: true })'));
    expect(() => server.valueOf(live)).toThrow("is currently staged");
    await server.push(indexed);
    expect(server.valueOf(live)).toEqual(["body text"]);
    expect(await server.system("admin.indexes", { componentId: null })).toEqual({
      indexes: [
        {
          table: "messages",
          name: "by_body",
          fields: { searchField: "body", filterFields: ["chat"] },
          backfill: { state: "done" },
          staged: false,
        },
      ],
    });
  });
});
