import { badRequest } from "../base/errors.ts";
import { functionBodyBytesMax, plainBodyBytesMax } from "../protocol/http.ts";
import type { Exchange } from "./exchange.ts";
import type { Router } from "./router.ts";

/** Where Airbyte writes to (http-api.md §10.5). */
export function addStreamingImportRoutes(router: Router): void {
  const path = (name: string) => `/api/streaming_import/${name}`;
  router.add("POST", path("import_airbyte_records"), async (exchange) => {
    await change(exchange, "streamingImport.records", functionBodyBytesMax);
  });
  router.add("GET", path("get_schema"), async (exchange) => {
    await exchange.admin();
    exchange.sendJson(await exchange.options.engine.system("streamingImport.schema", "{}"));
  });
  router.add("POST", path("replace_tables"), async (exchange) => {
    await exchange.admin();
    throw badRequest(
      "OverwriteNotSupported",
      "Tables cannot be replaced by a streaming import. Clear them with clear_tables, then import.",
    );
  });
  router.add("PUT", path("clear_tables"), (exchange) => change(exchange, "streamingImport.clear"));
  router.add("PUT", path("add_primary_key_indexes"), (exchange) =>
    change(exchange, "streamingImport.addKeys"),
  );
  // It has a body, though it is a GET.
  router.add("GET", path("primary_key_indexes_ready"), async (exchange) => {
    exchange.sendJson(await ask(exchange, "streamingImport.keysReady", plainBodyBytesMax));
  });
}

async function change(exchange: Exchange, operation: string, bytesMax = plainBodyBytesMax): Promise<void> {
  await ask(exchange, operation, bytesMax);
  exchange.sendEmpty();
}

async function ask(exchange: Exchange, operation: string, bytesMax: number): Promise<string> {
  await exchange.admin();
  return await exchange.options.engine.system(operation, JSON.stringify(await exchange.json(bytesMax)));
}
