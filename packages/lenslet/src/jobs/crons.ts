import type { Namespace, StoredDocument } from "../store/store.ts";
import { cronJobLogsTable, cronJobsTable } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { InternalId } from "../values/id.ts";
import type { Value, ValueObject } from "../values/value.ts";
import { type CronSchedule, firstRunMs, nextRun } from "./cronSchedule.ts";
import { interruptedActionText, take } from "./jobQueue.ts";
import { rootTable, scanPrefix } from "./systemScan.ts";

/** limits.md #100 */
export const cronLogRowsMax = 5;
export const cronLogCharsMax = 1000;
/** A changed schedule does not take away a run that is so close. */
export const imminentRunMs = 30_000;

/** A row of `_cron_jobs`. */
export interface CronRow {
  readonly namespace: Namespace;
  readonly componentPath: string;
  readonly name: string;
  /** Canonical. */
  readonly udfPath: string;
  /** JSON text of the positional arguments. */
  readonly argsJson: string;
  /** JSON text of a CronSchedule. */
  readonly schedule: string;
  /** Running: an action was started and has not ended. */
  readonly state: "waiting" | "running";
  readonly nextMs: number;
  readonly prevMs: number | null;
}

export interface Cron {
  readonly id: InternalId;
  readonly idText: string;
  readonly creationTime: number;
  readonly row: CronRow;
}

export interface PushedCron extends Pick<CronRow, "name" | "udfPath" | "argsJson"> {
  readonly schedule: CronSchedule;
}
export interface PushedCrons {
  readonly componentPath: string;
  readonly crons: readonly PushedCron[];
}

/** Makes the crons those of a push; what has not changed keeps its next run (functions.md §10.4). */
export function syncCrons(tx: Transaction, pushed: ReadonlyMap<Namespace, PushedCrons>, nowMs: number): void {
  const old = new Map<string, Cron>();
  for (const document of tx.scan(rootTable(tx, cronJobsTable).byId, "", null, "asc")) {
    const cron = cronOf(document);
    old.set(JSON.stringify([cron.row.namespace, cron.row.name]), cron);
  }
  for (const [namespace, { componentPath, crons }] of pushed) {
    for (const cron of crons) {
      const key = JSON.stringify([namespace, cron.name]);
      writeCron(tx, { namespace, componentPath, cron }, old.get(key) ?? null, nowMs);
      old.delete(key);
    }
  }
  for (const removed of old.values()) deleteCron(tx, removed);
}

function deleteCron(tx: Transaction, { id, row }: Cron): void {
  const runs = [...scanPrefix(tx, cronJobLogsTable, "by_name", [row.namespace, row.name])];
  for (const run of runs) tx.delete(rootTable(tx, cronJobLogsTable), run.id);
  tx.delete(rootTable(tx, cronJobsTable), id);
}

function writeCron(
  tx: Transaction,
  { namespace, componentPath, cron }: { namespace: Namespace; componentPath: string; cron: PushedCron },
  before: Cron | null,
  nowMs: number,
): void {
  const { name, udfPath, argsJson } = cron;
  const schedule = JSON.stringify(cron.schedule);
  const keepsNext =
    before !== null && (before.row.schedule === schedule || before.row.nextMs - nowMs <= imminentRunMs);
  const row: CronRow = {
    namespace,
    componentPath,
    name,
    udfPath,
    argsJson,
    schedule,
    state: before?.row.state ?? "waiting",
    nextMs: keepsNext ? before.row.nextMs : firstRunMs(cron.schedule, nowMs),
    prevMs: before?.row.prevMs ?? null,
  };
  if (before === null) tx.insert("", cronJobsTable.name, { ...row });
  else replaceCron(tx, before.id, row);
}

/** Those that wait, in the order of their next runs. */
export function* waitingCrons(tx: Transaction): Generator<Cron, void, undefined> {
  for (const document of scanPrefix(tx, cronJobsTable, "by_due", ["waiting"])) yield cronOf(document);
}

/** In the order of their names. */
export function cronsOfNamespace(tx: Transaction, namespace: Namespace): Cron[] {
  return [...scanPrefix(tx, cronJobsTable, "by_name", [namespace])].map(cronOf);
}

/** Runs that are still kept, each cron's oldest first. */
export function cronRunsOfNamespace(tx: Transaction, namespace: Namespace): StoredDocument[] {
  return [...scanPrefix(tx, cronJobLogsTable, "by_name", [namespace])];
}

/** The newest run that is still kept. */
export function lastCronRun(tx: Transaction, { row }: Cron): StoredDocument | null {
  return [...scanPrefix(tx, cronJobLogsTable, "by_name", [row.namespace, row.name])].at(-1) ?? null;
}

