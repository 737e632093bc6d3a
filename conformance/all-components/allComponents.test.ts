import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { setTimeout as sleep } from "node:timers/promises";

/*
 * One app with every published component package mounted, pushed by the official CLI. The packages are installed from
 * the app's own lock file the first time, so that they are no part of this repository's installation.
 */

const app = fileURLToPath(new URL("app", import.meta.url));
const pushTimeoutMs = 300_000;

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  await installPackages();
  server = await TestServer.start();
  project = TestProject.create(app, { nodeModules: path.join(app, "node_modules") }).connect(server);
  const { code, stderr } = await project.convex(["dev", "--once", "--typecheck", "disable"], {
    timeoutMs: pushTimeoutMs,
  });
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("functions ready!") });
  expect(stderr).toContain("Installed component resend/emailWorkpool/batchWorker.");
}, pushTimeoutMs + 240_000);
afterAll(() => server?.dispose());

async function installPackages(): Promise<void> {
  const lock = path.join(app, "package-lock.json");
  const marker = path.join(app, "node_modules/.package-lock.json");
  if (fs.existsSync(marker) && fs.statSync(marker).mtimeMs >= fs.statSync(lock).mtimeMs) return;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = spawn("npm", args, { cwd: app, stdio: "inherit" });
  const [code] = (await once(npm, "close")) as [number | null];
  if (code !== 0) throw new Error(`npm ci ended with ${code}`);
  fs.utimesSync(marker, new Date(), new Date());
}

