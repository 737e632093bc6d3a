import { brotliCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LensletError, badRequest } from "../base/errors.ts";
import { operationNames } from "../protocol/http.ts";
import { adminKey, asAdmin, TestServer, type Sent } from "./testSupport.ts";

const server = new TestServer();
const { engine } = server;
/** Who wanted it, for the audit log. */
const client = { ip: "127.0.0.1", userAgent: null };
beforeAll(() => server.open());
afterAll(() => server.close());
beforeEach(() => {
  engine.operations.length = 0;
  engine.systemAnswer = () => "{}";
  server.pushed.length = 0;
  server.pushAnswer = (step) => ({ step });
  server.testQueries.length = 0;
});

const startPush = {
  adminKey,
  dryRun: false,
  functions: "convex/",
  appDefinition: {},
  componentDefinitions: [],
  extra: 1,
};

describe("push", () => {
  it.each<[string, string, object]>([
    ["/api/get_config_hashes", "getConfigHashes", { adminKey, version: "1.48.0" }],
    ["/api/get_config", "getConfig", { adminKey }],
    ["/api/deploy2/start_push", "startPush", startPush],
    ["/api/deploy2/evaluate_push", "evaluatePush", startPush],
    [
      "/api/deploy2/wait_for_schema",
      "waitForSchema",
      { adminKey, schemaChange: {}, timeoutMs: 10000, dryRun: false },
    ],
    [
      "/api/deploy2/finish_push",
      "finishPush",
      { adminKey, startPush: { a: 1 }, dryRun: false, message: null },
    ],
  ])("%s forwards its body, brotli or plain", async (path, step, body) => {
    const plain = await server.post(path, body);
    expect([plain.status, plain.json()]).toEqual([200, { step }]);
    const packed = brotliCompressSync(Buffer.from(JSON.stringify(body)));
    expect((await server.post(path, packed, { "content-encoding": "br" })).json()).toEqual({ step });
    // The end of a push goes into the audit log.
    const forwarded = step === "finishPush" ? { ...body, client } : body;
    expect(server.pushed).toEqual([
      { step, body: forwarded },
      { step, body: forwarded },
    ]);
  });

  it("looks at the key in the body only", async () => {
    const ask = (body: string | object, headers = {}) => server.post("/api/get_config_hashes", body, headers);
    expect((await ask({ version: "1" }, asAdmin)).json()).toMatchObject({ code: "BadJsonBody" });
    const wrong = await ask({ adminKey: "a|b" }, asAdmin);
    expect([wrong.status, wrong.json()["code"]]).toEqual([401, "BadAdminKey"]);
    expect((await ask({ adminKey }, { authorization: "Convex a|b" })).status).toBe(200);
    // The last of two equal fields counts, as for every JSON parser.
    expect((await ask(`{"adminKey":${JSON.stringify(adminKey)},"adminKey":"a|b"}`)).status).toBe(401);
    expect(server.pushed.length).toBe(1);
  });

  it("does not parse the body of a stranger", async () => {
    const answer = await server.post(
      "/api/deploy2/start_push",
      '{"adminKey":"a|b","rest":[[[[ this is not JSON',
    );
    expect(answer.status).toBe(401);
  });

  it("answers 404 for evaluate_schema where it is not built, and null for the telemetry", async () => {
    expect((await server.post("/api/deploy2/evaluate_schema", startPush)).status).toBe(404);
    const report = await server.post("/api/deploy2/report_push_completed", { adminKey, spans: [] });
    expect([report.status, report.text]).toEqual([200, "null"]);
  });

  it("passes the codes of a failed push on", async () => {
    const message = "Environment variable NAME is used in auth config file but its value was not set";
    server.pushAnswer = () => {
      throw badRequest("AuthConfigMissingEnvironmentVariable", message);
    };
    const answer = await server.post("/api/deploy2/start_push", startPush);
    expect([answer.status, answer.json()]).toEqual([
      400,
      { code: "AuthConfigMissingEnvironmentVariable", message },
    ]);
  });

  it("checks the envelope", async () => {
    const answer = await server.post("/api/deploy2/start_push", { adminKey, dryRun: "no" });
    expect([answer.status, answer.json()["code"]]).toEqual([400, "BadJsonBody"]);
    expect(server.pushed).toEqual([]);
  });
});

