import { describe, expect, it } from "vitest";
import { analyzeAuthConfig } from "./analyze.ts";
import type { Analysis, AnalysisResult } from "./analysisTypes.ts";
import { commitEnvironmentVariables, prepareAuthAnalysis } from "./authReevaluation.ts";
import { readAuthProviders, updateEnvironmentVariables } from "./configuration.ts";
import { evaluateSchema } from "./evaluateSchema.ts";
import { finishPush, parseFinishPushRequest, type FinishPushDiff } from "./finishPush.ts";
import { loadDeployment } from "./loadDeployment.ts";
import { configHashes, evaluatePush, startPush, waitForSchemaState, type StartPushResponse } from "./push.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { analyzePushed, refusal } from "./testing/analyzePushed.ts";
import { builtInVariables } from "./testing/appPush.ts";
import { parsePushRequest, pushBytesMax } from "./pushRequest.ts";
import { cliSchemas, throughCli } from "./testing/cliShapes.ts";
import { bundleApp, pushBody, type BundledApp } from "./testing/testBundle.ts";
import { TestDeployment } from "./testing/testDeployment.ts";

const startShapes = await cliSchemas("startPush");
const finishShapes = await cliSchemas("finishPush");
const evaluateShapes = await cliSchemas("evaluateSchema");

function loadApp(tx: Transaction) {
  const [app] = loadDeployment(tx, builtInVariables).components;
  if (app === undefined) throw new Error("the app is the first component");
  return app;
}

function analysisIn(result: AnalysisResult): Analysis {
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  // As after the way between the threads.
  return JSON.parse(JSON.stringify(result.analysis)) as Analysis;
}
async function start(deployment: TestDeployment, body: Record<string, unknown>): Promise<StartPushResponse> {
  const { request, input, result } = await analyzePushed(deployment, body);
  const analysis = analysisIn(result);
  const answer = deployment.commit((tx) => startPush(tx, request, input, analysis, deployment.pending));
  return throughCli(startShapes["startPushResponse"], answer);
}
function finish(deployment: TestDeployment, startPush: StartPushResponse, dryRun = false): FinishPushDiff {
  const request = parseFinishPushRequest({ adminKey: "key", startPush, dryRun, message: null });
  const diff = deployment.commit((tx) => finishPush(tx, request, deployment.pending));
  return throughCli(finishShapes["finishPushDiff"], diff);
}
async function push(deployment: TestDeployment, body: Record<string, unknown>): Promise<FinishPushDiff> {
  const started = await start(deployment, body);
  deployment.backfill();
  const status = deployment.commit((tx) => waitForSchemaState(tx, started.schemaChange, false));
  expect(throughCli(startShapes["schemaStatus"], status)).toEqual({ type: "complete" });
  return finish(deployment, started);
}

const schema = `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  messages: defineTable({ author: v.id("users"), body: v.string() })
    .index("by_author", ["author"])
    .searchIndex("by_text", { searchField: "body" }),
  users: defineTable({ name: v.string(), age: v.optional(v.int64()) }),
});`;
const messages = `import { query, mutation, internalMutation, httpAction } from "./_generated/server";
import { v } from "convex/values";
import { shared } from "./lib/shared";

export const send = mutation({
  args: { body: v.string(), author: v.id("users") },
  returns: v.id("messages"),
  handler: async (ctx, args) => {
    return await ctx.db.insert("messages", args);
  },
});

export const list = query(async (ctx) => {
  return shared(await ctx.db.query("messages").collect());
});

export const clear = internalMutation({ args: {}, handler: async () => {} });
export const hook = httpAction(async () => new Response(null));
export const helper = () => 1;
export default query({ args: {}, handler: async () => null });
`;
const chat = {
  "schema.ts": schema,
  "messages.ts": messages,
  "lib/shared.ts": `export function shared<T>(x: T): T { return x; }`,
  "people/users.ts": `import { shared } from "../lib/shared";
import { query } from "../_generated/server";
export const me = query({ args: {}, handler: async () => shared(null) });`,
};
let bundledChat: Promise<BundledApp> | null = null;
const chatApp = () => (bundledChat ??= bundleApp(chat));

