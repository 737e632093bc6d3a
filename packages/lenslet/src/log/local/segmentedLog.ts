import path from "node:path";
import { assert } from "../../base/assert.ts";
import type { LogRecord } from "../log.ts";
import type { LogFile, LogFileSystem } from "./fileSystem.ts";
import {
  encodeSegmentHeader,
  formatVersion,
  frameHeaderBytes,
  GroupEncoder,
  segmentHeaderBytes,
  segmentName,
} from "./format.ts";
import { logCorrupt, logTrimmed } from "./logErrors.ts";
import { recoverSegments, type Segment, type Verification } from "./recovery.ts";
import { readFrames } from "./segmentReader.ts";

/** A segment that has reached this size gets no further group. */
export const segmentBytesMax = 64 * 1024 * 1024;
/** An encode buffer larger than this is given back after the group that needed it. */
const encodeBufferKeptBytesMax = 8 * 1024 * 1024;
/** Read at once for readers. */
export const readChunkBytesMax = 1024 * 1024;

export interface SegmentedLogOptions {
  readonly fs: LogFileSystem;
  readonly folder: string;
  readonly segmentBytesMax?: number;
  readonly verify?: Verification;
}

/** A place in a segment: what follows has a greater ts. */
interface Mark {
  readonly afterTs: bigint;
  readonly offset: number;
}

/** Where a reader stands. */
export interface ReadCursor {
  readonly segmentFirstTs: bigint;
  readonly offset: number;
}

export interface ReadChunk {
  /** Whole frames in a buffer of their own; empty when all of the chunk was at or before `after`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Null at the end of the log. */
  readonly next: ReadCursor | null;
}

/**
 * The files of the log: one writer, synchronous, without threads. `appendGroup` returns when the group is durable.
 * After a throw of `appendGroup` the object only closes; reopening decides what of the group survived.
 */
export class SegmentedLog {
  /** Bytes of unacknowledged records that opening cut off. */
  readonly cutBytes: number;
  private readonly fs: LogFileSystem;
  private readonly folder: string;
  private readonly rotateBytes: number;
  private readonly segments: Segment[];
  private readonly encoder = new GroupEncoder(encodeBufferKeptBytesMax);
  private readonly release: () => void;
  /** The last segment, open for writing from the first append on. */
  private active: LogFile | null = null;
  private last: bigint;
  /** Places about a chunk apart where a reader may begin, by the segment's first ts; so that it need not begin at its start. */
  private readonly marks = new Map<bigint, Mark[]>();
  private state: "open" | "broken" | "closed" = "open";

  private constructor(options: SegmentedLogOptions, release: () => void) {
    this.fs = options.fs;
    this.folder = options.folder;
    this.rotateBytes = options.segmentBytesMax ?? segmentBytesMax;
    this.release = release;
    const recovery = recoverSegments(options.fs, options.folder, options.verify ?? "all");
    this.segments = recovery.segments;
    this.last = recovery.lastTs;
    this.cutBytes = recovery.cutBytes;
  }

