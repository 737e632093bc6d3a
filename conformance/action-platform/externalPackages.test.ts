import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { tempFolder } from "../support/tempFolder.ts";

const source = `"use node";
import { readFileSync } from "node:fs";
import { actionGeneric } from "convex/server";
import { whereAmI, deep } from "tiny-tool";
export const where = actionGeneric({ handler: async () => ({ file: whereAmI(), deep: deep() }) });
export const bundled = actionGeneric({ handler: async () => typeof readFileSync });
`;

let registry: Server;
let server: TestServer;
let project: TestProject;
let isDown = false;
const npmCache = tempFolder("npm-cache");
const asked: string[] = [];

/** A package of one file as the tarball that a registry would serve. */
function pack(name: string, version: string, code: string, dependencies: Record<string, string>): Buffer {
  const folder = tempFolder("package");
  fs.mkdirSync(path.join(folder, "package"));
  const manifest = { name, version, main: "index.js", dependencies };
  fs.writeFileSync(path.join(folder, "package/package.json"), JSON.stringify(manifest));
  fs.writeFileSync(path.join(folder, "package/index.js"), code);
  return execFileSync("tar", ["-czf", "-", "-C", folder, "package"]);
}

/** Enough of a registry for npm: two packages, one version of each. */
function startRegistry(): Promise<Server> {
  const files = new Map<string, Buffer>();
  const add = (name: string, code: string, dependencies: Record<string, string> = {}) => {
    const tarball = pack(name, "1.2.3", code, dependencies);
    files.set(`/${name}.tgz`, tarball);
    files.set(`/${name}`, Buffer.from("packument"));
    return [name, { tarball, dependencies }] as const;
  };
  const packages = new Map([
    add("tiny-deep", `exports.deep = () => "from below";`),
    add(
      "tiny-tool",
      `const { deep } = require("tiny-deep"); exports.deep = deep; exports.whereAmI = () => __filename;`,
      { "tiny-deep": "^1.0.0" },
    ),
  ]);
  const handler = createServer((request, response) => {
    const url = request.url ?? "";
    asked.push(url);
    const found = packages.get(url.slice(1));
    if (isDown) request.socket.destroy();
    else if (found !== undefined) {
      const name = url.slice(1);
      const { port } = handler.address() as AddressInfo;
      const dist = {
        tarball: `http://127.0.0.1:${port}/${name}.tgz`,
        integrity: `sha512-${createHash("sha512").update(found.tarball).digest("base64")}`,
      };
      const version = { name, version: "1.2.3", main: "index.js", dependencies: found.dependencies, dist };
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ name, "dist-tags": { latest: "1.2.3" }, versions: { "1.2.3": version } }),
      );
    } else if (files.has(url)) response.end(files.get(url));
    else response.writeHead(404).end("{}");
  });
  return new Promise((resolve) => handler.listen(0, "127.0.0.1", () => resolve(handler)));
}

beforeAll(async () => {
  registry = await startRegistry();
  const { port } = registry.address() as AddressInfo;
  server = await TestServer.start({
    env: {
      HOME: tempFolder("home"),
      npm_config_registry: `http://127.0.0.1:${port}/`,
      npm_config_cache: npmCache,
      npm_config_fetch_retries: "0",
    },
  });
  project = TestProject.create().connect(server);
  project.write("convex/tools.ts", source);
  project.write("convex.json", JSON.stringify({ node: { externalPackages: ["tiny-tool"] } }));
  const repository = fs.realpathSync(path.join(project.folder, "node_modules"));
  fs.rmSync(path.join(project.folder, "node_modules"));
  fs.mkdirSync(path.join(project.folder, "node_modules"));
  fs.symlinkSync(path.join(repository, "convex"), path.join(project.folder, "node_modules/convex"));
  await localPackage("1.2.3");
});
afterAll(async () => {
  registry.close();
  await server.dispose();
});

/** What the developer has installed; its code says so if it ends up in the bundle. */
async function localPackage(version: string): Promise<void> {
  const manifest = { name: "tiny-tool", version, main: "index.js" };
  project.write("node_modules/tiny-tool/package.json", JSON.stringify(manifest));
  project.write(
    "node_modules/tiny-tool/index.js",
    `exports.whereAmI = () => "bundled"; exports.deep = () => "bundled";`,
  );
  project.write(
    "package.json",
    JSON.stringify({ name: "p", private: true, dependencies: { convex: "1.48.0", "tiny-tool": version } }),
  );
}

const push = () => project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
const where = () => server.call("tools:where") as Promise<{ file: string; deep: string }>;

describe("node.externalPackages", () => {
  it("are installed on the server with what they need, and loaded by Node actions", async () => {
    const pushed = await push();
    expect(pushed.code, pushed.output).toBe(0);
    const { file, deep } = await where();
    expect(deep).toBe("from below");
    expect(path.relative(server.dataFolder, file)).toMatch(
      /^external-packages\/[0-9a-f]{32}\/node_modules\/tiny-tool\/index\.js$/,
    );
    expect(server.logs).toContain("installing packages for Node actions: tiny-tool@1.2.3\n");
    expect(await server.call("tools:bundled")).toBe("function");
  });

  it("are installed once: the same packages need no registry any more", async () => {
    isDown = true;
    const before = asked.length;
    project.write("convex/tools.ts", `${source}export const more = 1;\n`);
    const pushed = await push();
    expect(pushed.code, pushed.output).toBe(0);
    await server.restart();
    expect((await where()).deep).toBe("from below");
    expect(asked.length).toBe(before);
  });

  it("say clearly what is wrong when they cannot be had, and nothing changes", async () => {
    await localPackage("1.2.4");
    for (const down of [true, false]) {
      isDown = down;
      const pushed = await push();
      expect(pushed.code).toBe(1);
      expect(pushed.output).toContain(
        "The packages that convex.json names as node.externalPackages could not be installed (tiny-tool@1.2.4).",
      );
    }
    expect((await where()).deep).toBe("from below");
    expect(fs.readdirSync(path.join(server.dataFolder, "external-packages"))).toHaveLength(1);
  });

  it("are installed again where the data folder has come without them", async () => {
    await server.stop();
    fs.rmSync(path.join(server.dataFolder, "external-packages"), { recursive: true });
    fs.rmSync(npmCache, { recursive: true });
    await server.start();
    isDown = true;
    await expect(where()).rejects.toThrow(/could not be installed \(tiny-tool@1\.2\.3\)/);
    isDown = false;
    expect((await where()).deep).toBe("from below");
  });
});
