import fc from "fast-check";
import { expect, it } from "vitest";
import type { Namespace } from "../store/store.ts";
import { TestDatabase } from "../transaction/testDatabase.ts";
import { decodeId } from "../values/id.ts";
import type { ValueObject } from "../values/value.ts";
import {
  cancelJob,
  expireJobs,
  failInterruptedActions,
  findJob,
  finishJob,
  interruptedActionText,
  isCanceled,
  jobIdText,
  jobResultAgeMaxMs,
  jobsInLane,
  jobsOfNamespace,
  requeueAction,
  scheduleJob,
  startAction,
  take,
  type WaitingLane,
} from "./jobQueue.ts";

/** What a job is to a reader of reference functions.md §10, and nothing else. */
interface ModelJob {
  readonly idText: string;
  readonly lane: WaitingLane;
  readonly dueMs: number;
  state: { kind: string; error?: string };
  completedMs: number | null;
}

/** One command: what to do, to which job (by position), and a number to go with it. */
const command = fc.record({
  what: fc.constantFrom(
    "schedule",
    "scheduleCanceled",
    "rollBack",
    "cancel",
    "run",
    "fail",
    "startAction",
    "endAction",
    "requeue",
    "crash",
    "wait",
    "expire",
  ),
  which: fc.nat(30),
  ms: fc.integer({ min: 0, max: 50_000 }),
});
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

class Twins {
  readonly db = new TestDatabase();
  readonly jobs: ModelJob[] = [];

  do({ what, which, ms }: Command): void {
    const nowMs = this.db.nowMs;
    switch (what) {
      case "schedule":
      case "scheduleCanceled":
        this.#schedule(which, nowMs + ms - 10_000, what === "scheduleCanceled");
        return;
      case "rollBack": {
        // A transaction that is never committed leaves nothing.
        const tx = this.db.begin();
        scheduleJob(tx, { ...target, lane: "mutation", args: [], dueMs: nowMs }, false, nowMs);
        return;
      }
      case "cancel": {
        const job = this.jobs[which % Math.max(1, this.jobs.length)];
        if (job === undefined) return;
        this.db.run((tx) => cancelJob(tx, "" as Namespace, decodeId(job.idText).id, nowMs));
        if (job.completedMs === null) end(job, { kind: "canceled" }, nowMs);
        return;
      }
      case "run":
      case "fail":
        this.#runFirst(what === "run" ? { kind: "success" } : { kind: "failed", error: "no\n" }, nowMs);
        return;
      case "startAction":
        this.#startFirst(nowMs);
        return;
      case "endAction":
      case "requeue":
        this.#endOne(which, what === "requeue", nowMs);
        return;
      case "crash":
        while (this.db.run((tx) => failInterruptedActions(tx, 2, nowMs)) > 0);
        for (const job of this.jobs)
          if (job.state.kind === "inProgress")
            end(job, { kind: "failed", error: interruptedActionText }, nowMs);
        return;
      case "wait":
        this.db.nowMs += ms * 10_000;
        return;
      case "expire":
        while (this.db.run((tx) => expireJobs(tx, 3, nowMs)) > 0);
        for (let i = this.jobs.length - 1; i >= 0; i--) {
          const { completedMs } = this.jobs[i] as ModelJob;
          if (completedMs !== null && completedMs + jobResultAgeMaxMs <= nowMs) this.jobs.splice(i, 1);
        }
        return;
    }
  }

