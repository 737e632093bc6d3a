import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Installs a Debian package that tests need, where this process is root on Debian; else does nothing. */
export function aptInstall(name: string, purpose: string): void {
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return;
  process.stderr.write(`Installing Debian's ${name} for ${purpose} ...\n`);
  const apt = (...args: string[]) =>
    spawnSync("apt-get", args, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  apt("update", "-qq");
  apt("install", "-y", "-qq", "--no-install-recommends", name);
}
