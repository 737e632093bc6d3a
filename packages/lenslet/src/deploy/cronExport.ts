import { badRequest } from "../base/errors.ts";
import { type CronSchedule, cronExpressionProblem } from "../jobs/cronSchedule.ts";
import type { CronSpec } from "./analysisTypes.ts";

/** Reference limits.md #99. */
export const cronArgumentBytesMax = 1_048_576;

export const daysOfWeek = [
  "sunday",
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
] as const;

type Minute = { readonly minuteUTC?: number | null | undefined };
type ExportedSchedule =
  | {
      readonly type: "interval";
      readonly seconds?: number | null | undefined;
      readonly minutes?: number | null | undefined;
      readonly hours?: number | null | undefined;
    }
  | ({ readonly type: "hourly" } & Minute)
  | ({ readonly type: "daily"; readonly hourUTC: number } & Minute)
  | ({
      readonly type: "weekly";
      readonly dayOfWeek: (typeof daysOfWeek)[number];
      readonly hourUTC: number;
    } & Minute)
  | ({ readonly type: "monthly"; readonly day: number; readonly hourUTC: number } & Minute)
  | { readonly type: "cron"; readonly cron: string };

/** What `crons.export()` of the `convex` package says, by identifier. */
export type ExportedCrons = Readonly<
  Record<
    string,
    { readonly name: string; readonly args: readonly unknown[]; readonly schedule: ExportedSchedule }
  >
>;

export interface IdentifiedCron {
  readonly identifier: string;
  readonly spec: CronSpec;
}

/** Checks what the package does not (reference functions.md §10.4). Throws BadRequest. */
export function cronSpecs(crons: ExportedCrons): readonly IdentifiedCron[] {
  return Object.entries(crons).map(([identifier, cron]) => {
    if (!/^[ -~]*$/.test(identifier)) {
      throw badRequest(
        "InvalidModules",
        `Invalid cron identifier ${identifier}: use ASCII letters that are not control characters`,
      );
    }
    const args = Buffer.from(JSON.stringify(cron.args));
    if (args.length >= cronArgumentBytesMax) {
      throw badRequest(
        "InvalidModules",
        `Cron job args too large (${args.length} > maximum size ${cronArgumentBytesMax})`,
      );
    }
    const spec = {
      udfPath: canonicalFunctionPath(cron.name),
      udfArgs: [...args],
      cronSchedule: scheduleOf(cron.schedule),
    };
    return { identifier, spec };
  });
}

function scheduleOf(schedule: ExportedSchedule): CronSchedule {
  switch (schedule.type) {
    case "interval": {
      const given = [schedule.seconds, schedule.minutes, schedule.hours].filter((n) => typeof n === "number");
      if (given.length !== 1)
        throw badRequest("InvalidModules", "Must specify one of seconds, minutes, or hours");
      const seconds = (schedule.seconds ?? 0) + 60 * (schedule.minutes ?? 0) + 3600 * (schedule.hours ?? 0);
      return { type: "interval", seconds };
    }
    case "hourly":
      return { type: "hourly", minuteUTC: schedule.minuteUTC ?? null };
    case "daily":
      return { type: "daily", hourUTC: schedule.hourUTC, minuteUTC: schedule.minuteUTC ?? null };
    case "weekly":
      return {
        type: "weekly",
        dayOfWeek: daysOfWeek.indexOf(schedule.dayOfWeek),
        hourUTC: schedule.hourUTC,
        minuteUTC: schedule.minuteUTC ?? null,
      };
    case "monthly":
      return {
        type: "monthly",
        day: schedule.day,
        hourUTC: schedule.hourUTC,
        minuteUTC: schedule.minuteUTC ?? null,
      };
    case "cron": {
      const problem = cronExpressionProblem(schedule.cron);
      if (problem !== null) throw badRequest("InvalidModules", problem);
      return { type: "cron", cronExpr: schedule.cron };
    }
  }
}

/** "a/b:c", "a/b.js:c" and "a/b" in canonical form. */
export function canonicalFunctionPath(path: string): string {
  const colon = path.lastIndexOf(":");
  const module = colon < 0 ? path : path.slice(0, colon);
  const name = colon < 0 ? "default" : path.slice(colon + 1);
  return `${module.endsWith(".js") ? module : `${module}.js`}:${name}`;
}
