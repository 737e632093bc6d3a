import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { ConvexError, type Value } from "convex/values";
import { LensletError } from "../base/errors.ts";
import { decodeU64, encodeU64 } from "../protocol/http.ts";
import { adminKey, asAdmin, echoed, failure, success, TestServer } from "./testSupport.ts";

const server = new TestServer();
const { engine } = server;
beforeAll(async () => {
  await server.open();
  engine.functions.set("test:echo", { kind: "Query", run: echoed });
  engine.functions.set("test:write", { kind: "Mutation", run: echoed });
  engine.functions.set("test:act", { kind: "Action", run: echoed });
  engine.functions.set("test:hidden", { kind: "Mutation", isInternal: true, run: echoed });
  engine.functions.set("test:http", { kind: "HttpAction", run: () => success("null") });
  engine.functions.set("test:logs", { kind: "Query", run: () => success("1", ["[LOG] 'a'"]) });
  engine.functions.set("dir/mod", { kind: "Query", run: () => success('"default export"') });
  engine.functions.set("test:boom", {
    kind: "Query",
    run: () =>
      failure("Uncaught Error: boom\n    at handler (../convex/test.ts:1:2)\n", undefined, ["[LOG] 'x'"]),
  });
  engine.functions.set("test:coded", {
    kind: "Query",
    run: () => failure("Uncaught ConvexError: x\n", '{"big":{"$integer":"AQAAAAAAAAA="}}'),
  });
  engine.functions.set("test:special", {
    kind: "Query",
    run: () =>
      success('{"b":{"$bytes":"AQI="},"i":{"$integer":"AQAAAAAAAAA="},"n":{"$float":"AAAAAAAA+H8="},"x":1}'),
  });
});
afterAll(() => server.close());
beforeEach(() => {
  engine.calls.length = 0;
  server.unexpected.length = 0;
});

function client(): ConvexHttpClient {
  return new ConvexHttpClient(server.url, { logger: false });
}
const ref = {
  echo: makeFunctionReference<"query", { v: Value }, { v: Value }>("test:echo"),
  write: makeFunctionReference<"mutation", { v: Value }, { v: Value }>("test:write"),
  act: makeFunctionReference<"action", { v: Value }, { v: Value }>("test:act"),
  hidden: makeFunctionReference<"mutation", { v: Value }, { v: Value }>("test:hidden"),
  boom: makeFunctionReference<"query", Record<string, never>, null>("test:boom"),
  coded: makeFunctionReference<"query", Record<string, never>, null>("test:coded"),
  missing: makeFunctionReference<"query", Record<string, never>, null>("test:missing"),
};
const special = {
  v: [1n, -0, NaN, Infinity, 'ä\u2028"\\', new Uint8Array([1, 2]).buffer, null, { a: true }],
};

describe("ConvexHttpClient", () => {
  it("runs queries, mutations and actions with every kind of value", async () => {
    expect(await client().query(ref.echo, special)).toEqual(special);
    expect(await client().mutation(ref.write, special)).toEqual(special);
    expect(await client().action(ref.act, special)).toEqual(special);
    expect(engine.calls.map((call) => [call.caller, call.identity.kind])).toEqual([
      ["HttpApi", "anonymous"],
      ["HttpApi", "anonymous"],
      ["HttpApi", "anonymous"],
    ]);
    expect(engine.calls[0]?.client?.ip).toBe("127.0.0.1");
    expect(engine.calls[0]?.requestId).toMatch(/^[0-9a-f]{16}$/);
  });

  it("runs consistent queries at the one timestamp of query_ts", async () => {
    const consistent = client();
    await consistent.consistentQuery(ref.echo, { v: 1 });
    const first = engine.ts;
    engine.ts += 5n;
    await consistent.consistentQuery(ref.echo, { v: 2 });
    expect(engine.calls.map((call) => call.atTs)).toEqual([first, first]);
  });

  it("carries user tokens, admin keys and acting-as identities", async () => {
    const one = client();
    one.setAuth("alice");
    await one.query(ref.echo, { v: 1 });
    const setAdminAuth = (key: string, identity?: object) => {
      (one as unknown as { setAdminAuth(key: string, identity?: object): void }).setAdminAuth(key, identity);
    };
    setAdminAuth(adminKey);
    expect(await one.mutation(ref.hidden, { v: 3 })).toEqual({ v: 3 });
    setAdminAuth(adminKey, { tokenIdentifier: "a|b", name: "Ünal" });
    await one.query(ref.echo, { v: 1 });
    expect(engine.calls.map((call) => call.identity)).toMatchObject([
      { kind: "user", attributes: { tokenIdentifier: "test|alice" } },
      { kind: "admin", actingAs: null },
      { kind: "admin", actingAs: { tokenIdentifier: "a|b", name: "Ünal" } },
    ]);
  });

  it("calls functions of any kind as an admin", async () => {
    type WithFunction = { function(name: string, componentPath?: string, args?: object): Promise<unknown> };
    const one = client() as unknown as WithFunction & { setAdminAuth(key: string): void };
    one.setAdminAuth(adminKey);
    expect(await one.function("test:echo", undefined, special)).toEqual(special);
    expect(await one.function("test:hidden", "", special)).toEqual(special);
    expect(await one.function("test:act", undefined, special)).toEqual(special);
    await expect(one.function("test:nope")).rejects.toThrow(
      "Could not find function for 'test:nope'. Did you forget to run `npx convex dev`?",
    );
    await expect(one.function("test:nope", "a/b")).rejects.toThrow(
      "Could not find function for 'test:nope' in 'a/b'. Did you forget to run `npx convex dev`?",
    );
    await expect(one.function("_system/cli/tables:default")).rejects.toThrow("for '_system/cli/tables'.");
    await expect(one.function("test:http")).rejects.toThrow("Could not find function for 'test:http'.");
  });

  it("sees the text and the data of a failure", async () => {
    await expect(client().query(ref.boom, {})).rejects.toThrow(
      /^\[Request ID: [0-9a-f]{16}\] Server Error\nUncaught Error: boom\n {4}at handler \(\.\.\/convex\/test\.ts:1:2\)\n$/,
    );
    const coded = await client()
      .query(ref.coded, {})
      .catch((error: unknown) => error);
    expect(coded).toBeInstanceOf(ConvexError);
    expect((coded as ConvexError<Value>).data).toEqual({ big: 1n });
    await expect(client().query(ref.missing, {})).rejects.toThrow(
      "Could not find public function for 'test:missing'.",
    );
  });
});

