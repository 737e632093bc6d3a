import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { binOf } from "./pages.ts";
import { chooseListenPort, Programs, repositoryFolder, succeeded, until } from "./programs.ts";

// `npm run watch-demo`: the liquidation watch on a server of its own, with a feeder that makes up a market. Everything
// runs on this machine. What it has to say goes to stderr: stdout belongs to the terminal app, which may be in a pipe.

const appFolder = path.join(repositoryFolder, "apps/liquidation-watch");
const convexBin = binOf(appFolder, "convex", "bin/main.js");

const help = `The liquidation watch on a server of its own, fed with a made-up market.

Usage: npm run watch-demo -- [options]

  --rate N          market events per second, 1 to 5000 (default 200)
  --file FILE       replay a recording instead (lines of JSON, as --json prints them)
  --seed N          of the made-up market (default: another one each time)
  --json            print lines of JSON instead of filling the terminal
  --plain           print lines of text; a pipe gets them anyway
  --seconds N       with --json, --plain or a pipe: end after this time
  --symbol SYM      begin with one symbol only
  --min-usd N       begin with liquidations of this value on only
  --no-color        no colours; so does the environment variable NO_COLOR
  --port N          of the server (default 3220; a port that is taken is replaced by a free one)
  --site-port N     of its HTTP routes (default 3221)
  --data FOLDER     where the server keeps its data (default: .lenslet in the app's folder)
  --help            this text

On the screen: ? shows the keys, q or Ctrl-C quits.
`;

const { values: flags } = readFlags();
if (flags.help) {
  process.stdout.write(help);
  process.exit(0);
}

const rate = Number(flags.rate);
if (!(rate >= 1 && rate <= 5_000)) {
  process.stderr.write(`--rate: a number from 1 to 5000 is needed, not "${flags.rate}".\n`);
  process.exit(2);
}

const programs = new Programs(appFolder);
let app: ChildProcess | null = null;
// The app hears Ctrl-C itself, and when it has ended so does everything else. A signal to this process alone is passed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    if (app === null) void end(130);
    else app.kill(signal);
  });

try {
  await end(await start());
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  await end(1);
}

/** Resolves with the exit code of the terminal app. */
async function start(): Promise<number> {
  const taken = new Set<number>();
  const port = await chooseListenPort(flags.port, taken);
  const sitePort = await chooseListenPort(flags["site-port"], taken);
  process.stderr.write("Starting a server and pushing the functions ...\n");
  const server = programs.runServer(port, sitePort, flags.data);
  await until(server, /functions ready/i);
  const key = feedKey();
  await succeeded(programs.run("setting of FEED_KEY", [convexBin, "env", "set", "FEED_KEY", key], {}));
  const env = { CONVEX_URL: `http://127.0.0.1:${port}`, FEED_KEY: key };
  const feeder = programs.run(
    "feeder",
    ["cli/feed.ts", "--rate", flags.rate, ...passedOn(["file", "seed"])],
    env,
  );
  const view = ["cli/main.ts", ...passedOn(["symbol", "min-usd", "seconds"])];
  for (const flag of ["json", "plain", "no-color"] as const) if (flags[flag]) view.push(`--${flag}`);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...view], {
    cwd: appFolder,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  app = child;
  let failure: string | null = null;
  for (const run of [server, feeder])
    run.child.once("exit", () => {
      if (programs.isEnding || child.exitCode !== null) return;
      failure ??= `The ${run.name} has ended unexpectedly:\n\n${run.output()}`;
      child.kill("SIGTERM");
    });
  const code = await new Promise<number>((resolve, reject) => {
    child.once("exit", (exitCode) => resolve(exitCode ?? 1));
    child.once("error", reject);
  });
  app = null;
  if (failure !== null) throw new Error(failure);
  return code;
}

/** Kept beside the server's address, so that `npm run feed` in the app's folder finds it too. */
function feedKey(): string {
  const file = path.join(appFolder, ".env.local");
  const text = fs.readFileSync(file, "utf8");
  const known = /^FEED_KEY=(\S+)$/m.exec(text)?.[1];
  if (known !== undefined) return known;
  const key = randomBytes(24).toString("hex");
  fs.writeFileSync(file, `${text.trimEnd()}\n\nFEED_KEY=${key}\n`);
  return key;
}

function passedOn(names: readonly ("file" | "seed" | "symbol" | "min-usd" | "seconds")[]): string[] {
  return names.flatMap((name) => {
    const value = flags[name];
    if (value === undefined) return [];
    // The programs run in the app's folder; the path was given where npm was called.
    const folder = process.env["INIT_CWD"] ?? process.cwd();
    return [`--${name}`, name === "file" ? path.resolve(folder, value) : value];
  });
}

function readFlags() {
  try {
    return parseArgs({
      options: {
        rate: { type: "string", default: "200" },
        file: { type: "string" },
        seed: { type: "string" },
        json: { type: "boolean", default: false },
        plain: { type: "boolean", default: false },
        seconds: { type: "string" },
        symbol: { type: "string" },
        "min-usd": { type: "string" },
        "no-color": { type: "boolean", default: false },
        port: { type: "string", default: "3220" },
        "site-port": { type: "string", default: "3221" },
        data: { type: "string", default: ".lenslet" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

async function end(code: number): Promise<void> {
  if (await programs.end()) process.exit(code);
}
