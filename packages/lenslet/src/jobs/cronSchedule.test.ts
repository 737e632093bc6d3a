import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cronExpressionProblem, type CronSchedule, firstRunMs, nextRun } from "./cronSchedule.ts";

const now = Date.parse("2023-11-14T22:13:20Z");
const after = (schedule: CronSchedule, count: number): string[] => {
  const times: number[] = [firstRunMs(schedule, now)];
  while (times.length < count) {
    const last = times.at(-1) as number;
    times.push(nextRun(schedule, last, last + 1).nextMs);
  }
  return times.map((ms) => new Date(ms).toISOString().replace(".000Z", ""));
};

describe("the runs of a cron", () => {
  it.each<[string, CronSchedule, string[]]>([
    [
      "an interval begins now",
      { type: "interval", seconds: 90 },
      ["2023-11-14T22:13:20", "2023-11-14T22:14:50", "2023-11-14T22:16:20"],
    ],
    ["hourly", { type: "hourly", minuteUTC: 13 }, ["2023-11-14T23:13:00", "2023-11-15T00:13:00"]],
    [
      "hourly, any minute",
      { type: "hourly", minuteUTC: null },
      ["2023-11-14T23:00:00", "2023-11-15T00:00:00"],
    ],
    ["daily", { type: "daily", hourUTC: 22, minuteUTC: 14 }, ["2023-11-14T22:14:00", "2023-11-15T22:14:00"]],
    [
      "weekly, 0 is Sunday",
      { type: "weekly", dayOfWeek: 0, hourUTC: 5, minuteUTC: 0 },
      ["2023-11-19T05:00:00", "2023-11-26T05:00:00"],
    ],
    [
      "monthly leaves out months that are too short",
      { type: "monthly", day: 31, hourUTC: 0, minuteUTC: 0 },
      ["2023-12-31T00:00:00", "2024-01-31T00:00:00", "2024-03-31T00:00:00"],
    ],
    [
      "cron string with steps, ranges and names",
      { type: "cron", cronExpr: "*/30 9-10 * * MON-FRI" },
      ["2023-11-15T09:00:00", "2023-11-15T09:30:00", "2023-11-15T10:00:00", "2023-11-15T10:30:00"],
    ],
    [
      "from a minute on",
      { type: "cron", cronExpr: "50/5 22 * * *" },
      ["2023-11-14T22:50:00", "2023-11-14T22:55:00"],
    ],
    ["last day", { type: "cron", cronExpr: "0 0 L * *" }, ["2023-11-30T00:00:00", "2023-12-31T00:00:00"]],
    [
      "second Friday",
      { type: "cron", cronExpr: "0 0 * * FRI#2" },
      ["2023-12-08T00:00:00", "2024-01-12T00:00:00"],
    ],
    [
      "nearest weekday",
      { type: "cron", cronExpr: "0 0 16W * *" },
      ["2023-11-16T00:00:00", "2023-12-15T00:00:00"],
    ],
    [
      "days before the last one",
      { type: "cron", cronExpr: "30 6 L-3 * *" },
      ["2023-11-27T06:30:00", "2023-12-28T06:30:00", "2024-01-28T06:30:00", "2024-02-26T06:30:00"],
    ],
    [
      "days before the last one, beside others",
      { type: "cron", cronExpr: "0 0 L-1,15 2,3 *" },
      ["2024-02-15T00:00:00", "2024-02-28T00:00:00", "2024-03-15T00:00:00", "2024-03-30T00:00:00"],
    ],
    [
      "days before the last one, of months that are long enough",
      { type: "cron", cronExpr: "0 0 L-30 * *" },
      ["2023-12-01T00:00:00", "2024-01-01T00:00:00", "2024-03-01T00:00:00"],
    ],
    ["leap days", { type: "cron", cronExpr: "0 0 29 2 *" }, ["2024-02-29T00:00:00", "2028-02-29T00:00:00"]],
  ])("%s", (_name, schedule, expected) => {
    expect(after(schedule, expected.length)).toEqual(expected);
  });

  it("skip what is in the past", () => {
    const schedule: CronSchedule = { type: "interval", seconds: 60 };
    expect(nextRun(schedule, now, now + 59_999)).toEqual({ nextMs: now + 60_000, skipped: 0 });
    expect(nextRun(schedule, now, now + 60_000)).toEqual({ nextMs: now + 120_000, skipped: 1 });
    expect(nextRun(schedule, now, now + 600_001)).toEqual({ nextMs: now + 660_000, skipped: 10 });
    expect(nextRun({ type: "hourly", minuteUTC: 0 }, now, now + 86_400_000).skipped).toBe(0);
  });

  it("of an interval never drift and are never in the past", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 10 ** 10 }),
        (seconds, lateMs) => {
          const { nextMs, skipped } = nextRun({ type: "interval", seconds }, now, now + lateMs);
          expect(nextMs).toBeGreaterThan(now + lateMs);
          expect(nextMs - now).toBe((skipped + 1) * seconds * 1000);
          expect(nextMs - seconds * 1000).toBeLessThanOrEqual(now + Math.max(lateMs, 0));
        },
      ),
    );
  });
});

it.each([
  ["0 0 30 2 *", 'The cron spec "0 0 30 2 *" will never match any time'],
  ["0 0 31 4,6 *", 'The cron spec "0 0 31 4,6 *" will never match any time'],
  ["* * *", 'Invalid cron expression "* * *": it must have five fields'],
  ["60 * * * *", 'Invalid cron expression "60 * * * *": Invalid value for minute: 60'],
  ["0 0 L-30 2 *", 'The cron spec "0 0 L-30 2 *" will never match any time'],
  ["0 0 L-31 * *", "L-31 is before the first day of every month"],
  ["a b c d e", 'Invalid cron expression "a b c d e"'],
])("refuses %s", (expression, problem) => {
  expect(cronExpressionProblem(expression)).toContain(problem);
});
