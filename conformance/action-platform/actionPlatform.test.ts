import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

let server: TestServer;
let project: TestProject;
let outside: Server;
let address: string;

beforeAll(async () => {
  // Says what has reached it.
  outside = createServer((request, response) => {
    if (request.url === "/redirect") {
      response.writeHead(307, { location: "https://other.example/landed" }).end();
      return;
    }
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => (body += part));
    request.on("end", () => {
      const { host, "x-own": own } = request.headers;
      response.end(`${request.method} ${request.url} ${host} ${String(own ?? "-")} ${body}`.trimEnd());
    });
  });
  await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(outside.address() as AddressInfo).port}`;
  server = await TestServer.start({
    args: ["--egress", `https://api.example.com=${address}`, "--egress", `https://other.example=${address}`],
    env: { LENSLET_EGRESS: "http://ignored.example=http://127.0.0.1:9" },
  });
  project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(pushed.output);
});
afterAll(async () => {
  outside.close();
  await server.dispose();
});

async function failure(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "no failure",
    (error: Error) => error.message,
  );
}

describe("egress map", () => {
  it("is logged at the start", () => {
    expect(server.logs).toContain(`egress: requests to https://api.example.com go to ${address}\n`);
    expect(server.logs).toContain("egress: requests to http://ignored.example go to http://127.0.0.1:9\n");
  });

  it("sends what the default runtime fetches elsewhere, unseen by it", async () => {
    expect(await server.call("outside:fetched", { url: "https://api.example.com/v1?a=b" })).toEqual({
      url: "https://api.example.com/v1?a=b",
      redirected: false,
      status: 200,
      body: "POST /v1?a=b api.example.com 1 sent",
    });
    expect(await server.call("outside:fetched", { url: "https://api.example.com/redirect" })).toEqual({
      url: "https://other.example/landed",
      redirected: true,
      status: 200,
      body: "POST /landed other.example 1 sent",
    });
  });

  it("covers fetch, node:http and node:https of Node actions, however they are called", async () => {
    expect(await server.call("outsideNode:all", { url: "https://api.example.com" })).toEqual({
      fetch: "GET /fetch api.example.com -",
      url: "GET /url api.example.com -",
      options: "PUT /options?a=1 api.example.com 2",
      both: "DELETE /both own.example -",
      get: "GET /get api.example.com -",
      named: "GET /named api.example.com -",
      host: "api.example.com",
    });
  });

  it("leaves everything else alone", async () => {
    const host = address.slice("http://".length);
    expect(await server.call("outsideNode:plain", { url: address })).toBe(`GET /plain ${host} -`);
    expect(await server.call("outside:fetched", { url: `${address}/x` })).toMatchObject({
      body: `POST /x ${host} 1 sent`,
    });
  });
});

describe("ctx.auth.signJwt", () => {
  const sign = (claims: object | undefined, expiresInSeconds: number) =>
    server.call("tokens:sign", claims === undefined ? { expiresInSeconds } : { claims, expiresInSeconds });
  const keys = async () =>
    (await (await fetch(`${server.url}/.well-known/jwks.json`)).json()) as JSONWebKeySet;

  it("signs tokens that others can check against the published key", async () => {
    const token = (await sign({ sub: "ann", role: ["a", 1] }, 120)) as string;
    const { payload } = await jwtVerify(token, createLocalJWKSet(await keys()), { issuer: server.url });
    expect(payload).toEqual({
      iss: server.url,
      sub: "ann",
      role: ["a", 1],
      iat: expect.any(Number),
      exp: payload.iat! + 120,
    });
    expect(decodeProtectedHeader(token)).toEqual({
      alg: "ES256",
      typ: "JWT",
      kid: (await keys()).keys[0]!.kid,
    });
  });

  it("keeps its key when the server starts again", async () => {
    const before = await keys();
    await server.restart();
    expect(await keys()).toEqual(before);
    expect(JSON.stringify(before)).not.toContain('"d"');
  });

  it("refuses reserved claims and lifetimes out of bounds", async () => {
    for (const name of ["iss", "iat", "exp", "nbf", "convexThing", "CVX_x"]) {
      expect(await failure(sign({ [name]: 1 }, 60))).toContain(`The claim "${name}" is reserved`);
    }
    for (const seconds of [0, 0.5, 3601, -1]) {
      expect(await failure(sign({}, seconds))).toContain("expiresInSeconds must be a number from 1 to 3600.");
    }
    expect(await sign(undefined, 3600)).toMatch(/^eyJ/);
  });

  it("makes users of the same deployment, whose keys it fetches from itself", async () => {
    expect(await server.call("tokens:ownKeys")).toEqual(await keys());
    const many = Array.from({ length: 20 }, () => server.call("tokens:asOwnUser"));
    for (const answer of await Promise.all(many)) {
      expect(answer).toEqual({ status: "success", value: "robot" });
    }
  });
});

