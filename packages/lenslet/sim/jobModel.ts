import type { CommitRecord, RecordedWrite } from "../src/engine/commitRecord.ts";
import { interruptedActionText } from "../src/jobs/jobQueue.ts";
import type { CommitTs } from "../src/log/log.ts";
import { cronJobLogsTable, cronJobsTable, scheduledFunctionsTable } from "../src/store/systemTables.ts";
import { decodeValue } from "../src/values/json.ts";
import type { ActionRun, History } from "./history.ts";

type Kind = "pending" | "inProgress" | "success" | "failed" | "canceled";

interface JobDocument {
  readonly name: string;
  readonly args: readonly [{ readonly key: string; readonly hops?: number; readonly by?: string }];
  readonly scheduledTime: number;
  readonly state: { readonly kind: Kind; readonly error?: string };
}

interface Job {
  readonly document: JobDocument;
  /** Commits by which its action was marked as started, and the process that made the latest. */
  readonly marks: CommitTs[];
  boot: string | null;
}

interface Run {
  readonly runOf: string;
  readonly key: string;
  readonly seen: Kind;
  readonly at: CommitTs;
}

interface CronRow {
  readonly name: string;
  readonly udfPath: string;
  readonly schedule: string;
  readonly state: "waiting" | "running";
  readonly nextMs: number;
  readonly prevMs: number | null;
}

interface CronLog {
  readonly name: string;
  readonly status: { readonly type: "success" | "err" | "canceled"; readonly num_canceled?: bigint };
}

/** A cron may not be late by more than what looks at the clock take between its run and its commit. */
const lookingMsMax = 50;

const nextKinds: Readonly<Record<"mutation" | "action", Readonly<Record<Kind, readonly Kind[]>>>> = {
  mutation: {
    pending: ["success", "failed", "canceled"],
    inProgress: [],
    success: [],
    failed: [],
    canceled: [],
  },
  action: {
    pending: ["inProgress", "canceled", "failed"],
    // Pending again: it was not run after all.
    inProgress: ["success", "failed", "canceled", "pending"],
    success: [],
    failed: [],
    canceled: [],
  },
};

/** What may become of scheduled functions and crons, read off the log, commit by commit. */
export class JobModel {
  readonly #history: History;
  readonly #jobs = new Map<string, Job>();
  readonly #byKey = new Map<string, string>();
  readonly #names = new Set<string>();
  readonly #runs: Run[] = [];
  readonly #crons = new Map<string, CronRow>();
  readonly #cronMarks = new Map<string, CommitTs[]>();

  constructor(history: History) {
    this.#history = history;
  }

  /** Null: nothing was planned by that mutation. */
  stateOfPlan(op: number): Kind | null {
    const id = this.#byKey.get(`plan ${op}`);
    return id === undefined ? null : (this.#jobs.get(id) as Job).document.state.kind;
  }

  newestRuns(limit: number): readonly Run[] {
    return this.#runs.toReversed().slice(0, limit);
  }

  apply(record: CommitRecord): void {
    const runs = valuesWith<Run>(record.writes, "runOf");
    const finished = this.#applyJobs(record);
    for (const { runOf, key, seen, at } of runs) {
      if (!finished.has(runOf)) this.#violate(`${key} ran without the mark that it is done`);
      if (seen !== "inProgress") this.#violate(`${key} saw itself as ${seen}`);
      if (at !== record.ts) this.#violate(`${key} ran at another time than it was committed`);
    }
    if (runs.length > 1) this.#violate(`${runs.length} jobs ran in one commit`);
    for (const id of finished) {
      if (!runs.some(({ runOf }) => runOf === id)) this.#violate(`${id} is marked as done and did not run`);
    }
    this.#runs.push(...runs);
    this.#applyCrons(record);
  }

  /** Returns the mutations that this commit marks as done. */
  #applyJobs(record: CommitRecord): Set<string> {
    const finished = new Set<string>();
    for (const { tablet, idText, json } of record.writes) {
      if (tablet !== scheduledFunctionsTable.tablet) continue;
      const before = this.#jobs.get(idText);
      if (json === null) {
        this.#violate(`${idText} is deleted`);
        continue;
      }
      const document = decodeValue(json) as unknown as JobDocument;
      if (before === undefined) this.#created(idText, document);
      else this.#changed(record, idText, before, document, finished);
    }
    return finished;
  }

