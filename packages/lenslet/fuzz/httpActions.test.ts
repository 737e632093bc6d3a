import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestServer } from "../../../conformance/support/server.ts";
import { holdOpen, startLedger } from "../crash/rig.ts";
import { checkFiles } from "../crash/storedFiles.ts";
import { Bystander } from "./bystander.ts";
import { residentMib } from "./memory.ts";
import { sayBytes } from "./socket.ts";

/** What strangers may send to the HTTP actions of an app. */

const seed = Number(process.env["LENSLET_FUZZ_SEED"] ?? 1);
const runs = Number(process.env["LENSLET_FUZZ_RUNS"] ?? 60);

let server: TestServer;
let bystander: Bystander;
beforeAll(async () => {
  server = await startLedger();
  bystander = new Bystander(server);
  await bystander.goesOn();
  // From here on no answer waits for the process that runs actions to come up.
  expect(await get("/anything/")).toEqual([200, "/anything/"]);
}, 120_000);
afterAll(async () => {
  await server.dispose();
});

const say = (...pieces: readonly string[]) => sayBytes(server.sitePort, ...pieces);
const hold = (...pieces: readonly string[]) => holdOpen(server.sitePort, ...pieces);
const chunked = "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

async function get(path: string): Promise<[number, string]> {
  const response = await fetch(`${server.siteUrl}${path}`);
  return [response.status, await response.text()];
}

