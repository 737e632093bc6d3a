import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Exit } from "../support/childRun.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { eventually } from "../support/until.ts";
import { noTypecheck } from "./sample.ts";

/*
 * What a component brings besides functions and tables: HTTP routes, crons, files and what it schedules. One definition
 * is mounted twice and has another one inside.
 */

const component = (name: string, uses = "") =>
  `import { defineComponent } from "convex/server";\nimport { v } from "convex/values";\n${uses}`.concat(
    `const component = defineComponent("${name}", { env: { NAME: v.string() } });\n`,
    uses === ""
      ? ""
      : 'component.use(stock, { httpPrefix: "/stock/", env: { NAME: component.env.NAME } });\n',
    "export default component;\n",
  );
const appConfig = (names: readonly string[]) =>
  `import { defineApp } from "convex/server";
import shop from "./shop/convex.config.js";
const app = defineApp();
${names.map((name) => `app.use(shop, { name: "${name}", httpPrefix: "/${name}", env: { NAME: "of ${name}" } });`).join("\n")}
export default app;
`;
const serverOf = (path: string) =>
  `import { action, httpAction, internalMutation, mutation, query } from "${path}_generated/server";\n`;

const where = `
const where = httpAction(async (_ctx, request) =>
  Response.json({ url: request.url, name: process.env.NAME, site: process.env.CONVEX_SITE_URL }));
`;
const files = {
  "package.json": `${JSON.stringify({ name: "app", private: true, type: "module", dependencies: { convex: "1.48.0" } })}\n`,
  "convex/convex.config.ts": appConfig(["first", "second"]),
  "convex/shop/convex.config.ts": component("shop", 'import stock from "./stock/convex.config.js";\n'),
  "convex/shop/stock/convex.config.ts": component("stock"),
  "convex/shop/stock/http.ts": `import { httpRouter } from "convex/server";
${serverOf("./")}${where}
const http = httpRouter();
http.route({ path: "/where", method: "GET", handler: where });
export default http;
`,
  "convex/shop/http.ts": `import { httpRouter } from "convex/server";
import { api } from "./_generated/api";
${serverOf("./")}${where}
const http = httpRouter();
http.route({ path: "/where", method: "GET", handler: where });
http.route({ path: "/exact", method: "GET", handler: where });
http.route({ path: "/keep", method: "POST", handler: httpAction(async (ctx, request) => {
  const id = await ctx.storage.store(await request.blob());
  await ctx.runMutation(api.lib.note, { text: "kept" });
  return Response.json({ id, url: await ctx.storage.getUrl(id) });
}) });
export default http;
`,
  "convex/shop/crons.ts": `import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";
const crons = cronJobs();
crons.interval("beat", { seconds: 1 }, internal.lib.beat, {});
export default crons;
`,
  "convex/shop/lib.ts": `import { v } from "convex/values";
import { internal } from "./_generated/api";
${serverOf("./")}
export const beat = internalMutation(async (ctx) => { await ctx.db.insert("beats", { name: process.env.NAME }); });
export const beats = query(async (ctx) => (await ctx.db.query("beats").collect()).map(({ name }) => name));
export const note = mutation({ args: { text: v.string() }, handler: async (ctx, { text }) => { await ctx.db.insert("notes", { text }); } });
export const notes = query(async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text));
export const keep = action({ args: { text: v.string() }, handler: (ctx, { text }) => ctx.storage.store(new Blob([text])) });
export const read = action({ args: { id: v.string() }, handler: async (ctx, { id }) => (await ctx.storage.get(id))?.text() ?? null });
export const uploadUrl = mutation((ctx) => ctx.storage.generateUploadUrl());
export const link = query({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.storage.getUrl(id) });
export const size = query({ args: { id: v.id("_storage") }, handler: async (ctx, { id }) => (await ctx.db.system.get(id))?.size ?? null });
export const drop = mutation({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.storage.delete(id) });
export const later = mutation(async (ctx) => { await ctx.scheduler.runAfter(3_600_000, internal.lib.beat, {}); });
export const jobs = query(async (ctx) => (await ctx.db.system.query("_scheduled_functions").collect()).map(({ name, state }) => \`\${name} \${state.kind}\`));
`,
  "convex/http.ts": `import { httpRouter } from "convex/server";
${serverOf("./")}
const http = httpRouter();
http.route({ path: "/first/exact", method: "GET", handler: httpAction(async () => new Response("of the app")) });
http.route({ pathPrefix: "/", method: "GET", handler: httpAction(async (_ctx, request) => new Response("nobody else: " + new URL(request.url).pathname)) });
export default http;
`,
  "convex/app.ts": `import { v } from "convex/values";
import { components } from "./_generated/api";
${serverOf("./")}
const lib = (of) => (components as any)[of].lib;
export const ask = query({ args: { of: v.string(), name: v.string(), args: v.any() }, handler: (ctx, { of, name, args }) => ctx.runQuery(lib(of)[name], args) });
export const tell = mutation({ args: { of: v.string(), name: v.string(), args: v.any() }, handler: (ctx, { of, name, args }) => ctx.runMutation(lib(of)[name], args) });
export const act = action({ args: { of: v.string(), name: v.string(), args: v.any() }, handler: (ctx, { of, name, args }) => ctx.runAction(lib(of)[name], args) });
export const ownLink = query({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.storage.getUrl(id) });
`,
};

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create().connect(server).writeAll(files);
  const { code, output } = await push();
  expect({ code, output }).toMatchObject({ code: 0 });
}, 180_000);
afterAll(() => server?.dispose());

