import { DatabaseSync, type StatementSync } from "node:sqlite";
import { assert } from "../base/assert.ts";
import { LensletError } from "../base/errors.ts";

/** Version of everything below: table layout, key encoding, meta rows. A newer one is refused at the door. */
export const storeFormatVersion = 1;

/**
 * 8 KiB pages hold rows of up to 2 KiB without overflow pages in a WITHOUT ROWID table, which is where chat-sized
 * documents are; measured against 4 and 16 KiB (see README.md).
 */
const pageSizeBytes = 8192;
/** SQLite's own page cache. Pages that a transaction made dirty and that do not fit are written to the WAL early. */
const pageCacheKiB = 64 * 1024;
/** A checkpoint copies each changed page once however often it was changed: let the WAL collect 64 MiB of them. */
const walPagesBeforeCheckpoint = 8192;
const walBytesKept = 128 * 1024 * 1024;
/** More prepared statements than this are forgotten all at once and prepared again on use. */
const preparedStatementsMax = 4096;

const sqliteBusy = 5;
const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;

/** A prepared statement that returns rows as arrays and survives `preparedStatementsMax`. */
export class Statement {
  readonly #database: SqliteDatabase;
  readonly #sql: string;
  #prepared: StatementSync | null = null;
  #generation = -1;

  constructor(database: SqliteDatabase, sql: string) {
    this.#database = database;
    this.#sql = sql;
  }

  /** The statement to call `run`, `get` or `all` on; not to be kept. */
  use(): StatementSync {
    if (this.#prepared === null || this.#generation !== this.#database.statementGeneration) {
      this.#prepared = this.#database.prepare(this.#sql);
      this.#generation = this.#database.statementGeneration;
    }
    return this.#prepared;
  }
}

/**
 * One SQLite connection with a write transaction that is always open: `commit` ends it and begins the next. What was
 * not committed is gone after `close` or a crash.
 *
 * - `locking_mode=EXCLUSIVE`: one process owns the data folder, no shared-memory file, no lock traffic per commit.
 * - `synchronous=NORMAL` in WAL mode: a commit does not wait for the disk, a checkpoint does. After power loss the file
 *   is a consistent earlier commit, and the log replays the rest. OFF saves nothing between checkpoints and could
 *   leave a torn file, which would make every power loss a rebuild from the beginning of the log.
 */
export class SqliteDatabase {
  readonly #connection: DatabaseSync;
  #preparedCount = 0;
  statementGeneration = 0;

  constructor(path: string, lockWaitMs: number) {
    try {
      this.#connection = new DatabaseSync(path, { timeout: lockWaitMs, defensive: false });
    } catch (error) {
      throw explainOpenError(error, path);
    }
    try {
      this.#connection.exec(`
        PRAGMA page_size = ${pageSizeBytes};
        PRAGMA cache_size = -${pageCacheKiB};
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA temp_store = MEMORY;
        PRAGMA wal_autocheckpoint = ${walPagesBeforeCheckpoint};
        PRAGMA journal_size_limit = ${walBytesKept};
        BEGIN IMMEDIATE;`);
      this.#initialize(path);
    } catch (error) {
      this.#connection.close();
      throw explainOpenError(error, path);
    }
  }

  /** Checks the format of an existing file, or lays out an empty one. */
  #initialize(path: string): void {
    const names = new Set(
      this.#connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .all()
        .map((row) => row["name"]),
    );
    if (names.size === 0) {
      this.exec("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
      this.setMeta("formatVersion", String(storeFormatVersion));
      return;
    }
    const found = names.has("meta") ? this.getMeta("formatVersion") : null;
    if (found === null) {
      throw new LensletError(
        "Internal",
        "DataFileUnknown",
        `${path} is a SQLite database, but not one that Lenslet made. Point Lenslet at an empty data folder, or move this file away.`,
      );
    }
    if (!(Number(found) <= storeFormatVersion)) {
      throw new LensletError(
        "Internal",
        "DataFormatTooNew",
        `${path} was written by a newer Lenslet (data format ${found}); this version reads up to format ${storeFormatVersion}. Nothing was changed. Update Lenslet, or restore a backup that this version made.`,
      );
    }
  }

  prepare(sql: string): StatementSync {
    if (++this.#preparedCount > preparedStatementsMax) {
      this.#preparedCount = 1;
      this.statementGeneration++;
    }
    const statement = this.#connection.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  }

  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  commit(): void {
    this.#connection.exec("COMMIT; BEGIN IMMEDIATE");
  }

  /** Copies the whole WAL into the database and syncs both. Nothing uncommitted may be there: it would be committed. */
  checkpoint(): void {
    this.#connection.exec("COMMIT");
    const row = this.#connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    assert(row?.["busy"] === 0, "a checkpoint of an exclusive connection is complete");
    this.#connection.exec("BEGIN IMMEDIATE");
  }

  /** Whether a commit copies the WAL into the database when that has grown: the file changes in no other way. */
  checkpointsAlone(allowed: boolean): void {
    this.#connection.exec(`PRAGMA wal_autocheckpoint = ${allowed ? walPagesBeforeCheckpoint : 0}`);
  }

  getMeta(key: string): string | null {
    const row = this.#connection.prepare("SELECT value FROM meta WHERE key = ?").get(key);
    const value = row?.["value"];
    return typeof value === "string" ? value : null;
  }

  setMeta(key: string, value: string): void {
    this.#connection.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)").run(key, value);
  }

  /** Gives up everything since the last `commit`. */
  close(): void {
    if (!this.#connection.isOpen) return;
    if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK");
    this.#connection.close();
  }
}

function explainOpenError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  switch (code) {
    case sqliteBusy:
      return new LensletError(
        "Internal",
        "DataFolderLocked",
        `${path} is in use by another process. Stop the other Lenslet that runs on this data folder, or give this one a folder of its own.`,
      );
    case sqliteCorrupt:
    case sqliteNotADatabase:
      return new LensletError(
        "Internal",
        "DataFileDamaged",
        `${path} is damaged and cannot be read. Restore it from a backup, or remove the store file so that it is rebuilt from the log.`,
      );
    default:
      return error;
  }
}
