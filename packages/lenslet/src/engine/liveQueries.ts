import { assert } from "../base/assert.ts";
import type { DocumentWrite, TabletId } from "../store/store.ts";
import { SubscriptionIndex } from "../subscription/subscriptionIndex.ts";
import type { ReadSet } from "../transaction/readSet.ts";
import type { FunctionCall, FunctionResult, Identity, LiveQueryId, LiveQueryState } from "./api.ts";

/** Results without watchers that are kept for the next caller. */
export const cachedResultsMax = 10_000;
export const cachedResultBytesMax = 100 * 1024 * 1024;
/** Ids from here on are given out by the net thread (engineClient.ts). */
export const localIdsFrom = 2 ** 40;
/** A result that read the clock is reused for new callers this long (limits.md #116). */
export const clockResultAgeMaxMs = 17_000;

/** A query as asked for; two equal ones share one computation unless it looks at the identity. */
export interface QuerySpec {
  readonly componentPath: string;
  readonly path: string;
  readonly argsJson: string;
  readonly identity: Identity;
  readonly journal: string | null;
}

export interface QueryRunResult {
  readonly result: FunctionResult;
  readonly journal: string | null;
  readonly reads: ReadSet;
  readonly usedIdentity: boolean;
  readonly usedClock: boolean;
  /** It tells how far work in the background has come, which changes without a commit. */
  readonly usedProgress?: boolean;
}

/** Who asks for a result, for the log of executions. */
export type Asker = Pick<FunctionCall, "caller" | "requestId">;

/**
 * Runs a query now, at the newest snapshot. `liveId` names a watcher, where the run is a repetition; nobody in
 * particular asks for one.
 */
export type QueryExecutor = (
  spec: QuerySpec,
  journal: string | null,
  liveId: LiveQueryId | null,
  asker: Asker | null,
) => QueryRunResult;

/** One execution shared by everyone who asked for the same thing. */
interface Computation {
  readonly baseKey: string;
  /** The identity it ran with; matters only once it has been looked at. */
  readonly spec: QuerySpec;
  readonly entries: Set<Entry>;
  run: QueryRunResult;
  atMs: number;
  dirty: boolean;
  bytes: number;
}

/** What one identity watches. */
interface Entry {
  readonly id: LiveQueryId;
  readonly spec: QuerySpec;
  readonly key: string;
  watchers: number;
  version: number;
  computation: Computation;
}

/** Distinguishes identities for sharing. Admins see internal functions, so they never share with users. */
export function identityKey(identity: Identity): string {
  switch (identity.kind) {
    case "anonymous":
      return identity.error === undefined ? "" : `e${identity.error}`;
    case "user":
      return `u${JSON.stringify(identity.attributes)}`;
    case "admin":
      return `a${JSON.stringify(identity.actingAs)}`;
    case "system":
      return "s";
  }
}

/** All parts are chosen by clients, so none may be able to pass for another: a JSON array ends by itself. */
function baseKeyOf({ identity, componentPath, path, journal, argsJson }: QuerySpec): string {
  const isPrivileged = identity.kind === "admin" || identity.kind === "system";
  return JSON.stringify([isPrivileged, componentPath, path, journal]) + argsJson;
}

/**
 * The registry of query results that are current: watched ones (entries), and unwatched ones kept as a cache.
 * A commit marks the overlapped computations dirty; `refresh` re-runs each watched one once.
 */
export class LiveQueries {
  readonly #execute: QueryExecutor;
  readonly #nowMs: () => number;
  readonly #index = new SubscriptionIndex<Computation>();
  /** Two of them may have become equal by no longer looking at the identity; the maps below hold the newer one then. */
  readonly #computations = new Set<Computation>();
  /** Computations that did not look at the identity, by base key. */
  readonly #shared = new Map<string, Computation>();
  /** Computations that did, by base key and identity key. */
  readonly #personal = new Map<string, Computation>();
  readonly #entriesByKey = new Map<string, Entry>();
  readonly #entriesById = new Map<LiveQueryId, Entry>();
  readonly #dirty = new Set<Computation>();
  /** Those that have looked at the progress of work in the background. */
  readonly #ofProgress = new Set<Computation>();
  /** Unwatched computations, least recently used first. */
  readonly #idle = new Set<Computation>();
  /** Watched entries that have changed and whose change has not been taken. */
  #renewed: { id: LiveQueryId; state: LiveQueryState }[] = [];
  #idleBytes = 0;
  #nextId = 1;
  /** How often a query has been run: a call that does not change it was answered from the registry. */
  #runs = 0;

  /** Told of every watched query that a write to a table has made out of date. */
  readonly #onInvalidated: (tablet: TabletId, spec: QuerySpec) => void;

  constructor(
    execute: QueryExecutor,
    nowMs: () => number,
    onInvalidated: (tablet: TabletId, spec: QuerySpec) => void = () => {},
  ) {
    this.#execute = execute;
    this.#nowMs = nowMs;
    this.#onInvalidated = onInvalidated;
  }

