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

/** Everything clients of one simulation have done and seen. */
export class History {
  readonly operations: Operation[] = [];
  readonly observations: Observation[] = [];
  readonly violations: string[] = [];
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

  violate(text: string): void {
    this.violations.push(text);
  }
}
