import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const candidates = [
  process.env["LENSLET_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Path of an installed Chrome or Chromium. Where the script is root on Debian it installs one; else null. */
export function ensureChromium(): string | null {
  const found = findChromium();
  if (found !== null) return found;
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return null;
  process.stderr.write("Installing Debian's chromium for the browser tests ...\n");
  const apt = (...args: string[]) =>
    spawnSync("apt-get", args, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  apt("update", "-qq");
  apt("install", "-y", "-qq", "--no-install-recommends", "chromium");
  return findChromium();
}

export function findChromium(): string | null {
  return candidates.find((path) => path !== undefined && path !== "" && existsSync(path)) ?? null;
}
