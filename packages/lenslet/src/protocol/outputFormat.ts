import { unreachable } from "../base/assert.ts";
import { decodeValue, formatCleanJson, formatExportJson } from "../values/json.ts";
import type { OutputFormat } from "./http.ts";

/** From Convex-encoded JSON text to a format of the HTTP API; most values need no work. */
export function formatEncoded(json: string, format: OutputFormat): string {
  switch (format) {
    case "encoded":
      return json;
    case "clean":
      // Every value that is not plain JSON is written as an object with a "$..." key.
      return json.includes('"$') ? formatCleanJson(decodeValue(json)) : json;
    case "export":
      return formatExportJson(decodeValue(json));
    default:
      return unreachable(format);
  }
}
