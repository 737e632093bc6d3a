import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import type { FunctionResult } from "../engine/api.ts";
import type { HttpActionEnd } from "../http/services.ts";
import type { ModuleSource } from "../runner/types.ts";
import { transientText } from "./actionLimits.ts";
import { type ActionRunnerOptions, createActionRunner } from "./actions.ts";
import { createRealRandom, realClock, realTimers } from "./realOs.ts";
import { ActionEngine, bundleProject } from "./testActionEngine.ts";

const harmful = `
export const sleep = action(async (_ctx, { ms }) => { await new Promise((resolve) => setTimeout(resolve, ms)); return "slept" });
export const loop = action(async () => { await null; try { for (;;); } catch {} });
export const loopInTimer = action(async () => { await new Promise(() => setTimeout(() => { for (;;); }, 1)) });
export const loopOfPromises = action(async () => { for (;;) await null });
export const backtrack = action(async () => /^(a+)+$/.test("a".repeat(60) + "b"));
export const hoard = action(async () => { const all = []; for (;;) { all.push(Array.from({ length: 1000 }, (_, i) => ({ i }))); if (all.length % 50 === 0) await null } });
export const hoardSlowly = action(async () => { const all = []; for (;;) { for (let i = 0; i < 10; i++) all.push(new Array(10_000).fill(1.5)); await new Promise((resolve) => setTimeout(resolve, 2)) } });
`;
const files = {
  "isolated.ts": `import { actionGeneric as action, anyApi } from "convex/server";${harmful}
export const late = action(async (ctx) => { setTimeout(() => { for (;;); }, 100); return "early" });
`,
  "http.ts": `import { httpRouter, httpActionGeneric as httpAction } from "convex/server";
const http = httpRouter();
http.route({ path: "/hoard", method: "POST", handler: httpAction(async (_ctx, request) => {
  const all = [await request.text()];
  for (;;) { all.push(Array.from({ length: 1000 }, (_, i) => ({ i }))); if (all.length % 50 === 0) await null }
}) });
export default http;
`,
  "looping.ts": `import { actionGeneric as action } from "convex/server";
export const never = action(async () => null);
if (Date.now() > 0) for (;;);
`,
  "native.ts": `"use node"; import { actionGeneric as action } from "convex/server"; import { execFileSync } from "node:child_process";${harmful}
export const exit = action(async (_ctx, { code }) => { try { process.exit(code) } finally { await null } });
export const abort = action(async () => { process.abort() });
export const pid = action(async (_ctx, { ms }) => { await new Promise((resolve) => setTimeout(resolve, ms)); return process.pid });
export const loopTellingPid = action(async () => { console.log(process.pid); for (;;); });
export const hang = action(async () => { execFileSync("sleep", ["20"]) });
export const rejected = action(async () => { Promise.reject(new Error("nobody waits")); await new Promise((resolve) => setTimeout(resolve, 1000)) });
export const rejectedNothing = action(async () => { Promise.reject("no error"); await new Promise((resolve) => setTimeout(resolve, 1000)) });
export const thrownLater = action(async () => { setTimeout(() => { throw new Error("later") }, 1); await new Promise((resolve) => setTimeout(resolve, 1000)) });
`,
};
const unresponsive =
  "Function execution unexpectedly timed out. Check your function for infinite loops or other long-running operations.\n";

let modules: ModuleSource[];

interface Runner {
  /** The end of an HTTP action that is sent this body. */
  readonly post: (path: string, body: string) => Promise<HttpActionEnd>;
  readonly run: (path: string, args?: object) => Promise<FunctionResult>;
  readonly errorOf: (path: string, args?: object) => Promise<string>;
  readonly close: () => Promise<void>;
  readonly reports: readonly string[];
}

function start(context: TestContext, limits: ActionRunnerOptions["limits"] = {}): Runner {
  const engine = new ActionEngine();
  engine.deploy(modules);
  const reports: string[] = [];
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
  return { run, errorOf, post, close: () => runner.close(), reports };
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
        `an action host is being replaced: ${module}.js:${name} was broken off (unresponsive)`,
      ]);
      expect(await run(`${module}:sleep`, { ms: 0 })).toEqual(slept);
    },
  );
});

/** To fill a memory takes its time, on a machine that has other things to do too. */
const patient = { timeout: 300_000 };

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
    expect(await errorOf("native:abort")).toBe("The process that ran this action has ended (SIGABRT).\n");
    const neighbour = errorOf("native:sleep", { ms: 60_000 });
    expect(await errorOf("native:abort")).toBe(`${transientText}\n`);
    expect(await neighbour).toBe(`${transientText}\n`);
    expect(await run("native:sleep", { ms: 0 })).toEqual(slept);
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
    expect(pids).toHaveLength(2);
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
