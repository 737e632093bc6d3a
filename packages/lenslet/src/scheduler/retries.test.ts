import { expect, test } from "vitest";
import type { EngineEvents, JobAnswer, JobEngine, JobRef } from "../engine/api.ts";
import type { DueJobs } from "../engine/schedulerOperations.ts";
import { TestClock } from "../engine/testEngine.ts";
import { cronRetryMaxMs, retryDelayMs, retryFirstMs, retryMaxMs } from "./backoff.ts";
import { startScheduler } from "./scheduler.ts";

/** The longest delay every time. */
const slowest = { bytes: (length: number) => new Uint8Array(length).fill(255) };

/** When a job that always fails for no fault of its own is tried, in milliseconds after it was due. */
async function triesOf(job: JobRef, untilMs: number): Promise<number[]> {
  const clock = new TestClock();
  const startMs = clock.nowMs();
  const tries: number[] = [];
  const due: DueJobs = { paused: false, mutations: [{ job, dueMs: startMs }], actions: [], nextMs: null };
  const answers: Readonly<Record<string, unknown>> = {
    "scheduler.recover": false,
    "scheduler.due": due,
    "scheduler.expire": false,
  };
  const engine = {
    subscribe: (_events: EngineEvents) => () => {},
    system: (operation: string) => Promise.resolve(JSON.stringify(answers[operation])),
    runJob: (): Promise<JobAnswer> => {
      tries.push(clock.nowMs() - startMs);
      return Promise.reject(new Error("the disk is full"));
    },
  } as unknown as JobEngine;
  const reports: string[] = [];
  const scheduler = startScheduler({
    engine,
    runAction: () => Promise.reject(new Error("there is no action")),
    clock,
    timers: clock,
    random: slowest,
    report: (level, message) => reports.push(`${level} ${message}`),
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  await settled();
  for (let nowMs = 0; nowMs < untilMs; nowMs += retryFirstMs) {
    clock.advance(retryFirstMs);
    await settled();
  }
  scheduler.close();
  expect(reports).toHaveLength(tries.length);
  expect(reports[0]).toContain(`error running the scheduled function ${job.id}: Error: the disk is full`);
  return tries;
}

test("what fails for no fault of its own is tried again and again, with growing pauses", async () => {
  const doubling = [0, 500, 1500, 3500, 7500, 15_500];
  const job = await triesOf({ kind: "function", id: "job" }, 120_000);
  expect(job).toEqual([...doubling, 31_500, 63_500]);
  const cron = await triesOf({ kind: "cron", id: "cron" }, 62_000);
  expect(cron).toEqual([...doubling, 30_500, 45_500, 60_500]);
});

test("a pause is never longer than two hours, for the same run of a cron 15 seconds, and never none", () => {
  const soonest = { bytes: (length: number) => new Uint8Array(length) };
  for (const failures of [1, 2, 20, 1000, 2 ** 40]) {
    expect(retryDelayMs(failures, slowest)).toBe(Math.min(retryMaxMs, 500 * 2 ** (failures - 1)));
    expect(retryDelayMs(failures, slowest, cronRetryMaxMs)).toBeLessThanOrEqual(15_000);
    expect(retryDelayMs(failures, soonest)).toBeGreaterThan(0);
  }
  expect(retryMaxMs).toBe(7_200_000);
});
