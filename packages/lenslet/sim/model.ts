import { type CommitRecord } from "../src/engine/commitRecord.ts";
import type { CommitTs } from "../src/log/log.ts";
import { decodeValue } from "../src/values/json.ts";
import type { Value } from "../src/values/value.ts";
import type { JobModel } from "./jobModel.ts";

export const accountNames = ["a", "b", "c"] as const;
export const extraTables = [0, 1, 2] as const;

export type Mutation =
  | { readonly name: "deposit"; readonly account: string; readonly amount: number }
  | {
      readonly name: "transfer";
      readonly from: readonly string[];
      readonly to: string;
      readonly amount: number;
    }
  | { readonly name: "prune"; readonly account: string; readonly keep: number }
  | { readonly name: "look" }
  | { readonly name: "grow"; readonly table: number }
  | { readonly name: "setFlag"; readonly on: boolean }
  | {
      readonly name: "plan";
      readonly kind: JobKind;
      readonly delayMs: number;
      /** Jobs that a hop leads to, one after the other. */
      readonly hops: number;
    }
  | { readonly name: "doomed" }
  /** `of`: the op of a plan, or of something else. */
  | { readonly name: "cancel"; readonly of: number };

export const jobKinds = ["hop", "broken", "act"] as const;
export type JobKind = (typeof jobKinds)[number];

export type Query =
  | { readonly name: "m:balance"; readonly account: string }
  | { readonly name: "m:total" }
  | { readonly name: "m:entries"; readonly account: string; readonly limit: number }
  | { readonly name: "m:between"; readonly account: string; readonly low: number; readonly high: number }
  | { readonly name: "m:newest"; readonly limit: number }
  | { readonly name: "m:extra"; readonly table: number }
  | { readonly name: "m:flagged" }
  | { readonly name: "m:epoch" }
  | { readonly name: "v:code" }
  | { readonly name: "v:ranked"; readonly limit: number }
  | { readonly name: "j:runs"; readonly limit: number };

/** `{ error }`: the query fails with this data. */
export type Outcome = { readonly value: Value } | { readonly error: Value };

interface Entry {
  readonly account: string;
  readonly amount: number;
  readonly op: number;
  readonly at: CommitTs;
  /** Order of creation. */
  readonly created: number;
}

/** What the app is meant to do, in plain data: the other side of every comparison. */
export class Model {
  readonly balances = new Map<string, number>();
  entries: Entry[] = [];
  readonly extras = new Map<number, number[]>();
  flag: boolean | null = null;
  epoch: string | null = null;
  code = "";
  #created = 0;
  readonly #jobs: JobModel;

  constructor(jobs: JobModel) {
    this.#jobs = jobs;
  }

  /** Applies a mutation that was committed at `ts`; what it must have answered. */
  commit(op: number, mutation: Mutation, ts: CommitTs): Value {
    switch (mutation.name) {
      case "deposit":
        return { op, balance: this.#deposit(op, mutation.account, mutation.amount, ts), at: ts };
      case "transfer": {
        const { from, to, amount } = mutation;
        const canPay = (account: string) => (this.balances.get(account) ?? -1) >= amount;
        const paid = from.find(canPay);
        if (paid === undefined) return "must have failed";
        const refused = from.slice(0, from.indexOf(paid)).map((account) => [account, amount]);
        this.#addEntry(op, paid, -amount, ts);
        this.balances.set(paid, (this.balances.get(paid) as number) - amount);
        return { op, paid, refused, balance: this.#deposit(op, to, amount, ts) };
      }
      case "prune": {
        const { account, keep } = mutation;
        const own = this.#byAccount(account);
        const gone = new Set(own.slice(0, Math.max(0, own.length - keep)));
        this.entries = this.entries.filter((entry) => !gone.has(entry));
        return { op, kept: Math.min(keep, own.length) };
      }
      case "look":
        return { op, accounts: this.balances.size };
      case "grow": {
        const ops = [...(this.extras.get(mutation.table) ?? []), op];
        this.extras.set(mutation.table, ops);
        return { op, size: ops.length };
      }
      case "setFlag":
        this.flag = mutation.on;
        return { op };
      case "plan":
        return { op };
      case "doomed":
        return "must have failed";
      case "cancel": {
        const was = this.#jobs.stateOfPlan(mutation.of);
        const isOpen = was === "pending" || was === "inProgress";
        return was === null ? { op, was } : { op, was, is: isOpen ? "canceled" : was };
      }
    }
  }

  /** Takes over what is not done by the app's own mutations: code and environment. */
  configure(record: CommitRecord): void {
    for (const { json } of record.writes) {
      if (json === null) continue;
      if (json.includes('"name":"EPOCH"')) this.epoch = (decodeValue(json) as { value: string }).value;
      const code = /variant-[AB]/.exec(json);
      if (code !== null && json.includes('"path":"v.js"')) this.code = code[0];
    }
  }

  answer(query: Query, user: string | null): Outcome {
    switch (query.name) {
      case "m:balance":
        return { value: this.balances.get(query.account) ?? null };
      case "m:total": {
        const total = [...this.balances.values()].reduce((sum, balance) => sum + balance, 0);
        return total % 7 === 3 ? { error: { total } } : { value: total };
      }
      case "m:entries": {
        const newestFirst = this.#byAccount(query.account).toReversed();
        return { value: newestFirst.slice(0, query.limit).map(({ amount, op }) => [amount, op]) };
      }
      case "m:between": {
        const { account, low, high } = query;
        const found = this.#byAccount(account).filter(({ amount }) => amount >= low && amount < high);
        return { value: found.map(({ op }) => op) };
      }
      case "m:newest":
        return {
          value: this.entries
            .toReversed()
            .slice(0, query.limit)
            .map(({ op, at }) => [op, at]),
        };
      case "m:extra":
        return { value: this.extras.get(query.table) ?? [] };
      case "m:flagged":
        return { value: this.flag === true ? user : "shared" };
      case "m:epoch":
        return { value: this.epoch };
      case "v:code":
        return { value: this.code };
      case "v:ranked": {
        const ranked = this.entries.toSorted((a, b) => b.amount - a.amount || b.created - a.created);
        return { value: ranked.slice(0, query.limit).map(({ op }) => op) };
      }
      case "j:runs":
        return { value: this.#jobs.newestRuns(query.limit).map(({ key, at }) => [key, at]) };
    }
  }

  #deposit(op: number, account: string, amount: number, ts: CommitTs): number {
    const balance = (this.balances.get(account) ?? 0) + amount;
    this.balances.set(account, balance);
    this.#addEntry(op, account, amount, ts);
    return balance;
  }

  #addEntry(op: number, account: string, amount: number, at: CommitTs): void {
    this.entries.push({ account, amount, op, at, created: this.#created++ });
  }

  #byAccount(account: string): Entry[] {
    const own = this.entries.filter((entry) => entry.account === account);
    return own.toSorted((a, b) => a.amount - b.amount || a.created - b.created);
  }
}
