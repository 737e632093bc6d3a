import { fileURLToPath } from "node:url";
import { ChildRun, type Exit, runToEnd } from "./childRun.ts";
import { freePorts } from "./ports.ts";
import { tempFolder } from "./tempFolder.ts";

export const lensletBin = fileURLToPath(new URL("../../packages/lenslet/bin/lenslet.js", import.meta.url));

export interface TestServerOptions {
  /** "start" (the default), or "dev": that has a development issuer too, which signs anybody in. Nothing is pushed. */
  readonly command?: "start" | "dev";
  /** Default: a new temporary folder. */
  readonly dataFolder?: string;
  /** Added to the command. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Of the API and of HTTP actions, where something has to know them before the server runs. Default: free ones. */
  readonly ports?: readonly [number, number];
  /** Node flags of the server's process, e.g. `--inspect`. */
  readonly nodeArgs?: readonly string[];
}

/** The flag with which a command runs the server in its own process and nothing else, and what it prints at last. */
const commands = {
  start: ["--no-supervise", "Lenslet is running"],
  dev: ["--no-push", "Run `npx convex dev`"],
} as const;

/**
 * A real server: `lenslet start` (or `dev`) as a child process. It can be stopped, killed and started again; folder, ports, URL
 * and admin key stay the same for the lifetime of this object.
 */
export class TestServer {
  readonly dataFolder: string;
  readonly port: number;
  readonly sitePort: number;
  readonly url: string;
  readonly siteUrl: string;
  readonly #options: TestServerOptions;
  #run: ChildRun | null = null;
  #earlierLogs = "";
  #adminKey: string | null = null;

  private constructor(options: TestServerOptions, port: number, sitePort: number) {
    this.#options = options;
    this.dataFolder = options.dataFolder ?? tempFolder("data");
    this.port = port;
    this.sitePort = sitePort;
    this.url = `http://127.0.0.1:${port}`;
    this.siteUrl = `http://127.0.0.1:${sitePort}`;
  }

  /** Resolves when the server answers. */
  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const [port, sitePort] = options.ports ?? ((await freePorts(2)) as [number, number]);
    const server = new TestServer(options, port, sitePort);
    await server.start();
    server.#adminKey = await readAdminKey(server.dataFolder);
    return server;
  }

  get adminKey(): string {
    if (this.#adminKey === null) throw new Error("the server has never been started");
    return this.#adminKey;
  }

  /** Of the running server process. */
  get pid(): number {
    if (this.#run === null) throw new Error("the server is not running");
    return this.#run.pid;
  }

  /** What all runs of the server have printed. */
  get logs(): string {
    return this.#earlierLogs + (this.#run?.output ?? "");
  }

  /**
   * Calls a function of any kind and visibility as admin, or a system query, over HTTP: quicker than the CLI where the
   * call is not what a test is about. Returns the value in its JSON form; throws the error message of the function.
   * `identity`: as whom the admin acts; without it the function sees nobody.
   */
  async call(
    path: string,
    args: Readonly<Record<string, unknown>> = {},
    identity?: { readonly subject: string; readonly issuer: string; readonly name?: string },
  ): Promise<unknown> {
    const actingAs =
      identity === undefined ? "" : `:${Buffer.from(JSON.stringify(identity)).toString("base64")}`;
    const route = path.startsWith("_system/") ? "query" : "function";
    const response = await fetch(`${this.url}/api/${route}`, {
      method: "POST",
      headers: { authorization: `Convex ${this.adminKey}${actingAs}`, "content-type": "application/json" },
      body: JSON.stringify({ path, args, format: "convex_encoded_json" }),
    });
    const answer = (await response.json()) as { status?: string; value?: unknown; errorMessage?: string };
    if (answer.status === "success") return answer.value;
    throw new Error(answer.errorMessage ?? JSON.stringify(answer));
  }

  /** Sets the deployment's environment variables; null removes one. */
  async updateEnvironment(variables: Readonly<Record<string, string | null>>): Promise<void> {
    const changes = Object.entries(variables).map(([name, value]) => ({ name, value }));
    const response = await fetch(`${this.url}/api/update_environment_variables`, {
      method: "POST",
      headers: { authorization: `Convex ${this.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ changes }),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  }

  /** Starts it (again) on the same folder and ports; resolves when it answers. */
  async start(extra: Pick<TestServerOptions, "env"> = {}): Promise<void> {
    if (this.#run !== null) throw new Error("the server is running already");
    const { command = "start", nodeArgs = [], args = [], env = {} } = this.#options;
    const [alone, ready] = commands[command];
    const run = ChildRun.start(
      process.execPath,
      [...nodeArgs, lensletBin, command, alone, ...this.#flags(), ...args],
      { cwd: this.dataFolder, env: { ...env, ...extra.env } },
    );
    this.#run = run;
    await run.until(ready, 60_000);
  }

  /** SIGTERM: the server answers what it has been asked, persists and ends. */
  async stop(): Promise<Exit> {
    return await this.#end("SIGTERM");
  }

  /** SIGKILL to the server process alone, as the kernel or an operator would; resolves when it is gone. */
  async kill9(): Promise<Exit> {
    return await this.#end("SIGKILL");
  }

  /** The end of a server that ends by itself, e.g. at a failpoint. */
  async ended(timeoutMs = 30_000): Promise<Exit> {
    if (this.#run === null) throw new Error("the server is not running");
    return this.#forget(await this.#run.exit(timeoutMs));
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends whatever is left; for afterAll. Its temporary data folder goes when this process ends. */
  async dispose(): Promise<void> {
    await this.#run?.dispose();
    this.#run = null;
  }

  #flags(): string[] {
    const { dataFolder, port, sitePort } = this;
    return ["--data", dataFolder, "--port", String(port), "--site-port", String(sitePort)];
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<Exit> {
    const run = this.#run;
    if (run === null) throw new Error("the server is not running");
    run.signal(signal);
    return this.#forget(await run.exit());
  }

  #forget(exit: Exit): Exit {
    this.#earlierLogs += exit.output;
    this.#run = null;
    return exit;
  }
}

/** Runs our own CLI to its end. */
export async function runLenslet(
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs?: number;
  },
): Promise<Exit> {
  return await runToEnd(process.execPath, [lensletBin, ...args], options);
}

/** Starts our own CLI, for commands that go on until they are told to end. */
export function startLenslet(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): ChildRun {
  return ChildRun.start(process.execPath, [lensletBin, ...args], options);
}

async function readAdminKey(dataFolder: string): Promise<string> {
  const { code, stdout, stderr } = await runLenslet(["admin-key", "--data", dataFolder], { cwd: dataFolder });
  if (code !== 0) throw new Error(`lenslet admin-key failed: ${stderr}`);
  return stdout.trim();
}
