import path from "node:path";
import { assert } from "../../base/assert.ts";
import type { LogFile, LogFileSystem } from "./fileSystem.ts";
import { frameHeaderBytes, parseSegmentName, segmentHeaderBytes } from "./format.ts";
import { logTrimmed } from "./logErrors.ts";
import { SegmentedLog } from "./segmentedLog.ts";
import { readFrames } from "./segmentReader.ts";

/** Names of the segments in a folder, oldest first. */
export function segmentNames(fs: Pick<LogFileSystem, "list">, folder: string): string[] {
  return fs
    .list(folder)
    .filter((name) => parseSegmentName(name) !== null)
    .sort();
}

/** Those that hold everything after `ts`: from the one on in which its record is. */
export function segmentsFrom(names: readonly string[], ts: bigint): readonly string[] {
  const at = names.findLastIndex((name) => (parseSegmentName(name) as bigint) <= ts);
  return at < 0 ? names : names.slice(at);
}

/** What a log that nobody has open holds. */
export interface LogExtent {
  /** ts of the record before the first; 0n if there was none. */
  readonly trimmedTs: bigint;
  /** 0n for an empty log. */
  readonly firstTs: bigint;
  readonly lastTs: bigint;
}

/** Opens and checks all of it, cuts off what a crash or a copy in the middle of a write has left, and closes it. */
export function settleLog(fs: LogFileSystem, folder: string): LogExtent {
  const log = SegmentedLog.open({ fs, folder, verify: "all" });
  const extent = { trimmedTs: log.trimmedTs(), firstTs: log.firstTs(), lastTs: log.lastTs() };
  log.close();
  return extent;
}

/**
 * Removes every record after `upToTs` from a log that nobody has open: what the log was at that time. Of one that has been
 * trimmed a record has to be left, since what was before the first is said in its first segment alone.
 */
export function cutLog(fs: LogFileSystem, folder: string, upToTs: bigint): LogExtent {
  const extent = settleLog(fs, folder);
  if (extent.lastTs <= upToTs) return extent;
  if (extent.firstTs > upToTs && extent.trimmedTs > 0n) throw logTrimmed(upToTs, extent.trimmedTs);
  const names = segmentNames(fs, folder);
  // From the end on: a crash leaves a log that is shorter, and whole.
  for (const name of names.toReversed()) {
    const file = path.join(folder, name);
    if ((parseSegmentName(name) as bigint) <= upToTs) {
      const handle = fs.open(file, "readWrite");
      try {
        handle.truncate(endOf(handle, upToTs));
        handle.sync();
      } finally {
        handle.close();
      }
      break;
    }
    fs.remove(file);
    fs.syncFolder(folder);
  }
  return settleLog(fs, folder);
}

/** Offset after the last record of the segment with ts <= upToTs. */
function endOf(handle: LogFile, upToTs: bigint): number {
  const sizeBytes = handle.sizeBytes();
  for (let offset = segmentHeaderBytes; offset < sizeBytes;) {
    const { frames, endOffset, damaged } = readFrames(handle, offset, sizeBytes);
    assert(!damaged, "a settled log is whole");
    const beyond = frames.find(({ ts }) => ts > upToTs);
    if (beyond !== undefined) return offset + beyond.payloadStart - frameHeaderBytes;
    offset = endOffset;
  }
  return sizeBytes;
}
