import { assert } from "../../base/assert.ts";
import { ByteWriter } from "./bytes.ts";
import type { Ordinals } from "./ordinals.ts";
import { entriesByKey, pageBytesMin, type PageTable, RunCursor, RunWriter, type TermEntry } from "./pages.ts";
import {
  appendChunk,
  dropRemoved,
  PostingBuffer,
  type PostingChunk,
  readChunks,
  writeChunk,
} from "./postings.ts";

/** This many runs of one level, and what lies between them, are merged into one. */
const mergedRuns = 4;
/** A run of level n has about 4^n times as many bytes. */
const levelZeroBytes = 1024;
/** Merging reads this many bytes for each byte that was flushed: every byte is merged once on each of some six levels. */
const mergeBytesPerFlushedByte = 8;
const mergeBytesMin = 64 * 1024;
/** Beyond this many runs merging hurries, so that searches do not look into ever more of them. */
const runsBeforeHurry = 32;
const hurryFactor = 8;

export interface Run {
  readonly run: number;
  readonly level: number;
}

/** What is persisted of the runs. */
export interface RunsState {
  /** Oldest first; their ordinals ascend from one to the next. */
  readonly runs: readonly Run[];
  readonly nextRun: number;
  /** Runs whose pages are still to be deleted, unfinished merges included. */
  readonly garbage: readonly number[];
}

interface Merge {
  readonly inputs: readonly Run[];
  readonly entries: Generator<readonly TermEntry[]>;
  readonly writer: RunWriter;
}

/**
 * The runs of one search index. They are merged a little at every flush, in proportion to what the flush wrote: no
 * write waits for a whole merge, and the number of runs grows with the logarithm of what was written.
 */
export class Runs {
  readonly #pages: PageTable;
  readonly #ordinals: Ordinals;
  #runs: Run[];
  #nextRun: number;
  #garbage: number[];
  #merge: Merge | null = null;

  constructor(pages: PageTable, ordinals: Ordinals, state: RunsState) {
    this.#pages = pages;
    this.#ordinals = ordinals;
    this.#runs = [...state.runs];
    this.#nextRun = state.nextRun;
    this.#garbage = [...state.garbage];
  }

  list(): readonly Run[] {
    return this.#runs;
  }

  state(): RunsState {
    const unfinished = this.#merge === null ? [] : [this.#merge.writer.run];
    return { runs: this.#runs, nextRun: this.#nextRun, garbage: [...this.#garbage, ...unfinished] };
  }

  /** Begins the newest run; to be given to `add` when it is written. */
  startRun(): RunWriter {
    return new RunWriter(this.#pages, this.#nextRun++);
  }

  /** Takes a written run, and does the merging that its size pays for. */
  add(writer: RunWriter): void {
    if (writer.finish()) this.#runs.push({ run: writer.run, level: levelOf(writer.bytes) });
    const hurry = this.#runs.length > runsBeforeHurry ? hurryFactor : 1;
    const bytes = hurry * (mergeBytesMin + mergeBytesPerFlushedByte * writer.bytes);
    this.#mergeSome(bytes);
    this.#removeSome(Math.ceil((2 * bytes) / pageBytesMin));
  }

  #removeSome(pagesMax: number): void {
    let left = pagesMax;
    while (left > 0 && this.#garbage.length > 0) {
      const removed = this.#pages.remove(this.#garbage[0] as number, left);
      if (removed < left) this.#garbage.shift();
      left -= removed;
    }
  }

  #mergeSome(bytesMax: number): void {
    let left = bytesMax;
    while (left > 0) {
      this.#merge ??= this.#nextMerge();
      if (this.#merge === null) return;
      const next = this.#merge.entries.next();
      if (next.done === true) this.#finishMerge(this.#merge);
      else left -= writeMerged(this.#merge.writer, next.value, this.#ordinals);
    }
  }

  #nextMerge(): Merge | null {
    const inputs = mergeable(this.#runs);
    if (inputs === null) return null;
    return {
      inputs,
      entries: entriesByKey(inputs.map(({ run }) => new RunCursor(this.#pages, run))),
      writer: this.startRun(),
    };
  }

  #finishMerge({ inputs, writer }: Merge): void {
    const merged = writer.finish() ? [{ run: writer.run, level: levelOf(writer.bytes) }] : [];
    this.#runs.splice(this.#runs.indexOf(inputs[0] as Run), inputs.length, ...merged);
    this.#garbage.push(...inputs.map(({ run }) => run));
    this.#merge = null;
  }
}

/** Of the lowest level possible: from a run to the fourth of its level with nothing greater in between. */
export function mergeable(runs: readonly Run[]): readonly Run[] | null {
  const levels = [...new Set(runs.map(({ level }) => level))].toSorted((a, b) => a - b);
  for (const wanted of levels) {
    let found: number[] = [];
    for (const [i, { level }] of runs.entries()) {
      if (level > wanted) found = [];
      else if (level === wanted) found.push(i);
      if (found.length === mergedRuns) return runs.slice(found[0], i + 1);
    }
  }
  return null;
}

function levelOf(bytes: number): number {
  let level = 0;
  for (let size = levelZeroBytes; bytes >= mergedRuns * size; size *= mergedRuns) level += 1;
  return level;
}

const chunks = new ByteWriter();
const buffer = new PostingBuffer();

/** Writes the union of the entries of one key, without removed documents. Returns the bytes read. */
function writeMerged(writer: RunWriter, entries: readonly TermEntry[], ordinals: Ordinals): number {
  let documents = 0;
  let bytes = 0;
  chunks.clear();
  const inputs: PostingChunk[] = [];
  for (const entry of entries) {
    documents += entry.documents;
    bytes += entry.key.length + entry.end - entry.start + 4;
    readChunks(entry.data, entry.start, entry.end, inputs);
  }
  for (let i = 0; i < inputs.length;) {
    const { window } = inputs[i] as PostingChunk;
    let end = i + 1;
    while (inputs[end]?.window === window) end += 1;
    writeWindow(inputs.slice(i, end), ordinals.removedIn(window));
    i = end;
  }
  const key = entries[0]?.key;
  assert(key !== undefined, "a merged key has an entry");
  if (documents !== 0 || chunks.length > 0) writer.add(key, documents, chunks.bytes, 0, chunks.length);
  return bytes;
}

/** Appends the chunks of one window to `chunks` as one. */
function writeWindow(inputs: readonly PostingChunk[], removed: Uint8Array | null): void {
  const [only] = inputs;
  assert(only !== undefined, "a window has a chunk");
  if (inputs.length === 1 && removed === null) {
    chunks.copy(only.data, only.head, only.end);
    return;
  }
  buffer.count = 0;
  for (const input of inputs) appendChunk(input, buffer);
  if (removed !== null) dropRemoved(buffer, removed);
  if (buffer.count > 0) writeChunk(chunks, only.window, buffer);
}
