import { spawnSync } from "node:child_process";

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** Runs each step, also after one has failed, and ends the process with 1 if any did. */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  const failed: string[] = [];
  for (const { name, command } of steps) {
    const [program, ...args] = command;
    const started = process.hrtime.bigint();
    process.stdout.write(`\n== ${name}: ${command.join(" ")}\n`);
    const { status } = spawnSync(program, args, { stdio: "inherit" });
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    process.stdout.write(`== ${name}: ${status === 0 ? "ok" : "FAILED"} (${seconds.toFixed(1)} s)\n`);
    if (status !== 0) failed.push(name);
  }
  if (failed.length > 0) {
    process.stdout.write(`\nfailed: ${failed.join(", ")}\n`);
    process.exit(1);
  }
}
