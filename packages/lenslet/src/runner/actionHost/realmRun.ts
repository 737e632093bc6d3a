import type { RunFailure } from "../types.ts";
import type { RealmIntrinsics } from "./actionGlobals.ts";
import type { Owner } from "./owner.ts";
import { fetchFor, type RealmOwner } from "./platform.ts";
import { storageCall } from "./storageCalls.ts";
import type { RunningAction } from "./runningAction.ts";

/** Longer delays fire at once, as in browsers and Node. */
const delayMsMax = 2 ** 31 - 1;

/** The realm of a run, as far as the run needs it. */
export interface RunRealm {
  readonly intrinsics: RealmIntrinsics;
  describe(thrown: unknown): RunFailure;
  formatStack(error: unknown, sites: readonly NodeJS.CallSite[]): string;
}

/** One run of user code in a realm: owns its continuations, timers and requests. */
export class RealmRun implements Owner, RealmOwner {
  readonly action: RunningAction;
  readonly #realm: RunRealm;
  readonly #timers = new Map<number, NodeJS.Timeout>();
  #nextTimer = 1;
  #fetches = 0;
  #isSettled = false;
  /** Something of it may still come to life; nobody may have its realm. */
  #leftTraces = false;

  constructor(realm: RunRealm, action: RunningAction) {
    this.#realm = realm;
    this.action = action;
    action.abort.signal.addEventListener("abort", () => this.#end(), { once: true });
  }

  get intrinsics(): RealmIntrinsics {
    return this.#realm.intrinsics;
  }

  /** Requests that nobody has got an answer to yet. */
  get openFetches(): number {
    return this.#fetches;
  }

  /** True when the function came to its own end and all it had started has ended too. */
  get endedCleanly(): boolean {
    return this.#isSettled && !this.#leftTraces;
  }

  /** The function's promise has been settled. */
  settled(): void {
    this.#isSettled = true;
    if (this.action.pendingOps().length > 0) this.#leftTraces = true;
  }

  formatStack(error: unknown, sites: readonly NodeJS.CallSite[]): string {
    return this.#realm.formatStack(error, sites);
  }

  actionId(): number {
    return this.action.ended ? 0 : this.action.run.id;
  }

  strayFailure(_origin: string, thrown: unknown): void {
    this.leaveTraces();
    this.action.fail(this.#realm.describe(thrown));
  }

  leaveTraces(): void {
    this.#leftTraces = true;
  }

  async fetch(input: unknown, init: unknown): Promise<unknown> {
    this.#fetches++;
    try {
      return await fetchFor(input, init, this.action.abort.signal);
    } finally {
      this.#fetches--;
    }
  }

  /** A file call: its bytes travel by a request of the host's own. */
  async storage(op: string, args: unknown): Promise<unknown> {
    this.#fetches++;
    try {
      return await storageCall(this.action, op, args);
    } finally {
      this.#fetches--;
    }
  }

  startTimer(run: () => void, delayMs: number, repeats: boolean): number {
    const id = this.#nextTimer++;
    if (this.action.ended) return id;
    const delay = delayMs >= 0 && delayMs <= delayMsMax ? delayMs : 0;
    const fire = (): void => {
      if (!repeats) this.#timers.delete(id);
      // Never directly from the event loop: a loop that is broken off must take nothing of the host with it. What
      // the callback throws becomes an unhandled rejection.
      void Promise.resolve().then(run);
    };
    this.#timers.set(id, repeats ? setInterval(fire, delay) : setTimeout(fire, delay));
    return id;
  }

  stopTimer(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  #end(): void {
    // A timer that never fires is no trace; a request may be answered by a continuation of user code.
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (this.#fetches > 0) this.#leftTraces = true;
  }
}
