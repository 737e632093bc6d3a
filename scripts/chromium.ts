import { existsSync } from "node:fs";
import { aptInstall } from "./apt.ts";

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
  aptInstall("chromium", "the browser tests");
  return findChromium();
}

export function findChromium(): string | null {
  return candidates.find((path) => path !== undefined && path !== "" && existsSync(path)) ?? null;
}
