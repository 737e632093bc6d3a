import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { badRequest, type LensletError } from "../base/errors.ts";
import { type ExternalPackage, installationFolder } from "../runner/externalPackages.ts";

/** `npm install` of one set of packages may take so long. */
const installMsMax = 240_000;
const outputCharsMax = 4000;

/**
 * The npm packages that "use node" code imports at run time, installed once for each set of names and versions into
 * the data folder. A set that is there is not looked at again: offline, what has been used before goes on working.
 */
export class ExternalPackages {
  /** Each installation is a folder in it, named by the hash of its packages. */
  readonly root: string;
  readonly #report: (message: string) => void;
  readonly #installing = new Map<string, Promise<void>>();

  constructor(root: string, report: (message: string) => void) {
    this.root = root;
    this.#report = report;
  }

  /** Rejects with BadRequest `ExternalPackagesNotInstalled`, whose text says what npm had to say. */
  async ensure(packages: readonly ExternalPackage[]): Promise<void> {
    if (packages.length === 0) return;
    const folder = installationFolder(this.root, packages);
    if (fs.existsSync(folder)) return;
    let installing = this.#installing.get(folder);
    if (installing === undefined) {
      installing = this.#install(packages, folder).finally(() => this.#installing.delete(folder));
      this.#installing.set(folder, installing);
    }
    await installing;
  }

  async #install(packages: readonly ExternalPackage[], folder: string): Promise<void> {
    const names = packages.map(({ name, version }) => `${name}@${version}`).join(", ");
    this.#report(`installing packages for Node actions: ${names}`);
    fs.mkdirSync(this.root, { recursive: true });
    const temporary = fs.mkdtempSync(path.join(this.root, "installing-"));
    try {
      const dependencies = Object.fromEntries(packages.map(({ name, version }) => [name, version]));
      fs.writeFileSync(
        path.join(temporary, "package.json"),
        JSON.stringify({ name: "external-packages", private: true, dependencies }),
      );
      await runNpm(temporary, names);
      // Complete or not there at all.
      fs.renameSync(temporary, folder);
    } finally {
      fs.rmSync(temporary, { recursive: true, force: true });
    }
  }
}

function runNpm(cwd: string, names: string): Promise<void> {
  const args = ["install", "--omit=dev", "--no-audit", "--no-fund", "--no-workspaces", "--loglevel=error"];
  return new Promise((resolve, reject) => {
    const child = spawn("npm", args, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: installMsMax,
      // npm is a script there.
      shell: process.platform === "win32",
    });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-outputCharsMax);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(
        notInstalled(
          names,
          error.code === "ENOENT"
            ? "npm was not found. Install it, or put it on the PATH of the server."
            : error.message,
        ),
      );
    });
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else if (signal !== null) reject(notInstalled(names, `npm took longer than ${installMsMax / 1000} s.`));
      else reject(notInstalled(names, output.trim()));
    });
  });
}

function notInstalled(names: string, reason: string): LensletError {
  return badRequest(
    "ExternalPackagesNotInstalled",
    `The packages that convex.json names as node.externalPackages could not be installed (${names}). The server needs npm and a registry for that, once for each set of versions; without a network, let the CLI bundle them: remove them from node.externalPackages. npm said: ${reason}`,
  );
}
