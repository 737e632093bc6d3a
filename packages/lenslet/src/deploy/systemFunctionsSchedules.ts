import { badRequest } from "../base/errors.ts";
import {
  bytesOf,
  type Cron,
  cronRunsOfNamespace,
  cronsOfNamespace,
  lastCronRun,
  nanoseconds,
} from "../jobs/crons.ts";
import type { CronSchedule } from "../jobs/cronSchedule.ts";
import { jobDocument, jobIdText, jobsOfNamespace, type QueuedJob } from "../jobs/jobQueue.ts";
import type { Namespace, StoredDocument } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { tryDecodeId } from "../values/id.ts";
import { stringifyValue } from "../values/json.ts";
import type { IndexKey } from "../values/key.ts";
import { isValueObject, type Value, type ValueObject } from "../values/value.ts";
import { canonicalFunctionPath } from "./cronExport.ts";
import type { SystemFunction } from "./systemFunction.ts";
import { namespaceOfArgument, optionalStringArgument } from "./systemFunctionArguments.ts";

/** Jobs of other functions that a page looks through for those of one function. */
const jobsLookedAtMax = 10_000;
const pageJobsMax = 1000;
const endOfJobs = "end";

/** The dashboard's pages of scheduled functions and crons (reference dashboard.md §8). */
export const scheduleFunctions: Readonly<Record<string, SystemFunction>> = {
  "paginatedScheduledJobs:default": (tx, context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const udfPath = optionalStringArgument(args, "udfPath");
    const options = args["paginationOpts"];
    if (options === undefined || !isValueObject(options)) {
      throw badRequest("InvalidArguments", 'The argument "paginationOpts" must be an object.');
    }
    const page = jobsPage(
      tx,
      namespace,
      udfPath === null ? null : canonicalFunctionPath(udfPath),
      options,
      context.journal,
    );
    context.setJournal?.(page.continueCursor);
    return { page: page.jobs, isDone: page.isDone, continueCursor: page.continueCursor };
  },
  "scheduler:getArgs": (tx, _context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const argsId = optionalStringArgument(args, "argsId");
    const decoded = argsId === null ? null : tryDecodeId(argsId);
    const table = tx.table(namespace, "_scheduled_functions");
    const document = decoded === null || table === null ? null : tx.get(table, decoded.id);
    return document === null ? null : { args: argsOf(document) };
  },
  "listCronJobs:default": (tx, _context, args) =>
    cronsOfNamespace(tx, namespaceOfArgument(tx, args)).map((cron) => describeCron(tx, cron)),
  "listCronJobRuns:default": (tx, _context, args) =>
    cronRunsOfNamespace(tx, namespaceOfArgument(tx, args))
      .toSorted((a, b) => (a.value["_creationTime"] as number) - (b.value["_creationTime"] as number))
      .map(describeRun),
};

interface JobsPage {
  readonly jobs: readonly Value[];
  readonly isDone: boolean;
  readonly continueCursor: string;
}

/** Up to the cursor where the page ended when it was first read, so that a page keeps its end while jobs come and go. */
function jobsPage(
  tx: Transaction,
  namespace: Namespace,
  udfPath: string | null,
  { numItems, cursor, endCursor }: ValueObject,
  journal: string | null,
): JobsPage {
  const countMax = Math.min(typeof numItems === "number" ? numItems : 0, pageJobsMax);
  const behind = typeof cursor === "string" ? keyOf(cursor) : null;
  const end = typeof endCursor === "string" ? endCursor : journal;
  const endKey = end === null || end === endOfJobs ? null : keyOf(end);
  const jobs: Value[] = [];
  if (cursor === endOfJobs) return { jobs, isDone: true, continueCursor: endOfJobs };
  let lookedAt = 0;
  for (const { key, job } of jobsOfNamespace(tx, namespace, true, behind)) {
    if (endKey !== null && key > endKey) break;
    if (udfPath === null || job.row.udfPath === udfPath) jobs.push(describeJob(tx, job));
    lookedAt += 1;
    const isFull = jobs.length >= countMax || lookedAt >= jobsLookedAtMax;
    if (end === null && isFull) return { jobs, isDone: false, continueCursor: cursorOf(key) };
    // However many came in between, a page has its limit.
    if (lookedAt >= 2 * jobsLookedAtMax) break;
  }
  return endKey === null
    ? { jobs, isDone: true, continueCursor: endOfJobs }
    : { jobs, isDone: false, continueCursor: cursorOf(endKey) };
}

function cursorOf(key: IndexKey): string {
  return Buffer.from(key, "latin1").toString("base64url");
}

function keyOf(cursor: string): IndexKey {
  return Buffer.from(cursor, "base64url").toString("latin1");
}

function describeJob(tx: Transaction, job: QueuedJob): Value {
  const document = jobDocument(tx, job);
  const { row } = job;
  return {
    _id: jobIdText(job.id),
    _creationTime: document?.value["_creationTime"] ?? row.dueMs,
    nextTs: nanoseconds(row.dueMs),
    udfPath: row.udfPath,
    state: { type: row.lane === "running" ? "inProgress" : "pending" },
    udfArgs: document === null ? null : argsOf(document),
    argsId: null,
    ...(row.componentPath === "" ? {} : { component: row.componentPath }),
  };
}

function argsOf(document: StoredDocument): ArrayBuffer {
  return bytesOf(stringifyValue(document.value["args"] ?? []));
}

function describeCron(tx: Transaction, cron: Cron): Value {
  const { idText, row } = cron;
  const lastRun = lastCronRun(tx, cron);
  return {
    _id: idText,
    _creationTime: cron.creationTime,
    name: row.name,
    cronSpec: {
      udfPath: row.udfPath,
      udfArgs: bytesOf(row.argsJson),
      cronSchedule: scheduleValue(JSON.parse(row.schedule) as CronSchedule),
    },
    lastRun: lastRun === null ? null : describeRun(lastRun),
    nextRun: {
      cronJobId: idText,
      state: { type: row.state === "running" ? "inProgress" : "pending" },
      prevTs: row.prevMs === null ? null : nanoseconds(row.prevMs),
      nextTs: nanoseconds(row.nextMs),
    },
  };
}

function describeRun({ value }: StoredDocument): ValueObject {
  const { namespace: _namespace, ...run } = value as ValueObject & { readonly namespace?: Value };
  return run;
}

/** As the dashboard reads it: numbers are int64, what is not set is absent. */
export function scheduleValue(schedule: CronSchedule): Value {
  const fields = Object.entries(schedule as Readonly<Record<string, string | number | null>>)
    .filter(([, field]) => field !== null)
    .map(([name, field]): [string, Value] => [name, typeof field === "number" ? BigInt(field) : field]);
  return Object.fromEntries(fields);
}
