import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { BetterSQLiteSession } from "drizzle-orm/better-sqlite3/session";
import { BaseSQLiteDatabase, SQLiteSyncDialect } from "drizzle-orm/sqlite-core";

/**
 * Drizzle has no driver for node:sqlite and better-sqlite3 needs a native build, so Drizzle's own better-sqlite3
 * session runs on node:sqlite through this adapter of the few methods it calls.
 */
class Statement {
  readonly #rows: StatementSync;
  #arrays = false;

  constructor(statement: StatementSync) {
    this.#rows = statement;
  }

  raw(): this {
    if (!this.#arrays) this.#rows.setReturnArrays(true);
    this.#arrays = true;
    return this;
  }

  run(...params: SQLInputValue[]): unknown {
    return this.#rows.run(...params);
  }

  get(...params: SQLInputValue[]): unknown {
    return this.#rows.get(...params);
  }

  all(...params: SQLInputValue[]): unknown[] {
    return this.#rows.all(...params);
  }
}

export type SqliteDrizzle = BaseSQLiteDatabase<"sync", unknown>;

/** Opens a WAL database that syncs at every commit, with Drizzle on top. */
export function openSqliteDrizzle(file: string): { raw: DatabaseSync; db: SqliteDrizzle } {
  const raw = openDurableSqlite(file);
  const client = { prepare: (text: string) => new Statement(raw.prepare(text)) };
  const dialect = new SQLiteSyncDialect();
  const session = new BetterSQLiteSession(client, dialect, undefined);
  const db = new BaseSQLiteDatabase("sync", dialect, session as never, undefined);
  return { raw, db };
}

/** The durability of the peers and limits on SQLite: WAL, synced before COMMIT returns. */
export function openDurableSqlite(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec("pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -262144");
  return database;
}
