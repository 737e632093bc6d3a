import { describe, expect, it } from "vitest";
import { evaluateModule } from "./analysis.ts";
import type { EvaluatedModule } from "./analysis.ts";
import { formatFailure } from "./failure.ts";
import { bundleFolder, codeOf, testClock } from "./testBundle.ts";
import type { CodeVersion } from "./types.ts";

function evaluated(code: CodeVersion, path: string, options = {}): EvaluatedModule {
  const result = evaluateModule(code, path, { clock: testClock(), ...options });
  if (!result.ok) throw new Error(formatFailure(result.failure));
  return result;
}
const call = (value: unknown, name: string): unknown => (value as Record<string, () => unknown>)[name]!();

describe("evaluating modules at import time", () => {
  it("hands out registered functions, their validators and their source position", async () => {
    const messages = `import { queryGeneric as query, mutationGeneric as mutation } from "convex/server";
import { v } from "convex/values";
console.log("evaluated");
export const list = query({
  args: { n: v.number() },
  handler: async (ctx, args) => {
    return args.n;
  },
});
export const bad = mutation({ args: { x: undefined as any }, handler: async () => {} });
`;
    const code = codeOf(await bundleFolder({ "messages.ts": messages }));
    const module = evaluated(code, "messages.js");
    const list = module.namespace["list"] as Record<string, unknown>;
    expect(list["isQuery"]).toBe(true);
    expect(JSON.parse(call(list, "exportArgs") as string)).toMatchObject({ type: "object" });
    expect(module.positionOf(list["_handler"])?.original).toEqual({
      source: "../convex/messages.ts",
      line: 6,
      column: 11,
    });
    expect(module.logs.map((line) => line.messages)).toEqual([["'evaluated'"]]);
    let failure = "";
    try {
      call(module.namespace["bad"], "exportArgs");
    } catch (error) {
      failure = module.failureOf(error).message;
    }
    expect(failure).toMatch(/^Uncaught Error: .*undefined/);
  });

  it("evaluates schema, http and crons of the real package", async () => {
    const code = codeOf(
      await bundleFolder({
        "schema.ts": `import { defineSchema, defineTable } from "convex/server"; import { v } from "convex/values";
          export default defineSchema({ a: defineTable({ n: v.number() }).index("by_n", ["n"]) });`,
        "http.ts": `import { httpRouter, httpActionGeneric } from "convex/server"; const http = httpRouter();
          http.route({ path: "/x", method: "GET", handler: httpActionGeneric(async () => new Response("ok")) }); export default http;`,
        "crons.ts": `import { cronJobs, anyApi } from "convex/server"; const crons = cronJobs();
          crons.interval("tick", { seconds: 30 }, anyApi.m.tick as any); export default crons;`,
      }),
    );
    const schema = JSON.parse(
      call(evaluated(code, "schema.js").namespace["default"], "export") as string,
    ) as unknown;
    expect(schema).toMatchObject({ tables: [{ tableName: "a", indexes: [{ indexDescriptor: "by_n" }] }] });
    const routes = call(evaluated(code, "http.js").namespace["default"], "getRoutes") as unknown[][];
    expect(routes.map((route) => route.slice(0, 2))).toEqual([["/x", "GET"]]);
    const crons = call(evaluated(code, "crons.js").namespace["default"], "export") as string;
    expect(Object.keys(JSON.parse(crons) as object)).toEqual(["tick"]);
  });

  it("supplies synthetic modules", () => {
    const code = codeOf({
      "convex.config.js": 'import child from "./_componentDeps/abc"; export default child.defaultName;',
    });
    const extraModules = new Map([["_componentDeps/abc", 'export default { defaultName: "child" };']]);
    expect(evaluated(code, "convex.config.js", { extraModules }).namespace["default"]).toBe("child");
  });

  it("restricts auth.config.js", () => {
    const evaluate = (source: string, env = {}): ReturnType<typeof evaluateModule> =>
      evaluateModule(codeOf({ "auth.config.js": source }, { env }), "auth.config.js", {
        clock: testClock(),
        kind: "authConfig",
      });
    const missing = evaluate("export default { providers: [{ domain: process.env.DOMAIN }] };");
    expect(missing).toMatchObject({ ok: false, missingVariable: "DOMAIN" });
    expect(evaluate("export default process.env.DOMAIN;", { DOMAIN: "x" })).toMatchObject({ ok: true });
    for (const use of ["Math.random()", "Date.now()", "new Date()", "crypto.randomUUID()"]) {
      expect(evaluate(`export default ${use};`)).toMatchObject({ ok: false, missingVariable: null });
    }
  });
});
