import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ChildRun, type Exit, runToEnd } from "../support/childRun.ts";
import { freePorts } from "../support/ports.ts";
import { tempFolder } from "../support/tempFolder.ts";

// What a user gets: the two packages as npm publishes them, installed into a project outside of this repository with
// their own dependencies and nothing else, and run by their own names.

const repository = fileURLToPath(new URL("../..", import.meta.url));
const app = fileURLToPath(new URL("app", import.meta.url));
const names = ["lenslet", "testing"] as const;
/** npm may have to fetch. */
const npmTimeoutMs = 300_000;

const project = tempFolder("stranger");
let files: readonly (readonly string[])[];
let ports: readonly string[];
const servers: ChildRun[] = [];

beforeAll(async () => {
  const packed = await pack();
  files = packed.map(({ list }) => list);
  fs.cpSync(app, project, { recursive: true });
  const manifest = { name: "stranger", private: true, type: "module", dependencies: { convex: "1.48.0" } };
  fs.writeFileSync(path.join(project, "package.json"), JSON.stringify(manifest));
  const tarballs = packed.map(({ file }) => file);
  await npm(
    ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", ...tarballs],
    project,
  );
  ports = (await freePorts(2)).map(String);
}, npmTimeoutMs);

afterAll(async () => {
  for (const server of servers) await server.dispose();
});

describe("the packages", () => {
  it("hold what runs, and nothing that is only for this repository's tests", () => {
    for (const list of files) {
      expect(list).toEqual(expect.arrayContaining(["README.md", "LICENSE", "package.json"]));
      expect(list.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))).toEqual([]);
      expect(
        list.filter((file) => /\.test\.|testing\/|testSupport|fixture|Contract\.|Arbitrary\./.test(file)),
      ).toEqual([]);
    }
  });

  it("run a project: push, call, restart, with the commands of the README", async () => {
    const pushed = await bin("lenslet", ["dev", "--once", ...portFlags()]);
    expect(pushed.output).toContain("Convex functions ready!");
    expect(pushed.code).toBe(0);

    const calls = [
      ["times:add", "from an action", process.platform],
      ["notes:add", "from a mutation", ""],
    ] as const;
    for (const [path, text, answer] of calls) {
      const server = await startServer();
      const { code, stdout } = await bin("convex", ["run", path, JSON.stringify({ text })]);
      expect(stdout).toContain(answer);
      expect(code).toBe(0);
      server.signal("SIGTERM");
      expect((await server.exit()).code).toBe(0);
    }

    await startServer();
    const { stdout } = await bin("convex", ["run", "notes:find", JSON.stringify({ word: "from" })]);
    expect((JSON.parse(stdout) as string[]).toSorted()).toEqual(["from a mutation", "from an action"]);
  }, 300_000);

  it("run the tests of a project's functions", async () => {
    for (const name of ["vitest", "@edge-runtime"]) link(name);
    const config = 'export default { test: { environment: "edge-runtime" } };';
    fs.writeFileSync(path.join(project, "vitest.config.mjs"), config);
    const vitest = path.join(repository, "node_modules/vitest/vitest.mjs");
    const { code, output } = await runToEnd(process.execPath, [vitest, "run"], {
      cwd: project,
      timeoutMs: 120_000,
    });
    expect(output).toMatch(/Tests\s+1 passed/);
    expect(code).toBe(0);
  }, 150_000);
});

/** Packs copies, so that nothing is built or left in the repository itself. */
async function pack(): Promise<{ readonly file: string; readonly list: readonly string[] }[]> {
  const copy = tempFolder("pack");
  for (const file of ["tsconfig.base.json", "LICENSE", "README.md"]) {
    fs.cpSync(path.join(repository, file), path.join(copy, file));
  }
  fs.symlinkSync(path.join(repository, "node_modules"), path.join(copy, "node_modules"));
  for (const name of names) {
    const left = new Set(["node_modules", "dist"]);
    fs.cpSync(path.join(repository, "packages", name), path.join(copy, "packages", name), {
      recursive: true,
      filter: (file) => !left.has(path.basename(file)),
    });
    // Versions that npm could not place in the repository's own node_modules.
    const own = path.join(repository, "packages", name, "node_modules");
    if (fs.existsSync(own)) fs.symlinkSync(own, path.join(copy, "packages", name, "node_modules"));
  }
  const packed = [];
  for (const name of names) {
    const folder = path.join(copy, "packages", name);
    const { stdout } = await npm(["pack", "--json", "--loglevel=error"], folder);
    const [entry] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as [
      { filename: string; files: { path: string }[] },
    ];
    packed.push({ file: path.join(folder, entry.filename), list: entry.files.map((file) => file.path) });
  }
  return packed;
}

async function npm(args: readonly string[], cwd: string): Promise<Exit> {
  // With the machine's own settings: its registry, how that is reached, and what has been fetched before.
  const env = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const exit = await runToEnd("npm", args, { cwd, env, timeoutMs: npmTimeoutMs });
  if (exit.code !== 0) throw new Error(`npm ${args[0]} failed:\n${exit.output}`);
  return exit;
}

/** A command of an installed package; its `.bin` entry, as npx runs it. */
async function bin(name: string, args: readonly string[]): Promise<Exit> {
  return await runToEnd(process.execPath, [binFile(name), ...args], {
    cwd: project,
    env: { HOME: tempFolder("home") },
    timeoutMs: 90_000,
  });
}

async function startServer(): Promise<ChildRun> {
  const server = ChildRun.start(process.execPath, [binFile("lenslet"), "start", ...portFlags()], {
    cwd: project,
  });
  servers.push(server);
  await server.until("Lenslet is running", 60_000);
  return server;
}

const binFile = (name: string) => fs.realpathSync(path.join(project, "node_modules/.bin", name));

function portFlags(): string[] {
  const [port = "", sitePort = ""] = ports;
  return ["--port", port, "--site-port", sitePort];
}

function link(name: string): void {
  const target = path.join(project, "node_modules", name);
  if (!fs.existsSync(target)) fs.symlinkSync(path.join(repository, "node_modules", name), target);
}
