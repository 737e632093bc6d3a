import type { CommitTs } from "../log.ts";
import type { PostgresConnection } from "./connection.ts";
import { formatTooNew, serverVersionMin, tablesFormat, tooOld } from "./errors.ts";

/*
 * The schema `lenslet` of one database holds one deployment:
 *
 *   deployment   one row: its name and secret, the end of the log, and the lease: who leads, in which epoch, until when
 *   log          one row for each group commit: its records as log/local/format.ts writes them
 *
 * Whoever changes the log changes the one row of `deployment` in the same statement, under a condition that holds the
 * epoch and the end of the log. So groups form a chain, an epoch that is over can add nothing to it, and an append that
 * hangs is waited for by the row's lock. Every statement here is a transaction of its own.
 */

const schemaLock = 7_236_102_311;

/** Of all statements but an append, which may be large. */
const statementTimeoutMs = 15_000;
const appendTimeoutMs = 120_000;

export const notifyChannel = "lenslet_log";

export interface Identity {
  readonly name: string;
  /** Hex. */
  readonly secret: string;
}

export interface LogState {
  readonly lastTs: CommitTs;
  /** 0n for an empty log. */
  readonly firstTs: CommitTs;
  readonly trimmedTs: CommitTs;
  readonly epoch: bigint;
  /** Names a run of a node's process; "" when there has never been a leader. */
  readonly owner: string;
  /** Where other nodes reach the leader. */
  readonly address: string;
  /** By the clock of the database. */
  readonly isExpired: boolean;
}

interface StateRow {
  last_ts: string;
  first_ts: string;
  trimmed_ts: string;
  epoch: string;
  owner: string;
  address: string;
  expired: boolean;
}

const stateColumns = `last_ts, trimmed_ts, epoch, owner, address, expires_at <= clock_timestamp() AS expired,
  coalesce((SELECT log.first_ts FROM lenslet.log ORDER BY log.last_ts LIMIT 1), 0) AS first_ts`;

function stateOf(row: StateRow): LogState {
  return {
    lastTs: BigInt(row.last_ts),
    firstTs: BigInt(row.first_ts),
    trimmedTs: BigInt(row.trimmed_ts),
    epoch: BigInt(row.epoch),
    owner: row.owner,
    address: row.address,
    isExpired: row.expired,
  };
}

/** Creates what is missing and returns the deployment's identity: the proposed one if there was none. */
export async function openTables(connection: PostgresConnection, proposed: Identity): Promise<Identity> {
  const run = <R extends object>(text: string, values: readonly unknown[] = []) =>
    connection.rows<R>(text, values, statementTimeoutMs);
  const [version] = await run<{ number: string; text: string }>(
    "SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS text",
  );
  if (Number(version?.number) < serverVersionMin) throw tooOld(version?.text ?? "?");
  // Not to_regclass, whose cache may not have heard yet of what another node created while this one waited.
  const exists = `SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'lenslet' AND relname = 'deployment') AS exists`;
  const [before] = await run<{ exists: boolean }>(exists);
  if (before?.exists !== true) {
    // Nodes that start together create it one after another.
    await run("BEGIN");
    await run("SELECT pg_advisory_xact_lock($1)", [schemaLock]);
    const [now] = await run<{ exists: boolean }>(exists);
    if (now?.exists !== true) for (const statement of schema) await run(statement);
    await run(
      "INSERT INTO lenslet.deployment (format, name, secret) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
      [tablesFormat, proposed.name, proposed.secret],
    );
    await run("COMMIT");
  }
  const [row] = await run<{ format: number; name: string; secret: string }>(
    "SELECT format, name, secret FROM lenslet.deployment",
  );
  if (row === undefined) throw new Error("lenslet.deployment has lost its row");
  if (row.format > tablesFormat) throw formatTooNew(row.format);
  return { name: row.name, secret: row.secret };
}

const schema = [
  "CREATE SCHEMA lenslet",
  // Updated by every commit: room in its page lets PostgreSQL do that without touching an index.
  `CREATE TABLE lenslet.deployment (
     one boolean PRIMARY KEY DEFAULT true CHECK (one),
     format integer NOT NULL,
     name text NOT NULL,
     secret text NOT NULL,
     last_ts bigint NOT NULL DEFAULT 0,
     trimmed_ts bigint NOT NULL DEFAULT 0,
     epoch bigint NOT NULL DEFAULT 0,
     owner text NOT NULL DEFAULT '',
     address text NOT NULL DEFAULT '',
     expires_at timestamptz NOT NULL DEFAULT '-infinity'
   ) WITH (fillfactor = 20)`,
  `CREATE TABLE lenslet.log (
     last_ts bigint PRIMARY KEY,
     first_ts bigint NOT NULL,
     epoch bigint NOT NULL,
     bytes integer NOT NULL,
     records bytea NOT NULL
   )`,
];

export async function readState(connection: PostgresConnection): Promise<LogState> {
  const [row] = await connection.rows<StateRow>(
    `SELECT ${stateColumns} FROM lenslet.deployment`,
    [],
    statementTimeoutMs,
  );
  if (row === undefined) throw new Error("lenslet.deployment has lost its row");
  return stateOf(row);
}

export interface Claim {
  readonly owner: string;
  readonly address: string;
  readonly leaseMs: number;
}

const untilExpiry = (parameter: string) =>
  `clock_timestamp() + ${parameter}::double precision * interval '1 millisecond'`;

