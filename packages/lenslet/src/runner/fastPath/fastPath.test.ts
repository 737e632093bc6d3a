import { beforeAll, describe, expect, it } from "vitest";
import { parseModule } from "../moduleSyntax.ts";
import { Runner } from "../runner.ts";
import { bundleFolder, codeOf, recordingHost, request, testClock } from "../testBundle.ts";
import type { ModuleSource, RunHost } from "../types.ts";
import { stockFingerprints, stockNames } from "./stockPackage.ts";

const files = {
  "m.ts": `
    import { queryGeneric as query, mutationGeneric as mutation } from "convex/server";
    export const read = query({ args: {}, handler: async ({ db }) => await db.query("a").collect() });
    export const write = mutation({ args: {}, handler: async ({ db }) => await db.insert("a", { n: 1 }) });
  `,
  "values.ts": `import { v } from "convex/values"; export const validator = v.any();`,
  "global.ts": `
    import { queryGeneric as query } from "convex/server";
    export const read = query({ args: {}, handler: async ({ db }) => { Array.prototype.mine = 1; delete Array.prototype.mine; return await db.query("a").collect(); } });
  `,
};

let modules: ReadonlyMap<string, ModuleSource>;
beforeAll(async () => {
  modules = await bundleFolder(files);
});

/** Which way the syscalls of a run took. */
function waysOf(
  runner: Runner,
  changed: ReadonlyMap<string, ModuleSource>,
  path: string,
  kind: "query" | "mutation" = "query",
): string[] {
  const ways: string[] = [];
  const answer = (op: string) =>
    op === "1.0/insert"
      ? '{"_id":"id"}'
      : op === "1.0/queryStream"
        ? '{"queryId":0}'
        : op === "1.0/queryCleanup"
          ? "true"
          : '{"value":null,"done":true}';
  const host: RunHost = {
    ...recordingHost(),
    syscall: (op) => (ways.push(`syscall ${op}`), answer(op)),
    asyncSyscall: (op) => (ways.push(`syscall ${op}`), answer(op)),
    fastSyscall: (op, _args, isAlone) => (
      ways.push(`fast ${op}`),
      isAlone && op === "1.0/queryStreamNext" ? "[]" : answer(op)
    ),
  };
  const outcome = runner.run(request(codeOf(changed), path, { kind, host }));
  expect(outcome.ok).toBe(true);
  return ways;
}

describe("the fast path", () => {
  it("is taken with the installed version of the package", () => {
    const runner = new Runner({ clock: testClock() });
    expect(waysOf(runner, modules, "m:read")).toEqual(["fast 1.0/queryStream", "fast 1.0/queryStreamNext"]);
    expect(waysOf(runner, modules, "m:write", "mutation")).toEqual(["fast 1.0/insert"]);
  });

  const stock = ["syscall 1.0/queryStream", "syscall 1.0/queryStreamNext", "syscall 1.0/queryCleanup"];

  it("is not taken when it is switched off", () => {
    expect(waysOf(new Runner({ clock: testClock(), fastPath: false }), modules, "m:read")).toEqual(stock);
  });

  it("is not taken by modules that may change globals", () => {
    expect(waysOf(new Runner({ clock: testClock() }), modules, "global:read")).toEqual(stock);
  });

  it.each([
    ["function", /await Convex\.asyncSyscall\(/, "await (0, Convex.asyncSyscall)("],
    ["class", /this\.limit\((\w)\)\.collect\(\)/, "this.limit($1 + 0).collect()"],
  ])("is not taken with a package that somebody has changed: a %s", (_what, pattern, text) => {
    const changed = new Map(
      [...modules].map(([path, module]) => [
        path,
        { ...module, source: module.source.replace(pattern, text) },
      ]),
    );
    expect([...changed].some(([path, { source }]) => source !== modules.get(path)?.source)).toBe(true);
    expect(waysOf(new Runner({ clock: testClock() }), changed, "m:read")).toEqual(stock);
  });

  it("finds every function it relies on in a bundle, whatever the bundler named them", () => {
    const found = new Set(
      [...modules.values()].flatMap(({ source }) =>
        Object.keys(stockFingerprints(source, parseModule(source).program)),
      ),
    );
    expect([...found].sort()).toEqual(Object.values(stockNames).flat().sort());
  });
});
