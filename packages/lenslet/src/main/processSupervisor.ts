import { type ChildProcess, spawn } from "node:child_process";
import { endOnSignals } from "./signals.ts";

/** A crash sooner than this after the one before makes the next start wait longer. */
const calmMs = 60_000;
const backoffMsMin = 100;
const backoffMsMax = 10_000;

const readyMessage = "lenslet-ready";

export interface SupervisedProgram {
  /** Node flags, script and arguments of the server process. */
  readonly args: readonly string[];
  readonly report: (message: string) => void;
}

/**
 * `lenslet start`: a small parent that starts the server as its child and starts it again when it dies, because there
 * are ends no thread can prevent: a V8 fatal error, the kernel's out-of-memory killer. Clients reconnect; what was
 * acknowledged is in the log. A server that ends before it was ever ready has a reason that starting again does not
 * change (a port in use, a broken setting): its exit code is passed on.
 */
export async function superviseProgram(program: SupervisedProgram): Promise<void> {
  let child: ChildProcess | null = null;
  let ending = false;
  let wakeUp: () => void = () => {};
  const exited = Promise.withResolvers<void>();
  endOnSignals(
    async () => {
      ending = true;
      child?.kill("SIGTERM");
      wakeUp();
      await exited.promise;
    },
    // The second signal is for a server that does not end.
    () => child?.kill("SIGKILL"),
  );
  let everReady = false;
  for (let waitMs = backoffMsMin; ;) {
    const startedMs = performance.now();
    const run = startChild(program.args);
    child = run.process;
    const { code, signal, ready } = await run.ended;
    child = null;
    everReady ||= ready;
    if (ending && code !== 0) process.exit(code ?? 1);
    if (ending) break;
    if (code === 0 || !everReady) process.exit(code ?? 1);
    waitMs = performance.now() - startedMs > calmMs ? backoffMsMin : Math.min(waitMs * 2, backoffMsMax);
    program.report(
      `the server process ended (${signal ?? `exit code ${code}`}); it is started again in ${waitMs / 1000} s`,
    );
    await new Promise<void>((resolve) => {
      wakeUp = resolve;
      setTimeout(resolve, waitMs);
    });
    if (ending) break;
  }
  exited.resolve();
}

/** For the child: tells the parent that the server answers, and ends with `close` when the parent is gone. */
export function followSupervisor(close: () => Promise<void>): void {
  if (process.send === undefined) return;
  process.send(readyMessage);
  process.once("disconnect", () => {
    close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly ready: boolean;
}

function startChild(args: readonly string[]): { process: ChildProcess; ended: Promise<ChildEnd> } {
  // A process group of its own: Ctrl-C in a terminal reaches the parent alone, which asks the child to drain once.
  const child = spawn(process.execPath, [...args], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    detached: process.platform !== "win32",
  });
  let ready = false;
  child.on("message", (message) => {
    if (message === readyMessage) ready = true;
  });
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal, ready }));
    child.once("error", () => resolve({ code: 1, signal: null, ready }));
  });
  return { process: child, ended };
}
