import type { CommitTs, Log, LogRecord } from "../src/log/log.ts";
import type { DocumentWrite, Store } from "../src/store/store.ts";
import { cronJobsTable, jobQueueTable, scheduledFunctionsTable } from "../src/store/systemTables.ts";
import { LiveQueries } from "../src/engine/liveQueries.ts";
import { Committer } from "../src/engine/committer.ts";
import type { JobEngine } from "../src/engine/api.ts";
import type { EngineHandover, EngineOut, EngineOutBatch } from "../src/engine/wire.ts";
import { Transaction } from "../src/transaction/transaction.ts";
import type { History } from "./history.ts";

/** Mistakes that the simulation must find. Each is made around the real code, which knows nothing of them. */
export const plantedBugs = [
  "acknowledge before durable",
  "skip an invalidation",
  "forget the dedup record",
  "forget the call record",
  "persist ahead of the log",
  "skip a record at replay",
  "lose an index entry",
  "keep the writes of a rolled back call",
  "publish before the answer",
  "give ids out again",
  "deliver what a dead engine said",
  "read history too late",
  "mark a job as done in another commit",
  "forget that a job was canceled",
  "leave a started action in line",
  "start interrupted actions again",
  "lose a job at a restart",
  "run a cron for the same time again",
  "leave out what a mutation scheduled",
] as const;
export type PlantedBug = (typeof plantedBugs)[number];

export class Bugs {
  readonly #bug: PlantedBug | null;
  #count = 0;

  constructor(bug: PlantedBug | null) {
    this.#bug = bug;
  }

  has(bug: PlantedBug): boolean {
    return this.#bug === bug;
  }

