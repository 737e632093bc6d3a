import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, type TestContext, vi } from "vitest";
import type { FunctionResult } from "../engine/api.ts";
import type { HttpActionEnd } from "../http/services.ts";
import type { ModuleSource } from "../runner/types.ts";
import { transientText } from "./actionLimits.ts";
import { apartText } from "./actionPool.ts";
import { type ActionRunnerOptions, createActionRunner } from "./actions.ts";
import { createRealRandom, realClock, realTimers } from "./realOs.ts";
import { ActionEngine, bundleProject } from "./testActionEngine.ts";

const harmful = `
export const sleep = action(async (_ctx, { ms }) => { await new Promise((resolve) => setTimeout(resolve, ms)); return "slept" });
export const loop = action(async () => { await null; try { for (;;); } catch {} });
export const loopInTimer = action(async () => { await new Promise(() => setTimeout(() => { for (;;); }, 1)) });
export const loopOfPromises = action(async () => { for (;;) await null });
export const backtrack = action(async () => /^(a+)+$/.test("a".repeat(60) + "b"));
export const waits = action(async (ctx) => await ctx.runQuery(anyApi.any.thing, {}));
export const loopThen = action(async (ctx) => { await ctx.runQuery(anyApi.any.thing, {}); for (;;); });
export const hoard = action(async () => { const all = []; for (;;) { all.push(Array.from({ length: 1000 }, (_, i) => ({ i }))); if (all.length % 50 === 0) await null } });
export const fillBuffers = action(async (_ctx, { ms }) => { const all = []; for (;;) { all.push(new Uint8Array(4 * 2 ** 20).fill(1)); if (ms >= 0) await new Promise((resolve) => setTimeout(resolve, ms)) } });
export const hoardSlowly = action(async () => { const all = []; for (;;) { for (let i = 0; i < 10; i++) all.push(new Array(10_000).fill(1.5)); await new Promise((resolve) => setTimeout(resolve, 2)) } });
`;
const files = {
  "isolated.ts": `import { actionGeneric as action, anyApi } from "convex/server";${harmful}
export const late = action(async (ctx) => { setTimeout(() => { for (;;); }, 100); return "early" });
`,
  "http.ts": `import { httpRouter, httpActionGeneric as httpAction, anyApi } from "convex/server";
const http = httpRouter();
http.route({ path: "/hoard", method: "POST", handler: httpAction(async (_ctx, request) => {
  const all = [await request.text()];
  for (;;) { all.push(Array.from({ length: 1000 }, (_, i) => ({ i }))); if (all.length % 50 === 0) await null }
}) });
http.route({ path: "/loop", method: "POST", handler: httpAction(async (ctx) => { await ctx.runQuery(anyApi.any.thing, {}); for (;;); }) });
http.route({ path: "/waits", method: "POST", handler: httpAction(async (ctx) => { await ctx.runQuery(anyApi.any.thing, {}); return new Response("waited") }) });
export default http;
`,
  "looping.ts": `import { actionGeneric as action } from "convex/server";
export const never = action(async () => null);
if (Date.now() > 0) for (;;);
`,
  "native.ts": `"use node"; import { actionGeneric as action, anyApi } from "convex/server"; import { execFileSync } from "node:child_process"; import { existsSync } from "node:fs";${harmful}
export const exit = action(async (_ctx, { code }) => { try { process.exit(code) } finally { await null } });
export const abort = action(async () => { process.abort() });
export const pid = action(async (_ctx, { ms }) => { await new Promise((resolve) => setTimeout(resolve, ms)); return process.pid });
export const loopTellingPid = action(async () => { console.log(process.pid); for (;;); });
export const computeUntil = action(async (_ctx, { file }) => { while (!existsSync(file)); return "computed" });
export const hang = action(async () => { execFileSync("sleep", ["20"]) });
export const rejected = action(async () => { Promise.reject(new Error("nobody waits")); await new Promise((resolve) => setTimeout(resolve, 1000)) });
export const rejectedNothing = action(async () => { Promise.reject("no error"); await new Promise((resolve) => setTimeout(resolve, 1000)) });
export const thrownLater = action(async () => { setTimeout(() => { throw new Error("later") }, 1); await new Promise((resolve) => setTimeout(resolve, 1000)) });
`,
};
const unresponsive =
  "Function execution unexpectedly timed out. Check your function for infinite loops or other long-running operations.\n";