describe("a push of real bundles", () => {
  it("goes from start to finish with answers the CLI accepts, and leaves the code loaded", async () => {
    const deployment = new TestDeployment();
    const before = deployment.commit((tx) => configHashes(tx));
    expect(before).toEqual({
      config: { functions: "convex/" },
      moduleHashes: [],
      udfServerVersion: null,
    });
    const started = await start(deployment, pushBody(await chatApp()));
    expect(started.schemaChange.indexDiffs[""]?.added_indexes).toEqual([
      { name: "messages.by_author", type: "database", fields: ["author"] },
      { name: "messages.by_text", type: "search", searchField: "body", filterFields: [] },
    ]);
    expect(started.app).toMatchObject({
      definitionPath: "",
      httpRoutes: { httpModuleRoutes: null, mounts: [] },
    });
    const functions = (started.analysis[""] as { functions: Analysis["modules"] }).functions;
    expect(Object.keys(functions)).toEqual(["lib/shared.js", "messages.js", "people/users.js"]);
    expect(functions["messages.js"]?.functions).toEqual([
      {
        name: "send",
        pos: { path: "messages.js", start_lineno: 7, start_col: expect.any(Number) as number },
        udfType: "Mutation",
        visibility: { kind: "public" },
        args: '{"type":"object","value":{"body":{"fieldType":{"type":"string"},"optional":false},"author":{"fieldType":{"type":"id","tableName":"users"},"optional":false}}}',
        returns: '{"type":"id","tableName":"messages"}',
      },
      expect.objectContaining({ name: "list", udfType: "Query", args: '{"type":"any"}', returns: "null" }),
      expect.objectContaining({ name: "clear", visibility: { kind: "internal" } }),
      expect.objectContaining({ name: "default", udfType: "Query" }),
    ]);
    deployment.backfill();
    const diff = finish(deployment, started).componentDiffs[""];
    expect(diff?.moduleDiff.added).toContain("messages.js");
    const loaded = deployment.commit(loadApp);
    expect(loaded.code.modules.get("messages.js")?.sourceMap).toMatch(/"mappings"/);
    expect(deployment.commit((tx) => loadDeployment(tx, builtInVariables)).serverVersion).toBe("1.48.0");
    expect([...loaded.modules.keys()].some((path) => path.startsWith("_deps/"))).toBe(true);
  });

  it("answers hashes at once, takes unchanged modules from the server, and a push of the same code changes nothing", async () => {
    const deployment = new TestDeployment();
    const app = await chatApp();
    await push(deployment, pushBody(app));
    const { moduleHashes } = deployment.commit((tx) => configHashes(tx));
    expect(moduleHashes.map(({ path }) => path).toSorted()).toEqual(
      app.modules.map(({ path }) => path).toSorted(),
    );
    const code = deployment.commit((tx) => loadApp(tx)).code.id;
    const { commits } = deployment;
    const body = pushBody(app);
    const unchangedModuleHashes = moduleHashes.map(({ path, hash, environment }) => ({
      path,
      environment,
      sha256: hash,
    }));
    const again = { ...(body["appDefinition"] as object), changedModules: [], unchangedModuleHashes };
    const diff = await push(deployment, { ...body, appDefinition: again });
    expect(diff.componentDiffs[""]).toMatchObject({
      moduleDiff: { added: [], removed: [] },
      schemaDiff: null,
    });
    expect(deployment.commits).toBe(commits);
    expect(deployment.commit((tx) => loadApp(tx)).code.id).toBe(code);

    const forged = unchangedModuleHashes.map((hash) => ({ ...hash, sha256: "0".repeat(64) }));
    const lost = { ...body, appDefinition: { ...again, unchangedModuleHashes: forged } };
    await expect(analyzePushed(deployment, lost)).rejects.toMatchObject({ code: "MissingSourcePackage" });
  });

  it("removes modules that are gone and gives changed code another id", async () => {
    const deployment = new TestDeployment();
    await push(deployment, pushBody(await chatApp()));
    const before = deployment.commit((tx) => loadApp(tx)).code.id;
    const { "people/users.ts": _gone, ...rest } = chat;
    const diff = await push(deployment, pushBody(await bundleApp(rest)));
    expect(diff.componentDiffs[""]?.moduleDiff.removed).toContain("people/users.js");
    const loaded = deployment.commit(loadApp);
    expect(loaded.code.id).not.toBe(before);
    expect(loaded.modules.has("people/users.js")).toBe(false);
  });

  it("lets only the first of two concurrent pushes of different code finish", async () => {
    const deployment = new TestDeployment();
    const first = await start(deployment, pushBody(await chatApp()));
    const second = await start(deployment, pushBody(await chatApp()));
    deployment.backfill();
    finish(deployment, first);
    expect(() => finish(deployment, second)).toThrow(/Are you running multiple `npx convex dev` processes/);
  });

  it("predicts without writing", async () => {
    const deployment = new TestDeployment();
    const { result } = await analyzePushed(deployment, pushBody(await chatApp()));
    const analysis = analysisIn(result);
    const { commits } = deployment;
    throughCli(
      evaluateShapes["evaluateSchemaResponse"],
      deployment.commit((tx) => evaluateSchema(tx, analysis)),
    );
    throughCli(
      startShapes["evaluatePushResponse"],
      deployment.commit((tx) => evaluatePush(tx, analysis)),
    );
    expect(deployment.commits).toBe(commits);
  });

  it("does nothing in the finish of a dry run", async () => {
    const deployment = new TestDeployment();
    const started = await start(deployment, pushBody(await chatApp(), { dryRun: true }));
    finish(deployment, started, true);
    expect(deployment.commit((tx) => configHashes(tx)).moduleHashes).toEqual([]);
  });
});