  /** True for every n-th time. */
  #everyTimes(n: number): boolean {
    return ++this.#count % n === 0;
  }

  log(log: Log): Log {
    const overrides: Partial<Log> = {};
    if (this.has("persist ahead of the log")) overrides.waitDurableSync = () => {};
    if (this.has("skip a record at replay")) {
      overrides.readAfter = (after: CommitTs) => this.#withGaps(log.readAfter(after));
    }
    if (this.has("lose a job at a restart")) {
      overrides.readAfter = (after: CommitTs) => this.#withoutJobs(log.readAfter(after));
    }
    return overlay(log, overrides);
  }

  async *#withoutJobs(records: AsyncIterable<readonly LogRecord[]>): AsyncGenerator<readonly LogRecord[]> {
    for await (const batch of records) {
      yield batch.map((record) => {
        const payload = JSON.parse(record.payload) as { w: [number, string, unknown][] };
        const w = payload.w.filter(([tablet]) => tablet !== jobQueueTable.tablet || !this.#everyTimes(10));
        const isWhole = w.length === payload.w.length;
        return isWhole ? record : { ts: record.ts, payload: JSON.stringify({ ...payload, w }) };
      });
    }
  }

  async *#withGaps(records: AsyncIterable<readonly LogRecord[]>): AsyncGenerator<readonly LogRecord[]> {
    // Not the last one: the committer knows how the log ends.
    for await (const batch of records)
      yield batch.filter((_, i) => i === batch.length - 1 || !this.#everyTimes(40));
  }

  /** The engine as the scheduler sees it. */
  jobEngine(engine: JobEngine, history: History): JobEngine {
    if (!this.has("start interrupted actions again")) return engine;
    const again = async (): Promise<string> => {
      const interrupted = [...history.actionRuns].filter(([, runs]) => runs.at(-1)?.end === null);
      for (const [id] of interrupted.filter(([key]) => !key.includes(":"))) {
        const end = {
          job: { kind: "function", id },
          startedMs: 0,
          logLines: [],
          outcome: { kind: "notRun" },
        };
        await engine.system("scheduler.actionEnded", JSON.stringify(end));
      }
      return engine.system("scheduler.recover", "{}");
    };
    const system: JobEngine["system"] = (operation, argsJson) =>
      operation === "scheduler.recover" ? again() : engine.system(operation, argsJson);
    return overlay(engine, { system });
  }

  store(store: Store): Store {
    const overrides: Partial<Store> = {};
    if (this.has("forget the dedup record")) overrides.sessionRequest = () => null;
    if (this.has("lose an index entry")) {
      overrides.applyCommit = (ts, writes, request) => {
        const lossy = writes.map((write) => {
          const losesOne = write.keys.length > 2 && write.after !== null && this.#everyTimes(10);
          return losesOne ? { ...write, keys: write.keys.slice(0, -1) } : write;
        });
        store.applyCommit(ts, lossy, request);
      };
    }
    return overlay(store, overrides);
  }

  handover(handover: EngineHandover): EngineHandover {
    return this.has("give ids out again") ? { ...handover, nextLiveQueryId: 1 } : handover;
  }

  committer(committer: Committer): void {
    if (this.has("forget the call record")) {
      Object.assign(committer, { recoveredCall: () => null, unansweredCalls: () => [] });
    }
    if (this.has("read history too late")) {
      const { history } = committer;
      const undoTo = history.undoTo.bind(history);
      Object.assign(history, { undoTo: (ts: CommitTs) => undoTo(ts)?.slice(1) ?? null });
    }
  }

  batch(batch: EngineOutBatch): EngineOutBatch {
    if (!this.has("publish before the answer")) return batch;
    const rank = ({ type }: EngineOut) => (type === "published" ? 0 : 1);
    return { ...batch, messages: batch.messages.toSorted((a, b) => rank(a) - rank(b)) };
  }

  /** Plants what sits inside of classes; the returned function takes it out again. */
  plant(): () => void {
    if (this.has("skip an invalidation")) {
      return replaceMethod(LiveQueries.prototype, "invalidate", (original) => (writes) => {
        if (!this.#everyTimes(8)) original(writes);
      });
    }
    if (this.has("keep the writes of a rolled back call")) {
      return replaceMethod(Transaction.prototype, "rollback", () => () => {});
    }
    if (this.has("mark a job as done in another commit")) {
      return replaceMethod(Committer.prototype, "commit", (original) => (ts, writes, request, call) => {
        const isMark = ({ tablet }: DocumentWrite) =>
          tablet === scheduledFunctionsTable.tablet || tablet === jobQueueTable.tablet;
        const [marks, others] = [writes.filter(isMark), writes.filter((write) => !isMark(write))];
        const isSplit = marks.every(({ before }) => before !== null) && marks.length * others.length > 0;
        original(ts, isSplit ? others : writes, request, isSplit ? null : call);
        if (isSplit) original((ts + 1n) as CommitTs, marks, null, call);
      });
    }
    const isForgotten = this.#forgottenWrite();
    if (isForgotten !== null) {
      return replaceMethod(Committer.prototype, "commit", (original) => (ts, writes, request, call) => {
        const kept = writes.filter((write) => !isForgotten(write, writes));
        original(ts, kept, request, call);
      });
    }
    return () => {};
  }

  /** Writes that a commit leaves out, for the mistakes that come to that. */
  #forgottenWrite(): ((write: DocumentWrite, all: readonly DocumentWrite[]) => boolean) | null {
    const inLine = ({ tablet, before }: DocumentWrite) => tablet === jobQueueTable.tablet && before !== null;
    if (this.has("forget that a job was canceled")) {
      return (write, all) => inLine(write) && all.some(({ after }) => after?.json.includes('"canceled"'));
    }
    if (this.has("leave a started action in line")) {
      return (write) => inLine(write) && write.after?.value["lane"] === "running";
    }
    if (this.has("run a cron for the same time again")) {
      return ({ tablet, before }) =>
        tablet === cronJobsTable.tablet && before !== null && this.#everyTimes(5);
    }
    if (this.has("leave out what a mutation scheduled")) {
      return ({ tablet, before }) =>
        tablet === jobQueueTable.tablet && before === null && this.#everyTimes(10);
    }
    return null;
  }
}

/** `base` with some methods replaced; the others run on `base` itself, private fields included. */
export function overlay<T extends object>(base: T, overrides: Partial<T>): T {
  return new Proxy(base, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in overrides ? overrides : target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Returns what puts the method back. */
function replaceMethod<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  replacement: (original: T[K]) => T[K],
): () => void {
  const own = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
  const original = own.value as (...args: unknown[]) => unknown;
  function replaced(this: T, ...args: unknown[]): unknown {
    const method = replacement(original.bind(this) as T[K]) as typeof original;
    return method(...args);
  }
  Object.defineProperty(prototype, name, { ...own, value: replaced });
  return () => Object.defineProperty(prototype, name, own);
}