  get watchedCount(): number {
    return this.#entriesById.size;
  }

  /** Ids below `nextId` belong to queries of engines before this one. */
  reserveIds(nextId: number): void {
    this.#nextId = Math.max(this.#nextId, nextId);
  }

  /** The current result of a query: from the registry (`cached`), or by running it. */
  read(
    spec: QuerySpec,
    asker: Asker | null = null,
  ): { readonly run: QueryRunResult; readonly cached: boolean } {
    const runs = this.#runs;
    const { run } = this.#computationFor(spec, null, spec.journal, asker);
    return { run, cached: runs === this.#runs };
  }

  open(
    spec: QuerySpec,
    forcedId: LiveQueryId | null,
    asker: Asker | null = null,
  ): { id: LiveQueryId; state: LiveQueryState; cached: boolean } {
    const runs = this.#runs;
    const key = `${baseKeyOf(spec)}\n${identityKey(spec.identity)}`;
    let entry = forcedId === null ? this.#entriesByKey.get(key) : undefined;
    if (entry !== undefined) this.#renewIfOld(entry.computation);
    else {
      const computation = this.#computationFor(spec, forcedId, spec.journal, asker);
      const id = forcedId ?? this.#nextId;
      if (id >= this.#nextId && id < localIdsFrom) this.#nextId = id + 1;
      entry = { id, spec, key, watchers: 0, version: 1, computation };
      this.#entriesByKey.set(key, entry);
      this.#entriesById.set(id, entry);
      this.#attach(entry, computation);
    }
    entry.watchers += 1;
    return { id: entry.id, state: stateOf(entry), cached: runs === this.#runs };
  }

  close(id: LiveQueryId, watchers: number): void {
    const entry = this.#entriesById.get(id);
    assert(entry !== undefined && entry.watchers >= watchers, "a closed live query was open");
    entry.watchers -= watchers;
    if (entry.watchers > 0) return;
    this.#entriesById.delete(id);
    if (this.#entriesByKey.get(entry.key) === entry) this.#entriesByKey.delete(entry.key);
    this.#detach(entry);
  }

  /** Marks everything that read what a commit wrote. */
  invalidate(writes: readonly DocumentWrite[]): void {
    if (this.#computations.size === 0) return;
    for (const [tablet, own] of byTablet(writes)) {
      for (const computation of this.#index.affected(own)) {
        if (computation.entries.size > 0) this.#onInvalidated(tablet, computation.spec);
        this.#markDirty(computation);
      }
    }
  }

  /** New code or configuration: nothing that was computed before holds. */
  invalidateAll(): void {
    for (const computation of this.#computations) this.#markDirty(computation);
  }

  /** Work in the background has gone on. */
  invalidateProgress(): void {
    for (const computation of this.#ofProgress) this.#markDirty(computation);
  }

  get hasDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Re-runs what is dirty and watched; the entries whose result changed, with their new state. */
  refresh(): { id: LiveQueryId; state: LiveQueryState }[] {
    for (const computation of this.#dirty) {
      const [watcher] = computation.entries;
      this.#renew(computation, watcher?.id ?? null);
    }
    this.#dirty.clear();
    return this.takeRenewed();
  }

  /** What new callers have changed for those who watch already, in order. */
  takeRenewed(): { id: LiveQueryId; state: LiveQueryState }[] {
    const renewed = this.#renewed;
    this.#renewed = [];
    return renewed;
  }

  /** A new caller does not get a result whose clock is long past. Blamed on the call: its watchers did not ask. */
  #renewIfOld(computation: Computation): void {
    if (isOld(computation, this.#nowMs())) this.#renew(computation, null);
  }

  #renew(computation: Computation, forId: LiveQueryId | null): void {
    const entries = [...computation.entries];
    const before = computation.run.result;
    this.#rerun(computation, forId);
    for (const entry of entries) {
      if (sameResult(before, entry.computation.run.result)) continue;
      entry.version += 1;
      this.#renewed.push({ id: entry.id, state: stateOf(entry) });
    }
  }

  #find(spec: QuerySpec, baseKey: string): Computation | undefined {
    return this.#shared.get(baseKey) ?? this.#personal.get(`${baseKey}\n${identityKey(spec.identity)}`);
  }

  /** `journal`: of the newest run of a computation that this one continues. */
  #computationFor(
    spec: QuerySpec,
    forId: LiveQueryId | null = null,
    journal: string | null = spec.journal,
    asker: Asker | null = null,
  ): Computation {
    const baseKey = baseKeyOf(spec);
    let found = this.#find(spec, baseKey);
    if (found !== undefined && isOld(found, this.#nowMs())) {
      if (found.entries.size > 0) this.#renewIfOld(found);
      else this.#drop(found);
      // It may have begun to look at the identity.
      found = this.#find(spec, baseKey);
    }
    if (found !== undefined) {
      if (this.#idle.delete(found)) this.#idle.add(found);
      return found;
    }
    const run = this.#run(spec, journal, forId, asker);
    const computation: Computation = {
      baseKey,
      spec,
      entries: new Set(),
      run,
      atMs: this.#nowMs(),
      dirty: false,
      bytes: resultBytes(run.result),
    };
    this.#register(computation);
    this.#idle.add(computation);
    this.#idleBytes += computation.bytes;
    this.#evict(computation);
    return computation;
  }

  #run(
    spec: QuerySpec,
    journal: string | null,
    forId: LiveQueryId | null,
    asker: Asker | null,
  ): QueryRunResult {
    this.#runs += 1;
    return this.#execute(spec, journal, forId, asker);
  }

  #register(computation: Computation): void {
    const { run, baseKey, spec } = computation;
    this.#computations.add(computation);
    if (run.usedIdentity) this.#personal.set(`${baseKey}\n${identityKey(spec.identity)}`, computation);
    else this.#shared.set(baseKey, computation);
    if (run.usedProgress === true) this.#ofProgress.add(computation);
    this.#index.add(computation, run.reads);
  }

  #unregister(computation: Computation): void {
    const personalKey = `${computation.baseKey}\n${identityKey(computation.spec.identity)}`;
    if (this.#shared.get(computation.baseKey) === computation) this.#shared.delete(computation.baseKey);
    if (this.#personal.get(personalKey) === computation) this.#personal.delete(personalKey);
    this.#computations.delete(computation);
    this.#ofProgress.delete(computation);
    this.#index.remove(computation);
  }

  #markDirty(computation: Computation): void {
    if (computation.entries.size === 0) {
      this.#drop(computation);
      return;
    }
    computation.dirty = true;
    this.#dirty.add(computation);
  }

  /**
   * Runs a computation again in place. One that has begun to look at the identity serves only those entries whose
   * identity it ran with; the others get computations of their own.
   */
  #rerun(computation: Computation, forId: LiveQueryId | null): void {
    if (computation.entries.size === 0) {
      this.#drop(computation);
      return;
    }
    this.#unregister(computation);
    const journal = computation.run.journal ?? computation.spec.journal;
    computation.run = this.#run(computation.spec, journal, forId, null);
    computation.atMs = this.#nowMs();
    computation.bytes = resultBytes(computation.run.result);
    computation.dirty = false;
    this.#register(computation);
    if (!computation.run.usedIdentity) return;
    const own = identityKey(computation.spec.identity);
    for (const entry of computation.entries) {
      if (identityKey(entry.spec.identity) === own) continue;
      computation.entries.delete(entry);
      this.#attach(entry, this.#computationFor(entry.spec, entry.id, journal));
    }
    if (computation.entries.size === 0) this.#drop(computation);
  }

  #attach(entry: Entry, computation: Computation): void {
    entry.computation = computation;
    computation.entries.add(entry);
    if (this.#idle.delete(computation)) this.#idleBytes -= computation.bytes;
  }

  #detach(entry: Entry): void {
    const { computation } = entry;
    computation.entries.delete(entry);
    if (computation.entries.size > 0) return;
    if (computation.dirty) {
      this.#drop(computation);
      return;
    }
    this.#idle.add(computation);
    this.#idleBytes += computation.bytes;
    this.#evict(null);
  }

  #drop(computation: Computation): void {
    this.#unregister(computation);
    this.#dirty.delete(computation);
    if (this.#idle.delete(computation)) this.#idleBytes -= computation.bytes;
  }

  #evict(keep: Computation | null): void {
    for (const oldest of this.#idle) {
      if (this.#idle.size <= cachedResultsMax && this.#idleBytes <= cachedResultBytesMax) return;
      if (oldest !== keep) this.#drop(oldest);
    }
  }
}

function isOld({ run, atMs }: Computation, nowMs: number): boolean {
  return run.usedClock && nowMs - atMs > clockResultAgeMaxMs;
}

function stateOf(entry: Entry): LiveQueryState {
  const { result, journal } = entry.computation.run;
  return { version: entry.version, result, journal };
}

function resultBytes(result: FunctionResult): number {
  return 200 + (result.ok ? result.valueJson.length : result.error.message.length);
}

/** Value and log lines unchanged: nothing to tell anyone (sync-protocol.md §5.2). */
export function sameResult(a: FunctionResult, b: FunctionResult): boolean {
  if (a.logLines.length !== b.logLines.length || a.logLines.some((line, i) => line !== b.logLines[i]))
    return false;
  if (a.ok) return b.ok && a.valueJson === b.valueJson;
  return !b.ok && a.error.message === b.error.message && a.error.dataJson === b.error.dataJson;
}

/** Most commits write to one table. */
function byTablet(writes: readonly DocumentWrite[]): Iterable<readonly [TabletId, readonly DocumentWrite[]]> {
  const [first] = writes;
  if (first === undefined) return [];
  if (writes.every(({ tablet }) => tablet === first.tablet)) return [[first.tablet, writes]];
  return Map.groupBy(writes, ({ tablet }) => tablet);
}
