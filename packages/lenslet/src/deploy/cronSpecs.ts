import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { type CronSchedule, cronExpressionProblem } from "../jobs/cronSchedule.ts";
import type { CronSpec } from "./analysisTypes.ts";

/** Reference limits.md #99. */
export const cronArgumentBytesMax = 1_048_576;

const daysOfWeek = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;
const integer = (min: number, max: number) => z.number().int().min(min).max(max);
const minuteUTC = integer(0, 59).nullish();
const hourUTC = integer(0, 23);
const scheduleShape = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("interval"),
    seconds: z.number().int().positive().nullish(),
    minutes: z.number().int().positive().nullish(),
    hours: z.number().int().positive().nullish(),
  }),
  z.object({ type: z.literal("hourly"), minuteUTC }),
  z.object({ type: z.literal("daily"), hourUTC, minuteUTC }),
  z.object({ type: z.literal("weekly"), dayOfWeek: z.enum(daysOfWeek), hourUTC, minuteUTC }),
  z.object({ type: z.literal("monthly"), day: integer(1, 31), hourUTC, minuteUTC }),
  z.object({ type: z.literal("cron"), cron: z.string() }),
]);
const cronsShape = z.record(
  z.string(),
  z.object({ name: z.string(), args: z.array(z.unknown()), schedule: scheduleShape }),
);

/**
 * Parses the result of `crons.export()`: JSON text of identifier → {name, args, schedule}.
 * Throws BadRequest. Source: reference functions.md §10.4.
 */
export function parseCrons(
  text: string,
): readonly { readonly identifier: string; readonly spec: CronSpec }[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw badRequest(
      "InvalidModules",
      `Invalid JSON returned from crons.export(): ${(error as Error).message}`,
    );
  }
  const parsed = cronsShape.safeParse(json);
  if (!parsed.success)
    throw badRequest("InvalidModules", `The crons are invalid: ${z.prettifyError(parsed.error)}`);
  return Object.entries(parsed.data).map(([identifier, cron]) => {
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

function scheduleOf(schedule: z.infer<typeof scheduleShape>): CronSchedule {
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
