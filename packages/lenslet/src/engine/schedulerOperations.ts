import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { failInterruptedCrons, findCron, finishCron, requeueCron, waitingCrons } from "../jobs/crons.ts";
import { earlier } from "../jobs/dueTimes.ts";
import {
  cancelJob,
  deleteJob,
  expireJobs,
  failInterruptedActions,
  findJob,
  finishJob,
  jobIdText,
  jobsInLane,
  jobsOfNamespace,
  requeueAction,
  take,
  type WaitingLane,
} from "../jobs/jobQueue.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { JsonObject } from "../transaction/syscallArguments.ts";
import { decodeId, tryDecodeId } from "../values/id.ts";
import { namespaceOfId } from "../deploy/componentRows.ts";
import { scheduledFunctionsTable } from "../store/systemTables.ts";
import type { JobRef } from "./api.ts";
import { canonicalPath, type FunctionPath, parseFunctionPath } from "./functionPath.ts";
import { findCallee } from "./jobCalls.ts";
import { resolveFunction } from "./hostSyscalls.ts";
import { cancel, schedule, type SchedulingScope } from "./scheduling.ts";
import { componentOf, type LoadedDeployment } from "./deployment.ts";
import type { Clock } from "../base/clock.ts";

/** Jobs looked at in one go: what waits behind them gets its turn when these have been started. */
export const dueJobsMax = 1000;
/** Jobs that one slice of cleaning up touches. */
export const sliceJobsMax = 256;
/** limits.md #98 */
export const cancelJobsMax = 1000;

/** Something that waits to be run. */
export interface DueJob {
  readonly job: JobRef;
  readonly dueMs: number;
}

/** Answer of "scheduler.due": what is due in each lane, in order, and when to look again. */
export interface DueJobs {
  readonly paused: boolean;
  readonly mutations: readonly DueJob[];
  readonly actions: readonly DueJob[];
  /** Of the earliest job that is not due yet; null when there is none. */
  readonly nextMs: number | null;
}

interface Scope {
  readonly tx: Transaction;
  readonly deployment: LoadedDeployment;
  readonly clock: Clock;
}

const laneCounts = z.object({ mutations: z.number().int(), actions: z.number().int() });
const actionCall = z.object({
  componentPath: z.string(),
  scheduledFunctionId: z.string().nullable(),
  args: z.record(z.string(), z.json()),
});
const jobRef = z.object({ kind: z.enum(["function", "cron"]), id: z.string() });
const ended = z.object({
  job: jobRef,
  startedMs: z.number(),
  logLines: z.array(z.string()),
  outcome: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("success"), valueJson: z.string() }),
    z.object({ kind: z.literal("failed"), error: z.string() }),
    /** It was not started after all. */
    z.object({ kind: z.literal("notRun") }),
  ]),
});

const cancelFilter = z.object({
  componentId: z.string().nullable(),
  componentPath: z.string().nullable(),
  udfPath: z.string().nullable(),
  startMs: z.number().nullable(),
  endMs: z.number().nullable(),
  /** "": from the beginning. */
  behind: z.string(),
});

/** What the scheduler (net thread) and actions ask of the engine about scheduled functions. */
export const schedulerOperations: Readonly<Record<string, (args: unknown, scope: Scope) => unknown>> = {
  "scheduler.schedule": (args, scope) => {
    const call = actionCall.parse(args);
    return schedule(call.args as JsonObject, schedulingScope(call, scope));
  },
  "scheduler.cancel": (args, scope) => {
    const call = actionCall.parse(args);
    cancel(call.args as JsonObject, schedulingScope(call, scope));
    return null;
  },
  "scheduler.due": (args, { tx, deployment, clock }): DueJobs => {
    const counts = laneCounts.parse(args);
    const nothing = { mutations: [], actions: [], nextMs: null };
    if (deployment.paused) return { paused: true, ...nothing };
    const nowMs = clock.nowMs();
    const due = dueCrons(tx, deployment, nowMs);
    const mutations = dueInLane(tx, "mutation", nowMs, counts.mutations);
    const actions = dueInLane(tx, "action", nowMs, counts.actions);
    return {
      paused: false,
      mutations: merged(mutations.due, due.mutations, counts.mutations),
      actions: merged(actions.due, due.actions, counts.actions),
      nextMs: earlier(due.nextMs, earlier(mutations.nextMs, actions.nextMs)),
    };
  },
  "scheduler.actionEnded": (args, { tx, clock }) => {
    const run = ended.parse(args);
    if (run.job.kind === "cron") endCron(tx, run, clock.nowMs());
    else endFunction(tx, run, clock.nowMs());
    return null;
  },
  /** Returns whether there is more to do. */
  "scheduler.recover": (_args, { tx, clock }) => {
    failInterruptedCrons(tx, clock.nowMs());
    return failInterruptedActions(tx, sliceJobsMax, clock.nowMs()) === sliceJobsMax;
  },
  "scheduler.cancelOne": (args, { tx, clock }) => {
    const { id, componentId } = z.object({ id: z.string(), componentId: z.string().nullable() }).parse(args);
    const decoded = tryDecodeId(id);
    if (decoded === null || decoded.tableNumber !== scheduledFunctionsTable.number) {
      throw badRequest("InvalidId", `${JSON.stringify(id)} is not the id of a scheduled function.`);
    }
    cancelJob(tx, namespaceOfId(tx, componentId), decoded.id, clock.nowMs());
    return null;
  },
  /** Returns where to go on, or null. */
  "scheduler.cancelAll": (args, { tx, clock }) => cancelSlice(tx, cancelFilter.parse(args), clock.nowMs()),
  /** Returns whether there is more to do. */
  "scheduler.deleteAll": (args, { tx }) => {
    const { componentId } = z.object({ componentId: z.string().nullable() }).parse(args);
    const namespace = namespaceOfId(tx, componentId);
    const open = take(jobsOfNamespace(tx, namespace, true, null), sliceJobsMax);
    const ended = take(jobsOfNamespace(tx, namespace, false, null), sliceJobsMax - open.length);
    for (const { job } of [...open, ...ended]) deleteJob(tx, job);
    return open.length + ended.length === sliceJobsMax;
  },
  "scheduler.expire": (_args, { tx, clock }) => expireJobs(tx, sliceJobsMax, clock.nowMs()) === sliceJobsMax,
};