describe("answers", () => {
  it("has exactly the members of §3.2", async () => {
    const body = (path: string) => ({ path, args: {}, format: "convex_encoded_json" });
    const id = { "convex-request-id": "00112233AABBCCDD" };
    expect((await server.post("/api/query", body("test:logs"))).text).toBe(
      `{"status":"success","value":1,"logLines":["[LOG] 'a'"]}`,
    );
    expect((await server.post("/api/query", body("test:echo"))).text).toBe('{"status":"success","value":{}}');
    const answer = await server.post("/api/query", body("test:coded"), id);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.json()).toEqual({
      status: "error",
      errorMessage: "[Request ID: 00112233aabbccdd] Server Error\nUncaught ConvexError: x\n",
      errorData: { big: { $integer: "AQAAAAAAAAA=" } },
    });
  });

  it("hides texts and log lines, but not error data, when redacting", async () => {
    const redacting = await new TestServer({ redact: true, engine }).open();
    const id = { "convex-request-id": "0011223344556677" };
    const redacted = { status: "error", errorMessage: "[Request ID: 0011223344556677] Server Error" };
    const ask = async (path: string) =>
      (
        await redacting.post("/api/query", { path, args: {}, format: "convex_json" }, { ...id, ...asAdmin })
      ).json();
    expect(await ask("test:boom")).toEqual(redacted);
    expect(await ask("test:coded")).toEqual({
      ...redacted,
      errorData: { big: { $integer: "AQAAAAAAAAA=" } },
    });
    expect(await ask("test:logs")).toEqual({ status: "success", value: 1 });
    await redacting.close();
  });

  it.each([
    [
      "convex_encoded_json",
      '{"b":{"$bytes":"AQI="},"i":{"$integer":"AQAAAAAAAAA="},"n":{"$float":"AAAAAAAA+H8="},"x":1}',
    ],
    [
      "convex_json",
      '{"b":{"$bytes":"AQI="},"i":{"$integer":"AQAAAAAAAAA="},"n":{"$float":"AAAAAAAA+H8="},"x":1}',
    ],
    ["json", '{"b":"AQI=","i":"1","n":"NaN","x":1}'],
    ["convex_clean_json", '{"b":"AQI=","i":"1","n":"NaN","x":1}'],
    ["export_json", '{"b":{"$bytes":"AQI="},"i":1,"n":{"$float":"AAAAAAAA+H8="},"x":1.0}'],
  ])("writes %s", async (format, value) => {
    const answer = await server.post("/api/query", { path: "test:special", args: {}, format });
    // The floats' notation matters only in export_json.
    const expected = `{"status":"success","value":${value}}`;
    if (format === "export_json") expect(answer.text).toBe(expected);
    else expect(answer.json()).toEqual(JSON.parse(expected));
  });

  it("chooses the format by client version when none is named", async () => {
    const valueFor = async (path: string, headers: Record<string, string>) =>
      (await server.post(path, { path: "test:special", args: {} }, headers)).json()["value"] as {
        i: unknown;
      };
    const encoded = { $integer: "AQAAAAAAAAA=" };
    expect((await valueFor("/api/query", {})).i).toBe("1");
    expect((await valueFor("/api/query", { "convex-client": "npm-1.48.0" })).i).toBe("1");
    expect((await valueFor("/api/query", { "convex-client": "npm-1.4.0" })).i).toEqual(encoded);
    expect((await valueFor("/api/query", { "convex-client": "python-0.4.0" })).i).toEqual(encoded);
    expect((await valueFor("/api/run/test/special", { "convex-client": "npm-1.4.0" })).i).toBe("1");
  });
});