const server = `import { query, mutation, action, internalAction, httpAction } from "./_generated/server";`;

describe("http.ts and crons.ts", () => {
  it("reads routes", async () => {
    const deployment = new TestDeployment();
    const http = `import { httpRouter } from "convex/server"; ${server}
      const http = httpRouter();
      const reply = httpAction(async () => new Response("ok"));
      http.route({ path: "/b", method: "POST", handler: reply });
      http.route({ path: "/a", method: "GET", handler: reply });
      http.route({ pathPrefix: "/files/", method: "GET", handler: reply });
      export default http;`;
    const started = await start(deployment, pushBody(await bundleApp({ "http.ts": http })));
    expect(started.app).toMatchObject({
      httpRoutes: {
        httpModuleRoutes: [
          { method: "GET", path: "/a" },
          { method: "POST", path: "/b" },
          { method: "GET", path: "/files/*" },
        ],
      },
    });
  });

  it("refuses what is no router", async () => {
    expect(await refusal({ "http.ts": "export default {};" })).toEqual({
      code: "InvalidModules",
      message:
        "Hit an error while pushing:\nLoading the pushed modules encountered the following\n    error:\nThe default export of `convex/http.js` is not a Router.",
    });
  });

  const crons = (
    body: string,
  ) => `import { cronJobs } from "convex/server"; import { internal, api } from "./_generated/api";
    const crons = cronJobs(); ${body}
    export default crons;`;
  const jobs = `${server} export const run = internalAction(async () => {}); export const read = query(async () => 1);
    export const hook = httpAction(async () => new Response());`;

  it("reads schedules and tells what changed at finish", async () => {
    const deployment = new TestDeployment();
    const app = (body: string) =>
      bundleApp({ "crons.ts": crons(body), "jobs.ts": jobs }).then((bundled) => pushBody(bundled));
    const kept = `crons.interval("often", { minutes: 2 }, internal.jobs.run); crons.daily("day", { hourUTC: 4, minuteUTC: 5 }, internal.jobs.run);`;
    const started = await start(
      deployment,
      await app(`${kept}
      crons.weekly("week", { dayOfWeek: "monday", hourUTC: 1, minuteUTC: 2 }, internal.jobs.run, { x: 1n });
      crons.cron("expression", "0 0 1 * *", internal.jobs.run); crons.hourly("hour", internal.jobs.run);`),
    );
    const { functions } = started.analysis[""] as { functions: Analysis["modules"] };
    const specs = functions["crons.js"]?.cronSpecs ?? [];
    expect(specs.map(({ identifier, spec }) => [identifier, spec.udfPath, spec.cronSchedule])).toEqual([
      ["often", "jobs.js:run", { type: "interval", seconds: 120 }],
      ["day", "jobs.js:run", { type: "daily", hourUTC: 4, minuteUTC: 5 }],
      ["week", "jobs.js:run", { type: "weekly", dayOfWeek: 1, hourUTC: 1, minuteUTC: 2 }],
      ["expression", "jobs.js:run", { type: "cron", cronExpr: "0 0 1 * *" }],
      ["hour", "jobs.js:run", { type: "hourly", minuteUTC: null }],
    ]);
    expect(Buffer.from(specs[2]?.spec.udfArgs ?? []).toString()).toBe('[{"x":{"$integer":"AQAAAAAAAAA="}}]');
    expect(finish(deployment, started).componentDiffs[""]?.cronDiff.added).toHaveLength(5);
    const diff = await push(
      deployment,
      await app(
        `${kept.replace("minutes: 2", "minutes: 3")} crons.monthly("new", { day: 1, hourUTC: 0 }, internal.jobs.run);`,
      ),
    );
    expect(diff.componentDiffs[""]?.cronDiff).toEqual({
      added: ["new"],
      updated: ["often"],
      deleted: ["week", "expression", "hour"],
    });
  });

  it.each([
    ["internal.jobs.absent", "The cron job 'x' schedules a function that does not exist: jobs.js:absent"],
    [
      "api.jobs.read",
      "The cron job 'x' schedules a query function, only actions and mutations can be scheduled: jobs.js:read",
    ],
    [
      "internal.jobs.hook",
      "The cron job 'x' schedules an HTTP action, only actions and mutations can be scheduled: jobs.js:hook",
    ],
  ])("refuses to schedule %s", async (target, message) => {
    const result = await refusal({
      "crons.ts": crons(`crons.interval("x", { seconds: 1 }, ${target});`),
      "jobs.ts": jobs,
    });
    expect(result?.code).toBe("InvalidModules");
    expect(result?.message.endsWith(`error:\n${message}`)).toBe(true);
  });
});

