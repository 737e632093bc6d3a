import { assert } from "../base/assert.ts";
import { completeIndex } from "../deploy/backfill.ts";
import type { Clock } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import type { CommitTs, Log, LogRecord } from "../log/log.ts";
import { searchChangesOf } from "../search/entry.ts";
import { vectorChangesOf } from "../search/vectorEntry.ts";
import type { IndexState } from "../store/catalog.ts";
import { applyEffects, type CatalogEffect, type CatalogState } from "../store/catalogState.ts";
import { makeDocument } from "../store/document.ts";
import type { DocumentWrite, IndexId, SessionRequest, Store, StoredDocument } from "../store/store.ts";
import { keyChangesOf } from "../transaction/pendingWrites.ts";
import { decodeId } from "../values/id.ts";
import {
  type CommitRecord,
  decodeCommitRecord,
  encodeCommitRecord,
  type RecordedCall,
} from "./commitRecord.ts";
import { CommitHistory } from "./history.ts";

/** Applied commits are made persistent in the store at the latest after this time or this many writes. */
export const persistIntervalMaxMs = 1000;
export const persistWritesMax = 50_000;
/** How long a commit may take to become durable before the engine gives up on its log. */
export const durableWaitMaxMs = 30_000;
/** How long a mutation that is sent again finds its answer (limits.md #84). */
export const sessionRequestAgeMaxMs = 14 * 24 * 3600 * 1000;
const expiryIntervalMs = 3600 * 1000;
/**
 * Every timestamp is a multiple of it, so that a double holds it exactly until the year 2116: a client that reads JSON
 * into doubles gives a cursor back as it got it (docs/decisions/007-streaming-export.md).
 */
const tsStepNs = 512n;

export interface CommitterOptions {
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  /** Names this run of the server process, for `RecordedCall`. */
  readonly boot: string;
  /** See `EngineHandover`. */
  readonly answeredTs?: CommitTs | null;
  /** Somebody else appends to the log, also while it is opened: what comes is handed to `follow`. */
  readonly isFollower?: boolean;
}

/**
 * The only writer of log and store. A commit is applied to the store at once, so that the next transaction sees it,
 * and handed to the log with the others of its tick; who may be told of it is decided by the log's `durableTs`.
 */
export class Committer {
  readonly #options: CommitterOptions;
  #catalog: CatalogState;
  #lastTs: CommitTs;
  #unsent: LogRecord[] = [];
  #unpersistedWrites = 0;
  #persistedAtMs: number;
  #expiredAtMs = -Infinity;
  /** Calls of this process that an engine thread committed and died before the answer was out. */
  readonly #recoveredCalls = new Map<number, RecordedCall & { ts: CommitTs }>();
  readonly history: CommitHistory;

  private constructor(options: CommitterOptions, catalog: CatalogState, lastTs: CommitTs) {
    this.#options = options;
    this.#catalog = catalog;
    this.#lastTs = lastTs;
    this.#persistedAtMs = options.clock.monotonicMs();
    this.history = new CommitHistory(lastTs);
  }

  /** Loads the store and replays the part of the log that it does not hold yet. */
  static async open(options: CommitterOptions, catalog: CatalogState): Promise<Committer> {
    const { store, log } = options;
    const committer = new Committer(options, catalog, store.appliedTs());
    if (store.appliedTs() > log.lastTs()) {
      throw new LensletError(
        "Internal",
        "DataFolderInconsistent",
        "The store is newer than the log: log files are missing from the data folder. Restore the folder from a backup, or remove its store file to rebuild it from the log.",
      );
    }
    const { answeredTs = null } = options;
    const appliedTs = store.appliedTs();
    if (appliedTs < log.trimmedTs()) {
      throw new LensletError(
        "Internal",
        "DataFolderInconsistent",
        `The store is missing or too old: it ends at ${appliedTs}, but the log begins after ${log.trimmedTs()}. Put back the store file, or restore the folder from a backup (lenslet restore).`,
      );
    }
    // Calls may be unanswered whose commits the engine before had made persistent already. One that has waited for its
    // answer since before the log begins waits no longer.
    const unansweredTs = greatest(answeredTs ?? appliedTs, log.trimmedTs());
    const fromTs = unansweredTs < appliedTs ? unansweredTs : appliedTs;
    for await (const records of log.readAfter(fromTs)) {
      for (const record of records.map(decodeCommitRecord)) {
        if (record.ts > appliedTs) committer.#replay(record);
        committer.#recoverCall(record);
      }
    }
    assert(
      options.isFollower === true || committer.#lastTs === log.lastTs(),
      "replay ends at the log's last commit",
    );
    return committer;
  }