/** Cancels up to a slice of those that pass the filter, in the order of their times. */
function cancelSlice(tx: Transaction, filter: z.infer<typeof cancelFilter>, nowMs: number): string | null {
  const { componentId, componentPath, startMs, endMs } = filter;
  const udfPath = filter.udfPath === null ? null : canonicalPath(pathOfFilter(filter.udfPath));
  const namespace = namespaceOfId(tx, componentId);
  const behind = filter.behind === "" ? null : Buffer.from(filter.behind, "base64").toString("latin1");
  const looked = take(jobsOfNamespace(tx, namespace, true, behind), cancelJobsMax);
  for (const { job } of looked) {
    const { row } = job;
    const wanted =
      (udfPath === null || row.udfPath === udfPath) &&
      (componentPath === null || row.componentPath === componentPath) &&
      (startMs === null || row.dueMs >= startMs) &&
      (endMs === null || row.dueMs < endMs);
    if (wanted) finishJob(tx, job, { kind: "canceled" }, nowMs);
  }
  const last = looked.length < cancelJobsMax ? undefined : looked.at(-1);
  return last === undefined ? null : Buffer.from(last.key, "latin1").toString("base64");
}

function pathOfFilter(text: string): FunctionPath {
  try {
    return parseFunctionPath(text);
  } catch {
    // The platform's spelling.
    throw badRequest("InvaildUdfPath", `${JSON.stringify(text)} is not the path of a function.`);
  }
}

function schedulingScope(
  call: z.infer<typeof actionCall>,
  { tx, deployment, clock }: Scope,
): SchedulingScope {
  const component = componentOf(deployment, call.componentPath);
  const { scheduledFunctionId } = call;
  return {
    tx,
    component,
    resolve: (address, missing) => resolveFunction(address, component, { deployment }, missing),
    job: scheduledFunctionId === null ? null : { idText: scheduledFunctionId, completesHere: false },
    nowMs: Math.floor(clock.nowMs()),
  };
}

function dueInLane(
  tx: Transaction,
  lane: WaitingLane,
  nowMs: number,
  countMax: number,
): { readonly due: DueJob[]; readonly nextMs: number | null } {
  if (countMax > dueJobsMax) throw badRequest("TooManyJobs", `At most ${dueJobsMax} jobs at a time.`);
  const due: DueJob[] = [];
  for (const { id, row } of jobsInLane(tx, lane)) {
    if (row.dueMs > nowMs) return { due, nextMs: row.dueMs };
    if (due.length >= countMax) break;
    due.push({ job: { kind: "function", id: jobIdText(id) }, dueMs: row.dueMs });
  }
  return { due, nextMs: null };
}

/** Crons are few: all that are due, by the kind of function each runs. */
function dueCrons(
  tx: Transaction,
  deployment: LoadedDeployment,
  nowMs: number,
): { readonly mutations: DueJob[]; readonly actions: DueJob[]; readonly nextMs: number | null } {
  const mutations: DueJob[] = [];
  const actions: DueJob[] = [];
  for (const { idText, row } of waitingCrons(tx)) {
    if (row.nextMs > nowMs) return { mutations, actions, nextMs: row.nextMs };
    const callee = findCallee(deployment, row.componentPath, row.udfPath);
    const isAction = "info" in callee && callee.info.udfType === "Action";
    (isAction ? actions : mutations).push({ job: { kind: "cron", id: idText }, dueMs: row.nextMs });
  }
  return { mutations, actions, nextMs: null };
}

function merged(jobs: readonly DueJob[], crons: readonly DueJob[], countMax: number): readonly DueJob[] {
  if (crons.length === 0) return jobs;
  return [...jobs, ...crons].toSorted((a, b) => a.dueMs - b.dueMs).slice(0, countMax);
}

function endFunction(tx: Transaction, { job, outcome }: z.infer<typeof ended>, nowMs: number): void {
  const { id } = decodeId(job.id);
  const row = findJob(tx, id);
  if (row === null || row.lane !== "running") return;
  if (outcome.kind === "notRun") requeueAction(tx, { id, row });
  else if (outcome.kind === "success") finishJob(tx, { id, row }, { kind: "success" }, nowMs);
  else finishJob(tx, { id, row }, outcome, nowMs);
}

function endCron(
  tx: Transaction,
  { job, startedMs, logLines, outcome }: z.infer<typeof ended>,
  nowMs: number,
): void {
  const cron = findCron(tx, decodeId(job.id).id);
  if (cron === null || cron.row.state !== "running") return;
  if (outcome.kind === "notRun") {
    requeueCron(tx, cron);
    return;
  }
  const result =
    outcome.kind === "success"
      ? ({ ok: true, valueJson: outcome.valueJson } as const)
      : ({ ok: false, error: outcome.error } as const);
  const durationMs = Math.max(0, nowMs - startedMs);
  finishCron(tx, cron, { startedMs, durationMs, logLines, result }, nowMs);
}
