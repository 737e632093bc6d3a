import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appFolder } from "./watchServer.ts";

/** One of the app's programs (`cli/main.ts`, `cli/feed.ts`), or another script, with its output. */
export class Program {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
      cwd: appFolder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
  }

  get lines(): string[] {
    return this.stdout.split("\n").filter((line) => line !== "");
  }

  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.child.kill(signal);
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "close");
    return this.child.exitCode;
  }
}
