import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LensletError } from "../../base/errors.ts";
import type { LogRecord } from "../log.ts";
import { record } from "../logContract.ts";
import { seededRandom } from "../testSupport.ts";
import { decodeFrame, encodeSegmentHeader, formatVersion, frameHeaderBytes } from "./format.ts";
import type { Verification } from "./recovery.ts";
import { SegmentedLog } from "./segmentedLog.ts";
import { SimulatedFileSystem } from "./simulatedFileSystem.ts";

const folder = "/log";
const firstFile = `${folder}/log-00000000000000000001.seg`;

function open(fs: SimulatedFileSystem, segmentBytesMax?: number, verify?: Verification): SegmentedLog {
  return SegmentedLog.open({
    fs,
    folder,
    ...(segmentBytesMax !== undefined && { segmentBytesMax }),
    ...(verify !== undefined && { verify }),
  });
}

function readAll(log: SegmentedLog, after = 0n, chunkBytes?: number): LogRecord[] {
  const records: LogRecord[] = [];
  for (let cursor = log.seek(after); cursor !== null;) {
    const chunk = log.readChunk(cursor, after, chunkBytes);
    const bytes = Buffer.from(chunk.bytes);
    for (let at = 0; at < bytes.length;) {
      const frame = decodeFrame(bytes, at);
      if (frame.kind !== "record" && frame.kind !== "seal") throw new Error(`chunk holds ${frame.kind}`);
      if (frame.kind === "record") {
        records.push({ ts: frame.ts, payload: bytes.toString("utf8", frame.payloadStart, frame.end) });
      }
      at = frame.end;
    }
    cursor = chunk.next;
  }
  return records;
}

function errorOf(action: () => unknown): LensletError | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof LensletError) return error;
    throw error;
  }
}

/** A log as a killed process leaves it: these groups, no seal. */
function unsealed(
  groups: readonly (readonly LogRecord[])[],
  segmentBytesMax?: number,
): { fs: SimulatedFileSystem; groupEnds: number[] } {
  const fs = new SimulatedFileSystem();
  const log = open(fs, segmentBytesMax);
  const groupEnds: number[] = [];
  for (const group of groups) {
    log.appendGroup(group);
    groupEnds.push(fs.contentOf(lastFile(fs)).length);
  }
  return { fs: powerCycled(fs), groupEnds };
}

/** The same disk under a new process: the old one's lock is gone. */
function powerCycled(fs: SimulatedFileSystem): SimulatedFileSystem {
  return fs.crash(seededRandom(1));
}

function lastFile(fs: SimulatedFileSystem): string {
  return `${folder}/${fs.list(folder).sort().at(-1)}`;
}

function withContent(fs: SimulatedFileSystem, file: string, content: Buffer): SimulatedFileSystem {
  const copy = powerCycled(fs);
  copy.replaceContent(file, content);
  return copy;
}

function flipped(content: Buffer, byte: number, bit: number): Buffer {
  const copy = Buffer.from(content);
  copy[byte] = (copy[byte] ?? 0) ^ (1 << bit);
  return copy;
}

