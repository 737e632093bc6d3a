import {
  defineSchema,
  defineTable,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
  actionGeneric,
} from "convex/server";
import { v } from "convex/values";
import { afterEach, describe, expect, test, vi } from "vitest";
import { convexTest } from "./index.ts";

const schema = defineSchema({
  notes: defineTable({ text: v.string(), shelf: v.string() }).index("by_shelf", ["shelf"]),
});
type Note = { text: string; shelf: string };
const api = {
  add: makeFunctionReference<"mutation", Note, null>("notes:add"),
  onShelf: makeFunctionReference<"query", { shelf: string }, string[]>("notes:onShelf"),
  addTwice: makeFunctionReference<"action", Note, string>("notes:addTwice"),
  tick: makeFunctionReference<"mutation", { left: number }, null>("notes:tick"),
};
const modules = {
  "./_generated/api.ts": async () => ({}),
  "./notes.ts": async () => ({
    add: mutationGeneric({
      handler: async (ctx, note: Note) => {
        await ctx.db.insert("notes", note);
        return null;
      },
    }),
    onShelf: queryGeneric({
      handler: async (ctx, { shelf }: { shelf: string }) => {
        const notes = await ctx.db
          .query("notes")
          .withIndex("by_shelf", (q) => q.eq("shelf", shelf))
          .collect();
        if (notes.some(({ text }) => text === "poison")) throw new Error("poisoned");
        return notes.map(({ text }) => text as string);
      },
    }),
    addTwice: actionGeneric({
      handler: async (ctx, note: Note) => {
        try {
          await ctx.runMutation(api.add, note);
          return "at once";
        } catch (error) {
          await ctx.runMutation(api.add, { ...note, text: `${note.text} again` });
          return (error as Error).message;
        }
      },
    }),
    tick: mutationGeneric({
      handler: async (ctx, { left }: { left: number }) => {
        await ctx.db.insert("notes", { text: new Date().toISOString(), shelf: "ticks" });
        if (left > 0) await ctx.scheduler.runAfter(60_000, api.tick, { left: left - 1 });
        return null;
      },
    }),
  }),
};

afterEach(() => void vi.useRealTimers());

describe("subscribe", () => {
  test("shows each change once, and nothing when another shelf changes", async () => {
    const t = convexTest(schema, modules);
    const watched = await t.subscribe(api.onShelf, { shelf: "a" });
    expect(watched.current).toEqual([]);
    const next = watched.next();
    await t.mutation(api.add, { text: "1", shelf: "a" });
    expect(await next).toEqual(["1"]);
    await t.mutation(api.add, { text: "x", shelf: "b" });
    await t.mutation(api.add, { text: "2", shelf: "a" });
    await watched.settled();
    expect(watched.results).toEqual([[], ["1"], ["1", "2"]]);
    watched.unsubscribe();
    await t.mutation(api.add, { text: "3", shelf: "a" });
    await watched.settled();
    expect(watched.current).toEqual(["1", "2"]);
  });

  test("ends with the newest state whatever is committed while the query runs", async () => {
    const t = convexTest(schema, modules);
    const watched = await t.subscribe(api.onShelf, { shelf: "a" });
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => t.mutation(api.add, { text: `${i}`, shelf: "a" })),
    );
    await watched.settled();
    expect(watched.current).toEqual(Array.from({ length: 30 }, (_, i) => `${i}`));
  });

  test("a query that throws says so, until it does not any more", async () => {
    const t = convexTest(schema, modules);
    const watched = await t.subscribe(api.onShelf, { shelf: "a" });
    const failure = expect(watched.next()).rejects.toThrow("poisoned");
    await t.mutation(api.add, { text: "poison", shelf: "a" });
    await failure;
    expect(() => watched.current).toThrow("poisoned");
    await t.run(async (ctx) => {
      for (const { _id } of await ctx.db.query("notes").collect()) await ctx.db.delete("notes", _id);
    });
    await watched.settled();
    expect(watched.current).toEqual([]);
  });
});

describe("injectFault", () => {
  test("a function that does not start, and one whose answer is lost", async () => {
    const t = convexTest(schema, modules);
    const onShelf = () => t.query(api.onShelf, { shelf: "a" });
    t.injectFault({ fn: "notes:add" });
    const refused = await t.action(api.addTwice, { text: "1", shelf: "a" });
    expect(refused).toBe("Uncaught Error: Your request couldn't be completed. Try again later.");
    expect(await onShelf()).toEqual(["1 again"]);
    t.injectFault({ fn: "notes:add", at: "answer", error: new Error("line cut") });
    expect(await t.action(api.addTwice, { text: "2", shelf: "a" })).toBe("Uncaught Error: line cut");
    expect(await onShelf()).toEqual(["1 again", "2", "2 again"]);
    expect(await t.action(api.addTwice, { text: "3", shelf: "a" })).toBe("at once");
  });
});

describe("passTime", () => {
  test("every scheduled function runs at its own time", async () => {
    vi.useFakeTimers({ now: Date.UTC(2030, 0, 1) });
    const t = convexTest(schema, modules);
    await t.mutation(api.tick, { left: 5 });
    await t.passTime(150_000, vi.advanceTimersByTime);
    expect(await t.query(api.onShelf, { shelf: "ticks" })).toEqual([
      "2030-01-01T00:00:00.000Z",
      "2030-01-01T00:01:00.000Z",
      "2030-01-01T00:02:00.000Z",
    ]);
    expect(new Date().toISOString()).toBe("2030-01-01T00:02:30.000Z");
  });
});
