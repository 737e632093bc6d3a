import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";

/**
 * Installs the packages of a folder's own lock file, unless that has been done since the file changed: they are no part
 * of this repository's installation.
 */
export async function installLockedPackages(folder: string): Promise<void> {
  const lock = path.join(folder, "package-lock.json");
  const marker = path.join(folder, "node_modules/.package-lock.json");
  if (fs.existsSync(marker) && fs.statSync(marker).mtimeMs >= fs.statSync(lock).mtimeMs) return;
  process.stderr.write("Installing the component packages (npm ci) ...\n");
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  // What goes to stdout may be read as the result of a run.
  const npm = spawn("npm", args, { cwd: folder, stdio: ["ignore", process.stderr, process.stderr] });
  const [code] = (await once(npm, "close")) as [number | null];
  if (code !== 0) throw new Error(`npm ci ended with ${code}`);
  fs.utimesSync(marker, new Date(), new Date());
}
