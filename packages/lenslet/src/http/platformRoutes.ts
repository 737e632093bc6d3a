import { badRequest } from "../base/errors.ts";
import {
  canonicalUrlUpdateSchema,
  environmentUpdateSchema,
  parseBody,
  plainBodyBytesMax,
} from "../protocol/http.ts";
import type { Exchange } from "./exchange.ts";
import type { Method, Route, Router } from "./router.ts";

/** Environment variables, canonical URLs and deployment state: http-api.md §7. */
export function addPlatformRoutes(router: Router): void {
  // Older clients leave out the version.
  const add = (method: Method, name: string, route: Route) => {
    router.add(method, `/api/${name}`, route);
    router.add(method, `/api/v1/${name}`, route);
  };
  add("POST", "update_environment_variables", updateEnvironment);
  add("GET", "list_environment_variables", async (exchange) => {
    await exchange.admin();
    const { environmentVariables } = exchange.options.engine.deployment();
    exchange.sendJson(JSON.stringify({ environmentVariables }));
  });
  add("GET", "get_canonical_urls", async (exchange) => {
    await exchange.admin();
    const { convexCloudUrl, convexSiteUrl } = exchange.options.engine.deployment().canonicalUrls;
    exchange.sendJson(JSON.stringify({ convexCloudUrl, convexSiteUrl }));
  });
  add("POST", "update_canonical_url", updateCanonicalUrl);
  add("GET", "deployment_info", async (exchange) => {
    await exchange.admin();
    exchange.sendJson('{"kind":"selfHosted"}');
  });
  add("POST", "pause_deployment", (exchange) => changeState(exchange, "deployment.pause"));
  add("POST", "unpause_deployment", (exchange) => changeState(exchange, "deployment.unpause"));
  add("GET", "list_audit_log_events", listAuditLog);
  add("GET", "list_usage_limits", async (exchange) => {
    await exchange.admin();
    exchange.sendJson('{"usageLimits":[]}');
  });
  // What the platform bills for is not metered here.
  add("GET", "get_current_usage", async (exchange) => {
    await exchange.admin();
    exchange.sendJson('{"metrics":{},"seedStatus":"complete"}');
  });
}

async function updateEnvironment(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const body = parseBody(environmentUpdateSchema, await exchange.json(plainBodyBytesMax));
  const changes = body.changes.map(({ name, value }) => ({ name, value: value ?? null }));
  await exchange.options.updateEnvironment(JSON.stringify({ changes, client: exchange.clientMetadata() }));
  exchange.sendEmpty();
}

async function updateCanonicalUrl(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const body = parseBody(canonicalUrlUpdateSchema, await exchange.json(plainBodyBytesMax));
  const url = body.url ?? null;
  if (url !== null && !isWebOrigin(url)) {
    throw badRequest(
      "InvalidCanonicalUrl",
      `${JSON.stringify(url.slice(0, 200))} is not an http or https URL.`,
    );
  }
  const { requestDestination } = body;
  await exchange.audited("canonicalUrl.update", { requestDestination, url });
  exchange.sendEmpty();
}

function isWebOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:");
}

async function changeState(exchange: Exchange, operation: string): Promise<void> {
  await exchange.admin();
  await exchange.audited(operation, {});
  exchange.sendEmpty();
}

const auditEventsMax = 1000;

/** `cursor`: the creation time of the last event of the page before. */
async function listAuditLog(exchange: Exchange): Promise<void> {
  await exchange.admin();
  const number = (name: string, fallback: number) => {
    const text = exchange.query.get(name);
    const value = text === null || text === "" ? fallback : Number(text);
    if (!Number.isFinite(value)) throw badRequest("BadQueryArgs", `${name} must be a number.`);
    return value;
  };
  const args = {
    fromMs: number("from", 0),
    behindMs: number("cursor", 0),
    limit: Math.min(Math.max(1, Math.floor(number("limit", 100))), auditEventsMax),
  };
  const { items, hasMore } = JSON.parse(
    await exchange.options.engine.system("audit.list", JSON.stringify(args)),
  ) as { items: readonly { createTime: number }[]; hasMore: boolean };
  const last = items.at(-1);
  const nextCursor = hasMore && last !== undefined ? { nextCursor: String(last.createTime) } : {};
  exchange.sendJson(JSON.stringify({ items, pagination: { hasMore, ...nextCursor } }));
}
