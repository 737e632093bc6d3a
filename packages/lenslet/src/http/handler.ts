import type { IncomingMessage, ServerOptions, ServerResponse } from "node:http";
import { addAdminRoutes } from "./adminRoutes.ts";
import { ByteBudget } from "./body.ts";
import { ClientVersions, Exchange, type ServerState } from "./exchange.ts";
import { addFunctionRoutes } from "./functionRoutes.ts";
import { answerHttpAction, ignoreDisconnects } from "./httpActions.ts";
import { splitTarget } from "./requestTarget.ts";
import { addAbsentRoutes } from "./absentRoutes.ts";
import { addBackupRoutes } from "./backupRoutes.ts";
import { addLogRoutes } from "./logRoutes.ts";
import { addMetaRoutes } from "./metaRoutes.ts";
import { addMetricRoutes } from "./metricRoutes.ts";
import { addPlatformRoutes } from "./platformRoutes.ts";
import { addPushRoutes } from "./pushRoutes.ts";
import { RequestIds } from "./requestIds.ts";
import { Router } from "./router.ts";
import { addScheduleRoutes } from "./scheduleRoutes.ts";
import { addStorageRoutes } from "./storageRoutes.ts";
import { addStreamingExportRoutes } from "./streamingExportRoutes.ts";
import { addStreamingImportRoutes } from "./streamingImportRoutes.ts";
import { addTransferRoutes } from "./transferRoutes.ts";
import type { HttpHandlerOptions } from "./services.ts";

export const requestTimeoutMs = 300_000;

/** For `http.createServer`: idle sockets outlive the pauses of clients and of proxies in front. */
export const httpServerOptions: ServerOptions = {
  keepAliveTimeout: 75_000,
  headersTimeout: 60_000,
  // Each exchange limits its own time: an upload may take as long as bytes keep coming.
  requestTimeout: 0,
  noDelay: true,
};

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** The two origins of one deployment. WebSocket upgrades are not their business. */
export interface HttpHandlers {
  readonly cloud: Listener;
  /** HTTP actions only (default port 3211). */
  readonly site: Listener;
}

export function createHttpHandlers(options: HttpHandlerOptions): HttpHandlers {
  const router = new Router();
  addFunctionRoutes(router);
  addMetaRoutes(router);
  addPushRoutes(router);
  addPlatformRoutes(router);
  addLogRoutes(router);
  addMetricRoutes(router);
  addAdminRoutes(router);
  addScheduleRoutes(router);
  addStorageRoutes(router);
  addTransferRoutes(router);
  addStreamingExportRoutes(router);
  addStreamingImportRoutes(router);
  addBackupRoutes(router);
  addAbsentRoutes(router);
  const state: ServerState = {
    options,
    budget: new ByteBudget(),
    requestIds: new RequestIds(options.random),
    clients: new ClientVersions(),
  };
  const cloud: Listener = (request, response) => {
    const { path, queryText } = splitTarget(request.url ?? "/");
    if (path === "/http" || path.startsWith("/http/")) {
      answerAction(request, response, state, "/http");
    } else {
      ignoreDisconnects(request, response);
      answer(router, new Exchange(request, response, state, path, queryText));
    }
  };
  return { cloud, site: (request, response) => answerAction(request, response, state, "") };
}

/** A request that is still not complete after `requestTimeoutMs` is broken off; its answer may take longer. */
function answerAction(
  request: IncomingMessage,
  response: ServerResponse,
  state: ServerState,
  prefix: "" | "/http",
): void {
  const cancel = state.options.timers.setTimeout(() => {
    if (!request.complete) request.destroy();
  }, requestTimeoutMs);
  response.on("close", cancel);
  answerHttpAction(request, response, state, prefix);
}

function answer(router: Router, exchange: Exchange): void {
  exchange.limitTime(requestTimeoutMs);
  const method = exchange.request.method ?? "GET";
  if (method === "OPTIONS") {
    exchange.sendEmpty(preflightHeaders(exchange.request));
    return;
  }
  void run(router, exchange, method);
}

async function run(router: Router, exchange: Exchange, method: string): Promise<void> {
  try {
    const route = router.find(method, exchange.path);
    if (exchange.path.startsWith("/api/")) exchange.client();
    await route(exchange);
  } catch (error) {
    exchange.fail(error);
  }
}

/** http-api.md §1.5: every origin and every header may call. */
function preflightHeaders(request: IncomingMessage): string[] {
  const headers = ["access-control-allow-methods", "GET,POST,PUT,PATCH,DELETE,OPTIONS"];
  headers.push("access-control-max-age", "86400");
  const wanted = request.headers["access-control-request-headers"];
  if (wanted !== undefined) headers.push("access-control-allow-headers", wanted);
  return headers;
}
