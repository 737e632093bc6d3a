import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startResend } from "../../packages/stand-ins/src/resend.ts";
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
let mail: Awaited<ReturnType<typeof startResend>>;

beforeAll(async () => {
  await installPackages();
  mail = await startResend();
  server = await TestServer.start({ args: ["--egress", `https://api.resend.com=${mail.url}`] });
  project = TestProject.create(app, { nodeModules: path.join(app, "node_modules") }).connect(server);
  const { code, stderr } = await project.convex(["dev", "--once", "--typecheck", "disable"], {
    timeoutMs: pushTimeoutMs,
  });
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("functions ready!") });
  expect(stderr).toContain("Installed component resend/emailWorkpool/batchWorker.");
}, pushTimeoutMs + 240_000);
afterAll(async () => {
  await server?.dispose();
  await mail?.close();
});

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

describe("packages that talk to services", () => {
  it("agent: calls a tool, keeps the thread, streams deltas", async () => {
    const { threadId, text } = (await call("ai:ask", { prompt: "What is tea?" })) as Record<string, string>;
    expect(text).toBe("Tea it is.");
    await call("ai:recite", { threadId });
    const { messages } = (await call("ai:thread", { threadId })) as { messages: { role: string }[] };
    expect(messages.map(({ role }) => role)).toEqual([
      "assistant",
      "user",
      "assistant",
      "tool",
      "assistant",
      "user",
    ]);
    expect(messages[0]).toMatchObject({ text: "Roses are red" });
    const { streams } = (await call("ai:thread", { threadId })) as {
      streams: { streamId: string; status: string }[];
    };
    const [stream] = streams;
    expect(stream).toMatchObject({ status: "finished", agentName: "poet" });
    const cursors = [{ streamId: stream?.streamId, cursor: 0 }];
    const deltas = await call("ai:deltas", { threadId, streamArgs: { kind: "deltas", cursors } });
    expect(JSON.stringify(deltas)).toContain("Roses");
  });

  it("rag: finds what is nearest", async () => {
    expect(await call("ai:remember", { key: "a", text: "zebras gallop" })).toBe("ready");
    expect(await call("ai:remember", { key: "b", text: "moon soil" })).toBe("ready");
    expect(await call("ai:find", { query: "zebra" })).toEqual(["zebras gallop"]);
    expect(await call("ai:find", { query: "moons" })).toEqual(["moon soil"]);
  });

  it("resend: sends in batches and learns from its webhook what became of a mail", async () => {
    const id = await call("mail:send", { to: "you@example.com", subject: "Hi" });
    await until("the mail is out", () => Promise.resolve(mail.outbox.length > 0));
    expect(mail.outbox).toMatchObject([{ to: ["you@example.com"], subject: "Hi", text: "Hello" }]);
    const status = async () => ((await call("mail:status", { id })) as { status: string }).status;
    await until("the mail counts as sent", async () => (await status()) === "sent");
    const created_at = new Date().toISOString();
    const data = {
      email_id: mail.outbox[0]?.id,
      created_at,
      from: "us@example.com",
      to: ["you@example.com"],
    };
    const event = JSON.stringify({
      type: "email.delivered",
      created_at,
      data: { ...data, subject: "Hi" },
    });
    const seconds = String(Math.floor(Date.now() / 1000));
    const key = Buffer.from("the secret of the webhook");
    const signature = createHmac("sha256", key).update(`msg_1.${seconds}.${event}`).digest("base64");
    const headers = { "svix-id": "msg_1", "svix-timestamp": seconds };
    const post = (signed: string) =>
      fetch(`${server.siteUrl}/resend`, {
        method: "POST",
        headers: { ...headers, "svix-signature": `v1,${signed}` },
        body: event,
      });
    expect((await post("d3Jvbmc=")).status).toBe(500);
    expect((await post(signature)).status).toBe(201);
    await until("the mail counts as delivered", async () => (await status()) === "delivered");
    await until("the app is told", async () => (await events("mail")).includes("email.delivered"));
  });

  it("stripe: takes signed webhooks only", async () => {
    const customer = { id: "cus_1", object: "customer", email: "a@example.com", name: "A", metadata: {} };
    const event = JSON.stringify({
      id: "evt_1",
      object: "event",
      type: "customer.created",
      data: { object: customer },
    });
    const seconds = Math.floor(Date.now() / 1000);
    const signature = createHmac("sha256", "whsec_of_stripe").update(`${seconds}.${event}`).digest("hex");
    const post = (signed: string) =>
      fetch(`${server.siteUrl}/stripe/webhook`, {
        method: "POST",
        headers: { "stripe-signature": `t=${seconds},v1=${signed}` },
        body: event,
      });
    expect((await post("00")).status).toBe(400);
    expect(await call("payments:customer", { id: "cus_1" })).toBeNull();
    expect((await post(signature)).status).toBe(200);
    expect(await call("payments:customer", { id: "cus_1" })).toMatchObject({
      email: "a@example.com",
      stripeCustomerId: "cus_1",
    });
  });

  it("better-auth: signs up, in and out; its tokens are checked with the JWKS of our own site", async () => {
    const person = { email: "me@example.com", password: "correct horse battery", name: "Me" };
    const post = (path: string, body: object, cookie = "") =>
      fetch(`${server.siteUrl}/api/auth${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: server.siteUrl, cookie },
        body: JSON.stringify(body),
      });
    expect((await post("/sign-up/email", person)).status).toBe(200);
    const wrong = await post("/sign-in/email", { ...person, password: "wrong horse battery" });
    expect(wrong.status).toBe(401);
    const signedIn = await post("/sign-in/email", person);
    expect(signedIn.status).toBe(200);
    const cookies = signedIn.headers.getSetCookie().map((cookie) => cookie.split(";")[0] ?? "");
    const cookie = cookies.join("; ");
    const token = /better-auth\.convex_jwt=([^;]+)/.exec(cookie)?.[1] ?? "";
    const answer = await fetch(`${server.url}/api/query`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ path: "auth:me", args: {}, format: "json" }),
    });
    expect(await answer.json()).toMatchObject({
      status: "success",
      value: { email: "me@example.com", name: "Me" },
    });
    const session = async () =>
      (await fetch(`${server.siteUrl}/api/auth/get-session`, { headers: { cookie } })).json();
    expect(await session()).toMatchObject({ user: { email: "me@example.com" } });
    expect((await post("/sign-out", {}, cookie)).status).toBe(200);
    expect(await session()).toBeNull();
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
