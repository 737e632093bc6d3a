import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";

// What `npm start` and `npm run watch-demo` share: Node programs that are started, waited for and ended together.

const startTimeoutMs = 120_000;
const endTimeoutMs = 10_000;

export interface Run {
  readonly name: string;
  readonly child: ChildProcess;
  readonly output: () => string;
}

/** The Node programs of one script. */
export class Programs {
  readonly #folder: string;
  readonly #children = new Set<ChildProcess>();
  #isEnding = false;

  /** @param folder where they run */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Runs a Node program, its output kept for the case that it fails. */
  run(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Run {
    // A group of its own: Ctrl-C in the terminal reaches this process only, which then ends the others in order.
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
      detached: true,
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    let output = "";
    const keep = (chunk: Buffer) => {
      // The end of it is enough to see why something failed.
      output = (output + chunk.toString()).slice(-outputCharsMax);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    return { name, child, output: () => output };
  }

  /** Ends them (they finish what they have begun). False: somebody else is already at it. */
  async end(): Promise<boolean> {
    if (this.#isEnding) return false;
    this.#isEnding = true;
    const ended = [...this.#children].map((child) => new Promise((resolve) => child.once("exit", resolve)));
    for (const child of this.#children) child.kill("SIGINT");
    const timer = setTimeout(() => {
      for (const child of this.#children) child.kill("SIGKILL");
    }, endTimeoutMs);
    await Promise.all(ended);
    clearTimeout(timer);
    return true;
  }
}

const outputCharsMax = 200_000;

/** Resolves when the program has printed something that matches; rejects with what it printed if it ends first. */
export async function until({ name, child, output }: Run, pattern: RegExp): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(`The ${name} ${reason}:\n\n${output()}`));
    const timer = setTimeout(() => fail("did not get ready in time"), startTimeoutMs);
    const look = () => {
      if (!pattern.test(output())) return;
      clearTimeout(timer);
      child.stdout?.off("data", look);
      child.stderr?.off("data", look);
      resolve();
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`has ended (${code})`);
    });
  });
}

/** Resolves when it has ended well; rejects with what it printed otherwise. */
export async function succeeded({ name, child, output }: Run): Promise<void> {
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`The ${name} has failed:\n\n${output()}`);
}

/** The port asked for, or any free one if it is taken. */
export async function chooseListenPort(text: string, taken: Set<number>): Promise<number> {
  const wanted = Number(text);
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > 65_535)
    throw new Error(`"${text}" is no port: a number from 0 (any free one) to 65535 is needed.`);
  let port = taken.has(wanted) ? null : await tryListen(wanted);
  while (port === null || taken.has(port)) port = await tryListen(0);
  taken.add(port);
  return port;
}

function tryListen(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(null));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      const found = typeof address === "object" && address !== null ? address.port : null;
      probe.close(() => resolve(found));
    });
  });
}
