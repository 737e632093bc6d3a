import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { cronSpecs, daysOfWeek, type IdentifiedCron } from "./cronExport.ts";

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
export function parseCrons(text: string): readonly IdentifiedCron[] {
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
  return cronSpecs(parsed.data);
}