/** Far beyond what any machine needs. */
const waitMs = 120_000;

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}\n${server.logs}`);
    await sleep(50);
  }
}

const call = (name: string, args: Readonly<Record<string, unknown>> = {}) => server.call(name, args);
const events = async (name: string) => (await call("events:named", { name })) as unknown[];

describe("data packages", () => {
  it("sharded-counter: counts, and takes part in its caller's transaction", async () => {
    await call("counting:add", { name: "visits", by: 3 });
    await expect(call("counting:add", { name: "visits", by: 5, fail: true })).rejects.toThrow(
      "after the component has written",
    );
    expect(await call("counting:addTwice", { name: "visits" })).toContain("ArgumentValidationError");
    expect(await call("counting:count", { name: "visits" })).toBe(4);
  });

  it("rate-limiter: lets three through", async () => {
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await call("counting:send", { key: "me" }));
    expect(answers).toEqual([
      { ok: true, later: false },
      { ok: true, later: false },
      { ok: true, later: false },
      { ok: false, later: true },
    ]);
  });

  it("aggregate, mounted twice; migrations over the same table", async () => {
    for (const score of [5, 15, 25]) await call("counting:join", { name: `p${score}`, score });
    expect(await call("counting:standing", { score: 10 })).toEqual({
      players: 3,
      better: 2,
      median: 15,
      photos: 3,
    });
    await call("work:migrate");
    await until(
      "every player has a rank",
      async () => !((await call("work:ranks")) as unknown[]).includes(null),
    );
    expect(await call("work:ranks")).toEqual(["wood", "gold", "gold"]);
  });
});

describe("work packages", () => {
  it("action-cache calls the action once", async () => {
    expect([await call("work:cached", { n: 7 }), await call("work:cached", { n: 7 })]).toEqual([49, 49]);
    expect(await events("slow")).toEqual([7]);
  });

  it("action-retrier tries until it works", async () => {
    await call("work:retry", { name: "flaky" });
    await until("the retrier reports", async () => (await events("retried")).length > 0);
    expect(await events("retried")).toEqual([{ type: "success", returnValue: "done after 3" }]);
  });

  it("workpool runs jobs and calls back", async () => {
    await call("work:enqueue", { count: 5 });
    await until("all jobs have reported", async () => (await events("pooled")).length === 5);
    const results = (await events("pooled")) as { context: number; result: unknown }[];
    expect(results.toSorted((a, b) => a.context - b.context)).toEqual(
      [0, 1, 2, 3, 4].map((n) => ({
        context: n,
        result: { kind: "success", returnValue: n + 100 },
      })),
    );
  });

  it("crons: runs what was registered until it is dropped", async () => {
    await call("work:registerCron", { name: "beat" });
    await until("the cron has run twice", async () => (await events("beat")).length >= 2);
    await call("work:dropCron", { name: "beat" });
  });

  it("workflow: goes on after kill -9 between two steps", async () => {
    const id = await call("work:startFlow", { name: "killed" });
    await until("the workflow sleeps", async () => {
      const status = (await call("work:flowStatus", { id })) as { running?: { name: string }[] };
      return status.running?.some(({ name }) => name === "sleep") === true;
    });
    await server.kill9();
    await server.start();
    // Its last step is recorded a moment before the workflow itself has ended.
    await until("the workflow has ended", async () => {
      const status = (await call("work:flowStatus", { id })) as { type: string };
      return status.type !== "inProgress";
    });
    const steps = await events("killed");
    expect(steps.slice(0, 1)).toEqual([1]);
    // The two run beside each other.
    expect(new Set(steps.slice(1, 3))).toEqual(new Set([2, 3]));
    expect(await call("work:flowStatus", { id })).toMatchObject({ type: "completed", result: 60 });
  });
});

describe("people packages", () => {
  it("presence: a user is there until they leave", async () => {
    const user = { room: "r", user: "u", session: "s", interval: 60_000 };
    const tokens = (await call("people:heartbeat", user)) as { roomToken: string; sessionToken: string };
    const { roomToken, sessionToken } = tokens;
    expect(await call("people:inRoom", { roomToken })).toEqual([{ userId: "u", online: true }]);
    await call("people:leave", { sessionToken });
    expect(await call("people:inRoom", { roomToken })).toEqual([{ userId: "u", online: false }]);
  });

  it("persistent-text-streaming: what is streamed over HTTP is kept", async () => {
    const id = await call("people:createStream");
    const response = await fetch(`${server.siteUrl}/stream`, {
      method: "POST",
      body: JSON.stringify({ id }),
    });
    expect(await response.text()).toBe("One. Two. Three.");
    await until("the stream is kept", async () => {
      const { status } = (await call("people:streamBody", { id })) as { status: string };
      return status === "done";
    });
    expect(await call("people:streamBody", { id })).toEqual({ text: "One. Two. Three.", status: "done" });
  });

  it("prosemirror-sync: orders steps", async () => {
    await call("people:submitSnapshot", { id: "doc", version: 1, content: "{}" });
    const steps = (clientId: string) =>
      call("people:submitSteps", { id: "doc", version: 1, clientId, steps: ["{}"] });
    expect(await steps("a")).toEqual({ status: "synced" });
    expect(await steps("b")).toEqual({ status: "needs-rebase", clientIds: ["a"], steps: ["{}"] });
    expect(await call("people:latestVersion", { id: "doc" })).toBe(2);
  });
});

describe("the CLI with components", () => {
  it("runs functions of a component and shows its data", async () => {
    const run = await project.convex([
      "run",
      "--component",
      "shardedCounter",
      "public:count",
      '{"name":"visits"}',
    ]);
    expect(run).toMatchObject({ code: 0, stdout: "4\n" });
    const unknown = await project.convex(["run", "--component", "nowhere", "public:count", "{}"]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("Component nowhere not found");
    const tables = await project.convex(["data", "--component", "shardedCounter"]);
    expect(tables).toMatchObject({ code: 0, stdout: "counters\n" });
  });

  it(
    "unmounts what the app does not use any more and mounts it again with its data",
    async () => {
      const config = project.read("convex/convex.config.ts");
      const counting = project.read("convex/counting.ts");
      const push = () =>
        project.convex(["dev", "--once", "--typecheck", "disable"], { timeoutMs: pushTimeoutMs });
      project.write("convex/convex.config.ts", config.replace(/^.*shardedCounter.*\n/gm, ""));
      project.write(
        "convex/counting.ts",
        counting.replace("new ShardedCounter(components.shardedCounter", "new ShardedCounter({} as never"),
      );
      expect((await push()).stderr).toContain("Unmounted component shardedCounter.");
      const components = (await call("_system/frontend/components:list")) as {
        path: string;
        state: string;
      }[];
      expect(components.find(({ path: at }) => at === "shardedCounter")?.state).toBe("unmounted");
      const args = '{"name":"visits","count":1}';
      const written = await project.convex(["run", "--component", "shardedCounter", "public:add", args]);
      expect(written.stderr).toContain("Cannot perform write operations in an unmounted component.");
      project.write("convex/convex.config.ts", config);
      project.write("convex/counting.ts", counting);
      expect((await push()).stderr).toContain("Remounted component shardedCounter.");
      expect(await call("counting:count", { name: "visits" })).toBe(4);
    },
    2 * pushTimeoutMs,
  );
});
