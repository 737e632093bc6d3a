import { connect, type Socket } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import fc from "fast-check";
import { BodyShare, ByteBudget, decompress } from "./body.ts";
import { requestTimeoutMs } from "./handler.ts";
import { adminKey, asAdmin, echoed, instanceName, success, TestServer } from "./testSupport.ts";

const server = new TestServer();
const { engine, time } = server;
beforeAll(async () => {
  await server.open();
  engine.functions.set("test:echo", { kind: "Query", run: echoed });
});
afterAll(() => server.close());
beforeEach(() => {
  engine.calls.length = 0;
  server.unexpected.length = 0;
});
const echoBody = JSON.stringify({ path: "test:echo", args: { v: 1 }, format: "json" });
const echoAnswer = '{"status":"success","value":{"v":1}}';

describe("meta endpoints", () => {
  it.each([
    ["/version", "lenslet-test"],
    ["/instance_version", "lenslet-test"],
    ["/instance_name", instanceName],
    ["/", "This Convex deployment is running. See https://docs.convex.dev/."],
  ])("GET %s", async (path, text) => {
    const answer = await server.send(path);
    expect([answer.status, answer.text]).toEqual([200, text]);
    expect(answer.headers["content-type"]).toMatch(/^text\/plain/);
  });

  it("echoes bytes, large and small", async () => {
    for (const size of [0, 128, 4 * 1024 * 1024]) {
      const body = Buffer.alloc(size, 0xfe);
      const answer = await server.send("/echo", { method: "POST", body });
      expect(answer.status).toBe(200);
      expect(answer.bytes.equals(body)).toBe(true);
    }
  });
});

describe("routing", () => {
  it("tolerates doubled leading slashes and the absolute form", async () => {
    expect((await server.send("//version")).text).toBe("lenslet-test");
    expect((await server.send("http://some.host/version?x=1")).text).toBe("lenslet-test");
    expect((await server.post("///api/query", echoBody)).text).toBe(echoAnswer);
  });

  it("answers unknown paths and wrong methods with JSON", async () => {
    const unknown = await server.send("/api/nothing");
    expect([unknown.status, unknown.json()["code"]]).toEqual([404, "NotFound"]);
    const wrong = await server.send("/api/mutation");
    expect([wrong.status, wrong.json()["code"], wrong.headers.allow]).toEqual([
      405,
      "MethodNotAllowed",
      "POST",
    ]);
    expect((await server.send("/api/run/a/b")).status).toBe(405);
  });

  it.each([
    ["GET", "/api/v1/data/list_active_syncs"],
    ["GET", "/api/v1/list_log_streams"],
    ["GET", "/api/v1/get_log_stream/x"],
    ["POST", "/api/v1/update_usage_limit/x"],
    ["GET", "/api/app_metrics/unheard_of"],
  ])("says to admins of %s %s that there is none, in a way that nobody tries again", async (method, path) => {
    const answer = await server.send(path, { method, headers: asAdmin });
    expect([answer.status, answer.json()["code"]]).toEqual([400, "FeatureNotAvailable"]);
    expect((await server.send(path, { method })).json()["code"]).toBe("BadDeployKey");
  });

  it("answers for deployments without HTTP actions, and adds no CORS for them", async () => {
    for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
      const answer = await server.send("/http/x/y", { method, headers: { origin: "https://a.example" } });
      expect([answer.status, answer.text]).toEqual([
        404,
        "This Convex deployment does not have HTTP actions enabled.",
      ]);
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    }
  });

  it("answers preflights and mirrors the origin on answers and errors", async () => {
    const origin = "https://dash.example";
    const preflight = await server.send("/api/query", {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,convex-client",
      },
    });
    expect(preflight.status).toBe(200);
    expect(preflight.headers).toMatchObject({
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "GET,POST,PUT,PATCH,DELETE,OPTIONS",
      "access-control-allow-headers": "authorization,convex-client",
      "access-control-max-age": "86400",
    });
    for (const answer of [
      await server.post("/api/query", echoBody, { origin }),
      await server.post("/api/query", "{", { origin }),
      await server.send("/version", { headers: { origin } }),
      await server.send("/api/nothing", { headers: { origin } }),
    ]) {
      expect(answer.headers["access-control-allow-origin"]).toBe(origin);
    }
    expect((await server.send("/version")).headers["access-control-allow-origin"]).toBeUndefined();
  });
});

