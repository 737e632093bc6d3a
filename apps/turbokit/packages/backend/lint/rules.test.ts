import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkFolder } from "./folder.ts";
import { check, type Rule } from "./rules.ts";

const head = `
import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { action, internalAction, internalMutation, mutation, query } from "./_generated/server.js";
import { requireAuth } from "./lib/auth.ts";
`;
const auth = `export async function requireAuth(ctx: any) { return await ctx.auth.getUserIdentity(); }`;

/** The rules that a file breaks. */
function broken(code: string, more: Readonly<Record<string, string>> = {}): Rule[] {
  const files = { "sample.ts": head + code, "lib/auth.ts": auth, ...more };
  return check(new Map(Object.entries(files))).map(({ rule }) => rule);
}
const inQuery = (body: string) =>
  broken(
    `export const sample = query({ args: {}, handler: async (ctx) => { await requireAuth(ctx); ${body} } });`,
  );
const inAction = (body: string) =>
  broken(`export const sample = internalAction({ args: {}, handler: async (ctx) => { ${body} } });`);

it("the backend breaks none", () => {
  expect(checkFolder(fileURLToPath(new URL("../convex", import.meta.url)))).toEqual([]);
});

describe("queries", () => {
  it("do not filter in the database", () => {
    const filtered = `ctx.db.query("messages").filter((q) => q.eq(q.field("author"), "Tom"))`;
    expect(inQuery(`return await ${filtered}.take(5);`)).toEqual(["no-query-filter"]);
    expect(
      inQuery(
        `return await ctx.db.query("m").withIndex("by_a", (q) => q.eq("a", 1)).filter((q) => q).first();`,
      ),
    ).toEqual(["no-query-filter"]);
    expect(inQuery(`const all = ctx.db.query("m"); return await all.filter((q) => q).first();`)).toEqual([
      "no-query-filter",
    ]);
    // Filtering in code is what the document recommends.
    expect(inQuery(`const all = await ctx.db.query("m").take(5); return all.filter((m) => m);`)).toEqual([]);
    expect(inQuery(`return (await ctx.db.query("m").take(5)).filter((m) => m);`)).toEqual([]);
  });

  it("do not collect whole tables", () => {
    expect(inQuery(`return await ctx.db.query("users").collect();`)).toEqual(["no-unbounded-collect"]);
    expect(
      inQuery(`return await ctx.db.query("users").withIndex("by_plan").order("desc").collect();`),
    ).toEqual(["no-unbounded-collect"]);
    expect(inQuery(`for await (const user of ctx.db.query("users")) console.log(user);`)).toEqual([
      "no-unbounded-collect",
    ]);
    const helper = `function all(ctx: any) { return ctx.db.query("users"); }`;
    const call = `export const s = query({ args: {}, handler: async (ctx) => { await requireAuth(ctx); return await all(ctx).collect(); } });`;
    expect(broken(helper + call)).toEqual(["no-unbounded-collect"]);
    expect(
      inQuery(`return await ctx.db.query("m").withIndex("by_a", (q) => q.eq("a", 1)).collect();`),
    ).toEqual([]);
    expect(inQuery(`return await ctx.db.query("users").take(100);`)).toEqual([]);
  });

  it("use every index, and no index twice", () => {
    const schema = `export default defineSchema({ notes: defineTable({}).index("by_user", ["user"]).index("by_user_time", ["user", "time"]) });`;
    const reads = (index: string) =>
      `export const ${index} = query({ args: {}, handler: async (ctx) => { await requireAuth(ctx); return await ctx.db.query("notes").withIndex("${index}", (q) => q).take(1); } });`;
    expect(broken(reads("by_user_time"), { "schema.ts": schema })).toEqual(["used-indexes", "used-indexes"]);
    expect(broken(reads("by_user_time") + reads("by_user"), { "schema.ts": schema })).toEqual([
      "used-indexes",
    ]);
    // An index of the same name on another table is another one.
    const other = schema.replace(`.index("by_user_time", ["user", "time"])`, "");
    expect(broken(reads("by_user").replace(`"notes"`, `"drafts"`), { "schema.ts": other })).toEqual([
      "used-indexes",
    ]);
    expect(broken(reads("by_user"), { "schema.ts": other })).toEqual([]);
  });
});

