import { echoBodyBytesMax } from "../protocol/http.ts";
import type { Router } from "./router.ts";

/** http-api.md §2 */
export function addMetaRoutes(router: Router): void {
  router.add("GET", "/", (exchange) => {
    exchange.sendText("This Convex deployment is running. See https://docs.convex.dev/.");
  });
  router.add("GET", "/version", (exchange) => exchange.sendText(exchange.options.version));
  router.add("GET", "/instance_version", (exchange) => exchange.sendText(exchange.options.version));
  router.add("GET", "/instance_name", (exchange) => exchange.sendText(exchange.options.instanceName));
  // For those who check tokens that functions have signed.
  router.add("GET", "/.well-known/jwks.json", (exchange) => exchange.sendJson(exchange.options.jwksJson));
  // Answered only when the whole body is here: clients that write everything before they read would block.
  router.add("POST", "/echo", async (exchange) => exchange.sendBytes(await exchange.bytes(echoBodyBytesMax)));
}
