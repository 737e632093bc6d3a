import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";

export const appFolder = fileURLToPath(new URL("../../..", import.meta.url));
export const repositoryFolder = path.join(appFolder, "../..");
export const feedKey = "key-of-the-tests";
const lensletBin = path.join(repositoryFolder, "packages/lenslet/bin/lenslet.js");
export const convexBin = path.join(repositoryFolder, "node_modules/convex/bin/main.js");
const startTimeoutMs = 60_000;

/** A real server with the app pushed by the official CLI. It can be killed and started again. */
export class WatchServer {
  readonly url: string;
  readonly #folder = fs.mkdtempSync(path.join(os.tmpdir(), "liquidation-watch-"));
  readonly #ports: readonly [number, number];
  #child: ChildProcess | null = null;
  #output = "";

  private constructor(ports: readonly [number, number]) {
    this.#ports = ports;
    this.url = `http://127.0.0.1:${ports[0]}`;
  }

  static async start(): Promise<WatchServer> {
    const server = new WatchServer([await freePort(), await freePort()]);
    try {
      await server.start();
      await server.convex("deploy", "--yes", "--typecheck", "disable", "--codegen", "disable");
      await server.convex("env", "set", "FEED_KEY", feedKey);
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  get output(): string {
    return this.#output;
  }

  client(): ConvexHttpClient {
    return new ConvexHttpClient(this.url, { logger: false });
  }

  /** Starts it (again), on the same folder and ports. */
  async start(): Promise<void> {
    const [port, sitePort] = this.#ports;
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", lensletBin, "dev", "--no-push", "--data"].concat([
        path.join(this.#folder, "data"),
        "--port",
        String(port),
        "--site-port",
        String(sitePort),
      ]),
      // It writes .env.local where it runs: not into the app.
      { cwd: this.#folder, stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#child = child;
    let sinceStart = "";
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string) => reject(new Error(`${reason}\n${this.#output}`));
      const timer = setTimeout(() => fail("the server did not start in time"), startTimeoutMs);
      const read = (chunk: Buffer) => {
        this.#output += chunk.toString();
        sinceStart += chunk.toString();
        if (!sinceStart.includes("Run `npx convex dev`")) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", (code) => {
        clearTimeout(timer);
        fail(`the server ended with ${code}`);
      });
    });
  }

  /** Runs the official CLI against this server, in the app's folder; returns what it printed to stdout. */
  async convex(...args: readonly string[]): Promise<string> {
    return (await this.runCli([process.execPath, convexBin, ...args], appFolder)).stdout;
  }

  /** Runs a command with this server as its deployment. */
  async runCli(command: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
    const env = fs.readFileSync(path.join(this.#folder, ".env.local"), "utf8");
    const adminKey = /^CONVEX_SELF_HOSTED_ADMIN_KEY='?([^'\n]+)/m.exec(env)?.[1] ?? "";
    const { CONVEX_DEPLOYMENT: _deployment, CONVEX_DEPLOY_KEY: _key, ...rest } = process.env;
    const [program, ...args] = command as [string, ...string[]];
    const child = spawn(program, args, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...rest, CONVEX_SELF_HOSTED_URL: this.url, CONVEX_SELF_HOSTED_ADMIN_KEY: adminKey },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0)
      throw new Error(`${command.join(" ")} failed (${code}):\n${stdout}${stderr}\n${this.#output}`);
    return { stdout, stderr };
  }

  /** kill -9 */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async close(): Promise<void> {
    await this.#end("SIGTERM");
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
