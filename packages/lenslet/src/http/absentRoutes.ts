import { badRequest } from "../base/errors.ts";
import type { Router } from "./router.ts";

const logStreams = "Log streams are not available on this server. Read logs with `npx convex logs`.";
const usageLimits = "Usage limits are not available on this server: it meters nothing.";
const fivetran =
  "This server has no destination for Fivetran, because what its connector sends is not publicly described. Use the endpoints for Airbyte, or `npx convex import`.";

/** Endpoints of the reference that this server does not have: it says so, instead of looking like a wrong URL. */
const absent: Readonly<Record<string, string>> = {
  "/api/v1/data/list_active_syncs":
    "This server keeps no list of data syncs: whoever syncs holds the cursor of POST /api/v1/data/sync.",
  "/api/streaming_import/apply_fivetran_operations": fivetran,
  "/api/streaming_import/fivetran_create_table": fivetran,
  "/api/streaming_import/fivetran_truncate_table": fivetran,
  "/api/v1/create_usage_limit": usageLimits,
  "/api/v1/update_usage_limit": usageLimits,
  "/api/v1/delete_usage_limit": usageLimits,
  "/api/v1/list_log_streams": logStreams,
  "/api/v1/get_log_stream": logStreams,
  "/api/v1/create_log_stream": logStreams,
  "/api/v1/update_log_stream": logStreams,
  "/api/v1/delete_log_stream": logStreams,
  "/api/v1/rotate_webhook_secret": logStreams,
  "/api/app_metrics/": "This server has no such metric.",
};

/** 400, not 404: that the CLI takes for a network that is not up yet, and tries again for half a minute. */
export function addAbsentRoutes(router: Router): void {
  for (const [prefix, message] of Object.entries(absent)) {
    router.addPrefix("ANY", prefix, async (exchange) => {
      await exchange.admin();
      throw badRequest("FeatureNotAvailable", message);
    });
  }
}
