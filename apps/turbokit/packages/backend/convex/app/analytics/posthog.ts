import type { Doc } from "../../_generated/dataModel.js";
import { readEnv } from "../../lib/env.ts";

const defaultHost = "https://us.i.posthog.com";

/**
 * Sends events to PostHog (or anything that takes its batches). Without a key they are dropped: analytics is optional.
 *
 * @returns whether they need not be sent again
 */
export async function sendBatch(batch: readonly Doc<"outbox">[]): Promise<boolean> {
  const key = readEnv("POSTHOG_API_KEY");
  if (key === undefined) return true;
  const host = (readEnv("POSTHOG_HOST") ?? defaultHost).replace(/\/+$/, "");
  try {
    const response = await fetch(`${host}/batch/`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        api_key: key,
        // PostHog's own names begin with "$", which names in the database must not.
        batch: batch.map(({ key: uuid, payload }) => ({
          ...payload,
          uuid,
          properties: { ...(payload["properties"] as object), $lib: "turbokit" },
        })),
      }),
    });
    if (response.ok) return true;
    console.error(`PostHog answered ${response.status}`);
    // What it refuses today it refuses tomorrow; a server that is ill may get well.
    return response.status < 500 && response.status !== 429;
  } catch (error) {
    console.error("PostHog cannot be reached", error);
    return false;
  }
}
