import fc from "fast-check";
import { expect, it } from "vitest";
import type { LogRecord } from "../log.ts";
import { record } from "../logContract.ts";
import { seededRandom } from "../testSupport.ts";
import { cutLog, segmentNames, segmentsFrom, settleLog } from "./cutLog.ts";
import { decodeFrame, segmentName } from "./format.ts";
import { SegmentedLog } from "./segmentedLog.ts";
import { SimulatedFileSystem } from "./simulatedFileSystem.ts";

const folder = "/log";

function readAll(fs: SimulatedFileSystem): LogRecord[] {
  const log = SegmentedLog.open({ fs, folder, segmentBytesMax: 1000 });
  const records: LogRecord[] = [];
  const after = log.trimmedTs();
  for (let cursor = log.seek(after); cursor !== null;) {
    const { bytes, next } = log.readChunk(cursor, after);
    for (let at = 0; at < bytes.length;) {
      const frame = decodeFrame(Buffer.from(bytes), at);
      if (frame.kind === "incomplete" || frame.kind === "invalid") throw new Error("whole frames");
      if (frame.kind === "record") {
        const payload = Buffer.from(bytes).toString("utf8", frame.payloadStart, frame.end);
        records.push({ ts: frame.ts, payload });
      }
      at = frame.end;
    }
    cursor = next;
  }
  log.close();
  return records;
}

const groups = fc.array(fc.array(fc.nat(700), { minLength: 1, maxLength: 5, size: "max" }), {
  minLength: 1,
  maxLength: 12,
  size: "max",
});

it("leaves exactly what there was up to a time, and goes on from there", () => {
  fc.assert(
    fc.property(groups, fc.nat(), fc.boolean(), fc.nat(100), (sizes, at, closes, trimPercent) => {
      let fs = new SimulatedFileSystem();
      const log = SegmentedLog.open({ fs, folder, segmentBytesMax: 1000 });
      const written: LogRecord[] = [];
      for (const group of sizes) {
        const records = group.map((size, i) => record((written.length + i + 1) * 10, "z".repeat(size)));
        log.appendGroup(records);
        written.push(...records);
      }
      const lastTs = log.lastTs();
      log.trim((lastTs * BigInt(trimPercent)) / 100n);
      const trimmedTs = log.trimmedTs();
      const firstTs = log.firstTs();
      if (closes) log.close();
      else fs = fs.crash(seededRandom(1));

      const upToTs = BigInt(at) % (lastTs + 20n);
      const left = written.filter(({ ts }) => ts > trimmedTs && ts <= upToTs);
      if (left.length === 0 && trimmedTs > 0n) {
        expect(() => cutLog(fs, folder, upToTs)).toThrow(/have been trimmed/);
        return;
      }
      expect(cutLog(fs, folder, upToTs)).toEqual({
        trimmedTs,
        firstTs: left.length === 0 ? 0n : firstTs,
        lastTs: left.at(-1)?.ts ?? 0n,
      });
      expect(readAll(fs)).toEqual(left);
      const next = record(lastTs + 100n, "next");
      const continued = SegmentedLog.open({ fs, folder, segmentBytesMax: 1000 });
      continued.appendGroup([next]);
      continued.close();
      expect(readAll(fs)).toEqual([...left, next]);
    }),
    { numRuns: 300 },
  );
});

it("knows which segments hold what is after a time", () => {
  const names = [10n, 20n, 30n].map(segmentName);
  expect(segmentsFrom(names, 0n)).toEqual(names);
  expect(segmentsFrom(names, 10n)).toEqual(names);
  expect(segmentsFrom(names, 19n)).toEqual(names);
  expect(segmentsFrom(names, 20n)).toEqual(names.slice(1));
  expect(segmentsFrom(names, 99n)).toEqual(names.slice(2));
  expect(segmentsFrom([], 5n)).toEqual([]);
});

it("settles a copy that was made in the middle of a write", () => {
  const fs = new SimulatedFileSystem();
  const log = SegmentedLog.open({ fs, folder });
  log.appendGroup([record(1), record(2)]);
  log.close();
  const [name = ""] = segmentNames(fs, folder);
  const file = `${folder}/${name}`;
  const whole = fs.contentOf(file);
  fs.replaceContent(file, whole.subarray(0, whole.length - 30));
  expect(settleLog(fs, folder)).toEqual({ trimmedTs: 0n, firstTs: 1n, lastTs: 1n });
});
