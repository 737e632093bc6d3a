import { describe, expect, it } from "vitest";
import { formatFailure } from "./failure.ts";
import { parseModule } from "./moduleSyntax.ts";
import { transformModule } from "./moduleTransform.ts";
import { Runner } from "./runner.ts";
import { codeOf, request, testClock } from "./testBundle.ts";

/** Runs the `f` of "m.js", which returns JSON text. */
function run(modules: Readonly<Record<string, string>>): unknown {
  const outcome = new Runner({ clock: testClock() }).run(request(codeOf(modules), "m:f"));
  if (!outcome.ok) throw new Error(formatFailure(outcome.failure));
  return JSON.parse(outcome.resultJson);
}
const fn = (expression: string): string =>
  `export const f = { invokeQuery: async () => JSON.stringify(${expression}) };`;

describe("modules as scripts", () => {
  it("links every form of import and export", () => {
    const lib = `
      export const a = 1, { b, c: [d] } = { b: 2, c: [3] };
      export function g() { return "g"; }
      export class K {}
      const local = 4;
      export { local as "strange name", local as e };
      export default function () { return "default"; }
    `;
    const re =
      'export * from "./lib.js"; export { a as first } from "./lib.js"; export * as lib from "./lib.js";';
    const main = `
      import theDefault, { a, b, d, g, K, e, "strange name" as strange } from "./lib.js";
      import * as re from "./re.js";
      import "./side.js";
      import late from "./late.js";
      ${fn("[theDefault(), theDefault.name, a, b, d, g(), K.name, e, strange, re.first, re.lib.a, Object.keys(re).sort(), globalThis.side, late, typeof this]")}
    `;
    const modules = {
      "m.js": main,
      "lib.js": lib,
      "re.js": re,
      "side.js": "globalThis.side = true;",
      "late.js": "export default class {}.name\n",
    };
    modules["late.js"] = "export default (() => 7)();";
    expect(run(modules)).toEqual([
      "default",
      "default",
      1,
      2,
      3,
      "g",
      "K",
      4,
      4,
      1,
      1,
      ["K", "a", "b", "d", "e", "first", "g", "lib", "strange name"],
      true,
      7,
      "undefined",
    ]);
  });

  it("evaluates dependencies first and once", () => {
    const modules = {
      "a.js": 'globalThis.order = ["a"];',
      "b.js": 'import "./a.js"; globalThis.order.push("b");',
      "m.js": `import "./b.js"; import "./a.js"; ${fn("globalThis.order")}`,
    };
    expect(run(modules)).toEqual(["a", "b"]);
  });

  it("keeps bindings live across cycles and later changes", () => {
    const modules = {
      "m.js": `import { get, add, count, tag } from "./b.js"; export const base = 10; export function hoisted() { return "h"; } ${fn("[get(), (add(), add(), count), { count }, tag`x`]")}`,
      "b.js": `import { base, hoisted } from "./m.js"; const early = hoisted(); export const get = () => [early, base]; export let count = 0; export const add = () => { count++; }; export const tag = function () { return this === undefined; };`,
    };
    expect(run(modules)).toEqual([["h", 10], 2, { count: 2 }, true]);
  });

  it("tells unresolved imports, missing exports, syntax errors and top-level await", () => {
    const fails = (modules: Readonly<Record<string, string>>): string => {
      try {
        run(modules);
        return "ok";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(fails({ "m.js": 'import "./no.js";' })).toBe(
      "Couldn't find JavaScript module 'no.js'. Did you forget to run `npx convex dev`?\n",
    );
    expect(fails({ "m.js": 'import { x } from "./a.js";', "a.js": "" })).toBe(
      "Uncaught SyntaxError: The requested module './a.js' does not provide an export named 'x'\n",
    );
    expect(fails({ "m.js": "let = ;" })).toMatch(/^Uncaught SyntaxError: /);
    expect(fails({ "m.js": "await 1;" })).toBe(
      "Uncaught SyntaxError: Top-level awaits in source files are unsupported\n",
    );
    expect(fails({ "m.js": "export const x = 1;\n  null.y;" })).toMatch(
      /^Uncaught TypeError: Cannot read properties of null \(reading 'y'\)\n {4}at m\.js:2:7\n$/,
    );
    expect(fails({ "m.js": "Promise.reject(new Error('floating'));" })).toMatch(
      /^Uncaught Error: floating\n/,
    );
    expect(fails({ "m.js": 'Convex.asyncSyscall("1.0/get", "{}");' })).toMatch(
      /^Uncaught Error: Can't use database at import time\n/,
    );
    expect(fails({ "m.js": 'Convex.syscall("1.0/queryStream", "{}");' })).toMatch(
      /Can't use database at import time/,
    );
    expect(fails({ "m.js": 'Convex.asyncSyscall("1.0/runUdf", "{}");' })).toMatch(
      /Cannot call another function at import time/,
    );
    expect(fails({ "m.js": 'Convex.asyncSyscall("1.0/schedule", "{}");' })).toMatch(
      /Syscall 1\.0\/schedule unsupported at import time/,
    );
    expect(fails({ "m.js": "setTimeout(() => {}, 1);" })).toMatch(/setTimeout unsupported at import time/);
    expect(fails({ "m.js": "fetch('http://x');" })).toMatch(/fetch\(\) unsupported at import time/);
  });

  it.each([
    ["const f = () => { class A { m() { return import(`./x.js`); } } };", 1, 0, false],
    ["const f = () => import /* a comment */ ('./x.js');", 1, 0, false],
    ["const f = () => import // a line\n\u2028('./x.js');", 1, 0, false],
    ["const f = () => import\n.meta.url;", 0, 1, false],
    ["const f = async () => { await 1; for await (const x of []); };", 0, 0, false],
    ["class A { static x = async () => { await 1; } }", 0, 0, false],
    ["if (true) { [1].map(async () => 2); await 1; }", 0, 0, true],
    ["for await (const x of []);", 0, 0, true],
  ] as const)(
    "finds dynamic imports, import.meta and top-level await wherever they are: %s",
    (...expected) => {
      const [source, dynamicImports, importMetas, hasTopLevelAwait] = expected;
      const module = parseModule(source);
      expect([module.dynamicImports.length, module.importMetas.length, module.hasTopLevelAwait]).toEqual([
        dynamicImports,
        importMetas,
        hasTopLevelAwait,
      ]);
    },
  );

  it("imports dynamically while modules are evaluated", () => {
    const modules = {
      "m.js": `let got; import("./a.js").then((a) => { got = a.x; }); ${fn("got")}`,
      "a.js": "export const x = 3;",
    };
    expect(run(modules)).toBe(3);
  });

  it("maps every place back to the module's source", () => {
    const source = [
      "import { a,",
      '  b } from "./x.js"; const early = 1;',
      "export const c = early + b(a), d = import.meta, e = () => import('./y.js').then(AFTER);",
      "export default c + d; const last = 2;",
    ].join("\n");
    const { code, positions } = transformModule(parseModule(source), new Set(["a", "b"]));
    const outLines = code.split("\n");
    for (const word of ["early = 1", "early + ", "AFTER", "c + d", "last = 2"]) {
      const lineIndex = outLines.findIndex((line, index) => index > 0 && line.includes(word));
      const place = positions.toSource(lineIndex + 1, outLines[lineIndex]!.indexOf(word));
      expect(source.split("\n")[place.line - 1]!.slice(place.column)).toMatch(
        new RegExp(`^${word.replace("+", "\\+")}`),
      );
    }
  });
});
