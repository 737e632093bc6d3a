import { AsyncLocalStorage } from "node:async_hooks";

/** What a running function asks of the platform: the three entry points of the `convex` package's `Convex` global. */
export interface Host {
  syscall(op: string, argsJson: string): string;
  asyncSyscall(op: string, argsJson: string): Promise<string>;
  jsSyscall(op: string, args: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** A query or mutation: it may neither fetch nor wait. */
  readonly isTransaction: boolean;
  /** What `process.env` is within the function; null: the process's own. */
  readonly environment: Readonly<Record<string, string>> | null;
}

/**
 * Which function is running: every call runs in a context of its own, so that tests and functions which run at the
 * same time each reach their own database.
 */
const running = new AsyncLocalStorage<Host>();

const outside =
  "The Convex database and auth objects are being used outside of a function. Use `ctx` only inside the function that " +
  "received it, and await everything it starts before the function returns.";

function currentHost(): Host {
  const host = running.getStore();
  if (host === undefined) throw new Error(outside);
  return host;
}

const convexGlobal: Omit<Host, "isTransaction" | "environment"> = {
  syscall: (op, argsJson) => currentHost().syscall(op, argsJson),
  asyncSyscall: async (op, argsJson) => currentHost().asyncSyscall(op, argsJson),
  jsSyscall: async (op, args) => currentHost().jsSyscall(op, args),
};

/** Makes the `convex` package's functions find us. Other harnesses may be loaded as well, so it is done at each call. */
export function installHost(): void {
  const scope = globalThis as unknown as { Convex?: unknown };
  if (scope.Convex !== convexGlobal) scope.Convex = convexGlobal;
}

export function runningHost(): Host | null {
  return running.getStore() ?? null;
}

/** Runs `body` and everything it starts with `host` answering its syscalls. */
export function runWithHost<T>(host: Host, body: () => T): T {
  return running.run(host, body);
}

/** Runs `body` outside of any function: for what the harness itself starts, such as scheduled functions. */
export function runOutside<T>(body: () => T): T {
  return running.exit(body);
}
