import { LensletError } from "../base/errors.ts";

/**
 * Named moments at which the crash tests make the process end itself as `kill -9` would:
 * LENSLET_FAILPOINT=<name>, or <name>:<n> for the n-th time.
 */
export const failpointNames = [
  /** The engine has handed commits to the log; nobody has been answered, and they may or may not be durable. */
  "engine.appended",
  /** The engine has its answers ready to post; the commits they tell of are on their way to the log. */
  "engine.answering",
  /** The log is durable up to what the answers show; none is on its way to a client. */
  "net.durable",
  /** The store is about to be persisted up to what the log holds. */
  "store.persisting",
  "store.persisted",
  /** A push is committed as a whole, and durable; the CLI has not been told. */
  "push.finished",
] as const;
export type FailpointName = (typeof failpointNames)[number];

/** Called at each moment; returns, unless this is the one to die at. */
export type Failpoint = (name: FailpointName) => void;

/** Each thread makes its own from the environment; a name is passed in one thread only. */
export function failpointOf(text: string | undefined): Failpoint {
  if (text === undefined || text === "") return () => {};
  const [chosen, count = "1"] = text.split(":");
  let left = Number(count);
  if (!failpointNames.some((name) => name === chosen) || !(left >= 1)) {
    throw new LensletError(
      "Internal",
      "FailpointUnknown",
      `LENSLET_FAILPOINT=${text} is not one of ${failpointNames.join(", ")}, with or without :<n>.`,
    );
  }
  return (name) => {
    if (name !== chosen) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  };
}

/** Passes a failpoint before or after each call of a method of `object`. */
export function failAround<K extends string>(
  object: { [name in K]: (...args: never[]) => unknown },
  method: K,
  moments: { readonly before?: () => void; readonly after?: () => void },
): void {
  const original = object[method].bind(object) as (...args: unknown[]) => unknown;
  const replaced = (...args: unknown[]): unknown => {
    moments.before?.();
    const result = original(...args);
    moments.after?.();
    return result;
  };
  object[method] = replaced;
}