/** To fill a memory takes its time, on a machine that has other things to do too; and so does finding a loop. */
const patient = { timeout: 300_000 };
/** Of one wait. */
const waitMs = 240_000;

let modules: ModuleSource[];

interface Runner {
  /** The end of an HTTP action that is sent this body. */
  readonly post: (path: string, body: string) => Promise<HttpActionEnd>;
  readonly run: (path: string, args?: object) => Promise<FunctionResult>;
  readonly errorOf: (path: string, args?: object) => Promise<string>;
  readonly close: () => Promise<void>;
  readonly reports: readonly string[];
  /** Answer the queries that actions wait for, in the order in which they came. */
  readonly queries: (() => void)[];
}

function start(context: TestContext, limits: ActionRunnerOptions["limits"] = {}): Runner {
  const engine = new ActionEngine();
  engine.deploy(modules);
  const reports: string[] = [];
  const queries: (() => void)[] = [];
  engine.onQuery = () => new Promise((resolve) => queries.push(() => resolve({ value: "answered" })));
  const runner = createActionRunner({
    engine: engine.api,
    clock: realClock,
    timers: realTimers,
    random: createRealRandom(),
    localOrigin: "http://127.0.0.1:1",
    instanceName: "test-instance",
    executed: () => undefined,
    report: (_level, message) => reports.push(message),
    // However busy the machine: it is the watch that ends what loops, not the server that kills its process.
    limits: { unresponsiveMsMax: 1000, killGraceMs: 120_000, ...limits },
  });
  context.onTestFinished(() => runner.close());
  const run = (path: string, args: object = {}): Promise<FunctionResult> =>
    runner.run({
      target: { kind: "path", path, componentPath: "" },
      argsJson: JSON.stringify([args]),
      identity: { kind: "anonymous" },
      caller: "HttpApi",
      requestId: "00112233aabbccdd",
    });
  const errorOf = async (path: string, args: object = {}): Promise<string> => {
    const result = await run(path, args);
    if (result.ok) throw new Error(`unexpected success: ${result.valueJson}`);
    return result.error.message;
  };
  const post = (path: string, body: string): Promise<HttpActionEnd> =>
    runner.runHttp(
      {
        method: "POST",
        path,
        url: `http://127.0.0.1:1${path}`,
        headers: [],
        hasBody: true,
        identity: { kind: "anonymous" },
        requestId: "00112233aabbccdd",
        client: { ip: null, userAgent: null },
      },
      {
        started: (control) => {
          control.body(Buffer.from(body));
          control.body(null);
        },
        head: () => {},
        chunk: () => {},
        end: () => {},
        want: () => {},
      },
    );
  return { run, errorOf, post, close: () => runner.close(), reports, queries };
}
const slept = { ok: true, valueJson: '"slept"', logLines: [] };

beforeAll(async () => {
  modules = await bundleProject(files);
});

describe.concurrent.each(["isolated", "native"])("a loop in %s code", (module) => {
  it.for(["loop", "loopInTimer", "loopOfPromises", "backtrack"])(
    "is broken off alone: %s",
    async (name, context) => {
      const { run, errorOf, reports } = start(context);
      // The neighbour is there before, and outlives the loop, in the same process.
      const neighbour = run(`${module}:sleep`, { ms: 1500 });
      expect(await errorOf(`${module}:${name}`)).toBe(unresponsive);
      expect(await neighbour).toEqual(slept);
      expect(reports).toEqual([
        apartText(`${module}.js:${name}`),
        `an action host is being replaced: ${module}.js:${name} was broken off (unresponsive)`,
      ]);
      expect(await run(`${module}:sleep`, { ms: 0 })).toEqual(slept);
    },
  );
});