/** Null when a push has removed it. */
export function findCron(tx: Transaction, id: InternalId): Cron | null {
  const document = tx.get(rootTable(tx, cronJobsTable), id);
  return document === null ? null : cronOf(document);
}

/** Its action is going to be started. */
export function startCron(tx: Transaction, { id, row }: Cron): void {
  replaceCron(tx, id, { ...row, state: "running" });
}

/** It has not been started after all. */
export function requeueCron(tx: Transaction, { id, row }: Cron): void {
  replaceCron(tx, id, { ...row, state: "waiting" });
}

export interface CronRun {
  readonly startedMs: number;
  readonly durationMs: number;
  readonly logLines: readonly string[];
  readonly result:
    { readonly ok: true; readonly valueJson: string } | { readonly ok: false; readonly error: string };
}

/** Writes down a run and when the next one is. */
export function finishCron(tx: Transaction, { id, row }: Cron, run: CronRun, nowMs: number): void {
  const status: ValueObject = run.result.ok
    ? { type: "success", result: shownResult(run.result.valueJson) }
    : { type: "err", error: run.result.error };
  addRun(
    tx,
    row,
    { ts: nanoseconds(run.startedMs), status, executionTime: run.durationMs / 1000 },
    run.logLines,
  );
  const schedule = JSON.parse(row.schedule) as CronSchedule;
  const { nextMs, skipped } = nextRun(schedule, row.nextMs, nowMs);
  if (skipped > 0) {
    const line = `Skipping ${skipped} run(s) of job ${row.name} because multiple scheduled runs are in the past`;
    const canceled = { type: "canceled", num_canceled: BigInt(skipped) };
    // One nanosecond later, so that the index has them in this order whatever the clock does.
    addRun(tx, row, { ts: nanoseconds(run.startedMs) + 1n, status: canceled, executionTime: 0 }, [line]);
  }
  replaceCron(tx, id, { ...row, state: "waiting", nextMs, prevMs: row.nextMs });
}

/** Fails the actions that ran when the process before this one ended. */
export function failInterruptedCrons(tx: Transaction, nowMs: number): void {
  const running = take(scanPrefix(tx, cronJobsTable, "by_due", ["running"]), Infinity);
  for (const document of running) {
    const result = { ok: false, error: interruptedActionText } as const;
    finishCron(tx, cronOf(document), { startedMs: nowMs, durationMs: 0, logLines: [], result }, nowMs);
  }
}

function addRun(
  tx: Transaction,
  { namespace, name, udfPath, argsJson }: CronRow,
  run: { readonly ts: bigint; readonly status: ValueObject; readonly executionTime: number },
  logLines: readonly string[],
): void {
  const table = rootTable(tx, cronJobLogsTable);
  const kept = take(scanPrefix(tx, cronJobLogsTable, "by_name", [namespace, name]), 2 * cronLogRowsMax);
  for (const old of kept.slice(0, Math.max(0, kept.length - cronLogRowsMax + 1))) tx.delete(table, old.id);
  const udfArgs = bytesOf(argsJson);
  tx.insert("", cronJobLogsTable.name, {
    namespace,
    name,
    udfPath,
    udfArgs,
    ...run,
    logLines: shownLines(logLines),
  });
}

/** UTF-8 as a value of its own. */
export function bytesOf(text: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(text)).buffer;
}

export function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1000)) * 1000n;
}

function shownResult(valueJson: string): Value {
  if (valueJson.length <= cronLogCharsMax) return { type: "default", value: valueJson };
  return { type: "truncated", truncated_log: valueJson.slice(0, cronLogCharsMax) };
}

function shownLines(lines: readonly string[]): Value {
  const shown: string[] = [];
  let left = cronLogCharsMax;
  for (const line of lines) {
    if (left <= 0) break;
    shown.push(line.slice(0, left));
    left -= line.length;
  }
  return { logLines: shown, isTruncated: left < 0 || shown.length < lines.length };
}

function replaceCron(tx: Transaction, id: InternalId, row: CronRow): void {
  const { namespace, componentPath, name, udfPath, argsJson, schedule, state, nextMs, prevMs } = row;
  const fields = { namespace, componentPath, name, udfPath, argsJson, schedule, state, nextMs, prevMs };
  tx.replace(rootTable(tx, cronJobsTable), id, fields);
}

function cronOf({ id, idText, value }: StoredDocument): Cron {
  return { id, idText, creationTime: value["_creationTime"] as number, row: value as unknown as CronRow };
}
