import type { Clock, Timers } from "../../base/clock.ts";
import { LensletError } from "../../base/errors.ts";
import type { CommitTs } from "../log.ts";
import { logFailed } from "../local/logErrors.ts";
import { PostgresConnection } from "./connection.ts";
import { deposed } from "./errors.ts";
import {
  acquireLease,
  appendGroup,
  type Claim,
  type Group,
  type LogState,
  reclaimLease,
  releaseLease,
  renewLease,
  trimGroups,
} from "./tables.ts";

/** A leader stops writing when so much of its lease is over; the rest is for what clocks differ in their pace. */
const usedPartMax = 0.8;
const retryPauseMsMin = 20;
const retryPauseMsMax = 1000;
/** After so many refusals of one and the same group the log has failed. */
const refusalsMax = 4;
/** How long a node that is to end tries to reach PostgreSQL for what it has not written yet. */
const closeMsMax = 10_000;

export interface PostgresWriterOptions {
  readonly url: string;
  readonly claim: Claim;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly report: (message: string) => void;
}

interface Lead {
  readonly connection: PostgresConnection;
  readonly state: LogState;
}

/**
 * The one writer of a node: takes the lease, appends, and keeps the lease. Whatever goes wrong on its connection, it
 * opens another one and begins a new epoch there, which tells for certain what has become of the statement before.
 */
export class PostgresWriter {
  readonly #options: PostgresWriterOptions;
  #lead: Lead | null = null;
  #isLeader = false;
  #goodUntilMs = -Infinity;
  #turn: Promise<unknown> = Promise.resolve();
  #giveUpMs = Infinity;
  #reported = "";

  constructor(options: PostgresWriterOptions) {
    this.#options = options;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** Takes the lease if it has expired; null if somebody has it. Rejects when PostgreSQL cannot be reached. */
  acquire(seenEpoch: bigint): Promise<LogState | null> {
    return this.#inTurn(async () => {
      const { url, claim, clock } = this.#options;
      const connection = await PostgresConnection.open(url);
      const sentMs = clock.monotonicMs();
      const state = await acquireLease(connection, claim, seenEpoch);
      if (state === null) {
        connection.close();
        return null;
      }
      this.#isLeader = true;
      this.#lead = { connection, state };
      this.#prolonged(sentMs);
      return state;
    });
  }

  /** Resolves when the group is durable. Rejects with LogDeposed or LogFailed: nobody knows it then. */
  append(group: Group): Promise<void> {
    return this.#inTurn(async () => {
      let refusals = 0;
      for (let pauseMs = retryPauseMsMin; ; pauseMs = Math.min(pauseMs * 2, retryPauseMsMax)) {
        try {
          const { connection, state } = await this.#leading();
          if (state.lastTs === group.lastTs) return;
          if (state.lastTs !== group.afterTs)
            throw logFailed(
              `the log ends at ${state.lastTs}, and neither before nor after what was appended`,
            );
          await this.#try(group, connection, state);
        } catch (error) {
          if (isServerRefusal(error)) refusals += 1;
          await this.#goOnAfter(error, pauseMs, refusals);
        }
      }
    });
  }

  /** Keeps the lease. Rejects with LogDeposed when somebody else has it. */
  renew(): Promise<void> {
    return this.#inTurn(async () => {
      for (let pauseMs = retryPauseMsMin; ; pauseMs = Math.min(pauseMs * 2, retryPauseMsMax)) {
        try {
          const { connection, state } = await this.#leading();
          const sentMs = this.#options.clock.monotonicMs();
          if (!(await renewLease(connection, this.#options.claim, state.epoch))) throw deposed();
          this.#prolonged(sentMs);
          return;
        } catch (error) {
          await this.#goOnAfter(error, pauseMs, 0);
        }
      }
    });
  }

  trim(upToTs: CommitTs): Promise<LogState> {
    return this.#inTurn(async () => {
      const { connection } = await this.#leading();
      return await trimGroups(connection, this.#options.claim, upToTs);
    });
  }

  /** Ends the attempts of `append` after a while: the process is to end. */
  giveUpSoon(): void {
    this.#giveUpMs = Math.min(this.#giveUpMs, this.#options.clock.monotonicMs() + closeMsMax);
  }

  /** Gives the lease back, if there is one and a connection. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      const { connection } = this.#lead ?? {};
      if (this.#isLeader && connection?.isUsable === true) {
        await releaseLease(connection, this.#options.claim).catch(() => {});
      }
      this.#isLeader = false;
      connection?.close();
    });
  }

  /** The leader has been told that it is none any more: it ends without touching the lease. */
  abandon(): void {
    this.#isLeader = false;
    this.#lead?.connection.close();
  }

  async #try(group: Group, connection: PostgresConnection, state: LogState): Promise<void> {
    const sentMs = this.#options.clock.monotonicMs();
    const { claim } = this.#options;
    if (!(await appendGroup(connection, claim, state.epoch, group))) throw deposed();
    this.#prolonged(sentMs);
    this.#lead = { connection, state: { ...state, lastTs: group.lastTs } };
  }

  /** A usable connection whose epoch is current, and the state of the log as nobody else can change it. */
  async #leading(): Promise<Lead> {
    const { url, claim, clock } = this.#options;
    if (!this.#isLeader) throw deposed();
    const isFresh = clock.monotonicMs() < this.#goodUntilMs;
    if (this.#lead?.connection.isUsable === true && isFresh) return this.#lead;
    this.#lead?.connection.close();
    const connection = await PostgresConnection.open(url);
    const sentMs = clock.monotonicMs();
    const state = await reclaimLease(connection, claim);
    if (state === null) {
      connection.close();
      throw deposed();
    }
    this.#lead = { connection, state };
    this.#prolonged(sentMs);
    this.#reported = "";
    return this.#lead;
  }

  #prolonged(sentMs: number): void {
    this.#goodUntilMs = sentMs + this.#options.claim.leaseMs * usedPartMax;
  }

  /** Pauses before the next attempt, or throws what ends them. */
  async #goOnAfter(error: unknown, pauseMs: number, refusals: number): Promise<void> {
    const { clock, timers, report } = this.#options;
    if (error instanceof LensletError) {
      if (error.code === "LogDeposed") this.abandon();
      throw error;
    }
    this.#lead?.connection.close();
    const { message } = error as Error;
    if (refusals >= refusalsMax) throw logFailed(`PostgreSQL refuses it: ${message}`);
    if (clock.monotonicMs() > this.#giveUpMs) throw logFailed(`PostgreSQL cannot be reached: ${message}`);
    if (message !== this.#reported) report(`PostgreSQL: ${message}; trying again`);
    this.#reported = message;
    await new Promise<void>((resolve) => timers.setTimeout(resolve, pauseMs));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work, work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** An answer of the server about the statement itself, not about its own state or load. */
function isServerRefusal(error: unknown): boolean {
  const { severity, code } = error as { severity?: string; code?: string };
  return severity === "ERROR" && code !== undefined && !/^(08|40|53|55|57)/.test(code);
}
