import type { Clock, Timers } from "../base/clock.ts";
import { internalErrorMessage, LensletError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { FunctionCall, FunctionResult, JobEngine, JobRef } from "../engine/api.ts";
import { cronLogCharsMax } from "../jobs/crons.ts";
import type { DueJob, DueJobs } from "../engine/schedulerOperations.ts";
import { cronRetryMaxMs, retryDelayMs, retryMaxMs } from "./backoff.ts";
import { LagHistory } from "./lag.ts";

/** Scheduled mutations that wait for the engine at once: enough to keep it busy, few enough to let others in between. */
export const mutationsMax = 64;
/** Scheduled actions that run at once. */
export const actionsMax = 256;
/** A timer for later than that looks again in between. */
export const sleepMaxMs = 3600 * 1000;
/** How often documents of jobs that ended long ago are looked for, and the pause between two slices of them. */
export const expiryIntervalMs = 60_000;
export const expiryPauseMs = 50;

export interface SchedulerOptions {
  readonly engine: JobEngine;
  /** Runs an action to its end; rejects only when it has not been run. */
  readonly runAction: (call: FunctionCall) => Promise<FunctionResult>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
}

export interface Scheduler {
  /** The worst lag of jobs started between two times; null when there were none. */
  worstLagMs(startMs: number, endMs: number): number | null;
  /** Starts nothing any more. What runs is not waited for: the next process finds it in the queue. */
  close(): void;
}

type Lane = "mutations" | "actions";
const lanes: readonly Lane[] = ["mutations", "actions"];
const lanePlaces: Readonly<Record<Lane, number>> = { mutations: mutationsMax, actions: actionsMax };

/**
 * Runs what is due. It knows nothing that is not in the engine's queue: which jobs there are, what became of them and
 * what a crash left behind is all decided in transactions there. Here is only when to look, and how many to start.
 */
export function startScheduler(options: SchedulerOptions): Scheduler {
  const loop = new SchedulerLoop(options);
  loop.start();
  return loop;
}

class SchedulerLoop implements Scheduler {
  readonly #options: SchedulerOptions;
  readonly #lag = new LagHistory();
  /** Jobs that are running or that wait for another try, by lane; they may still be first in line. */
  readonly #busy: Record<Lane, Map<string, "running" | "waiting">> = {
    mutations: new Map(),
    actions: new Map(),
  };
  readonly #failures = new Map<string, number>();
  /** There were more jobs due than places in this lane. */
  readonly #hasMore: Record<Lane, boolean> = { mutations: false, actions: false };
  readonly #cancels = new Set<() => void>();
  #cancelSleep: (() => void) | null = null;
  #wakeAtMs = Infinity;
  #recovered = false;
  #looking = false;
  #lookAgain = false;
  #closed = false;
  #unsubscribe: () => void = () => {};

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe = this.#options.engine.subscribe({
      published: () => {},
      executed: () => {},
      deploymentChanged: () => {},
      scheduled: (dueMs) => this.#wakeAt(dueMs),
    });
    void this.#recover(1);
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#cancelSleep?.();
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  worstLagMs(startMs: number, endMs: number): number | null {
    return this.#lag.worstMs(startMs, endMs);
  }

  /** First of all: actions that ran when the process before this one ended are not run again. */
  async #recover(tries: number): Promise<void> {
    try {
      while (!this.#closed && (await this.#system<boolean>("scheduler.recover"))) {
        // In slices, so that a thousand of them hold nobody up.
      }
    } catch (error) {
      this.#failed("recovering scheduled actions", error);
      this.#later(retryDelayMs(tries, this.#options.random), () => void this.#recover(tries + 1));
      return;
    }
    this.#recovered = true;
    this.#look();
    this.#later(expiryIntervalMs, () => void this.#expire());
  }

  // ---- when to look ----------------------------------------------------------------------------------------------

  #wakeAt(dueMs: number): void {
    if (this.#closed || dueMs >= this.#wakeAtMs) return;
    const nowMs = this.#options.clock.nowMs();
    this.#cancelSleep?.();
    this.#cancelSleep = null;
    if (dueMs <= nowMs) {
      this.#wakeAtMs = Infinity;
      this.#look();
      return;
    }
    this.#wakeAtMs = Math.min(dueMs, nowMs + sleepMaxMs);
    this.#cancelSleep = this.#options.timers.setTimeout(
      () => {
        this.#cancelSleep = null;
        this.#wakeAtMs = Infinity;
        this.#look();
      },
      Math.ceil(this.#wakeAtMs - nowMs),
    );
  }

  #look(): void {
    if (this.#closed || !this.#recovered) return;
    this.#lookAgain = true;
    if (!this.#looking) void this.#lookWhileNeeded();
  }

  async #lookWhileNeeded(): Promise<void> {
    this.#looking = true;
    while (this.#lookAgain && !this.#closed) {
      this.#lookAgain = false;
      try {
        await this.#startDue();
      } catch (error) {
        this.#failed("looking for scheduled functions", error);
        this.#wakeAt(this.#options.clock.nowMs() + retryDelayMs(1, this.#options.random));
      }
    }
    this.#looking = false;
  }

  async #startDue(): Promise<void> {
    const wanted = { mutations: this.#wanted("mutations"), actions: this.#wanted("actions") };
    const due = await this.#system<DueJobs>("scheduler.due", wanted);
    if (this.#closed || due.paused) return;
    for (const lane of lanes) {
      this.#hasMore[lane] = due[lane].length >= wanted[lane];
      for (const job of due[lane]) {
        if (this.#places(lane) <= 0) break;
        if (!this.#busy[lane].has(job.job.id)) this.#begin(lane, job);
      }
    }
    if (due.nextMs !== null) this.#wakeAt(due.nextMs);
  }

  /** The first in line include those that are busy; of these more than a lane's places can only be waiting. */
  #wanted(lane: Lane): number {
    const places = this.#places(lane);
    return places <= 0 ? 0 : Math.min(places + this.#busy[lane].size, 2 * lanePlaces[lane]);
  }

  #places(lane: Lane): number {
    let running = 0;
    for (const state of this.#busy[lane].values()) if (state === "running") running += 1;
    return lanePlaces[lane] - running;
  }

  // ---- running one -----------------------------------------------------------------------------------------------

  #begin(lane: Lane, { job, dueMs }: DueJob): void {
    const nowMs = this.#options.clock.nowMs();
    this.#lag.record(nowMs, Math.max(0, nowMs - dueMs));
    this.#busy[lane].set(job.id, "running");
    this.#run(job).then(
      (settled) => (settled ? this.#settled(lane, job) : this.#retry(lane, job)),
      (error: unknown) => {
        this.#failed(`running the scheduled function ${job.id}`, error);
        this.#retry(lane, job);
      },
    );
  }

  #settled(lane: Lane, { id }: JobRef): void {
    this.#busy[lane].delete(id);
    this.#failures.delete(id);
    // In batches: asking again after each one would be as much work as running it.
    if (this.#hasMore[lane] && this.#places(lane) >= lanePlaces[lane] / 2) this.#look();
  }

  /** Something went wrong that is no fault of the function: the job is still in line. */
  #retry(lane: Lane, { kind, id }: JobRef): void {
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    this.#busy[lane].set(id, "waiting");
    const delayMsMax = kind === "cron" ? cronRetryMaxMs : retryMaxMs;
    this.#later(retryDelayMs(failures, this.#options.random, delayMsMax), () => {
      this.#busy[lane].delete(id);
      this.#look();
    });
  }

  /** False: it has to be tried again. */
  async #run(job: JobRef): Promise<boolean> {
    const answer = await this.#options.engine.runJob(job);
    if (answer.kind !== "action" || this.#closed) return true;
    return this.#runAction(job, answer.call);
  }

  async #runAction(job: JobRef, call: FunctionCall): Promise<boolean> {
    const startedMs = this.#options.clock.nowMs();
    let end: ActionEnd;
    try {
      end = endOf(await this.#options.runAction(call));
    } catch (error) {
      this.#failed(`starting the scheduled action ${job.id}`, error);
      const failed = { kind: "failed", error: `${internalErrorMessage}\n` } as const;
      end = { outcome: error instanceof LensletError ? { kind: "notRun" } : failed, logLines: [] };
    }
    await this.#actionEnded({ job, startedMs, ...end });
    return end.outcome.kind !== "notRun";
  }

  async #actionEnded(end: ActionEnd & { readonly job: JobRef; readonly startedMs: number }): Promise<void> {
    for (let tries = 1; !this.#closed; tries++) {
      try {
        await this.#system("scheduler.actionEnded", end);
        return;
      } catch (error) {
        this.#failed(`noting the end of the scheduled action ${end.job.id}`, error);
        await new Promise<void>((resolve) =>
          this.#later(retryDelayMs(tries, this.#options.random), () => resolve()),
        );
      }
    }
  }

  // ---- cleaning up -----------------------------------------------------------------------------------------------

  async #expire(): Promise<void> {
    let more = false;
    try {
      more = await this.#system<boolean>("scheduler.expire");
    } catch (error) {
      this.#failed("deleting old scheduled functions", error);
    }
    this.#later(more ? expiryPauseMs : expiryIntervalMs, () => void this.#expire());
  }

  #later(delayMs: number, run: () => void): void {
    if (this.#closed) return;
    const cancel = this.#options.timers.setTimeout(() => {
      this.#cancels.delete(cancel);
      run();
    }, delayMs);
    this.#cancels.add(cancel);
  }

  async #system<T>(operation: string, args: object = {}): Promise<T> {
    return JSON.parse(await this.#options.engine.system(operation, JSON.stringify(args))) as T;
  }

  #failed(what: string, error: unknown): void {
    // While the process ends everything fails.
    if (this.#closed) return;
    this.#options.report("error", `${what}: ${(error as Error)?.stack ?? String(error)}`);
  }
}

interface ActionEnd {
  readonly outcome:
    | { readonly kind: "success"; readonly valueJson: string }
    | { readonly kind: "failed"; readonly error: string }
    | { readonly kind: "notRun" };
  readonly logLines: readonly string[];
}

/** What is kept of the end of an action; only the log of a cron shows its value, and no more than the beginning of it. */
function endOf(result: FunctionResult): ActionEnd {
  if (!result.ok)
    return { outcome: { kind: "failed", error: result.error.message }, logLines: result.logLines };
  const valueJson = result.valueJson.slice(0, cronLogCharsMax + 1);
  return { outcome: { kind: "success", valueJson }, logLines: result.logLines };
}
