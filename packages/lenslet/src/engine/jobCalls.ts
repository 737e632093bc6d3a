import { internalErrorMessage, LensletError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import type { Clock } from "../base/clock.ts";
import { type CronRun, findCron, finishCron, startCron } from "../jobs/crons.ts";
import {
  findJob,
  finishJob,
  jobDocument,
  jobIdText,
  type JobState,
  markInProgress,
  type QueuedJob,
  startAction,
} from "../jobs/jobQueue.ts";
import { formatFailure } from "../runner/failure.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeId } from "../values/id.ts";
import { stringifyValue } from "../values/json.ts";
import type { Value } from "../values/value.ts";
import type { FunctionCall, FunctionFailure, FunctionResult, JobAnswer, JobRef } from "./api.ts";
import type { CalledFunction } from "./callLog.ts";
import { functionOf, type LoadedDeployment } from "./deployment.ts";
import { canonicalPath, inComponent, parseFunctionPath } from "./functionPath.ts";
import { missingCallee } from "./hostSyscalls.ts";
import type { RunningJob } from "./scheduling.ts";

/** What running jobs needs of the engine's calls. */
export interface JobHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly deployment: () => LoadedDeployment;
  readonly transaction: () => Transaction;
  /** Runs a mutation within the transaction and commits nothing. */
  readonly runMutation: (
    call: FunctionCall,
    tx: Transaction,
    callee: CalledFunction,
    job: RunningJob | null,
  ) => FunctionResult;
  /** Commits with the answer, for the case that the engine thread does not live to give it. */
  readonly commit: (tx: Transaction, answer: JobAnswer) => void;
}

const settled: JobAnswer = { kind: "settled" };

/**
 * Runs what is due. A mutation and the mark that it is done are one commit, so it is run exactly once however often it
 * is asked for. `condemned`: it ran away before and is not tried again.
 */
export function runJob(host: JobHost, job: JobRef, condemned: FunctionFailure | null): JobAnswer {
  if (host.deployment().paused) return { kind: "paused" };
  return job.kind === "cron"
    ? runCron(host, job.id, condemned)
    : runScheduledFunction(host, job.id, condemned);
}

function runCron(host: JobHost, idText: string, condemned: FunctionFailure | null): JobAnswer {
  const startedMs = host.clock.nowMs();
  const tx = host.transaction();
  const cron = findCron(tx, decodeId(idText).id);
  // Asked for again after it ran, or after a push moved it: it is not due any more.
  if (cron === null || cron.row.state !== "waiting" || cron.row.nextMs > startedMs) return settled;
  const end = (at: Transaction, result: CronRun["result"], logLines: readonly string[]): JobAnswer => {
    const nowMs = host.clock.nowMs();
    finishCron(at, cron, { startedMs, durationMs: Math.max(0, nowMs - startedMs), logLines, result }, nowMs);
    host.commit(at, settled);
    return settled;
  };
  const fail = (error: string) => end(tx, { ok: false, error }, []);
  if (condemned !== null) return fail(condemned.message);
  const { componentPath, udfPath, argsJson } = cron.row;
  const callee = findCallee(host.deployment(), componentPath, udfPath);
  if ("problem" in callee) return fail(callee.problem);
  const call = callOf(host, "Cron", componentPath, udfPath, argsJson, null);
  if (callee.info.udfType === "Action") {
    startCron(tx, cron);
    const answer: JobAnswer = { kind: "action", call };
    host.commit(tx, answer);
    return answer;
  }
  const result = host.runMutation(call, tx, callee, null);
  if (result.ok) return end(tx, result, result.logLines);
  if (isInternal(result.error)) throw tryAgain();
  return end(host.transaction(), { ok: false, error: result.error.message }, result.logLines);
}

function runScheduledFunction(host: JobHost, idText: string, condemned: FunctionFailure | null): JobAnswer {
  const tx = host.transaction();
  const { id } = decodeId(idText);
  const row = findJob(tx, id);
  if (row === null || (row.lane !== "mutation" && row.lane !== "action")) return settled;
  const job: QueuedJob = { id, row };
  const end = (at: Transaction, state: JobState): JobAnswer => {
    finishJob(at, job, state, host.clock.nowMs());
    host.commit(at, settled);
    return settled;
  };
  if (condemned !== null) return end(tx, { kind: "failed", error: condemned.message });
  const callee = findCallee(host.deployment(), row.componentPath, row.udfPath);
  if ("problem" in callee) return end(tx, { kind: "failed", error: callee.problem });
  const document = tx.usage.withoutCountingReads(() => jobDocument(tx, job));
  const args = (document?.value["args"] ?? [{}]) as Value;
  const call = callOf(host, "Scheduler", row.componentPath, row.udfPath, stringifyValue(args), jobIdText(id));
  if (callee.info.udfType === "Action") {
    startAction(tx, job);
    const answer: JobAnswer = { kind: "action", call };
    host.commit(tx, answer);
    return answer;
  }
  tx.usage.withoutCountingReads(() => markInProgress(tx, job));
  const result = host.runMutation(call, tx, callee, { idText: jobIdText(id), completesHere: true });
  if (result.ok) return end(tx, { kind: "success" });
  if (isInternal(result.error)) throw tryAgain();
  // Its writes go with its transaction; that it failed is written in another one.
  return end(host.transaction(), { kind: "failed", error: result.error.message });
}

/** No fault of the function's: it is tried again. */
function isInternal(error: FunctionFailure): boolean {
  return error.message.trimEnd() === internalErrorMessage;
}

function tryAgain(): LensletError {
  return new LensletError("Internal", "InternalServerError", internalErrorMessage);
}

/** A call without identity: what is scheduled runs as nobody, and visibility is not looked at (functions.md §10). */
function callOf(
  { random }: Pick<JobHost, "random">,
  caller: "Scheduler" | "Cron",
  componentPath: string,
  udfPath: string,
  argsJson: string,
  scheduledFunctionId: string | null,
): FunctionCall {
  return {
    target: { kind: "path", path: udfPath, componentPath },
    argsJson,
    identity: { kind: "system" },
    caller,
    requestId: randomHex(random, 8),
    ...(scheduledFunctionId === null ? {} : { scheduledFunctionId }),
  };
}

/** The function as it is now, or the text of what is wrong with it. */
export function findCallee(
  deployment: LoadedDeployment,
  componentPath: string,
  udfPath: string,
): CalledFunction | { readonly problem: string } {
  const problem = (message: string) => ({ problem: formatFailure({ message, frames: [] }) });
  const component = deployment.components.get(componentPath);
  if (component === undefined) return problem(`Component ${componentPath} not found`);
  const path = parseFunctionPath(udfPath);
  const info = functionOf(component, path);
  if (info === null) {
    const missing = component.modulePaths.has(path.module) ? "function" : "module";
    return problem(missingCallee(component, path, missing).message);
  }
  if (info.udfType === "Mutation" || info.udfType === "Action") return { component, info };
  return problem(
    `Unsupported function type: ${canonicalPath(path)}${inComponent(componentPath)} is a ${info.udfType}; only mutations and actions can be scheduled.`,
  );
}
