import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import {
  expireJobs,
  failInterruptedActions,
  findJob,
  finishJob,
  jobIdText,
  jobsInLane,
  requeueAction,
  type WaitingLane,
} from "../jobs/jobQueue.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { JsonObject } from "../transaction/syscallArguments.ts";
import { decodeId } from "../values/id.ts";
import type { JobRef } from "./api.ts";
import { resolveFunction } from "./hostSyscalls.ts";
import { cancel, schedule, type SchedulingScope } from "./scheduling.ts";
import { componentOf, type LoadedDeployment } from "./deployment.ts";
import type { Clock } from "../base/clock.ts";

/** Jobs looked at in one go: what waits behind them gets its turn when these have been started. */
export const dueJobsMax = 1000;
/** Jobs that one slice of cleaning up touches. */
export const sliceJobsMax = 256;

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
  outcome: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("success") }),
    z.object({ kind: z.literal("failed"), error: z.string() }),
    /** It was not started after all. */
    z.object({ kind: z.literal("notRun") }),
  ]),
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
    const lanes = {
      mutations: dueInLane(tx, "mutation", nowMs, counts.mutations),
      actions: dueInLane(tx, "action", nowMs, counts.actions),
    };
    const next = [lanes.mutations.nextMs, lanes.actions.nextMs].filter((ms) => ms !== null);
    return {
      paused: false,
      mutations: lanes.mutations.due,
      actions: lanes.actions.due,
      nextMs: next.length === 0 ? null : Math.min(...next),
    };
  },
  "scheduler.actionEnded": (args, { tx, clock }) => {
    const { job, outcome } = ended.parse(args);
    const { id } = decodeId(job.id);
    const row = findJob(tx, id);
    if (row === null || row.lane !== "running") return null;
    if (outcome.kind === "notRun") requeueAction(tx, { id, row });
    else finishJob(tx, { id, row }, outcome, clock.nowMs());
    return null;
  },
  /** Returns whether there is more to do. */
  "scheduler.recover": (_args, { tx, clock }) =>
    failInterruptedActions(tx, sliceJobsMax, clock.nowMs()) === sliceJobsMax,
  "scheduler.expire": (_args, { tx, clock }) => expireJobs(tx, sliceJobsMax, clock.nowMs()) === sliceJobsMax,
};

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
