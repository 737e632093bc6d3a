import { describe, expect, it } from "vitest";
import type { ModuleSource } from "../runner/types.ts";
import type { AnalysisRequest } from "./analysisTypes.ts";
import { analyzePush, analyzePushedAuth } from "./analysisWorker.ts";
import { bundleApp } from "./testing/testBundle.ts";

const timers = {
  setTimeout: (callback: () => void, delayMs: number) => {
    const timer = setTimeout(callback, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};
const module = (path: string, source: string): ModuleSource => ({
  path,
  source,
  sourceMap: null,
  environment: "isolate",
});
const request = (modules: readonly ModuleSource[], schema: ModuleSource | null = null): AnalysisRequest => ({
  definition: null,
  schema,
  modules,
  components: [],
  environmentVariables: {},
  builtInVariables: {},
  importSeed: new Uint8Array(32),
  importTimestampMs: 0,
});
const query = `export const fine = Object.assign(() => {}, { isQuery: true, isPublic: true });`;
/** Short, so that the tests are; the texts name whatever the limit is. */
const options = { timers, moduleUserTimeMsMax: 300 };

describe("the analysis process", () => {
  it("answers with the analysis", async () => {
    const result = await analyzePush(request([module("a.js", query)]), { timers });
    expect(result).toMatchObject({
      ok: true,
      analysis: { modules: { "a.js": { functions: [{ name: "fine" }] } } },
    });
  });

  it("waits for a thread that is slow to start because the machine is busy", async () => {
    const analyses = Array.from({ length: 8 }, () =>
      analyzePush(request([module("a.js", query)]), { timers }),
    );
    expect((await Promise.all(analyses)).map(({ ok }) => ok)).toEqual(analyses.map(() => true));
  });

  it("ends a module that loops at import, names it, and lets the caller go on meanwhile", async () => {
    let turns = 0;
    const interval = setInterval(() => (turns += 1), 10);
    const result = await analyzePush(
      request([module("a.js", query), module("loop.js", "for (;;) {}")]),
      options,
    );
    clearInterval(interval);
    expect(result).toEqual({
      ok: false,
      code: "InvalidModules",
      message:
        "Hit an error while pushing:\nLoading the pushed modules encountered the following\n    error:\nFailed to analyze loop.js: Function execution timed out (maximum duration: 0.3s)",
    });
    expect(turns).toBeGreaterThan(3);
  });

  it("ends a schema that loops with the frame of schema errors", async () => {
    const result = await analyzePush(request([], module("schema.js", "for (;;) {}")), options);
    expect(result).toMatchObject({
      code: "InvalidSchema",
      message:
        "Hit an error while pushing:\nHit an error while evaluating your schema:\nFunction execution timed out (maximum duration: 0.3s)",
    });
  });

  it("ends a module that uses up the memory at import", async () => {
    const source = "const kept = []; for (;;) kept.push(new Array(1000).fill({}));";
    const result = await analyzePush(request([module("big.js", source)]), { timers, heapMegabytesMax: 48 });
    expect(result).toMatchObject({
      ok: false,
      message: expect.stringContaining(
        "Failed to analyze big.js: JavaScript execution ran out of memory (maximum memory usage: 48 MB)",
      ) as string,
    });
  });

  it("survives a module that ends the process or looks for a way out", async () => {
    const source = `export const x = 1; process.exit(3);`;
    const node: ModuleSource = { path: "n.js", source, sourceMap: null, environment: "node" };
    const result = await analyzePush(request([node]), { timers });
    expect(result).toMatchObject({
      ok: false,
      message: expect.stringContaining("Failed to analyze n.js: The module ended the process") as string,
    });
  });

  it("refuses queries in node modules, and finds their actions", async () => {
    const node = (kind: string) => ({
      "work.ts": `"use node";
import { createHash } from "node:crypto";
import { action, query } from "./_generated/server";
export const hash = ${kind}({
  args: {},
  handler: async () => createHash("sha256").update(process.env.SALT!).digest("hex"),
});
if (process.env.SALT !== "salt") throw new Error("no variables");`,
    });
    const analyzed = async (kind: string) => {
      const { modules } = await bundleApp(node(kind));
      const sources = modules.map((bundled): ModuleSource => ({
        ...bundled,
        sourceMap: bundled.sourceMap ?? null,
      }));
      return await analyzePush({ ...request(sources), environmentVariables: { SALT: "salt" } }, { timers });
    };
    expect(await analyzed("query")).toMatchObject({
      code: "InvalidModules",
      message: expect.stringContaining(
        "`hash` defined in `work.js` is a Query function. Only actions can be defined in Node.js. See https://docs.convex.dev/functions/actions for more details.",
      ) as string,
    });
    expect(await analyzed("action")).toMatchObject({
      ok: true,
      analysis: {
        modules: {
          "work.js": {
            functions: [{ name: "hash", udfType: "Action", pos: { path: "work.js", start_lineno: 5 } }],
          },
        },
      },
    });
  });

  it("re-evaluates the auth config alone", async () => {
    const auth = module(
      "auth.config.js",
      `export default { providers: [{ domain: process.env.ISSUER, applicationID: "a" }] };`,
    );
    const broken = module("broken.js", "throw new Error();");
    const missing = await analyzePushedAuth(request([auth, broken]), { timers });
    expect(missing).toMatchObject({ ok: false, code: "AuthConfigMissingEnvironmentVariable" });
    const environmentVariables = { ISSUER: "https://a.example.com" };
    const found = await analyzePushedAuth({ ...request([auth, broken]), environmentVariables }, { timers });
    expect(found).toEqual({ ok: true, auth: [{ domain: "https://a.example.com", applicationID: "a" }] });
  });
});
