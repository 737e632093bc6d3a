import { notAvailable } from "./errors.ts";
import type { Router } from "./router.ts";

/** Endpoints of the reference that are not built yet say so, instead of looking like a wrong URL. */
export function addLaterRoutes(router: Router): void {
  const add = (prefix: string, feature: string) =>
    router.addPrefix("ANY", prefix, () => {
      throw notAvailable(feature);
    });
  add("/api/v1/data/list_active_syncs", "The list of data syncs");
  add("/api/streaming_import/", "This streaming import");
  for (const action of ["create", "update", "delete"]) {
    add(`/api/v1/${action}_usage_limit`, "Usage limits");
    add(`/api/v1/${action}_log_stream`, "Log streams");
  }
  add("/api/v1/rotate_webhook_secret", "Log streams");
  add("/api/app_metrics/", "This metric");
}
