import path from "node:path";
import type { LogFile, LogFileSystem } from "./fileSystem.ts";
import {
  decodeSegmentHeader,
  findFrame,
  formatVersion,
  parseSegmentName,
  segmentHeaderBytes,
  segmentName,
  type SegmentHeader,
} from "./format.ts";
import { dataFormatTooNew, logCorrupt } from "./logErrors.ts";
import { readBytes, scanSegment, type SegmentScan } from "./segmentReader.ts";

export interface Segment {
  readonly file: string;
  /** ts of its first record. */
  readonly firstTs: bigint;
  /** ts of the record before its first; 0n if it is the first ever. */
  readonly afterTs: bigint;
  /** Valid bytes, header included. */
  sizeBytes: number;
}

/**
 * `all` checks every record; `tail` checks the last segment in full and of earlier ones the header, the size and
 * that none is missing; their records are checked when they are read.
 */
export type Verification = "all" | "tail";

export interface Recovery {
  readonly segments: Segment[];
  /** ts of the last record; 0n for an empty log. */
  readonly lastTs: bigint;
  /** Bytes of never acknowledged records that a crash had left behind. */
  readonly cutBytes: number;
}

interface Inspection {
  readonly header: SegmentHeader;
  readonly sizeBytes: number;
  /** Null when the records were not checked. */
  readonly scan: SegmentScan | null;
}

/**
 * Opens the folder after whatever happened to it. What was never acknowledged may be cut off; everything else is
 * either whole or the log refuses to open. All checks come before the first change.
 */
export function recoverSegments(fs: LogFileSystem, folder: string, verify: Verification): Recovery {
  const names = fs
    .list(folder)
    .filter((name) => parseSegmentName(name) !== null)
    .sort();
  const segments: Segment[] = [];
  /** Null when the segment before was not scanned. */
  let lastTs: bigint | null = 0n;
  for (const [i, name] of names.entries()) {
    const file = path.join(folder, name);
    if (i === names.length - 1) return recoverLast(fs, folder, file, segments, lastTs);
    const inspection = inspect(fs, file, verify === "all");
    if (inspection === null) throw logCorrupt(file, 0, "an earlier segment has no header");
    checkNeighbours(segments.at(-1), lastTs, inspection.header, file);
    const { header, scan, sizeBytes } = inspection;
    if (scan !== null) checkEarlier(scan, header, file);
    segments.push({ file, firstTs: header.firstTs, afterTs: header.afterTs, sizeBytes });
    lastTs = scan === null ? null : scan.lastTs;
  }
  return { segments, lastTs: 0n, cutBytes: 0 };
}

/** Null for a file whose creation was cut short by a crash, before anything in it could be acknowledged. */
function inspect(fs: LogFileSystem, file: string, scanRecords: boolean): Inspection | null {
  const handle = fs.open(file, "read");
  try {
    const sizeBytes = handle.sizeBytes();
    const header = readHeader(handle, file, sizeBytes);
    if (header === null) return null;
    return { header, sizeBytes, scan: scanRecords ? scanSegment(handle, sizeBytes) : null };
  } finally {
    handle.close();
  }
}

function readHeader(handle: LogFile, file: string, sizeBytes: number): SegmentHeader | null {
  const header = decodeSegmentHeader(readBytes(handle, 0, segmentHeaderBytes));
  if (header === null) {
    // The header is durable before the first record is written.
    if (sizeBytes <= segmentHeaderBytes) return null;
    throw logCorrupt(file, 0, "the segment header is damaged");
  }
  if (header.version > formatVersion) throw dataFormatTooNew(file, header.version);
  if (parseSegmentName(path.basename(file)) !== header.firstTs) {
    throw logCorrupt(file, 16, `the file was renamed; its header says ${header.firstTs}`);
  }
  return header;
}

function checkNeighbours(
  previous: Segment | undefined,
  previousLastTs: bigint | null,
  header: SegmentHeader,
  file: string,
): void {
  if (previous === undefined) return;
  if (header.previousFirstTs !== previous.firstTs) {
    throw logCorrupt(file, 40, `the segment before it, ${segmentName(header.previousFirstTs)}, is missing`);
  }
  if (previousLastTs !== null && header.afterTs !== previousLastTs) {
    throw logCorrupt(
      file,
      24,
      `it follows record ${header.afterTs}, but the one before it is ${previousLastTs}`,
    );
  }
  if (header.previousBytes !== previous.sizeBytes) {
    throw logCorrupt(
      previous.file,
      Math.min(header.previousBytes, previous.sizeBytes),
      `it has ${previous.sizeBytes} bytes, but had ${header.previousBytes} when it was full`,
    );
  }
}