describe("requests", () => {
  it("hands arguments over as the text the client wrote", async () => {
    const object = '{ "a" : 1.50, "é": "\\u00e9" }';
    await server.post("/api/query", `{"args":[0],"path":"test:echo","args":${object}}`);
    await server.post("/api/query", `{"path":"test:echo","\\u0061rgs":[${object}]}`);
    await server.send(`/api/query?path=test:echo&args=${encodeURIComponent(object)}`);
    await server.post("/api/query_batch", `{"queries":[{"path":"test:echo","args":${object}}]}`);
    await server.post("/api/mutation", { path: "test:write", args: [1, "legacy", []] });
    expect(engine.calls.map((call) => call.argsJson)).toEqual([
      `[${object}]`,
      `[${object}]`,
      `[${object}]`,
      `[${object}]`,
      '[1,"legacy",[]]',
    ]);
  });

  it("hands over deeply nested arguments without building or re-writing them", async () => {
    const depth = 100_000;
    const args = `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
    const answer = await server.post(
      "/api/mutation",
      `{"path":"test:write","args":${args},"format":"convex_json"}`,
    );
    expect(answer.status).toBe(200);
    expect(engine.calls[0]?.argsJson).toBe(`[${args}]`);
  });

  it("answers GET queries, also for query-string admin keys, and HEAD without a body", async () => {
    const path = "/api/query?path=test%3Aecho&args=%7B%22v%22%3A1%7D&format=json";
    expect((await server.send(path)).json()).toEqual({ status: "success", value: { v: 1 } });
    await server.send(`${path}&adminKey=${encodeURIComponent(adminKey)}`);
    await server.send(`${path}&adminKey=nonsense`, { headers: { authorization: "Bearer alice" } });
    expect(engine.calls.map((call) => call.identity.kind)).toEqual(["anonymous", "admin", "user"]);
    const head = await server.send(path, { method: "HEAD" });
    expect([head.status, head.text, head.headers["content-length"]]).toEqual([200, "", "36"]);
  });

  it("runs functions by URL", async () => {
    const run = async (path: string, headers = {}) =>
      (await server.post(`/api/run/${path}`, { args: { v: 1 } }, headers)).json();
    expect(await run("test/echo")).toEqual({ status: "success", value: { v: 1 } });
    expect(await run("te%73t/write")).toEqual({ status: "success", value: { v: 1 } });
    expect(await run("dir/mod/default")).toEqual({ status: "success", value: "default export" });
    expect((await run("test/hidden"))["errorMessage"]).toContain(
      "Could not find function for 'test:hidden'.",
    );
    expect(await run("test/hidden", asAdmin)).toEqual({ status: "success", value: { v: 1 } });
    expect((await run("_system/cli/tables/default", asAdmin))["errorMessage"]).toContain(
      "Could not find function",
    );
    expect(await run("test")).toMatchObject({ code: "MissingIdentifier" });
    expect(await run("test/%ff")).toMatchObject({ code: "BadPathArgs" });
    expect(await run("te st/echo".replace(" ", "%20"))).toMatchObject({
      code: "BadConvexFunctionIdentifier",
    });
  });

  it("reads the clock once for query_ts and a batch", async () => {
    const { ts } = (await server.send("/api/query_ts", { method: "POST" })).json();
    expect(decodeU64(String(ts))).toBe(engine.ts);
    const answer = await server.post("/api/query_batch", {
      queries: [
        { path: "test:echo", args: [{ v: 1 }], format: "json" },
        { path: "test:boom", args: {}, format: "json" },
      ],
    });
    expect(answer.json()["results"]).toMatchObject([
      { status: "success", value: { v: 1 } },
      { status: "error" },
    ]);
    expect(engine.calls.map((call) => call.atTs)).toEqual([engine.ts, engine.ts]);
    expect((await server.post("/api/query_batch", { queries: [] })).text).toBe('{"results":[]}');
  });

  it.each<[string, string, unknown, number, string]>([
    [
      "a path of three colons and dots",
      "/api/query",
      { path: "a b:c", args: {} },
      400,
      "BadConvexFunctionIdentifier",
    ],
    ["an empty path", "/api/mutation", { path: "", args: {} }, 400, "BadConvexFunctionIdentifier"],
    ["an unknown format", "/api/action", { path: "a:b", args: {}, format: "xml" }, 400, "BadFormat"],
    ["no args", "/api/query", { path: "a:b" }, 400, "BadJsonBody"],
    ["args of a wrong type", "/api/query", { path: "a:b", args: "{}" }, 400, "BadJsonBody"],
    ["args null", "/api/query", { path: "a:b", args: null }, 400, "BadJsonBody"],
    ["a path of a wrong type", "/api/mutation", { path: 1, args: {} }, 400, "BadJsonBody"],
    ["a ts that is no u64", "/api/query_at_ts", { path: "a:b", args: {}, ts: "AAAA" }, 400, "BadJsonBody"],
    [
      "a ts out of retention",
      "/api/query_at_ts",
      { path: "a:b", args: {}, ts: encodeU64(1n) },
      503,
      "OutOfRetention",
    ],
    ["no admin key for function", "/api/function", { path: "a:b", args: {} }, 403, "BadDeployKey"],
    ["a bad query in a batch", "/api/query_batch", { queries: [{ path: "a:b" }] }, 400, "BadJsonBody"],
    ["JSON that is no object", "/api/query", "[]", 400, "BadJsonBody"],
    ["broken JSON", "/api/query", '{"path":', 400, "BadJsonBody"],
    ["no body at all", "/api/query", "", 400, "BadJsonBody"],
    ["bytes that are no UTF-8", "/api/query", Buffer.from([0x7b, 0xff, 0x7d]), 400, "BadJsonBody"],
  ])("refuses %s", async (_what, path, body, status, code) => {
    const answer = await server.post(path, body);
    expect([answer.status, answer.json()["code"]]).toEqual([status, code]);
    expect(typeof answer.json()["message"]).toBe("string");
    expect(engine.calls).toEqual([]);
    expect(server.unexpected).toEqual([]);
  });

  it("refuses bad component paths of function", async () => {
    const ask = (componentPath: string) =>
      server.post("/api/function", { path: "a:b", args: {}, componentPath }, asAdmin);
    expect((await ask("a//b")).json()).toMatchObject({ code: "InvalidComponentPath" });
    expect((await ask("nowhere")).json()).toMatchObject({ code: "ComponentPathNotFound" });
  });

  it("names the path and the reason of an unparsable path", async () => {
    const answer = await server.post("/api/query", { path: "a b:c", args: {} });
    expect(answer.json()["message"]).toMatch(/^a b:c is not a valid path to a Convex function\. ./);
  });

  it.each(["", "?path=a:b", "?args={}", "?path=a:b&args=x", "?path=a:b&args=1"])(
    "refuses the query string %j",
    async (queryString) => {
      const answer = await server.send(`/api/query${queryString}`);
      expect([answer.status, answer.json()["code"]]).toEqual([400, "BadQueryArgs"]);
    },
  );

  it.each<[ConstructorParameters<typeof LensletError>[0], number]>([
    ["BadRequest", 400],
    ["PaginationLimit", 400],
    ["Unauthenticated", 401],
    ["AuthUpdateFailed", 401],
    ["Forbidden", 403],
    ["NotFound", 404],
    ["ClientDisconnect", 408],
    ["Conflict", 409],
    ["MisdirectedRequest", 421],
    ["TooEarly", 425],
    ["RateLimited", 429],
    ["Overloaded", 503],
    ["OutOfRetention", 503],
    ["FeatureTemporarilyUnavailable", 503],
    ["RejectedBeforeExecution", 503],
  ])("answers an engine error %s with status %i", async (category, status) => {
    engine.functions.set("test:reject", {
      kind: "Query",
      run: () => Promise.reject(new LensletError(category, "SomeCode", "Some text.")),
    });
    const answer = await server.post("/api/query", { path: "test:reject", args: {} });
    expect([answer.status, answer.json()]).toEqual([status, { code: "SomeCode", message: "Some text." }]);
  });

  it("answers a given-up conflict with 503, and tells nothing of a defect", async () => {
    const reject = (error: Error) =>
      engine.functions.set("test:reject", { kind: "Query", run: () => Promise.reject(error) });
    reject(new LensletError("Conflict", "OptimisticConcurrencyControlFailure", "Documents changed."));
    expect((await server.post("/api/query", { path: "test:reject", args: {} })).status).toBe(503);
    for (const error of [new Error("secret"), new LensletError("Internal", "Secret", "secret")]) {
      reject(error);
      const answer = await server.post("/api/query", { path: "test:reject", args: {} });
      expect([answer.status, answer.json()]).toEqual([
        500,
        { code: "InternalServerError", message: "Your request couldn't be completed. Try again later." },
      ]);
      expect(server.unexpected.at(-1)).toBe(error);
    }
  });
});