async function push(): Promise<Exit> {
  return await project.convex(["dev", "--once", ...noTypecheck], { timeoutMs: 120_000 });
}

type Kind = "ask" | "tell" | "act";
const call = (kind: Kind, of: string, name: string, args = {}) =>
  server.call(`app:${kind}`, { of, name, args });

async function get(path: string): Promise<unknown> {
  const response = await fetch(server.siteUrl + path);
  const text = await response.text();
  return response.headers.get("content-type")?.includes("json") === true
    ? JSON.parse(text)
    : [response.status, text];
}

async function idOf(path: string): Promise<string> {
  const components = (await server.call("_system/frontend/components:list")) as {
    readonly id: string;
    readonly path: string;
  }[];
  return components.find((each) => each.path === path)?.id ?? "";
}

/** Names of the crons that an admin sees in a component. */
async function cronsOf(path: string): Promise<string[]> {
  const componentId = path === "" ? null : await idOf(path);
  const crons = await server.call("_system/frontend/listCronJobs", { componentId });
  return (crons as { readonly name: string }[]).map(({ name }) => name);
}

const beatsOf = async (of: string) => (await call("ask", of, "beats")) as string[];

describe("HTTP routes of components", () => {
  it("are served below their prefixes, nested ones too, and see the whole URL and their own site", async () => {
    const site = server.siteUrl;
    expect(await get("/first/where?x=1")).toEqual({
      url: `${site}/first/where?x=1`,
      name: "of first",
      site: `${site}/first`,
    });
    expect(await get("/second/where")).toMatchObject({ name: "of second", site: `${site}/second` });
    expect(await get("/second/stock/where")).toEqual({
      url: `${site}/second/stock/where`,
      name: "of second",
      site: `${site}/second/stock`,
    });
    const throughCloud = await fetch(`${server.url}/http/first/where`);
    expect(await throughCloud.json()).toMatchObject({ name: "of first" });
  });

  it("give way to exact routes of the app, and answer alone for what is below them", async () => {
    expect(await get("/first/exact")).toEqual([200, "of the app"]);
    expect(await get("/second/exact")).toMatchObject({ name: "of second" });
    expect(await get("/first/nothing")).toEqual([404, expect.stringContaining("No HttpAction routed for")]);
    expect(await get("/first")).toEqual([200, "nobody else: /first"]);
    expect(await get("/elsewhere")).toEqual([200, "nobody else: /elsewhere"]);
  });
});

