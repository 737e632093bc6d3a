import { type Host, runningHost } from "./host.ts";

/** What queries and mutations may not do: wait, or talk to the world (functions.md §5.2). */
const forbidden = ["fetch", "setTimeout", "setInterval"] as const;

type Guarded = (typeof forbidden)[number];

const refusals = Object.fromEntries(forbidden.map((name) => [name, refuse(name)])) as Record<
  Guarded,
  () => never
>;
const guards = new Set<unknown>();
/** What code within a query or mutation has put in the place of a global: it sees it, and nobody else does. */
const patches = new WeakMap<Host, Partial<Record<Guarded, unknown>>>();

/**
 * Makes these globals throw inside of queries and mutations. Whatever a test puts in their place, fake timers for one,
 * is kept and guarded as well; so this is done at each call.
 */
export function installGuards(): void {
  for (const name of forbidden) {
    const descriptor: unknown = Object.getOwnPropertyDescriptor(globalThis, name);
    if (!guards.has((descriptor as { readonly get?: unknown } | undefined)?.get)) guard(name);
  }
}

function guard(name: Guarded): void {
  let current: unknown = globalThis[name];
  const get = (): unknown => {
    const host = runningHost();
    if (host === null || !host.isTransaction) return current;
    return patches.get(host)?.[name] ?? refusals[name];
  };
  const set = (value: unknown): void => {
    const host = runningHost();
    if (host === null || !host.isTransaction) current = value;
    else patches.set(host, { ...patches.get(host), [name]: value });
  };
  guards.add(get);
  Object.defineProperty(globalThis, name, { configurable: true, enumerable: true, get, set });
}

function refuse(name: string): () => never {
  const operation = name === "fetch" ? "fetch()" : name;
  return () => {
    throw new Error(
      `Can't use ${operation} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`,
    );
  };
}

let hasOwnEnvironments = false;

/** Makes `process.env` what a component declares while one of its functions runs. */
export function installEnvironments(): void {
  if (hasOwnEnvironments) return;
  hasOwnEnvironments = true;
  let own = process.env;
  Object.defineProperty(process, "env", {
    configurable: true,
    enumerable: true,
    get: () => runningHost()?.environment ?? own,
    set: (value: NodeJS.ProcessEnv) => {
      own = value;
    },
  });
}
