import { Cron } from "croner";
import { assert } from "../base/assert.ts";
import { earlier } from "./dueTimes.ts";

/** When a cron runs, UTC. Minutes that were left open are 0. */
export type CronSchedule =
  | { readonly type: "interval"; readonly seconds: number }
  /** `minuteUTC` null: any, chosen by the server for each job. */
  | { readonly type: "hourly"; readonly minuteUTC: number | null }
  | { readonly type: "daily"; readonly hourUTC: number; readonly minuteUTC: number | null }
  /** dayOfWeek: 0 = Sunday ... 6 = Saturday. */
  | {
      readonly type: "weekly";
      readonly dayOfWeek: number;
      readonly hourUTC: number;
      readonly minuteUTC: number | null;
    }
  | {
      readonly type: "monthly";
      readonly day: number;
      readonly hourUTC: number;
      readonly minuteUTC: number | null;
    }
  | { readonly type: "cron"; readonly cronExpr: string };

/** Any moment: an expression without a year matches after one if it matches after another. */
const someTimeMs = Date.UTC(2024, 0, 1);

/** What is wrong with a cron string, or null. */
export function cronExpressionProblem(expression: string): string | null {
  if (expression.trim().split(/\s+/).length !== 5) {
    return `Invalid cron expression "${expression}": it must have five fields (minute, hour, day of month, month, day of week)`;
  }
  try {
    if (nextMatchMs(expression, someTimeMs) !== null) return null;
  } catch (error) {
    const detail = (error as Error).message.replace(/^CronPattern: /, "");
    return `Invalid cron expression "${expression}": ${detail}`;
  }
  return `The cron spec "${expression}" will never match any time`;
}

/** The first run of a cron that is new, or whose schedule is: an interval begins now. */
export function firstRunMs(schedule: CronSchedule, nowMs: number): number {
  return schedule.type === "interval" ? nowMs : nextOccurrenceMs(schedule, nowMs);
}

export interface NextRun {
  readonly nextMs: number;
  /** Runs of an interval that were due while nobody ran them, and never will be. */
  readonly skipped: number;
}

/** The run after the one that was due at `scheduledMs`: without drift, and not in the past. */
export function nextRun(schedule: CronSchedule, scheduledMs: number, nowMs: number): NextRun {
  if (schedule.type !== "interval") {
    return { nextMs: nextOccurrenceMs(schedule, Math.max(scheduledMs, nowMs)), skipped: 0 };
  }
  const periodMs = schedule.seconds * 1000;
  const nextMs = scheduledMs + periodMs;
  if (nextMs > nowMs) return { nextMs, skipped: 0 };
  const skipped = Math.floor((nowMs - nextMs) / periodMs) + 1;
  return { nextMs: nextMs + skipped * periodMs, skipped };
}

/** The first time after a moment. */
function nextOccurrenceMs(schedule: Exclude<CronSchedule, { type: "interval" }>, afterMs: number): number {
  const next = nextMatchMs(expressionOf(schedule), afterMs);
  assert(next !== null, "a schedule that was accepted at push has another run");
  return next;
}

function expressionOf(schedule: Exclude<CronSchedule, { type: "interval" }>): string {
  if (schedule.type === "cron") return schedule.cronExpr;
  const minute = schedule.minuteUTC ?? 0;
  switch (schedule.type) {
    case "hourly":
      return `${minute} * * * *`;
    case "daily":
      return `${minute} ${schedule.hourUTC} * * *`;
    case "weekly":
      return `${minute} ${schedule.hourUTC} * * ${schedule.dayOfWeek}`;
    case "monthly":
      return `${minute} ${schedule.hourUTC} ${schedule.day} * *`;
  }
}

/** Null: never. Throws for what is no cron string. */
function nextMatchMs(expression: string, afterMs: number): number | null {
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = expression.trim().split(/\s+/);
  const parts = day.split(",");
  const beforeLast = parts.filter((part) => lastDayMinus.test(part));
  if (beforeLast.length === 0) return nextPlainMatchMs(expression, afterMs);
  // Days before the last one are unknown to the parser. A day matches if any part does, or the weekday if it is given.
  const others = parts.filter((part) => !lastDayMinus.test(part)).join(",");
  const matches = beforeLast.map((part) =>
    nextBeforeLastMs({ minute, hour, month }, Number(lastDayMinus.exec(part)?.[1]), afterMs),
  );
  if (others !== "")
    matches.push(nextPlainMatchMs(`${minute} ${hour} ${others} ${month} ${weekday}`, afterMs));
  else if (weekday !== "*" && weekday !== "?")
    matches.push(nextPlainMatchMs(`${minute} ${hour} * ${month} ${weekday}`, afterMs));
  return matches.reduce(earlier, null);
}

const lastDayMinus = /^L-(\d{1,2})$/i;
/** Leap days of a weekday or of a short list of months: within so many months there is a match or never one. */
const monthsMax = 12 * 9;

/** So many days before the last of a month. */
function nextBeforeLastMs(
  { minute, hour, month }: { readonly minute: string; readonly hour: string; readonly month: string },
  days: number,
  afterMs: number,
): number | null {
  if (days > 30) throw new Error(`L-${days} is before the first day of every month`);
  const after = new Date(afterMs);
  for (let ahead = 0; ahead <= monthsMax; ahead++) {
    const [year, index] = [after.getUTCFullYear(), after.getUTCMonth() + ahead];
    const lastDay = new Date(Date.UTC(year, index + 1, 0)).getUTCDate();
    const [startMs, endMs] = [Date.UTC(year, index, 1), Date.UTC(year, index + 1, 1)];
    if (lastDay - days < 1) continue;
    const match = nextPlainMatchMs(
      `${minute} ${hour} ${lastDay - days} ${month} *`,
      Math.max(afterMs, startMs - 1),
    );
    if (match !== null && match < endMs) return match;
  }
  return null;
}

function nextPlainMatchMs(expression: string, afterMs: number): number | null {
  // "5/10" is "from 5 on, every tenth" to the platform; the parser wants the range spelt out for minutes and hours.
  const [minute = "", hour = "", ...days] = expression.trim().split(/\s+/);
  const fields = [openRange(minute, 59), openRange(hour, 23), ...days].join(" ");
  const cron = new Cron(fields, { mode: "5-part", utcOffset: 0, paused: true });
  return cron.nextRun(new Date(afterMs))?.getTime() ?? null;
}

function openRange(field: string, last: number): string {
  return field
    .split(",")
    .map((part) => part.replace(/^(\d+)\//, `$1-${last}/`))
    .join(",");
}
