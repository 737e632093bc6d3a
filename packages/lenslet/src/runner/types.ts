/** One uploaded module. `path` is canonical, e.g. "dir/messages.js" or "_deps/ABC.js". */
export interface ModuleSource {
  readonly path: string;
  readonly source: string;
  readonly sourceMap: string | null;
  readonly environment: "isolate" | "node";
}

/** The code of one component at one push, with the environment it sees. Immutable. */
export interface CodeVersion {
  /** New for each push and each change of environment variables. */
  readonly id: string;
  readonly modules: ReadonlyMap<string, ModuleSource>;
  readonly env: Readonly<Record<string, string>>;
  /** Seeds `Math.random()` while modules are imported, so that every import sees the same values. */
  readonly importSeed: Uint8Array;
  /** What `Date.now()` says while modules are imported; also `performance.timeOrigin`. */
  readonly importTimestampMs: number;
}

export type LogLevel = "DEBUG" | "ERROR" | "WARN" | "INFO" | "LOG";

/** One console call. `messages` are the rendered arguments. */
export interface LogLine {
  readonly level: LogLevel;
  readonly messages: string[];
  readonly timestampMs: number;
  readonly isTruncated: boolean;
  /** Of a function that the logged one has called: whose line it is. */
  readonly source?: { readonly componentPath: string; readonly udfPath: string };
  /** A line of the server's own, e.g. "warning:TooManyWrites" (limits.md #37). */
  readonly systemCode?: string;
}

/**
 * What a running function asks of the engine. Arguments and results are JSON texts. Developer errors
 * (`isDeveloperError`) are thrown inside user code; any other error aborts the run and is rethrown by `Runner.run`.
 */
export interface RunHost {
  /** The modules are compiled and imported, the function itself begins: its time counts from here. */
  begun?(): void;
  syscall(op: string, argsJson: string): string;
  /** Null: it is not answered in this run, whose outcome the host will not use. */
  asyncSyscall(op: string, argsJson: string): string | null;
  /**
   * A database syscall of the fast path, whose arguments are JSON values: objects of the user's realm that hold plain
   * data and that no one else has. `isAlone`: the answer to `queryStreamNext` with `all` may be the JSON text of an
   * array with all rows that are left. A host without it never sees the fast path.
   */
  fastSyscall?(op: string, args: object, isAlone: boolean): string;
  log(line: LogLine): void;
}

export interface RunRequest {
  readonly kind: "query" | "mutation";
  readonly code: CodeVersion;
  /** e.g. "dir/messages.js" */
  readonly modulePath: string;
  readonly exportName: string;
  /** JSON text of the positional argument array. */
  readonly argsJson: string;
  /** 32 bytes; draws of Math.random and crypto come from it. */
  readonly seed: Uint8Array;
  /** The frozen clock of the run, whole milliseconds. */
  readonly nowMs: number;
  readonly host: RunHost;
}

/** `message` e.g. "Uncaught Error: boom"; each frame e.g. "    at handler (../convex/a.ts:3:8)". */
export interface RunFailure {
  readonly message: string;
  readonly frames: readonly string[];
  /** Convex-encoded JSON text of a ConvexError's data. */
  readonly dataJson?: string;
  /** Who has called the function cannot catch this, and ends with it. */
  readonly endsCallers?: true;
}

/**
 * `usedClock`: the run read the date or `performance.now()`, so its result ages. `isPlainResult`: the result is the
 * canonical text of a value of plain data within all limits but that of its size.
 */
export type RunOutcome =
  | {
      readonly ok: true;
      readonly resultJson: string;
      readonly isPlainResult: boolean;
      readonly usedClock: boolean;
    }
  | { readonly ok: false; readonly failure: RunFailure; readonly usedClock: boolean };