describe("a loop", () => {
  /** Long enough for what runs to be no longer young, and for a loop to have begun. */
  const aWhile = () => new Promise((resolve) => setTimeout(resolve, 500));
  const runAll = ({ run, post }: Runner) => [
    () => run("isolated:waits"),
    () => run("native:waits"),
    () => post("/waits", "x"),
  ];
  const answered = { ok: true, valueJson: '"answered"', logLines: [] };

  it.for(["isolated:loopThen", "native:loopThen", "/loop"])(
    "is not felt by what was running before, nor by what comes after: %s",
    patient,
    async (name, context) => {
      const runner = start(context, { unresponsiveMsMax: 600_000 });
      const { run, post, queries, close } = runner;
      const before = runAll(runner).map((begin) => begin());
      await vi.waitUntil(() => queries.length === before.length, { timeout: waitMs });
      await aWhile();
      let isOver = false;
      const loop = (name === "/loop" ? post(name, "x") : run(name)).finally(() => (isOver = true));
      await vi.waitUntil(() => queries.length === before.length + 1, { timeout: waitMs });
      queries.pop()!();
      await aWhile();
      const after = runAll(runner).map((begin) => begin());
      await vi.waitUntil(() => queries.length === before.length + after.length, { timeout: waitMs });
      for (const answer of queries) answer();
      expect(await Promise.all([...before, ...after])).toEqual(
        [0, 1].flatMap(() => [answered, answered, { kind: "ended" }]),
      );
      expect(isOver).toBe(false);
      await close();
      expect(await loop).not.toHaveProperty("ok", true);
    },
  );

  it(
    "is told from a long computation, which goes on, and has no neighbours the next time",
    patient,
    async (context) => {
      const { run, reports } = start(context, { unresponsiveMsMax: 600_000 });
      const file = path.join(mkdtempSync(path.join(tmpdir(), "lenslet-computed-")), "enough");
      context.onTestFinished(() => rmSync(path.dirname(file), { recursive: true }));
      // Of one moment, in one process.
      const neighbour = run("native:sleep", { ms: 100 });
      const computed = run("native:computeUntil", { file });
      await vi.waitUntil(() => reports.length > 0, { timeout: waitMs });
      expect(reports).toEqual([apartText("native.js:computeUntil")]);
      writeFileSync(file, "");
      expect(await computed).toMatchObject({ ok: true, valueJson: '"computed"' });
      expect(await neighbour).toEqual(slept);
    },
  );

  it("of an HTTP action runs apart the next time", patient, async (context) => {
    const { run, post, reports, queries, close } = start(context, { unresponsiveMsMax: 600_000 });
    const loops = [post("/loop", "x")];
    await vi.waitUntil(() => queries.length > 0, { timeout: waitMs });
    queries.pop()!();
    await vi.waitUntil(() => reports.length > 0, { timeout: waitMs });
    expect(reports).toEqual([apartText("http POST /loop")]);
    // Of one moment: they would share a process.
    loops.push(post("/loop", "x"));
    const neighbour = run("isolated:waits");
    await vi.waitUntil(() => queries.length === 2, { timeout: waitMs });
    queries[0]!();
    await aWhile();
    queries[1]!();
    expect(await neighbour).toEqual(answered);
    await close();
    for (const loop of loops) expect(await loop).toMatchObject({ kind: "failed" });
  });
});

describe.concurrent.each([
  ["isolated", 64],
  ["native", 256],
] as const)("memory of %s code", (module, megabytes) => {
  const text = `JavaScript execution ran out of memory (maximum memory usage: ${megabytes} MB)\n`;

  it.for(["hoard", "hoardSlowly"])(
    "is bounded, and only the one that takes it fails: %s",
    patient,
    async (name, context) => {
      const { run, errorOf } = start(context, { heapMebibytesMax: 256, unresponsiveMsMax: 150_000 });
      const neighbour = run(`${module}:sleep`, { ms: 1500 });
      expect(await errorOf(`${module}:${name}`)).toBe(text);
      expect(await neighbour).toEqual(slept);
      expect(await run(`${module}:sleep`, { ms: 0 })).toEqual(slept);
    },
  );
});

