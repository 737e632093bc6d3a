import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Value } from "../values/value.ts";
import { FastPathTwins } from "./fastPathTwins.ts";

/** An interpreter in user code of the programs that are generated below. */
const interpreter = `
  import { query, mutation } from "./_generated/server";
  import { ConvexError } from "convex/values";
  import { makeFunctionReference } from "convex/server";
  const odd = [undefined, NaN, -0, Infinity, 7n, new ArrayBuffer(3), new Date(0), new Map([[1, 2]]), new Set([1]),
    () => 1, Symbol("s"), 2n ** 70n, Object.create(null), new (class Foo { a = 1 })(), [undefined], [, 1], { a: undefined, b: 1 },
    { $bad: 1 }, { "é": 1 }, { z: 1, a: { y: 1, b: [1, { d: 1, c: 2 }] } }, { "10": 1, "9": 2 }, "\\ud800", "tür \\u{1f600}", { constructor: 1 },
    { __proto__: { inherited: 1 }, own: 1 }, JSON.parse('{"__proto__":1}'), "x".repeat(3000), { nested: { bad: undefined, deep: [new Date(0)] } },
    [[[[[[1]]]]]], { "": 1 }, 1e21, -1.5, "", null, true];
  const target = (db, step, ids) => ids.length === 0 ? "nothing" : ids[step.id % ids.length];
  const chain = (db, step) => {
    let q = db.query(step.table);
    if (step.index !== null) q = q.withIndex(step.index, (r) => {
      for (const [op, field, value] of step.range) r = r[op](field, value === "undefined" ? undefined : value);
      return r;
    });
    if (step.order !== null) q = q.order(step.order);
    if (step.filter !== null) q = q.filter((f) => f.gt(f.field("n"), step.filter));
    return q;
  };
  async function one(ctx, step, ids) {
    const { db } = ctx;
    switch (step.op) {
      case "get": return step.named ? await db.get(step.table, target(db, step, ids)) : await db.get(target(db, step, ids));
      case "insert": { const id = await db.insert(step.table, { n: step.n, t: step.t }); ids.push(id); return id; }
      case "patch": return await db.patch(target(db, step, ids), { n: step.n, t: step.unset ? undefined : step.t });
      case "replace": return await db.replace(target(db, step, ids), { n: step.n });
      case "delete": return await db.delete(target(db, step, ids));
      case "collect": return await chain(db, step).collect();
      case "take": return await chain(db, step).take(step.n);
      case "first": return await chain(db, step).first();
      case "unique": return await chain(db, step).unique();
      case "page": return (await chain(db, step).paginate({ numItems: 2, cursor: null })).page;
      case "iterate": { const all = []; for await (const row of chain(db, step)) { all.push(row.n); await null; if (all.length > step.n) break; } return all; }
      case "normalize": return db.normalizeId(step.table, target(db, step, ids));
      case "system": return await db.system.get(target(db, step, ids));
      case "odd": return await db.insert("a", { n: 1, odd: odd[step.n % odd.length] });
      case "oddPatch": return await db.patch(target(db, step, ids), odd[step.n % odd.length]);
      case "oddReturn": return odd[step.n % odd.length];
      case "log": console.log("at", step.n, step.t); return null;
      case "ticks": for (let i = 0; i < step.n; i++) await null; return null;
      case "who": return (await ctx.auth.getUserIdentity()).name;
      case "nested": return ctx.runMutation
        ? await ctx.runMutation(makeFunctionReference("m:nestedMutation"), { n: step.n, fail: step.unset })
        : await ctx.runQuery(makeFunctionReference("m:nestedQuery"), { n: step.n });
      case "throw": throw new Error("thrown " + step.n);
      case "convexError": throw new ConvexError({ n: step.n, big: 7n, t: odd[step.n % 4 + 4] });
      case "together": return await Promise.all(step.steps.map((s) => one(ctx, s, ids)));
      case "settled": return (await Promise.allSettled(step.steps.map((s) => one(ctx, s, ids)))).map((r) => r.status === "fulfilled" ? r.value : r.reason.message);
      case "caught": try { return await all(ctx, step.steps, ids); } catch (e) { return [e.message, e.data ?? null, e.stack.split("\\n").length]; }
      case "unawaited": void all(ctx, step.steps, ids); return null;
      case "handledLater": { const p = all(ctx, step.steps, ids); await db.get(target(db, step, ids)).catch(() => null); return await p.catch((e) => e.message); }
    }
  }
  async function all(ctx, steps, ids) { const out = []; for (const step of steps) out.push((await one(ctx, step, ids)) ?? null); return out; }
  const handler = async (ctx, { steps, last }) => {
    const ids = (await ctx.db.query("a").collect()).map((d) => d._id);
    const out = await all(ctx, steps, ids);
    return last === null ? out : await one(ctx, last, ids);
  };
  export const asQuery = query({ handler });
  export const asMutation = mutation({ handler });
  export const nestedQuery = query({ handler: async ({ db }, { n }) => (await db.query("a").withIndex("by_n", (q) => q.gte("n", n)).collect()).length });
  export const nestedMutation = mutation({ handler: async ({ db }, { n, fail }) => { await db.insert("a", { n, t: "nested" }); if (fail) throw new ConvexError({ nested: n }); return await db.query("a").order("desc").first(); } });
`;

