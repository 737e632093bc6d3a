import { badRequest } from "../base/errors.ts";
import {
  cancelAllJobsSchema,
  cancelJobSchema,
  componentBodySchema,
  parseBody,
  plainBodyBytesMax,
} from "../protocol/http.ts";
import type { Exchange } from "./exchange.ts";
import type { Router } from "./router.ts";

/** What the dashboard does to scheduled functions (http-api.md §9). */
export function addScheduleRoutes(router: Router): void {
  router.add("POST", "/api/cancel_job", async (exchange) => {
    const { id, componentId } = parseBody(cancelJobSchema, await adminBody(exchange));
    await exchange.audited("scheduler.cancelOne", { id, componentId: componentId ?? null });
    exchange.sendEmpty();
  });
  router.add("POST", "/api/cancel_all_jobs", async (exchange) => {
    const body = parseBody(cancelAllJobsSchema, await adminBody(exchange));
    const filter = {
      componentId: body.componentId ?? null,
      componentPath: body.componentPath ?? null,
      udfPath: body.udfPath ?? null,
      startMs: timeOf(body.startNextTs, "InvalidStartNextTs"),
      endMs: timeOf(body.endNextTs, "InvalidEndNextTs"),
    };
    // In slices, each a transaction of its own: a million of them hold nobody up.
    const answer = await exchange.audited("scheduler.cancelAll", { ...filter, behind: "" });
    for (let behind = JSON.parse(answer) as unknown; behind !== null;) {
      behind = await system(exchange, "scheduler.cancelAll", { ...filter, behind });
    }
    exchange.sendEmpty();
  });
  router.add("POST", "/api/delete_scheduled_functions_table", async (exchange) => {
    const { componentId } = parseBody(componentBodySchema, await adminBody(exchange));
    const args = { componentId: componentId ?? null };
    let isMore = (await exchange.audited("scheduler.deleteAll", args)) === "true";
    while (isMore) isMore = (await system(exchange, "scheduler.deleteAll", args)) === true;
    exchange.sendEmpty();
  });
}

async function adminBody(exchange: Exchange): Promise<unknown> {
  await exchange.admin();
  return exchange.json(plainBodyBytesMax);
}

async function system(exchange: Exchange, operation: string, args: object): Promise<unknown> {
  return JSON.parse(await exchange.options.engine.system(operation, JSON.stringify(args))) as unknown;
}

/** Nanoseconds, as a number or its text, in milliseconds. */
function timeOf(ts: number | string | null | undefined, code: string): number | null {
  if (ts === null || ts === undefined) return null;
  if (!/^-?\d{1,19}$/.test(String(typeof ts === "number" && Number.isInteger(ts) ? BigInt(ts) : ts))) {
    throw badRequest(code, `${JSON.stringify(ts)} is not a time in nanoseconds.`);
  }
  return Number(ts) / 1e6;
}
