import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildArgs, offline, previewArgs } from "./pages.ts";

// What `npm start` and the demos share: Node programs that are started, waited for and ended together.

export const repositoryFolder = fileURLToPath(new URL("..", import.meta.url));
const lensletBin = path.join(repositoryFolder, "packages/lenslet/bin/lenslet.js");

const startTimeoutMs = 120_000;
const endTimeoutMs = 10_000;

export interface Run {
  readonly name: string;
  readonly child: ChildProcess;
  readonly output: () => string;
}

interface PagesOptions {
  readonly serverUrl: string;
  readonly siteUrl?: string;
  readonly pagePort: number;
  /** More than the server's addresses that the build is to know. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly push?: () => Promise<Run>;
}

/** The Node programs of one script. */
export class Programs {
  readonly #folder: string;
  readonly #children = new Set<ChildProcess>();
  #isEnding = false;

  /** @param folder where they run */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Runs a Node program, its output kept for the case that it fails. */
  run(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Run {
    // A group of its own: Ctrl-C in the terminal reaches this process only, which then ends the others in order.
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
      detached: true,
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    let output = "";
    const keep = (chunk: Buffer) => {
      // The end of it is enough to see why something failed.
      output = (output + chunk.toString()).slice(-outputCharsMax);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    return { name, child, output: () => output };
  }

  /** The server of the app in this folder; it pushes the functions, and goes on pushing when they change. */
  runServer(port: number, sitePort: number, data: string, more: readonly string[] = []): Run {
    const ports = ["--port", String(port), "--site-port", String(sitePort)];
    return this.run("server", [lensletBin, "dev", "--data", data, ...ports, ...more], {});
  }

  /**
   * Sets variables of the app's deployment, all in one go: each run of the CLI takes a second. They are kept, for this
   * user's eyes only, in `demo.env` of the data folder.
   */
  async setVariables(
    convexBin: string,
    data: string,
    variables: Readonly<Record<string, string>>,
  ): Promise<void> {
    const file = path.join(this.#folder, data, "demo.env");
    const lines = Object.entries(variables).map(([name, value]) => {
      const quote = value.includes("'") ? "`" : "'";
      return `${name}=${quote}${value}${quote}\n`;
    });
    fs.writeFileSync(file, lines.join(""), { mode: 0o600 });
    const args = [convexBin, "env", "set", "--from-file", file, "--force"];
    await succeeded(this.run("setting of the variables", args, {}));
  }

  /**
   * Builds the pages of the app in a folder for a server, while that gets ready, then serves them. `push`: what pushes
   * the functions once the server runs, where it does not do so itself. `before`: what has to be done in between.
   */
  async runPages(
    folder: string,
    server: Run,
    { serverUrl, siteUrl = "", pagePort, variables = {}, push = () => Promise.resolve(server) }: PagesOptions,
    before: () => Promise<void> = () => Promise.resolve(),
  ): Promise<Run> {
    // Not before the server has its data folder: a second start must not build over the pages of the first.
    await until(server, /Lenslet is running/);
    const build = this.run("build of the pages", buildArgs(folder), {
      VITE_CONVEX_URL: serverUrl,
      VITE_CONVEX_SITE_URL: siteUrl,
      ...variables,
      ...offline,
    });
    const pushed = push().then((functions) => until(functions, /functions ready/i));
    await Promise.all([pushed, succeeded(build)]);
    await before();
    const pages = this.run("pages", previewArgs(folder, pagePort), offline);
    await until(pages, /127\.0\.0\.1/);
    return pages;
  }

  /** From here on what they say matters to whoever works on the app: errors of a push, logs of functions. */
  show(runs: readonly Run[], ended: () => void): void {
    for (const { child, name } of runs) {
      child.stdout?.pipe(process.stdout);
      child.stderr?.pipe(process.stderr);
      child.once("exit", () => {
        if (this.#isEnding) return;
        process.stderr.write(`The ${name} has ended unexpectedly.\n`);
        ended();
      });
    }
  }

  /** Ends them (they finish what they have begun). False: somebody else is already at it. */
  async end(): Promise<boolean> {
    if (this.#isEnding) return false;
    this.#isEnding = true;
    const ended = [...this.#children].map((child) => new Promise((resolve) => child.once("exit", resolve)));
    for (const child of this.#children) child.kill("SIGINT");
    const timer = setTimeout(() => {
      for (const child of this.#children) child.kill("SIGKILL");
    }, endTimeoutMs);
    await Promise.all(ended);
    clearTimeout(timer);
    return true;
  }
}

const outputCharsMax = 200_000;

/**
 * A script that starts programs and goes on until Ctrl-C, a signal or a failure, which is printed. `end` is what ends it
 * otherwise. `close`: what else is to be ended then.
 */
export async function host(
  programs: Programs,
  start: (end: (code: number) => void) => Promise<void>,
  close: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const end = async (code: number) => {
    if (!(await programs.end())) return;
    await close();
    process.exit(code);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));
  try {
    await start((code) => void end(code));
  } catch (error) {
    process.stderr.write(`\n${(error as Error).message}\n`);
    await end(1);
  }
}

interface DemoPorts {
  readonly port: string;
  readonly "site-port": string;
  readonly "page-port": string;
}

const portMeanings: Record<string, string> = {
  port: "of the server",
  "site-port": "of the server's HTTP actions",
  "page-port": "of the page",
  "mail-port": "of the page that shows the mails",
};

/** The ports that a demo is asked for. Ends the process with a word of help for anything else. */
export function demoFlags<const Ports extends DemoPorts>(
  { command, about }: { command: string; about: string },
  defaults: Ports,
): { [Flag in keyof Ports]: string } {
  const lines = Object.entries(defaults).map(
    ([flag, port]) => `  ${`--${flag} N`.padEnd(15)}${portMeanings[flag]} (default ${port})\n`,
  );
  const usage = `${about}

Usage: ${command} -- [options]

${lines.join("")}  --help         this text

A port that is taken is replaced by a free one; 0 takes any free one.
`;
  try {
    const ports = Object.fromEntries(
      Object.entries(defaults).map(([flag, port]) => [flag, { type: "string" as const, default: port }]),
    );
    const { help, ...values } = parseArgs({
      options: { ...ports, help: { type: "boolean", default: false } },
    }).values;
    if (!help) return values as { [Flag in keyof Ports]: string };
    process.stdout.write(usage);
    process.exit(0);
  } catch (error) {
    const [reason] = (error as Error).message.split(". ");
    process.stderr.write(`${reason}.\n\n${usage}`);
    process.exit(2);
  }
}

/** The ports of a demo and the addresses that they make. */
export async function chooseDemoPorts(flags: DemoPorts, taken = new Set<number>()) {
  const port = await chooseListenPort(flags.port, taken);
  const sitePort = await chooseListenPort(flags["site-port"], taken);
  const pagePort = await chooseListenPort(flags["page-port"], taken);
  const urlOf = (each: number) => `http://127.0.0.1:${each}`;
  const urls = { serverUrl: urlOf(port), siteUrl: urlOf(sitePort), pageUrl: urlOf(pagePort) };
  return { port, sitePort, pagePort, ...urls };
}

/** Resolves when the program has printed something that matches; rejects with what it printed if it ends first. */
export async function until({ name, child, output }: Run, pattern: RegExp): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(`The ${name} ${reason}:\n\n${output()}`));
    const timer = setTimeout(() => fail("did not get ready in time"), startTimeoutMs);
    const look = () => {
      if (!pattern.test(output())) return;
      clearTimeout(timer);
      child.stdout?.off("data", look);
      child.stderr?.off("data", look);
      resolve();
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`has ended (${code})`);
    });
  });
}

/** Resolves when it has ended well; rejects with what it printed otherwise. */
export async function succeeded({ name, child, output }: Run): Promise<void> {
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`The ${name} has failed:\n\n${output()}`);
}

/** The port asked for, or any free one if it is taken. */
export async function chooseListenPort(text: string, taken: Set<number>): Promise<number> {
  const wanted = Number(text);
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > 65_535)
    throw new Error(`"${text}" is no port: a number from 0 (any free one) to 65535 is needed.`);
  let port = taken.has(wanted) ? null : await tryListen(wanted);
  while (port === null || taken.has(port)) port = await tryListen(0);
  taken.add(port);
  return port;
}

function tryListen(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(null));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      const found = typeof address === "object" && address !== null ? address.port : null;
      probe.close(() => resolve(found));
    });
  });
}
