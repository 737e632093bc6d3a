import { badRequest } from "../base/errors.ts";
import { readsStructuredLogs } from "../protocol/httpClient.ts";
import { requiredParameter, type Exchange } from "./exchange.ts";
import { plainLine, type StreamEntry } from "./functionLogs.ts";
import { derivedRequestId } from "./requestIds.ts";
import type { Router } from "./router.ts";

const longPollMs = 60_000;
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** http-api.md §8.1, §8.2; the dashboard uses the app_metrics paths. */
export function addLogRoutes(router: Router): void {
  for (const prefix of ["/api/", "/api/app_metrics/"]) {
    router.add("GET", `${prefix}stream_function_logs`, streamFunctionLogs);
    router.add("GET", `${prefix}stream_udf_execution`, streamUdfExecution);
  }
}

async function streamFunctionLogs(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const cursor = parseCursor(exchange.query);
  const requestId = parseRequestFilter(exchange.query);
  const isStructured = readsStructuredLogs(exchange.client());
  await streamBatch(exchange, cursor, ({ entry, lines }) => {
    if (requestId !== null && !isRootOf(entry, requestId)) return null;
    return { ...entry, logLines: isStructured ? lines : lines.map(plainLine) };
  });
}

async function streamUdfExecution(exchange: Exchange): Promise<void> {
  await exchange.admin();
  await streamBatch(exchange, parseCursor(exchange.query), ({ entry, allLines }) => {
    return entry.kind === "Completion" ? { ...entry, logLines: allLines.map(plainLine) } : null;
  });
}

/** `show` returns null for an entry that is left out; it moves the cursor all the same. */
async function streamBatch(
  exchange: Exchange,
  cursor: number,
  show: (entry: StreamEntry) => object | null,
): Promise<void> {
  const batch = await exchange.options.logStream.next(cursor, longPollMs, (cancel) =>
    exchange.onClose(cancel),
  );
  const entries = batch.entries.map(show).filter((entry) => entry !== null);
  exchange.sendJson(JSON.stringify({ entries, newCursor: batch.newCursor }));
}

function isRootOf(entry: StreamEntry["entry"], requestId: string): boolean {
  return entry["requestId"] === requestId && (entry["parentExecutionId"] ?? null) === null;
}

function parseCursor(query: URLSearchParams): number {
  const text = requiredParameter(query, "cursor");
  const cursor = text.trim() === "" ? NaN : Number(text);
  if (!Number.isFinite(cursor)) throw badRequest("BadQueryArgs", "cursor must be a number of milliseconds.");
  return cursor;
}

/** The derived request id of `sessionId` and `clientRequestCounter`, or null without a filter. */
function parseRequestFilter(query: URLSearchParams): string | null {
  const sessionId = query.get("sessionId");
  const counter = query.get("clientRequestCounter");
  if (sessionId === null && counter === null) return null;
  if (sessionId === null || !uuidPattern.test(sessionId)) {
    throw badRequest("BadQueryArgs", "sessionId must be a UUID.");
  }
  if (counter === null || !/^\d{1,10}$/.test(counter)) {
    throw badRequest("BadQueryArgs", "clientRequestCounter must be a whole number.");
  }
  return derivedRequestId(sessionId.toLowerCase(), Number(counter));
}
