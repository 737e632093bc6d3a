import type { LensletError } from "../src/base/errors.ts";
import type { Identity, LiveQueryId, LiveQueryState, MutationResult } from "../src/engine/api.ts";
import { anonymous, callOf, user as userNamed } from "../src/engine/testEngine.ts";
import type { CommitTs } from "../src/log/log.ts";
import type { Chance } from "./chance.ts";
import type { History, Operation } from "./history.ts";
import { accountNames, extraTables, jobKinds, type Mutation, type Query } from "./model.ts";
import { lossMessage, type SimProcess } from "./process.ts";

/** A page of entries is watched too; what it shows depends on its journal, so only the checks at the end look at it. */
export type WatchedQuery =
  Query | { readonly name: "m:page"; readonly opts: { readonly numItems: number; readonly cursor: null } };

interface Watch {
  readonly query: WatchedQuery;
  id: LiveQueryId | null;
  state: LiveQueryState | null;
  /** From the last connection. */
  journal: string | null;
}

interface Sent {
  readonly operation: Operation;
  readonly requestId: number;
  /** Only the answer to the newest sending is listened to: the others were made on sockets that are dead. */
  sendings: number;
}

/** A client outside of the process, as sync/ serves it: it sends again what it has no answer to. */
export class SimClient {
  readonly #name: string;
  readonly #identity: Identity;
  readonly #user: string | null;
  readonly #chance: Chance;
  readonly #history: History;
  readonly #unanswered = new Map<number, Sent>();
  readonly watches: Watch[] = [];
  #nextRequestId = 0;
  #process!: SimProcess;
  /** Timestamps this client has seen in the running process. */
  #seenTs: CommitTs[] = [];
  readonly #published = new Map<LiveQueryId, LiveQueryState>();

  constructor(name: string, user: string | null, chance: Chance, history: History) {
    this.#name = name;
    this.#user = user;
    this.#identity = user === null ? anonymous : userNamed(user);
    this.#chance = chance;
    this.#history = history;
  }

  get isSettled(): boolean {
    return this.#unanswered.size === 0 && this.watches.every(({ id }) => id !== null);
  }

