import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { stripVTControlCharacters } from "node:util";

export interface Exit {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both streams in the order of arrival. */
  readonly output: string;
}

export interface ChildOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to stdin, which is then closed; without it stdin is closed from the start. */
  readonly input?: string;
  /** Leaves stdin open for `write`. */
  readonly writable?: boolean;
}

const running = new Set<ChildRun>();
process.on("exit", () => {
  for (const run of running) run.signalGroup("SIGKILL");
});

/**
 * One child process with its output captured (colours stripped). It leads a process group of its own, so that what it
 * has started can be ended with it, and so that a Ctrl-C in a terminal can be imitated with `signalGroup`.
 */
export class ChildRun {
  readonly #child: ChildProcess;
  readonly #title: string;
  readonly #exit: Promise<Exit>;
  #stdout = "";
  #stderr = "";
  #output = "";
  #position = 0;
  #ended = false;
  readonly #changed = new Set<() => void>();

  private constructor(command: string, args: readonly string[], options: ChildOptions) {
    this.#title = [command, ...args].map((part) => part.split("/").at(-1)).join(" ");
    this.#child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...baseEnvironment(), ...options.env },
      stdio: [options.input === undefined && options.writable !== true ? "ignore" : "pipe", "pipe", "pipe"],
      detached: true,
    });
    running.add(this);
    this.#child.stdin?.on("error", () => {});
    if (options.writable !== true) this.#child.stdin?.end(options.input);
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#append(text);
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#append(text);
    });
    this.#exit = this.#untilExit();
    this.#exit.catch(() => {});
  }

  static start(command: string, args: readonly string[], options: ChildOptions): ChildRun {
    return new ChildRun(command, args, options);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** To stdin of a process that was started `writable`. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  get output(): string {
    return stripVTControlCharacters(this.#output);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Waits until the output that follows the last match holds `pattern`; returns the text up to and including it.
   * Fails with all output when the process ends or `timeoutMs` passes first.
   */
  async until(pattern: RegExp | string, timeoutMs = 30_000): Promise<string> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const text = this.output.slice(this.#position);
      const end = endOfMatch(text, pattern);
      if (end !== null) {
        this.#position += end;
        return text.slice(0, end);
      }
      if (this.#ended) throw this.#failure(`ended without printing ${String(pattern)}`);
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw this.#failure(`has not printed ${String(pattern)} within ${timeoutMs} ms`);
      await this.#change(leftMs);
    }
  }

  /** Waits for the end of the process; kills it and fails when that takes longer than `timeoutMs`. */
  async exit(timeoutMs = 30_000): Promise<Exit> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        this.signalGroup("SIGKILL");
        reject(this.#failure(`has not ended within ${timeoutMs} ms`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([this.#exit, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To the process and everything it has started that is still in its group, as a terminal does. */
  signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group is gone already, which is what every caller is after.
    }
  }

  /** Ends the whole group at once; safe to call at any time. */
  async dispose(): Promise<void> {
    this.signalGroup("SIGKILL");
    await this.#exit;
  }

  async #untilExit(): Promise<Exit> {
    const [code, signal] = (await once(this.#child, "close")) as [number | null, NodeJS.Signals | null];
    this.#ended = true;
    running.delete(this);
    this.#notify();
    return {
      code,
      signal,
      stdout: stripVTControlCharacters(this.#stdout),
      stderr: stripVTControlCharacters(this.#stderr),
      output: this.output,
    };
  }

  #append(text: string): void {
    this.#output += text;
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#changed) wake();
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#changed.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#changed.add(wake);
    });
  }

  #failure(what: string): Error {
    return new Error(`${this.#title} ${what}. Its output:\n${this.output}`);
  }
}

/** Runs a command to its end. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: ChildOptions & { readonly timeoutMs?: number },
): Promise<Exit> {
  return await ChildRun.start(command, args, options).exit(options.timeoutMs);
}

function endOfMatch(text: string, pattern: RegExp | string): number | null {
  if (typeof pattern === "string") {
    const at = text.indexOf(pattern);
    return at < 0 ? null : at + pattern.length;
  }
  const match = pattern.exec(text);
  return match === null ? null : match.index + match[0].length;
}

/**
 * The machine's environment without anything that changes what the two CLIs do: no settings of Convex, Lenslet, Node
 * or an AI agent. The cloud's address is a closed port: a request to it fails, and crashes are not reported to anyone.
 */
function baseEnvironment(): Record<string, string> {
  const kept = ["PATH", "TMPDIR", "LANG", "LC_ALL"];
  const env: Record<string, string> = {};
  for (const name of kept) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return {
    ...env,
    TZ: "UTC",
    NO_COLOR: "1",
    CONVEX_PROVISION_HOST: "http://127.0.0.1:9",
    CONVEX_VERSION_API_ORIGIN: "http://127.0.0.1:9",
  };
}
