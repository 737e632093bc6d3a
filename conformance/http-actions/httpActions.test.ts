import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import net, { type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

let server: TestServer;
let upstream: Server;
let upstreamUrl: string;

beforeAll(async () => {
  server = await TestServer.start();
  const project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(pushed.output);
  upstream = createServer((_request, response) => {
    const body = gzipSync("forwarded ".repeat(1000));
    response.writeHead(203, {
      "content-encoding": "gzip",
      "content-length": body.length,
      "x-from": "upstream",
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  upstream.close();
  await server.dispose();
});

function site(path: string, init?: RequestInit): Promise<Response> {
  return fetch(server.siteUrl + path, init);
}

async function text(path: string, init?: RequestInit): Promise<[number, string]> {
  const response = await site(path, init);
  return [response.status, await response.text()];
}

/** Sends raw bytes and returns everything that comes back until the server closes or `enough` says so. */
function raw(
  parts: readonly (string | Buffer)[],
  enough: (received: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = net.connect(server.sitePort, "127.0.0.1", () => {
      for (const part of parts) socket.write(part);
    });
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (enough(received)) socket.destroy();
    });
    socket.on("close", () => resolve(received));
    socket.on("error", reject);
  });
}

interface Entry {
  readonly kind: string;
  readonly identifier: string;
  readonly logLines: readonly { readonly messages: readonly string[] }[];
  readonly [field: string]: unknown;
}

async function entries(): Promise<Entry[]> {
  const response = await fetch(`${server.url}/api/stream_function_logs?cursor=0`, {
    headers: { authorization: `Convex ${server.adminKey}`, "convex-client": "npm-cli-1.48.0" },
  });
  return ((await response.json()) as { entries: Entry[] }).entries;
}

async function lastCompletion(identifier: string): Promise<Entry | undefined> {
  return (await entries()).findLast(
    (entry) => entry.kind === "Completion" && entry.identifier === identifier,
  );
}

/** Everything that HTTP actions of this route have logged. */
async function logged(identifier: string): Promise<string> {
  const lines = (await entries())
    .filter((entry) => entry.identifier === identifier)
    .flatMap((e) => e.logLines);
  return lines.map(({ messages }) => messages.join(" ")).join("\n");
}

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const notes = () => server.call("notes:list") as Promise<string[]>;

describe("routing", () => {
  it.each([
    ["GET", "/hello", 200, "hello"],
    ["POST", "/hello", 200, "posted"],
    ["PUT", "/hello", 404, "No HttpAction routed for /hello"],
    ["GET", "/hello/", 404, "No HttpAction routed for /hello/"],
    ["GET", "/hello?x=/files/", 200, "hello"],
    ["GET", "/a%20b", 200, "encoded"],
    ["GET", "/files/x", 200, "files"],
    ["GET", "/files/deep/x", 200, "deep"],
    ["GET", "/files/deep/exact", 200, "exact"],
    ["GET", "/", 404, "No HttpAction routed for /"],
  ])("%s %s", async (method, path, status, body) => {
    expect(await text(path, { method })).toEqual([status, body]);
    // The same below /http of the API's origin.
    const below = await fetch(`${server.url}/http${path}`, { method });
    expect([below.status, await below.text()]).toEqual([status, body]);
  });

  it("routes HEAD as GET, leaves OPTIONS to the app, refuses other methods", async () => {
    const head = await site("/hello", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "5", ""]);
    const preflight = await site("/hello", { method: "OPTIONS", headers: { origin: "https://b.example" } });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([
      204,
      "https://a.example",
    ]);
    const plain = await site("/hello", { headers: { origin: "https://b.example" } });
    expect(plain.headers.get("access-control-allow-origin")).toBeNull();
    expect(await raw(["PROPFIND /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"])).toMatch(
      /^HTTP\/1.1 405 .*\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n/s,
    );
  });

  it("compares paths as they were sent", async () => {
    const status = async (path: string) =>
      (await raw([`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`])).slice(9, 12);
    expect(await status("/%68ello")).toBe("404");
    expect(await status("/x/../hello")).toBe("404");
    expect(await status("//hello")).toBe("404");
    expect(await status("http://elsewhere/hello")).toBe("200");
  });
});

describe("the request", () => {
  it("shows URL, method, headers, body and who asks", async () => {
    const response = await site("/describe?a=%20b", {
      method: "PUT",
      headers: { "x-own": "é", "convex-request-id": "00112233aabbccdd" },
      body: "content",
    });
    expect(await response.json()).toMatchObject({
      url: `${server.siteUrl}/describe?a=%20b`,
      method: "PUT",
      headers: { "x-own": "é", host: `127.0.0.1:${server.sitePort}` },
      body: "content",
      meta: { name: "http", componentPath: "" },
      caller: { ip: "127.0.0.1", requestId: "00112233aabbccdd" },
    });
    const options = await site("/describe", { method: "OPTIONS" });
    expect(await options.json()).toMatchObject({ method: "OPTIONS", body: null });
    const empty = await site("/describe", { method: "POST" });
    expect(await empty.json()).toMatchObject({ method: "POST", body: "" });
  });

  it("takes the scheme from proxies and the host from the request", async () => {
    const url = async (head: string) => {
      const answer = await raw([`GET /describe HTTP/1.1\r\nConnection: close\r\n${head}\r\n\r\n`]);
      return /"url":"([^"]*)"/.exec(answer)?.[1] ?? answer.slice(0, 40);
    };
    expect(await url("Host: app.example")).toBe("http://app.example/describe");
    expect(await url("Host: app.example\r\nX-Forwarded-Proto: https, http")).toBe(
      "https://app.example/describe",
    );
    expect(await url("Host: a.example\r\nForwarded: for=1.2.3.4;proto=https")).toBe(
      "https://a.example/describe",
    );
    expect(await url("Host: a.example/evil")).toMatch(/^HTTP\/1.1 400 /);
    const old = await raw(["GET /describe HTTP/1.0\r\n\r\n"]);
    expect(old).toContain(`"url":"${server.siteUrl}/describe"`);
  });

  it("runs queries and mutations", async () => {
    const response = await site("/notes", { method: "POST", body: JSON.stringify({ text: "first" }) });
    expect([response.status, await response.json()]).toEqual([201, await notes()]);
    expect(await notes()).toContain("first");
  });

  it("parses forms", async () => {
    const form = new FormData();
    form.set("name", "Ann");
    form.set("file", new File(["inside"], "a.txt"));
    const response = await site("/form", { method: "POST", body: form });
    expect(await response.json()).toEqual({ name: "Ann", file: "a.txt", content: "inside" });
  });

  it("parses forms of up to 20 MiB, and refuses larger ones while they come", async () => {
    const sizes = [20 * 1024 * 1024 - 1000, 20 * 1024 * 1024, 60 * 1024 * 1024];
    const answers = [];
    for (const size of sizes) {
      const form = new FormData();
      form.set("file", new File([new Uint8Array(size)], "zeros"));
      const response = await site("/form", { method: "POST", body: form });
      answers.push([response.status, (await response.json()) as object]);
    }
    const refused = [
      500,
      expect.objectContaining({
        trace: expect.stringMatching(
          /^Uncaught RangeError: The body is too large to be parsed by formData\(\): multipart bodies may have 20 MiB\.\n/,
        ) as string,
      }),
    ];
    expect(answers).toEqual([[200, { name: null, file: "zeros", content: sizes[0] }], refused, refused]);
  });

  it("streams bodies of any size and framing", async () => {
    const body = randomBytes(25_000_000);
    const hashed = await site("/hash", { method: "POST", body });
    expect(await hashed.json()).toEqual({
      size: body.length,
      isBuffer: true,
      sha256: createHash("sha256").update(body).digest("hex"),
    });
    const part = body.subarray(0, 5_000_000);
    const echoed = await site("/echo", { method: "POST", body: part });
    expect(part.equals(Buffer.from(await echoed.arrayBuffer()))).toBe(true);
    const chunked = await raw([
      "POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
      "3\r\nabc\r\n4\r\ndefg\r\n",
      "0\r\n\r\n",
    ]);
    expect(chunked).toContain('{"bytes":7}');
  });

  it("has a body where the method has one, and drops the others", async () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const response = await site("/describe", { method, body: "content" });
      expect(await response.json()).toMatchObject({ method, body: "content" });
    }
    // What comes with a GET is no part of the next request on the connection.
    const both = await raw([
      "GET /describe HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\ncontent",
      "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ]);
    expect(both).toMatch(/^HTTP\/1\.1 200 OK\r\n.*"body":null.*\}HTTP\/1\.1 200 OK\r\n.*\r\n\r\nhello$/s);
  });

  it("waits for a client that asks first whether it may send", async () => {
    const answer = await raw(
      [
        "POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "abc",
      ],
      () => false,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*\{"bytes":3\}$/s);
  });

  it("is not waited for by an action that does not read it", async () => {
    const [status, body] = await text("/ignore", { method: "POST", body: randomBytes(3_000_000) });
    expect([status, body]).toEqual([403, "not read"]);
    // A body that never ends keeps neither the answer nor anyone else waiting.
    const endless = await raw(
      ["POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
      (received) => received.includes("not read"),
    );
    expect(endless).toMatch(/^HTTP\/1.1 403 /);
  });

  it("fails in the action when it is cut off", async () => {
    const socket = net.connect(server.sitePort, "127.0.0.1");
    socket.write(
      "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\nabc",
    );
    // It has begun: the server has asked for the rest.
    await new Promise((resolve) => socket.once("data", resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    const completion = await until(async () => {
      const found = await lastCompletion("POST /count");
      return found?.["error"] === null ? undefined : found;
    });
    expect(completion["error"]).toMatch(
      /^Uncaught TypeError: The client closed the connection before the request was complete.\n/,
    );
    expect(await text("/hello")).toEqual([200, "hello"]);
  });
});

describe("identity", () => {
  const me = async (headers: Record<string, string>) => {
    const response = await site("/me", { headers });
    return response.ok ? await response.json() : ((await response.json()) as { code: string }).code;
  };
  it("is that of the Authorization header, in nested calls too", async () => {
    expect(await me({})).toEqual({ me: null, nested: null });
    const user = { tokenIdentifier: "https://issuer|ann", issuer: "https://issuer", subject: "ann" };
    const acting = Buffer.from(JSON.stringify(user)).toString("base64");
    expect(await me({ authorization: `Convex ${server.adminKey}:${acting}` })).toEqual({
      me: "https://issuer|ann",
      nested: "https://issuer|ann",
    });
  });

  it("lets requests with other people's credentials run, and says what is wrong to those who ask", async () => {
    expect(await text("/hello", { headers: { authorization: "Basic dXNlcjpwYXNz" } })).toEqual([
      200,
      "hello",
    ]);
    expect(await me({ authorization: "Basic dXNlcjpwYXNz" })).toMatch(
      /Server Error: Uncaught Error: .*Header must begin with `bearer `/,
    );
    expect(await me({ authorization: "Bearer nonsense" })).toContain("Could not parse JWT payload.");
  });
});

describe("the response", () => {
  it("has the status and headers of the action, and a length that is true", async () => {
    const response = await site("/cookies");
    expect([response.status, await response.text(), response.headers.getSetCookie()]).toEqual([
      299,
      "four",
      ["a=1", "b=2; Path=/"],
    ]);
    expect([...response.headers.entries()]).toEqual(
      expect.arrayContaining([
        ["content-length", "4"],
        ["x-own", "1"],
        ["connection", "keep-alive"],
      ]),
    );
  });

  it("may have no body, or send clients elsewhere", async () => {
    const of = async (name: string) => {
      const response = await site(`/unusual/${name}`, { redirect: "manual" });
      const { status, headers } = response;
      return [status, headers.get("location"), headers.get("etag"), await response.text()];
    };
    expect(await of("redirect")).toEqual([307, "https://elsewhere.example/there", null, ""]);
    expect(await of("notModified")).toEqual([304, null, '"1"', ""]);
    expect(await of("noContent")).toEqual([204, null, null, ""]);
    expect(await of("empty")).toEqual([200, null, null, ""]);
  });

  it("that is none is told before anything is sent", async () => {
    const failure = async (name: string) => {
      const [status, body] = await text(`/unusual/${name}`);
      return [status, (JSON.parse(body) as { trace: string }).trace];
    };
    expect(await failure("networkError")).toEqual([
      500,
      expect.stringMatching(/^HTTP actions must return a Response/),
    ]);
    expect(await failure("stringChunks")).toEqual([500, expect.stringContaining("Uint8Array")]);
    expect(await failure("read")).toEqual([500, expect.stringMatching(/^Uncaught TypeError: /)]);
    // One that the router has not got.
    expect(await failure("missing")).toEqual([500, expect.stringMatching(/^Uncaught TypeError: /)]);
    const head = await site("/throws", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([500, ""]);
  });

  it("is warned about when it is nearly too large", async () => {
    const response = await site("/unusual/nearlyTooLarge");
    expect((await response.arrayBuffer()).byteLength).toBe(17 * 1024 * 1024);
    const warning =
      "Large response returned from an HTTP action (actual: 17825792 bytes, limit: 20971520 bytes).";
    await until(async () => (await logged("GET /unusual/*")).includes(warning));
  });

  it("comes as it is produced", async () => {
    const client = randomUUID();
    const response = await site(`/events?client=${client}`);
    const reader = response.body!.getReader();
    let received = "";
    for (let event = 0; event < 3; event++) {
      // The action does not go on before it is told that this one has arrived.
      while (!received.includes(`data: ${event}\n\n`)) {
        const { done, value } = await reader.read();
        expect(done, received).toBe(false);
        received += Buffer.from(value!).toString();
      }
      await server.call("notes:add", { text: `${client} has ${event}` });
    }
    expect((await reader.read()).done).toBe(true);
    expect(received).toBe("data: 0\n\ndata: 1\n\ndata: 2\n\n");
  });

  it("can be that of another server", async () => {
    const response = await site(`/forward?to=${encodeURIComponent(upstreamUrl)}`);
    expect([response.status, response.headers.get("x-from"), await response.text()]).toEqual([
      203,
      "upstream",
      "forwarded ".repeat(1000),
    ]);
  });

  it("is produced no faster than it is read", async () => {
    const socket = net.connect(server.sitePort, "127.0.0.1");
    socket.write("GET /zeros?bytes=15000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    await new Promise((resolve) => socket.once("readable", resolve));
    // Not read on: what has been produced by now fills the buffers in between and nothing else.
    await new Promise((resolve) => setTimeout(resolve, 500));
    socket.destroy();
    const line = await until(async () => /.gone after. (\d+)/.exec(await logged("GET /zeros")) ?? undefined);
    expect(Number(line[1])).toBeLessThan(12_000_000);
    const whole = await site("/zeros?bytes=15000000");
    expect((await whole.arrayBuffer()).byteLength).toBe(15_000_000);
  });

  it("is cut off at 20 MiB", async () => {
    const response = await site(`/zeros?bytes=${20 * 1024 * 1024 + 1}`);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect((await until(() => lastCompletion("GET /zeros")))["error"]).toBe(
      "HttpResponseTooLarge: HTTP actions support responses up to 20 MiB\n",
    );
    const atOnce = await site("/large");
    expect([atOnce.status, ((await atOnce.json()) as { trace: string }).trace]).toEqual([
      500,
      "HttpResponseTooLarge: HTTP actions support responses up to 20 MiB\n",
    ]);
  });
});

describe("failures", () => {
  it("are told before the head, with their data", async () => {
    const thrown = (await (await site("/throws")).json()) as Record<string, string>;
    expect(thrown["code"]).toMatch(/^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught Error: boom$/);
    expect(thrown["trace"]).toMatch(/^Uncaught Error: boom\n {4}at .*convex\/http\.ts:\d+:\d+\)?\n$/);
    const withData = await site("/convexError");
    expect([withData.status, withData.headers.get("content-type")]).toEqual([500, "application/json"]);
    expect(await withData.json()).toMatchObject({ data: { code: { $integer: "BwAAAAAAAAA=" } } });
    const [, noResponse] = await text("/text");
    expect(noResponse).toContain("Server Error: HTTP actions must return a Response");
  });

  it("break the connection after the head", async () => {
    const response = await site("/breaks");
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    expect((await until(() => lastCompletion("GET /breaks")))["error"]).toMatch(
      /^Uncaught Error: in the middle\n/,
    );
  });

  it("do not include that of a client that goes away: the action goes on", async () => {
    const before = await notes();
    const abort = new AbortController();
    const request = site("/patient", { signal: abort.signal }).catch((error: Error) => error.name);
    await until(async () => (await logged("GET /patient")).includes("waiting"));
    abort.abort();
    expect(await request).toBe("AbortError");
    await until(async () => (await notes()).length > before.length);
    expect((await until(() => lastCompletion("GET /patient")))["error"]).toBeNull();
    expect(await logged("GET /patient")).toContain("The client closed the connection");
  });

  it("are in the log with their route, others with their status", async () => {
    await site("/files/deep/y");
    const completion = await until(() => lastCompletion("GET /files/deep/*"));
    expect(completion).toMatchObject({
      udfType: "HttpAction",
      caller: "HttpEndpoint",
      componentPath: null,
      success: { status: "200" },
      error: null,
      environment: "isolate",
      returnBytes: 4,
    });
    expect(await lastCompletion("GET /throws")).toMatchObject({ success: { status: "500" } });
    expect(await logged("POST /notes")).toBe("'adding' 'first'");
  });
});

describe("a deployment that redacts", () => {
  it("says neither message nor trace, but the data of a ConvexError", async () => {
    const redacting = await TestServer.start({ args: ["--redact"] });
    try {
      const nothing = await fetch(`${redacting.siteUrl}/hello`);
      expect([nothing.status, await nothing.text()]).toEqual([
        404,
        "This Convex deployment does not have HTTP actions enabled.",
      ]);
      const project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(redacting);
      const pushed = await project.convex([
        "dev",
        "--once",
        "--typecheck",
        "disable",
        "--codegen",
        "disable",
      ]);
      expect(pushed.code, pushed.output).toBe(0);
      const thrown = await (await fetch(`${redacting.siteUrl}/throws`)).json();
      expect(thrown).toEqual({ code: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error$/) });
      const withData = (await (await fetch(`${redacting.siteUrl}/convexError`)).json()) as object;
      expect(Object.keys(withData)).toEqual(["code", "data"]);
    } finally {
      await redacting.dispose();
    }
  });
});
