import { describe, expect, it } from "vitest";
import { CodeModules, SourceCache } from "./codeModules.ts";
import { formatFailure } from "./failure.ts";
import { Runner } from "./runner.ts";
import { bundleFolder, codeOf, request, testClock } from "./testBundle.ts";
import type { RunOutcome } from "./types.ts";

const fn = (body: string): string =>
  `export const f = { invokeQuery: async (args) => { ${body} }, invokeMutation: async () => "null" };`;

function reasons(modules: Readonly<Record<string, string>>): string[] {
  const graph = new CodeModules(codeOf(modules), new SourceCache()).graph("m.js");
  return [...graph.stateReasons].map(([path, reason]) => `${path}: ${reason}`);
}

function value(outcome: RunOutcome): unknown {
  if (!outcome.ok) throw new Error(formatFailure(outcome.failure));
  return JSON.parse(outcome.resultJson);
}

describe("which modules keep state", () => {
  const stateful: Record<string, string> = {
    "a counter": `let n = 0; ${fn("return String(++n)")}`,
    "a var set by destructuring": `var n; ${fn("({ n } = { n: 1 }); return String(n)")}`,
    "a filled map": `const m = new Map(); ${fn('m.set(1, 2); return "1"')}`,
    "an array": `const list = []; ${fn("list.push(1); return String(list.length)")}`,
    "a nested array": `const state = { items: [] }; ${fn('state.items.push(1); return "1"')}`,
    "a field": `const state = {}; ${fn('state.x = 1; return "1"')}`,
    "a deleted field": `const state = { x: 1 }; ${fn('delete state.x; return "1"')}`,
    "Object.assign": `const state = { x: 1 }; ${fn('Object.assign(state, { y: 2 }); return "1"')}`,
    "an empty map given away": `const m = new Map(); ${fn("return String(fill(m))")} function fill(x) { x.set(1, 2); }`,
    "a regexp with lastIndex": `const re = /x/g; ${fn('return String(re.test("x"))')}`,
    "an instance that changes": `class C { n = 0; next() { return ++this.n; } } const c = new C(); ${fn("return String(c.next())")}`,
    "a private field": `class C { #n = []; next() { this.#n.push(1); } } const c = new C(); ${fn("c.next(); return '1'")}`,
    "an inherited change": `class B { go() { this.x = 1; } } class C extends B {} const c = new C(); ${fn("c.go(); return '1'")}`,
    "static fields": `class C { static n = 0; static next() { return ++this.n; } } ${fn("return String(C.next())")}`,
    "a closure": `const next = (() => { let n = 0; return () => ++n; })(); ${fn("return String(next())")}`,
    "a closure made by a function": `function make() { let n = 0; return () => ++n; } const next = make(); ${fn("return String(next())")}`,
    "an object's method": `const o = { n: 0, next() { return ++this.n; } }; ${fn("return String(o.next())")}`,
  };
  for (const [name, source] of Object.entries(stateful)) {
    it(`sees ${name}`, () => expect(reasons({ "m.js": source })).toHaveLength(1));
  }

  const stateless: Record<string, string> = {
    constants: `const table = { a: 1 }; const list = [1, 2]; ${fn("return String(table.a + list.map((x) => x).length)")}`,
    "a table filled at the top": `const lookup = []; for (let i = 0; i < 9; i++) lookup[i] = i; ${fn("return String(lookup[3])")}`,
    "local state": fn(
      "let n = 0; const m = new Map(); m.set(1, n++); [1].forEach(() => n++); return String(n)",
    ),
    "an instance that does not change": `class C { constructor(x) { this.x = x; } insert(d) { return d + this.x; } } const c = new C(1); ${fn("return String(c.insert(2))")}`,
    "instances made in functions": `class C { n = 0; next() { return ++this.n; } } ${fn("return String(new C().next())")}`,
    shadowing: `let n = 0; ${fn("let n = 1; n = 2; return String(n)")}`,
    "an object's own method": `const math = { add(a, b) { return a + b; } }; ${fn("return String(math.add(1, 2))")}`,
    "a regexp for replace": `const re = /x/g; ${fn('return "x".replace(re, "1")')}`,
    "the wrapper of a CommonJS module": `var wrap = (body, mod) => () => (mod || body((mod = { exports: {} }).exports, mod), mod.exports); var load = wrap((exports, module) => { var x; x = 1; exports.x = x; }); const got = load(); ${fn("return String(got.x)")}`,
    "the wrapper of a lazy module": `var init = (body, res) => () => (body && (res = body(body = 0)), res); var x; var load = init(() => { x = 5; }); load(); ${fn("return String(x)")}`,
  };
  for (const [name, source] of Object.entries(stateless)) {
    it(`lets pass ${name}`, () => expect(reasons({ "m.js": source })).toEqual([]));
  }

  it("takes a module that nests too deeply to follow for stateful, and runs it", () => {
    const deep = `const sum = 0${" + 1".repeat(4000)}; ${fn("return String(sum)")}`;
    const code = codeOf({ "m.js": deep });
    expect(value(new Runner({ clock: testClock() }).run(request(code, "m:f")))).toBe(4000);
  });

  it("follows imports: changed collections and instances of another module's class", () => {
    const lib =
      "export const cache = new Map([[1, 2]]); export class C { n = 0; next() { return ++this.n; } }";
    const uses = `import { cache } from "./lib.js"; ${fn("cache.set(1, 2); return '1'")}`;
    expect(reasons({ "m.js": uses, "lib.js": lib })).toHaveLength(1);
    const makes = `import { C } from "./lib.js"; const c = new C(); ${fn("return String(c.next())")}`;
    expect(reasons({ "m.js": makes, "lib.js": lib })).toHaveLength(1);
    const reads = `import { cache } from "./lib.js"; ${fn("return String(cache.get(1))")}`;
    expect(reasons({ "m.js": reads, "lib.js": lib })).toEqual([]);
  });

  it("does not take the npm package for stateful", async () => {
    const all = `
      import * as server from "convex/server";
      import * as values from "convex/values";
      export const everything = server.queryGeneric(async () => [Object.keys(server), Object.keys(values)]);
    `;
    const modules = await bundleFolder({ "a.ts": all, "b.ts": all });
    const graph = new CodeModules(codeOf(modules), new SourceCache()).graph("a.js");
    expect(graph.order.length).toBeGreaterThan(1);
    expect([...graph.stateReasons]).toEqual([]);
    expect(graph.watchedGlobals).toEqual([]);
  });
});