const surface = `
  import { query, mutation } from "./_generated/server";
  import { convexToJson, jsonToConvex } from "convex/values";
  const shape = (object) => Object.keys(object).sort().map((name) => [name, typeof object[name]]);
  const context = async (ctx) => {
    const { db } = ctx;
    const out = [shape(ctx), shape(db), shape(db.system), shape(ctx.auth), shape(ctx.storage), shape(ctx.meta), shape(ctx.scheduler ?? {}), shape(db.vars ?? {})];
    ctx.added = 1; db.added = 1; ctx.auth.added = 1; db.system.added = 1;
    return JSON.stringify(out);
  };
  export const contextOfQuery = query({ handler: context });
  export const contextOfMutation = mutation({ handler: context });
  export const realm = query({ handler: async ({ db }) => {
    const [row] = await db.query("a").take(1);
    const got = await db.get(row._id);
    const all = await db.query("a").collect();
    row.mine = 1; all.push(2);
    return [row, got].map((d) => d instanceof Object && Object.getPrototypeOf(d) === Object.prototype && !Object.isFrozen(d)).concat(
      Array.isArray(all), all instanceof Array, "mine" in (await db.get(row._id)), db.query("a") instanceof Object, db.get(row._id) instanceof Promise, (await db.query("a").first()) !== row);
  } });
  export const stamp = mutation({ handler: async ({ db }) => {
    const id = await db.insert("a", { n: 1, at: db.vars.commitTs });
    const row = await db.get(id);
    const rows = await db.query("a").collect();
    return [String(row.at), row.at === db.vars.commitTs, rows.some((r) => r.at === db.vars.commitTs), row.at];
  } });
  export const special = query({ handler: async ({ db }) => {
    const rows = await db.query("special").collect();
    const types = rows.map((r) => [typeof r.big, r.bytes instanceof ArrayBuffer, Object.is(r.zero, -0), r.text, Object.keys(r).join()]);
    return [types, rows, await db.get(rows[0]._id), await db.query("special").first()];
  } });
  export const returnsQuery = query({ handler: ({ db }) => db.query("a") });
  export const values = query({ handler: (ctx, args) => {
    const json = convexToJson(args); const copy = jsonToConvex(json); copy.extra = 1;
    return ["extra" in args, "extra" in json, convexToJson({ b: 1, a: 2n })];
  } });
  export const twice = query({ handler: async ({ db }) => { const q = db.query("a"); await q.collect(); const r = q.order("asc"); await r.collect(); return await r.collect(); } });
  export const badIndex = query({ handler: async function named({ db }) { return await db.query("a").withIndex("none", (q) => q.eq("n", 1)).unique(); } });
  export const notUnique = query({ handler: async ({ db }) => await db.query("a").unique() });
  async function helper(db, id) { await db.patch(id, { n: 1 }); }
  export const deepError = mutation({ handler: async ({ db }) => { await helper(db, "garbage"); } });
  export const writeInQuery = query({ handler: async ({ db }) => { const w = db; await (w.insert ?? (() => Promise.reject(new Error("no insert"))))("a", {}); } });
  export const many = mutation({ handler: async ({ db }) => { for (let i = 0; i < 40; i++) await db.insert("b", { i, text: "x".repeat(i) }); return (await db.query("b").collect()).length; } });
  export const tooMany = mutation({ handler: async ({ db }) => { for (let i = 0; i < 4200; i++) await db.query("a").withIndex("by_n", (q) => q.eq("n", i)).first(); } });
  export const oddNames = query({ handler: async ({ db }, { which }) => {
    const bad = [1, null, undefined, {}, "_storage", "_private", "no such"][which];
    return await db.query(bad).collect();
  } });
  export const oddOrder = query({ handler: async ({ db }, { which }) => await db.query("a").order([1, "up", undefined, { toJSON: () => "desc" }][which]).collect() });
  export const oddField = query({ handler: async ({ db }, { which }) => await db.query("a").withIndex("by_n", (q) => q.eq([1, "m", "n.n", { toJSON: () => "n" }][which], 3)).collect() });
  export const oddTake = query({ handler: async ({ db }, { which }) => await db.query("a").take([-1, 1.5, NaN, "2", 0, -0, undefined][which]) });
  export const oddGet = query({ handler: async ({ db }, { which }) => await db.get(...[[1], [{}], ["a", 1], [{}, "x"], ["a", "x", 3], [undefined], [null, "x"], ["b", "x"]][which]) });
  export const limitThenFilter = query({ handler: async ({ db }) => await db.query("a").limit(2).filter((f) => f.gt(f.field("n"), 1)).collect() });
`;

