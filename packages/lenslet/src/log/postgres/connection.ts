import { Client } from "pg";
import { invalidUrl } from "./errors.ts";

const connectTimeoutMs = 10_000;

export interface ConnectionEvents {
  /** Called once, when the connection is lost or has been broken off. */
  readonly lost?: (error: Error) => void;
  readonly notified?: (payload: string) => void;
}

/**
 * One connection, one statement at a time, each a transaction of its own. Any error makes it unusable: whoever gets one
 * cannot know what became of the statement, and finds out on a new connection.
 */
export class PostgresConnection {
  readonly #client: Client;
  readonly #lost: (error: Error) => void;
  #broken: Error | null = null;

  private constructor(client: Client, events: ConnectionEvents) {
    this.#client = client;
    this.#lost = events.lost ?? (() => {});
    client.on("error", (error) => this.#break(error));
    client.on("end", () => this.#break(new Error("the connection has ended")));
    client.on("notification", ({ payload }) => events.notified?.(payload ?? ""));
  }

  static async open(url: string, events: ConnectionEvents = {}): Promise<PostgresConnection> {
    const client = new Client({
      ...settingsOf(url),
      application_name: "lenslet",
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    });
    const connection = new PostgresConnection(client, events);
    await client.connect();
    // A commit that is announced has reached the disk, whatever the database's own default; a stricter one stays.
    await connection.rows(
      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')",
      [],
      connectTimeoutMs,
    );
    return connection;
  }

  get isUsable(): boolean {
    return this.#broken === null;
  }

  async rows<R extends object>(text: string, values: readonly unknown[], timeoutMs: number): Promise<R[]> {
    if (this.#broken !== null) throw this.#broken;
    try {
      // pg's types do not know of the time-out, which counts for this one statement.
      const query = { text, values: [...values], query_timeout: timeoutMs };
      return (await this.#client.query<R>(query)).rows;
    } catch (error) {
      this.#break(error as Error);
      throw error;
    }
  }

  /** Ends it without waiting for anything. */
  close(): void {
    this.#break(new Error("the connection is closed"));
  }

  #break(error: Error): void {
    if (this.#broken !== null) return;
    this.#broken = error;
    // It waits for a statement that hangs, which nobody else does.
    void this.#client.end().catch(() => {});
    const { stream } = (this.#client as unknown as { connection: { stream: { destroy(): void } } })
      .connection;
    setImmediate(() => stream.destroy());
    this.#lost(error);
  }
}

/** Throws PostgresUrlInvalid. */
function settingsOf(url: string): { connectionString: string } {
  const parsed = URL.parse(url);
  const isPostgres = parsed !== null && /^postgres(ql)?:$/.test(parsed.protocol);
  if (!isPostgres || parsed.pathname.length < 2) throw invalidUrl();
  return { connectionString: url };
}
