import path from "node:path";
import { parseArgs } from "node:util";
import { chooseListenPort, Programs, repositoryFolder } from "./programs.ts";

// `npm start`: the starter chat on a server of its own. Starts `lenslet dev` for the app, which pushes its functions
// and goes on pushing when they change, builds the page meanwhile, serves it on loopback and prints the addresses.

const appFolder = path.join(repositoryFolder, "apps/starter-chat");

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

  const server = programs.runServer(port, sitePort, ".lenslet");
  const page = await programs.runPages(appFolder, server, { serverUrl, pagePort });
  process.stdout.write(`
  Starter chat   http://127.0.0.1:${pagePort}
  Server         ${serverUrl}   (data in apps/starter-chat/.lenslet)

Sign in under any name; to chat with yourself, sign in under another one in a second window.
Functions in apps/starter-chat/convex are pushed whenever you save them. Ctrl-C ends everything.

`);
  programs.show([server, page], () => void end(1));
}

async function end(code: number): Promise<void> {
  if (await programs.end()) process.exit(code);
}