  /** Throws LensletError LogInUse, LogCorrupt or DataFormatTooNew, and the platform's errors. */
  static open(options: SegmentedLogOptions): SegmentedLog {
    options.fs.createFolder(options.folder);
    const release = options.fs.lock(options.folder);
    try {
      return new SegmentedLog(options, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** ts of the last record; all up to it is durable. */
  lastTs(): bigint {
    return this.last;
  }

  /** ts of the oldest record; 0n for an empty log. */
  firstTs(): bigint {
    return this.segments[0]?.firstTs ?? 0n;
  }

  trimmedTs(): bigint {
    return this.segments[0]?.afterTs ?? this.last;
  }

  /** Writes the records with one write and one sync. */
  appendGroup(records: readonly LogRecord[]): void {
    assert(this.state === "open", "a log that failed or was closed is not written");
    const first = records[0];
    if (first === undefined) return;
    // Until the end of this function the file may hold part of a group.
    this.state = "broken";
    const segment = this.segmentFor(first.ts);
    this.encoder.begin(segment.sizeBytes);
    let previous = this.last;
    for (const { ts, payload } of records) {
      assert(ts > previous, "commitTs must increase");
      this.encoder.addRecord(ts, payload);
      previous = ts;
    }
    this.writeGroup(segment);
    this.last = previous;
    this.mark(segment, { afterTs: previous, offset: segment.sizeBytes });
    this.state = "open";
  }

  /** Null when there is nothing after `after`. */
  seek(after: bigint): ReadCursor | null {
    if (after < this.trimmedTs()) throw logTrimmed(after, this.trimmedTs());
    if (after >= this.last) return null;
    // A segment ends where the next one says that it follows.
    const index = this.segments.findIndex((_, i) => (this.segments[i + 1]?.afterTs ?? this.last) > after);
    const start = this.cursorAt(index);
    const mark = start && this.marks.get(start.segmentFirstTs)?.findLast(({ afterTs }) => afterTs <= after);
    return start && mark ? { ...start, offset: mark.offset } : start;
  }

  /** Reads about `chunkBytes` from the cursor on, without the records at or before `after`. */
  readChunk(cursor: ReadCursor, after: bigint, chunkBytes = readChunkBytesMax): ReadChunk {
    const index = this.segments.findIndex((segment) => segment.firstTs === cursor.segmentFirstTs);
    const segment = this.segments[index];
    if (segment === undefined) throw logTrimmed(after, this.trimmedTs());
    const file = this.fs.open(segment.file, "read");
    try {
      const chunk = readFrames(file, cursor.offset, segment.sizeBytes, chunkBytes);
      if (chunk.damaged) throw logCorrupt(segment.file, chunk.endOffset, "the record is invalid");
      const lastFrame = chunk.frames.at(-1);
      if (lastFrame !== undefined) this.mark(segment, { afterTs: lastFrame.ts, offset: chunk.endOffset });
      const first = chunk.frames.find((frame) => frame.kind === "record" && frame.ts > after);
      const from = first === undefined ? 0 : first.payloadStart - frameHeaderBytes;
      const end = first === undefined ? 0 : chunk.endOffset - cursor.offset;
      const next =
        chunk.endOffset < segment.sizeBytes
          ? { segmentFirstTs: segment.firstTs, offset: chunk.endOffset }
          : this.cursorAt(index + 1);
      return { bytes: Uint8Array.from(chunk.bytes.subarray(from, end)), next };
    } finally {
      file.close();
    }
  }

  /** Deletes the oldest segments all of whose records have ts <= upToTs, at most so many and never the last. */
  trim(upToTs: bigint, segmentsMax = Number.POSITIVE_INFINITY): void {
    for (let removed = 0; removed < segmentsMax; removed++) {
      const [first, second] = this.segments;
      if (first === undefined || second === undefined || second.afterTs > upToTs) return;
      this.fs.remove(first.file);
      // One by one: if a later file vanished first, a crash would leave a gap.
      this.fs.syncFolder(this.folder);
      this.segments.shift();
      this.marks.delete(first.firstTs);
    }
  }

  /** Seals the log, so that the next opening knows that all of it had been durable. */
  close(): void {
    if (this.state === "closed") return;
    const sealed = this.state === "open" && this.active !== null;
    this.state = "closed";
    try {
      const segment = this.segments.at(-1);
      if (sealed && segment !== undefined) {
        this.encoder.begin(segment.sizeBytes);
        this.encoder.addSeal(this.last);
        this.writeGroup(segment);
      }
    } finally {
      this.active?.close();
      this.active = null;
      this.release();
    }
  }

  private writeGroup(segment: Segment): void {
    assert(this.active !== null, "the active segment is open");
    const bytes = this.encoder.encoded();
    assert(segment.sizeBytes + bytes.length <= 0xff_ff_ff_ff, "offsets in a segment fit 32 bits");
    this.active.write(bytes, segment.sizeBytes);
    this.active.sync();
    segment.sizeBytes += bytes.length;
  }

  private segmentFor(ts: bigint): Segment {
    const current = this.segments.at(-1);
    if (current !== undefined && current.sizeBytes < this.rotateBytes) {
      this.active ??= this.fs.open(current.file, "readWrite");
      return current;
    }
    this.active?.close();
    this.active = null;
    const file = path.join(this.folder, segmentName(ts));
    const header = {
      version: formatVersion,
      firstTs: ts,
      afterTs: this.last,
      previousBytes: current?.sizeBytes ?? 0,
      previousFirstTs: current?.firstTs ?? 0n,
    };
    this.active = this.fs.open(file, "create");
    // The header before any record: recovery takes a file without one for an interrupted creation.
    this.active.write(encodeSegmentHeader(header), 0);
    this.active.sync();
    this.fs.syncFolder(this.folder);
    const segment = { file, firstTs: ts, afterTs: this.last, sizeBytes: segmentHeaderBytes };
    this.segments.push(segment);
    return segment;
  }

  private mark(segment: Segment, mark: Mark): void {
    const marks = this.marks.get(segment.firstTs) ?? [];
    const next = marks.findIndex(({ offset }) => offset > mark.offset);
    const at = next < 0 ? marks.length : next;
    const distance = Math.min(
      mark.offset - (marks[at - 1]?.offset ?? 0),
      (marks[at]?.offset ?? Infinity) - mark.offset,
    );
    if (distance < readChunkBytesMax / 2) return;
    marks.splice(at, 0, mark);
    this.marks.set(segment.firstTs, marks);
  }

  private cursorAt(index: number): ReadCursor | null {
    const segment = this.segments[index];
    return segment === undefined ? null : { segmentFirstTs: segment.firstTs, offset: segmentHeaderBytes };
  }
}
