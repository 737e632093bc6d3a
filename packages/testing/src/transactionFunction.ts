import { badRequest } from "../../lenslet/src/base/errors.ts";
import type { AuditLog } from "../../lenslet/src/engine/auditLog.ts";
import { ArgumentError, parseArguments, parseReturnValue } from "../../lenslet/src/engine/arguments.ts";
import { canonicalPath, inComponent, strippedPath } from "../../lenslet/src/engine/functionPath.ts";
import { jwtIssuer, jwtKeyOf, signJwt } from "../../lenslet/src/engine/jwtSigning.ts";
import { DatabaseSyscalls } from "../../lenslet/src/transaction/databaseSyscalls.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import type { Backend } from "./backend.ts";
import { callerIn, type FunctionRun, type Outcome } from "./call.ts";
import { commonSyscall } from "./commonSyscalls.ts";
import { nestedError, platformError, syscallError } from "./failures.ts";
import { type Host, runWithHost } from "./host.ts";
import { invocable } from "./modules.ts";
import { cloudUrl, jwtSecret } from "./platform.ts";
import { loadOnDemand } from "./load.ts";

const callDepthMax = 8;
/** Promise continuations between an operation's answer and the next operation of code that nobody awaits. */
const continuationsMax = 32;
/** Cursors only have to be told from those of other databases by mistake. */
const cursorSecret = new Uint8Array(32).fill(7);

export interface TransactionScope {
  readonly backend: Backend;
  readonly tx: Transaction;
  readonly kind: "query" | "mutation";
  /** The top-level function is a mutation: an unresolved commit timestamp may come and go. */
  readonly inMutation: boolean;
  readonly depth: number;
  /** Of the top-level function and all that it calls. */
  readonly audit: AuditLog;
}

/** Validates arguments, runs a query or mutation to its end and validates what it returns. */
export async function runTransactionFunction(scope: TransactionScope, run: FunctionRun): Promise<Outcome> {
  const { info } = run.fn;
  const registered = invocable(run.fn.registered);
  const ids = scope.tx.idContext(run.component.namespace);
  try {
    parseArguments(run.argsJson, info, ids, scope.inMutation && scope.depth > 0);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return { ok: false, thrown: platformError(error.message), hasReturned: false };
  }
  const host = new TransactionHost(scope, run);
  const invoke = scope.kind === "query" ? registered.invokeQuery : registered.invokeMutation;
  let resultJson: string;
  try {
    resultJson = await runWithHost(host, async () => invoke?.call(registered, run.argsJson) ?? "null");
  } catch (thrown) {
    await host.abandon();
    return { ok: false, thrown, hasReturned: false };
  }
  await host.finish();
  try {
    return { ok: true, valueJson: parseReturnValue(resultJson, info, ids, scope.inMutation) };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return { ok: false, thrown: platformError(error.message), hasReturned: true };
  }
}

/**
 * The host side of one running query or mutation. Its operations run one at a time in the order of their calls, also
 * those that nobody awaits; a function called by this one runs to its end before the next operation.
 */
class TransactionHost implements Host {
  readonly isTransaction = true;
  readonly environment: Host["environment"];
  readonly #scope: TransactionScope;
  readonly #run: FunctionRun;
  readonly #database: DatabaseSyscalls;
  /** Ends when the operations that are not answered at once have ended; null when there are none. */
  #busy: Promise<void> | null = null;
  /** How many have been asked for. */
  #operations = 0;
  #state: "running" | "abandoned" | "ended" = "running";
  /** It has begun a text search. */
  #searches = false;