describe("a torn tail", () => {
  const groups = [[record(1), record(2)], [record(3, "the last record ä😀")]];
  const { fs, groupEnds } = unsealed(groups);
  const content = fs.contentOf(firstFile);
  const lastStart = groupEnds[0] as number;

  it("is cut at every byte of the last record, and the log goes on", () => {
    for (let size = lastStart; size < content.length; size++) {
      const torn = withContent(fs, firstFile, content.subarray(0, size));
      const log = open(torn);
      expect(log.cutBytes).toBe(size - lastStart);
      expect(log.lastTs()).toBe(2n);
      log.appendGroup([record(5)]);
      log.close();
      expect(readAll(open(powerCycled(torn)))).toEqual([record(1), record(2), record(5)]);
    }
  });

  it("may be zeros or garbage as well", () => {
    for (const filler of [0, 0xff, 0x41]) {
      for (const length of [1, 23, 24, 5000]) {
        const tail = Buffer.alloc(length, filler);
        const log = open(withContent(fs, firstFile, Buffer.concat([content, tail])));
        expect(log.cutBytes).toBe(length);
        expect(readAll(log)).toEqual(groups.flat());
      }
    }
  });

  it("is cut where a bit of the last group is wrong, wherever that is", () => {
    for (let byte = lastStart; byte < content.length; byte++) {
      const log = open(withContent(fs, firstFile, flipped(content, byte, byte % 8)));
      expect(readAll(log)).toEqual([record(1), record(2)]);
    }
  });

  it("includes valid records of the same group behind a hole, which were never acknowledged either", () => {
    const group = [record(3), record(4), record(5)];
    const { fs, groupEnds } = unsealed([[record(1), record(2)], group]);
    const holed = Buffer.from(fs.contentOf(firstFile));
    const frameBytes = frameHeaderBytes + '{"n":3}'.length;
    const holeStart = (groupEnds[0] as number) + frameBytes;
    holed.fill(0, holeStart, holeStart + frameBytes);
    expect(readAll(open(withContent(fs, firstFile, holed)))).toEqual([record(1), record(2), record(3)]);
  });

  it("of a file without a whole header removes the file", () => {
    const { fs } = unsealed([[record(1)]]);
    const header = fs.contentOf(firstFile).subarray(0, 64);
    for (let size = 0; size <= 64; size++) {
      const log = open(withContent(fs, firstFile, header.subarray(0, size)));
      expect(log.lastTs()).toBe(0n);
      log.appendGroup([record(1)]);
      expect(readAll(log)).toEqual([record(1)]);
    }
  });

  it.each(["all", "tail"] as const)("of a new segment makes the one before the last again (%s)", (verify) => {
    const { fs } = unsealed([[record(1)], [record(2)], [record(3)]], 100);
    const file = lastFile(fs);
    expect(fs.list(folder)).toHaveLength(2);
    const content = fs.contentOf(file);
    for (let size = 0; size < content.length; size++) {
      const torn = withContent(fs, file, content.subarray(0, size));
      const log = open(torn, 100, verify);
      expect(log.lastTs()).toBe(2n);
      log.appendGroup([record(7)]);
      log.close();
      expect(readAll(open(powerCycled(torn), 100, verify))).toEqual([record(1), record(2), record(7)]);
    }
  });
});

