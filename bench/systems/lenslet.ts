import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Child } from "../harness/children.ts";
import { freePort } from "../harness/machine.ts";
import type { Bench } from "./context.ts";

const appFolder = fileURLToPath(new URL("../app", import.meta.url));
const require = createRequire(import.meta.url);
const bin = path.join(path.dirname(require.resolve("lenslet/package.json")), "bin/lenslet.js");
const startMsMax = 30_000;
const pollMsMax = 1000;

interface CallResult {
  readonly status: "success" | "error";
  readonly value?: unknown;
  readonly errorMessage?: string;
}

/** A running server with the bench's convex/ folder, pushed by the official CLI. */
export class Lenslet {
  readonly port: number;
  readonly server: Child;
  readonly dataFolder: string;

  private constructor(port: number, server: Child, dataFolder: string) {
    this.port = port;
    this.server = server;
    this.dataFolder = dataFolder;
  }

  /** Starts the program; it does not answer yet. */
  static async spawn(bench: Bench, data: string): Promise<Lenslet> {
    const [port, sitePort] = [await freePort(), await freePort()];
    const { profileFolder } = bench.options;
    const server = bench.children.spawn({
      name: "lenslet",
      program: process.execPath,
      args: [bin, "start", "--no-supervise", `--data=${data}`, `--port=${port}`, `--site-port=${sitePort}`],
      core: bench.cores.server,
      ...(profileFolder === null ? {} : { env: profiledEnvironment(profileFolder) }),
    });
    return new Lenslet(port, server, data);
  }

  static async start(bench: Bench): Promise<Lenslet> {
    bench.say("starting lenslet and pushing bench/app");
    const data = path.join(bench.folder("lenslet"), "data");
    const lenslet = await Lenslet.spawn(bench, data);
    const { port, server } = lenslet;
    await lenslet.#answers();
    const key = bench.children.spawn({
      name: "lenslet admin-key",
      program: process.execPath,
      args: [bin, "admin-key", "--data", data],
      core: bench.cores.load,
    });
    await expectSuccess(key, server);
    const push = bench.children.spawn({
      name: "convex deploy",
      program: process.execPath,
      args: [
        path.join(path.dirname(require.resolve("convex/package.json")), "bin/main.js"),
        "deploy",
        "--yes",
        "--codegen=disable",
        "--typecheck=disable",
      ],
      core: bench.cores.load,
      cwd: appFolder,
      env: {
        ...withoutConvexVariables(process.env),
        CONVEX_SELF_HOSTED_URL: `http://127.0.0.1:${port}`,
        CONVEX_SELF_HOSTED_ADMIN_KEY: key.output.trim(),
      },
    });
    await expectSuccess(push, server);
    return lenslet;
  }

  get pids(): readonly number[] {
    return this.server.pids;
  }

  /** Calls a public function. @throws the error text of the function */
  async call(kind: "query" | "mutation" | "action", name: string, args: object): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.port}/api/${kind}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ path: name, args, format: "json" }),
    });
    const result = (await response.json()) as CallResult;
    if (result.status === "success") return result.value;
    throw new Error(`${name}: ${result.errorMessage ?? JSON.stringify(result)}`);
  }

  async #answers(): Promise<void> {
    const until = performance.now() + startMsMax;
    for (;;) {
      if (!this.server.running) throw new Error(`lenslet ended: ${this.server.output}`);
      try {
        const response = await fetch(`http://127.0.0.1:${this.port}/version`, {
          signal: AbortSignal.timeout(pollMsMax),
        });
        if (response.ok) return;
      } catch {
        // Not listening yet.
      }
      if (performance.now() > until) throw new Error(`lenslet does not answer: ${this.server.output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function expectSuccess(child: Child, server: Child): Promise<void> {
  const code = await child.ended();
  if (code !== 0)
    throw new Error(
      `${child.name} failed (exit code ${code}):\n${child.output}\nThe server says:\n${server.output}`,
    );
}

/** Its existence switches profiling on: `Bench.profiling`. */
export function profileSwitch(profileFolder: string): string {
  return path.resolve(profileFolder, "profiling");
}

function profiledEnvironment(profileFolder: string): NodeJS.ProcessEnv {
  fs.mkdirSync(profileFolder, { recursive: true });
  const preload = new URL("profileThread.ts", import.meta.url).href;
  return {
    ...process.env,
    NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --import=${preload}`,
    LENSLET_BENCH_PROFILE: profileSwitch(profileFolder),
  };
}

/** The CLI must see our server only, whatever this machine is set up for. */
function withoutConvexVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("CONVEX_")));
}
