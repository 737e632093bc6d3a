import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ChildRun, type Exit, runToEnd } from "./childRun.ts";
import type { TestServer } from "./server.ts";
import { tempFolder } from "./tempFolder.ts";

const nodeModules = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** The file behind `npx convex`. */
export const convexBin = path.join(
  path.dirname(createRequire(import.meta.url).resolve("convex/package.json")),
  "bin/main.js",
);

export interface ConvexOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/**
 * Runs the official CLI, or another command, to its end in an app's own folder, with this server as its deployment.
 * Throws with everything that was printed when it fails.
 */
export async function runFor(server: TestServer, folder: string, command: readonly string[]): Promise<Exit> {
  const [program, ...args] = command as [string, ...string[]];
  const exit = await runToEnd(program, args, {
    cwd: folder,
    timeoutMs: 240_000,
    env: {
      HOME: tempFolder("home"),
      CONVEX_SELF_HOSTED_URL: server.url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: server.adminKey,
    },
  });
  if (exit.code !== 0) throw new Error(`${command.join(" ")} failed:\n${exit.output}\n${server.logs}`);
  return exit;
}

/** `runFor` with the official CLI; what it printed to stdout. */
export async function runConvex(
  server: TestServer,
  folder: string,
  ...args: readonly string[]
): Promise<string> {
  return (await runFor(server, folder, [process.execPath, convexBin, ...args])).stdout;
}

/** Pushes an app without touching a file of it. */
export async function pushApp(server: TestServer, folder: string): Promise<void> {
  await runConvex(server, folder, "deploy", "--yes", "--typecheck", "disable", "--codegen", "disable");
}

/** A copy of a sample project in a folder of its own, with this repository's node_modules. */
export class TestProject {
  readonly folder: string;
  readonly #home: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.#home = tempFolder("home");
  }

  /**
   * Copies `sample` (an absolute path; without it the folder stays empty) and gives it a package.json if it has none.
   * `nodeModules`: other packages than this repository's.
   */
  static create(sample?: string, options: { readonly nodeModules?: string } = {}): TestProject {
    const project = new TestProject(tempFolder("project"));
    const isSource = (file: string) => path.basename(file) !== "node_modules";
    if (sample !== undefined) fs.cpSync(sample, project.folder, { recursive: true, filter: isSource });
    fs.symlinkSync(options.nodeModules ?? nodeModules, path.join(project.folder, "node_modules"));
    if (!project.has("package.json")) {
      const manifest = { name: "sample", private: true, dependencies: { convex: "1.48.0" } };
      project.write("package.json", `${JSON.stringify(manifest, null, 2)}\n`);
    }
    return project;
  }

  /** Runs `body` with these files changed, and puts them back. */
  async withFiles<T>(edits: Readonly<Record<string, string>>, body: () => Promise<T>): Promise<T> {
    const before = Object.keys(edits).map((file) => [file, this.has(file) ? this.read(file) : null] as const);
    try {
      this.writeAll(edits);
      return await body();
    } finally {
      for (const [file, content] of before) {
        if (content === null) this.remove(file);
        else this.write(file, content);
      }
    }
  }

  /** What `lenslet dev` writes: makes plain `npx convex ...` in this folder use the server. */
  connect(server: TestServer): this {
    this.write(
      ".env.local",
      `CONVEX_SELF_HOSTED_URL=${server.url}\nCONVEX_SELF_HOSTED_ADMIN_KEY='${server.adminKey}'\n`,
    );
    return this;
  }

  /** Runs the official CLI to its end: `project.convex(["run", "messages:list"])`. */
  async convex(args: readonly string[], options: ConvexOptions = {}): Promise<Exit> {
    return await runToEnd(process.execPath, [convexBin, ...args], {
      timeoutMs: 60_000,
      ...options,
      cwd: this.folder,
      env: this.environment(options.env),
    });
  }

  /** Starts the official CLI, for commands that watch. */
  startConvex(args: readonly string[], options: Pick<ConvexOptions, "env"> = {}): ChildRun {
    return ChildRun.start(process.execPath, [convexBin, ...args], {
      cwd: this.folder,
      env: this.environment(options.env),
    });
  }

  /** A home directory of its own, so that neither a login nor anything else of the machine's user is found. */
  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { HOME: this.#home, ...more };
  }

  has(file: string): boolean {
    return fs.existsSync(path.join(this.folder, file));
  }

  read(file: string): string {
    return fs.readFileSync(path.join(this.folder, file), "utf8");
  }

  write(file: string, content: string): void {
    const target = path.join(this.folder, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, content);
  }

  writeAll(files: Readonly<Record<string, string>>): this {
    for (const [file, content] of Object.entries(files)) this.write(file, content);
    return this;
  }

  remove(file: string): void {
    fs.rmSync(path.join(this.folder, file), { recursive: true, force: true });
  }
}