  /** To a new process: nothing is left of the old one but what this client remembers. */
  connect(process: SimProcess): void {
    this.#process = process;
    this.#seenTs = [];
    this.#published.clear();
    process.client.subscribe({
      published: (ts, changed) => this.#hear(ts, changed),
      deploymentChanged: () => {},
      executed: () => {},
    });
    for (const watch of this.watches) {
      watch.id = null;
      watch.journal = watch.state?.journal ?? watch.journal;
      watch.state = null;
      this.#open(watch);
    }
    for (const sent of this.#unanswered.values()) this.#send(sent);
  }

  /** Does one thing that a client may do. */
  act(): void {
    this.#chance.weighted<() => void>([
      [10, () => this.#mutate()],
      [4, () => this.#openSome()],
      [3, () => this.#closeSome()],
      [3, () => this.#askOnce()],
      [2, () => this.#askAtTs()],
      [2, () => this.#sendAgain()],
    ])();
  }

  #mutate(): void {
    const mutation = this.#anyMutation();
    const mayLackSession = mutation.name === "deposit" || mutation.name === "grow";
    if (mayLackSession && this.#chance.oneIn(4)) {
      const operation = this.#history.begin(mutation, false);
      this.#answered(operation, () => true, this.#process.client.mutation(this.#callOf(operation)));
      return;
    }
    const requestId = this.#nextRequestId++;
    const sent = { operation: this.#history.begin(mutation, true), requestId, sendings: 0 };
    this.#unanswered.set(requestId, sent);
    this.#send(sent);
  }

  /** As after a broken connection, while the first call may still be on its way. */
  #sendAgain(): void {
    const sent = [...this.#unanswered.values()];
    if (sent.length > 0) this.#send(this.#chance.pick(sent));
  }

  #send(sent: Sent): void {
    const { operation, requestId } = sent;
    const sending = ++sent.sendings;
    const session = { sessionId: this.#name, requestId };
    const promise = this.#process.client.mutation({ ...this.#callOf(operation), session });
    const listens = () => sent.sendings === sending && this.#unanswered.delete(requestId);
    this.#answered(operation, listens, promise);
  }

  #callOf({ op, mutation }: Operation) {
    const { name, ...args } = mutation;
    const module = jobMutations.has(name) ? "j" : "m";
    return callOf(`${module}:${name}`, { op, ...args }, this.#identity);
  }

  #answered(operation: Operation, listens: () => boolean, promise: Promise<MutationResult>): void {
    const process = this.#process;
    promise.then(
      (result) => {
        // Otherwise it is an answer to somebody who is gone.
        if (this.#process === process && listens()) this.#conclude(operation, result);
      },
      (error: LensletError) => this.#refused("a mutation", process, error),
    );
  }

  /** Only a server whose disk has failed refuses anything; what it was asked may have been done. */
  #refused(what: string, process: SimProcess, error: LensletError): void {
    if (!process.hasFailed) this.#history.violate(`${what} was refused: ${error.message}`);
  }

  #conclude(operation: Operation, result: MutationResult): void {
    const { op } = operation;
    const { ts } = result;
    if (!result.ok) {
      operation.outcome = "failed";
      operation.failure = result.error.message;
      const { name } = operation.mutation;
      const expected = result.error.message === lossMessage || name === "transfer" || name === "doomed";
      if (!expected) this.#history.violate(`mutation ${op} failed: ${result.error.message}`);
      return;
    }
    if (ts === null) {
      this.#history.violate(`mutation ${op} succeeded without a timestamp`);
      return;
    }
    operation.outcome = { ts, valueJson: result.valueJson };
  }

  #openSome(): void {
    if (this.watches.length >= 6) return;
    const query = this.#chance.oneIn(8)
      ? ({ name: "m:page", opts: { numItems: 3, cursor: null } } as const)
      : this.#anyQuery();
    const watch: Watch = { query, id: null, state: null, journal: null };
    this.watches.push(watch);
    this.#open(watch);
  }

  #open(watch: Watch): void {
    const process = this.#process;
    const call = { ...this.#queryCall(watch.query), journal: watch.journal };
    process.client.openQuery(call).then(
      ({ id, state }) => {
        if (this.#process !== process) return;
        const news = this.#published.get(id);
        const named = JSON.stringify([watch.query, this.#user]);
        const before = process.queriesById.get(id) ?? named;
        if (before !== named) this.#history.violate(`${id} named ${before} and now ${named}`);
        process.queriesById.set(id, named);
        watch.id = id;
        watch.state = news !== undefined && news.version > state.version ? news : state;
        this.#observe(watch, process.client.latestTs());
      },
      (error: LensletError) => this.#refused("an opened query", process, error),
    );
  }

  #closeSome(): void {
    const open = this.watches.filter(({ id }) => id !== null);
    if (open.length === 0) return;
    const watch = this.#chance.pick(open);
    this.watches.splice(this.watches.indexOf(watch), 1);
    this.#process.client.closeQuery(watch.id as LiveQueryId);
  }

  #hear(
    ts: CommitTs,
    changed: readonly { readonly id: LiveQueryId; readonly state: LiveQueryState }[],
  ): void {
    const last = this.#seenTs.at(-1);
    if (last !== undefined && ts < last) this.#history.violate(`published ${ts} after ${last}`);
    if (ts !== last) this.#seenTs.push(ts);
    for (const { id, state } of changed) {
      this.#published.set(id, state);
      for (const watch of this.watches) {
        if (watch.id !== id) continue;
        const { version } = watch.state as LiveQueryState;
        if (state.version <= version) this.#history.violate(`version ${state.version} came after ${version}`);
        watch.state = state;
      }
    }
    for (const watch of this.watches) this.#observe(watch, ts);
  }

  #observe({ query, state }: Watch, ts: CommitTs): void {
    if (state === null || query.name === "m:page") return;
    this.#history.observe({ ts, query, user: this.#user, result: state.result, how: "live" });
  }

  #askOnce(): void {
    const query = this.#anyQuery();
    const process = this.#process;
    process.client.query(this.#queryCall(query)).then(
      (result) => this.#history.observe({ ts: result.ts, query, user: this.#user, result, how: "one-shot" }),
      (error: LensletError) => this.#refused("a query", process, error),
    );
  }

  #askAtTs(): void {
    if (this.#seenTs.length === 0) return;
    const query = this.#anyQuery();
    const atTs = this.#chance.pick(this.#seenTs.slice(-8));
    // Code and environment are those of now, whatever the timestamp.
    if (query.name === "m:epoch" || query.name === "v:code") return;
    const process = this.#process;
    process.client.query({ ...this.#queryCall(query), atTs }).then(
      (result) => this.#history.observe({ ts: atTs, query, user: this.#user, result, how: "at ts" }),
      (error: LensletError) => {
        if (error.code !== "OutOfRetention") this.#refused("a query", process, error);
      },
    );
  }

  #queryCall({ name, ...args }: WatchedQuery) {
    return callOf(name, args, this.#identity);
  }

  /** The same question, asked in a way that no earlier answer is used for. */
  ask({ query, state }: Watch) {
    const target = { kind: "reference", fromComponentPath: "", name: query.name } as const;
    return this.#process.client.query({
      ...this.#queryCall(query),
      target,
      journal: state?.journal ?? null,
    });
  }

