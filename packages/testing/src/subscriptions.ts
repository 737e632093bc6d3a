import { SubscriptionIndex } from "../../lenslet/src/subscription/subscriptionIndex.ts";
import type { Backend } from "./backend.ts";
import type { FunctionRun, Outcome } from "./call.ts";
import type { Commit } from "./database.ts";
import type { TestSubscription } from "./types.ts";

interface Watched {
  readonly run: FunctionRun;
  readonly decode: (outcome: Outcome) => unknown;
  readonly results: unknown[];
  last: Outcome | null;
  /** Commits since the run in progress began; null while there is none. */
  missed: Commit[] | null;
  busy: Promise<void>;
  waiting: { resolve: (value: unknown) => void; reject: (error: unknown) => void }[];
  closed: boolean;
}

/** Live queries of one test: a query runs again when a commit overlaps with what it has read. */
export class Subscriptions {
  readonly #backend: Backend;
  readonly #index = new SubscriptionIndex<Watched>();
  readonly #open = new Set<Watched>();

  constructor(backend: Backend) {
    this.#backend = backend;
    backend.database.onCommit((commit) => this.#follow(commit));
  }

  async open(run: FunctionRun, decode: (outcome: Outcome) => unknown): Promise<TestSubscription<unknown>> {
    const watched: Watched = {
      run,
      decode,
      results: [],
      last: null,
      missed: null,
      busy: Promise.resolve(),
      waiting: [],
      closed: false,
    };
    this.#open.add(watched);
    await this.#runAgain(watched);
    return {
      get results() {
        return watched.results;
      },
      get current() {
        return decode(watched.last as Outcome);
      },
      next: () =>
        new Promise((resolve, reject) => {
          watched.waiting.push({ resolve, reject });
        }),
      settled: async () => {
        for (let busy: Promise<void> | null = null; busy !== watched.busy;) {
          busy = watched.busy;
          await busy;
        }
      },
      unsubscribe: () => {
        watched.closed = true;
        this.#open.delete(watched);
        this.#index.remove(watched);
      },
    };
  }

  #follow(commit: Commit): void {
    if (this.#open.size === 0) return;
    for (const { missed } of this.#open) missed?.push(commit);
    for (const watched of this.#index.affected(commit.writes)) void this.#runAgain(watched);
  }

  #runAgain(watched: Watched): Promise<void> {
    this.#index.remove(watched);
    watched.busy = this.#runUntilCurrent(watched);
    return watched.busy;
  }

  /** A commit that came in while the query ran may have changed what it had read. */
  async #runUntilCurrent(watched: Watched): Promise<void> {
    for (let isStale = true; isStale && !watched.closed;) {
      const missed: Commit[] = [];
      watched.missed = missed;
      const { outcome, reads } = await this.#backend.query(watched.run);
      watched.missed = null;
      if (watched.closed) return;
      this.#index.add(watched, reads);
      isStale = missed.some(({ writes }) => this.#index.affected(writes).has(watched));
      if (isStale) this.#index.remove(watched);
      this.#show(watched, outcome);
    }
  }

  #show(watched: Watched, outcome: Outcome): void {
    const before = watched.last;
    if (before !== null && outcome.ok && before.ok && before.valueJson === outcome.valueJson) return;
    watched.last = outcome;
    const waiting = watched.waiting.splice(0);
    try {
      const result = watched.decode(outcome);
      watched.results.push(result);
      for (const { resolve } of waiting) resolve(result);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
