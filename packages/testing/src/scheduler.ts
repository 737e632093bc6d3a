import type { ComponentCode } from "../../lenslet/src/engine/deployment.ts";
import { canonicalPath } from "../../lenslet/src/engine/functionPath.ts";
import { cancel, type RunningJob, schedule, selfCancelWarning } from "../../lenslet/src/engine/scheduling.ts";
import {
  findJob,
  finishJob,
  jobDocument,
  type JobState,
  markInProgress,
  type QueuedJob,
  startAction,
} from "../../lenslet/src/jobs/jobQueue.ts";
import type { DocumentWrite } from "../../lenslet/src/store/store.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import { decodeId, type InternalId } from "../../lenslet/src/values/id.ts";
import { stringifyValue } from "../../lenslet/src/values/json.ts";
import type { Value } from "../../lenslet/src/values/value.ts";
import { Alarm } from "./alarm.ts";
import type { Backend } from "./backend.ts";
import type { Caller, FunctionRun, Outcome } from "./call.ts";
import type { Component, Resolved } from "./deployment.ts";
import { failureText } from "./failures.ts";
import { runOutside } from "./host.ts";
import { real } from "./platform.ts";

interface Job {
  readonly id: InternalId;
  readonly target: Resolved;
  readonly dueMs: number;
  timer: Alarm | null;
}

/**
 * Scheduled functions of one test. Their rows and states are those of the server (jobs/); what wakes them is the
 * `setTimeout` of the moment, so that fake timers rule them.
 */
export class Scheduler {
  readonly #backend: Backend;
  /** Those that have not ended, by the id of their document. */
  readonly #jobs = new Map<string, Job>();
  readonly #running = new Set<Promise<void>>();