describe("runs do not see each other", () => {
  it("gives stateful modules anew to each run and keeps the others", () => {
    const modules = {
      "m.js": `import { stamp } from "./plain.js"; let n = 0; ${fn("return JSON.stringify([++n, stamp])")}`,
      "plain.js": "export const stamp = { id: 1 };",
    };
    const runner = new Runner({ clock: testClock() });
    const code = codeOf(modules);
    expect(value(runner.run(request(code, "m:f")))).toEqual([1, { id: 1 }]);
    expect(value(runner.run(request(code, "m:f")))).toEqual([1, { id: 1 }]);
    expect([...runner.stateReasons(code, "m.js").keys()]).toEqual(["m.js"]);
  });

  it("throws contexts with changed globals away", () => {
    const modules = {
      "m.js": fn("const before = globalThis.leak ?? 0; globalThis.leak = before + 1; return String(before)"),
      "proto.js": fn("const before = [].leak ?? 0; Array.prototype.leak = 1; return String(before)"),
      "replaced.js": fn("const before = typeof console.log; console.log = 5; return JSON.stringify(before)"),
    };
    const runner = new Runner({ clock: testClock() });
    const code = codeOf(modules);
    for (let i = 0; i < 3; i++) {
      expect(value(runner.run(request(code, "m:f")))).toBe(0);
      expect(value(runner.run(request(code, "proto:f")))).toBe(0);
      expect(value(runner.run(request(code, "replaced:f")))).toBe("function");
    }
  });

  it("keeps globals that a module sets while it is evaluated from other modules", () => {
    const modules = {
      "polyfill.js": `Array.prototype.mine = () => 1; ${fn("return String([].mine())")}`,
      "other.js": fn("return JSON.stringify(typeof [].mine)"),
    };
    const runner = new Runner({ clock: testClock() });
    const code = codeOf(modules);
    for (let i = 0; i < 2; i++) {
      expect(value(runner.run(request(code, "polyfill:f")))).toBe(1);
      expect(value(runner.run(request(code, "other:f")))).toBe("undefined");
    }
  });
});