describe("requests that are none", () => {
  it.each<[string, string, RegExp]>([
    ["a method nobody knows", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["a method in small letters", "get / HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 /],
    [
      "a method that has no route",
      "PROPFIND / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      /^HTTP\/1\.1 405 /,
    ],
    ["CONNECT", "CONNECT other:443 HTTP/1.1\r\nHost: other\r\n\r\n", /^(HTTP\/1\.1 4\d\d [^]*)?$/],
    [
      "an upgrade",
      "GET /zeros HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
      /^HTTP\/1\.1 /,
    ],
    ["control bytes in the path", "GET /\u0000\u0001 HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 /],
    [
      "escapes that are none in the path",
      "GET /%zz%e0%a4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      /^HTTP\/1\.1 404 [^]*No HttpAction routed for \/%zz%e0%a4/,
    ],
    ["no path", "GET HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["no host", "GET /zeros?bytes=1 HTTP/1.1\r\nConnection: close\r\n\r\n", /^HTTP\/1\.1 400 /],
    [
      "a path of 100 KB",
      `GET /anything/${"x".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      /^HTTP\/1\.1 4(14|31) /,
    ],
    [
      "a header of 100 KB",
      `GET /zeros HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 /,
    ],
    ["a header without a name", "GET /zeros HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n", /^HTTP\/1\.1 400 /],
    [
      "two lengths",
      "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      /^HTTP\/1\.1 400 /,
    ],
    [
      "a length below zero",
      "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      /^HTTP\/1\.1 400 /,
    ],
    [
      "a length and chunks",
      "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      /^HTTP\/1\.1 400 /,
    ],
    ["a chunk with a length that is none", `${chunked}zz\r\nabc\r\n`, /^HTTP\/1\.1 400 |^$/],
    ["a chunk beyond all bounds", `${chunked}ffffffffffffffffff\r\nabc`, /^HTTP\/1\.1 400 |^$/],
    ["a chunk that is longer than it says", `${chunked}2\r\nabcdef\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 |^$/],
    ["TLS", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000", /^(HTTP\/1\.1 400 [^]*)?$/],
    ["the answer of a server", "HTTP/1.1 200 OK\r\n\r\n", /^HTTP\/1\.1 400 /],
  ])("%s", async (_name, bytes, expected) => {
    expect(await say(bytes)).toMatch(expected);
  });

  it("thousands of headers are cut, not collected", async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `X-${i}: 1\r\n`).join("");
    expect(await say(`GET /anything/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${many}\r\n`)).toMatch(
      /^HTTP\/1\.1 (200|431) /,
    );
  });

  it(`garbage is answered by HTTP or not at all (seed ${seed})`, { timeout: 120_000 }, async () => {
    const token = fc.stringMatching(/^[!-~]{0,12}$/);
    const method = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD") },
      { weight: 1, arbitrary: token },
    );
    const path = fc.oneof(
      fc.constantFrom("/add", "/store", "/count", "/throws", "/zeros?bytes=10", "/anything/%2e%2e/x", "*"),
      token.map((text) => `/anything/${text}`),
      fc.string({ unit: "binary", maxLength: 20 }),
    );
    const header = fc.tuple(
      fc.oneof(
        fc.constantFrom("Content-Type", "Authorization", "X-Forwarded-Proto", "Forwarded", "Expect", "Range"),
        fc.constantFrom("Transfer-Encoding", "Content-Length", "Connection", "Content-Encoding", "Cookie"),
        token,
      ),
      fc.oneof(fc.constantFrom("chunked", "3", "gzip", "Bearer x", "https", "100-continue"), token),
    );
    const request = fc
      .record({
        method,
        path,
        headers: fc.array(header, { maxLength: 5 }),
        body: fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.json()),
      })
      .map((parts) => {
        const lines = parts.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
        return `${parts.method} ${parts.path} HTTP/1.1\r\nHost: x\r\n${lines}\r\n${parts.body}`;
      });
    await fc.assert(
      fc.asyncProperty(request, async (bytes) => {
        const answer = await say(bytes);
        if (answer === "") return;
        expect(answer).toMatch(/^HTTP\/1\.1 \d\d\d /);
        // A 500 is the app's own failure, in the form it has.
        if (answer.startsWith("HTTP/1.1 500 "))
          expect(answer).toMatch(/"code":"\[Request ID: [0-9a-f]{16}\]/);
      }),
      { seed, numRuns: runs },
    );
    await bystander.goesOn();
  });
});

describe("requests that keep an action waiting", () => {
  it(
    "bodies that never end hold up nobody else, and give back their places",
    { timeout: 180_000 },
    async () => {
      const before = residentMib(server);
      const drips = Array.from({ length: 150 }, (_, i) =>
        i % 2 === 0
          ? hold(`${chunked}3\r\nabc\r\n`)
          : hold("POST /store HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n", "x".repeat(10_000)),
      );
      for (let i = 0; i < 10; i++) {
        if (i % 2 === 0)
          for (const [at, socket] of drips.entries())
            socket.write(at % 2 === 0 ? "3\r\nabc\r\n" : "more of it");
        expect(await get("/anything/a")).toEqual([200, "/anything/a"]);
        await bystander.goesOn();
      }
      expect(residentMib(server) - before).toBeLessThan(450);
      for (const socket of drips) socket.destroy();
      // Cut off: nothing is stored, nothing is left on the disk.
      expect((await checkFiles(server)).size).toBe(0);
    },
  );

  it("heads that never end, one byte after the other", { timeout: 120_000 }, async () => {
    const slow = Array.from({ length: 200 }, () => hold("GET /anything/slow HTTP/1.1\r\nHo"));
    for (let i = 0; i < 10; i++) {
      for (const socket of slow) socket.write("x");
      await bystander.goesOn();
      expect(await get("/anything/b")).toEqual([200, "/anything/b"]);
    }
    for (const socket of slow) socket.destroy();
  });

  it("answers that nobody reads cost bounded memory", { timeout: 120_000 }, async () => {
    const before = residentMib(server);
    const deaf = Array.from({ length: 40 }, () => {
      const socket = hold("GET /zeros?bytes=20000000 HTTP/1.1\r\nHost: x\r\n\r\n");
      socket.pause();
      return socket;
    });
    for (let i = 0; i < 20; i++) await bystander.goesOn();
    expect(await get("/anything/c")).toEqual([200, "/anything/c"]);
    // 800 MB, had they been produced.
    expect(residentMib(server) - before).toBeLessThan(300);
    for (const socket of deaf) socket.destroy();
  });

  it("uploads that are cut off again and again leave nothing", { timeout: 120_000 }, async () => {
    for (let i = 0; i < 40; i++) {
      const socket = hold("POST /store HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n");
      await new Promise((resolve) => socket.write("x".repeat(1 + ((i * 12_345) % 400_000)), resolve));
      if (i % 2 === 0) socket.destroy();
      else socket.resetAndDestroy();
    }
    const whole = await fetch(`${server.siteUrl}/store`, { method: "POST", body: "whole" });
    const { storageId } = (await whole.json()) as { storageId: string };
    expect([...(await checkFiles(server))]).toEqual([storageId]);
  });

  it("more than there are places are told to come back, until there are", { timeout: 180_000 }, async () => {
    const places = 512;
    const held = Array.from({ length: places }, () => hold(`${chunked}1\r\na\r\n`));
    // The last of them may still be on their way.
    let [status, text] = [200, ""];
    while (status === 200) [status, text] = await get("/anything/d");
    expect([status, (JSON.parse(text) as { code: string }).code]).toEqual([429, "TooManyConcurrentRequests"]);
    // Queries, mutations and live updates do not need these places.
    await bystander.goesOn();
    for (const socket of held) socket.destroy();
    while (status === 429) [status] = await get("/anything/e");
    expect(status).toBe(200);
  });
});

describe("actions that go wrong", () => {
  it("one that hoards memory or throws what is no error fails alone", { timeout: 180_000 }, async () => {
    const [hoarded, thrown] = await Promise.all([get("/hoard"), get("/throws")]);
    expect(hoarded).toEqual([500, expect.stringMatching(/ran out of memory/)]);
    expect(thrown).toEqual([500, expect.stringMatching(/Server Error: Uncaught #<Object>/)]);
    expect(await get("/anything/f")).toEqual([200, "/anything/f"]);
    await bystander.goesOn();
  });

  it("have disturbed nobody in all that", async () => {
    await bystander.check();
    expect(server.logs).not.toMatch(/defect|assert/i);
    expect((await server.stop()).code).toBe(0);
  });
});