  #anyMutation(): Mutation {
    const { below, pick, some } = bound(this.#chance);
    return this.#chance.weighted<() => Mutation>([
      [6, () => ({ name: "deposit", account: pick(accountNames), amount: 1 + below(50) })],
      [
        5,
        () => ({ name: "transfer", from: some(accountNames), to: pick(accountNames), amount: 1 + below(60) }),
      ],
      [5, () => ({ name: "prune", account: pick(accountNames), keep: below(5) })],
      [1, () => ({ name: "look" })],
      [2, () => ({ name: "grow", table: pick(extraTables) })],
      [2, () => ({ name: "setFlag", on: below(2) === 1 })],
      [
        6,
        () => ({
          name: "plan",
          kind: pick(jobKinds),
          delayMs: pick([0, 0, 100, 1500, 6000]),
          hops: below(3),
        }),
      ],
      [1, () => ({ name: "doomed" })],
      [3, () => ({ name: "cancel", of: this.#anyPlan() })],
    ])();
  }

  /** One of the latest, whether it was made or not. */
  #anyPlan(): number {
    const plans = this.#history.operations.filter(({ mutation }) => mutation.name === "plan").slice(-12);
    return plans.length === 0 ? 0 : this.#chance.pick(plans).op;
  }

  #anyQuery(): Query {
    const { below, pick } = bound(this.#chance);
    return this.#chance.weighted<() => Query>([
      [3, () => ({ name: "m:balance", account: pick(accountNames) })],
      [2, () => ({ name: "m:total" })],
      [3, () => ({ name: "m:entries", account: pick(accountNames), limit: 1 + below(4) })],
      [2, () => ({ name: "m:between", account: pick(accountNames), low: below(20) - 20, high: below(40) })],
      [3, () => ({ name: "m:newest", limit: 1 + below(4) })],
      [2, () => ({ name: "m:extra", table: pick(extraTables) })],
      [3, () => ({ name: "m:flagged" })],
      [1, () => ({ name: "m:epoch" })],
      [1, () => ({ name: "v:code" })],
      [2, () => ({ name: "v:ranked", limit: 1 + below(5) })],
      [3, () => ({ name: "j:runs", limit: 1 + below(4) })],
    ])();
  }
}

const jobMutations: ReadonlySet<string> = new Set(["plan", "doomed", "cancel"]);

function bound(chance: Chance) {
  return {
    below: (limit: number) => chance.below(limit),
    pick: <T>(items: readonly T[]) => chance.pick(items),
    some: <T>(items: readonly T[]) => chance.some(items),
  };
}
