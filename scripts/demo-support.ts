import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { startOpenAi } from "../packages/stand-ins/src/openAi.ts";
import { startResend } from "../packages/stand-ins/src/resend.ts";
import { startTwilio } from "../packages/stand-ins/src/twilio.ts";
import { binOf } from "./pages.ts";
import { chooseDemoPorts, demoFlags, host, Programs, repositoryFolder, succeeded } from "./programs.ts";

// `npm run demo:support`: the support desk on a server of its own, with local stand-ins for the language model, mail
// and SMS. A key in the environment (OPENROUTER_API_KEY, RESEND_API_KEY, TWILIO_AUTH_TOKEN) means the real service.

const appFolder = path.join(repositoryFolder, "apps/support-desk");
const convexFolder = path.join(appFolder, "packages/convex");
const convexBin = binOf(appFolder, "convex", "bin/main.js");

const flags = demoFlags(
  {
    command: "npm run demo:support",
    about: "The support desk: chat widget, bot with a knowledge base, agents' console.",
  },
  { port: "3230", "site-port": "3231", "page-port": "4183" },
);

const adminEmails = process.env["ADMIN_EMAILS"] ?? "admin@example.com";
const adminEmail = adminEmails.split(",")[0]?.trim().toLowerCase() ?? "";

const programs = new Programs(convexFolder);
await host(programs, start);

async function start(end: (code: number) => void): Promise<void> {
  const { port, sitePort, pagePort, serverUrl } = await chooseDemoPorts(flags);
  process.stdout.write("Starting the server, pushing the functions, building the pages ...\n");
  const server = programs.runServer(port, sitePort, ".lenslet");
  const said: string[] = [];
  const page = await programs.runPages(appFolder, server, { serverUrl, pagePort }, async () => {
    await programs.setVariables(convexBin, ".lenslet", await services(said));
    await succeeded(
      programs.run(
        "seed data",
        [convexBin, "run", "seed/demo:fill", JSON.stringify(adminEmail === "" ? {} : { adminEmail })],
        {},
      ),
    );
  });
  process.stdout.write(`
  The shop's page   http://127.0.0.1:${pagePort}               (the chat is the button in the corner)
  The console       http://127.0.0.1:${pagePort}/console.html   (sign in as sam@example.com${adminEmail === "" ? "" : `, or ${adminEmail}`})
  Server            ${serverUrl}   (data in apps/support-desk/packages/convex/.lenslet)

${said.map((line) => `${line}\n`).join("")}Ctrl-C ends everything.

`);
  programs.show([server, page], () => end(1));
}

/**
 * The deployment's environment variables: what this process was given, and stand-ins for the rest. What there is to know
 * of them is added to `said`.
 */
async function services(said: string[]): Promise<Record<string, string>> {
  const { env } = process;
  const variables: Record<string, string> = {
    JWT_SECRET: keptSecret(),
    ADMIN_EMAILS: adminEmails,
  };
  const given = (...names: string[]) => {
    for (const name of names) if (env[name] !== undefined) variables[name] = env[name];
  };
  if (env["OPENROUTER_API_KEY"] === undefined && env["OPENAI_API_KEY"] === undefined) {
    variables["OPENAI_BASE_URL"] = `${(await startOpenAi()).url}/v1`;
    said.push("No OPENROUTER_API_KEY is set: a stand-in answers, by quoting the knowledge base.");
  } else given("OPENROUTER_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "CHAT_MODEL", "EMBEDDING_MODEL");
  if (env["RESEND_API_KEY"] === undefined) {
    const resend = await startResend();
    variables["RESEND_BASE_URL"] = resend.url;
    variables["RESEND_API_KEY"] = "stand-in";
    said.push("No RESEND_API_KEY is set: mail is not sent. The codes to sign in with are printed here.");
    let shown = 0;
    setInterval(() => {
      for (const { to, subject } of resend.outbox.slice(shown))
        process.stdout.write(`  mail to ${to.join()}: ${subject}\n`);
      shown = resend.outbox.length;
    }, 300).unref();
  } else given("RESEND_API_KEY", "MAIL_FROM");
  if (env["TWILIO_AUTH_TOKEN"] === undefined) {
    const account = { accountSid: `AC${"0".repeat(32)}`, authToken: "stand-in" };
    const twilio = await startTwilio(account);
    Object.assign(variables, {
      TWILIO_ACCOUNT_SID: account.accountSid,
      TWILIO_AUTH_TOKEN: account.authToken,
      TWILIO_FROM: "+15005550006",
      TWILIO_BASE_URL: twilio.url,
    });
    said.push(`No TWILIO_AUTH_TOKEN is set: SMS are not sent; see ${twilio.url}/outbox.`);
  } else given("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "TWILIO_WEBHOOK_URL");
  return variables;
}

/** Sessions outlive a restart of the demo. */
function keptSecret(): string {
  const file = path.join(convexFolder, ".lenslet/demo-secret");
  if (fs.existsSync(file)) return fs.readFileSync(file, "utf8");
  const secret = randomBytes(32).toString("hex");
  fs.writeFileSync(file, secret, { mode: 0o600 });
  return secret;
}
