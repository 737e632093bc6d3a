import { badRequest, type LensletError } from "../base/errors.ts";
import { cancelJob, isCanceled, scheduleJob } from "../jobs/jobQueue.ts";
import { scheduledFunctionsTable } from "../store/systemTables.ts";
import {
  invalidArguments,
  jsonArgument,
  type JsonObject,
  parsingArgument,
  stringArgument,
} from "../transaction/syscallArguments.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeId, tryDecodeId } from "../values/id.ts";
import { parseValue } from "../values/json.ts";
import { sizeOf } from "../values/size.ts";
import type { ComponentCode, FunctionInfo } from "./deployment.ts";
import { canonicalPath, type FunctionPath, inComponent } from "./functionPath.ts";

/** limits.md #93 */
export const scheduleDistanceMsMax = 5 * 366 * 24 * 3600 * 1000;

/** The job that runs a function, or that has called it. */
export interface RunningJob {
  /** Id of the `_scheduled_functions` document. */
  readonly idText: string;
  /** The function runs in the transaction that completes the job. */
  readonly completesHere: boolean;
}

/** Who schedules or cancels, and where. */
export interface SchedulingScope {
  readonly tx: Transaction;
  /** Of the running function. */
  readonly component: ComponentCode;
  /** Finds what `{name}`, `{reference}` or `{functionHandle}` names as seen from that component. */
  readonly resolve: (
    address: JsonObject,
    missing: typeof missingFunction,
  ) => { readonly component: ComponentCode; readonly info: FunctionInfo };
  readonly job: RunningJob | null;
  readonly nowMs: number;
}

/**
 * Puts a call in line and returns the id of its job. Throws InvalidScheduledFunctionDelay, InvalidScheduledFunction and
 * what is wrong with the arguments; then nothing was written.
 */
export function schedule(args: JsonObject, scope: SchedulingScope): string {
  const { tx, component, job, nowMs } = scope;
  tx.checkMounted(component.namespace);
  const dueMs = dueTimeOf(args, nowMs);
  const json = jsonArgument(args, "args", "scheduler");
  const value = parsingArgument("scheduler", "args", () => parseValue(json));
  const callee = scope.resolve(args, missingFunction);
  tx.usage.countScheduled(sizeOf(value));
  const { udfType, path } = callee.info;
  // A job that was canceled while its action went on leaves nothing behind.
  const canceled = job !== null && !job.completesHere && isCanceled(tx, decodeId(job.idText).id);
  return scheduleJob(
    tx,
    {
      namespace: component.namespace,
      componentPath: callee.component.componentPath,
      udfPath: canonicalPath(path),
      lane: udfType === "Action" ? "action" : "mutation",
      args: [value],
      dueMs,
    },
    canceled,
    nowMs,
  );
}

export const selfCancelWarning =
  "A scheduled mutation canceling itself is deprecated and will throw an error in a future version of Convex.";

/**
 * Throws for what is no id of a job; a job that is not there, or has ended, is left alone. False: nothing was done
 * because the job would cancel itself while it runs.
 */
export function cancel(
  args: JsonObject,
  { tx, component, job, nowMs }: Pick<SchedulingScope, "tx" | "component" | "job" | "nowMs">,
): boolean {
  const op = "db.cancel_job";
  const text = stringArgument(args, "id", op);
  const { tableNumber, id } = tryDecodeId(text) ?? parsingArgument(op, "id", () => decodeId(text));
  if (tableNumber !== scheduledFunctionsTable.number) {
    throw badRequest(
      "InvalidScheduledFunctionId",
      "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.",
    );
  }
  tx.checkMounted(component.namespace);
  if (job?.completesHere === true && text === job.idText) return false;
  cancelJob(tx, component.namespace, id, nowMs);
  return true;
}

function dueTimeOf(args: JsonObject, nowMs: number): number {
  const seconds = jsonArgument(args, "ts", "scheduler");
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) {
    throw invalidArguments("scheduler", "field `ts` must be a finite number");
  }
  // Seconds as a double are not exact: a millisecond is told from the next one, a microsecond is noise.
  const dueMs = Math.round(seconds * 1e6) / 1e3;
  if (Math.abs(dueMs - nowMs) > scheduleDistanceMsMax) {
    throw badRequest(
      "InvalidScheduledFunctionDelay",
      `${seconds} is more than 5 years in the ${dueMs > nowMs ? "future" : "past"}`,
    );
  }
  return dueMs;
}

function missingFunction(
  { componentPath }: ComponentCode,
  path: FunctionPath,
  missing: "module" | "function",
): LensletError {
  const message =
    missing === "module"
      ? `Attempted to schedule function at nonexistent path: ${componentPath === "" ? "" : `${componentPath} `}${path.module}`
      : `Attempted to schedule function, but no exported function ${path.name} found in the file: ${path.module}${inComponent(componentPath)}. Did you forget to export it?`;
  return badRequest("InvalidScheduledFunction", message);
}