function checkEarlier(scan: SegmentScan, header: SegmentHeader, file: string): void {
  if (scan.damaged) throw logCorrupt(file, scan.validBytes, "an earlier segment holds an invalid record");
  checkFirst(scan, header, file);
  if (scan.recordCount === 0) throw logCorrupt(file, segmentHeaderBytes, "an earlier segment is empty");
}

function checkFirst(scan: SegmentScan, header: SegmentHeader, file: string): void {
  if (scan.firstTs !== null && scan.firstTs !== header.firstTs) {
    throw logCorrupt(file, segmentHeaderBytes, `its first record is ${scan.firstTs}`);
  }
}

function recoverLast(
  fs: LogFileSystem,
  folder: string,
  file: string,
  segments: Segment[],
  previousLastTs: bigint | null,
): Recovery {
  const inspection = inspect(fs, file, true);
  const previous = segments.at(-1);
  if (inspection !== null) {
    const { header, sizeBytes } = inspection;
    const scan = inspection.scan as SegmentScan;
    checkNeighbours(previous, previousLastTs, header, file);
    if (scan.disorderOffset !== null) {
      throw logCorrupt(file, scan.disorderOffset, "the record is not newer than the one before it");
    }
    checkFirst(scan, header, file);
    if (scan.damaged) refuseUnlessTorn(fs, file, scan.validBytes, sizeBytes);
    if (scan.lastTs !== null) {
      settle(fs, file, scan, sizeBytes);
      segments.push({
        file,
        firstTs: header.firstTs,
        afterTs: header.afterTs,
        sizeBytes: scan.validBytes,
      });
      return { segments, lastTs: scan.lastTs, cutBytes: sizeBytes - scan.validBytes };
    }
    // Earlier segments are trimmed only when a record of this one is durable.
    if (previous === undefined && header.afterTs !== 0n) {
      throw logCorrupt(file, segmentHeaderBytes, "its records are gone");
    }
  }
  // The crash came between the creation of the file and its first durable record.
  fs.remove(file);
  fs.syncFolder(folder);
  const lastTs = previousLastTs ?? inspection?.header.afterTs ?? endOf(fs, segments);
  return { segments, lastTs, cutBytes: inspection?.sizeBytes ?? 0 };
}

/** ts of the last record of segments whose last one was not scanned yet. */
function endOf(fs: LogFileSystem, segments: readonly Segment[]): bigint {
  const last = segments.at(-1);
  if (last === undefined) return 0n;
  const inspection = inspect(fs, last.file, true);
  if (inspection?.scan == null) throw logCorrupt(last.file, 0, "the segment header is damaged");
  checkEarlier(inspection.scan, inspection.header, last.file);
  return inspection.scan.lastTs ?? 0n;
}

/** Bad bytes are a torn tail unless a valid record behind them proves that they had been durable. */
function refuseUnlessTorn(fs: LogFileSystem, file: string, badOffset: number, sizeBytes: number): void {
  const handle = fs.open(file, "read");
  try {
    const rest = readBytes(handle, badOffset, sizeBytes - badOffset);
    const proof = findFrame(rest, 1, (frame) => frame.groupStart > badOffset);
    if (proof !== null) {
      throw logCorrupt(file, badOffset, `the record is invalid, but durable records follow (${proof.ts})`);
    }
  } finally {
    handle.close();
  }
}

/**
 * Makes the recovered end of the log durable before anyone builds on it. The last group is written once more: after
 * a failed fsync the page cache may show bytes as clean which never reached the disk.
 */
function settle(fs: LogFileSystem, file: string, scan: SegmentScan, sizeBytes: number): void {
  const handle = fs.open(file, "readWrite");
  try {
    if (scan.validBytes < sizeBytes) handle.truncate(scan.validBytes);
    if (scan.lastGroupStart < scan.validBytes) {
      handle.write(
        readBytes(handle, scan.lastGroupStart, scan.validBytes - scan.lastGroupStart),
        scan.lastGroupStart,
      );
    }
    handle.sync();
  } finally {
    handle.close();
  }
}
