import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";

// `npm run setup [-- NAME=value ...]`: gives the deployment what signing in needs. A secret is made once, and kept there;
// SITE_URL is where `npm run dev` serves the page, unless told otherwise.

const convexBin = path.join(
  path.dirname(createRequire(import.meta.url).resolve("convex/package.json")),
  "bin/main.js",
);

function convex(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [convexBin, ...args], { encoding: "utf8" });
  if (status === 0) return stdout;
  process.stderr.write(stderr);
  process.exit(status ?? 1);
}

const known = new Map(
  convex("env", "list")
    .split("\n")
    .map((line) => line.split("=", 2) as [string, string | undefined]),
);
const wanted = new Map<string, string>();
if (!known.has("BETTER_AUTH_SECRET")) wanted.set("BETTER_AUTH_SECRET", randomBytes(32).toString("base64url"));
if (!known.has("SITE_URL")) wanted.set("SITE_URL", "http://127.0.0.1:4321");
for (const argument of process.argv.slice(2)) {
  const at = argument.indexOf("=");
  if (at < 1) {
    process.stderr.write(`"${argument}" should be NAME=value.\n`);
    process.exit(1);
  }
  wanted.set(argument.slice(0, at), argument.slice(at + 1));
}
for (const [name, value] of wanted) {
  if (known.get(name) === value) continue;
  convex("env", "set", name, value);
  process.stdout.write(`${name} is set.\n`);
}
