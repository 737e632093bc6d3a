import type { FunctionResult } from "../src/engine/api.ts";
import type { CommitTs } from "../src/log/log.ts";
import type { Mutation, Query } from "./model.ts";

/** What a client was told, to be compared with the model later. */
export interface Observation {
  readonly ts: CommitTs;
  readonly query: Query;
  readonly user: string | null;
  readonly result: FunctionResult;
  readonly how: "live" | "one-shot" | "at ts";
}

export interface Operation {
  readonly op: number;
  readonly mutation: Mutation;
  readonly hasSession: boolean;
  outcome: "unknown" | "failed" | { readonly ts: CommitTs; readonly valueJson: string };
  failure: string | null;
}

/** What the simulation's action host did with a scheduled action, or with that of a cron. */
export interface ActionRun {
  /** Of the process that ran it. */
  readonly boot: string;
  /** What the log held durably when it was started. */
  readonly durableTs: CommitTs;
  /** As the action reported it to the scheduler; null while it has not ended, and for ever if its process died. */
  end: { readonly ok: boolean; readonly error: string } | null;
}

/** Everything clients of one simulation have done and seen. */
export class History {
  readonly operations: Operation[] = [];
  readonly observations: Observation[] = [];
  readonly violations: string[] = [];
  /** By the id of the job, or by the function of a cron. */
  readonly actionRuns = new Map<string, ActionRun[]>();
  /** How often what happened, and became of jobs and crons. */
  readonly counts: Record<string, number> = {};
  /** Keys of jobs that actions asked for: true when they were told that it is scheduled. */
  readonly children = new Map<string, boolean>();
  /** The latest time that the wall clock has ever shown, when each commit was made. */
  readonly latestWallMs = new Map<CommitTs, number>();
  readonly #seen = new Set<string>();

  begin(mutation: Mutation, hasSession: boolean): Operation {
    const operation: Operation = {
      op: this.operations.length,
      mutation,
      hasSession,
      outcome: "unknown",
      failure: null,
    };
    this.operations.push(operation);
    return operation;
  }

  observe(observation: Observation): void {
    const { ts, query, user, result } = observation;
    const answer = result.ok ? result.valueJson : result.error;
    const key = JSON.stringify([String(ts), query, user, answer]);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.observations.push(observation);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  violate(text: string): void {
    this.violations.push(text);
  }
}