describe("damage", () => {
  it("before durable records is refused for every bit, and nothing is changed", () => {
    const { fs, groupEnds } = unsealed([[record(1), record(2)], [record(3)]]);
    const content = fs.contentOf(firstFile);
    for (let byte = 0; byte < (groupEnds[0] as number); byte++) {
      for (const bit of [0, 7]) {
        const damaged = flipped(content, byte, bit);
        const fsDamaged = withContent(fs, firstFile, damaged);
        const error = errorOf(() => open(fsDamaged));
        expect(error?.code, `byte ${byte}`).toBe("LogCorrupt");
        expect(error?.message).toContain(firstFile);
        expect(error?.message).toMatch(/at byte \d+: .*backup/s);
        expect(fsDamaged.contentOf(firstFile).equals(damaged)).toBe(true);
      }
    }
  });

  it("of the last record is refused too after a clean close", () => {
    const fs = new SimulatedFileSystem();
    const log = open(fs);
    log.appendGroup([record(1)]);
    log.close();
    const sealed = powerCycled(fs);
    const content = sealed.contentOf(firstFile);
    for (let byte = 0; byte < content.length - frameHeaderBytes; byte++) {
      const error = errorOf(() => open(withContent(sealed, firstFile, flipped(content, byte, 3))));
      expect(error?.code, `byte ${byte}`).toBe("LogCorrupt");
    }
    for (let byte = content.length - frameHeaderBytes; byte < content.length; byte++) {
      expect(readAll(open(withContent(sealed, firstFile, flipped(content, byte, 3))))).toEqual([record(1)]);
    }
  });

  describe("of an earlier segment", () => {
    const groups = [1, 2, 3, 4, 5].map((ts) => [record(ts, "x".repeat(60))]);
    const { fs } = unsealed(groups, 100);
    const second = `${folder}/log-00000000000000000002.seg`;

    it("is refused for every byte", () => {
      expect(fs.list(folder)).toHaveLength(5);
      const content = fs.contentOf(second);
      for (let byte = 0; byte < content.length; byte++) {
        const error = errorOf(() => open(withContent(fs, second, flipped(content, byte, byte % 8)), 100));
        expect(error?.code, `byte ${byte}`).toBe("LogCorrupt");
      }
    });

    it.each(["all", "tail"] as const)("is refused for every length (%s)", (verify) => {
      const content = fs.contentOf(second);
      for (let size = 0; size < content.length; size++) {
        const cut = withContent(fs, second, content.subarray(0, size));
        expect(errorOf(() => open(cut, 100, verify))?.code, `size ${size}`).toBe("LogCorrupt");
      }
      const longer = withContent(fs, second, Buffer.concat([content, Buffer.alloc(1)]));
      expect(errorOf(() => open(longer, 100, verify))?.code).toBe("LogCorrupt");
    });

    it.each(["all", "tail"] as const)("is refused when it is missing or renamed (%s)", (verify) => {
      const missing = powerCycled(fs);
      missing.remove(second);
      expect(errorOf(() => open(missing, 100, verify))?.code).toBe("LogCorrupt");

      const renamed = powerCycled(fs);
      const third = `${folder}/log-00000000000000000003.seg`;
      renamed.replaceContent(third, renamed.contentOf(second));
      expect(errorOf(() => open(renamed, 100, verify))?.code).toBe("LogCorrupt");
    });

    it("is found by a reader when only the tail was verified", () => {
      const content = fs.contentOf(second);
      const damaged = withContent(fs, second, flipped(content, content.length - 1, 0));
      const log = open(damaged, 100, "tail");
      expect(readAll(log, 2n)).toEqual(groups.slice(2).flat());
      expect(errorOf(() => readAll(log, 1n))?.code).toBe("LogCorrupt");
    });
  });

  it("is an only segment without records that has had predecessors", () => {
    const { fs } = unsealed([[record(1)], [record(2)], [record(3)]], 100);
    const log = open(fs, 100);
    log.trim(2n);
    expect(fs.list(folder)).toHaveLength(1);
    const rest = powerCycled(fs);
    const file = lastFile(rest);
    const cut = withContent(rest, file, rest.contentOf(file).subarray(0, 70));
    expect(errorOf(() => open(cut, 100))?.code).toBe("LogCorrupt");
  });

  it("is a record that is not newer than the one before", () => {
    const { fs, groupEnds } = unsealed([[record(1)], [record(2)]]);
    const content = fs.contentOf(firstFile);
    const twice = Buffer.concat([content, content.subarray(groupEnds[0])]);
    expect(errorOf(() => open(withContent(fs, firstFile, twice)))?.code).toBe("LogCorrupt");
  });
});

describe("a newer format", () => {
  it("is refused with what to do, and nothing is changed", () => {
    const { fs } = unsealed([[record(1)]]);
    const newer = Buffer.from(fs.contentOf(firstFile));
    const header = {
      version: formatVersion + 1,
      firstTs: 1n,
      afterTs: 0n,
      previousBytes: 0,
      previousFirstTs: 0n,
    };
    encodeSegmentHeader(header).copy(newer);
    const fsNewer = withContent(fs, firstFile, newer);
    const error = errorOf(() => open(fsNewer));
    expect(error?.code).toBe("DataFormatTooNew");
    expect(error?.message).toContain(firstFile);
    expect(error?.message).toContain("Start the newer version of Lenslet");
    expect(fsNewer.contentOf(firstFile).equals(newer)).toBe(true);
  });
});