  #created(id: string, document: JobDocument): void {
    const { key, hops, by } = document.args[0];
    const parent = by === undefined ? undefined : this.#jobs.get(by);
    const expected = parent?.document.state.kind === "canceled" ? "canceled" : "pending";
    const { kind } = document.state;
    if (kind !== expected) this.#violate(`${key} begins as ${kind}`);
    if (kind === "canceled") this.#history.count("scheduled by a canceled action");
    // What a hop leads to has its key, and fewer hops before it.
    const name = `${key} hop ${hops}`;
    if (this.#names.has(name)) this.#violate(`${name} is scheduled twice`);
    this.#names.add(name);
    if (by === undefined) this.#byKey.set(key, id);
    if (key.startsWith("doomed") || key.endsWith("of broken")) this.#violate(`${key} outlived its rollback`);
    this.#jobs.set(id, { document, marks: [], boot: null });
  }

  #changed(
    { ts, call }: CommitRecord,
    id: string,
    before: Job,
    document: JobDocument,
    finished: Set<string>,
  ): void {
    const { key } = document.args[0];
    const [was, is] = [before.document.state.kind, document.state.kind];
    const lane = document.name === "j.js:act" ? "action" : "mutation";
    if (!nextKinds[lane][was].includes(is)) this.#violate(`${key} is ${is} after it was ${was}`);
    const isTooEarly = document.scheduledTime > (this.#history.latestWallMs.get(ts) ?? 0);
    if (isTooEarly && is !== "canceled") this.#violate(`${key} is ${is} before it is due`);
    const isInterrupted = is === "failed" && document.state.error === interruptedActionText;
    this.#history.count(`${lane} ${was} -> ${isInterrupted ? "interrupted" : is}`);
    const after = { ...before, document };
    if (is === "inProgress") {
      after.marks.push(ts);
      after.boot = call?.boot ?? null;
    }
    if (lane === "mutation" && is === "success") finished.add(id);
    if (lane === "mutation" && is === "failed") this.#mutationFailed(document);
    if (lane === "action" && was === "inProgress") this.#actionEnded(id, after, ts, call?.boot ?? null);
    this.#jobs.set(id, after);
  }

  #mutationFailed({ name, args, state }: JobDocument): void {
    const error = state.error ?? "";
    const expected = name === "j.js:broken" ? /^Uncaught Error: broken|timed out/ : /timed out/;
    if (!expected.test(error)) this.#violate(`${args[0].key} failed: ${error}`);
  }

  #actionEnded(id: string, { document, boot }: Job, ts: CommitTs, endedBy: string | null): void {
    const { kind, error } = document.state;
    const { key } = document.args[0];
    if (kind === "canceled") return;
    if (kind === "failed" && error === interruptedActionText) {
      if (endedBy === boot) this.#violate(`${key} was given up by the process that runs it`);
      return;
    }
    const run = this.#history.actionRuns.get(id)?.at(-1);
    if (kind === "pending") {
      const wasStarted = run !== undefined && run.durableTs < ts;
      if (wasStarted) this.#violate(`${key} is to be run again, and was started`);
    } else if (!isReported(run, kind, error)) {
      this.#violate(`${key} is ${kind} (${error}), and its action ${JSON.stringify(run?.end)}`);
    }
  }

  #applyCrons(record: CommitRecord): void {
    const ran = valuesWith<{ readonly cronRun: string }>(record.writes, "cronRun");
    const logs = valuesOf<CronLog>(record.writes, cronJobLogsTable.tablet);
    let moved = 0;
    for (const { tablet, idText, json } of record.writes) {
      if (tablet !== cronJobsTable.tablet) continue;
      const before = this.#crons.get(idText);
      if (json === null) {
        this.#crons.delete(idText);
        continue;
      }
      const row = decodeValue(json) as unknown as CronRow;
      this.#crons.set(idText, row);
      // A push may move what it changes.
      if (before === undefined || before.schedule !== row.schedule || before.prevMs === row.prevMs) {
        if (before?.state === "waiting" && row.state === "running") this.#cronStarted(record, row);
        continue;
      }
      moved += 1;
      this.#cronRan(record, before, row, logs);
    }
    if (ran.length > moved) this.#violate(`${ran.length} crons ran and ${moved} have another time`);
  }

  #cronStarted({ ts }: CommitRecord, { name, udfPath, nextMs }: CronRow): void {
    this.#checkCronIsDue(ts, name, nextMs);
    const marks = this.#cronMarks.get(udfPath) ?? [];
    marks.push(ts);
    this.#cronMarks.set(udfPath, marks);
  }

  #cronRan({ ts, writes }: CommitRecord, before: CronRow, row: CronRow, logs: readonly CronLog[]): void {
    const { name } = row;
    this.#checkCronIsDue(ts, name, before.nextMs);
    if (row.prevMs !== before.nextMs)
      this.#violate(`the cron ${name} ran for another time than its next one`);
    if (row.state !== "waiting") this.#violate(`the cron ${name} ran and runs`);
    const own = logs.filter((log) => log.name === name);
    const [run, canceled, ...others] = own.map(({ status }) => status);
    if (run === undefined || run.type === "canceled" || others.length > 0) {
      this.#violate(`a run of the cron ${name} is not in its log`);
      return;
    }
    const isMutation = row.udfPath === "j.js:tick";
    const wrote = valuesWith(writes, "cronRun").length;
    if (isMutation && wrote !== (run.type === "success" ? 1 : 0)) {
      this.#violate(`the cron ${name} is noted as ${run.type} and left ${wrote} documents`);
    }
    this.#history.count(`cron run of ${isMutation ? "a mutation" : "an action"}: ${run.type}`);
    if (canceled !== undefined) this.#history.count("cron runs skipped");
    const schedule = JSON.parse(row.schedule) as { readonly seconds?: number };
    if (schedule.seconds === undefined) return;
    const periods = (row.nextMs - before.nextMs) / (schedule.seconds * 1000);
    const skipped = Number(canceled?.num_canceled ?? 0n);
    if (!Number.isInteger(periods) || periods !== skipped + 1) {
      this.#violate(`the cron ${name} went on by ${periods} periods and noted ${skipped} that were skipped`);
    }
  }

  #checkCronIsDue(ts: CommitTs, name: string, nextMs: number): void {
    const latestMs = this.#history.latestWallMs.get(ts) ?? 0;
    if (nextMs > latestMs + lookingMsMax) this.#violate(`the cron ${name} ran before it was due`);
  }

  /** Everything has come to rest: nothing is left undone, and no action was run without its mark. */
  end(): void {
    for (const [id, { document, marks }] of this.#jobs) {
      const { kind } = document.state;
      const { key } = document.args[0];
      if (kind === "pending" || kind === "inProgress") this.#violate(`${key} is still ${kind}`);
      const runs = this.#history.actionRuns.get(id) ?? [];
      if (runs.length > 1) this.#violate(`the action of ${key} was started ${runs.length} times`);
      this.#checkMarks(key, runs, marks);
    }
    for (const [id, runs] of this.#history.actionRuns) {
      if (!this.#jobs.has(id)) this.#checkMarks(id, runs, this.#cronMarks.get(id) ?? []);
    }
    const keys = new Set([...this.#jobs.values()].map(({ document }) => document.args[0].key));
    for (const [key, acknowledged] of this.#history.children) {
      if (acknowledged && !keys.has(key)) this.#violate(`${key} was scheduled by an action and is lost`);
    }
  }

  /** The n-th start needs n marks that were durable by then. */
  #checkMarks(name: string, runs: readonly ActionRun[], marks: readonly CommitTs[]): void {
    for (const [i, { durableTs }] of runs.entries()) {
      const mark = marks[i];
      if (mark === undefined || mark > durableTs)
        this.#violate(`the action of ${name} began before its mark`);
    }
  }

  #violate(text: string): void {
    this.#history.violate(text);
  }
}

function isReported(run: ActionRun | undefined, kind: Kind, error: string | undefined): boolean {
  if (run === undefined || run.end === null) return false;
  return run.end.ok ? kind === "success" : kind === "failed" && error === run.end.error;
}

function valuesOf<T>(writes: readonly RecordedWrite[], tablet: number): T[] {
  const found = writes.filter((write) => write.tablet === tablet && write.json !== null);
  return found.map(({ json }) => decodeValue(json as string) as T);
}

/** Documents of the app that have this field. */
function valuesWith<T>(writes: readonly RecordedWrite[], field: string): T[] {
  const found = writes.filter(({ json }) => json?.includes(`"${field}":`) === true);
  return found.map(({ json }) => decodeValue(json as string) as T);
}
