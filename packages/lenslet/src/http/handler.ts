import type { IncomingMessage, ServerOptions, ServerResponse } from "node:http";
import { addAdminRoutes } from "./adminRoutes.ts";
import { ByteBudget } from "./body.ts";
import { HttpError } from "./errors.ts";
import { ClientVersions, Exchange, type ServerState } from "./exchange.ts";
import { addFunctionRoutes } from "./functionRoutes.ts";
import { answerHttpAction, ignoreDisconnects } from "./httpActions.ts";
import { addLaterRoutes } from "./laterRoutes.ts";
import { addLogRoutes } from "./logRoutes.ts";
import { addMetaRoutes } from "./metaRoutes.ts";
import { addMetricRoutes } from "./metricRoutes.ts";
import { addPlatformRoutes } from "./platformRoutes.ts";
import { addPushRoutes } from "./pushRoutes.ts";
import { RequestIds } from "./requestIds.ts";
import { Router } from "./router.ts";
import type { HttpHandlerOptions } from "./services.ts";

export const requestTimeoutMs = 300_000;

/** For `http.createServer`: idle sockets outlive the pauses of clients and of proxies in front. */
export const httpServerOptions: ServerOptions = {
  keepAliveTimeout: 75_000,
  headersTimeout: 60_000,
  requestTimeout: requestTimeoutMs,
  noDelay: true,
};

/** The HTTP API of one deployment on its cloud origin. WebSocket upgrades are not its business. */
export function createHttpHandler(
  options: HttpHandlerOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const router = new Router();
  addFunctionRoutes(router);
  addMetaRoutes(router);
  addPushRoutes(router);
  addPlatformRoutes(router);
  addLogRoutes(router);
  addMetricRoutes(router);
  addAdminRoutes(router);
  addLaterRoutes(router);
  const state: ServerState = {
    options,
    budget: new ByteBudget(),
    requestIds: new RequestIds(options.random),
    clients: new ClientVersions(),
  };
  return (request, response) => {
    const { path, queryText } = splitTarget(request.url ?? "/");
    if (path === "/http" || path.startsWith("/http/")) answerHttpAction(request, response);
    else {
      ignoreDisconnects(request, response);
      answer(router, new Exchange(request, response, state, path, queryText));
    }
  };
}

function answer(router: Router, exchange: Exchange): void {
  const cancelTimeout = exchange.options.timers.setTimeout(() => {
    exchange.fail(
      new HttpError(408, "RequestTimeout", "The request took too long.", ["connection", "close"]),
    );
  }, requestTimeoutMs);
  exchange.onClose(cancelTimeout);
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

/** Tolerates doubled leading slashes and the absolute form that proxies send. */
function splitTarget(url: string): { path: string; queryText: string } {
  let start = 0;
  if (url.charCodeAt(0) !== 0x2f) {
    const scheme = url.indexOf("://");
    const slash = scheme < 0 ? -1 : url.indexOf("/", scheme + 3);
    start = Math.max(slash, 0);
  }
  while (url.charCodeAt(start) === 0x2f && url.charCodeAt(start + 1) === 0x2f) start++;
  const mark = url.indexOf("?", start);
  if (mark < 0) return { path: start === 0 ? url : url.slice(start), queryText: "" };
  return { path: url.slice(start, mark), queryText: url.slice(mark + 1) };
}
