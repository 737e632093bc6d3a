import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { api } from "../../convex/_generated/api.js";

export const appFolder = fileURLToPath(new URL("../..", import.meta.url));
const repositoryFolder = path.join(appFolder, "../..");
const lensletBin = path.join(repositoryFolder, "packages/lenslet/bin/lenslet.js");
const convexBin = path.join(repositoryFolder, "node_modules/convex/bin/main.js");
const startTimeoutMs = 40_000;

/**
 * A real server with its development issuer, as a child process on a temporary data folder. It can be killed and
 * started again on the same folder and ports.
 */
export class LiveServer {
  readonly url: string;
  readonly #folder = fs.mkdtempSync(path.join(os.tmpdir(), "starter-chat-"));
  readonly #ports: readonly [number, number];
  #child: ChildProcess | null = null;
  #output = "";

  private constructor(ports: readonly [number, number]) {
    this.#ports = ports;
    this.url = `http://127.0.0.1:${ports[0]}`;
  }

  /** Starts a server and pushes the app's functions with the official CLI. */
  static async startWithApp(): Promise<LiveServer> {
    const server = new LiveServer([await freePort(), await freePort()]);
    await server.start();
    try {
      await server.push();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  async start(): Promise<void> {
    const [port, sitePort] = this.#ports;
    const args = ["dev", "--no-push", "--data", path.join(this.#folder, "data")];
    args.push("--port", String(port), "--site-port", String(sitePort));
    // It writes .env.local where it runs: not into the app.
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", lensletBin, ...args], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string) => reject(new Error(`${reason}\n${this.#output}`));
      const timer = setTimeout(() => fail("the server did not start in time"), startTimeoutMs);
      let sinceStart = "";
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

  async push(): Promise<void> {
    const adminKey = this.#adminKey();
    const { CONVEX_DEPLOYMENT: _deployment, CONVEX_DEPLOY_KEY: _key, ...rest } = process.env;
    const child = spawn(
      process.execPath,
      [convexBin, "deploy", "--yes", "--typecheck", "disable", "--codegen", "disable"],
      {
        cwd: appFolder,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...rest, CONVEX_SELF_HOSTED_URL: this.url, CONVEX_SELF_HOSTED_ADMIN_KEY: adminKey },
      },
    );
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.once("exit", resolve));
    if (code !== 0) throw new Error(`the push failed (${String(code)}):\n${output}\n${this.#output}`);
  }

  /** Sets the deployment's environment variables. */
  async setEnvironment(variables: Readonly<Record<string, string>>): Promise<void> {
    const changes = Object.entries(variables).map(([name, value]) => ({ name, value }));
    const response = await fetch(`${this.url}/api/update_environment_variables`, {
      method: "POST",
      headers: { authorization: `Convex ${this.#adminKey()}`, "content-type": "application/json" },
      body: JSON.stringify({ changes }),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  }

  #adminKey(): string {
    const env = fs.readFileSync(path.join(this.#folder, ".env.local"), "utf8");
    return /^CONVEX_SELF_HOSTED_ADMIN_KEY='?([^'\n]+)/m.exec(env)?.[1] ?? "";
  }

  /** kill -9: nothing is tidied up. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async close(): Promise<void> {
    await this.#end("SIGTERM");
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What the server has printed, for failures. */
  get output(): string {
    return this.#output;
  }

  /** A client of somebody who has signed in and, unless told otherwise, has an account. */
  async client(
    name: string,
    options: { email?: string; hasAccount?: boolean } = {},
  ): Promise<ConvexHttpClient> {
    const email = options.email ?? `${name.toLowerCase().replace(/\W+/g, ".")}@example.com`;
    const response = await fetch(`${this.url}/lenslet/dev-issuer/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, email }),
    });
    if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
    const client = this.anonymous();
    client.setAuth(((await response.json()) as { token: string }).token);
    if (options.hasAccount !== false)
      await client.mutation(api.functions.mutations.users.createUser, { name });
    return client;
  }

  anonymous(): ConvexHttpClient {
    return new ConvexHttpClient(this.url);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }
}

export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
