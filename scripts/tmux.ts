import { spawnSync } from "node:child_process";
import { aptInstall } from "./apt.ts";

/** Whether tmux, a terminal that programs can drive, is there. Where the script is root on Debian it installs it. */
export function ensureTmux(): boolean {
  if (hasTmux()) return true;
  aptInstall("tmux", "the tests of terminal programs");
  return hasTmux();
}

function hasTmux(): boolean {
  return spawnSync("tmux", ["-V"], { stdio: "ignore" }).status === 0;
}
