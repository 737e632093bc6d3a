import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export interface Config {
  /** Secret of the deployment's feed; null where none is known. */
  readonly feedKey: string | null;
  readonly name: string;
  readonly wallet: string;
}

const appFolder = fileURLToPath(new URL("../../..", import.meta.url));

/**
 * Reads `.env.local` of the app into the environment (what is set already wins) and returns what the programs need. The
 * deployment's address is not in it: `getConvexClient` reads CONVEX_URL itself.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, folder = appFolder): Config {
  loadEnvFile(path.join(folder, ".env.local"), env);
  return {
    feedKey: nonEmpty(env["FEED_KEY"]),
    name: nonEmpty(env["WATCH_NAME"]) ?? defaultName(),
    wallet: nonEmpty(env["WATCH_WALLET"]) ?? rememberedWallet(env),
  };
}

function loadEnvFile(file: string, env: NodeJS.ProcessEnv): void {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch {
    return;
  }
  for (const line of text.split("\n")) {
    const match = /^\s*([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const [, name, value] = match as unknown as [string, string, string];
    env[name] ??= value.replace(/^(['"])(.*)\1$/, "$2");
  }
}

/** A wallet's address made up once per machine and kept, so that one stays the same person in the chat. */
function rememberedWallet(env: NodeJS.ProcessEnv): string {
  const folder = path.join(
    nonEmpty(env["XDG_CONFIG_HOME"]) ?? path.join(os.homedir(), ".config"),
    "liquidation-watch",
  );
  const file = path.join(folder, "wallet");
  const fresh = `0x${randomBytes(20).toString("hex")}`;
  try {
    const known = fs.readFileSync(file, "utf8").trim();
    if (known !== "") return known;
  } catch {
    // Made below.
  }
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    fs.writeFileSync(file, `${fresh}\n`, { mode: 0o600 });
  } catch {
    // A home that cannot be written: somebody new each time.
  }
  return fresh;
}

function defaultName(): string {
  try {
    return os.userInfo().username.slice(0, 24) || "watcher";
  } catch {
    return "watcher";
  }
}

function nonEmpty(text: string | undefined): string | null {
  return text === undefined || text.trim() === "" ? null : text.trim();
}
