import { brotliCompressSync, constants } from "node:zlib";
import type { Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { callHttp, holdOpen, startLedger } from "../crash/rig.ts";
import { Bystander } from "./bystander.ts";
import { residentMib } from "./memory.ts";
import { FuzzSocket, frame, sayBytes, upgradeRequest } from "./socket.ts";

const seed = Number(process.env["LENSLET_FUZZ_SEED"] ?? 1);
const runs = Number(process.env["LENSLET_FUZZ_RUNS"] ?? 60);
const mebibyte = 1024 * 1024;

let server: TestServer;
let bystander: Bystander;
beforeAll(async () => {
  server = await startLedger();
  bystander = new Bystander(server);
  await bystander.goesOn();
}, 120_000);
afterAll(async () => {
  await server.dispose();
});

const sessionId = "9a0c2f6e-1111-4222-8333-444455556666";
const connect = { type: "Connect", sessionId, connectionCount: 0, lastCloseReason: null };
const modify = (...modifications: unknown[]) => ({
  type: "ModifyQuerySet",
  baseVersion: 0,
  newVersion: 1,
  modifications,
});
const add = (udfPath: string, args: unknown = {}) => ({ type: "Add", queryId: 0, udfPath, args: [args] });
const mutation = (udfPath: string, args: unknown = {}) => ({
  type: "Mutation",
  requestId: 0,
  udfPath,
  args: [args],
});

describe("bad messages over a socket", () => {
  const fatal: [string, unknown, string | RegExp][] = [
    ["text that is no JSON", "{not json", /^Received Invalid JSON on websocket: /],
    ["an empty message", "", /^Received Invalid JSON on websocket: /],
    ["a list", [], "Received Invalid JSON on websocket: message must be an object"],
    ["null", null, "Received Invalid JSON on websocket: message must be an object"],
    ["a message without a type", {}, "Received Invalid JSON on websocket: missing field `type`"],
    ["an unknown type", { type: "Nonsense" }, /^Received Invalid JSON on websocket: unknown message type/],
    ["a session id that is no UUID", { ...connect, sessionId: "me" }, /sessionId/],
    ["a timestamp that is none", { ...connect, maxObservedTimestamp: "AAAA" }, /maxObservedTimestamp/],
    ["a negative request id", { ...mutation("ledger:add"), requestId: -1 }, /requestId/],
    ["arguments that are no list", { ...mutation("ledger:add"), args: {} }, /args/],
    ["an unknown modification", modify({ type: "Change", queryId: 0 }), /Received Invalid JSON/],
    ["an unknown kind of token", { type: "Authenticate", baseVersion: 0, tokenType: "Key" }, /token type/],
    [
      "a query set version that is not the newest",
      { ...modify(), baseVersion: 3, newVersion: 4 },
      "Base version 3 passed up doesn't match the current version 0",
    ],
  ];
  it.each(fatal)("%s ends in a FatalError that says why", async (_name, message, expected) => {
    const socket = await FuzzSocket.open(server.url);
    expect(await socket.say(message).ended()).toMatchObject({ code: 1005 });
    expect(socket.messages).toEqual([
      {
        type: "FatalError",
        error: typeof expected === "string" ? expected : expect.stringMatching(expected),
      },
    ]);
  });

  it.each<[string, readonly unknown[]]>([
    ["a query id twice", [modify(add("ledger:totals"), add("ledger:totals"))]],
    ["the removal of an unknown query", [modify({ type: "Remove", queryId: 9 })]],
    [
      "an identity version that is not the newest",
      [{ type: "Authenticate", baseVersion: 4, tokenType: "None" }],
    ],
  ])("%s closes with 1011", async (_name, messages) => {
    const socket = await FuzzSocket.open(server.url);
    expect(await socket.say(connect, ...messages).ended()).toEqual({
      code: 1011,
      reason: "InternalServerError",
    });
  });

  it("a wrong admin key and a token that is none are AuthErrors", async () => {
    for (const [tokenType, value, error] of [
      ["Admin", `${server.adminKey}0`, /^The provided admin key was invalid for this instance/],
      ["User", "a.b.c", /JWT/],
    ] as const) {
      const socket = await FuzzSocket.open(server.url);
      socket.say(connect, { type: "Authenticate", baseVersion: 0, tokenType, value }, modify());
      expect(await socket.ended()).toMatchObject({ code: 1005 });
      expect(socket.messages).toEqual([
        { type: "AuthError", error: expect.stringMatching(error), baseVersion: 0, authUpdateAttempted: true },
      ]);
    }
  });

  it.each<[string, string, unknown, RegExp]>([
    ["a missing function", "nowhere:nothing", {}, /Could not find public function for 'nowhere:nothing'\./],
    [
      "an internal function",
      "probes:secretQuery",
      {},
      /Could not find public function for 'probes:secretQuery'\./,
    ],
    [
      "a system function",
      "_system/cli/tables",
      {},
      /Could not find public function for '_system\/cli\/tables/,
    ],
    [
      "a mutation as a query",
      "ledger:add",
      {},
      /Trying to execute ledger\.js:add as Query, but it is defined as Mutation\./,
    ],
    [
      "missing arguments",
      "probes:entry",
      {},
      /ArgumentValidationError: Object is missing the required field `id`/,
    ],
    [
      "a bad id",
      "probes:entry",
      { id: "nonsense" },
      /ArgumentValidationError: .*Value does not match validator/s,
    ],
    [
      "a field too many",
      "ledger:totals",
      { a: 1 },
      /ArgumentValidationError: Object contains extra field `a`/,
    ],
    ["a value of an unknown encoding", "probes:anything", { value: { $set: [] } }, /\$set|field/i],
  ])("a query of %s fails alone", async (_name, path, args, expected) => {
    const socket = await FuzzSocket.open(server.url);
    socket.say(connect, modify(add(path, args)));
    const transition = await socket.hear(({ type }) => type === "Transition");
    expect(transition).toMatchObject({
      modifications: [{ type: "QueryFailed", queryId: 0, errorMessage: expect.stringMatching(expected) }],
    });
    // The connection is as good as before.
    const next = { type: "ModifyQuerySet", baseVersion: 1, newVersion: 2, modifications: [] };
    socket.say(next, mutation("probes:secretMutation"));
    expect(await socket.hear(({ type }) => type === "MutationResponse")).toMatchObject({
      success: false,
      result: expect.stringMatching(/Could not find public function for 'probes:secretMutation'/),
    });
    socket.close();
  });

  it("arguments of 17 MiB are refused, a message of 40 MiB is not taken", async () => {
    const socket = await FuzzSocket.open(server.url);
    const key = "x".repeat(17 * mebibyte);
    socket.say(connect, mutation("ledger:add", { key, account: "a", amount: 1 }));
    expect(await socket.hear(({ type }) => type === "MutationResponse")).toMatchObject({
      success: false,
      result: expect.stringMatching(/Arguments for \S+ are too large \(actual: .*, limit: .*\)/),
    });
    expect(await socket.say("x".repeat(40 * mebibyte)).ended()).toMatchObject({ code: 1009 });
  });

  it("deep nesting is refused with an answer", async () => {
    for (const depth of [70, 5000, 200_000]) {
      const socket = await FuzzSocket.open(server.url);
      const nested = `${"[".repeat(depth)}${"]".repeat(depth)}`;
      socket.say(`{"type":"Mutation","requestId":0,"udfPath":"ledger:add","args":[{"key":${nested}}]}`);
      const heard = await socket.hear(({ type }) => type === "MutationResponse" || type === "FatalError");
      expect(heard).not.toMatchObject({ success: true });
      expect(heard).toHaveProperty("type");
      socket.close();
    }
  });
});

describe("garbage over a socket", () => {
  const junk = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>(null, -1, 1.5, 2 ** 40, "", "\u0000", [], {}, [[]], "AAAAAAAAAAA="),
  );
  const paths = fc.constantFrom(
    "ledger:totals",
    "ledger:add",
    "ledger.js:account",
    "probes:secretQuery",
    "_system/cli/tables",
    "nowhere:nothing",
    ":",
    "a:b:c",
    "../ledger:add",
    "ledger:constructor",
    "ledger:__proto__",
    "",
  );
  /** Mostly right, so that more than the first check is reached. */
  const or = <T>(right: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 8, arbitrary: right }, { weight: 1, arbitrary: junk });
  const args = or(fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1, maxLength: 1 }));
  const version = or(fc.nat({ max: 3 }));
  const modification = fc.record(
    {
      type: or(fc.constantFrom("Add", "Remove")),
      queryId: or(fc.nat({ max: 5 })),
      udfPath: or(paths),
      args,
      journal: or(fc.option(fc.string())),
      componentPath: fc.option(fc.string()),
    },
    { requiredKeys: ["type", "queryId"] },
  );
  const message = fc.record(
    {
      type: or(
        fc.constantFrom("Connect", "ModifyQuerySet", "Mutation", "Action", "Authenticate", "Event", "Ping"),
      ),
      sessionId: or(fc.uuid()),
      connectionCount: version,
      lastCloseReason: or(fc.string()),
      maxObservedTimestamp: or(fc.constant("AAAAAAAAAAA=")),
      baseVersion: version,
      newVersion: version,
      modifications: or(fc.array(modification, { maxLength: 4 })),
      requestId: version,
      udfPath: or(paths),
      args,
      tokenType: or(fc.constantFrom("User", "Admin", "None")),
      value: or(fc.string()),
      impersonating: junk,
      eventType: or(fc.string()),
      event: junk,
    },
    { requiredKeys: ["type"] },
  );
  const text = fc.oneof(
    { weight: 6, arbitrary: message.map((m) => JSON.stringify(m)) },
    { weight: 1, arbitrary: message.map((m) => JSON.stringify(m).slice(0, -1)) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  );
  const answers = ["Transition", "MutationResponse", "ActionResponse", "AuthError", "FatalError", "Ping"];
  const codes = [1000, 1005, 1011, 1013];

  it(`is answered by the rules or ended with a code (seed ${seed})`, { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 6 }), async (texts) => {
        const socket = await FuzzSocket.open(server.url);
        // Mutations are answered in order: an answer to this one says that everything before it is dealt with.
        const last = { ...mutation("nowhere:nothing"), requestId: 0xffff_ffff };
        socket.say(...texts, last);
        const heard = await socket.hear(({ requestId }) => requestId === 0xffff_ffff);
        socket.close();
        expect(answers).toEqual(expect.arrayContaining(socket.messages.map(({ type }) => type)));
        if ("code" in heard) expect(codes).toContain(heard.code);
      }),
      { seed, numRuns: runs },
    );
    await bystander.goesOn();
  });

  it("of bytes in frames ends the connection", async () => {
    const payload = Buffer.from(JSON.stringify(connect));
    const frames: [string, Buffer][] = [
      ["not masked", frame({ firstByte: 0x81, payload, isMasked: false })],
      ["reserved opcode", frame({ firstByte: 0x83, payload })],
      ["reserved bits", frame({ firstByte: 0xf1, payload })],
      ["a continuation of nothing", frame({ firstByte: 0x80, payload })],
      ["a control frame in parts", frame({ firstByte: 0x09, payload: Buffer.from("x") })],
      ["a control frame that is too long", frame({ firstByte: 0x89, payload: Buffer.alloc(200) })],
      ["invalid UTF-8", frame({ firstByte: 0x81, payload: Buffer.from([0xff, 0xfe, 0xc0]) })],
      ["a length beyond all bounds", frame({ firstByte: 0x81, payload, claimedLength: 2n ** 63n - 1n })],
      ["a length of 4 GiB", frame({ firstByte: 0x81, payload, claimedLength: 2n ** 32n })],
      ["a close frame of one byte", frame({ firstByte: 0x88, payload: Buffer.from([3]) })],
      ["a close frame with a forbidden code", frame({ firstByte: 0x88, payload: Buffer.from([3, 0xed]) })],
      ["a binary message", frame({ firstByte: 0x82, payload: Buffer.from([0, 1, 2]) })],
    ];
    for (const [name, bytes] of frames) {
      const heard = await sayBytes(server.port, upgradeRequest, bytes);
      expect(heard, name).toMatch(/^HTTP\/1\.1 101 /);
      // A close frame, after a FatalError or without.
      expect(heard.slice(heard.indexOf("\r\n\r\n") + 4), name).toContain("\x88");
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
        expect(await sayBytes(server.port, upgradeRequest, bytes)).toMatch(/^HTTP\/1\.1 101 /);
      }),
      { seed, numRuns: 10 },
    );
    await bystander.goesOn();
  });

  it("is refused before the upgrade where the version is none or the path is another", async () => {
    const get = (path: string) => sayBytes(server.port, upgradeRequest.replace("/api/1.48.0/sync", path));
    expect(await get("/api/latest/sync")).toMatch(/^HTTP\/1\.1 400 [^]*"code":"InvalidVersion"/);
    expect(await get("/api/0.19.1/sync")).toMatch(/^HTTP\/1\.1 400 [^]*"code":"ClientVersionUnsupported"/);
    expect(await get("/somewhere")).toMatch(/^HTTP\/1\.1 404 /);
    expect(await sayBytes(server.port, upgradeRequest.replace("Version: 13", "Version: 99"))).toMatch(
      /^HTTP\/1\.1 4\d\d /,
    );
  });
});

