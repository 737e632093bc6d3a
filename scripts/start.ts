import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

// `npm start`: the starter chat on a server of its own. Starts `lenslet dev` for the app, which pushes its functions
// and goes on pushing when they change, builds the page meanwhile, serves it on loopback and prints the addresses.

const repositoryFolder = fileURLToPath(new URL("..", import.meta.url));
const appFolder = path.join(repositoryFolder, "apps/starter-chat");
const lensletBin = path.join(repositoryFolder, "packages/lenslet/bin/lenslet.js");
const viteBin = path.join(
  path.dirname(createRequire(path.join(appFolder, "package.json")).resolve("vite/package.json")),
  "bin/vite.js",
);
const startTimeoutMs = 120_000;
const endTimeoutMs = 10_000;

const { values: flags } = parseArgs({
  options: {
    port: { type: "string", default: "3210" },
    "site-port": { type: "string", default: "3211" },
    "page-port": { type: "string", default: "4173" },
  },
});

const children = new Set<ChildProcess>();
let isEnding = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));

try {
  await start();
} catch (error) {
  process.stderr.write(`\n${(error as Error).message}\n`);
  await end(1);
}

async function start(): Promise<void> {
  const taken = new Set<number>();
  const port = await chooseListenPort(flags.port, taken);
  const sitePort = await chooseListenPort(flags["site-port"], taken);
  const pagePort = await chooseListenPort(flags["page-port"], taken);
  const serverUrl = `http://127.0.0.1:${port}`;
  process.stdout.write("Starting the server, pushing the functions, building the page ...\n");

  const server = run(
    "server",
    [lensletBin, "dev", "--data", ".lenslet", "--port", String(port), "--site-port", String(sitePort)],
    {},
  );
  // Not before the server has its data folder: a second `npm start` must not build over the page of the first.
  await until(server, /Lenslet is running/);
  const build = run("build of the page", [viteBin, "build", "--logLevel", "warn"], {
    VITE_CONVEX_URL: serverUrl,
  });
  await Promise.all([until(server, /functions ready/i), succeeded(build)]);
  const page = run(
    "page",
    [viteBin, "preview", "--host", "127.0.0.1", "--port", String(pagePort), "--strictPort"],
    {},
  );
  await until(page, /127\.0\.0\.1/);
  process.stdout.write(`
  Starter chat   http://127.0.0.1:${pagePort}
  Server         ${serverUrl}   (data in apps/starter-chat/.lenslet)

Sign in under any name; to chat with yourself, sign in under another one in a second window.
Functions in apps/starter-chat/convex are pushed whenever you save them. Ctrl-C ends everything.

`);
  for (const { child, name } of [server, page]) {
    // From here on what they say matters to whoever works on the app: errors of a push, logs of functions.
    child.stdout?.pipe(process.stdout);
    child.stderr?.pipe(process.stderr);
    child.once("exit", () => {
      if (isEnding) return;
      process.stderr.write(`The ${name} has ended unexpectedly.\n`);
      void end(1);
    });
  }
}

interface Run {
  readonly name: string;
  readonly child: ChildProcess;
  readonly output: () => string;
}

/** Runs a Node program in the app's folder, its output kept for the case that it fails. */
function run(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Run {
  // A group of its own: Ctrl-C in the terminal reaches this process only, which then ends the others in order.
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    cwd: appFolder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    detached: true,
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return { name, child, output: () => output };
}

/** Resolves when the program has printed something that matches; rejects with what it printed if it ends first. */
async function until({ name, child, output }: Run, pattern: RegExp): Promise<void> {
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

async function succeeded({ name, child, output }: Run): Promise<void> {
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`The ${name} has failed:\n\n${output()}`);
}

/** The port asked for, or any free one if it is taken. */
async function chooseListenPort(text: string, taken: Set<number>): Promise<number> {
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

/** Ends the programs (they finish what they have begun) and this process. */
async function end(code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  const ended = [...children].map((child) => new Promise((resolve) => child.once("exit", resolve)));
  for (const child of children) child.kill("SIGINT");
  const timer = setTimeout(() => {
    for (const child of children) child.kill("SIGKILL");
  }, endTimeoutMs);
  await Promise.all(ended);
  clearTimeout(timer);
  process.exit(code);
}
