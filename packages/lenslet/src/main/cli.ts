import { readFileSync } from "node:fs";
import path from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { adminKeyOf } from "../auth/adminKey.ts";
import { LensletError } from "../base/errors.ts";
import { logRetentionMsDefault } from "../engine/logRetention.ts";
import { clientMetadataBehind, type ClientMetadataOf } from "../protocol/clientMetadata.ts";
import type { EgressMap } from "../runner/actionHost/egress.ts";
import type { S3Credentials, S3Location } from "../files/s3FileStore.ts";
import { addBackupCommand, addRestoreCommand } from "./backupCommands.ts";
import { dataOption } from "./commandOptions.ts";
import { openExistingDataFolder } from "./dataFolder.ts";
import { parseEgress } from "./egress.ts";
import { followSupervisor, superviseProgram } from "./processSupervisor.ts";
import type { ServerConfig } from "./server.ts";
import { endOnSignals, failWith } from "./signals.ts";

interface ServerFlags {
  data: string;
  host: string;
  port: number;
  sitePort: number;
  url?: string;
  siteUrl?: string;
  redact?: boolean;
  filesS3?: S3Location;
  heap: number;
  logRetention: number;
  egress: EgressMap;
  trustedProxies: ClientMetadataOf;
}

interface StartFlags extends ServerFlags {
  supervise: boolean;
  postgres?: string;
  nodeUrl?: string;
}

/** The `lenslet` command. Every option can also be set in the environment; status goes to stderr, data to stdout. */
export async function runCli(argv: readonly string[]): Promise<void> {
  try {
    await createProgram(argv).parseAsync([...argv]);
  } catch (error) {
    failWith(error);
  }
}

function createProgram(argv: readonly string[]): Command {
  const program = new Command("lenslet")
    .description("A reactive backend in one process that runs convex/ folders unchanged.")
    .version(packageVersion())
    .showHelpAfterError("(run with --help for usage)");
  addServerOptions(
    program
      .command("dev")
      .description("start a server for this project and push its convex/ folder on every change")
      .option("--once", "push once and leave: exit code 1 if that fails")
      .option("--no-push", "start the server only; run `npx convex dev` yourself")
      .argument("[convexArgs...]", "arguments for `convex dev`, after --"),
  ).action(async (convexArgs: string[], flags: ServerFlags & { once?: true; push: boolean }) => {
    const { runDev } = await import("./dev.ts");
    await runDev(configOf(flags), {
      once: flags.once === true,
      push: flags.push,
      convexArgs,
      projectFolder: process.cwd(),
    });
  });
  addServerOptions(
    program
      .command("start")
      .description("start a server and nothing else, e.g. in production")
      .option(
        "--no-supervise",
        "no parent process that starts the server again after a crash (LENSLET_SUPERVISE=0)",
      )
      .option(
        "--postgres <url>",
        "keep the log in PostgreSQL, for several nodes: one writes, the others serve live queries and take over: postgresql://user:password@host:5432/database; the data folder is a replica that can be thrown away (LENSLET_POSTGRES_URL)",
        process.env["LENSLET_POSTGRES_URL"],
      )
      .option(
        "--node-url <origin>",
        "address of this node for the others, if not http://<host>:<port> (LENSLET_NODE_URL)",
        parseOrigin,
        envOption<string | undefined>("LENSLET_NODE_URL", undefined, parseOrigin),
      ),
  ).action(async (flags: StartFlags) => {
    const { postgres, nodeUrl = null } = flags;
    const config: ServerConfig = {
      ...configOf(flags),
      ...(postgres === undefined || postgres === "" ? {} : { postgres: { url: postgres, nodeUrl } }),
    };
    if (flags.supervise && process.env["LENSLET_SUPERVISE"] !== "0") {
      await superviseProgram({
        args: [...process.execArgv, ...argv.slice(1), "--no-supervise"],
        report: (message) => config.report("error", message),
      });
      return;
    }
    // Loaded here: a process that only watches over the server has no use for it.
    const { startServer } = await import("./server.ts");
    const server = await startServer(config);
    // Before the message: whoever waits for it may send a signal at once.
    endOnSignals(() => server.close());
    followSupervisor(() => server.close());
    process.stderr.write(
      `Lenslet is running.\n  API   ${server.cloudUrl}\n  HTTP actions  ${server.siteUrl}\n`,
    );
  });
  addBackupCommand(program, packageVersion());
  addRestoreCommand(program);
  program
    .command("admin-key")
    .description("print the admin key of a data folder")
    .addOption(dataOption())
    .action(({ data }: { data: string }) => {
      const instance = openExistingDataFolder(data);
      process.stdout.write(`${adminKeyOf(instance.name, instance.secret)}\n`);
    });
  return program;
}