describe("what the server runs", () => {
  it("is internal", () => {
    expect(broken(`import { api } from "./_generated/api.js";`)).toEqual(["internal-only"]);
    expect(broken(`import { api as functions } from "./_generated/api";`)).toEqual(["internal-only"]);
    expect(broken(`import { anyApi } from "convex/server";`)).toEqual(["internal-only"]);
    expect(inAction(`await ctx.scheduler.runAfter(0, "users:remove", {});`)).toEqual(["internal-only"]);
    expect(inAction(`await ctx.scheduler.runAt(0, functions.users.remove, {});`)).toEqual(["internal-only"]);
    expect(inAction(`await ctx.scheduler.runAfter(0, internal.users.remove, {});`)).toEqual([]);
  });

  it("is no action of an action", () => {
    expect(inAction(`await ctx.runAction(internal.a.b, {});`)).toEqual(["no-run-action"]);
    const renamed = `export const s = action({ args: {}, handler: async (context) => { await requireAuth(context); await context.runAction(internal.a.b, {}); } });`;
    expect(broken(renamed)).toEqual(["no-run-action"]);
    // The steps of a workflow are no actions.
    expect(
      broken(
        `export const flow = workflow.define({ args: {} }).handler(async (step) => { await step.runAction(internal.a.b, {}); });`,
      ),
    ).toEqual([]);
  });

  it("reads at one moment", () => {
    const two = `const user = await ctx.runQuery(internal.users.get, {}); const more = await ctx.runQuery(internal.projects.list, { user });`;
    expect(inAction(two)).toEqual(["no-chained-queries"]);
    expect(inAction(`const both = await ctx.runQuery(internal.users.getWithProjects, {});`)).toEqual([]);
  });
});

describe("public functions", () => {
  it("say what they take", () => {
    const bad = `export const update = mutation({ handler: async (ctx, args) => { await requireAuth(ctx); await ctx.db.patch(args.id, args.update); } });`;
    expect(broken(bad)).toEqual(["validated-args"]);
    expect(
      broken(
        `export const short = internalMutation(async (ctx, args) => { await ctx.db.patch(args.id, args); });`,
      ),
    ).toEqual(["validated-args"]);
    const any = `export const update = mutation({ args: { update: v.any() }, handler: async (ctx) => { await requireAuth(ctx); } });`;
    expect(broken(any)).toEqual(["validated-args"]);
    // Internal ones may take what a service sends.
    expect(
      broken(
        `export const hook = internalMutation({ args: { event: v.any() }, handler: async () => null });`,
      ),
    ).toEqual([]);
  });

  it("check who calls", () => {
    const open = (handler: string, tag = "") =>
      `${tag} export const sample = query({ args: {}, handler: ${handler} });`;
    expect(broken(open(`async (ctx) => await ctx.db.query("users").take(5)`))).toEqual(["access-checked"]);
    // A check that nobody waits for is none.
    expect(broken(open(`async (ctx) => { requireAuth(ctx); return 1; }`))).toEqual(["access-checked"]);
    const model = {
      "app/notes/model.ts": `import { requireAuth } from "../../lib/auth.ts";
        export async function list(ctx: any) { const { user } = await mine(ctx); return user; }
        async function mine(ctx: any) { return await requireAuth(ctx); }
        export async function open(ctx: any) { return ctx; }`,
    };
    const use = (name: string) =>
      `import * as Notes from "./app/notes/model.ts"; ${open(`async (ctx) => await Notes.${name}(ctx)`)}`;
    expect(broken(use("list"), model)).toEqual([]);
    expect(broken(use("open"), model)).toEqual(["access-checked"]);
    expect(broken(open(`() => 1`, `/** @public a price list */`))).toEqual([]);
    expect(broken(open(`() => 1`, `/** @public */`))).toEqual(["access-checked"]);
    expect(
      broken(`export const inside = internalMutation({ args: {}, handler: async () => null });`),
    ).toEqual([]);
  });

  it("fail with codes", () => {
    expect(broken(`export function f() { throw new Error("no"); }`)).toEqual(["structured-errors"]);
    expect(broken(`export function f() { throw new ConvexError("Unauthorized"); }`)).toEqual([
      "structured-errors",
    ]);
    expect(
      broken(`export function f() { throw new ConvexError({ code: "UNAUTHORIZED", message: "No" }); }`),
    ).toEqual([]);
  });
});

describe("webhooks", () => {
  const route = (body: string) =>
    `http.route({ path: "/webhooks/x", method: "POST", handler: httpAction(async (ctx, request) => { ${body} }) });`;
  it("verify before they do anything", () => {
    const run = `await ctx.runMutation(internal.x.apply, {});`;
    expect(broken(route(run))).toEqual(["verified-webhooks"]);
    expect(broken(route(`${run} verifySvix(request);`))).toEqual(["verified-webhooks"]);
    expect(broken(route(`verifySvix(request); ${run}`))).toEqual([]);
    expect(broken(route(`await stripe.webhooks.constructEventAsync(a, b, c); ${run}`))).toEqual([]);
  });
});
