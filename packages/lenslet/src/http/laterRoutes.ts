import { notAvailable } from "./errors.ts";
import type { Router } from "./router.ts";

/** Endpoints of the reference that are not built yet say so, instead of looking like a wrong URL. */
export function addLaterRoutes(router: Router): void {
  const add = (prefix: string, feature: string) =>
    router.addPrefix("ANY", prefix, () => {
      throw notAvailable(feature);
    });
  add("/api/list_snapshot", "Streaming export");
  add("/api/document_deltas", "Streaming export");
  add("/api/json_schemas", "Streaming export");
  add("/api/get_table_column_names", "Streaming export");
  add("/api/test_streaming_export_connection", "Streaming export");
  add("/api/v1/data/", "Data sync");
  add("/api/streaming_import/", "Streaming import");
  add("/api/app_metrics/", "This metric");
}