/** Takes a lease that has expired in the epoch that was seen; null when somebody else was faster. */
export async function acquireLease(
  connection: PostgresConnection,
  { owner, address, leaseMs }: Claim,
  seenEpoch: bigint,
): Promise<LogState | null> {
  const [row] = await connection.rows<StateRow>(
    `UPDATE lenslet.deployment SET epoch = epoch + 1, owner = $1, address = $2, expires_at = ${untilExpiry("$3")}
     WHERE epoch = $4 AND expires_at <= clock_timestamp() RETURNING ${stateColumns}`,
    [owner, address, leaseMs, String(seenEpoch)],
    statementTimeoutMs,
  );
  return row === undefined ? null : stateOf(row);
}

/**
 * On a new connection of the leader: begins an epoch of its own, so that whatever the old connection had under way has
 * happened before (the row's lock waits for it) or never will. The answer says which. Null: it leads no more.
 */
export async function reclaimLease(
  connection: PostgresConnection,
  { owner, leaseMs }: Claim,
): Promise<LogState | null> {
  const [row] = await connection.rows<StateRow>(
    `UPDATE lenslet.deployment SET epoch = epoch + 1, expires_at = ${untilExpiry("$2")}
     WHERE owner = $1 RETURNING ${stateColumns}`,
    [owner, leaseMs],
    statementTimeoutMs,
  );
  return row === undefined ? null : stateOf(row);
}

/** False: it leads no more. */
export async function renewLease(
  connection: PostgresConnection,
  { owner, leaseMs }: Claim,
  epoch: bigint,
): Promise<boolean> {
  const rows = await connection.rows(
    `UPDATE lenslet.deployment SET expires_at = ${untilExpiry("$3")} WHERE owner = $1 AND epoch = $2 RETURNING 1 AS one`,
    [owner, String(epoch), leaseMs],
    statementTimeoutMs,
  );
  return rows.length > 0;
}

/** A clean end: whoever comes next need not wait. */
export async function releaseLease(connection: PostgresConnection, { owner }: Claim): Promise<void> {
  await connection.rows(
    "UPDATE lenslet.deployment SET expires_at = '-infinity' WHERE owner = $1 RETURNING pg_notify($2, last_ts::text)",
    [owner, notifyChannel],
    statementTimeoutMs,
  );
}

export interface Group {
  /** The end of the log before it. */
  readonly afterTs: CommitTs;
  readonly firstTs: CommitTs;
  readonly lastTs: CommitTs;
  readonly bytes: Buffer;
}

/** Adds a group and prolongs the lease. False: nothing has happened, for the epoch is over. */
export async function appendGroup(
  connection: PostgresConnection,
  { owner, leaseMs }: Claim,
  epoch: bigint,
  { afterTs, firstTs, lastTs, bytes }: Group,
): Promise<boolean> {
  const rows = await connection.rows(
    `WITH held AS (
       UPDATE lenslet.deployment SET last_ts = $4, expires_at = ${untilExpiry("$7")}
       WHERE owner = $1 AND epoch = $2 AND last_ts = $3 RETURNING 1
     )
     INSERT INTO lenslet.log (last_ts, first_ts, epoch, bytes, records)
     SELECT $4, $8::bigint, $2, $5::integer, $6::bytea FROM held
     RETURNING pg_notify('${notifyChannel}', last_ts::text)`,
    [owner, String(epoch), String(afterTs), String(lastTs), bytes.length, bytes, leaseMs, String(firstTs)],
    appendTimeoutMs,
  );
  return rows.length > 0;
}

/** How many groups one read looks at, and how many bytes of them it takes at least one of. */
const readGroupsMax = 1000;
export const readBytesMax = 1024 * 1024;

export interface StoredGroup {
  readonly lastTs: CommitTs;
  readonly bytes: Buffer;
}

/** The next groups with records in (after, end], and up to where the log has been trimmed. */
export async function readGroups(
  connection: PostgresConnection,
  after: CommitTs,
  end: CommitTs,
): Promise<{ groups: StoredGroup[]; trimmedTs: CommitTs }> {
  const rows = await connection.rows<{ last_ts: string; records: Buffer }>(
    `SELECT last_ts, records FROM (
       SELECT last_ts, sum(bytes) OVER (ORDER BY last_ts) - bytes AS before FROM (
         SELECT last_ts, bytes FROM lenslet.log WHERE last_ts > $1 ORDER BY last_ts LIMIT ${readGroupsMax}
       ) AS next
     ) AS sized JOIN lenslet.log USING (last_ts)
     WHERE before < ${readBytesMax} AND last_ts <= $2 ORDER BY last_ts`,
    [String(after), String(end)],
    appendTimeoutMs,
  );
  // Asked afterwards: what was trimmed before or while the groups were read shows.
  const { trimmedTs } = await readState(connection);
  return { groups: rows.map((row) => ({ lastTs: BigInt(row.last_ts), bytes: row.records })), trimmedTs };
}

/** Forgets whole groups that end at or before `upToTs`, but never the last one. */
export async function trimGroups(
  connection: PostgresConnection,
  { owner }: Claim,
  upToTs: CommitTs,
): Promise<LogState> {
  await connection.rows(
    `WITH leader AS (SELECT last_ts FROM lenslet.deployment WHERE owner = $1 FOR UPDATE),
     gone AS (DELETE FROM lenslet.log USING leader WHERE log.last_ts <= $2 AND log.last_ts < leader.last_ts RETURNING log.last_ts),
     newest AS (SELECT max(last_ts) AS last_ts FROM gone)
     UPDATE lenslet.deployment SET trimmed_ts = newest.last_ts FROM newest WHERE newest.last_ts IS NOT NULL`,
    [owner, String(upToTs)],
    appendTimeoutMs,
  );
  return await readState(connection);
}
