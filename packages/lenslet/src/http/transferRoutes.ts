import { badRequest } from "../base/errors.ts";
import { parseBody, plainBodyBytesMax } from "../protocol/http.ts";
import { z } from "zod";
import { type Exchange, requiredParameter } from "./exchange.ts";
import type { Router } from "./router.ts";
import { idleMsMax } from "./storageRoutes.ts";

const finishUploadSchema = z.object({
  import: z.record(z.string(), z.unknown()),
  uploadToken: z.string(),
  partTokens: z.array(z.string()),
});
const importSchema = z.object({ importId: z.string() });
const expirationSchema = z.object({ expirationTsNs: z.number() });

/** Export and import of snapshots (http-api.md §10.1, §10.2). */
export function addTransferRoutes(router: Router): void {
  router.add("POST", "/api/export/request/zip", requestExport);
  router.addPrefix("GET", "/api/export/zip/", sendExport);
  router.addPrefix("POST", "/api/export/cancel/", async (exchange) => {
    await exchange.admin();
    await exchange.audited("export.cancel", { id: lastPart(exchange) });
    exchange.sendEmpty();
  });
  router.addPrefix("POST", "/api/export/set_expiration/", async (exchange) => {
    await exchange.admin();
    const { expirationTsNs } = parseBody(expirationSchema, await exchange.json(plainBodyBytesMax));
    const args = { id: lastPart(exchange), expirationTsNs };
    await exchange.audited("export.setExpiration", args);
    exchange.sendEmpty();
  });
  router.add("POST", "/api/import/start_upload", async (exchange) => {
    await exchange.admin();
    exchange.sendJson(JSON.stringify({ uploadToken: await exchange.options.transfers.startUpload() }));
  });
  router.add("POST", "/api/import/upload_part", uploadPart);
  router.add("POST", "/api/import/finish_upload", finishUpload);
  router.add("POST", "/api/perform_import", (exchange) => changeImport(exchange, "import.perform"));
  router.add("POST", "/api/cancel_import", (exchange) => changeImport(exchange, "import.cancel"));
  router.add("POST", "/api/import", importAtOnce);
}

async function requestExport(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const includeStorage = exchange.query.get("includeStorage") === "true";
  const componentId = exchange.query.get("component");
  await exchange.audited("export.request", { includeStorage, componentId });
  exchange.sendEmpty();
}

async function sendExport(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const { name, size, body } = await exchange.options.transfers.openExport(lastPart(exchange));
  const headers = ["content-type", "application/zip", "content-length", String(size)];
  // Without quotes: the CLI looks for exactly this.
  headers.push("content-disposition", `attachment; filename=${name}`);
  headers.push("cache-control", "private, max-age=2592000");
  await exchange.sendStream(200, headers, body, idleMsMax);
}

async function uploadPart(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const token = requiredParameter(exchange.query, "uploadToken");
  const part = Number(requiredParameter(exchange.query, "partNumber"));
  const saved = await exchange.options.transfers.savePart(token, part, exchange.stream(idleMsMax));
  exchange.sendJson(JSON.stringify(saved));
}

async function finishUpload(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const body = parseBody(finishUploadSchema, await exchange.json(plainBodyBytesMax));
  const { transfers } = exchange.options;
  const importId = await transfers.finishUpload(body.uploadToken, body.partTokens, body.import);
  exchange.sendJson(JSON.stringify({ importId }));
}

async function changeImport(exchange: Exchange, operation: string): Promise<void> {
  await exchange.admin();
  const body = parseBody(importSchema, await exchange.json(plainBodyBytesMax));
  await exchange.options.engine.system(operation, JSON.stringify(body));
  exchange.sendJson("null");
}

async function importAtOnce(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const { query } = exchange;
  const format = requiredParameter(query, "format");
  const wanted = Object.fromEntries(
    [...query].filter(([name]) => ["tableName", "componentPath", "mode"].includes(name)),
  );
  const source = exchange.stream(idleMsMax);
  const numWritten = await exchange.options.transfers.importAtOnce(source, { ...wanted, format });
  exchange.sendJson(JSON.stringify({ numWritten }));
}

function lastPart(exchange: Exchange): string {
  const text = exchange.path.slice(exchange.path.lastIndexOf("/") + 1);
  if (text === "") throw badRequest("BadPathArgs", "The path ends where a name is wanted.");
  return text;
}
