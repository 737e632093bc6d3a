import type { CommitTs } from "../log/log.ts";
import type { DocumentWrite } from "../store/store.ts";

/** How far back `query_at_ts` reaches (limits.md #118) while there is little to remember. */
export const historyAgeMaxMs = 240_000;
export const quietWritesMax = 20_000;
const quietTextBytesMax = 8 * 1024 * 1024;
/** How far back it reaches at any rate, within the limits of memory below. */
export const recentAgeMaxMs = 30_000;
export const historyWritesMax = 200_000;
/** Of the texts of the documents before and after each write; in memory they may take a few times as much. */
export const historyTextBytesMax = 64 * 1024 * 1024;

interface PastCommit {
  readonly ts: CommitTs;
  readonly atMs: number;
  readonly writes: readonly DocumentWrite[];
  readonly textBytes: number;
}

/** The newest commits with the versions they replaced: an older snapshot is the store with these taken back. */
export class CommitHistory {
  #commits: PastCommit[] = [];
  /** Commits before this position are forgotten, though not yet cut off. */
  #start = 0;
  #writeCount = 0;
  #textBytes = 0;
  /** Snapshots at or after this can still be read. */
  #oldestTs: CommitTs;

  constructor(oldestTs: CommitTs) {
    this.#oldestTs = oldestTs;
  }

  add(ts: CommitTs, atMs: number, writes: readonly DocumentWrite[]): void {
    const textBytes = textBytesOf(writes);
    const kept = writes.some(hasVectors) ? writes.map(withoutVectors) : writes;
    this.#commits.push({ ts, atMs, writes: kept, textBytes });
    this.#writeCount += writes.length;
    this.#textBytes += textBytes;
    this.#forget(atMs);
  }

  /** Snapshots before `ts` can no longer be read, e.g. because past commits lack the keys of a new index. */
  forgetBefore(ts: CommitTs): void {
    this.#commits = this.#commits.slice(this.#start).filter((commit) => commit.ts > ts);
    this.#start = 0;
    this.#writeCount = this.#commits.reduce((sum, { writes }) => sum + writes.length, 0);
    this.#textBytes = this.#commits.reduce((sum, { textBytes }) => sum + textBytes, 0);
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
      const isTooMuch = this.#writeCount > historyWritesMax || this.#textBytes > historyTextBytesMax;
      const isQuiet = this.#writeCount <= quietWritesMax && this.#textBytes <= quietTextBytesMax;
      const ageMaxMs = isQuiet ? historyAgeMaxMs : recentAgeMaxMs;
      if (nowMs - commit.atMs <= ageMaxMs && !isTooMuch) break;
      this.#writeCount -= commit.writes.length;
      this.#textBytes -= commit.textBytes;
      this.#oldestTs = commit.ts;
      // It may stay in the array for a while, its documents may not.
      this.#commits[this.#start] = { ...commit, writes: [] };
    }
    // Cutting the front off an array costs its length: do it seldom.
    if (this.#start > 1024 || this.#start === this.#commits.length) {
      this.#commits = this.#commits.slice(this.#start);
      this.#start = 0;
    }
  }
}

function textBytesOf(writes: readonly DocumentWrite[]): number {
  let bytes = 0;
  for (const { before, after } of writes) bytes += (before?.json.length ?? 0) + (after?.json.length ?? 0);
  return bytes;
}

function hasVectors({ vectors }: DocumentWrite): boolean {
  return vectors !== undefined;
}

/** No query looks at vectors. */
function withoutVectors(write: DocumentWrite): DocumentWrite {
  const { vectors: _vectors, ...rest } = write;
  return rest;
}
