import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Programs, chooseListenPort, succeeded, until } from "./programs.ts";

// `npm start`: the starter chat on a server of its own. Starts `lenslet dev` for the app, which pushes its functions
// and goes on pushing when they change, builds the page meanwhile, serves it on loopback and prints the addresses.

const repositoryFolder = fileURLToPath(new URL("..", import.meta.url));
const appFolder = path.join(repositoryFolder, "apps/starter-chat");
const lensletBin = path.join(repositoryFolder, "packages/lenslet/bin/lenslet.js");
const viteBin = path.join(
  path.dirname(createRequire(path.join(appFolder, "package.json")).resolve("vite/package.json")),
  "bin/vite.js",
);

const { values: flags } = parseArgs({
  options: {
    port: { type: "string", default: "3210" },
    "site-port": { type: "string", default: "3211" },
    "page-port": { type: "string", default: "4173" },
  },
});

const programs = new Programs(appFolder);
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

  const server = programs.run(
    "server",
    [lensletBin, "dev", "--data", ".lenslet", "--port", String(port), "--site-port", String(sitePort)],
    {},
  );
  // Not before the server has its data folder: a second `npm start` must not build over the page of the first.
  await until(server, /Lenslet is running/);
  const build = programs.run("build of the page", [viteBin, "build", "--logLevel", "warn"], {
    VITE_CONVEX_URL: serverUrl,
  });
  await Promise.all([until(server, /functions ready/i), succeeded(build)]);
  const page = programs.run(
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
      if (programs.isEnding) return;
      process.stderr.write(`The ${name} has ended unexpectedly.\n`);
      void end(1);
    });
  }
}

async function end(code: number): Promise<void> {
  if (await programs.end()) process.exit(code);
}
