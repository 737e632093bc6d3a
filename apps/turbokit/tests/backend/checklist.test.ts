import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../../../conformance/support/until.ts";
import { codeOf, failureOf } from "../../../../conformance/support/failures.ts";
import { pushApp, runConvex } from "../../../../conformance/support/project.ts";
import { TestServer } from "../../../../conformance/support/server.ts";
import { tempFolder } from "../../../../conformance/support/tempFolder.ts";
import { api } from "../../packages/backend/convex/_generated/api.js";
import { checkFolder } from "../../packages/backend/lint/folder.ts";
import type { Rule } from "../../packages/backend/lint/rules.ts";
import { backendFolder, type Person, TurboServer } from "../support/turboServer.ts";

/*
 * The document's two checklists, item by item and in its words, each checked by a program: the rules (that they can fail
 * is shown by lint/rules.test.ts), and a running deployment.
 */

const convexFolder = path.join(backendFolder, "convex");
const problems = checkFolder(convexFolder);
const broken = (...rules: Rule[]) => problems.filter(({ rule }) => rules.includes(rule));
const read = (file: string) => fs.readFileSync(path.join(convexFolder, file), "utf8");

let turbo: TurboServer;
let ann: Person;

beforeAll(async () => {
  turbo = await TurboServer.start();
  ann = await turbo.welcomed("Ann");
}, 240_000);
afterAll(async () => {
  await turbo?.close();
});

describe("Before going live", () => {
  it("All public functions have argument validation", async () => {
    expect(broken("validated-args")).toEqual([]);
    const spec = JSON.parse(await turbo.convex("function-spec")) as {
      functions: { identifier?: string; visibility?: { kind: string }; args?: { type: string } }[];
    };
    const open = spec.functions.filter(({ visibility }) => visibility?.kind === "public");
    expect(open.length).toBeGreaterThan(40);
    expect(open.filter(({ args }) => args?.type !== "object")).toEqual([]);
  });

  it("All public functions have access control", () => {
    // That it works is shown function by function in access.test.ts.
    expect(broken("access-checked")).toEqual([]);
  });

  it("All queries use indexes (no .filter())", () => {
    expect(broken("no-query-filter", "used-indexes")).toEqual([]);
  });

  it("No unbounded .collect() calls", () => {
    expect(broken("no-unbounded-collect")).toEqual([]);
  });

  it("All scheduled functions use internal.*", () => {
    expect(broken("internal-only")).toEqual([]);
    const crons = [...read("crons.ts").matchAll(/crons\.\w+\(\s*"([^"]+)",[^;]*?(\w+)\.[\w.]+,\s*\{\}/gs)];
    expect(crons.map(([, name]) => name)).toContain("cleanup-expired-sessions");
    expect(crons).toHaveLength(8);
    expect(crons.every(([, , root]) => root === "internal")).toBe(true);
  });

  it("Webhook signatures are verified", async () => {
    expect(broken("verified-webhooks")).toEqual([]);
    for (const service of ["clerk", "stripe", "resend"] as const) {
      const forged = await turbo.deliver(
        service,
        { id: "evt_1", type: "x", data: {} },
        { secret: "whsec_d3Jvbmc=" },
      );
      expect([service, forged]).toEqual([service, 400]);
    }
  });

  it("Rate limiting on expensive operations", async () => {
    const calls = Array.from({ length: 12 }, () =>
      codeOf(turbo.client(ann.token).action(api.billing.portal, {})),
    );
    const codes = await Promise.all(calls);
    expect(codes.filter((code) => code === "RATE_LIMITED")).toHaveLength(2);
    // Each call of a model goes through the meter, which takes a unit before anything else.
    for (const file of ["ai.ts", "agents/actions.ts", "app/ai/actions.ts"])
      expect(read(file)).toContain("metered(ctx");
    expect(read("billing.ts")).toContain("await takeUnit(ctx, limit, userId);");
  });

  it("Error handling with ConvexError", async () => {
    expect(broken("structured-errors")).toEqual([]);
    const failure = await failureOf(turbo.client().query(api.projects.list, {}));
    expect(failure).toEqual({ code: "UNAUTHENTICATED", message: "Authentication required" });
  });

  it("Monitoring for slow queries", async () => {
    turbo.reply = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      return { text: "At last" };
    };
    await ann.client.action(api.ai.generate, { prompt: "Slowly" });
    expect(await logged(/Slow query: generate took \d+ms/)).toBe(true);
  });

  it("Backup strategy for critical data", async () => {
    const file = path.join(tempFolder("backup"), "backup.zip");
    await turbo.convex("export", "--path", file, "--include-file-storage");
    const other = await TestServer.start();
    try {
      await other.updateEnvironment({ CLERK_JWT_ISSUER_DOMAIN: turbo.clerk.url });
      // The components' tables come back too, so the components have to be there.
      await pushApp(other, backendFolder);
      await runConvex(other, backendFolder, "import", "--replace-all", "--yes", file);
      const rows = (name: string) => runConvex(other, backendFolder, "data", name, "--format", "jsonLines");
      expect(await rows("users")).toContain(ann.email);
      expect(await rows("projects")).toContain("My first project");
      expect(await rows("ledger")).toContain("welcome:");
    } finally {
      await other.dispose();
    }
  }, 240_000);
});

