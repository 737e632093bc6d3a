import type { Id } from "../../_generated/dataModel.js";
import type { MutationCtx } from "../../_generated/server.js";
import { requireAuth } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { enqueue } from "../../lib/outbox.ts";
import { takeUnit } from "../../lib/rateLimiter.ts";
import { limits } from "../../lib/validation.ts";

export type EventProperties = Record<string, string | number | boolean>;

/** Records an event; it goes out with the next batch. In the transaction of what it tells of: both happen, or neither. */
export async function capture(
  ctx: MutationCtx,
  event: string,
  userId: Id<"users">,
  properties: EventProperties = {},
): Promise<void> {
  await enqueue(ctx, "posthog", crypto.randomUUID(), {
    event,
    distinct_id: userId,
    properties,
    timestamp: new Date(Date.now()).toISOString(),
  });
}

/**
 * Records what the caller did on a page.
 *
 * @throws INVALID_INPUT for too many or too long properties, RATE_LIMITED
 */
export async function track(
  ctx: MutationCtx,
  { event, properties = {} }: { readonly event: string; readonly properties?: EventProperties | undefined },
): Promise<void> {
  const { user } = await requireAuth(ctx);
  const entries = Object.entries(properties);
  const isTooLong = entries.some(
    ([name, value]) => name.length > limits.nameCharsMax || String(value).length > limits.nameCharsMax,
  );
  if (entries.length > limits.propertiesMax || isTooLong)
    throw backendError("INVALID_INPUT", "Too many or too long properties", { field: "properties" });
  await takeUnit(ctx, "trackEvent", user._id);
  await capture(ctx, event, user._id, properties);
}
