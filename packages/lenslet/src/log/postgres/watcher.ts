import type { Timers } from "../../base/clock.ts";
import type { CommitTs } from "../log.ts";
import { PostgresConnection } from "./connection.ts";
import { type LogState, notifyChannel, readGroups, readState, type StoredGroup } from "./tables.ts";

/** Notifications may get lost with a connection or in a pooler: the state is looked at this often at any rate. */
const pollMs = 500;
const retryPauseMsMin = 20;
const retryPauseMsMax = 1000;

export interface PostgresWatcherOptions {
  readonly url: string;
  readonly timers: Timers;
  readonly report: (message: string) => void;
  readonly changed: (state: LogState) => void;
  /** Only the end of the log, from a notification. */
  readonly grown: (lastTs: CommitTs) => void;
}

/** Reads the log and follows its end, on a connection of its own that it opens again whenever it is lost. */
export class PostgresWatcher {
  readonly #options: PostgresWatcherOptions;
  #connection: PostgresConnection | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #cancelPoll: () => void = () => {};
  #closed = false;
  #reported = "";

  constructor(options: PostgresWatcherOptions) {
    this.#options = options;
  }

  /** The first connection, on which tables have been opened already. */
  async start(): Promise<LogState> {
    await this.#connect();
    const state = await this.state();
    this.#pollLater();
    return state;
  }

  /** The state now. Keeps trying while PostgreSQL cannot be reached. */
  state(): Promise<LogState> {
    return this.#keepTrying(readState);
  }

  groups(after: CommitTs, end: CommitTs): Promise<{ groups: StoredGroup[]; trimmedTs: CommitTs }> {
    return this.#keepTrying((connection) => readGroups(connection, after, end));
  }

  close(): void {
    this.#closed = true;
    this.#cancelPoll();
    this.#connection?.close();
  }

  #pollLater(): void {
    this.#cancelPoll = this.#options.timers.setTimeout(() => {
      this.state().then(
        (state) => {
          if (this.#closed) return;
          this.#options.changed(state);
          this.#pollLater();
        },
        () => {
          // Closed meanwhile; nothing else ends the attempts.
        },
      );
    }, pollMs);
  }

  #keepTrying<T>(read: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    const attempts = async (): Promise<T> => {
      for (let pauseMs = retryPauseMsMin; ; pauseMs = Math.min(pauseMs * 2, retryPauseMsMax)) {
        try {
          const answer = await read(await this.#connect());
          this.#reported = "";
          return answer;
        } catch (error) {
          if (this.#closed) throw error;
          this.#report((error as Error).message);
          await new Promise<void>((resolve) => this.#options.timers.setTimeout(resolve, pauseMs));
        }
      }
    };
    const done = this.#turn.then(attempts, attempts);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #connect(): Promise<PostgresConnection> {
    if (this.#closed) throw new Error("the log is closed");
    if (this.#connection?.isUsable === true) return this.#connection;
    const connection = await PostgresConnection.open(this.#options.url, {
      notified: (payload) => {
        if (/^\d+$/.test(payload)) this.#options.grown(BigInt(payload));
      },
    });
    await connection.rows(`LISTEN ${notifyChannel}`, [], 10_000);
    this.#connection = connection;
    return connection;
  }

  #report(message: string): void {
    if (message !== this.#reported) this.#options.report(`PostgreSQL: ${message}; trying again`);
    this.#reported = message;
  }
}
