import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Exit } from "../support/childRun.ts";
import type { TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";
import { noTypecheck, openSample } from "./sample.ts";

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  ({ server, project } = await openSample());
});
afterAll(() => server.dispose());

async function deploy(...args: string[]): Promise<Exit> {
  return await project.convex(["deploy", ...noTypecheck, ...args]);
}

/** A push without the additional checks of `deploy`. */
async function push(): Promise<Exit> {
  return await project.convex(["dev", "--once", ...noTypecheck]);
}

/** All that a push could have changed, as far as it shows. */
async function deployed(): Promise<unknown> {
  return [await server.call("_system/cli/modules:apiSpec"), await server.call("admin/reports/usage:summary")];
}

describe("convex dev --once", () => {
  it("checks the types of the sample, pushes and leaves", async () => {
    const first = await project.convex(["dev", "--once", "--typecheck", "enable"]);
    expect(first).toMatchObject({ code: 0, stdout: "" });
    expect(first.stderr).toMatch(/✔ \d\d:\d\d:\d\d Convex functions ready! \([\d.]+m?s\)\n$/);
    // Nothing has changed since the push in beforeAll.
    expect(first.stderr).not.toContain("indexes");
    expect(project.read(".env.local")).toContain(`\nCONVEX_URL=${server.url}\n`);
    expect(project.read(".env.local")).toContain(`\nCONVEX_SITE_URL=${server.siteUrl}`);
  });

  it("runs a function afterwards with --run", async () => {
    const { code, stdout } = await project.convex(["dev", "--once", ...noTypecheck, "--run", "notes"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "[]\n" });
  });
});

describe("convex deploy", () => {
  it("pushes and says where to", async () => {
    const { code, stderr } = await deploy("--message", "a release");
    expect(code, stderr + server.logs).toBe(0);
    expect(stderr).toContain(`✔ Deployed Convex functions to ${server.url}\n`);
  });

  it("runs --cmd with the deployment's address before it pushes, and stops when that fails", async () => {
    const good = await deploy("--cmd", "echo built for $CONVEX_URL and $CONVEX_SITE_URL");
    expect(good.output).toContain(`built for ${server.url} and ${server.siteUrl}\n`);
    expect(good.code, good.output + server.logs).toBe(0);
    const before = await deployed();
    const bad = await project.withFiles({ "convex/more.ts": freshModule }, () =>
      deploy("--cmd", "echo built for $BACKEND; exit 3", "--cmd-url-env-var-name", "BACKEND"),
    );
    expect(bad.code).toBe(1);
    expect(bad.output).toContain(`built for ${server.url}\n`);
    expect(bad.stderr).toContain("exit 3' failed");
    expect(await deployed()).toEqual(before);
  });

  it("changes nothing with --dry-run", async () => {
    const before = await deployed();
    const { code, stderr } = await project.withFiles({ "convex/more.ts": freshModule }, () =>
      deploy("--dry-run"),
    );
    expect(code, stderr + server.logs).toBe(0);
    expect(await deployed()).toEqual(before);
    // Nor does it tell of a change that there is none of.
    expect(stderr).not.toContain("Node.js actions");
  });

  it("shows added, staged, enabled and deleted indexes", async () => {
    const schema = project.read("convex/schema.ts");
    const enabled = schema.replace('{ fields: ["likes"], staged: true }', '["likes"]');
    expect(enabled).not.toBe(schema);
    const more = enabled.replace('"by_rank", ["rank"]', '"by_text", ["text", "rank"]');
    await project.withFiles({ "convex/schema.ts": more }, async () => {
      const { code, stderr } = await deploy();
      expect(code, stderr + server.logs).toBe(0);
      expect(stderr).toContain("[+] notes.by_text   text, rank");
      expect(stderr).toContain("[-] notes.by_rank   rank");
      expect(stderr).toMatch(/These indexes are now enabled:\n.*messages\.by_likes/);
      // The function still asks for the index that is gone.
      await expect(server.call("notes")).rejects.toThrow("Index notes.by_rank not found");
    });
    expect(await push()).toMatchObject({ code: 0 });
    expect(await server.call("notes")).toEqual([]);
  });
});

const freshModule = `import { query } from "./_generated/server";
export const one = query({ args: {}, handler: async () => 1 });
`;

describe("a push that fails changes nothing", () => {
  let before: unknown;
  beforeAll(async () => {
    await server.call("notes:add", { text: "kept", rank: 1 });
    before = await deployed();
  });

  async function refused(edits: Readonly<Record<string, string>>, by = push): Promise<string> {
    // Each comes with a good change, which must not arrive either.
    const { code, stderr } = await project.withFiles({ "convex/more.ts": freshModule, ...edits }, by);
    expect(code, stderr + server.logs).toBe(1);
    expect(await deployed()).toEqual(before);
    return stderr;
  }

  it("because existing documents violate the new schema", async () => {
    const schema = project.read("convex/schema.ts").replace("text: v.string()", "text: v.boolean()");
    expect(await refused({ "convex/schema.ts": schema }, deploy)).toMatch(
      /Schema validation failed\.\nDocument with ID "[a-z0-9]+" in table "notes" does not match the schema: Value does not match validator\.\nPath: \.text\nValue: "kept"\nValidator: v\.boolean\(\)\n/,
    );
    // The old schema is still enforced.
    await expect(server.call("notes:add", { text: true })).rejects.toThrow("does not match validator");
  });

  it("because the schema is not one", async () => {
    const schema = project.read("convex/schema.ts");
    expect(await refused({ "convex/schema.ts": schema.replace('["rank"]', '["colour"]') })).toMatch(/colour/);
    expect(
      await refused({ "convex/schema.ts": schema.replace('"by_rank", ["rank"]', '"by_id", ["rank"]') }),
    ).toMatch(/by_id/);
  });

  it("because of a module that cannot be loaded", async () => {
    expect(await refused({ "convex/bad.ts": "export const a = 1;\nnull.length;\n" })).toContain(
      "Failed to analyze bad.js: Uncaught TypeError: Cannot read properties of null (reading 'length')",
    );
  });

  it("because of a variable that the auth config needs", async () => {
    const shown = await refused({
      "convex/auth.config.ts": `export default { providers: [{ domain: process.env.NOT_SET_YET!, applicationID: "sample" }] };`,
    });
    expect(shown).toContain(
      "Environment variable NOT_SET_YET is used in auth config file but its value was not set",
    );
    expect(shown).toContain(`npx convex env set --url ${server.url} --admin-key`);
  });

  it("because the admin key is wrong", async () => {
    const { adminKey } = server;
    const wrongKey = `${adminKey.slice(0, -1)}${adminKey.endsWith("0") ? "1" : "0"}`;
    const { code, stderr } = await project.withFiles({ "convex/more.ts": freshModule }, () =>
      deploy("--url", server.url, "--admin-key", wrongKey),
    );
    expect(code).toBe(1);
    expect(stderr).toContain("The provided admin key was invalid for this instance");
    expect(await deployed()).toEqual(before);
  });
});
