import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi, type FunctionReference } from "convex/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Service } from "../../packages/stand-ins/src/service.ts";
import { until } from "../support/until.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

/** Actions of both runtimes, pushed by the official CLI and called by the official clients. */

let server: TestServer;
let project: TestProject;
let client: ConvexClient;
let outside: Service;
let url: string;
const notes = anyApi["notes"]!;
const probes = anyApi["probes"]!;
const probesNode = anyApi["probesNode"]!;

beforeAll(async () => {
  outside = await Service.start(({ method }) => ({ body: { method } }));
  url = `${outside.url}/`;
  server = await TestServer.start();
  project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  await project.convex(["env", "set", "OWN_SETTING", "of the deployment"]);
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(pushed.output);
  client = new ConvexClient(server.url, { logger: false });
}, 120_000);
afterAll(async () => {
  await client.close();
  await outside.close();
  await server.dispose();
});

const act = (reference: FunctionReference<"action">, args: Record<string, unknown> = {}) =>
  client.action(reference, args) as Promise<unknown>;
const failure = (call: Promise<unknown>) =>
  call.then(
    () => "no failure",
    (error: Error) => error.message,
  );

describe("an action of the default runtime", () => {
  it("calls queries, mutations and actions, those of Node too", async () => {
    expect(await act(probes["calls"]!, { text: "from an action" })).toEqual({
      seen: true,
      fromNode: createHash("sha1").update("from an action").digest("hex"),
    });
  });
  it("has fetch and the Web's APIs", async () => {
    expect(await act(probes["webApis"]!, { url })).toEqual({
      answer: { method: "POST" },
      stream: "streamed",
      verified: true,
      form: true,
      aborted: "AbortError",
      url: "https://a.example/b?c=%C3%A9",
      base64: "YWJj",
      clone: true,
      uuid: 36,
      event: true,
    });
  });
  it("has timers, and a clock that goes on", async () => {
    expect(await act(probes["timers"]!)).toEqual({ order: ["tick", "tick", "tick"], moves: true });
  });
  it("imports dynamically, keeps async contexts apart, and sees the deployment's variables only", async () => {
    expect(await act(probes["imported"]!)).toEqual({ answer: 42, same: true });
    expect(await act(probes["localStorage"]!)).toEqual({ each: ["a", "b", "c"], outside: null });
    expect(await act(probes["environment"]!)).toEqual({
      own: "of the deployment",
      url: server.url,
      machine: null,
    });
  });
});

it("a Node action has all that, and Node", async () => {
  expect(await act(probesNode["calls"]!, { text: "from Node" })).toEqual({ seen: true, fromDefault: 3 });
  expect(await act(probesNode["platform"]!, { url })).toEqual({
    answer: { method: "GET" },
    store: "inside",
    answerOfImport: 42,
    buffer: "616263",
    own: "of the deployment",
    machine: null,
  });
});

it("hundreds run at once, in both runtimes, each with its own answer", async () => {
  const count = 300;
  const numbers = Array.from({ length: count }, (_, i) => i);
  const ask = (runtime: typeof probes) =>
    Promise.all(numbers.map((i) => act(runtime["wait"]!, { ms: 500 + (i % 7) * 50, i })));
  const [ofDefault, ofNode] = await Promise.all([ask(probes), ask(probesNode)]);
  expect(ofDefault).toEqual(numbers);
  expect(ofNode).toEqual(numbers);
});

describe("actions that go wrong", () => {
  it.each<[string, () => Promise<unknown>, RegExp]>([
    ["throws a text", () => act(probes["throws"]!, { what: "text" }), /Uncaught just text/],
    ["throws null", () => act(probes["throws"]!, { what: "null" }), /Uncaught null/],
    ["throws an object", () => act(probes["throws"]!, { what: "object" }), /Uncaught #<Object>/],
    ["throws a number", () => act(probes["throws"]!, { what: "number" }), /Uncaught 7/],
    ["throws a text in Node", () => act(probesNode["throws"]!), /Uncaught just text/],
    ["rejects behind its back", () => act(probes["rejects"]!), /Uncaught TypeError: nobody waits/],
    [
      "exits",
      () => act(probesNode["exits"]!, { code: 3 }),
      /Uncaught process\.exit: process\.exit\(\) called with exit code 3/,
    ],
    ["aborts the process", () => act(probesNode["aborts"]!), /The process that ran this action has ended/],
    ["takes all memory", () => act(probes["hoards"]!), /ran out of memory \(maximum memory usage: 64 MB\)/],
    ["takes all memory of Node", () => act(probesNode["hoards"]!), /ran out of memory/],
    ["never ends", () => act(probes["loops"]!), /unexpectedly timed out/],
  ])("one that %s fails alone, while others go on", { timeout: 300_000 }, async (_name, bad, expected) => {
    const progress = { isOver: false };
    const failed = failure(bad()).finally(() => (progress.isOver = true));
    const shown: number[] = [];
    const stop = client.onUpdate(notes["count"]!, {}, (count) => shown.push(count as number));
    // Mutations and live updates of the same session, one after the other, until it is over.
    for (let rounds = 0; !progress.isOver || rounds < 3; rounds++) {
      await client.mutation(notes["add"]!, { text: "meanwhile" });
      const count = (await client.query(notes["count"]!, {})) as number;
      await until("the update is shown", () => (shown.at(-1) ?? 0) >= count);
    }
    stop();
    expect(await failed).toMatch(expected);
    expect(shown.toSorted((a, b) => a - b)).toEqual(shown);
    expect(await act(probes["wait"]!, { ms: 0, i: 1 })).toBe(1);
    expect(await act(probesNode["wait"]!, { ms: 0, i: 2 })).toBe(2);
  });

  it("were no defects of the server", () => {
    expect(server.logs).not.toMatch(/defect|assert/i);
  });
});

describe("what becomes of an action without its client", () => {
  it("it goes on, and its logs arrive while it runs", { timeout: 120_000 }, async () => {
    const leaving = new ConvexClient(server.url, { logger: false });
    const logs = project.startConvex(["logs", "--history"]);
    await logs.until("Watching logs", 60_000);
    void leaving.action(probes["patient"]!, { text: "left behind" }).catch(() => null);
    await logs.until("'begun' 'left behind'", 60_000);
    await leaving.close();
    await client.mutation(notes["add"]!, { text: "end left behind" });
    await logs.until("'ended' 'left behind'", 60_000);
    await logs.dispose();
    const http = new ConvexHttpClient(server.url, { logger: false });
    expect(await http.query(notes["list"]!, {})).toContain("left behind");
  });

  it("over HTTP too", async () => {
    const gone = new AbortController();
    const asked = fetch(`${server.url}/api/action`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ path: "probes:patient", args: { text: "hung up" }, format: "json" }),
      signal: gone.signal,
    });
    await until("it has begun", async () => (await begun()).includes("hung up"));
    gone.abort();
    await expect(asked).rejects.toThrow();
    await client.mutation(notes["add"]!, { text: "end hung up" });
    await until("it has ended", async () =>
      ((await client.query(notes["list"]!, {})) as string[]).includes("hung up"),
    );
  });
});

/** The first lines of all actions so far. */
async function begun(): Promise<string> {
  const response = await fetch(`${server.url}/api/stream_function_logs?cursor=0`, {
    headers: { authorization: `Convex ${server.adminKey}`, "convex-client": "npm-cli-1.48.0" },
  });
  return JSON.stringify(await response.json());
}
