import {
  actionGeneric,
  anyApi,
  componentsGeneric,
  cronJobs,
  defineSchema,
  defineTable,
  httpActionGeneric,
  httpRouter,
  internalMutationGeneric,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
} from "convex/server";
import { log } from "convex/server";
import { v } from "convex/values";
import { createPublicKey, verify } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { convexTest } from "./index.ts";

/* What a deployment does besides running functions: crons, HTTP mounts, environments, audit log, tokens. */

const schema = defineSchema({ ticks: defineTable({ name: v.string(), at: v.string() }) });
const tick = makeFunctionReference<"mutation", { name: string }, null>("jobs:tick");
const components = componentsGeneric() as unknown as typeof anyApi;

function routerWith(...routes: readonly (readonly [path: string, text: string])[]) {
  const http = httpRouter();
  for (const [path, text] of routes) {
    const handler = httpActionGeneric(
      async (_ctx, request) => new Response(`${text} at ${new URL(request.url).pathname}`),
    );
    if (path.endsWith("*")) http.route({ pathPrefix: path.slice(0, -1), method: "GET", handler });
    else http.route({ path, method: "GET", handler });
  }
  return http;
}

const crons = cronJobs();
crons.interval("every minute", { minutes: 1 }, tick as never, { name: "minute" } as never);
crons.daily("at noon", { hourUTC: 12, minuteUTC: 0 }, tick as never, { name: "noon" } as never);
crons.hourly("broken", { minuteUTC: 30 }, tick as never, { name: "no" } as never);

const ticks = internalMutationGeneric({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    if (name === "no") throw new Error("not today");
    await ctx.db.insert("ticks", { name, at: new Date().toISOString().slice(5, 16) });
  },
});
const modules = {
  "./_generated/api.ts": async () => ({}),
  "./crons.ts": async () => ({ default: crons }),
  "./http.ts": async () => ({ default: routerWith(["/hello", "app"], ["/shop/*", "app"]) }),
  "./jobs.ts": async () => ({
    tick: ticks,
    all: queryGeneric(async (ctx) =>
      (await ctx.db.query("ticks").collect()).map(({ name, at }) => [name, at]),
    ),
    token: mutationGeneric({
      args: { claims: v.optional(v.any()) },
      handler: (ctx, { claims }) =>
        (ctx.auth as unknown as Signer).signJwt({ claims: claims ?? {}, expiresInSeconds: 60 }),
    }),
    audited: mutationGeneric({
      args: { fail: v.boolean() },
      handler: async (_ctx, { fail }) => {
        await log.audit({ what: "sale", by: log.vars.ip });
        if (fail) throw new Error("no sale");
      },
    }),
    auditedAction: actionGeneric(async () => log.audit({ what: "action" })),
    environments: actionGeneric(async (ctx) => [
      process.env["SHOP_TOKEN"] ?? null,
      await ctx.runQuery(components["shop"]!["lib"]!["environment"]!, {}),
      process.env["SHOP_TOKEN"] ?? null,
    ]),
  }),
};
interface Signer {
  signJwt(options: { claims: object; expiresInSeconds: number }): Promise<string>;
}
const shopModules = {
  "./_generated/api.ts": async () => ({}),
  "./http.ts": async () => ({ default: routerWith(["/", "shop"], ["/items/*", "shop"]) }),
  "./lib.ts": async () => ({
    environment: queryGeneric(async () => [
      process.env["SHOP_TOKEN"] ?? null,
      process.env["HOME"] ?? null,
      process.env["CONVEX_SITE_URL"],
    ]),
  }),
};

function shopTest() {
  const t = convexTest(schema, modules);
  t.registerComponent("shop", defineSchema({}), shopModules);
  return t;
}
const jobs = anyApi["jobs"]!;

