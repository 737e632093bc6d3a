import { badRequest } from "../../lenslet/src/base/errors.ts";
import { ArgumentError, parseArguments, parseReturnValue } from "../../lenslet/src/engine/arguments.ts";
import { canonicalPath, inComponent } from "../../lenslet/src/engine/functionPath.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Backend } from "./backend.ts";
import { callerIn, type FunctionRun, type Outcome } from "./call.ts";
import { commonSyscall } from "./commonSyscalls.ts";
import { nestedError, platformError, syscallError } from "./failures.ts";
import { type Host, runWithHost } from "./host.ts";
import { invocable } from "./modules.ts";

/** Validates arguments, runs an action and validates what it returns. */
export async function runActionFunction(backend: Backend, run: FunctionRun): Promise<Outcome> {
  const { info } = run.fn;
  const registered = invocable(run.fn.registered);
  const refused = (error: unknown): Outcome => {
    if (!(error instanceof ArgumentError)) throw error;
    return { ok: false, thrown: platformError(error.message), hasReturned: true };
  };
  try {
    backend.checked(run.component, (ids) => parseArguments(run.argsJson, info, ids, false));
  } catch (error) {
    return refused(error);
  }
  let resultJson: string;
  try {
    const host = new ActionHost(backend, run);
    resultJson = await runWithHost(host, async () => registered.invokeAction?.("", run.argsJson) ?? "null");
  } catch (thrown) {
    return { ok: false, thrown, hasReturned: false };
  }
  try {
    const valueJson = backend.checked(run.component, (ids) => parseReturnValue(resultJson, info, ids, false));
    return { ok: true, valueJson };
  } catch (error) {
    return refused(error);
  }
}

/** The host side of one running action: each operation is a transaction of its own, and many may run at once. */
export class ActionHost implements Host {
  readonly isTransaction = false;
  readonly environment: Host["environment"];
  readonly #backend: Backend;
  readonly #run: FunctionRun;

  constructor(backend: Backend, run: FunctionRun) {
    this.#backend = backend;
    this.#run = run;
    this.environment = run.component.environment;
  }

  syscall(op: string): string {
    if (op === "1.0/componentArgument") return "{}";
    throw new Error(`Unknown operation ${op}`);
  }

  async asyncSyscall(op: string, argsJson: string): Promise<string> {
    try {
      return await this.#answer(op, JSON.parse(argsJson) as JsonObject);
    } catch (error) {
      throw syscallError(error);
    }
  }

  jsSyscall(op: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { files } = this.#backend;
    return this.#backend.transact((tx) => files.jsSyscall(op, args, this.#run.component, tx));
  }

  async #answer(op: string, args: JsonObject): Promise<string> {
    const backend = this.#backend;
    const { component, caller } = this.#run;
    const common = commonSyscall(op, args, backend, this.#run);
    if (common !== null) return common;
    switch (op) {
      case "1.0/actions/query":
        return this.#call(args, "Query");
      case "1.0/actions/mutation":
        return this.#call(args, "Mutation");
      case "1.0/actions/action":
        return this.#call(args, "Action");
      case "1.0/actions/schedule":
        return JSON.stringify(
          await backend.transact((tx) => backend.scheduler.schedule(args, component, tx, caller)),
        );
      case "1.0/actions/cancel_job":
        return backend.transact(async (tx) => backend.scheduler.cancel(args, component, tx, caller));
      case "1.0/actions/vectorSearch":
        return backend.vectorSearch(args, component);
      case "1.0/auditLog":
        throw badRequest("AuditLogInAction", "Audit logging is not yet supported in actions");
      default:
        if (/^1\.0\/(get|insert|query|shallowMerge|replace|remove|count|db)/.test(op)) {
          throw badRequest(
            "NoDbInAction",
            "The Convex database object is being used outside of a Convex query or mutation. Didyou mean to use `ctx.query` or `ctx.mutation` to access the database?",
          );
        }
        return backend.transact(async (tx) => backend.files.syscall(op, args, component, tx));
    }
  }

  async #call(args: JsonObject, wanted: "Query" | "Mutation" | "Action"): Promise<string> {
    const { component, fn } = await this.#backend.deployment.resolve(args, this.#run.component);
    if (fn.info.udfType !== wanted) {
      throw badRequest(
        "InvalidFunctionCall",
        `Trying to execute ${canonicalPath(fn.info.path)}${inComponent(component.path)} as ${wanted}, but it is defined as ${fn.info.udfType}.`,
      );
    }
    const outcome = await this.#backend.run({
      component,
      fn,
      argsJson: JSON.stringify([args["args"] ?? {}]),
      caller: callerIn(this.#run.caller, this.#run.component, component),
    });
    if (!outcome.ok) throw nestedError(outcome.thrown);
    return outcome.valueJson;
  }
}
