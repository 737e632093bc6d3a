import { badRequest } from "../../lenslet/src/base/errors.ts";
import { canonicalPath } from "../../lenslet/src/engine/functionPath.ts";
import type { DocumentWrite } from "../../lenslet/src/store/store.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import { decodeId, type InternalId } from "../../lenslet/src/values/id.ts";
import { parseValue, type JsonValue } from "../../lenslet/src/values/json.ts";
import { sizeOf } from "../../lenslet/src/values/size.ts";
import type { Value, ValueObject } from "../../lenslet/src/values/value.ts";
import type { Backend } from "./backend.ts";
import type { Caller, Outcome } from "./call.ts";
import type { Component, Resolved } from "./deployment.ts";
import { failureText } from "./failures.ts";
import { runOutside } from "./host.ts";
import { real } from "./platform.ts";

const tableName = "_scheduled_functions";
const tableNumber = 531;

interface Job {
  readonly idText: string;
  readonly id: InternalId;
  /** Where it was scheduled: its row is there. */
  readonly component: Component;
  readonly target: Resolved;
  readonly argsJson: string;
  readonly dueMs: number;
  timer: { readonly isFake: boolean; readonly cancel: () => void } | null;
}

type JobState = "pending" | "inProgress" | "success" | "failed" | "canceled";

/**
 * Scheduled functions of one test. They are rows like those of the server; what wakes them is the `setTimeout` of
 * the moment, so that fake timers rule them.
 */
export class Scheduler {
  readonly #backend: Backend;
  readonly #jobs = new Map<string, Job>();
  readonly #running = new Set<Promise<void>>();