  constructor(backend: Backend) {
    this.#backend = backend;
    backend.database.onCommit(({ writes }) => this.#follow(writes));
  }

  /** `1.0/schedule`, `1.0/actions/schedule`: the commit starts the clock. Returns the id's text. */
  async schedule(args: JsonObject, component: Component, tx: Transaction, { job }: Caller): Promise<string> {
    const target = await this.#backend.deployment.resolve(args, component);
    const idText = schedule(args, {
      tx,
      component: codeOf(component),
      resolve: () => ({ component: codeOf(target.component), info: target.fn.info }),
      job,
      nowMs: Date.now(),
    });
    const dueMs = Number(args["ts"]) * 1000;
    this.#jobs.set(idText, { id: decodeId(idText).id, target, dueMs, timer: null });
    return idText;
  }

  /** `1.0/cancel_job`, `1.0/actions/cancel_job`. */
  cancel(args: JsonObject, component: Component, tx: Transaction, { job }: Caller): string {
    const done = cancel(args, { tx, component: codeOf(component), job, nowMs: Date.now() });
    // oxlint-disable-next-line no-console -- the server writes it into the function's log
    if (!done) console.warn(selfCancelWarning);
    return "null";
  }

  /** Waits for the functions that are running now. */
  async finishInProgress(): Promise<void> {
    // A timer that has just been advanced may have put a function at the end of the queue.
    await real.turn();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Advances the timers until no function is waiting that they can reach. */
  async finishAll(advanceTimers: () => unknown, iterationsMax: number): Promise<void> {
    for (let i = 0; i < iterationsMax; i++) {
      await advanceTimers();
      for (const [idText, job] of this.#jobs) {
        if (job.timer !== null && !job.timer.isFake && job.dueMs <= real.nowMs()) this.#start(idText, job);
      }
      await this.finishInProgress();
      if (this.#waiting().length === 0) return;
    }
    const names = new Set(this.#waiting().map(({ target }) => canonicalPath(target.fn.info.path)));
    throw new Error(
      `finishAllScheduledFunctions: functions are still scheduled after ${iterationsMax} iterations: ${[...names].join(", ")}. ` +
        "Does a function schedule itself without end? If not, give a greater number of iterations as the second argument.",
    );
  }

  /** Lets time pass, stopping whenever a function is due, so that each sees its own time. */
  async passTime(ms: number, advanceTimersByTime: (ms: number) => unknown): Promise<void> {
    const untilMs = Date.now() + ms;
    for (;;) {
      await advanceTimersByTime(Math.max(0, Math.min(untilMs, this.#nextDueMs()) - Date.now()));
      await this.finishInProgress();
      if (Date.now() >= untilMs && this.#nextDueMs() > untilMs) return;
    }
  }

  #nextDueMs(): number {
    return Math.min(this.#backend.crons?.dueMs ?? Infinity, ...this.#waiting().map(({ dueMs }) => dueMs));
  }

  #waiting(): Job[] {
    return [...this.#jobs.values()].filter(({ timer }) => timer !== null && timer.isFake);
  }

  /** Looks at what commits do to the documents: new ones start their clock, finished ones stop it. */
  #follow(writes: readonly DocumentWrite[]): void {
    for (const { idText, after } of writes) {
      const job = this.#jobs.get(idText);
      if (job === undefined) continue;
      const state = after === null ? null : (after.value["state"] as unknown as JobState).kind;
      if (state === "pending") this.#arm(idText, job);
      else if (state !== "inProgress") {
        job.timer?.cancel();
        this.#jobs.delete(idText);
      }
    }
  }

  #arm(idText: string, job: Job): void {
    job.timer = new Alarm(job.dueMs, () => this.#start(idText, job));
  }

  #start(idText: string, job: Job): void {
    if (job.timer === null) return;
    job.timer.cancel();
    job.timer = null;
    this.track(runOutside(() => this.#run(idText, job)));
  }

  /** Something runs on its own, and tests can wait for its end. */
  track(run: Promise<void>): void {
    const running: Promise<void> = run.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #run(idText: string, { id, target }: Job): Promise<void> {
    const outcome =
      target.fn.info.udfType === "Action"
        ? await this.#runAction(idText, id, target)
        : await this.#runMutation(idText, id, target);
    if (outcome === null || outcome.ok) return;
    const { thrown } = outcome;
    // oxlint-disable-next-line no-console -- whoever watches the test wants to know why a job had no effect
    console.error(`Error when running scheduled function ${canonicalPath(target.fn.info.path)}`, thrown);
    await this.#end(id, { kind: "failed", error: `${failureText(thrown)}\n` });
  }

  /** The mutation and the mark that it is done are one commit. */
  #runMutation(idText: string, id: InternalId, target: Resolved): Promise<Outcome | null> {
    return this.#backend.mutate(async (tx) => {
      const job = jobIn(tx, id, "mutation");
      if (job === null) return { ok: true, valueJson: "null" };
      const argsJson = tx.usage.withoutCountingReads(() => {
        markInProgress(tx, job);
        return argsOf(tx, job);
      });
      const outcome = await this.#backend.runIn(tx, runOf(target, argsJson, { idText, completesHere: true }));
      if (outcome.ok)
        tx.usage.withoutCountingReads(() => finishJob(tx, job, { kind: "success" }, Date.now()));
      return outcome;
    });
  }

  /** An action is marked as started, run, and marked as ended, unless it was canceled meanwhile. */
  async #runAction(idText: string, id: InternalId, target: Resolved): Promise<Outcome | null> {
    const argsJson = await this.#backend.transact(async (tx) => {
      const job = jobIn(tx, id, "action");
      if (job === null) return null;
      startAction(tx, job);
      return argsOf(tx, job);
    });
    if (argsJson === null) return null;
    const outcome = await this.#backend.run(runOf(target, argsJson, { idText, completesHere: false }));
    if (outcome.ok) await this.#end(id, { kind: "success" });
    return outcome;
  }

  #end(id: InternalId, state: JobState): Promise<void> {
    return this.#backend.transact(async (tx) => {
      const row = findJob(tx, id);
      if (row !== null) finishJob(tx, { id, row }, state, Date.now());
    });
  }
}

function codeOf({ path, namespace }: Component): ComponentCode {
  return { componentPath: path, namespace } as ComponentCode;
}

function jobIn(tx: Transaction, id: InternalId, lane: "mutation" | "action"): QueuedJob | null {
  const row = findJob(tx, id);
  return row === null || row.lane !== lane ? null : { id, row };
}

function argsOf(tx: Transaction, job: QueuedJob): string {
  return stringifyValue((jobDocument(tx, job)?.value["args"] ?? [{}]) as Value);
}

/** A scheduled function runs as nobody. */
function runOf({ component, fn }: Resolved, argsJson: string, job: RunningJob): FunctionRun {
  const caller: Caller = {
    identity: null,
    ip: null,
    userAgent: null,
    requestId: `scheduled-${job.idText}`,
    job,
  };
  return { component, fn, argsJson, caller };
}