describe("authentication and client version", () => {
  const wrongName = adminKey.replace(instanceName, "other");
  it.each<[string, Record<string, string>, number, string]>([
    ["a short header", { authorization: "Convex" }, 400, "InvalidHeaderFailure"],
    ["another scheme", { authorization: "Digest abcdefgh" }, 400, "InvalidAdminKey"],
    ["a wrong admin key", { authorization: "Convex a|b" }, 401, "BadAdminKey"],
    ["an admin key of another instance", { authorization: `Convex ${wrongName}` }, 401, "BadAdminKey"],
    ["an undecodable acting-as part", { authorization: `Convex ${adminKey}:%%%` }, 400, "HeaderParseFailure"],
    ["a client header without a dash", { "convex-client": "npm" }, 400, "InvalidClientVersion"],
    ["an ancient client", { "convex-client": "npm-0.19.1" }, 400, "ClientVersionUnsupported"],
  ])("refuses %s", async (_what, headers, status, code) => {
    const answer = await server.post("/api/query", echoBody, headers);
    expect([answer.status, answer.json()["code"]]).toEqual([status, code]);
    expect(engine.calls).toEqual([]);
  });

  it("tells a missing admin key from a wrong one", async () => {
    const anonymous = await server.send("/api/check_admin_key");
    expect([anonymous.status, anonymous.json()]).toEqual([
      403,
      {
        code: "BadDeployKey",
        message: `The provided deploy key was invalid for deployment '${instanceName}'. Double check that the environment this key was generated for matches the desired deployment.`,
      },
    ]);
    expect(
      (await server.send("/api/check_admin_key", { headers: { authorization: "Bearer alice" } })).status,
    ).toBe(403);
    const wrong = await server.send("/api/check_admin_key?adminKey=a%7Cb");
    expect([wrong.status, wrong.json()]).toEqual([
      401,
      { code: "BadAdminKey", message: "The provided admin key was invalid for this instance" },
    ]);
    const scheme = { authorization: `cOnVeX dev:${adminKey}` };
    expect((await server.send("/api/check_admin_key", { headers: scheme })).status).toBe(200);
  });

  it("takes the client's address from a proxy that is trusted, and cuts long agents", async () => {
    const agent = "é".repeat(400);
    const userAgent = Buffer.from(agent).toString("latin1");
    await server.post("/api/query", echoBody, {
      "x-forwarded-for": "9.9.9.9, 10.0.0.1, 127.0.0.7",
      "user-agent": userAgent,
    });
    expect(engine.calls[0]?.client?.ip).toBe("10.0.0.1");
    expect(Buffer.byteLength(engine.calls[0]?.client?.userAgent ?? "")).toBeLessThanOrEqual(512);
  });
});