describe("crons", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2030, 0, 1, 11, 58) });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("run at their times while a test lets time pass", async () => {
    const t = convexTest(schema, modules);
    await t.passTime(3_600_000, (ms) => vi.advanceTimersByTime(ms));
    expect(await t.query(jobs["all"]!)).toEqual([]);
    vi.setSystemTime(Date.UTC(2030, 0, 1, 11, 58));
    await t.startCrons();
    await t.passTime(2.5 * 60_000, (ms) => vi.advanceTimersByTime(ms));
    // Two are due at noon, in any order.
    expect(new Set(((await t.query(jobs["all"]!)) as string[][]).map(String))).toEqual(
      new Set(["minute,01-01T11:58", "minute,01-01T11:59", "minute,01-01T12:00", "noon,01-01T12:00"]),
    );
    t.stopCrons();
    await t.passTime(3_600_000, (ms) => vi.advanceTimersByTime(ms));
    expect(await t.query(jobs["all"]!)).toHaveLength(4);
  });

  test("run one by one, and say why they fail", async () => {
    const t = convexTest(schema, modules);
    await t.runCron("at noon");
    expect(await t.query(jobs["all"]!)).toEqual([["noon", "01-01T11:58"]]);
    await expect(t.runCron("broken")).rejects.toThrow("not today");
    await expect(t.runCron("at night")).rejects.toThrow(
      'There is no cron "at night". The crons of `crons.ts` are: "every minute", "at noon", "broken".',
    );
  });

  test("that fail are run again the next time", async () => {
    const t = convexTest(schema, modules);
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    await t.startCrons();
    await t.passTime(2 * 3_600_000, (ms) => vi.advanceTimersByTime(ms));
    expect(errors.mock.calls.map(([what]) => what as string)).toEqual([
      "Error when running cron job broken",
      "Error when running cron job broken",
    ]);
    errors.mockRestore();
    t.stopCrons();
  });
});

describe("HTTP routes of components", () => {
  const text = async (t: ReturnType<typeof shopTest>, path: string) => {
    const response = await t.fetch(path);
    return `${response.status} ${await response.text()}`;
  };

  test("are served where the test says that they are mounted", async () => {
    const t = shopTest();
    expect(await text(t, "/shop/items/7")).toBe("200 app at /shop/items/7");
    t.mountComponent("shop", { httpPrefix: "/shop/" });
    expect(await text(t, "/shop/items/7")).toBe("200 shop at /shop/items/7");
    expect(await text(t, "/shop/")).toBe("200 shop at /shop/");
    expect(await text(t, "/shop/nothing")).toBe("404 No HttpAction routed for /nothing");
    expect(await text(t, "/hello")).toBe("200 app at /hello");
    expect(await text(t, "/nothing")).toBe("404 No HttpAction routed for /nothing");
  });
});

test("functions of a component see its environment and nothing else", async () => {
  process.env["SHOP_TOKEN"] = "the test's";
  const t = shopTest();
  t.mountComponent("shop", { httpPrefix: "/shop", env: { SHOP_TOKEN: "the shop's" } });
  expect(await t.action(jobs["environments"]!)).toEqual([
    "the test's",
    ["the shop's", null, "https://test.convex.site/shop"],
    "the test's",
  ]);
  delete process.env["SHOP_TOKEN"];
});

test("the audit log has what functions that succeed write to it", async () => {
  const t = convexTest(schema, modules);
  await t.withRequestMetadata({ ip: "10.0.0.1" }).mutation(jobs["audited"]!, { fail: false });
  await expect(t.mutation(jobs["audited"]!, { fail: true })).rejects.toThrow("no sale");
  expect(t.auditLog).toEqual([{ what: "sale", by: "10.0.0.1" }]);
  await expect(t.action(jobs["auditedAction"]!)).rejects.toThrow(
    "Audit logging is not yet supported in actions",
  );
});

test("signs tokens that its own keys verify", async () => {
  const t = convexTest(schema, modules);
  const token = (await t.mutation(jobs["token"]!, { claims: { sub: "me" } })) as string;
  const [header = "", payload = "", signature = ""] = token.split(".");
  const decode = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString()) as { kid?: string };
  const jwk = t.jwks().keys.find(({ kid }) => kid === decode(header).kid);
  const key = { key: createPublicKey({ format: "jwk", key: jwk! }), dsaEncoding: "ieee-p1363" } as const;
  const bytes = Buffer.from(`${header}.${payload}`);
  expect(verify("sha256", bytes, key, Buffer.from(signature, "base64url"))).toBe(true);
  expect(decode(payload)).toMatchObject({ sub: "me", iss: "https://test.convex.cloud" });
  await expect(t.mutation(jobs["token"]!, { claims: { iss: "somebody" } })).rejects.toThrow("iss");
});

test("one-off functions run within a component", async () => {
  const t = shopTest();
  const run = t as unknown as {
    runInComponent(path: string, body: (ctx: never) => unknown): Promise<unknown>;
  };
  expect(
    await run.runInComponent(
      "shop",
      async (ctx: { db: { query(table: string): { collect(): Promise<unknown[]> } } }) =>
        ctx.db.query("anything").collect(),
    ),
  ).toEqual([]);
});