describe.concurrent.each([
  ["isolated", 64],
  ["native", 512],
] as const)("buffers of %s code", (module, megabytes) => {
  it.for([-1, 1])(
    "are bounded, and a neighbour that was there before stays: pauses of %s ms",
    patient,
    async (ms, context) => {
      const { run, errorOf, queries } = start(context, {
        residentMebibytesMax: 512,
        unresponsiveMsMax: 150_000,
      });
      const neighbour = run(`${module}:waits`);
      await vi.waitUntil(() => queries.length === 1, { timeout: waitMs });
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await errorOf(`${module}:fillBuffers`, { ms })).toBe(
        `JavaScript execution ran out of memory (maximum memory usage: ${megabytes} MB)\n`,
      );
      queries[0]!();
      expect(await neighbour).toMatchObject({ ok: true, valueJson: '"answered"' });
    },
  );
});

it(
  "says of an HTTP action that takes too much memory how much it has been sent",
  patient,
  async (context) => {
    const { post } = start(context, { heapMebibytesMax: 96, unresponsiveMsMax: 150_000 });
    expect(await post("/hoard", "12345")).toMatchObject({
      kind: "failed",
      failure: {
        message:
          "JavaScript execution ran out of memory (maximum memory usage: 64 MB): request stream size was 5 bytes",
      },
    });
  },
);

describe.concurrent("the default runtime", () => {
  it("ends modules that loop while they are imported", async (context) => {
    const { run, errorOf } = start(context);
    const neighbour = run("isolated:sleep", { ms: 1500 });
    expect(await errorOf("looping:never")).toBe(unresponsive);
    expect(await neighbour).toEqual(slept);
  });

  it("ends an action at its time limit", async (context) => {
    const { errorOf } = start(context, { isolateTimeMsMax: 200, nodeTimeMsMax: 200 });
    expect(await errorOf("isolated:sleep", { ms: 60_000 })).toBe(
      "Function execution timed out (maximum duration: 0.2s)\n",
    );
    expect(await errorOf("native:sleep", { ms: 60_000 })).toBe(
      "Action `sleep` execution timed out (maximum duration 0.2s)\n",
    );
  });

  it("warns of an action that comes near its time limit", async (context) => {
    const { run } = start(context, { isolateTimeMsMax: 16_000 });
    const slow = await run("isolated:sleep", { ms: 12_900 });
    expect(slow.logLines).toEqual([
      expect.stringMatching(
        /^\[WARN\] Function execution took a long time\. \(maximum duration: 16s, actual duration: \d+ms\)\.$/,
      ),
    ]);
  });

  it("stops the timers of an action that has ended", async (context) => {
    const { run, reports } = start(context);
    expect(await run("isolated:late")).toMatchObject({ ok: true, valueJson: '"early"' });
    expect(await run("isolated:sleep", { ms: 800 })).toEqual(slept);
    expect(reports).toEqual([]);
  });

  it("gives new work to another process while one is blocked", async (context) => {
    const { run, errorOf, close } = start(context, { unresponsiveMsMax: 120_000 });
    expect(await run("isolated:sleep", { ms: 0 })).toEqual(slept);
    let isOver = false;
    const loop = errorOf("isolated:loop").finally(() => (isOver = true));
    // What came before the block was noticed shares the fate of the process; later work does not.
    await new Promise((resolve) => setTimeout(resolve, 5000));
    expect(await run("isolated:sleep", { ms: 0 })).toEqual(slept);
    expect(isOver).toBe(false);
    await close();
    expect(await loop).toBe(`${transientText}\n`);
  });

  it("refuses actions beyond the limit after a while, and lets callees through", async (context) => {
    const { run } = start(context, { concurrentMax: 2, queueWaitMs: 50 });
    const running = [run("isolated:sleep", { ms: 1500 }), run("isolated:sleep", { ms: 1500 })];
    await expect(run("isolated:sleep", { ms: 0 })).rejects.toMatchObject({
      category: "RateLimited",
      code: "TooManyConcurrentRequests",
      message: expect.stringContaining("Your backend is limited to 2 concurrent actions.") as string,
    });
    expect(await Promise.all(running)).toEqual([slept, slept]);
    expect(await run("isolated:sleep", { ms: 0 })).toEqual(slept);
  });
});