  constructor(backend: Backend) {
    this.#backend = backend;
    backend.database.onCommit(({ writes }) => this.#follow(writes));
  }

  /** `1.0/schedule`, `1.0/actions/schedule`: inserts the row; the commit starts the clock. Returns the id's text. */
  async schedule(args: JsonObject, component: Component, tx: Transaction, caller: Caller): Promise<string> {
    const target = await this.#backend.deployment.resolve(args, component);
    const argsJson = [args["args"] ?? {}] as JsonValue[];
    const values = argsJson.map((json) => parseValue(json));
    const scheduledTime = Number(args["ts"]) * 1000;
    const distanceMs = scheduledTime - Date.now();
    if (Math.abs(distanceMs) > delayMsMax) {
      const where = distanceMs > 0 ? "more than 5 years in the future" : "more than 5 years in the past";
      throw badRequest(
        "InvalidScheduledFunctionDelay",
        `${new Date(scheduledTime).toISOString()} is ${where}`,
      );
    }
    tx.usage.countScheduled(sizeOf(values));
    const kind: JobState = this.#isCanceled(tx, caller, component) ? "canceled" : "pending";
    const idText = tx.insert(component.namespace, tableName, {
      name: canonicalPath(target.fn.info.path),
      args: values as Value[],
      scheduledTime,
      state: { kind },
      ...(kind === "canceled" ? { completedTime: Date.now() } : {}),
    } as ValueObject);
    this.#jobs.set(idText, {
      idText,
      id: decodeId(idText).id,
      component,
      target,
      argsJson: JSON.stringify(argsJson),
      dueMs: scheduledTime,
      timer: null,
    });
    return idText;
  }

  /** `1.0/cancel_job`. */
  cancel(args: JsonObject, component: Component, tx: Transaction): string {
    const { tableNumber: number, id } = decodeId(typeof args["id"] === "string" ? args["id"] : "");
    if (number !== tableNumber) {
      throw badRequest(
        "InvalidScheduledFunctionId",
        "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.",
      );
    }
    const state = this.#stateOf(tx, component, id);
    if (state === "pending" || state === "inProgress")
      this.#setState(tx, component, id, { kind: "canceled" });
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
      for (const job of this.#jobs.values()) {
        if (job.timer !== null && !job.timer.isFake && job.dueMs <= real.nowMs()) this.#start(job);
      }
      await this.finishInProgress();
      const waiting = [...this.#jobs.values()].filter(({ timer }) => timer !== null && timer.isFake);
      if (waiting.length === 0) return;
    }
    const names = new Set([...this.#jobs.values()].map(({ target }) => canonicalPath(target.fn.info.path)));
    throw new Error(
      `finishAllScheduledFunctions: functions are still scheduled after ${iterationsMax} iterations: ${[...names].join(", ")}. ` +
        "Does a function schedule itself without end? Give a greater number of iterations as the second argument if not.",
    );
  }

  /** Looks at what commits do to the rows: new ones start their clock, canceled ones stop it. */
  #follow(writes: readonly DocumentWrite[]): void {
    for (const { idText, after } of writes) {
      const job = this.#jobs.get(idText);
      if (job === undefined) continue;
      const state = after === null ? null : (after.value["state"] as { readonly kind: JobState }).kind;
      if (state === "pending") this.#arm(job);
      else if (state !== "inProgress") {
        job.timer?.cancel();
        job.timer = null;
        this.#jobs.delete(idText);
      }
    }
  }

  #arm(job: Job): void {
    const delayMs = Math.max(0, job.dueMs - Date.now());
    const isFake = "clock" in globalThis.setTimeout;
    const handle = runOutside(() =>
      globalThis.setTimeout(() => this.#start(job), Math.min(delayMs, 2 ** 31 - 1)),
    );
    if (!isFake) (handle as unknown as { unref?: () => void }).unref?.();
    job.timer = { isFake, cancel: () => globalThis.clearTimeout(handle) };
  }

  #start(job: Job): void {
    if (job.timer === null) return;
    job.timer.cancel();
    job.timer = null;
    const running: Promise<void> = runOutside(() => this.#run(job)).finally(() =>
      this.#running.delete(running),
    );
    this.#running.add(running);
  }

  async #run(job: Job): Promise<void> {
    const outcome =
      job.target.fn.info.udfType === "Mutation" ? await this.#runMutation(job) : await this.#runAction(job);
    if (outcome === null || outcome.ok) return;
    const error = failureText(outcome.thrown);
    // eslint-disable-next-line no-console -- whoever watches the test wants to know why a job had no effect
    console.error(
      `Error when running scheduled function ${canonicalPath(job.target.fn.info.path)}`,
      outcome.thrown,
    );
    await this.#backend.transact(async (tx) => {
      if (this.#stateOf(tx, job.component, job.id) !== "canceled")
        this.#setState(tx, job.component, job.id, { kind: "failed", error: `${error}\n` });
    });
  }

  /** The completion mark is part of the mutation's own transaction. */
  #runMutation(job: Job): Promise<Outcome | null> {
    return this.#backend.mutate(async (tx) => {
      if (this.#stateOf(tx, job.component, job.id) !== "pending") return { ok: true, valueJson: "null" };
      this.#setState(tx, job.component, job.id, { kind: "inProgress" });
      const outcome = await this.#backend.runIn(tx, this.#runOf(job));
      if (outcome.ok && this.#stateOf(tx, job.component, job.id) === "inProgress")
        this.#setState(tx, job.component, job.id, { kind: "success" });
      return outcome;
    });
  }

  async #runAction(job: Job): Promise<Outcome | null> {
    const starts = await this.#backend.transact(async (tx) => {
      if (this.#stateOf(tx, job.component, job.id) !== "pending") return false;
      this.#setState(tx, job.component, job.id, { kind: "inProgress" });
      return true;
    });
    if (!starts) return null;
    const outcome = await this.#backend.run(this.#runOf(job));
    if (!outcome.ok) return outcome;
    await this.#backend.transact(async (tx) => {
      if (this.#stateOf(tx, job.component, job.id) === "inProgress")
        this.#setState(tx, job.component, job.id, { kind: "success" });
    });
    return outcome;
  }

  #runOf({ target, argsJson, idText }: Job) {
    const caller: Caller = {
      identity: null,
      ip: null,
      userAgent: null,
      requestId: `scheduled-${idText}`,
      scheduledFunctionId: idText,
    };
    return { component: target.component, fn: target.fn, argsJson, caller };
  }

  #isCanceled(tx: Transaction, { scheduledFunctionId }: Caller, component: Component): boolean {
    if (scheduledFunctionId === null) return false;
    return this.#stateOf(tx, component, decodeId(scheduledFunctionId).id) === "canceled";
  }

  #stateOf(tx: Transaction, component: Component, id: InternalId): JobState | null {
    const table = tx.table(component.namespace, tableName);
    const row = table === null ? null : tx.get(table, id);
    return row === null ? null : (row.value["state"] as { readonly kind: JobState }).kind;
  }

  #setState(
    tx: Transaction,
    component: Component,
    id: InternalId,
    state: { kind: JobState; error?: string },
  ): void {
    const table = tx.table(component.namespace, tableName);
    if (table === null) return;
    const isOver = state.kind !== "pending" && state.kind !== "inProgress";
    tx.patch(table, id, { state, ...(isOver ? { completedTime: Date.now() } : {}) });
  }
}

const delayMsMax = 5 * 366 * 24 * 3600 * 1000;