describe("Quick start", () => {
  it("Set up Convex project and deploy initial schema", async () => {
    const tables = await turbo.convex("data");
    for (const table of ["users", "projects", "messages", "uploads", "threads", "ledger"])
      expect(tables).toContain(table);
  });

  it("Configure environment variables in Convex Dashboard", async () => {
    const set = await turbo.convex("env", "list");
    const asked = [
      "CLERK_JWT_ISSUER_DOMAIN",
      "CLERK_WEBHOOK_SECRET",
      "OPENROUTER_API_KEY",
      "OPENROUTER_MODEL",
      "RESEND_API_KEY",
      "AUTUMN_SECRET_KEY",
      "R2_ACCESS_KEY_ID",
      "R2_SECRET_ACCESS_KEY",
      "R2_BUCKET_NAME",
      "POSTHOG_API_KEY",
    ];
    for (const name of asked) expect(set).toContain(`${name}=`);
  });

  it("Without the optional variables the rest works", async () => {
    await turbo.server.updateEnvironment({
      OPENROUTER_API_KEY: null,
      R2_BUCKET_NAME: null,
      STRIPE_WEBHOOK_SECRET: null,
    });
    const generate = ann.client.action(api.ai.generate, { prompt: "Hi" });
    expect(await failureOf(generate)).toMatchObject({
      code: "NOT_CONFIGURED",
      variable: "OPENROUTER_API_KEY",
    });
    const upload = ann.client.mutation(api.uploads.generateUploadUrl, {});
    expect(await failureOf(upload)).toMatchObject({ code: "NOT_CONFIGURED", variable: "R2_BUCKET_NAME" });
    expect(await turbo.deliver("stripe", { id: "evt_1" })).toBe(503);
    expect(await codeOf(ann.client.mutation(api.projects.create, { name: "Still works" }))).toBe("no error");
  });

  it("Configure Convex components (Agent, Resend, Autumn, etc.)", () => {
    const config = read("convex.config.ts");
    for (const name of [
      "actionCache",
      "agent",
      "autumn",
      "presence",
      "r2",
      "rateLimiter",
      "resend",
      "workflow",
    ])
      expect(config).toContain(`app.use(${name})`);
  });

  it("Set up webhook handlers for external services", async () => {
    const health = await fetch(`${turbo.server.siteUrl}/health`);
    expect(await health.json()).toEqual({ status: "ok" });
    expect(read("http.ts").match(/path: "\/webhooks\/\w+"/g)).toHaveLength(3);
  });

  it("Test real-time subscriptions", async () => {
    const watcher = turbo.liveClient(ann.token);
    const counts: number[] = [];
    watcher.onUpdate(api.projects.list, {}, (projects) => counts.push(projects.length));
    const first = await eventually(() => counts.at(-1));
    await ann.client.mutation(api.projects.create, { name: "Seen live" });
    await eventually(() => counts.at(-1) === first + 1);
    await watcher.close();
  });
});

/** Whether the deployment's logs say something. */
async function logged(pattern: RegExp): Promise<boolean> {
  return await eventually(async () => {
    const response = await fetch(`${turbo.server.url}/api/stream_function_logs?cursor=0`, {
      headers: { authorization: `Convex ${turbo.server.adminKey}` },
    });
    return pattern.test(await response.text());
  });
}
