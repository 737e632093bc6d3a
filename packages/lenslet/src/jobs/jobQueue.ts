import { assert } from "../base/assert.ts";
import type { Namespace, StoredDocument } from "../store/store.ts";
import { jobQueueTable, scheduledFunctionsTable } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { decodeId, encodeId, type InternalId } from "../values/id.ts";
import type { IndexKey } from "../values/key.ts";
import type { Value, ValueObject } from "../values/value.ts";
import { rootTable, scanBehind, scanPrefix } from "./systemScan.ts";

/** How long the document of a finished job can be read (limits.md #95). */
export const jobResultAgeMaxMs = 7 * 24 * 3600 * 1000;
/** What becomes of an action that was running when the server ended (functions.md §10.2). */
export const interruptedActionText = "Transient error while executing action";

/**
 * Where a job stands in line: waiting to be run as the kind of function it was scheduled as, running (actions only), or
 * finished, with its document to be deleted in time. Mutations and actions wait apart: long actions that use up all
 * places must not hold up a mutation.
 */
export type Lane = "mutation" | "action" | "running" | "expire";
export type WaitingLane = "mutation" | "action";

/**
 * A row of `_scheduled_jobs`. It has the internal id of the document in its namespace's `_scheduled_functions`, which is
 * what functions see; this one is what the scheduler goes by, for all namespaces in one line.
 */
export interface JobRow {
  /** Of the component that scheduled it, where its document lives. */
  readonly namespace: Namespace;
  /** Of the function. */
  readonly componentPath: string;
  /** Canonical. */
  readonly udfPath: string;
  readonly lane: Lane;
  /** Waiting or running. */
  readonly open: boolean;
  /** When it is to be run; when its document is to be deleted. */
  readonly dueMs: number;
}

export interface QueuedJob {
  readonly id: InternalId;
  readonly row: JobRow;
}

export type JobState =
  | { readonly kind: "pending" | "inProgress" | "success" | "canceled" }
  | { readonly kind: "failed"; readonly error: string };

export interface NewJob extends Pick<JobRow, "namespace" | "componentPath" | "udfPath"> {
  readonly lane: WaitingLane;
  readonly args: readonly Value[];
  readonly dueMs: number;
}

/** Returns the id text of the job's document. `canceled`: it is never to run. */
export function scheduleJob(tx: Transaction, job: NewJob, canceled: boolean, nowMs: number): string {
  const { namespace, componentPath, udfPath, lane, args, dueMs } = job;
  const document = { name: udfPath, args, scheduledTime: dueMs };
  const idText = tx.insert(
    namespace,
    scheduledFunctionsTable.name,
    canceled
      ? { ...document, completedTime: nowMs, state: { kind: "canceled" } }
      : { ...document, state: { kind: "pending" } },
  );
  const row: JobRow = { namespace, componentPath, udfPath, lane, open: true, dueMs };
  tx.insert("", jobQueueTable.name, fieldsOf(canceled ? finished(row, nowMs) : row), decodeId(idText).id);
  return idText;
}

/** Null when there is no such job, or none any more. */
export function findJob(tx: Transaction, id: InternalId): JobRow | null {
  const document = tx.get(rootTable(tx, jobQueueTable), id);
  return document === null ? null : rowOf(document);
}

/** As functions see it; null when somebody has deleted it. */
export function jobDocument(tx: Transaction, { id, row }: QueuedJob): StoredDocument | null {
  const table = tx.table(row.namespace, scheduledFunctionsTable.name);
  return table === null ? null : tx.get(table, id);
}

export function jobIdText(id: InternalId): string {
  return encodeId(scheduledFunctionsTable.number, id);
}

/** True for a job that was canceled, before or after it was started. */
export function isCanceled(tx: Transaction, id: InternalId): boolean {
  const row = findJob(tx, id);
  if (row === null || row.lane !== "expire") return false;
  const state = jobDocument(tx, { id, row })?.value["state"] as ValueObject | undefined;
  return state?.["kind"] === "canceled";
}

/** A lane in the order of due times. */
export function* jobsInLane(tx: Transaction, lane: Lane): Generator<QueuedJob, void, undefined> {
  for (const document of scanPrefix(tx, jobQueueTable, "by_due", [lane])) {
    yield { id: document.id, row: rowOf(document) };
  }
}