function addServerOptions(command: Command): Command {
  const env = process.env;
  return command
    .addOption(dataOption())
    .option("--host <address>", "address to listen on (LENSLET_HOST)", env["LENSLET_HOST"] ?? "127.0.0.1")
    .option(
      "--port <number>",
      "port of the API (LENSLET_PORT)",
      parsePort,
      envOption("LENSLET_PORT", 3210, parsePort),
    )
    .option(
      "--site-port <number>",
      "port of HTTP actions (LENSLET_SITE_PORT)",
      parsePort,
      envOption("LENSLET_SITE_PORT", 3211, parsePort),
    )
    .option(
      "--url <origin>",
      "address clients use, if not http://<host>:<port> (LENSLET_URL)",
      parseOrigin,
      envOption<string | undefined>("LENSLET_URL", undefined, parseOrigin),
    )
    .option(
      "--site-url <origin>",
      "the same for HTTP actions (LENSLET_SITE_URL)",
      parseOrigin,
      envOption<string | undefined>("LENSLET_SITE_URL", undefined, parseOrigin),
    )
    .option(
      "--redact",
      "hide error texts and logs from clients, as in production (LENSLET_REDACT=1)",
      env["LENSLET_REDACT"] === "1" || undefined,
    )
    .option(
      "--files-s3 <url>",
      "keep files in S3: https://<endpoint>/<bucket>/<prefix>?region=<region> (LENSLET_FILES_S3); credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
      parseS3Location,
      envOption<S3Location | undefined>("LENSLET_FILES_S3", undefined, parseS3Location),
    )
    .option(
      "--heap <MiB>",
      "memory of the engine thread (LENSLET_HEAP)",
      parseHeap,
      envOption("LENSLET_HEAP", 4096, parseHeap),
    )
    .addOption(
      new Option(
        "--log-retention <duration>",
        "how long every change stays in the log, for streaming export and recovery to a point in time, e.g. 36h (LENSLET_LOG_RETENTION)",
      )
        .argParser(parseDuration)
        .default(
          envOption("LENSLET_LOG_RETENTION", logRetentionMsDefault, parseDuration),
          process.env["LENSLET_LOG_RETENTION"] || "14d",
        ),
    )
    .addOption(
      new Option(
        "--trusted-proxies <list>",
        "who may say in X-Forwarded-For where a client is: addresses and ranges like 10.0.0.0/8, separated by commas; loopback, private (with loopback) and none are such ranges too (LENSLET_TRUSTED_PROXIES)",
      )
        .argParser(parseProxies)
        .default(
          envOption("LENSLET_TRUSTED_PROXIES", parseProxies("loopback"), parseProxies),
          process.env["LENSLET_TRUSTED_PROXIES"] || "loopback",
        ),
    )
    .option(
      "--egress <origin=address>",
      "send what functions request from an origin elsewhere, e.g. https://api.example.com=http://127.0.0.1:4010; may be repeated (LENSLET_EGRESS, separated by commas)",
      addEgress,
      envOption<EgressMap>("LENSLET_EGRESS", {}, parseEgress),
    );
}

function configOf(flags: ServerFlags): ServerConfig {
  return {
    dataFolder: path.resolve(flags.data),
    host: flags.host,
    port: flags.port,
    sitePort: flags.sitePort,
    cloudUrl: flags.url ?? null,
    siteUrl: flags.siteUrl ?? null,
    redactErrors: flags.redact === true,
    files: flags.filesS3 === undefined ? null : { location: flags.filesS3, credentials: s3Credentials() },
    heapMaxMib: flags.heap,
    logRetentionMs: flags.logRetention,
    egress: flags.egress,
    clientMetadataOf: flags.trustedProxies,
    report: (level, message) =>
      process.stderr.write(`lenslet: ${level === "info" ? "" : `${level}: `}${message}\n`),
  };
}

/** Path style, which every S3-compatible store understands. */
function parseS3Location(text: string): S3Location {
  const url = URL.parse(text);
  const [bucket = "", ...prefix] = url?.pathname.split("/").filter((part) => part !== "") ?? [];
  if (url === null || !/^https?:$/.test(url.protocol) || bucket === "")
    throw new InvalidArgumentError("an address like https://s3.eu-central-1.amazonaws.com/bucket is needed.");
  return {
    bucketUrl: `${url.origin}/${bucket}`,
    prefix: prefix.map((part) => `${part}/`).join(""),
    region: url.searchParams.get("region") ?? process.env["AWS_REGION"] ?? "us-east-1",
  };
}

/** From the environment alone: what is on a command line is seen by everybody on the machine. */
function s3Credentials(): S3Credentials {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
    throw new LensletError(
      "BadRequest",
      "InvalidSetting",
      "Files in S3 need credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    );
  }
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError("a port is a number from 0 (any free one) to 65535.");
  return port;
}

/** Below this Node cannot even start a thread. */
const heapMibMin = 128;

function parseHeap(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < heapMibMin)
    throw new InvalidArgumentError(`a whole number of at least ${heapMibMin} is needed.`);
  return number;
}

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const durationDaysMax = 36_500;

/** Milliseconds. */
function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const durationMs = Number(count) * (unitMs[unit as keyof typeof unitMs] ?? Number.NaN);
  if (!(durationMs > 0 && durationMs <= durationDaysMax * unitMs.d))
    throw new InvalidArgumentError("a number with s, m, h or d is needed, e.g. 14d or 36h.");
  return durationMs;
}

/** The CLI and the clients append paths to it; behind a path of its own the API is not served. */
function parseOrigin(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search || url.hash)
    throw new InvalidArgumentError("an origin like https://api.example.com is needed, without a path.");
  return url.origin;
}

function parseProxies(text: string): ClientMetadataOf {
  const metadataOf = clientMetadataBehind(text);
  if (metadataOf === null)
    throw new InvalidArgumentError(
      "addresses, ranges like 10.0.0.0/8, loopback, private or none are needed.",
    );
  return metadataOf;
}

function addEgress(text: string, before: EgressMap): EgressMap {
  try {
    return { ...before, ...parseEgress(text) };
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function envOption<T>(name: string, fallback: T, parse: (text: string) => T): T {
  const text = process.env[name];
  if (text === undefined || text === "") return fallback;
  try {
    return parse(text);
  } catch (error) {
    throw new LensletError("BadRequest", "InvalidSetting", `${name}=${text}: ${(error as Error).message}`);
  }
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return manifest.version;
}
