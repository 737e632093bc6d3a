import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const stopMsMax = 10_000;
const outputKeptMax = 20_000;

export interface SpawnOptions {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Core to pin the process and its threads and children to; null: none. */
  readonly core: number | null;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** A process of the bench: a system under test, a load generator or a tool. */
export class Child {
  readonly name: string;
  readonly pid: number | undefined;
  /** The end of what the process printed, for error messages. */
  output = "";
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  #nextId = 1;
  #running = true;
  #failure: Error | null = null;

  constructor(options: SpawnOptions) {
    this.name = options.name;
    const [program, args] =
      options.core === null
        ? [options.program, options.args]
        : ["taskset", ["-c", String(options.core), options.program, ...options.args]];
    // Its own process group, so that Ctrl-C reaches the bench only, which then ends its children in order.
    this.#process = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    this.pid = this.#process.pid;
    const keep = (chunk: Buffer) => {
      this.output = (this.output + chunk.toString()).slice(-outputKeptMax);
    };
    this.#process.stdout?.on("data", keep);
    this.#process.stderr?.on("data", keep);
    this.#process.on("message", (message) => this.#settle(message as Reply));
    this.#exited = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#running = false;
        this.#failure = new Error(`${this.name} ${reason}\n${this.output.trim()}`);
        for (const { reject } of this.#waiting.values()) reject(this.#failure);
        this.#waiting.clear();
        resolve();
      };
      this.#process.once("error", (error) => end(`could not be started: ${error.message}`));
      this.#process.once("exit", (code, signal) => end(`ended (${signal ?? `exit code ${code}`})`));
    });
  }

  /** As the list that `cpuTimeUs` takes. */
  get pids(): readonly number[] {
    return this.pid === undefined ? [] : [this.pid];
  }

  get running(): boolean {
    return this.#running;
  }

  /** Calls a function that the process offers with `serveCalls`. @throws its error, or that the process ended */
  call<Result>(name: string, argument: unknown = null): Promise<Result> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as Result), reject });
      this.#process.send({ id, name, argument });
    });
  }

  /** Resolves when the process has ended by itself. */
  async ended(): Promise<number | null> {
    await this.#exited;
    return this.#process.exitCode;
  }

  async stop(): Promise<void> {
    if (this.#running) this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.killNow(), stopMsMax);
    await this.#exited;
    clearTimeout(timer);
  }

  /** The whole group, at once: for the last moment, when nothing can be awaited any more. */
  killNow(): void {
    if (!this.#running || this.pid === undefined) return;
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // It ended in the meantime.
    }
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    this.#waiting.delete(reply.id);
    if (reply.error === undefined) waiting.resolve(reply.result);
    else waiting.reject(new Error(`${this.name}: ${reply.error}`));
  }
}

/** Every process the bench has started; all of them end with it. */
export class Children {
  readonly #children: Child[] = [];
  #ended = false;

  /** @throws once `stopAll` has been called */
  spawn(options: SpawnOptions): Child {
    if (this.#ended) throw new Error(`${options.name} is not started: the bench is ending`);
    const child = new Child(options);
    this.#children.push(child);
    return child;
  }

  /** Starts a TypeScript file of the bench that offers calls (bench/harness/calls.ts). */
  spawnModule(name: string, file: URL, core: number | null, config: unknown = null): Child {
    return this.spawn({
      name,
      program: process.execPath,
      args: ["--disable-warning=ExperimentalWarning", fileURLToPath(file), JSON.stringify(config)],
      core,
    });
  }

  /** In reverse order of starting: what was started first (a database) is what others need. */
  async stopAll(): Promise<void> {
    this.#ended = true;
    for (const child of this.#children.splice(0).reverse()) await child.stop();
  }

  killAll(): void {
    for (const child of this.#children) child.killNow();
  }
}
