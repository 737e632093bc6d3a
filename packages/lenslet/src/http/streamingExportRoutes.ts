import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { parseBody, parseFormat, parseQuery, plainBodyBytesMax } from "../protocol/http.ts";
import { StreamSelection } from "../protocol/streamSelection.ts";
import { jsonSchemasOf } from "../transfer/jsonSchemas.ts";
import type { Exchange } from "./exchange.ts";
import { parseJson } from "./body.ts";
import type { Router } from "./router.ts";

/** Nanoseconds, as a number in JSON or as digits in a query string. */
const timestampSchema = z.union([z.number(), z.string().regex(/^\d{1,20}$/)]).nullish();
const streamSchema = z.object({
  snapshot: timestampSchema,
  cursor: z.union([z.string(), z.number()]).nullish(),
  tableName: z.string().nullish(),
  component: z.string().nullish(),
  /** In a query string: JSON text. */
  selection: z.unknown().optional(),
  format: z.string().nullish(),
});
type StreamRequest = z.infer<typeof streamSchema>;

const syncSchema = z.object({ cursor: z.string().nullish(), selection: z.unknown().optional() });

/** Streaming export and data sync (http-api.md §10.3, §10.4). */
export function addStreamingExportRoutes(router: Router): void {
  for (const method of ["GET", "POST"] as const) {
    router.add(method, "/api/list_snapshot", listSnapshot);
    router.add(method, "/api/document_deltas", documentDeltas);
  }
  router.add("GET", "/api/json_schemas", jsonSchemas);
  router.add("GET", "/api/get_table_column_names", columnNames);
  router.add("GET", "/api/test_streaming_export_connection", async (exchange) => {
    await exchange.admin();
    exchange.sendJson("null");
  });
  router.add("POST", "/api/v1/data/sync", dataSync);
}

async function listSnapshot(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const request = await streamRequest(exchange);
  const { snapshot, cursor } = request;
  exchange.sendJson(
    await exchange.options.streams.listSnapshot(
      {
        snapshot: timestampOf(snapshot, "InvalidListSnapshotCursor"),
        cursor: cursor === undefined || cursor === null ? null : String(cursor),
      },
      selectionOf(request),
      parseFormat(request.format, "clean"),
    ),
  );
}

async function documentDeltas(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const request = await streamRequest(exchange);
  const cursor = timestampOf(request.cursor, "InvalidDocumentDeltasCursor");
  if (cursor === null) {
    throw badRequest(
      "DocumentDeltasCursorRequired",
      "document_deltas requires a cursor: the snapshot of list_snapshot at first, then the cursor of the last page.",
    );
  }
  const format = parseFormat(request.format, "clean");
  exchange.sendJson(await exchange.options.streams.documentDeltas(cursor, selectionOf(request), format));
}

async function jsonSchemas(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const { query } = exchange;
  const format = parseFormat(query.get("format"), "clean");
  const tables = await exchange.options.streams.columns();
  const schemas = jsonSchemasOf(tables, format, query.get("deltaSchema") === "true");
  exchange.sendJson(JSON.stringify(query.get("byComponent") === "true" ? schemas : schemas[""]));
}

async function columnNames(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const byComponent: Record<string, unknown[]> = { "": [] };
  for (const { component, name, columns } of await exchange.options.streams.columns()) {
    (byComponent[component] ??= []).push({ name, columns });
  }
  exchange.sendJson(JSON.stringify({ byComponent }));
}

async function dataSync(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const { cursor, selection } = parseBody(syncSchema, await exchange.json(plainBodyBytesMax));
  const chosen =
    selection === undefined || selection === null
      ? StreamSelection.all
      : StreamSelection.parse(selection, "InvalidDataSyncSelection");
  exchange.sendJson(await exchange.options.streams.dataSync(cursor ?? null, chosen));
}

async function streamRequest(exchange: Exchange): Promise<StreamRequest> {
  if (exchange.request.method === "POST")
    return parseBody(streamSchema, await exchange.json(plainBodyBytesMax));
  const request = parseQuery(streamSchema, exchange.query);
  if (typeof request.selection !== "string") return request;
  return { ...request, selection: parseJson(request.selection) };
}

/**
 * A timestamp of this deployment is a multiple of a power of two that a double holds exactly (engine/committer.ts), and
 * the digits that a client writes may be the shortest ones of that double.
 */
function timestampOf(value: string | number | null | undefined, code: string): bigint | null {
  if (value === null || value === undefined) return null;
  const number = Number(value);
  if (value !== "" && Number.isInteger(number) && number >= 0 && number < 2 ** 63) return BigInt(number);
  throw badRequest(code, `${JSON.stringify(value)} is not a timestamp in nanoseconds.`);
}

function selectionOf({ selection, component, tableName }: StreamRequest): StreamSelection {
  if (selection !== undefined && selection !== null) {
    if (component !== undefined || tableName !== undefined) {
      throw badRequest("InvalidSelection", "Give either a selection or a component and a tableName.");
    }
    return StreamSelection.parse(selection, "InvalidSelection");
  }
  return StreamSelection.only(component ?? null, tableName ?? null);
}
