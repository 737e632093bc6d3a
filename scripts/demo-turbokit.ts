import path from "node:path";
import type { Clerk, Person } from "../packages/stand-ins/src/clerk.ts";
import { binOf } from "./pages.ts";
import { chooseDemoPorts, demoFlags, host, Programs, repositoryFolder, type Run } from "./programs.ts";
import { type Services, startServices } from "./turbokit-services.ts";

// `npm run demo:turbokit`: TurboKit on a server of its own, with local stand-ins for everything outside. A key in the
// environment (see `turbokit-services.ts`, or what this prints) means the real service.

const appFolder = path.join(repositoryFolder, "apps/turbokit");
const backendFolder = path.join(appFolder, "packages/backend");
const convexBin = binOf(appFolder, "convex", "bin/main.js");

const ada: Person = { email: "ada@example.com", name: "Ada Lovelace" };
const ben: Person = { email: "ben@example.com", name: "Ben Okafor" };
const ines: Person = { email: "ines@example.com", name: "Ines Moreau" };

const flags = demoFlags(
  { command: "npm run demo:turbokit", about: "TurboKit: projects, files, assistant, billing, workflows." },
  { port: "3240", "site-port": "3241", "page-port": "4184" },
);

const programs = new Programs(backendFolder);
let services: Services | null = null;
await host(programs, start, async () => await services?.close());

async function start(end: (code: number) => void): Promise<void> {
  const { port, sitePort, pagePort, serverUrl, siteUrl, pageUrl } = await chooseDemoPorts(flags);
  process.stdout.write("Starting the server, pushing the functions, building the page ...\n");
  const given = { ADMIN_EMAILS: ines.email, ...process.env };
  const filesFolder = path.join(backendFolder, ".lenslet/demo-files");
  const started = await startServices({ given, siteUrl, pageUrl, people: [ada, ben, ines], filesFolder });
  services = started;
  const egress = started.egress.flatMap((rule) => ["--egress", rule]);
  const server = programs.runServer(port, sitePort, ".lenslet", ["--no-push", ...egress]);
  let functions: Run | null = null;
  const push = async () => (functions = await pushFunctions(started.variables));
  const { clerk, pageVariables: variables } = started;
  const page = await programs.runPages(
    appFolder,
    server,
    { serverUrl, pagePort, variables, push },
    async () => {
      if (clerk !== null) await fillFor(clerk, serverUrl);
    },
  );
  const signIn = clerk === null ? "" : "   (sign in as Ada, as Ben in another window, or as somebody new)";
  process.stdout.write(`
  The page     ${pageUrl}${signIn}
  Admin        ${given.ADMIN_EMAILS} sees the workflows
  Server       ${serverUrl}, HTTP actions ${siteUrl}   (data in apps/turbokit/packages/backend/.lenslet)

${standInsText(started.said)}
Ctrl-C ends everything.

`);
  programs.show(functions === null ? [server, page] : [server, functions, page], () => end(1));
}

function standInsText(said: readonly string[]): string {
  if (said.length === 0) return "All services are the real ones.\n";
  const lines = said.map((line) => `  ${line}\n`).join("");
  return `Stand-ins, with the variable that means the real service:\n${lines}`;
}

/** The functions read their variables as soon as they are there, so those come first. */
async function pushFunctions(variables: Readonly<Record<string, string>>): Promise<Run> {
  await programs.setVariables(convexBin, ".lenslet", variables);
  return programs.run("functions", [convexBin, "dev", "--tail-logs", "disable"], {});
}

/** People and projects to begin with, made as they would make them; once. */
async function fillFor(clerk: Clerk, serverUrl: string): Promise<void> {
  const as = async (person: Person) => {
    const token = await clerk.idToken(person);
    return async (kind: "query" | "mutation", name: string, args: object = {}): Promise<unknown> => {
      const answer = await fetch(`${serverUrl}/api/${kind}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ path: name, args, format: "json" }),
      });
      const { value, errorMessage } = (await answer.json()) as { value?: unknown; errorMessage?: string };
      if (errorMessage !== undefined) throw new Error(`${name}: ${errorMessage}`);
      return value;
    };
  };
  const [asAda, asBen, asInes] = await Promise.all([as(ada), as(ben), as(ines)]);
  for (const call of [asAda, asBen, asInes]) {
    const id = await call("mutation", "users:ensure");
    const me = (await call("query", "users:me")) as { onboardingCompleted: boolean };
    if (me.onboardingCompleted) return;
    await call("mutation", "users:updateUser", { id, update: { digest: true } });
    await call("mutation", "users:completeOnboarding");
  }
  const settings = { isPublic: true, allowComments: true };
  const launch = await asAda("mutation", "projects:create", {
    name: "Spring launch",
    description:
      "The new site, the mails to everybody, and a party in April. All of it has to be ready by the end of March.",
    status: "active",
    settings,
  });
  await asAda("mutation", "projects:create", {
    name: "Launch photos",
    description: "Who takes them, and which of them go on the site.",
    status: "draft",
  });
  await asAda("mutation", "projects:create", {
    name: "Office move",
    description: "Done, apart from the plants.",
    status: "archived",
  });
  await asBen("mutation", "projects:create", {
    name: "Reading group",
    description: "One book a month. Everybody may suggest the next one.",
    status: "active",
    settings,
  });
  await asBen("mutation", "messages:send", {
    projectId: launch,
    body: "The venue is booked for the 12th of April.",
  });
  await asAda("mutation", "messages:send", { projectId: launch, body: "Wonderful. I write to the band." });
}