let twins: FastPathTwins;
beforeAll(async () => {
  twins = await FastPathTwins.create({ "m.ts": interpreter, "s.ts": surface });
  const { database } = twins;
  database.addIndex("a", "by_n", ["n", "_creationTime"]);
  database.addIndex("a", "by_t_n", ["t", "n", "_creationTime"]);
  for (let n = 0; n < 6; n++) database.insert("a", { n: n % 4, t: n % 2 === 0 ? "x" : "$y" });
  database.insert("special", { big: 7n, bytes: new ArrayBuffer(4), zero: -0, text: '"$' });
  database.insert("special", {
    big: -7n,
    bytes: new ArrayBuffer(0),
    zero: 0,
    text: "{}",
    inner: [{ n: 1n }],
  });
  database.insert("special", JSON.parse('{"inner":{"__proto__":1},"text":"p"}') as Record<string, Value>);
});

function compare(kind: "query" | "mutation", path: string, args: Value): unknown {
  const stock = twins.run("stock", kind, path, args);
  const fast = twins.run("fast", kind, path, args);
  expect(fast).toEqual(stock);
  return fast.outcome;
}

describe("the fast path does what the syscalls of the package do:", () => {
  it.each([
    ["query", "s:contextOfQuery"],
    ["mutation", "s:contextOfMutation"],
    ["query", "s:realm"],
    ["mutation", "s:stamp"],
    ["query", "s:special"],
    ["query", "s:returnsQuery"],
    ["query", "s:values"],
    ["query", "s:twice"],
    ["query", "s:badIndex"],
    ["query", "s:notUnique"],
    ["mutation", "s:deepError"],
    ["query", "s:writeInQuery"],
    ["mutation", "s:many"],
    ["mutation", "s:tooMany"],
    ["query", "s:limitThenFilter"],
  ] as const)("%s %s, twice", (kind, path) => {
    compare(kind, path, { a: 1, big: 7n });
    compare(kind, path, { a: 1, big: 7n });
  });

  it.each([
    ["s:oddNames", 7],
    ["s:oddOrder", 4],
    ["s:oddField", 4],
    ["s:oddTake", 7],
    ["s:oddGet", 8],
  ] as const)("%s", (path, count) => {
    for (let which = 0; which < count; which++) compare("query", path, { which });
  });

  it("errors carry the frames of user code", () => {
    const outcome = compare("mutation", "s:deepError", {}) as { failure: { frames: string[] } };
    expect(outcome.failure.frames.join()).toMatch(/async helper .*async handler/);
  });

  it("generated programs, racing and failing ones too", () => {
    fc.assert(
      fc.property(
        fc.array(step(2), { maxLength: 8 }),
        fc.option(step(0)),
        fc.boolean(),
        (steps, last, isQuery) => {
          const [kind, path] = isQuery
            ? (["query", "m:asQuery"] as const)
            : (["mutation", "m:asMutation"] as const);
          compare(kind, path, { steps, last } as unknown as Value);
        },
      ),
      { numRuns: 500 },
    );
  });
});

const range: fc.Arbitrary<Value> = fc.oneof(
  fc.constant([]),
  fc.integer({ min: 0, max: 4 }).map((n) => [["eq", "n", n]]),
  fc.integer({ min: 0, max: 4 }).map((n) => [["gte", "n", n]]),
  fc.constant([["eq", "n", "undefined"]]),
  fc.constant([["gt", "t", "a"]]),
);

/** `depth`: how deep steps may hold steps. */
function step(depth: number): fc.Arbitrary<Value> {
  const fields = {
    id: fc.nat(9),
    n: fc.nat(40),
    t: fc.constantFrom("x", "$y", "tür", '"', "z".repeat(50)),
    table: fc.constantFrom("a", "a", "a", "b", "special", "_storage"),
    named: fc.boolean(),
    unset: fc.boolean(),
    index: fc.constantFrom(null, null, "by_n", "by_n", "by_t_n", "by_creation_time"),
    range,
    order: fc.constantFrom(null, "asc", "desc"),
    filter: fc.option(fc.nat(4)),
  };
  const plain = fc.constantFrom(
    ..."get insert patch replace delete collect take first unique page iterate normalize system".split(" "),
    ..."get insert insert patch collect take first odd oddPatch oddReturn log ticks who nested throw convexError".split(
      " ",
    ),
  );
  const leaf = fc.record({ op: plain, ...fields }) as fc.Arbitrary<Value>;
  if (depth === 0) return leaf;
  const holder = fc.record({
    op: fc.constantFrom("together", "settled", "caught", "caught", "unawaited", "handledLater"),
    steps: fc.array(step(depth - 1), { maxLength: 5 }),
    id: fc.nat(9),
  }) as fc.Arbitrary<Value>;
  return fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 2, arbitrary: holder });
}
