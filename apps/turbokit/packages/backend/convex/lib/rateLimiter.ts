import { DAY, HOUR, MINUTE, RateLimiter } from "@convex-dev/rate-limiter";
import { components } from "../_generated/api.js";
import type { Id } from "../_generated/dataModel.js";
import type { ActionCtx, MutationCtx } from "../_generated/server.js";
import { backendError } from "./errors.ts";

/** What costs money, or could fill the database, is limited per user. */
export const rateLimits = {
  createProject: { kind: "token bucket", rate: 30, period: HOUR, capacity: 10 },
  sendMessage: { kind: "token bucket", rate: 30, period: MINUTE, capacity: 10 },
  upload: { kind: "token bucket", rate: 60, period: HOUR, capacity: 20 },
  chat: { kind: "token bucket", rate: 20, period: MINUTE, capacity: 10 },
  generate: { kind: "token bucket", rate: 10, period: MINUTE, capacity: 10 },
  summarize: { kind: "fixed window", rate: 50, period: DAY },
  checkout: { kind: "fixed window", rate: 10, period: HOUR },
  trackEvent: { kind: "token bucket", rate: 120, period: MINUTE, capacity: 60 },
} as const;

export type RateLimitName = keyof typeof rateLimits;

export const rateLimiter = new RateLimiter(components.rateLimiter, rateLimits);

/**
 * Takes one unit of a user's limit. In a mutation the unit is given back when the mutation fails later on: what does
 * not happen does not count.
 *
 * @throws RATE_LIMITED {name, retryAfter: milliseconds}
 */
export async function takeUnit(
  ctx: MutationCtx | ActionCtx,
  name: RateLimitName,
  userId: Id<"users">,
): Promise<void> {
  const { ok, retryAfter } = await rateLimiter.limit(ctx, name, { key: userId });
  if (!ok)
    throw backendError("RATE_LIMITED", "Too many requests: wait a little and try again", {
      name,
      retryAfter: Math.ceil(retryAfter),
    });
}