  #schedule(which: number, dueMs: number, canceled: boolean): void {
    const nowMs = this.db.nowMs;
    const lane = which % 2 === 0 ? "mutation" : "action";
    const idText = this.db.run((tx) =>
      scheduleJob(tx, { ...target, lane, args: [{ which }], dueMs }, canceled, nowMs),
    );
    this.jobs.push({
      idText,
      lane,
      dueMs,
      state: { kind: canceled ? "canceled" : "pending" },
      completedMs: canceled ? nowMs : null,
    });
  }

  /** Due first; at the same time, scheduled first. */
  #waiting(lane: WaitingLane): ModelJob[] {
    return this.jobs
      .filter((job) => job.lane === lane && job.state.kind === "pending")
      .toSorted((a, b) => a.dueMs - b.dueMs || (a.idText < b.idText ? -1 : 1));
  }

  #runFirst(state: { kind: "success" } | { kind: "failed"; error: string }, nowMs: number): void {
    const [first] = this.#waiting("mutation");
    this.db.run((tx) => {
      const [job] = take(jobsInLane(tx, "mutation"), 1);
      expect(job === undefined ? undefined : jobIdText(job.id)).toBe(first?.idText);
      if (job !== undefined) finishJob(tx, job, state, nowMs);
    });
    if (first !== undefined) end(first, { ...state }, nowMs);
  }

  #startFirst(_nowMs: number): void {
    const [first] = this.#waiting("action");
    this.db.run((tx) => {
      const [job] = take(jobsInLane(tx, "action"), 1);
      expect(job === undefined ? undefined : jobIdText(job.id)).toBe(first?.idText);
      if (job !== undefined) startAction(tx, job);
    });
    if (first !== undefined) first.state = { kind: "inProgress" };
  }

  /** The end of an action that was started once, whatever has become of it. */
  #endOne(which: number, requeue: boolean, nowMs: number): void {
    const actions = this.jobs.filter(({ lane, state }) => lane === "action" && state.kind !== "pending");
    const job = actions[which % Math.max(1, actions.length)];
    if (job === undefined) return;
    this.db.run((tx) => {
      const { id } = decodeId(job.idText);
      const row = findJob(tx, id);
      if (row === null) return;
      if (requeue) requeueAction(tx, { id, row });
      else finishJob(tx, { id, row }, { kind: "success" }, nowMs);
    });
    if (job.state.kind !== "inProgress") return;
    if (requeue) job.state = { kind: "pending" };
    else end(job, { kind: "success" }, nowMs);
  }

  check(): void {
    const tx = this.db.begin();
    const table = this.db.table("_scheduled_functions");
    const documents = [...tx.scan(table.byId, "", null, "asc")].map(({ value }) => value as ValueObject);
    const seen = documents.map(({ _id, scheduledTime, completedTime, state }) => ({
      _id,
      scheduledTime,
      completedTime: completedTime ?? null,
      state,
    }));
    const expected = this.jobs.map(({ idText, dueMs, completedMs, state }) => ({
      _id: idText,
      scheduledTime: dueMs,
      completedTime: completedMs,
      state,
    }));
    const byId = (a: { _id?: unknown }, b: { _id?: unknown }) => (String(a._id) < String(b._id) ? -1 : 1);
    expect(seen.toSorted(byId)).toEqual(expected.toSorted(byId));
    for (const { idText, state } of this.jobs) {
      expect(isCanceled(tx, decodeId(idText).id)).toBe(state.kind === "canceled");
    }
    const lanes = (["mutation", "action", "running", "expire"] as const).map(
      (lane) => [...jobsInLane(tx, lane)].length,
    );
    const openCount = this.jobs.filter(({ completedMs }) => completedMs === null).length;
    expect(lanes.reduce((sum, count) => sum + count, 0)).toBe(this.jobs.length);
    expect([...jobsOfNamespace(tx, "" as Namespace, true, null)].length).toBe(openCount);
  }
}

const target = { namespace: "" as Namespace, componentPath: "", udfPath: "m.js:f" };

function end(job: ModelJob, state: ModelJob["state"], nowMs: number): void {
  job.state = state;
  job.completedMs = nowMs;
}

it("the queue does what the reference says of jobs, one transaction after another", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const twins = new Twins();
      for (const each of commands) {
        twins.do(each);
        twins.check();
      }
      twins.db.store.close();
    }),
    { numRuns: 60 },
  );
});