describe("platform", () => {
  it("updates environment variables in one operation", async () => {
    for (const path of ["/api/update_environment_variables", "/api/v1/update_environment_variables"]) {
      const changes = [{ name: "A", value: "1" }, { name: "B", value: null }, { name: "C" }];
      const answer = await server.post(path, { changes }, asAdmin);
      expect([answer.status, answer.text]).toEqual([200, ""]);
    }
    const args = {
      changes: [
        { name: "A", value: "1" },
        { name: "B", value: null },
        { name: "C", value: null },
      ],
      client,
    };
    expect(engine.operations).toEqual([
      { operation: "env.update", args },
      { operation: "env.update", args },
    ]);
  });

  it("lists variables, URLs and state", async () => {
    engine.environmentVariables = { A: "1" };
    const get = async (path: string) => (await server.send(path, { headers: asAdmin })).json();
    expect(await get("/api/list_environment_variables")).toEqual({ environmentVariables: { A: "1" } });
    expect(await get("/api/v1/list_environment_variables")).toEqual({ environmentVariables: { A: "1" } });
    expect(await get("/api/v1/get_canonical_urls")).toEqual({
      convexCloudUrl: "http://127.0.0.1:3210",
      convexSiteUrl: "http://127.0.0.1:3211",
    });
    expect(await get("/api/v1/deployment_info")).toEqual({ kind: "selfHosted" });
    engine.systemAnswer = () => '{"items":[{"createTime":1.5}],"hasMore":true}';
    expect(await get("/api/v1/list_audit_log_events?from=1&limit=1&cursor=0.5")).toEqual({
      items: [{ createTime: 1.5 }],
      pagination: { hasMore: true, nextCursor: "1.5" },
    });
    expect(engine.operations).toEqual([
      { operation: "audit.list", args: { fromMs: 1, behindMs: 0.5, limit: 1 } },
    ]);
    expect(await get("/api/v1/list_audit_log_events?from=then")).toMatchObject({ code: "BadQueryArgs" });
    expect(await get("/api/v1/list_usage_limits")).toEqual({ usageLimits: [] });
    expect(await get("/api/v1/get_current_usage")).toEqual({ metrics: {}, seedStatus: "complete" });
    expect(await get("/api/v1/create_log_stream")).toMatchObject({ code: "FeatureNotAvailable" });
  });

  it("updates canonical URLs, pauses and unpauses", async () => {
    const update = (body: object) => server.post("/api/v1/update_canonical_url", body, asAdmin);
    expect((await update({ requestDestination: "convexSite", url: "https://x.example" })).status).toBe(200);
    expect((await update({ requestDestination: "convexCloud" })).text).toBe("");
    expect((await update({ requestDestination: "elsewhere" })).json()).toMatchObject({ code: "BadJsonBody" });
    expect((await update({ requestDestination: "convexSite", url: "javascript:1" })).status).toBe(400);
    expect((await server.send("/api/v1/pause_deployment", { method: "POST", headers: asAdmin })).status).toBe(
      200,
    );
    expect((await server.post("/api/v1/unpause_deployment", {}, asAdmin)).text).toBe("");
    expect(engine.operations).toEqual([
      {
        operation: "canonicalUrl.update",
        args: { requestDestination: "convexSite", url: "https://x.example", client },
      },
      { operation: "canonicalUrl.update", args: { requestDestination: "convexCloud", url: null, client } },
      { operation: "deployment.pause", args: { client } },
      { operation: "deployment.unpause", args: { client } },
    ]);
  });

  it("passes the codes of refused operations on", async () => {
    engine.systemAnswer = () => {
      throw badRequest("PauseDeploymentFailed", "The deployment is paused already.");
    };
    const answer = await server.send("/api/v1/pause_deployment", { method: "POST", headers: asAdmin });
    expect([answer.status, answer.json()["code"]]).toEqual([400, "PauseDeploymentFailed"]);
    engine.systemAnswer = () => {
      throw new LensletError("Overloaded", "CommitterFullError", "Too many.");
    };
    expect((await server.send("/api/shapes2", { headers: asAdmin })).status).toBe(503);
  });
});

describe("admin", () => {
  it("names every operation of a full key", async () => {
    const answer = await server.send("/api/check_admin_key", { headers: asAdmin });
    expect(answer.json()).toEqual({ success: true, allowedOps: [...operationNames], isReadOnly: false });
  });

  it("forwards table operations", async () => {
    engine.systemAnswer = (operation) =>
      operation === "admin.indexes" ? '{"indexes":[]}' : '{"t":{"type":"Unknown"}}';
    expect((await server.send("/api/get_indexes?componentId=c1", { headers: asAdmin })).text).toBe(
      '{"indexes":[]}',
    );
    expect((await server.send("/api/shapes2", { headers: asAdmin })).text).toBe('{"t":{"type":"Unknown"}}');
    expect((await server.post("/api/delete_tables", { tableNames: ["a"] }, asAdmin)).text).toBe("");
    expect(engine.operations).toEqual([
      { operation: "admin.indexes", args: { componentId: "c1" } },
      { operation: "admin.shapes", args: { componentId: null } },
      { operation: "admin.deleteTables", args: { tableNames: ["a"], componentId: null, client } },
    ]);
  });

  it("runs test functions", async () => {
    const bundle = { path: "testQuery.js", source: "export default 1" };
    const body = { adminKey, bundle, args: { v: 1 }, format: "convex_encoded_json" };
    const answer = await server.post("/api/run_test_function", body, { authorization: "Convex x|y" });
    expect(answer.text).toBe('{"status":"success","value":{"v":1}}');
    expect(server.testQueries).toMatchObject([
      {
        bundle: { ...bundle, sourceMap: null },
        argsJson: '[{"v":1}]',
        componentId: null,
        identity: { kind: "admin" },
      },
    ]);
    expect((await server.post("/api/run_test_function", { ...body, adminKey: "x|y" })).status).toBe(401);
  });

  it.each<[string, Sent]>([
    ["/api/update_environment_variables", { method: "POST" }],
    ["/api/list_environment_variables", {}],
    ["/api/v1/get_canonical_urls", {}],
    ["/api/v1/update_canonical_url", { method: "POST" }],
    ["/api/v1/deployment_info", {}],
    ["/api/v1/pause_deployment", { method: "POST" }],
    ["/api/v1/unpause_deployment", { method: "POST" }],
    ["/api/v1/list_audit_log_events", {}],
    ["/api/stream_function_logs?cursor=0", {}],
    ["/api/stream_udf_execution?cursor=0", {}],
    ["/api/check_admin_key", {}],
    ["/api/shapes2", {}],
    ["/api/get_indexes", {}],
    ["/api/delete_tables", { method: "POST" }],
    ["/api/function", { method: "POST" }],
  ])("%s is for admins", async (path, sent) => {
    const anonymous = await server.send(path, sent);
    expect([anonymous.status, anonymous.json()["code"]]).toEqual([403, "BadDeployKey"]);
    const user = await server.send(path, { ...sent, headers: { authorization: "Bearer alice" } });
    expect(user.status).toBe(403);
    expect(engine.operations).toEqual([]);
  });
});