/** Cancels a job that has not finished; anything else stays as it is. */
export function cancelJob(tx: Transaction, namespace: Namespace, id: InternalId, nowMs: number): void {
  const row = findJob(tx, id);
  if (row === null || row.namespace !== namespace || row.lane === "expire") return;
  finishJob(tx, { id, row }, { kind: "canceled" }, nowMs);
}

/** What the job's own transaction sees, and, when an action is about to start, everybody. */
export function markInProgress(tx: Transaction, job: QueuedJob): void {
  patchDocument(tx, job, { state: { kind: "inProgress" } });
}

/** An action is going to be started: from here on it is not started again. */
export function startAction(tx: Transaction, job: QueuedJob): void {
  markInProgress(tx, job);
  replaceRow(tx, job.id, { ...job.row, lane: "running" });
}

/** An action that was marked as started and has not been after all. */
export function requeueAction(tx: Transaction, job: QueuedJob): void {
  if (job.row.lane !== "running") return;
  patchDocument(tx, job, { state: { kind: "pending" } });
  replaceRow(tx, job.id, { ...job.row, lane: "action" });
}

/** Writes down how a job ended. One that has ended already, because it was canceled while it ran, stays as it is. */
export function finishJob(tx: Transaction, job: QueuedJob, state: JobState, nowMs: number): void {
  if (job.row.lane === "expire") return;
  patchDocument(tx, job, { state: { ...state }, completedTime: nowMs });
  replaceRow(tx, job.id, finished(job.row, nowMs));
}

/** Fails up to `countMax` actions that ran when the process before this one ended. Returns how many it were. */
export function failInterruptedActions(tx: Transaction, countMax: number, nowMs: number): number {
  const interrupted = take(jobsInLane(tx, "running"), countMax);
  for (const job of interrupted) {
    finishJob(tx, job, { kind: "failed", error: interruptedActionText }, nowMs);
  }
  return interrupted.length;
}

/** Deletes up to `countMax` documents of jobs that ended long ago. Returns how many it were. */
export function expireJobs(tx: Transaction, countMax: number, nowMs: number): number {
  const expired = take(jobsInLane(tx, "expire"), countMax).filter(({ row }) => row.dueMs <= nowMs);
  for (const job of expired) deleteJob(tx, job);
  return expired.length;
}

/** Deletes a job whatever its state: it is as if it had never been scheduled. */
export function deleteJob(tx: Transaction, job: QueuedJob): void {
  const table = tx.table(job.row.namespace, scheduledFunctionsTable.name);
  if (table !== null && tx.get(table, job.id) !== null) tx.delete(table, job.id);
  tx.delete(rootTable(tx, jobQueueTable), job.id);
}

/**
 * Jobs of a namespace that wait or run (`open`), or that have ended, in the order of `dueMs`; `key` says where each
 * stands, and where to go on.
 */
export function* jobsOfNamespace(
  tx: Transaction,
  namespace: Namespace,
  open: boolean,
  behind: IndexKey | null,
): Generator<{ readonly job: QueuedJob; readonly key: IndexKey }, void, undefined> {
  for (const { key, document } of scanBehind(tx, jobQueueTable, "by_namespace", [namespace, open], behind)) {
    yield { key, job: { id: document.id, row: rowOf(document) } };
  }
}

function rowOf(document: StoredDocument): JobRow {
  return document.value as unknown as JobRow;
}

export function take<T>(items: Iterable<T>, countMax: number): T[] {
  const taken: T[] = [];
  if (countMax <= 0) return taken;
  for (const item of items) {
    taken.push(item);
    if (taken.length >= countMax) break;
  }
  return taken;
}

function finished(row: JobRow, nowMs: number): JobRow {
  return { ...row, lane: "expire", open: false, dueMs: nowMs + jobResultAgeMaxMs };
}

function patchDocument(tx: Transaction, { id, row }: QueuedJob, fields: ValueObject): void {
  const table = tx.table(row.namespace, scheduledFunctionsTable.name);
  if (table !== null && tx.get(table, id) !== null) tx.patch(table, id, fields);
}

function replaceRow(tx: Transaction, id: InternalId, row: JobRow): void {
  tx.replace(rootTable(tx, jobQueueTable), id, fieldsOf(row));
}

function fieldsOf({ namespace, componentPath, udfPath, lane, open, dueMs }: JobRow): ValueObject {
  assert(Number.isFinite(dueMs), "a job is due at some time");
  return { namespace, componentPath, udfPath, lane, open, dueMs };
}
