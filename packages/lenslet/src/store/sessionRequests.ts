import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../base/assert.ts";
import type { CommitTs } from "../log/log.ts";
import { type SqliteDatabase, Statement } from "./sqliteDatabase.ts";
import type { SessionRequest } from "./store.ts";
import type { WriteBuffer } from "./writeBuffer.ts";

/** Sessions whose greatest request id is remembered, so that a new request is known to be new without SQL. */
const sessionsRemembered = 50_000;

/** The newest answers, kept as objects: a client that reconnects asks again for what it sent last. */
const recentRequestsMax = 4096;
const recentBytesMax = 8 * 1024 * 1024;

/**
 * Dedup records. The row id is the commit's ts (a commit answers at most one request), which makes expiry a range
 * delete; the unique index finds a request.
 */
export class SessionRequests {
  readonly #buffer: WriteBuffer;
  readonly #pending = new Map<string, SessionRequest>();
  readonly #recent = new Map<string, SessionRequest>();
  #recentBytes = 0;
  /** Session → an upper bound of the request ids on record; null was never asked. */
  readonly #greatest = new Map<string, number>();
  readonly #insert: Statement;
  readonly #select: Statement;
  readonly #selectGreatest: Statement;
  readonly #expire: Statement;

  constructor(database: SqliteDatabase, buffer: WriteBuffer) {
    this.#buffer = buffer;
    database.exec(`
      CREATE TABLE IF NOT EXISTS session_requests (
        ts INTEGER PRIMARY KEY, session_id TEXT NOT NULL, request_id INTEGER NOT NULL,
        result TEXT NOT NULL, log_lines TEXT NOT NULL);
      CREATE UNIQUE INDEX IF NOT EXISTS session_requests_by_request ON session_requests (session_id, request_id);`);
    this.#insert = new Statement(
      database,
      "INSERT OR REPLACE INTO session_requests (ts, session_id, request_id, result, log_lines) VALUES (?, ?, ?, ?, ?)",
    );
    // 64-bit timestamps do not fit a number, hence the text.
    this.#select = new Statement(
      database,
      "SELECT CAST(ts AS TEXT), result, log_lines FROM session_requests WHERE session_id = ? AND request_id = ?",
    );
    this.#selectGreatest = new Statement(
      database,
      "SELECT COALESCE(MAX(request_id), -1) FROM session_requests WHERE session_id = ?",
    );
    this.#expire = new Statement(database, "DELETE FROM session_requests WHERE ts < ?");
  }

  add(request: SessionRequest): void {
    this.#pending.set(keyOf(request.sessionId, request.requestId), request);
    this.#raiseGreatest(request);
    this.#buffer.note(this, 1, bytesOf(request));
  }

  get(sessionId: string, requestId: number): SessionRequest | null {
    const key = keyOf(sessionId, requestId);
    const known = this.#pending.get(key) ?? this.#recent.get(key);
    if (known !== undefined) return known;
    if (requestId > this.#greatestOf(sessionId)) return null;
    const row = this.#select.use().get(sessionId, requestId) as unknown as SQLOutputValue[] | undefined;
    if (row === undefined) return null;
    const [ts, resultJson, logLinesJson] = row;
    assert(
      typeof ts === "string" && typeof resultJson === "string" && typeof logLinesJson === "string",
      "a dedup record holds texts",
    );
    return { sessionId, requestId, ts: BigInt(ts), resultJson, logLinesJson };
  }

  expire(before: CommitTs): void {
    this.flush();
    this.#expire.use().run(before);
    for (const [key, request] of this.#recent) {
      // In order of commit.
      if (request.ts >= before) break;
      this.#recent.delete(key);
      this.#recentBytes -= bytesOf(request);
    }
  }

  flush(): void {
    for (const [key, request] of this.#pending) {
      const { ts, sessionId, requestId, resultJson, logLinesJson } = request;
      this.#insert.use().run(ts, sessionId, requestId, resultJson, logLinesJson);
      this.#raiseGreatest(request);
      this.#recent.set(key, request);
      this.#recentBytes += bytesOf(request);
    }
    this.#pending.clear();
    for (const [key, request] of this.#recent) {
      if (this.#recent.size <= recentRequestsMax && this.#recentBytes <= recentBytesMax) break;
      this.#recent.delete(key);
      this.#recentBytes -= bytesOf(request);
    }
  }

  #greatestOf(sessionId: string): number {
    const remembered = this.#greatest.get(sessionId);
    if (remembered !== undefined) return remembered;
    const row = this.#selectGreatest.use().get(sessionId) as unknown as SQLOutputValue[];
    const greatest = Number(row[0]);
    // Whoever comes back costs one statement, so forgetting all of them now and then is cheap enough.
    if (this.#greatest.size >= sessionsRemembered) this.#greatest.clear();
    this.#greatest.set(sessionId, greatest);
    return greatest;
  }

  #raiseGreatest({ sessionId, requestId }: SessionRequest): void {
    const remembered = this.#greatest.get(sessionId);
    if (remembered !== undefined && requestId > remembered) this.#greatest.set(sessionId, requestId);
  }
}

function keyOf(sessionId: string, requestId: number): string {
  return `${requestId} ${sessionId}`;
}

function bytesOf(request: SessionRequest): number {
  return 200 + request.resultJson.length + request.logLinesJson.length;
}
