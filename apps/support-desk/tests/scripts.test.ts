import { cpSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ChildRun, runToEnd } from "../../../conformance/support/childRun.ts";
import { freePorts } from "../../../conformance/support/ports.ts";
import { tempFolder } from "../../../conformance/support/tempFolder.ts";
import { appFolder, DeskServer } from "./support/desk.ts";

/** Every script of the package, as `npm run` and `pnpm run` run it, in a copy of its folder. */

let desk: DeskServer;
let folder: string;

beforeAll(async () => {
  desk = await DeskServer.start();
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const copy = tempFolder("desk-package");
  folder = path.join(copy, "apps/support-desk/packages/convex");
  mkdirSync(path.dirname(folder), { recursive: true });
  cpSync(path.join(appFolder, "packages/convex"), folder, {
    recursive: true,
    filter: (file) => !/node_modules|\.lenslet|\.env/.test(path.basename(file)),
  });
  symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"));
  const deployment = `CONVEX_SELF_HOSTED_URL=${desk.server.url}\nCONVEX_SELF_HOSTED_ADMIN_KEY='${desk.server.adminKey}'\n`;
  writeFileSync(path.join(folder, ".env.local"), deployment);
  writeFileSync(path.join(folder, ".env.production"), deployment);
}, 180_000);
afterAll(() => desk?.close());

const { scripts } = JSON.parse(
  readFileSync(path.join(appFolder, "packages/convex/package.json"), "utf8"),
) as { scripts: Record<string, string> };

const command = (name: string, ...args: string[]) => [
  "run",
  name,
  ...(args.length === 0 ? [] : ["--", ...args]),
];
const environment = { HOME: tempFolder("home"), PATH: process.env["PATH"] ?? "" };

async function run(name: string, ...args: string[]): Promise<string> {
  const exit = await runToEnd("npm", command(name, ...args), {
    cwd: folder,
    env: environment,
    timeoutMs: 120_000,
  });
  if (exit.code !== 0) throw new Error(`${name}: ${exit.output}`);
  return exit.output;
}

async function watch(name: string, until: string | RegExp, ...args: string[]): Promise<string> {
  const child = ChildRun.start("npm", command(name, ...args), { cwd: folder, env: environment });
  try {
    await child.until(until, 120_000);
    return child.output;
  } finally {
    child.signalGroup("SIGTERM");
    await child.dispose();
  }
}

describe("the scripts of the document", { timeout: 180_000 }, () => {
  it("are all there", () => {
    expect(Object.keys(scripts)).toEqual(
      expect.arrayContaining("dev codegen deploy deploy:prod logs dashboard export import test".split(" ")),
    );
  });

  it("codegen writes the types", async () => {
    const api = path.join(folder, "_generated/api.d.ts");
    const before = readFileSync(api, "utf8");
    rmSync(path.join(folder, "_generated"), { recursive: true });
    await run("codegen");
    expect(readFileSync(api, "utf8")).toBe(before);
  });

  it("deploy and deploy:prod push the functions", async () => {
    expect(await run("deploy", "--yes", "--typecheck", "disable")).toContain("Deployed Convex functions");
    expect(await run("deploy:prod", "--yes", "--typecheck", "disable")).toContain(
      "Deployed Convex functions",
    );
  });

  it("logs shows what runs, a migration's progress too", async () => {
    await desk.server.call("migrations/runner:start", { name: "backfillPriorityRank", fromStart: true });
    await watch("logs", /backfillPriorityRank: \d+ rows, done/, "--history", "200");
  });

  it("dashboard says where it is, or why there is none", async () => {
    const said = await runToEnd("npm", command("dashboard", "--no-open"), {
      cwd: folder,
      env: environment,
      timeoutMs: 60_000,
    });
    // The CLI's own words: it opens the dashboard of cloud deployments only.
    expect(said.output).toContain("`npx convex dashboard` is not supported for self-hosted deployments.");
  });

  it("export and import move the data", async () => {
    const zip = path.join(folder, "data.zip");
    await run("export", "--path", zip);
    expect(statSync(zip).size).toBeGreaterThan(1000);
    expect(await run("import", "--replace-all", "--yes", zip)).toMatch(/Added \d+ documents/);
  });

  it("quality prints how good the search is, question by question", async () => {
    const said = await run("quality");
    expect(said).toMatch(/rank 1 {2}.*\?/);
    const found = Number(/"?found"?: ([\d.]+)/.exec(said)?.[1]);
    const first = Number(/"?first"?: ([\d.]+)/.exec(said)?.[1]);
    expect(found).toBe(1);
    expect(first).toBeGreaterThanOrEqual(0.85);
  });

  it("dev runs a server of its own with the functions on it", async () => {
    rmSync(path.join(folder, ".env.local"));
    const [port, sitePort] = (await freePorts(2)) as [number, number];
    await watch("dev", /Convex functions ready/, "--port", String(port), "--site-port", String(sitePort));
  });
});