describe("bad requests over HTTP", () => {
  const post = (path: string, body: string | Buffer<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${server.url}${path}`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...headers },
    });
  const admin = () => ({ authorization: `Convex ${server.adminKey}` });
  const call = (path: string, args: unknown = {}) => JSON.stringify({ path, args });

  it.each<[string, () => Promise<Response>, number, string]>([
    ["no JSON", () => post("/api/query", "{"), 400, "BadJsonBody"],
    ["no content type", () => post("/api/query", "{}", { "content-type": "text/plain" }), 400, "BadJsonBody"],
    ["no path", () => post("/api/query", "{}"), 400, "BadJsonBody"],
    ["no arguments", () => post("/api/query", `{"path":"a:b"}`), 400, "BadJsonBody"],
    [
      "an unknown format",
      () => post("/api/query", `{"path":"a:b","args":{},"format":"x"}`),
      400,
      "BadFormat",
    ],
    ["invalid UTF-8", () => post("/api/query", Buffer.from([0x7b, 0xff])), 400, "BadJsonBody"],
    [
      "a bad client version",
      () => post("/api/query", call("a:b"), { "convex-client": "x" }),
      400,
      "InvalidClientVersion",
    ],
    [
      "a short authorization",
      () => post("/api/query", call("a:b"), { authorization: "x" }),
      400,
      "InvalidHeaderFailure",
    ],
    [
      "an unknown scheme",
      () => post("/api/query", call("a:b"), { authorization: "Basic eDp5" }),
      400,
      "InvalidAdminKey",
    ],
    [
      "a wrong admin key",
      () => post("/api/query", call("a:b"), { authorization: "Convex x|00" }),
      401,
      "BadAdminKey",
    ],
    [
      "a token that is none",
      () => post("/api/query", call("a:b"), { authorization: "Bearer abc" }),
      401,
      "InvalidAuthHeader",
    ],
    ["an admin call by nobody", () => post("/api/function", call("a:b")), 403, "BadDeployKey"],
    ["an unknown place", () => post("/api/nowhere", "{}"), 404, "NotFound"],
    [
      "a push with a wrong key",
      () => post("/api/deploy2/start_push", `{"adminKey":"x|00"}`),
      401,
      "BadAdminKey",
    ],
    [
      "a push that is none",
      () => post("/api/deploy2/start_push", JSON.stringify({ adminKey: server.adminKey })),
      400,
      "BadJsonBody",
    ],
    [
      "a body that does not unpack",
      () => post("/api/deploy2/start_push", "abc", { "content-encoding": "br" }),
      400,
      "BadJsonBody",
    ],
  ])("%s is answered with its code", async (_name, ask, status, code) => {
    const response = await ask();
    expect([response.status, await response.json()]).toEqual([status, { code, message: expect.any(String) }]);
  });

  it("wrong calls are answers, not errors of HTTP", async () => {
    for (const [path, args, expected] of [
      ["nowhere:nothing", {}, /Could not find public function for 'nowhere:nothing'/],
      ["probes:secretQuery", {}, /Could not find public function for 'probes:secretQuery'/],
      ["probes:entry", { id: 7 }, /ArgumentValidationError/],
      ["ledger:add", {}, /Trying to execute ledger\.js:add as Query/],
    ] as const) {
      expect(await callHttp(server.url, "query", path, args)).toMatchObject({
        status: "error",
        errorMessage: expect.stringMatching(expected),
      });
    }
  });

  it("bodies of 17 MiB are refused, announced or not", async () => {
    const body = call("ledger:add", { key: "x".repeat(17 * mebibyte) });
    expect((await post("/api/mutation", body)).status).toBe(413);
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 17; i++) controller.enqueue(Buffer.alloc(mebibyte, "x"));
        controller.close();
      },
    });
    const init: RequestInit & { duplex: "half" } = {
      method: "POST",
      body: stream,
      duplex: "half",
      headers: { "content-type": "application/json" },
    };
    const response = await fetch(`${server.url}/api/mutation`, init);
    expect([response.status, await response.json()]).toMatchObject([400, { code: "BadJsonBody" }]);
    // A body that is small only as long as it is packed.
    const bomb = brotliCompressSync(Buffer.alloc(300 * mebibyte, "x"), {
      params: { [constants.BROTLI_PARAM_QUALITY]: 1 },
    });
    const bombed = await post("/api/deploy2/start_push", bomb, { "content-encoding": "br" });
    expect([bombed.status, await bombed.json()]).toMatchObject([400, { code: "BadJsonBody" }]);
    await bystander.goesOn();
  });

  it("pushes of garbage change nothing", { timeout: 120_000 }, async () => {
    const push = (fields: Record<string, unknown>) =>
      post(
        "/api/deploy2/start_push",
        JSON.stringify({
          adminKey: server.adminKey,
          dryRun: false,
          functions: "convex/",
          appDefinition: {
            definition: null,
            dependencies: [],
            schema: null,
            changedModules: [],
            unchangedModuleHashes: [],
            udfServerVersion: "1.48.0",
            ...fields,
          },
          componentDefinitions: [],
          nodeDependencies: [],
        }),
      );
    const module = (path: string, source: string) => ({
      path,
      source,
      sourceMap: null,
      environment: "isolate",
    });
    const bad: Record<string, unknown>[] = [
      { changedModules: [module("bad.js", "export const = 1")] },
      { changedModules: [module("throws.js", "throw new Error('at import')")] },
      { changedModules: [module("../escape.js", "export {}")] },
      { changedModules: [module("a.js", "import './missing.js'")] },
      { changedModules: [{ path: 7 }] },
      { changedModules: "all" },
      { schema: module("schema.js", "export default 7") },
      { unchangedModuleHashes: [{ path: "ledger.js", environment: "isolate", sha256: "00" }] },
      { definition: module("convex.config.js", "export default {}") },
    ];
    for (const fields of bad) {
      const response = await push(fields);
      const body = (await response.json()) as { code: string };
      expect([response.status, body], JSON.stringify(fields)).toEqual([
        400,
        { code: expect.any(String), message: expect.any(String) },
      ]);
      expect(body.code).not.toBe("InternalServerError");
    }
    for (const startPush of [{}, { schemaChange: {} }, { schemaChange: { schemaIds: { "": "x" } } }]) {
      for (const path of ["/api/deploy2/finish_push", "/api/deploy2/wait_for_schema"]) {
        const fields = {
          adminKey: server.adminKey,
          startPush,
          schemaChange: startPush,
          dryRun: false,
          timeoutMs: 0,
        };
        const response = await post(path, JSON.stringify(fields));
        expect([path, response.status, await response.json()]).toEqual([
          path,
          expect.toSatisfy((status: number) => status >= 200 && status < 500),
          expect.anything(),
        ]);
      }
    }
    await bystander.goesOn();
  });

  it(`garbage gets an answer of HTTP and never a 500 (seed ${seed})`, { timeout: 120_000 }, async () => {
    const places = [
      "/api/query",
      "/api/mutation",
      "/api/action",
      "/api/function",
      "/api/run/ledger/totals",
      "/api/query_ts",
      "/api/query_at_ts",
      "/api/query_batch",
      "/api/get_config_hashes",
      "/api/deploy2/start_push",
      "/api/deploy2/evaluate_push",
      "/api/deploy2/wait_for_schema",
      "/api/deploy2/finish_push",
      "/api/update_environment_variables",
      "/api/delete_tables",
      "/api/stream_function_logs?cursor=x",
      "/api/list_snapshot",
      "/api/document_deltas",
      "/api/document_deltas?cursor=1e30",
      "/api/json_schemas?format=x",
      "/api/v1/data/sync",
      "/api/streaming_import/import_airbyte_records",
      "/api/streaming_import/clear_tables",
      "/api/streaming_import/add_primary_key_indexes",
      "/api/streaming_import/primary_key_indexes_ready",
      "/api/run_test_function",
      "/api/storage/x",
      "/http/anything",
      "/instance_name",
      "//x",
      "/%zz",
    ];
    const fields = fc.record(
      {
        path: fc.oneof(
          fc.constantFrom("ledger:totals", "ledger:add", "x", "_system/cli/tables"),
          fc.jsonValue(),
        ),
        args: fc.oneof(fc.constant({}), fc.jsonValue()),
        format: fc.oneof(fc.constantFrom("json", "convex_encoded_json"), fc.jsonValue()),
        ts: fc.oneof(fc.constant("AAAAAAAAAAA="), fc.jsonValue()),
        queries: fc.jsonValue(),
        adminKey: fc.oneof(fc.constant("KEY"), fc.jsonValue()),
        changes: fc.jsonValue(),
        tableNames: fc.jsonValue(),
        cursor: fc.oneof(fc.constant("e30"), fc.maxSafeInteger(), fc.jsonValue()),
        snapshot: fc.oneof(fc.maxSafeInteger(), fc.jsonValue()),
        selection: fc.oneof(fc.constant({ _other: "included" }), fc.jsonValue()),
        tables: fc.oneof(fc.constant({ t: { primaryKey: [["a"]], jsonSchema: {} } }), fc.jsonValue()),
        messages: fc.oneof(
          fc.array(fc.record({ tableName: fc.constant("t"), data: fc.jsonValue() })),
          fc.jsonValue(),
        ),
        indexes: fc.oneof(fc.record({ t: fc.array(fc.array(fc.string())) }), fc.jsonValue()),
        dryRun: fc.oneof(fc.constant(true), fc.jsonValue()),
        functions: fc.oneof(fc.constant("convex/"), fc.jsonValue()),
        appDefinition: fc.jsonValue(),
        componentDefinitions: fc.oneof(fc.constant([]), fc.jsonValue()),
        startPush: fc.jsonValue(),
        schemaChange: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("POST", "POST", "POST", "GET", "PUT", "DELETE", "OPTIONS", "PATCH"),
        fc.constantFrom(...places),
        fc.oneof(
          { weight: 6, arbitrary: fields.map((f) => JSON.stringify(f)) },
          { weight: 1, arbitrary: fc.string() },
        ),
        fc.boolean(),
        fc.constantFrom("application/json", "text/plain", "application/json; charset=utf-8"),
        async (method, place, text, isAdmin, contentType) => {
          const body = text.replaceAll('"KEY"', JSON.stringify(server.adminKey));
          const response = await fetch(`${server.url}${place}`, {
            method,
            ...(method === "GET" ? {} : { body }),
            headers: { "content-type": contentType, ...(isAdmin ? admin() : {}) },
            signal: AbortSignal.timeout(30_000),
          });
          const answer = await response.text();
          // 503 is for timestamps that are out of retention.
          const { status } = response;
          expect(status < 500 || status === 503, `${status} ${method} ${place} ${text}: ${answer}`).toBe(
            true,
          );
          if (status >= 400 && place.startsWith("/api/"))
            expect(JSON.parse(answer)).toEqual({ code: expect.any(String), message: expect.any(String) });
        },
      ),
      { seed, numRuns: runs * 3 },
    );
    await bystander.goesOn();
  });
});

describe("connections that keep the server waiting", () => {
  it("half-open ones, slow bodies and raw bytes hold up nobody", { timeout: 120_000 }, async () => {
    const open: Socket[] = [];
    const hold = (...pieces: string[]) => {
      const socket = holdOpen(server.port, ...pieces);
      open.push(socket);
      return socket;
    };
    const head = "POST /api/mutation HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    for (let i = 0; i < 100; i++) {
      hold();
      hold("GET / HT");
      hold(`${head}Content-Length: 1000\r\n\r\n{"path":`);
      hold(upgradeRequest);
      hold(
        upgradeRequest,
        frame({ firstByte: 0x81, payload: Buffer.from("{"), claimedLength: 1000n }).toString("latin1"),
      );
    }
    const slow = hold(`${head}Content-Length: 100000\r\n\r\n`);
    for (let i = 0; i < 20; i++) {
      slow.write("x");
      await bystander.goesOn();
    }
    for (const bytes of [
      "\r\n\r\n",
      "GARBAGE\r\n\r\n",
      "\u0016\u0003\u0001\u0002\u0000",
      "GET / HTTP/1.1\r\n\r\n",
    ])
      expect(await sayBytes(server.port, bytes)).toMatch(/^(HTTP\/1\.1 400 [^]*)?$/);
    const twoLengths = `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    expect(await sayBytes(server.port, twoLengths)).toMatch(/^HTTP\/1\.1 400 /);
    const longHeader = `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(100_000)}\r\n\r\n`;
    expect(await sayBytes(server.port, longHeader)).toMatch(/^HTTP\/1\.1 431 /);
    expect((await fetch(`${server.url}/version`)).status).toBe(200);
    for (const socket of open) socket.destroy();
  });

  it("watchers that do not read cost bounded memory", { timeout: 120_000 }, async () => {
    const before = residentMib(server);
    const sockets = await Promise.all(Array.from({ length: 15 }, () => FuzzSocket.open(server.url)));
    for (const [i, socket] of sockets.entries()) {
      socket.say(connect, modify(add("probes:large", { nonce: i })));
      await socket.hear(({ type }) => type === "Transition");
      socket.ws.pause();
    }
    // Each update changes 7.5 MB of results in all; a server that queued them would hold 750 MB more.
    const made = bystander.made;
    await until("many updates were made", () => bystander.made > made + 100, 110_000);
    expect(residentMib(server) - before).toBeLessThan(450);
    for (const socket of sockets) socket.close();
  });
});

describe("the server, after all that", () => {
  it("has kept its memory within bounds", { timeout: 180_000 }, async () => {
    const wave = async () => {
      const big = JSON.stringify({ path: "probes:anything", args: { value: "x".repeat(15 * mebibyte) } });
      const headers = { "content-type": "application/json" };
      for (let i = 0; i < 4; i++) {
        const asked = [0, 1, 2].map(() =>
          fetch(`${server.url}/api/query`, { method: "POST", body: big, headers }),
        );
        for (const response of await Promise.all(asked)) await response.arrayBuffer();
        const socket = await FuzzSocket.open(server.url);
        socket.say(connect, mutation("ledger:add", { key: "x".repeat(17 * mebibyte) }));
        await socket.hear(({ type }) => type === "MutationResponse");
        socket.close();
      }
    };
    await wave();
    const after = residentMib(server);
    await wave();
    await wave();
    // Garbage may wait for its collection for a while, but it must not add up.
    await until("memory is back within bounds", () => residentMib(server) < after + 600, 60_000);
  });

  it("is still the same process, has reported no defect, and failed nobody who behaved", async () => {
    await bystander.check();
    expect(server.logs).not.toMatch(/defect|error|assert/i);
    expect((await server.stop()).code).toBe(0);
  });
});
