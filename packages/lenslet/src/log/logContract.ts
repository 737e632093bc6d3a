import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import type { CommitTs, Log, LogRecord } from "./log.ts";

/** One log with one client. The suite closes every harness it creates. */
export interface LogHarness {
  readonly log: Log;
  /** Whether `trim` takes anything from a log of a few KiB; one with large segments keeps it. */
  readonly trimsSmallLogs: boolean;
  /** Closes the log in good order and opens it again. */
  reopen(): Promise<LogHarness>;
  dispose(): Promise<void>;
}

export async function readAll(log: Log, after: CommitTs = 0n): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const batch of log.readAfter(after)) records.push(...batch);
  return records;
}

export function untilDurable(log: Log, ts: CommitTs): Promise<void> {
  return new Promise((resolve, reject) => {
    log.onFailure(reject);
    const stop = log.onDurable((durableTs) => {
      if (durableTs < ts) return;
      stop();
      resolve();
    });
    if (log.durableTs() >= ts) resolve();
  });
}

export function record(ts: number | bigint, payload = `{"n":${ts}}`): LogRecord {
  return { ts: BigInt(ts), payload };
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return error instanceof LensletError ? error.code : String(error);
  }
}

const waitTimeoutMs = 30_000;

/** The rules every Log keeps. `createHarness` returns an empty log. */
export function logContract(name: string, createHarness: () => Promise<LogHarness>): void {
  describe(`${name} keeps the Log contract`, () => {
    const harnesses: LogHarness[] = [];
    const track = (harness: LogHarness): LogHarness => {
      harnesses.push(harness);
      return harness;
    };
    const create = async (): Promise<LogHarness> => track(await createHarness());
    const createLog = async (): Promise<Log> => (await create()).log;
    afterEach(async () => {
      for (const harness of harnesses.splice(0).reverse()) await harness.dispose();
    });

    it("is empty at first", async () => {
      const log = await createLog();
      expect([log.durableTs(), log.lastTs(), log.trimmedTs(), log.backlogSize()]).toEqual([0n, 0n, 0n, 0]);
      expect(log.firstTs()).toBe(0n);
      expect(await readAll(log)).toEqual([]);
    });

    it("announces durability, asynchronously and up to the last record", async () => {
      const log = await createLog();
      const announced: bigint[] = [];
      log.onDurable((ts) => announced.push(ts));
      log.append([record(5), record(7)]);
      expect(announced).toEqual([]);
      expect(log.lastTs()).toBe(7n);
      await untilDurable(log, 7n);
      expect(announced.at(-1)).toBe(7n);
      expect(log.durableTs()).toBe(7n);
      expect(log.backlogSize()).toBe(0);
    });

    it("announces strictly growing timestamps, each at most once", async () => {
      const log = await createLog();
      const announced: bigint[] = [];
      log.onDurable((ts) => announced.push(ts));
      for (let ts = 1; ts <= 50; ts++) {
        log.append([record(ts)]);
        if (ts % 7 === 0) await untilDurable(log, BigInt(ts));
      }
      await untilDurable(log, 50n);
      expect(announced).toEqual([...new Set(announced)].sort((a, b) => (a < b ? -1 : 1)));
    });

    it("stops calling a listener that unsubscribed", async () => {
      const log = await createLog();
      let calls = 0;
      const stop = log.onDurable(() => {
        calls += 1;
      });
      stop();
      log.append([record(1)]);
      await untilDurable(log, 1n);
      expect(calls).toBe(0);
    });

    it("refuses a timestamp that does not grow, and then appends nothing of the batch", async () => {
      const log = await createLog();
      expect(() => log.append([record(0)])).toThrow("commitTs must increase");
      log.append([record(5)]);
      expect(() => log.append([record(5)])).toThrow("commitTs must increase");
      expect(() => log.append([record(4)])).toThrow("commitTs must increase");
      expect(() => log.append([record(6), record(6)])).toThrow("commitTs must increase");
      expect(log.lastTs()).toBe(5n);
      expect(await readAll(log)).toEqual([record(5)]);
    });

    it("refuses a payload that UTF-8 cannot carry", async () => {
      const log = await createLog();
      expect(() => log.append([record(1), record(2, "\ud800")])).toThrow("well-formed");
      expect(await readAll(log)).toEqual([]);
    });

    it("reads what was appended just before, and it is durable then", async () => {
      const log = await createLog();
      log.append([record(1), record(2)]);
      log.append([record(3)]);
      expect(await readAll(log)).toEqual([record(1), record(2), record(3)]);
      expect(log.durableTs()).toBe(3n);
    });

    it("keeps every payload as it was", async () => {
      const harness = await create();
      const payloads = ["", "\0", "ä€😀", '"\ud83d\ude00"', "x".repeat(3_000_000), "é".repeat(700_000)];
      const records = payloads.map((payload, i) => record(i + 1, payload));
      harness.log.append(records);
      expect(await readAll(harness.log)).toEqual(records);
      const reopened = track(await harness.reopen());
      expect(await readAll(reopened.log)).toEqual(records);
    });

    it("blocks in waitDurableSync until the record is durable", async () => {
      const log = await createLog();
      log.append([record(1)]);
      log.waitDurableSync(1n, waitTimeoutMs);
      expect(log.durableTs()).toBe(1n);
      log.waitDurableSync(0n, 0);
    });

    it("gives up in waitDurableSync after the time-out", async () => {
      const log = await createLog();
      log.append([record(1)]);
      expect(() => log.waitDurableSync(2n, 20)).toThrow(/not durable up to 2 within 20 ms/);
    });

    it("takes greatest and smallest timestamps", async () => {
      const harness = await create();
      const records = [record(1), record(2n ** 63n - 1n)];
      harness.log.append(records);
      const { log } = track(await harness.reopen());
      expect(await readAll(log)).toEqual(records);
      expect(await readAll(log, 1n)).toEqual(records.slice(1));
    });

    it("goes on after a reopen, only with greater timestamps", async () => {
      const harness = await create();
      harness.log.append([record(1), record(2)]);
      const { log } = track(await harness.reopen());
      expect([log.durableTs(), log.lastTs()]).toEqual([2n, 2n]);
      expect(() => log.append([record(2)])).toThrow("commitTs must increase");
      log.append([record(3)]);
      expect(await readAll(log, 1n)).toEqual([record(2), record(3)]);
    });

    it("writes what was appended before close, and nothing after", async () => {
      const harness = await create();
      harness.log.append([record(1)]);
      await harness.log.close();
      await harness.log.close();
      expect(() => harness.log.append([record(2)])).toThrow("closed");
      expect(await codeOf(readAll(harness.log))).toBe("LogClosed");
      const { log } = track(await harness.reopen());
      expect(await readAll(log)).toEqual([record(1)]);
    });

    it("trims old records but never newer ones nor the last", async () => {
      const harness = await create();
      const records = Array.from({ length: 40 }, (_, i) => record(10 * (i + 1), "x".repeat(100)));
      for (const each of records) {
        harness.log.append([each]);
        await untilDurable(harness.log, each.ts);
      }
      await harness.log.trim(205n);
      const trimmedTs = harness.log.trimmedTs();
      expect(trimmedTs > 0n).toBe(harness.trimsSmallLogs);
      expect(trimmedTs).toBeLessThanOrEqual(205n);
      const kept = records.filter(({ ts }) => ts > trimmedTs);
      expect(await readAll(harness.log, trimmedTs)).toEqual(kept);
      expect(harness.log.firstTs()).toBe(kept[0]?.ts);
      if (trimmedTs > 0n) expect(await codeOf(readAll(harness.log, trimmedTs - 1n))).toBe("LogTrimmed");

      const { log } = track(await harness.reopen());
      expect([log.firstTs(), log.trimmedTs()]).toEqual([kept[0]?.ts, trimmedTs]);
      expect(await readAll(log, trimmedTs)).toEqual(kept);
      await log.trim(10_000n);
      expect(log.lastTs()).toBe(400n);
      expect((await readAll(log, log.trimmedTs())).at(-1)).toEqual(records.at(-1));
      log.append([record(401)]);
      expect(await readAll(log, 400n)).toEqual([record(401)]);
    });

    it("has no gap for who reads it while it is trimmed", async () => {
      const { log } = await create();
      const records = Array.from({ length: 150 }, (_, i) => record(i + 1, "x".repeat(10_000)));
      for (const each of records) {
        log.append([each]);
        await untilDurable(log, each.ts);
      }
      const read: LogRecord[] = [];
      let refusal = "none";
      try {
        for await (const batch of log.readAfter(0n)) {
          read.push(...batch);
          await log.trim(140n);
        }
      } catch (error) {
        refusal = error instanceof LensletError ? error.code : String(error);
      }
      expect(read).toEqual(records.slice(0, read.length));
      if (refusal === "none") expect(read).toEqual(records);
      else expect(refusal).toBe("LogTrimmed");
    });

    it("refuses what it has trimmed and keeps the rest, under any sequence of appends, trims and reopens", async () => {
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.record({ kind: fc.constant("append"), sizes: batchSizes }) },
        { weight: 3, arbitrary: fc.record({ kind: fc.constant("trim"), at: fc.nat() }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen") }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25, size: "max" }), async (steps) => {
          let harness = await createHarness();
          try {
            const model: LogRecord[] = [];
            let trimmedTs = 0n;
            for (const step of steps) {
              const endTs = BigInt(model.length) * 10n;
              if (step.kind === "append" && "sizes" in step) {
                const batch = step.sizes.map((size, i) =>
                  record(endTs + BigInt(i + 1) * 10n, "p".repeat(size)),
                );
                harness.log.append(batch);
                model.push(...batch);
              } else if (step.kind === "trim" && "at" in step) {
                const upToTs = BigInt(step.at) % (endTs + 15n);
                await harness.log.trim(upToTs);
                const newlyTrimmedTs = harness.log.trimmedTs();
                if (newlyTrimmedTs !== trimmedTs) expect(newlyTrimmedTs).toBeLessThanOrEqual(upToTs);
                expect(newlyTrimmedTs).toBeGreaterThanOrEqual(trimmedTs);
                trimmedTs = newlyTrimmedTs;
              } else harness = await harness.reopen();
              const kept = model.filter(({ ts }) => ts > trimmedTs);
              expect(harness.log.trimmedTs()).toBe(trimmedTs);
              expect(harness.log.lastTs()).toBe(model.at(-1)?.ts ?? 0n);
              expect(kept.length > 0 || model.length === 0).toBe(true);
              expect(await readAll(harness.log, trimmedTs)).toEqual(kept);
              expect(harness.log.firstTs()).toBe(kept[0]?.ts ?? 0n);
              if (trimmedTs > 0n)
                expect(await codeOf(readAll(harness.log, trimmedTs - 1n))).toBe("LogTrimmed");
            }
          } finally {
            await harness.dispose();
          }
        }),
        { numRuns: 8 },
      );
    });

    it("equals a plain list under any sequence of appends, reads and reopens", async () => {
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.record({ kind: fc.constant("append"), sizes: batchSizes }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant("read"), at: fc.nat() }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen") }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          let harness = await createHarness();
          try {
            const model: LogRecord[] = [];
            for (const step of steps) {
              if (step.kind === "append" && "sizes" in step) {
                const batch = step.sizes.map((size, i) => {
                  const ts = BigInt(model.length + i + 1) * 10n;
                  return record(ts, `${ts}:${"p".repeat(size)}`);
                });
                harness.log.append(batch);
                model.push(...batch);
              } else if (step.kind === "read" && "at" in step) {
                const after = BigInt(step.at % (model.length * 10 + 15));
                const expected = model.filter(({ ts }) => ts > after);
                expect(await readAll(harness.log, after)).toEqual(expected);
              } else {
                harness = await harness.reopen();
              }
              expect(harness.log.lastTs()).toBe(model.at(-1)?.ts ?? 0n);
            }
            expect(await readAll(harness.log)).toEqual(model);
          } finally {
            await harness.dispose();
          }
        }),
        { numRuns: 8 },
      );
    });
  });
}

const batchSizes = fc.array(fc.oneof(fc.nat(40), fc.nat(2000)), { maxLength: 6 });