  get catalog(): CatalogState {
    return this.#catalog;
  }
  /** ts of the newest commit, durable or not. */
  get lastTs(): CommitTs {
    return this.#lastTs;
  }

  /** Those of which nobody can have been told, oldest first. */
  unansweredCalls(): (RecordedCall & { ts: CommitTs })[] {
    const { answeredTs = null } = this.#options;
    if (answeredTs === null) return [];
    return [...this.#recoveredCalls.values()].filter(({ ts }) => ts > answeredTs);
  }

  recoveredCall(callSeq: number): (RecordedCall & { ts: CommitTs }) | null {
    return this.#recoveredCalls.get(callSeq) ?? null;
  }

  /** Unique, increasing, not before `leastMs`, close to the wall clock in nanoseconds, a multiple of `tsStepNs`. */
  nextTs(leastMs: number): CommitTs {
    const leastUs = Math.max(Math.ceil(leastMs * 1000), Math.floor(this.#options.clock.nowMs() * 1000));
    const leastNs = BigInt(leastUs) * 1000n;
    const leastTs = leastNs > this.#lastTs ? leastNs : this.#lastTs + 1n;
    return ((leastTs + tsStepNs - 1n) / tsStepNs) * tsStepNs;
  }

  commit(
    ts: CommitTs,
    writes: readonly DocumentWrite[],
    request: SessionRequest | null,
    call: RecordedCall | null,
  ): void {
    assert(ts > this.#lastTs, "commitTs must increase");
    const record = encodeCommitRecord(ts, writes, request, call);
    // First: what cannot be applied must not get into the log, where every start would meet it again.
    this.#apply(ts, writes, request);
    this.#unsent.push(record);
  }

  /** Hands the commits of this tick to the log, as one batch. */
  flush(): void {
    if (this.#unsent.length === 0) return;
    this.#options.log.append(this.#unsent);
    this.#unsent = [];
  }

  get needsPersist(): boolean {
    return this.#unpersistedWrites > 0;
  }

  /** Persists the store when it is free to do so (everything durable), and waits for the log when it has become due. */
  persistIfDue(): void {
    const { store, log, clock } = this.#options;
    if (this.#unpersistedWrites === 0) return;
    const due =
      this.#unpersistedWrites > persistWritesMax ||
      clock.monotonicMs() - this.#persistedAtMs > persistIntervalMaxMs;
    if (!due) return;
    this.#expireRequests();
    log.waitDurableSync(store.appliedTs(), durableWaitMaxMs);
    store.persist();
    this.#unpersistedWrites = 0;
    this.#persistedAtMs = clock.monotonicMs();
  }

  #expireRequests(): void {
    const { store, clock } = this.#options;
    if (clock.monotonicMs() - this.#expiredAtMs < expiryIntervalMs) return;
    this.#expiredAtMs = clock.monotonicMs();
    store.expireSessionRequests(BigInt(Math.floor(clock.nowMs() - sessionRequestAgeMaxMs)) * 1_000_000n);
  }

  /** Everything to the log and to the store, before a clean end. */
  drain(): void {
    this.#persistBy((store) => store.persist());
  }

  /** The same, and waits for the disk: `Store.checkpoint`. */
  checkpoint(): CommitTs {
    return this.#persistBy((store) => store.checkpoint());
  }

  /** `Store.holdFile`, with everything in it. */
  holdFile(): CommitTs {
    return this.#persistBy((store) => store.holdFile());
  }

  #persistBy<T>(persist: (store: Store) => T): T {
    this.flush();
    const { store, log } = this.#options;
    log.waitDurableSync(this.#lastTs, durableWaitMaxMs);
    const result = persist(store);
    this.#unpersistedWrites = 0;
    return result;
  }

  #apply(ts: CommitTs, writes: readonly DocumentWrite[], request: SessionRequest | null): void {
    const { store } = this.#options;
    const { catalog, effects } = this.#catalog.apply(writes);
    applyEffects(store, effects);
    store.applyCommit(ts, writes, request);
    this.#catalog = catalog;
    this.#lastTs = ts;
    this.#unpersistedWrites += writes.length + 1;
    this.history.add(ts, this.#options.clock.monotonicMs(), writes);
    if (changesIndexes(effects)) this.history.forgetBefore(ts);
  }

  /** Applies the next commit of the log, which somebody else has made. */
  follow(record: LogRecord): {
    readonly writes: readonly DocumentWrite[];
    readonly request: SessionRequest | null;
  } {
    assert(record.ts > this.#lastTs, "commits are followed in their order");
    const decoded = decodeCommitRecord(record);
    return { writes: this.#replay(decoded), request: decoded.request };
  }

  #recoverCall({ ts, call }: CommitRecord): void {
    if (call?.boot === this.#options.boot) this.#recoveredCalls.set(call.callSeq, { ...call, ts });
  }

  #replay(record: CommitRecord): readonly DocumentWrite[] {
    const before = this.#catalog;
    const writes = this.#resolveWrites(record);
    this.#apply(record.ts, writes, record.request);
    if (this.#catalog !== before) this.#completeBackfills(before);
    return writes;
  }

  /**
   * A log record holds documents only; keys and previous versions come from the store as it was at that point.
   * Tables that the same commit creates are looked up in the catalog that includes them.
   */
  #resolveWrites(record: CommitRecord): DocumentWrite[] {
    const { store } = this.#options;
    let catalog = this.#catalog;
    const resolved: DocumentWrite[] = [];
    for (const write of record.writes) {
      const { id } = decodeId(write.idText);
      let table = catalog.tableByTablet(write.tablet);
      if (table === null) {
        catalog = this.#catalog.apply(resolved).catalog;
        table = catalog.tableByTablet(write.tablet);
      }
      assert(table !== null, "a record writes only to tables that exist");
      const exists = this.#catalog.tableByTablet(write.tablet) !== null;
      const before: StoredDocument | null = exists ? store.get(write.tablet, id) : null;
      const after = write.json === null ? null : makeDocument(id, write.idText, write.json);
      const keys = keyChangesOf(table, id, before, after);
      const base = { tablet: write.tablet, id, idText: write.idText, before, after, keys };
      const search = searchChangesOf(table, before, after);
      const vectors = vectorChangesOf(table, before, after);
      resolved.push({
        ...base,
        ...(search === undefined ? {} : { search }),
        ...(vectors === undefined ? {} : { vectors }),
      });
    }
    return resolved;
  }

  /** An index that a replayed commit declares complete is filled on the spot: its backfill is not in the log. */
  #completeBackfills(before: CatalogState): void {
    const completed = [
      ...completedOf(this.#catalog.databaseIndexes(), (index) => before.indexById(index)),
      ...completedOf(this.#catalog.searchIndexes(), (index) => before.searchIndexById(index)),
      ...completedOf(this.#catalog.vectorIndexes(), (index) => before.vectorIndexById(index)),
    ];
    for (const index of completed) {
      const table = this.#catalog.tableByTablet(index.tablet);
      assert(table !== null, "an index belongs to a table");
      completeIndex(this.#options.store, table, index);
    }
  }
}

function greatest(a: CommitTs, b: CommitTs): CommitTs {
  return a > b ? a : b;
}

/** The indexes that were being built and are not any more. */
function completedOf<T extends { readonly id: IndexId; readonly state: IndexState }>(
  indexes: Iterable<T>,
  before: (index: IndexId) => { readonly state: IndexState } | null,
): T[] {
  return [...indexes].filter(
    ({ id, state }) => state !== "backfilling" && before(id)?.state === "backfilling",
  );
}

/** Past commits hold the keys of the indexes there were; a table that is gone is not in the catalog any more. */
function changesIndexes(effects: readonly CatalogEffect[]): boolean {
  const created = new Set(
    effects.flatMap((effect) => (effect.kind === "createTablet" ? [effect.tablet] : [])),
  );
  return effects.some(
    (effect) =>
      effect.kind === "dropTablet" || (effect.kind === "createIndex" && !created.has(effect.tablet)),
  );
}