describe("audit log", () => {
  const lines = async () => {
    const response = await fetch(`${server.url}/api/stream_function_logs?cursor=0`, {
      headers: { authorization: `Convex ${server.adminKey}` },
    });
    const { entries } = (await response.json()) as {
      entries: { readonly identifier: string; readonly auditLogLines?: readonly Record<string, unknown>[] }[];
    };
    return entries.flatMap(({ identifier, auditLogLines }) =>
      (auditLogLines ?? []).map((line) => ({ identifier, ...line })),
    );
  };

  it("is in the log stream with its variables resolved, unless the function fails", async () => {
    await server.call("audits:write", { what: "done" });
    expect(await failure(server.call("audits:write", { what: "undone", fail: true }))).toContain("after all");
    await server.call("audits:read", { what: "seen" });
    expect(await lines()).toEqual([
      {
        identifier: "audits:write",
        what: "done",
        list: [1, { deep: true }],
        request: expect.stringMatching(/^[0-9a-f]{16}$/),
        ip: "127.0.0.1",
        agent: "node",
        at: expect.any(Number),
        actor: { kind: "admin" },
      },
      { identifier: "audits:read", what: "seen" },
    ]);
  });

  it("has limits, and is for queries and mutations", async () => {
    const many = (count: number, bytes: number) =>
      failure(server.call("audits:many", { lines: count, bytes }));
    expect(await many(500, 1)).toBe("no failure");
    expect(await many(501, 1)).toContain("Function execution exceeded the maximum of 500 audit log lines.");
    expect(await many(1, 100_001)).toContain(
      "An audit log line may have a maximum possible size of 100000 bytes, but this line could be up to 100012 bytes.",
    );
    expect(await many(41, 99_000)).toContain(
      "The total maximum possible size of audit log lines from a single function execution is 4000000 bytes, but",
    );
    expect(await failure(server.call("audits:fromAction"))).toContain(
      "Audit logging is not yet supported in actions",
    );
  });
});

describe("one-off queries", () => {
  const inline = async (source: string) => {
    const { code, stdout, stderr } = await project.convex(["run", "--inline-query", source]);
    return code === 0 ? (JSON.parse(stdout) as unknown) : stderr;
  };

  it("run code that is not deployed, on the deployed data", async () => {
    expect(await inline("return 1 + 1;")).toBe(2);
    expect(await inline('return (await ctx.db.query("notes").collect()).length;')).toBe(0);
    expect(await inline('return await ctx.runQuery("audits:read", { what: "nested" });')).toBe("nested");
  });

  it("cannot write, and fail like functions", async () => {
    expect(await inline('throw new Error("boom");')).toContain("Uncaught Error: boom");
    expect(await inline('await ctx.db.insert("notes", {});')).toMatch(
      /ctx\.db\.insert is not a function\\n {4}at handler \(testQuery\.js:\d+:\d+\)\\n"/,
    );
    expect(await inline("for (;;);")).toContain("Function execution timed out (maximum duration: 1s)");
    expect(await inline("return 3;")).toBe(3);
  });

  it("import nothing else", async () => {
    const response = await fetch(`${server.url}/api/run_test_function`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        adminKey: server.adminKey,
        bundle: { path: "testQuery.js", source: 'import fs from "node:fs"; export default 1;' },
        args: {},
        format: "convex_encoded_json",
      }),
    });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
      400,
      "InvalidModules",
    ]);
  });
});