describe("reading", () => {
  it("gives the same records for every chunk size, frames larger than a chunk included", () => {
    const records = Array.from({ length: 30 }, (_, i) => record(i + 1, "y".repeat((i * 37) % 200)));
    const { fs } = unsealed(
      records.map((each) => [each]),
      700,
    );
    const log = open(fs, 700);
    for (const chunkBytes of [1, 24, 100, 333, 100_000]) {
      for (const after of [0n, 1n, 17n, 29n]) {
        expect(readAll(log, after, chunkBytes)).toEqual(records.filter(({ ts }) => ts > after));
      }
    }
  });

  it("ignores files that are not segments", () => {
    const { fs } = unsealed([[record(1)]]);
    fs.open(`${folder}/log-1.seg`, "create");
    fs.open(`${folder}/log.lock`, "create");
    expect(readAll(open(fs))).toEqual([record(1)]);
  });
});

interface Life {
  readonly groups: readonly (readonly number[])[];
  readonly operationsUntilPowerLoss: number;
  readonly closes: boolean;
  /** After each group, of what has been acknowledged; 0: not at all. */
  readonly trimmedPercent: number;
  readonly trimmedSegmentsMax: number;
  readonly seed: number;
}

/**
 * Lives of one log, each ended by a power loss at any operation of the disk, opening included. Throws if an
 * acknowledged record is lost, a record is changed, or the log does not open.
 */
function runLives(lives: readonly Life[], syncLies: boolean): void {
  let fs = new SimulatedFileSystem();
  fs.syncLies = syncLies;
  /** Everything that may be in the log, by ts, and how much of it must. */
  let written: LogRecord[] = [];
  let acknowledgedTs = 0n;
  let trimmedTs = 0n;
  let nextTs = 1;
  const check = (log: SegmentedLog): void => {
    const found = readAll(log, log.trimmedTs());
    expect(log.trimmedTs()).toBeLessThanOrEqual(trimmedTs);
    expect(log.lastTs()).toBeGreaterThanOrEqual(acknowledgedTs);
    expect(found).toEqual(written.filter(({ ts }) => ts > log.trimmedTs() && ts <= log.lastTs()));
    // What was cut off is gone for good; what was found is durable from now on.
    written = written.filter(({ ts }) => ts <= log.lastTs());
    acknowledgedTs = log.lastTs();
  };
  for (const life of lives) {
    fs.operationsUntilPowerLoss = life.operationsUntilPowerLoss;
    try {
      const log = open(fs, 1500);
      check(log);
      for (const sizes of life.groups) {
        const group = sizes.map((size) => record(nextTs++, `${nextTs}${"z".repeat(size)}`));
        written.push(...group);
        log.appendGroup(group);
        acknowledgedTs = log.lastTs();
        const upToTs = (acknowledgedTs * BigInt(life.trimmedPercent)) / 100n;
        if (upToTs > trimmedTs) trimmedTs = upToTs;
        log.trim(upToTs, life.trimmedSegmentsMax);
        expect(log.trimmedTs()).toBeLessThanOrEqual(trimmedTs);
      }
      if (life.closes) log.close();
    } catch (error) {
      if (!(error instanceof Error && error.name === "SimulatedPowerLoss")) throw error;
    }
    fs = fs.crash(seededRandom(life.seed));
  }
  check(open(fs, 1500));
}

const anyLife: fc.Arbitrary<Life> = fc.record({
  groups: fc.array(fc.array(fc.nat(900), { minLength: 1, maxLength: 4 }), { maxLength: 5 }),
  operationsUntilPowerLoss: fc.oneof(fc.nat(60), fc.constant(Number.POSITIVE_INFINITY)),
  closes: fc.boolean(),
  trimmedPercent: fc.constantFrom(0, 50, 90, 100),
  trimmedSegmentsMax: fc.constantFrom(1, Number.POSITIVE_INFINITY),
  seed: fc.nat(),
});

describe("power loss at any operation", () => {
  it("loses no acknowledged record, changes none, and the log opens", () => {
    fc.assert(
      fc.property(fc.array(anyLife, { minLength: 1, maxLength: 6 }), (lives) => runLives(lives, false)),
      { numRuns: 600 },
    );
  });

  it("is noticed by this test when syncs do nothing", () => {
    const result = fc.check(
      fc.property(fc.array(anyLife, { minLength: 1, maxLength: 6 }), (lives) => runLives(lives, true)),
      { numRuns: 200, seed: 1 },
    );
    expect(result.failed).toBe(true);
  });
});