describe.concurrent('"use node"', () => {
  it("turns process.exit into the failure of its action alone", async (context) => {
    const { run, errorOf } = start(context);
    const neighbour = run("native:sleep", { ms: 300 });
    expect(await errorOf("native:exit", { code: 3 })).toBe(
      "Uncaught process.exit: process.exit() called with exit code 3\n",
    );
    expect(await neighbour).toEqual(slept);
    expect(await errorOf("native:exit")).toBe(
      "Uncaught process.exit: process.exit() called with no exit code\n",
    );
  });

  it("names what failed behind an action's back", async (context) => {
    const { errorOf } = start(context);
    expect(await errorOf("native:rejected")).toMatch(
      /^Uncaught unhandledRejection: nobody waits\n {4}at \.\.\/convex\/native\.ts:/,
    );
    expect(await errorOf("native:rejectedNothing")).toBe("Uncaught unhandledRejection: no error\n");
    expect(await errorOf("native:thrownLater")).toMatch(/^Uncaught uncaughtException: later\n {4}at /);
  });

  it("survives the end of the process", async (context) => {
    const { run, errorOf } = start(context);
    // Those of one moment share a process.
    const neighbour = errorOf("native:sleep", { ms: 60_000 });
    expect(await errorOf("native:abort")).toBe(`${transientText}\n`);
    expect(await neighbour).toBe(`${transientText}\n`);
    const ended = "The process that ran this action has ended (SIGABRT).\n";
    expect(await errorOf("native:abort")).toBe(ended);
    // From now on it runs apart.
    const spared = run("native:sleep", { ms: 500 });
    expect(await errorOf("native:abort")).toBe(ended);
    expect(await spared).toEqual(slept);
  });

  it("kills a process that cannot even be paused", async (context) => {
    const { run, errorOf, reports } = start(context, { unresponsiveMsMax: 300, killGraceMs: 300 });
    expect(await errorOf("native:hang")).toBe(unresponsive);
    expect(await run("native:sleep", { ms: 0 })).toEqual(slept);
    expect(reports).toContain("an action host does not answer and is killed; it runs native.js:hang");
  });

  it("runs what has looped before in a process of its own", async (context) => {
    const { run } = start(context);
    // In which process the loop ran, and one that was there before it.
    const meet = async () => {
      const neighbour = run("native:pid", { ms: 300 });
      const [, looped] =
        /^\[LOG\] (\d+)$/.exec(String((await run("native:loopTellingPid")).logLines[0])) ?? [];
      const other = await neighbour;
      return { looped, other: other.ok ? String(JSON.parse(other.valueJson)) : other.error.message };
    };
    const first = await meet();
    expect(first.looped).toBe(first.other);
    const second = await meet();
    expect(second.looped).toMatch(/^\d+$/);
    expect(second.other).toMatch(/^\d+$/);
    expect(second.looped).not.toBe(second.other);
    // And nobody else goes to where it was.
    expect(await run("native:pid", { ms: 0 })).toMatchObject({ ok: true, valueJson: second.other });
  });

  it("fails what runs when the server closes", async (context) => {
    const { run, errorOf, close } = start(context);
    const running = errorOf("native:sleep", { ms: 60_000 });
    await run("native:sleep", { ms: 0 });
    await close();
    expect(await running).toBe(`${transientText}\n`);
  });
});

describe.runIf(process.platform === "linux")("a server that is killed", () => {
  it("takes its action hosts with it, also those that loop", async () => {
    const fixture = fileURLToPath(new URL("./actionServer.fixture.ts", import.meta.url));
    const server = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", fixture], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const seen = new Set<string>();
    await new Promise<void>((resolve) => {
      server.stdout.on("data", (chunk: Buffer) => {
        for (const name of chunk.toString().trim().split("\n")) seen.add(name);
        if (seen.size === 2) resolve();
      });
    });
    expect([...seen].toSorted()).toEqual(["loops:act", "waits:act"]);
    const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "latin1");
    const pids = children.trim().split(" ").map(Number);
    // And those that are kept ready.
    expect(pids.length).toBeGreaterThanOrEqual(2);
    server.kill("SIGKILL");
    // Ends by the test's own limit of time when one of them stays.
    while (pids.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});

/** A zombie has ended: nobody but the adopting process can remove its entry. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}
