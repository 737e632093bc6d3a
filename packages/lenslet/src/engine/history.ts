import type { CommitTs } from "../log/log.ts";
import type { DocumentWrite } from "../store/store.ts";

/** How far back `query_at_ts` reaches. */
export const historyAgeMaxMs = 30_000;
export const historyWritesMax = 200_000;

interface PastCommit {
  readonly ts: CommitTs;
  readonly atMs: number;
  readonly writes: readonly DocumentWrite[];
}

/** The newest commits with the versions they replaced: an older snapshot is the store with these taken back. */
export class CommitHistory {
  #commits: PastCommit[] = [];
  /** Commits before this position are forgotten, though not yet cut off. */
  #start = 0;
  #writeCount = 0;
  /** Snapshots at or after this can still be read. */
  #oldestTs: CommitTs;

  constructor(oldestTs: CommitTs) {
    this.#oldestTs = oldestTs;
  }

  add(ts: CommitTs, atMs: number, writes: readonly DocumentWrite[]): void {
    this.#commits.push({ ts, atMs, writes });
    this.#writeCount += writes.length;
    this.#forget(atMs);
  }

  /** Snapshots before `ts` can no longer be read, e.g. because past commits lack the keys of a new index. */
  forgetBefore(ts: CommitTs): void {
    this.#commits = this.#commits.slice(this.#start).filter((commit) => commit.ts > ts);
    this.#start = 0;
    this.#writeCount = this.#commits.reduce((sum, { writes }) => sum + writes.length, 0);
    this.#oldestTs = ts;
  }

  /** The commits after `ts`, newest first, or null when they are not all known any more. */
  undoTo(ts: CommitTs): (readonly DocumentWrite[])[] | null {
    if (ts < this.#oldestTs) return null;
    const undo: (readonly DocumentWrite[])[] = [];
    for (let i = this.#commits.length - 1; i >= 0; i--) {
      const commit = this.#commits[i] as PastCommit;
      if (commit.ts <= ts) break;
      undo.push(commit.writes);
    }
    return undo;
  }

  #forget(nowMs: number): void {
    for (; this.#start < this.#commits.length; this.#start++) {
      const commit = this.#commits[this.#start] as PastCommit;
      if (nowMs - commit.atMs <= historyAgeMaxMs && this.#writeCount <= historyWritesMax) break;
      this.#writeCount -= commit.writes.length;
      this.#oldestTs = commit.ts;
    }
    // Cutting the front off an array costs its length: do it seldom.
    if (this.#start > 1024 || this.#start === this.#commits.length) {
      this.#commits = this.#commits.slice(this.#start);
      this.#start = 0;
    }
  }
}
