import { R2 } from "@convex-dev/r2";
import { components } from "../../_generated/api.js";
import { requireEnv } from "../../lib/env.ts";

let client: R2 | undefined;

/**
 * The bucket. Made at its first use: a deployment without one can do everything else.
 *
 * @throws NOT_CONFIGURED
 */
export function bucket(): R2 {
  client ??= new R2(components.r2, {
    bucket: requireEnv("R2_BUCKET_NAME"),
    endpoint: requireEnv("R2_ENDPOINT"),
    accessKeyId: requireEnv("R2_ACCESS_KEY_ID"),
    secretAccessKey: requireEnv("R2_SECRET_ACCESS_KEY"),
  });
  return client;
}