describe("bodies", () => {
  it("needs a JSON content type", async () => {
    const plain = await server.send("/api/query", { method: "POST", body: echoBody });
    expect([plain.status, plain.json()]).toEqual([
      400,
      { code: "BadJsonBody", message: "Expected request with `Content-Type: application/json`" },
    ]);
    for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/ld+json"]) {
      expect((await server.post("/api/query", echoBody, { "content-type": type })).text).toBe(echoAnswer);
    }
    expect((await server.post("/api/query", echoBody, { "content-type": "text/json" })).status).toBe(400);
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ["br", brotliCompressSync],
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["zstd", zstdCompressSync],
    ["identity", (bytes) => bytes],
  ])("reads %s", async (encoding, compress) => {
    const body = compress(Buffer.from(echoBody));
    expect((await server.post("/api/query", body, { "content-encoding": encoding })).text).toBe(echoAnswer);
    if (encoding === "identity") return;
    const broken = await server.post("/api/query", body.subarray(0, -3), { "content-encoding": encoding });
    expect([broken.status, broken.json()["code"]]).toEqual([400, "BadJsonBody"]);
  });

  it("refuses unknown encodings and bodies that unfold beyond the limit", async () => {
    const unknown = await server.post("/api/query", echoBody, { "content-encoding": "compress" });
    expect([unknown.status, unknown.json()["code"]]).toEqual([415, "UnsupportedContentEncoding"]);
    const bomb = gzipSync(Buffer.alloc(3 * 1024 * 1024, 0x20));
    const answer = await server.post("/api/delete_tables", bomb, { ...asAdmin, "content-encoding": "gzip" });
    expect([answer.status, answer.json()["code"]]).toEqual([400, "BadJsonBody"]);
  });

  it("refuses an announced length before a byte of it was sent", async () => {
    const socket = await openSocket();
    socket.write(head("POST", "/api/query", ["Content-Type: application/json", "Content-Length: 16779217"]));
    expect(await firstLine(socket)).toBe("HTTP/1.1 413 Payload Too Large");
    socket.destroy();
  });

  it("refuses a body of unannounced length when it grows too long, and still answers the next request", async () => {
    const socket = await openSocket();
    const headers = [
      "Content-Type: application/json",
      "Transfer-Encoding: chunked",
      `Authorization: Convex ${adminKey}`,
    ];
    socket.write(head("POST", "/api/delete_tables", headers));
    const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`;
    for (let sent = 0; sent < 40; sent++) socket.write(chunk);
    socket.write("0\r\n\r\n");
    expect(await firstLine(socket)).toBe("HTTP/1.1 400 Bad Request");
    socket.write(head("GET", "/version", []));
    expect(await firstLine(socket)).toBe("HTTP/1.1 200 OK");
    socket.destroy();
  });

  it("keeps count of the bytes it holds", async () => {
    const budget = new ByteBudget(100);
    const one = new BodyShare(budget);
    const two = new BodyShare(budget);
    one.take(60);
    expect(() => two.take(60)).toThrowError(expect.objectContaining({ category: "Overloaded" }));
    one.release();
    two.take(60);
    two.release();
    expect(budget.heldBytes).toBe(0);
    const small = gzipSync(Buffer.alloc(101));
    await expect(decompress(small, "gzip", 1000, new BodyShare(budget))).rejects.toMatchObject({
      category: "Overloaded",
    });
  });
});

describe("long and broken requests", () => {
  it("gives up after the time limit", async () => {
    const run = Promise.withResolvers<ReturnType<typeof success>>();
    engine.functions.set("test:slow", { kind: "Query", run: () => run.promise });
    const answer = server.post("/api/query", { path: "test:slow", args: {} });
    await expect.poll(() => engine.calls.length).toBe(1);
    time.advance(requestTimeoutMs);
    expect((await answer).status).toBe(408);
    run.resolve(success("1"));
    expect((await server.post("/api/query", echoBody)).text).toBe(echoAnswer);
    expect(server.unexpected).toEqual([]);
  });

  it("outlives clients that go away at any moment", async () => {
    const complete = head("POST", "/api/query", [
      "Content-Type: application/json",
      `Content-Length: ${echoBody.length}`,
    ]);
    const text = complete + echoBody;
    for (const length of [5, complete.length - 1, complete.length, text.length - 1, text.length]) {
      const socket = await openSocket();
      await new Promise((resolve) => socket.write(text.slice(0, length), resolve));
      socket.destroy();
    }
    const run = Promise.withResolvers<ReturnType<typeof success>>();
    engine.functions.set("test:slow", { kind: "Query", run: () => run.promise });
    const body = JSON.stringify({ path: "test:slow", args: {} });
    const socket = await openSocket();
    engine.calls.length = 0;
    socket.write(
      head("POST", "/api/query", ["Content-Type: application/json", `Content-Length: ${body.length}`]) + body,
    );
    await expect.poll(() => engine.calls.length).toBe(1);
    socket.destroy();
    await expect.poll(() => time.pendingTimers).toBe(0);
    run.resolve(success("1"));
    expect((await server.post("/api/query", echoBody)).text).toBe(echoAnswer);
    expect(server.unexpected).toEqual([]);
  });

  it("answers garbage with a code", async () => {
    const paths = [
      "/api/query",
      "/api/mutation",
      "/api/action",
      "/api/function",
      "/api/run/test/echo",
      "/api/query_at_ts",
      "/api/query_batch",
      "/api/deploy2/start_push",
      "/api/deploy2/finish_push",
      "/api/deploy2/wait_for_schema",
      "/api/get_config_hashes",
      "/api/run_test_function",
      "/api/update_environment_variables",
      "/api/v1/update_canonical_url",
      "/api/delete_tables",
    ];
    const field = fc.constantFrom(
      "path",
      "args",
      "format",
      "ts",
      "queries",
      "adminKey",
      "changes",
      "name",
      "bundle",
    );
    const known = fc.constantFrom("test:echo", "json", adminKey, "AAAAAAAAAAA=", "");
    const { value } = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        known,
        fc.jsonValue(),
        fc.array(tie("value"), { maxLength: 3 }),
        tie("object"),
      ),
      object: fc.dictionary(field, tie("value"), { maxKeys: 5 }),
    }));
    const body = fc.oneof(
      value.map((json) => JSON.stringify(json)),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.string(),
    );
    const headers = fc.constantFrom<Record<string, string>>(
      {},
      asAdmin,
      { "content-encoding": "br" },
      { ...asAdmin, "convex-client": "npm-cli-1.48.0" },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), body, headers, async (path, sent, extra) => {
        const answer = await server.post(path, sent, extra);
        expect([200, 400, 401, 403, 503]).toContain(answer.status);
        if (answer.status !== 200) {
          expect(answer.json()).toEqual({ code: expect.any(String), message: expect.any(String) });
        }
        expect(server.unexpected).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("answers garbage in the URL with a code", async () => {
    const piece = fc.constantFrom(
      "/",
      "//",
      "api",
      "query",
      "run",
      "http",
      "%",
      "%2f",
      "%ff",
      "?",
      "&",
      "=",
      "path",
      "args",
      "{}",
      "v1",
      "stream_function_logs",
      "cursor",
      "..",
      "\u007f".slice(1),
      "adminKey=",
    );
    const target = fc.array(piece, { maxLength: 8 }).map((pieces) => `/${pieces.join("")}`);
    await fc.assert(
      fc.asyncProperty(
        target,
        fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS"),
        async (path, method) => {
          const answer = await server.send(path, { method });
          expect(answer.status).toBeLessThan(500);
          expect(server.unexpected).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
});

function head(method: string, path: string, headers: readonly string[]): string {
  return `${[`${method} ${path} HTTP/1.1`, "Host: x", ...headers].join("\r\n")}\r\n\r\n`;
}

function openSocket(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  });
}

function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once("data", (chunk) => resolve(chunk.toString("latin1").split("\r\n", 1)[0] ?? ""));
    socket.once("close", () => reject(new Error("the server closed the connection")));
  });
}