describe("errors of the analysis (reference functions.md §2, http-api.md §6.2)", () => {
  it("tells where a module throws at import", async () => {
    const result = await refusal({
      "bad.ts": `${server}\nconsole.log("before");\nthrow new Error("boom");\nexport const q = query(async () => 1);`,
    });
    expect(result?.code).toBe("InvalidModules");
    expect(result?.message).toMatch(
      /^Hit an error while pushing:\nLoading the pushed modules encountered the following\n {4}error:\nFailed to analyze bad\.js: Uncaught Error: boom\n {4}at .*bad\.ts:3:\d+\)?\n/,
    );
    expect(result?.message).toContain("before");
  });

  it("refuses syntax errors and top-level await", async () => {
    const app = await chatApp();
    const broken = { path: "broken.js", source: "export const x = ;", environment: "isolate" as const };
    const { result } = await analyzePushed(
      new TestDeployment(),
      pushBody({ ...app, modules: [...app.modules, broken] }),
    );
    expect(result).toMatchObject({ ok: false, code: "InvalidModules" });
    expect(!result.ok && result.message).toContain("Failed to analyze broken.js: Uncaught SyntaxError: ");
    const waits = await refusal({ "waits.ts": "await Promise.resolve(); export const x = 1;" });
    expect(waits?.message).toContain("Top-level awaits in source files are unsupported");
  });

  it("refuses a broken schema module and broken index rules", async () => {
    expect(await refusal({ "schema.ts": "export const x = 1;" })).toMatchObject({
      code: "InvalidSchema",
      message: expect.stringContaining(
        "Hit an error while evaluating your schema:\nSchema file missing default export.",
      ) as string,
    });
    expect(await refusal({ "schema.ts": "export default 1;" })).toMatchObject({
      code: "InvalidSchema",
      message: expect.stringContaining("Default export from schema file isn't a Convex schema.") as string,
    });
    expect(await refusal({ "schema.ts": `throw new Error("no schema");` })).toMatchObject({
      code: "InvalidSchema",
      message: expect.stringContaining("Uncaught Error: no schema") as string,
    });
    expect(await refusal({ "schema.ts": schema.replace('["author"]', '["writer"]') })).toMatchObject({
      code: "SchemaDefinitionError",
    });
  });

  it("refuses broken registrations with the exact texts", async () => {
    const fake = (fields: string) =>
      `const f: any = () => {}; export const fn = Object.assign(f, { isQuery: true, isPublic: true, ${fields} });`;
    const text = async (fields: string) =>
      (await refusal({ "m.ts": fake(fields) }))?.message.split("error:\n")[1];
    expect(await text("exportArgs: 1")).toBe("m.js:fn.exportArgs is not a function or `undefined`.");
    expect(await text("exportArgs: () => '{'")).toMatch(
      /^Invalid JSON returned from m\.js:fn\.exportArgs\(\): SyntaxError: /,
    );
    expect(await text("_handler: 1")).toBe("m.js:fn.handler is not a function.");
    expect(await text(`exportArgs: () => '{"type":"string"}'`)).toContain(
      "Args validator must be an object or any",
    );
    expect(await text("exportArgs: () => { throw null; }")).toBe(
      "Invalid JSON returned from m.js:fn.exportArgs(): null",
    );
  });

  it("refuses components, old Node.js and bad module paths", async () => {
    const app = await chatApp();
    const codeOf = (body: Record<string, unknown>) => {
      try {
        parsePushRequest(body);
        return "accepted";
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    expect(codeOf(pushBody(app))).toBe("accepted");
    const componentDefinitions = [
      {
        definitionPath: "../node_modules/x",
        definition: {},
        dependencies: [],
        schema: null,
        functions: [],
        udfServerVersion: "1",
      },
    ];
    expect(codeOf(pushBody(app, { componentDefinitions }))).toBe("InvalidConfig");
    expect(codeOf(pushBody(app, { nodeVersion: "18" }))).toBe("NodeVersionNotSupported");
    expect(codeOf({})).toBe("InvalidConfig");
    const files = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        path: `f${n}.js`,
        source: "",
        environment: "isolate" as const,
      }));
    const chunk = { path: "_deps/a.js", source: "", environment: "isolate" as const };
    expect(codeOf(pushBody({ ...app, modules: [...files(4096), chunk] }))).toBe("accepted");
    expect(() => parsePushRequest(pushBody({ ...app, modules: files(4097) }))).toThrow(
      'Too many function files (4097 > maximum 4096) in "convex/". See our docs (https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.',
    );
    // A text of its own for each character would be 230 MB: this one is a repetition that is never written out.
    const large = { path: "m.js", source: "x".repeat(pushBytesMax), environment: "isolate" as const };
    expect(codeOf(pushBody({ ...app, modules: [large] }))).toBe("ModulesTooLarge");
    expect(() => parsePushRequest(pushBody({ ...app, modules: [large] }))).toThrow(
      "Total module size exceeded the unzipped maximum (219.35 MiB > maximum size 219.35 MiB)",
    );
    for (const path of ["a-b.js", "../x.js", "a//b.js", "x.ts", "_system/x.js"]) {
      const modules = [{ path, source: "", environment: "isolate" as const }];
      expect(codeOf(pushBody({ ...app, modules }))).toBe("BadConvexModuleIdentifier");
    }
  });
});

