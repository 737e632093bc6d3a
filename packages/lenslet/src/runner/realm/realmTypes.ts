import type { LogLevel } from "../types.ts";

/**
 * The functions in this folder are not called by the server: their source text (`toString()`) is compiled inside
 * every context, so that what they create belongs to the user's realm. Each must be self-contained: no imports but
 * types, nothing of the module around it. Host functions stay in closures and never throw into user code.
 */
export type Install = (host: RealmHost, realm: RealmControls) => void;

export type Phase = "idle" | "import" | "running";

/** Written by the host before each phase, read by the realm. */
export interface RealmState {
  phase: Phase;
  kind: "query" | "mutation" | "analysis" | "authConfig";
  nowMs: number;
  timeOriginMs: number;
  usedClock: boolean;
  /** Of the function being run. */
  outcome: "pending" | "resolved" | "rejected";
  result: unknown;
  error: unknown;
  /** This run may take the fast path. */
  fast: boolean;
  /** The result was encoded by the fast path and is within the limits of values: its text is canonical. */
  isPlainResult: boolean;
  /** Set when user code may not go on; it ends the run whatever the code catches. */
  fatal: { message: string } | { hostError: unknown } | null;
}

/** A failure crossing into user code: becomes an Error of the realm, or a DOMException when it has a name. */
export interface CrossingFailure {
  readonly message: string;
  readonly name?: string;
  readonly dataJson?: string;
}

export interface HostUrl {
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  hash: string;
  readonly searchParams: URLSearchParams;
}

export interface RealmHost {
  readonly state: RealmState;
  readonly env: Readonly<Record<string, string>>;
  syscall(op: string, args: string): string | CrossingFailure;
  /** A synchronous syscall whose arguments are JSON values. */
  fastSyscall(op: string, args: object): string | CrossingFailure;
  /** Why an operation may not be called while modules are imported. */
  importText(op: string): string;
  importDynamic(
    referrer: string,
    specifier: string,
  ): { namespace: object } | CrossingFailure | { thrown: unknown };
  random(): number;
  fillRandom(bytes: Uint8Array): void;
  /** Milliseconds since the run began. */
  elapsedMs(): number;
  /** Of a clock that never jumps, also in queries: console timers. */
  monotonicMs(): number;
  log(level: LogLevel, parts: readonly string[]): void;
  formatStack(error: unknown, sites: readonly NodeJS.CallSite[]): string;
  url(text: string, base: string | undefined): HostUrl | null;
  searchParams(text: string): URLSearchParams;
  encodeUtf8(text: string): Uint8Array;
  textDecoder(
    label: string,
    options: { fatal: boolean; ignoreBOM: boolean },
  ): { decode(bytes: Uint8Array | null, stream: boolean): string | null; encoding: string } | null;
  atob(text: string): string | null;
  btoa(text: string): string | null;
  asyncStorage(): HostAsyncStorage;
  snapshot(): (callback: () => unknown) => unknown;
  subtle(operation: string, args: readonly unknown[]): { ok: unknown } | { failure: CrossingFailure };
}

export interface HostAsyncStorage {
  run(store: unknown, callback: () => unknown): unknown;
  getStore(): unknown;
  enterWith(store: unknown): void;
  exit(callback: () => unknown): unknown;
  disable(): void;
}

export interface QueuedSyscall {
  readonly op: string;
  /** JSON text of the package; a JSON value of the fast path, which is also given failures through `resolve`. */
  readonly args: string | object;
  resolve(outcome: string | CrossingFailure): void;
  reject(error: unknown): void;
}

/** How to reach functions and classes of the `convex` package in a module, by their names; classes have no `set`. */
export type StockHooks = Readonly<
  Record<string, { readonly get: () => unknown; readonly set?: (value: unknown) => void }>
>;

export type ModuleFactory = (
  exports: (getters: Record<string, () => unknown>, stock?: StockHooks) => void,
  imports: readonly object[],
  dynamicImport: (specifier: unknown) => Promise<unknown>,
  meta: object,
) => Iterator<unknown>;

export interface ModuleRecord {
  readonly namespace: Record<string, unknown>;
  getters: Record<string, () => unknown>;
  stock: StockHooks | null;
  steps: Iterator<unknown> | null;
}

export interface ExportTarget {
  readonly name: string;
  readonly record: ModuleRecord;
  /** null: the record's namespace itself. */
  readonly local: string | null;
}

/** What the host drives. Filled in by the install functions. */
export interface RealmControls {
  queue: QueuedSyscall[];
  newRecord(): ModuleRecord;
  instantiate(
    record: ModuleRecord,
    factory: ModuleFactory,
    imports: readonly ModuleRecord[],
    path: string,
  ): void;
  defineExports(record: ModuleRecord, targets: readonly ExportTarget[]): void;
  evaluate(record: ModuleRecord): void;
  start(
    namespace: Record<string, unknown>,
    exportName: string,
    kind: "query" | "mutation",
    argsJson: string,
  ): "started" | "missing" | "notAFunction";
  /** Queues an asynchronous syscall of the fast path. */
  enqueue(op: string, args: object, resolve: (outcome: string | CrossingFailure) => void): void;
  /** The failure that the next asynchronous syscall of the package is answered with, at once. */
  canned: CrossingFailure | null;
  hookFunctions(stock: StockHooks): void;
  hookClasses(stock: StockHooks): void;
  endFastRun(): void;
  settle(items: readonly { call: QueuedSyscall; outcome: string | CrossingFailure }[]): void;
  snapshotGlobals(paths: readonly string[]): unknown;
  globalsUnchanged(snapshot: unknown): boolean;
  /** Forgets console timers: they belong to one run. */
  resetConsole(): void;
  /** Shared between the install functions. */
  makeError(failure: CrossingFailure): Error;
  define(name: string, value: unknown): void;
  DOMException: new (message?: string, name?: string) => Error;
  /** Operations on values of the realm; only actions have any. */
  jsSyscall?: (op: string, args: unknown) => Promise<unknown>;
  /** "Can't use {what} in queries and mutations..." or "{what} unsupported at import time". */
  refusal(what: string): Error;
  /** Ends the function uncatchably. */
  notImplemented(operation: string, className: string): never;
}
