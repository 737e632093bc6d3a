import path from "node:path";
import { startResend } from "../packages/stand-ins/src/resend.ts";
import {
  chooseDemoPorts,
  chooseListenPort,
  demoFlags,
  host,
  Programs,
  repositoryFolder,
  succeeded,
} from "./programs.ts";

// `npm start`: the starter chat on a server of its own. Starts `lenslet dev` for the app, which pushes its functions
// and goes on pushing when they change, builds the page meanwhile, serves it on loopback and prints the addresses.

const appFolder = path.join(repositoryFolder, "apps/starter-chat");

const flags = demoFlags(
  { command: "npm start", about: "The starter chat on a server of its own, with its page and its mails." },
  { port: "3210", "site-port": "3211", "page-port": "4173", "mail-port": "4174" },
);

const programs = new Programs(appFolder);
await host(programs, start);

async function start(end: (code: number) => void): Promise<void> {
  const taken = new Set<number>();
  const { port, sitePort, pagePort, serverUrl, siteUrl, pageUrl } = await chooseDemoPorts(flags, taken);
  process.stdout.write("Starting the server, pushing the functions, building the page ...\n");

  // Without a key of one's own no mail leaves this computer: the app's requests to Resend end in a page here.
  const mails =
    process.env["RESEND_API_KEY"] === undefined
      ? await startResend(await chooseListenPort(flags["mail-port"], taken))
      : null;
  const egress = mails === null ? [] : ["--egress", `https://api.resend.com=${mails.url}`];
  const server = programs.runServer(port, sitePort, ".lenslet", egress);
  const setup = [
    path.join(appFolder, "scripts/setup.ts"),
    `SITE_URL=${pageUrl}`,
    `RESEND_API_KEY=${process.env["RESEND_API_KEY"] ?? "re_local"}`,
  ];
  const page = await programs.runPages(appFolder, server, { serverUrl, siteUrl, pagePort }, () =>
    succeeded(programs.run("setup", setup, {})),
  );
  process.stdout.write(`
  Starter chat   ${pageUrl}
  Mails          ${mails?.url ?? "go out through Resend"}
  Server         ${serverUrl}   (data in apps/starter-chat/.lenslet)

Create an account; any address will do${mails === null ? "" : ", its mails are shown at the second address"}. To chat with
yourself, create another one in a private window, and share a chat with it.
Functions in apps/starter-chat/convex are pushed whenever you save them. Ctrl-C ends everything.

`);
  programs.show([server, page], () => end(1));
}
