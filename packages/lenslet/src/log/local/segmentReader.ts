import type { LogFile } from "./fileSystem.ts";
import { decodeFrame, frameHeaderBytes, segmentHeaderBytes, type Frame } from "./format.ts";

/** How much of a file is read at once; a larger frame is read whole. */
const scanChunkBytes = 1024 * 1024;

/** Reads `length` bytes at `offset`, or fewer at the end of the file. The buffer owns its memory. */
export function readBytes(file: LogFile, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  return bytes.subarray(0, file.read(bytes, offset));
}

/** Whole frames from one place of a segment. */
export interface FrameChunk {
  readonly bytes: Buffer;
  readonly frames: readonly Frame[];
  /** Offset in the file after the last frame of the chunk. */
  readonly endOffset: number;
  /** True when what follows `endOffset` is not a valid frame. */
  readonly damaged: boolean;
}

/** Reads at least one frame at `offset`, unless the first is damaged; checks every CRC. */
export function readFrames(
  file: LogFile,
  offset: number,
  fileBytes: number,
  chunkBytes = scanChunkBytes,
): FrameChunk {
  let bytes = readBytes(file, offset, Math.min(chunkBytes, fileBytes - offset));
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length;) {
    const frame = decodeFrame(bytes, at);
    if (frame.kind === "invalid") return { bytes, frames, endOffset: offset + at, damaged: true };
    if (frame.kind === "incomplete") {
      if (offset + at + frame.needsBytes > fileBytes) {
        return { bytes, frames, endOffset: offset + at, damaged: true };
      }
      if (at > 0) return { bytes, frames, endOffset: offset + at, damaged: false };
      const wanted = Math.max(frame.needsBytes, frameHeaderBytes);
      // A file that is shorter than it said a moment ago: somebody else changes it.
      if (wanted <= bytes.length) return { bytes, frames, endOffset: offset, damaged: true };
      bytes = readBytes(file, offset, wanted);
      continue;
    }
    // A group cannot begin after its own frame.
    if (frame.groupStart > offset + at) return { bytes, frames, endOffset: offset + at, damaged: true };
    frames.push(frame);
    at = frame.end;
  }
  return { bytes, frames, endOffset: offset + bytes.length, damaged: false };
}

export interface SegmentScan {
  readonly recordCount: number;
  /** Null without records. */
  readonly firstTs: bigint | null;
  readonly lastTs: bigint | null;
  /** Offset after the last valid frame. */
  readonly validBytes: number;
  /** True when the bytes after `validBytes` are not a valid frame. */
  readonly damaged: boolean;
  /** Offset of a valid frame whose ts is not above the one before it; such a file was not written by us. */
  readonly disorderOffset: number | null;
  /** Where the last group began; a seal is a group of its own. */
  readonly lastGroupStart: number;
}

export function scanSegment(file: LogFile, fileBytes: number): SegmentScan {
  let recordCount = 0;
  let firstTs: bigint | null = null;
  let lastTs: bigint | null = null;
  let lastGroupStart = segmentHeaderBytes;
  let offset = segmentHeaderBytes;
  let damaged = false;
  while (offset < fileBytes && !damaged) {
    const chunk = readFrames(file, offset, fileBytes);
    for (const frame of chunk.frames) {
      if (frame.kind === "seal") {
        lastGroupStart = frame.groupStart;
        continue;
      }
      if (lastTs !== null && frame.ts <= lastTs) {
        const disorderOffset = offset + frame.payloadStart - frameHeaderBytes;
        return {
          recordCount,
          firstTs,
          lastTs,
          validBytes: disorderOffset,
          damaged: true,
          disorderOffset,
          lastGroupStart,
        };
      }
      firstTs ??= frame.ts;
      lastTs = frame.ts;
      lastGroupStart = frame.groupStart;
      recordCount += 1;
    }
    offset = chunk.endOffset;
    damaged = chunk.damaged;
  }
  return { recordCount, firstTs, lastTs, validBytes: offset, damaged, disorderOffset: null, lastGroupStart };
}
