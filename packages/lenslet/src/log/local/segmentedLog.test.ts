import { expect, it } from "vitest";
import { record } from "../logContract.ts";
import { decodeFrame } from "./format.ts";
import { readChunkBytesMax, SegmentedLog } from "./segmentedLog.ts";
import { SimulatedFileSystem } from "./simulatedFileSystem.ts";

const recordCount = 400;
const payload = "x".repeat(50_000);
const segmentBytesMax = 8 * 1024 * 1024;

/** Timestamps after `after` of everything that follows, and how many bytes were read before the first of them. */
function readAll(log: SegmentedLog, after: bigint): { read: bigint[]; skippedBytes: number } {
  const read: bigint[] = [];
  let skippedBytes = 0;
  for (let cursor = log.seek(after); cursor !== null;) {
    const { bytes, next } = log.readChunk(cursor, after);
    if (bytes.length === 0) skippedBytes += readChunkBytesMax;
    for (let at = 0; at < bytes.length;) {
      const frame = decodeFrame(Buffer.from(bytes.buffer), at);
      if (frame.kind === "record") read.push(frame.ts);
      else if (frame.kind !== "seal") throw new Error("a chunk holds whole frames");
      at = frame.end;
    }
    cursor = next;
  }
  return { read, skippedBytes };
}

it("begins to read near the place it is asked for, once it has been there", () => {
  const fs = new SimulatedFileSystem();
  const written = SegmentedLog.open({ fs, folder: "log", segmentBytesMax });
  for (let ts = 1; ts <= recordCount; ts += 4) {
    written.appendGroup([0, 1, 2, 3].map((i) => record(ts + i, payload)));
  }
  const expectFrom = (log: SegmentedLog, after: number) => {
    const { read, skippedBytes } = readAll(log, BigInt(after));
    expect(read).toEqual(Array.from({ length: recordCount - after }, (_, i) => BigInt(after + i + 1)));
    expect(skippedBytes).toBeLessThanOrEqual(2 * readChunkBytesMax);
  };
  for (const after of [0, 1, 37, 160, 161, 299, 390, 399, 400]) expectFrom(written, after);
  written.trim(200n);
  expectFrom(written, 250);
  written.close();

  const reopened = SegmentedLog.open({ fs, folder: "log", segmentBytesMax });
  readAll(reopened, reopened.trimmedTs());
  for (const after of [201, 237, 299, 390, 400]) expectFrom(reopened, after);
  reopened.close();
});