describe("auth.config.ts and declared variables", () => {
  const auth = `export default { providers: [{ domain: process.env.ISSUER!, applicationID: "convex" }] };`;

  it("evaluates the auth config with variables and keeps the providers", async () => {
    const deployment = new TestDeployment();
    expect(await refusal({ "auth.config.ts": auth }, deployment)).toEqual({
      code: "AuthConfigMissingEnvironmentVariable",
      message:
        "Hit an error while pushing:\nEnvironment variable ISSUER is used in auth config file but its value was not set",
    });
    deployment.commit((tx) => {
      updateEnvironmentVariables(tx, [{ name: "ISSUER", value: "issuer.example.com" }]);
    });
    const diff = await push(deployment, pushBody(await bundleApp({ "auth.config.ts": auth })));
    const provider = { applicationID: "convex", domain: "https://issuer.example.com" };
    expect(diff.authDiff.added).toEqual([JSON.stringify(provider)]);
    expect(deployment.commit((tx) => loadDeployment(tx, builtInVariables)).authProviders).toEqual([provider]);
    expect((await push(deployment, pushBody(await bundleApp({})))).authDiff.removed).toHaveLength(1);
  });

  it("re-evaluates the deployed auth config when variables change", async () => {
    const deployment = new TestDeployment();
    const change = async (value: string | null) => {
      const changes = [{ name: "ISSUER", value }];
      const request = deployment.commit((tx) => prepareAuthAnalysis(tx, changes, builtInVariables));
      const environment = { clock: deployment.clock, onModule: () => {} };
      const evaluated =
        request === null ? null : { request, result: analyzeAuthConfig(request, environment) };
      deployment.commit((tx) => {
        commitEnvironmentVariables(tx, changes, evaluated);
      });
      return deployment.commit((tx) => readAuthProviders(tx));
    };
    expect(await change("a.example.com")).toEqual([]);
    await push(deployment, pushBody(await bundleApp({ "auth.config.ts": auth })));
    expect(await change("b.example.com")).toMatchObject([{ domain: "https://b.example.com" }]);
    await expect(change(null)).rejects.toMatchObject({ code: "AuthConfigMissingEnvironmentVariable" });
    await expect(change("ftp://x")).rejects.toMatchObject({ code: "InvalidProviderDomainUrl" });
    expect(deployment.commit((tx) => readAuthProviders(tx))).toHaveLength(1);
    const stale = deployment.commit((tx) => prepareAuthAnalysis(tx, [], builtInVariables));
    if (stale === null) throw new Error("there is an auth config");
    const result = analyzeAuthConfig(stale, { clock: deployment.clock, onModule: () => {} });
    await change("c.example.com");
    expect(() =>
      deployment.commit((tx) => {
        commitEnvironmentVariables(tx, [], { request: stale, result });
      }),
    ).toThrow("The deployment has changed meanwhile.");
  });

  const config = `import { defineApp } from "convex/server"; import { v } from "convex/values";
    export default defineApp({ env: { MODE: v.union(v.literal("a"), v.literal("b")), NOTE: v.optional(v.string()) } });`;

  it("finishes only when declared variables are set, and keeps them set", async () => {
    const deployment = new TestDeployment();
    const body = pushBody(await bundleApp({ "convex.config.ts": config }));
    const started = await start(deployment, body);
    expect(() => finish(deployment, started)).toThrow(
      "Required environment variables are not set: MODE. Set them in the Convex dashboard or CLI before pushing.",
    );
    const set = (value: string | null) =>
      deployment.commit((tx) => {
        updateEnvironmentVariables(tx, [{ name: "MODE", value }]);
      });
    set("a");
    await push(deployment, body);
    expect(() => set(null)).toThrow(/"MODE" is declared as required/);
    expect(() => set("c")).toThrow(/does not match its declaration/);
    set("b");
  });

  it("refuses declarations that are not text", async () => {
    expect(
      await refusal({ "convex.config.ts": config.replace("v.string()", "v.number() as any") }),
    ).toMatchObject({
      code: "InvalidEnvVarDeclaration",
    });
  });
});
