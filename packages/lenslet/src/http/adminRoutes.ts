import {
  deleteComponentSchema,
  deleteTablesSchema,
  functionBodyBytesMax,
  operationNames,
  parseBody,
  parseFormat,
  plainBodyBytesMax,
  testFunctionRequestSchema,
} from "../protocol/http.ts";
import { defaultFormat } from "../protocol/httpClient.ts";
import { memberText } from "../protocol/httpJson.ts";
import { parseJson } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { argumentsText } from "./functionRoutes.ts";
import { functionResponse } from "./functionResponse.ts";
import type { Router } from "./router.ts";

const checkAdminKeyAnswer = JSON.stringify({ success: true, allowedOps: operationNames, isReadOnly: false });

/** http-api.md §9 */
export function addAdminRoutes(router: Router): void {
  router.add("GET", "/api/check_admin_key", async (exchange) => {
    await exchange.admin();
    exchange.sendJson(checkAdminKeyAnswer);
  });
  router.add("POST", "/api/run_test_function", runTestFunction);
  router.add("GET", "/api/shapes2", async (exchange) => {
    await exchange.admin();
    await readFromEngine(exchange, "admin.shapes", exchange.query.get("component"));
  });
  router.add("GET", "/api/get_indexes", async (exchange) => {
    await exchange.admin();
    await readFromEngine(exchange, "admin.indexes", exchange.query.get("componentId"));
  });
  router.add("POST", "/api/delete_tables", deleteTables);
  router.add("POST", "/api/delete_component", deleteComponent);
}

async function readFromEngine(
  exchange: Exchange,
  operation: string,
  componentId: string | null,
): Promise<void> {
  const args = JSON.stringify({ componentId: componentId === "" ? null : componentId });
  exchange.sendJson(await exchange.options.engine.system(operation, args));
}

async function deleteTables(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const body = parseBody(deleteTablesSchema, await exchange.json(plainBodyBytesMax));
  const args = { tableNames: body.tableNames, componentId: body.componentId ?? null };
  await exchange.audited("admin.deleteTables", args);
  exchange.sendEmpty();
}

async function deleteComponent(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const { componentId } = parseBody(deleteComponentSchema, await exchange.json(plainBodyBytesMax));
  await exchange.audited("admin.deleteComponent", { componentId });
  exchange.sendEmpty();
}

async function runTestFunction(exchange: Exchange): Promise<void> {
  const text = await exchange.jsonText(functionBodyBytesMax);
  const body = parseBody(testFunctionRequestSchema, parseJson(text));
  const identity = exchange.adminOf(body.adminKey);
  const format = parseFormat(body.format, defaultFormat(exchange.client()));
  const requestId = exchange.newRequestId();
  const { path, source, sourceMap } = body.bundle;
  const result = await exchange.options.testQueries.runTestQuery({
    bundle: { path, source, sourceMap: sourceMap ?? null },
    argsJson: argumentsText(body.args, memberText(text, "args")),
    componentId: body.componentId ?? null,
    identity,
    requestId,
  });
  exchange.sendJson(functionResponse(result, format, requestId, exchange.options.redact));
}