  constructor(scope: TransactionScope, run: FunctionRun) {
    this.#scope = scope;
    this.#run = run;
    this.environment = run.component.environment;
    this.#database = new DatabaseSyscalls(scope.tx, run.component.namespace, {
      journal: null,
      cursorSecret,
      isComponent: run.component.path !== "",
    });
  }

  /** What was started without being awaited still belongs to the function. */
  async finish(): Promise<void> {
    for (let seen = -1; seen !== this.#operations;) {
      seen = this.#operations;
      if (this.#busy !== null) await this.#busy;
      for (let i = 0; i < continuationsMax && seen === this.#operations; i++) await Promise.resolve();
    }
    this.#state = "ended";
  }

  /** The function failed: what it has started ends, what waits behind that never runs. */
  async abandon(): Promise<void> {
    this.#state = "abandoned";
    while (this.#busy !== null) await this.#busy;
  }

  syscall(op: string, argsJson: string): string {
    this.#checkRunning();
    switch (op) {
      case "1.0/getSnapshotTs": {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64LE(this.#scope.tx.snapshotTs);
        return JSON.stringify({ $integer: bytes.toString("base64") });
      }
      case "1.0/componentArgument":
        return "{}";
      default: {
        // Their answers do not have to be waited for, e.g. `1.0/queryStream`: it reads nothing yet.
        const args = JSON.parse(argsJson) as JsonObject;
        this.#searches ||= isSearch(op, args);
        return this.#answerNow(op, args);
      }
    }
  }

  async asyncSyscall(op: string, argsJson: string): Promise<string> {
    this.#checkRunning();
    const args = JSON.parse(argsJson) as JsonObject;
    try {
      this.#searches ||= isSearch(op, args);
      if (this.#busy === null && !this.#searches && !waitingOperations.has(op))
        return this.#answerNow(op, args);
      return await this.#inTurn(() => this.#answer(op, args));
    } catch (error) {
      throw syscallError(error);
    }
  }

  async jsSyscall(op: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#checkRunning();
    return this.#inTurn(() =>
      this.#scope.backend.files.jsSyscall(op, args, this.#run.component, this.#scope.tx),
    );
  }

  /** Runs after everything that was asked for before; never, if the function has failed by then. */
  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const turn = async (): Promise<void> => {
      if (this.#state !== "running") return;
      try {
        resolve(await operation());
      } catch (error) {
        reject(error as Error);
      }
    };
    const busy: Promise<void> = (this.#busy ?? Promise.resolve()).then(turn).then(() => {
      if (this.#busy === busy) this.#busy = null;
    });
    this.#busy = busy;
    return promise;
  }

  #checkRunning(): void {
    this.#operations += 1;
    if (this.#state === "running") return;
    const path = strippedPath(this.#run.fn.info.path);
    throw new Error(
      `"${path}" has used its \`ctx\` after it had ended. Await everything a function starts before it returns.`,
    );
  }

  async #answer(op: string, args: JsonObject): Promise<string> {
    const { backend, tx } = this.#scope;
    const { component, caller } = this.#run;
    if (this.#searches) await loadOnDemand();
    switch (op) {
      case "1.0/runUdf":
        return this.#runUdf(args);
      case "1.0/schedule":
        return JSON.stringify(await backend.scheduler.schedule(args, component, tx, caller));
      default:
        return this.#answerNow(op, args);
    }
  }

  #answerNow(op: string, args: JsonObject): string {
    if (this.#database.handles(op)) return this.#database.call(op, args);
    const { backend, tx, kind } = this.#scope;
    const { component, caller } = this.#run;
    if (kind === "query" && op === "1.0/getRequestMetadata")
      throw badRequest("RequestMetadataNotAllowed", "Cannot get request metadata in a Query");
    const common = commonSyscall(op, args, backend, this.#run);
    if (common !== null) return common;
    switch (op) {
      case "1.0/getTransactionMetrics":
        return JSON.stringify(tx.metrics());
      case "1.0/auditLog":
        this.#scope.audit.write(args["body"], {
          identity: { kind: "anonymous" },
          requestId: caller.requestId,
          client: caller,
          nowMs: Date.now(),
        });
        return "null";
      case "1.0/signJwt":
        if (kind === "query") throw badRequest("SignJwtInQuery", "Tokens can be signed in mutations only.");
        return JSON.stringify(
          signJwt(args, {
            issuer: jwtIssuer(cloudUrl, component.path),
            nowMs: Date.now(),
            key: jwtKeyOf(jwtSecret),
          }),
        );
      case "1.0/cancel_job":
        return backend.scheduler.cancel(args, component, tx, caller);
      default:
        return backend.files.syscall(op, args, component, tx);
    }
  }

  async #runUdf(args: JsonObject): Promise<string> {
    const { udfType } = args;
    if (udfType !== "query" && udfType !== "mutation" && udfType !== "snapshotQuery") {
      throw badRequest(
        "InvalidFunctionCall",
        `Only queries and mutations can be called as nested UDFs, got ${JSON.stringify(udfType)}`,
      );
    }
    if (this.#scope.kind === "query" && udfType !== "query") {
      const callee = udfType === "mutation" ? "Mutation" : "SnapshotQuery";
      throw badRequest("InvalidFunctionCall", `Cannot call a ${callee} function from a Query function`);
    }
    const { component, fn } = await this.#scope.backend.deployment.resolve(args, this.#run.component);
    const wanted = udfType === "mutation" ? "Mutation" : "Query";
    if (fn.info.udfType !== wanted) {
      throw badRequest(
        "InvalidFunctionCall",
        `Trying to execute ${canonicalPath(fn.info.path)}${inComponent(component.path)} as ${wanted}, but it is defined as ${fn.info.udfType}.`,
      );
    }
    const limits = (args["transactionLimits"] ?? {}) as Readonly<Record<string, number>>;
    return this.#nested(udfType, limits, {
      component,
      fn,
      argsJson: JSON.stringify([args["args"] ?? {}]),
      caller: callerIn(this.#run.caller, this.#run.component, component),
    });
  }

  /** Runs a function called by this one in a sub-transaction: a mutation that throws leaves no writes. */
  async #nested(
    udfType: "query" | "mutation" | "snapshotQuery",
    limits: Readonly<Record<string, number>>,
    run: FunctionRun,
  ): Promise<string> {
    const { backend, tx, inMutation, audit } = this.#scope;
    const depth = this.#scope.depth + 1;
    if (depth > callDepthMax) {
      throw badRequest(
        "MaximumCallDepthExceeded",
        "Cross component call depth limit exceeded. Do you have an infinite loop in your app?",
      );
    }
    const fault = backend.faults.take(run, "start");
    if (fault !== null) throw nestedError(fault);
    const restoreLimits = tx.narrowLimits(limits);
    const savepoint = tx.savepoint();
    const stale = udfType === "snapshotQuery" ? backend.database.beginRead(tx.usage) : null;
    const kind = udfType === "mutation" ? "mutation" : "query";
    try {
      const outcome = await runTransactionFunction(
        { backend, tx: stale ?? tx, kind, inMutation, depth, audit },
        run,
      );
      if (outcome.ok) return outcome.valueJson;
      // What was refused after the function's end stays written unless the caller fails too (database.md §5.2).
      if (kind === "mutation" && !outcome.hasReturned) tx.rollback(savepoint);
      throw nestedError(outcome.thrown);
    } finally {
      if (stale !== null) backend.database.release(stale);
      restoreLimits();
    }
  }
}

/** Begins a text search. */
function isSearch(op: string, args: JsonObject): boolean {
  if (op !== "1.0/queryStream" && op !== "1.0/queryPage") return false;
  const { query } = args as { readonly query?: { readonly source?: { readonly type?: unknown } } };
  return query?.source?.type === "Search";
}

/** Operations that need more than one step: everything called after them waits for them. */
const waitingOperations: ReadonlySet<string> = new Set(["1.0/runUdf", "1.0/schedule"]);
