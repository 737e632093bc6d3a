import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { LensletError } from "../base/errors.ts";
import { getEnvVariable, setEnvVariables } from "./envFile.ts";
import { type RunningServer, type ServerConfig, startServer } from "./server.ts";
import { endOnSignals } from "./signals.ts";

export interface DevOptions {
  readonly once: boolean;
  /** False: only the server; the user runs the official CLI. */
  readonly push: boolean;
  readonly convexArgs: readonly string[];
  readonly projectFolder: string;
}

/**
 * `lenslet dev`: a server for this project, its address and key in .env.local, and the official CLI in watch mode
 * against it. Both end together.
 */
export async function runDev(config: ServerConfig, options: DevOptions): Promise<void> {
  const cli = options.push ? findConvexCli(options.projectFolder) : null;
  refuseCloudDeployment(options.projectFolder);
  const server = await startServer({ ...config, devIssuer: true });
  process.stderr.write(
    `Lenslet is running at ${server.cloudUrl} (data in ${path.relative(process.cwd(), config.dataFolder) || "."})\n`,
  );
  try {
    writeEnvLocal(options.projectFolder, server);
  } catch (error) {
    await server.close();
    throw error;
  }
  if (cli === null) {
    process.stderr.write(
      "Run `npx convex dev` in another terminal to push your functions. Ctrl-C ends the server.\n",
    );
    endOnSignals(() => server.close());
    return;
  }
  const args = ["dev", ...(options.once ? ["--once"] : []), ...options.convexArgs];
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: options.projectFolder,
    stdio: "inherit",
    env: cliEnvironment(server),
  });
  let toldToEnd = false;
  endOnSignals(async () => {
    toldToEnd = true;
    child.kill("SIGINT");
    await exitOf(child);
    await server.close();
  });
  const code = await exitOf(child);
  await server.close();
  // After a signal the exit code is that of `endOnSignals`, not what the CLI makes of its own.
  if (!toldToEnd) process.exit(code);
}

/** The CLI must talk to our server, whatever else this machine is set up for. */
function cliEnvironment(server: RunningServer): NodeJS.ProcessEnv {
  const { CONVEX_DEPLOYMENT: _deployment, CONVEX_DEPLOY_KEY: _key, ...rest } = process.env;
  return { ...rest, CONVEX_SELF_HOSTED_URL: server.cloudUrl, CONVEX_SELF_HOSTED_ADMIN_KEY: server.adminKey };
}

/** Before anything is started or written. */
function refuseCloudDeployment(projectFolder: string): void {
  const cloudDeployment = getEnvVariable(path.join(projectFolder, ".env.local"), "CONVEX_DEPLOYMENT");
  if (cloudDeployment !== null) {
    throw new LensletError(
      "Conflict",
      "CloudDeploymentConfigured",
      `.env.local names a cloud deployment (CONVEX_DEPLOYMENT=${cloudDeployment}), which the convex CLI does not accept beside a self-hosted one. Remove or comment out that line, then run lenslet dev again.`,
    );
  }
}

function writeEnvLocal(projectFolder: string, server: RunningServer): void {
  const file = path.join(projectFolder, ".env.local");
  const changed = setEnvVariables(file, {
    CONVEX_SELF_HOSTED_URL: server.cloudUrl,
    CONVEX_SELF_HOSTED_ADMIN_KEY: server.adminKey,
  });
  if (changed.length > 0) process.stderr.write(`Saved ${changed.join(" and ")} to .env.local\n`);
}

function findConvexCli(projectFolder: string): string {
  const require = createRequire(path.join(projectFolder, "package.json"));
  try {
    const manifestFile = require.resolve("convex/package.json");
    const manifest = JSON.parse(fs.readFileSync(manifestFile, "utf8")) as {
      bin: Record<string, string> | string;
    };
    const bin = typeof manifest.bin === "string" ? manifest.bin : manifest.bin["convex"];
    if (bin !== undefined) return path.join(path.dirname(manifestFile), bin);
  } catch {
    // Reported below: not installed is the one reason that matters to the user.
  }
  throw new LensletError(
    "NotFound",
    "ConvexPackageMissing",
    `The convex package is not installed in ${projectFolder}. Install it first: npm install convex`,
  );
}

function exitOf(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 0 : 1)));
    child.once("error", () => resolve(1));
  });
}