describe("files of components", () => {
  it("are stored by actions, HTTP actions and uploads, and belong to the instance that stored them", async () => {
    const byAction = (await call("act", "first", "keep", { text: "by an action" })) as string;
    const posted = await fetch(`${server.siteUrl}/first/keep`, { method: "POST", body: "by HTTP" });
    const byHttp = (await posted.json()) as { readonly id: string; readonly url: string };
    const uploadUrl = (await call("tell", "first", "uploadUrl")) as string;
    const uploaded = await fetch(uploadUrl, { method: "POST", body: "by upload" });
    const { storageId: byUpload } = (await uploaded.json()) as { readonly storageId: string };

    const first = await idOf("first");
    for (const [id, text] of [
      [byAction, "by an action"],
      [byHttp.id, "by HTTP"],
      [byUpload, "by upload"],
    ] as const) {
      const link = (await call("ask", "first", "link", { id })) as string;
      expect(new URL(link).searchParams.get("component")).toBe(first);
      expect(await (await fetch(link)).text()).toBe(text);
      expect(await call("act", "first", "read", { id })).toBe(text);
      expect(await call("ask", "first", "size", { id })).toBe(text.length);
      // Nobody else has it: neither the app, nor the other instance, whatever the address says.
      expect(await server.call("app:ownLink", { id })).toBeNull();
      expect(await call("ask", "second", "link", { id })).toBeNull();
      expect(await call("act", "second", "read", { id })).toBeNull();
      expect(await call("ask", "second", "size", { id })).toBeNull();
      await expect(call("tell", "second", "drop", { id })).rejects.toThrow(`storage id ${id} not found`);
      const [bare] = link.split("?");
      for (const foreign of [bare!, `${bare}?component=${await idOf("second")}`])
        expect((await fetch(foreign)).status).toBe(404);
    }
    const count = (componentId: string | null) =>
      server.call("_system/frontend/fileStorageV2:numFiles", { componentId });
    expect([await count(null), await count(first), await count(await idOf("second"))]).toEqual([0, 3, 0]);
    expect(byHttp.url).toBe(await call("ask", "first", "link", { id: byHttp.id }));
    await call("tell", "first", "drop", { id: byUpload });
    expect(await call("ask", "first", "link", { id: byUpload })).toBeNull();
    expect(await count(first)).toBe(2);
    expect(await call("ask", "first", "notes")).toEqual(["kept"]);
    expect(await call("ask", "second", "notes")).toEqual([]);
  });
});

describe("crons of components", () => {
  it("run in every instance, with its data and variables", async () => {
    for (const of of ["first", "second"]) {
      const beats = await eventually(async () => {
        const seen = await beatsOf(of);
        return seen.length >= 2 && seen;
      });
      expect(new Set(beats)).toEqual(new Set([`of ${of}`]));
      expect(await cronsOf(of)).toEqual(["beat"]);
    }
    expect(await cronsOf("")).toEqual([]);
    expect(await cronsOf("first/stock")).toEqual([]);
  });
});

describe("unmounted and mounted again", () => {
  it(
    "loses routes and crons, keeps files, jobs and data, and has all of it back",
    { timeout: 360_000 },
    async () => {
      const id = (await call("act", "second", "keep", { text: "stays" })) as string;
      const link = (await call("ask", "second", "link", { id })) as string;
      await call("tell", "second", "note", { text: "stays" });
      await call("tell", "second", "later");
      const uploadUrl = (await call("tell", "second", "uploadUrl")) as string;
      const second = await idOf("second");
      await project.withFiles({ "convex/convex.config.ts": appConfig(["first"]) }, async () => {
        expect((await push()).stderr).toContain("Unmounted component second.");
      });
      expect(await get("/second/where")).toEqual([200, "nobody else: /second/where"]);
      expect(await get("/first/where")).toMatchObject({ name: "of first" });
      expect(await cronsOf("second")).toEqual([]);
      expect(await cronsOf("first")).toEqual(["beat"]);
      expect(await (await fetch(link)).text()).toBe("stays");
      const late = await fetch(uploadUrl, { method: "POST", body: "late" });
      expect([late.status, await late.json()]).toEqual([
        400,
        expect.objectContaining({ code: "UnmountedComponent" }),
      ]);
      expect(await server.call("_system/frontend/fileStorageV2:numFiles", { componentId: second })).toBe(1);

      expect((await push()).stderr).toContain("Remounted component second.");
      expect(await idOf("second")).toBe(second);
      expect(await get("/second/where")).toMatchObject({ name: "of second" });
      expect(await call("ask", "second", "notes")).toEqual(["stays"]);
      expect(await call("ask", "second", "jobs")).toEqual(["lib.js:beat pending"]);
      expect(await call("act", "second", "read", { id })).toBe("stays");
      expect(await cronsOf("second")).toEqual(["beat"]);
      const before = (await beatsOf("second")).length;
      await eventually(async () => (await beatsOf("second")).length > before);
    },
  );

  it("is the same after kill -9", async () => {
    await server.kill9();
    await server.start();
    expect(await get("/second/stock/where")).toMatchObject({ name: "of second" });
    expect(await call("ask", "second", "notes")).toEqual(["stays"]);
    const before = (await beatsOf("first")).length;
    await eventually(async () => (await beatsOf("first")).length > before);
  });
});
